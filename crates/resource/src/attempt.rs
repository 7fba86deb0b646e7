//! One attempt at a time at something that several requests wait for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::error::ConversationError;
use crate::server::Failure;

/// A value that is made on demand and kept while it is usable.
///
/// Whoever waits while another makes it shares the outcome, be it a failure: a hundred requests
/// that find the authorization server down wait for one timeout, not for a hundred in a row.
///
/// An attempt is a task of its own. The request that began it may go away, and what came of it is
/// kept all the same, before another attempt begins.
pub(crate) struct Shared<T> {
    last: Arc<Mutex<Option<Result<T, Failure>>>>,
    attempts: Arc<AtomicU64>,
}

impl<T: Clone + Send + 'static> Shared<T> {
    pub(crate) fn new() -> Self {
        Self { last: Arc::default(), attempts: Arc::default() }
    }

    /// The value kept, if it is `usable`; else what `make` gives, by one caller for all.
    pub(crate) async fn get<F>(
        &self,
        usable: impl Fn(&T) -> bool,
        make: impl FnOnce() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut last = Arc::clone(&self.last).lock_owned().await;
        match &*last {
            Some(Ok(value)) if usable(value) => return Ok(value.clone()),
            Some(outcome) if self.attempts.load(Ordering::Acquire) != seen => {
                return outcome.clone();
            }
            _ => {}
        }
        let (made, attempts) = (make(), Arc::clone(&self.attempts));
        let attempt = async move {
            let outcome = made.await;
            *last = Some(outcome.clone());
            attempts.fetch_add(1, Ordering::AcqRel);
            outcome
        };
        let attempt = tokio::spawn(attempt.in_current_span()).await;
        attempt.unwrap_or_else(|_| Err(ConversationError::Stopped.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Failure {
        Arc::new(ConversationError::Malformed("down"))
    }

    #[tokio::test]
    async fn a_usable_value_is_kept_and_a_failure_is_not() {
        let shared = Shared::<u8>::new();
        assert!(shared.get(|_| true, || async { Err(down()) }).await.is_err());
        assert_eq!(shared.get(|_| true, || async { Ok(1) }).await.unwrap(), 1);
        assert_eq!(shared.get(|_| true, || async { Ok(2) }).await.unwrap(), 1);
        assert_eq!(shared.get(|_| false, || async { Ok(3) }).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn those_who_wait_share_the_outcome() {
        let shared = Shared::<u8>::new();
        let attempt = || async {
            tokio::task::yield_now().await;
            Err(down())
        };
        let (a, b, c) = tokio::join!(
            shared.get(|_| true, attempt),
            shared.get(|_| true, attempt),
            shared.get(|_| true, attempt)
        );
        let [a, b, c] = [a, b, c].map(Result::unwrap_err);
        assert!(Arc::ptr_eq(&a, &b) && Arc::ptr_eq(&b, &c), "it is one failure");
    }
}
