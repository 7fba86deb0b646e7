//! Changes that are made whole, whoever waits for them.
//!
//! What answers a request is dropped when its client goes away, and when it takes too long. A
//! change that takes more than one step therefore runs apart from it.

use countersign_store::StoreError;
use tracing::Instrument as _;

/// Runs a change to its end, whatever becomes of who asked for it.
///
/// # Errors
/// Those of the change. One that panicked is one of which nothing is known.
pub(crate) async fn finish<T, E>(
    change: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let finished = tokio::spawn(change.in_current_span()).await;
    finished.unwrap_or_else(|_| Err(StoreError::Stopped.into()))
}
