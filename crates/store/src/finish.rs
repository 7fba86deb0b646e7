//! Changes that are made whole, whoever waits for them.
//!
//! What answers a request is dropped when its client goes away, and when it takes too long. A
//! change that takes more than one step, or of which memory takes note before it is on the disk,
//! therefore runs apart from it.

use std::future::Future;
use std::panic::resume_unwind;

use tracing::Instrument as _;

use crate::error::StoreError;

/// Runs a change to its end, whatever becomes of who asked for it: as a task of the Tokio runtime,
/// in the span of who asked.
///
/// # Errors
/// Those of the change. Nothing is known of one that the end of the runtime cut off.
///
/// # Panics
/// If the change does, so that its panic is that of the request; and outside a Tokio runtime.
pub async fn finish<T, E>(
    change: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let finished = tokio::spawn(change.in_current_span()).await;
    finished.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => Err(StoreError::Stopped.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H18: the panic of a change is that of whoever waits for it, and no failure of the store.
    #[tokio::test]
    async fn a_panic_is_that_of_whoever_waits() {
        async fn panics() -> Result<(), StoreError> {
            resume_unwind(Box::new("why"))
        }
        let waits = tokio::spawn(finish(panics()));
        let panic = waits.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"why"));
    }
}
