//! The limits on time of a connection, of which one follows the other and hardly any is ever
//! reached.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::task::unconstrained;
use tokio::time::{self, sleep_until};

/// Thirty years, as the runtime's own timers have it.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// One timer for all limits of a connection: a clone is the same one. All of them are waited for by
/// the connection's task.
///
/// It goes off no later than any of those that are waited for. That may be too early for the
/// others, and for one that came since; whoever waits then sets it again. To register every limit
/// of every request with the runtime, and to take it back, would cost each two turns of a lock that
/// all threads share.
#[derive(Clone, Default)]
pub(super) struct Alarm(Arc<Mutex<Option<Armed>>>);

struct Armed {
    timer: Pin<Box<time::Sleep>>,
    /// Whom it wakes, once it has been asked.
    task: Option<Waker>,
}

impl Armed {
    fn new(due: time::Instant) -> Self {
        Self { timer: Box::pin(sleep_until(due)), task: None }
    }

    /// Whether it goes off by then, and wakes this task, without being asked again.
    fn will_wake(&self, due: time::Instant, task: &Waker) -> bool {
        self.timer.deadline() <= due
            && !self.timer.is_elapsed()
            && self.task.as_ref().is_some_and(|known| known.will_wake(task))
    }
}

impl Alarm {
    /// The outcome of `future`, unless it takes longer.
    pub(super) async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let (mut future, mut limit) = (pin!(future), self.limit(self.after(limit)));
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => Pin::new(&mut limit).poll(cx).map(|()| None),
        })
        .await
    }

    /// So long from now; a limit that no clock reaches is as good as none.
    fn after(&self, limit: Duration) -> Instant {
        let now = self.now();
        now.checked_add(limit).unwrap_or_else(|| now + FAR)
    }

    fn limit(&self, due: Instant) -> Limit {
        Limit { alarm: self.clone(), due: due.into() }
    }
}

impl Timer for Alarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.after(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.limit(deadline))
    }

    /// The runtime's, as its timers have it.
    fn now(&self) -> Instant {
        time::Instant::now().into()
    }
}

/// Ready once it is due.
struct Limit {
    alarm: Alarm,
    due: time::Instant,
}

impl Sleep for Limit {}

impl Future for Limit {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Whole after every statement, so a panic elsewhere does not spoil it.
        let mut armed = self.alarm.0.lock().unwrap_or_else(PoisonError::into_inner);
        let armed = armed.get_or_insert_with(|| Armed::new(self.due));
        if armed.will_wake(self.due, cx.waker()) {
            return Poll::Pending;
        }
        armed.task = Some(cx.waker().clone());
        let timer = &mut armed.timer;
        if self.due < timer.deadline() {
            timer.as_mut().reset(self.due);
        }
        // Whatever else the task has done, this is asked: a timer that puts it off wakes nobody
        // later.
        while Pin::new(&mut unconstrained(timer.as_mut())).poll(cx).is_ready() {
            if self.due <= time::Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(self.due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn limits_follow_one_another_and_each_is_kept() {
        let alarm = Alarm::default();
        for limit in [LONG, SHORT, LONG] {
            assert_eq!(alarm.within(limit, std::future::ready(1)).await, Some(1));
        }
        let never = std::future::pending::<()>;
        for limit in [SHORT, 4 * SHORT, SHORT] {
            let begun = alarm.now();
            // What was waited for before, and no longer is, changes nothing.
            let mut given_up = alarm.limit(begun + LONG);
            let noop = &mut Context::from_waker(std::task::Waker::noop());
            assert!(Pin::new(&mut given_up).poll(noop).is_pending());
            assert_eq!(alarm.within(limit, never()).await, None);
            assert!(begun.elapsed() >= limit && begun.elapsed() < LONG);
        }
    }

    #[tokio::test]
    async fn the_longest_limit_is_none() {
        let alarm = Alarm::default();
        let soon = alarm.sleep(SHORT);
        assert_eq!(alarm.within(Duration::MAX, soon).await, Some(()));
        tokio::select! {
            () = alarm.sleep(Duration::MAX) => panic!("it does not go off"),
            () = alarm.sleep(SHORT) => {}
        }
    }

    #[tokio::test]
    async fn limits_that_are_waited_for_together_end_in_their_order() {
        let alarm = Alarm::default();
        let begun = alarm.now();
        let first = async {
            alarm.sleep(SHORT).await;
            begun.elapsed()
        };
        let second = async {
            alarm.sleep(4 * SHORT).await;
            begun.elapsed()
        };
        let (second, first) = tokio::join!(second, first);
        assert!(first >= SHORT && second >= 4 * SHORT && first < second, "{first:?} {second:?}");
    }
}
