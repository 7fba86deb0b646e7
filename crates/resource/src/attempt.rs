//! One attempt at a time at something that several requests wait for.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// A value that is made on demand and kept while it is usable.
///
/// Whoever waits while another makes it shares the outcome, be it a failure: a hundred requests
/// that find the authorization server down wait for one timeout, not for a hundred in a row.
pub(crate) struct Shared<T, E> {
    last: Mutex<Option<Result<T, E>>>,
    attempts: AtomicU64,
}

impl<T: Clone, E: Clone> Shared<T, E> {
    pub(crate) fn new() -> Self {
        Self { last: Mutex::new(None), attempts: AtomicU64::new(0) }
    }

    /// The value kept, if it is `usable`; else what `make` gives, by one caller for all.
    pub(crate) async fn get<F>(
        &self,
        usable: impl Fn(&T) -> bool,
        make: impl FnOnce() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        match &*last {
            Some(Ok(value)) if usable(value) => return Ok(value.clone()),
            Some(outcome) if self.attempts.load(Ordering::Acquire) != seen => {
                return outcome.clone();
            }
            _ => {}
        }
        let outcome = make().await;
        *last = Some(outcome.clone());
        self.attempts.fetch_add(1, Ordering::AcqRel);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_usable_value_is_kept_and_a_failure_is_not() {
        let shared = Shared::<u8, &str>::new();
        assert_eq!(shared.get(|_| true, || async { Err("down") }).await, Err("down"));
        assert_eq!(shared.get(|_| true, || async { Ok(1) }).await, Ok(1));
        assert_eq!(shared.get(|_| true, || async { Ok(2) }).await, Ok(1));
        assert_eq!(shared.get(|_| false, || async { Ok(3) }).await, Ok(3));
    }

    #[tokio::test]
    async fn those_who_wait_share_the_outcome() {
        let shared = Shared::<u8, &str>::new();
        let made = Cell::new(0);
        let attempt = || async {
            made.set(made.get() + 1);
            tokio::task::yield_now().await;
            Err::<u8, _>("down")
        };
        let (a, b, c) = tokio::join!(
            shared.get(|_| true, attempt),
            shared.get(|_| true, attempt),
            shared.get(|_| true, attempt)
        );
        assert_eq!((a, b, c, made.get()), (Err("down"), Err("down"), Err("down"), 1));
    }
}
