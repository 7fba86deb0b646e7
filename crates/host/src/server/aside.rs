//! What a task waits for beside its work, and what hardly ever comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is asked only when it has rung, however often its task is woken for something
/// else.
///
/// A connection's task is woken for whatever its peer sends. Whether the server stops or the
/// connection is old would be asked each time as well, and asking takes locks that all connections
/// share.
pub(super) struct Aside<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    /// The bell, as the future has it.
    ringer: Waker,
    /// The task that the bell wakes.
    task: Option<Waker>,
}

struct Bell {
    has_rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl<F: Future> Aside<F> {
    pub(super) fn new(future: F) -> Self {
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: Mutex::default() });
        let ringer = Waker::from(Arc::clone(&bell));
        Self { future: Box::pin(future), bell, ringer, task: None }
    }
}

impl<F: Future> Future for Aside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // The task first, so that whoever rings later wakes it.
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
            self.bell.wakes(cx.waker().clone());
        }
        // Looked at first: to write costs more, and mostly it has not.
        let has_rung = &self.bell.has_rung;
        if !has_rung.load(Ordering::Acquire) || !has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let Self { future, ringer, .. } = &mut *self;
        future.as_mut().poll(&mut Context::from_waker(ringer))
    }
}

impl Bell {
    fn wakes(&self, task: Waker) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        task.inspect(Waker::wake_by_ref);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<F: Future>(aside: &mut Aside<F>, task: &Arc<Task>) -> Poll<F::Output> {
        Pin::new(aside).poll(&mut Context::from_waker(&Waker::from(Arc::clone(task))))
    }

    #[test]
    fn it_is_asked_once_and_then_only_when_it_has_rung() {
        let mut asked = 0;
        let (first, second) = (Arc::new(Task::default()), Arc::new(Task::default()));
        let mut aside = Aside::new(poll_fn(|_| {
            asked += 1;
            if asked < 3 { Poll::Pending } else { Poll::Ready(asked) }
        }));
        let ring = |aside: &Aside<_>| aside.ringer.wake_by_ref();
        for _ in 0..3 {
            assert!(poll(&mut aside, &first).is_pending());
        }
        ring(&aside);
        assert_eq!(first.0.load(Ordering::Relaxed), 1);
        for _ in 0..3 {
            assert!(poll(&mut aside, &second).is_pending());
        }
        ring(&aside);
        assert_eq!(first.0.load(Ordering::Relaxed), 1, "another task has it now");
        assert_eq!(second.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut aside, &second), Poll::Ready(3));
    }
}
