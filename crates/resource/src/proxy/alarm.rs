//! A limit on time that is set at every request and hardly ever reached.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that stays from one request to the next. Limits follow one another, each later than the
/// last, so that it need not be told of them: it goes off too early now and then, and is set to the
/// limit that there is by then. To register each with the runtime, and to take it back, would cost
/// every request two turns of a lock that all threads share.
#[derive(Default)]
pub(super) struct Alarm(Option<Armed>);

struct Armed {
    timer: Pin<Box<Sleep>>,
    /// Whom it wakes, once it has been asked.
    task: Option<Waker>,
}

impl Armed {
    fn new(due: Instant) -> Self {
        Self { timer: Box::pin(sleep_until(due)), task: None }
    }

    /// Whether it goes off by then, and wakes this task, without being asked again.
    fn will_wake(&self, due: Instant, task: &Waker) -> bool {
        self.timer.deadline() <= due
            && !self.timer.is_elapsed()
            && self.task.as_ref().is_some_and(|known| known.will_wake(task))
    }
}

impl Alarm {
    /// Ready once it is `due`.
    pub(super) fn poll_at(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let armed = self.0.get_or_insert_with(|| Armed::new(due));
        if armed.will_wake(due, cx.waker()) {
            return Poll::Pending;
        }
        armed.task = Some(cx.waker().clone());
        let timer = &mut armed.timer;
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        // Whatever else the task has done, this is asked: a timer that puts it off wakes nobody
        // later.
        while Pin::new(&mut unconstrained(timer.as_mut())).poll(cx).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;

    fn is_due(alarm: &mut Alarm, due: Instant) -> bool {
        alarm.poll_at(due, &mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn it_goes_off_at_the_limit_that_there_is_by_then() {
        let (begun, hour) = (Instant::now(), Duration::from_secs(3600));
        let (soon, later) = (begun + Duration::from_millis(20), begun + Duration::from_millis(80));
        let mut alarm = Alarm::default();
        assert!(!is_due(&mut alarm, soon));
        poll_fn(|cx| alarm.poll_at(later, cx)).await;
        assert!(later <= Instant::now());
        assert!(is_due(&mut alarm, soon), "what is past is due");

        let next = Instant::now() + Duration::from_millis(20);
        assert!(!is_due(&mut alarm, begun + hour));
        poll_fn(|cx| alarm.poll_at(next, cx)).await;
        assert!(next <= Instant::now() && begun.elapsed() < hour);
    }
}
