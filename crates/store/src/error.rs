//! Why a store gives no answer.

use std::error::Error;
use std::sync::Arc;

use countersign_types::{Wire, WireError};

/// What an engine or a codec reported. Shared, because one failed commit answers many callers.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why a store gives no answer. Never a statement about a token or a ticket.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operation failed (no space, a lock held too long). Whether a write took effect is
    /// unknown unless the caller asks again.
    #[error("the store could not complete the operation")]
    Unavailable(#[source] Cause),
    /// The engine stopped writing after a failure that leaves what is on the disk in doubt.
    /// Restart it; recovery then reads what is really there.
    #[error("the store has stopped writing after a failure")]
    Stopped,
    /// There is no room for another entry.
    #[error("the store is full")]
    Full,
    /// An entry stands under this key already.
    #[error("an entry stands under this key already")]
    Exists,
    /// A stored value is not what this version writes.
    #[error("a stored value cannot be read")]
    Corrupt(#[source] Cause),
    /// A value cannot be written as JSON.
    #[error("a value cannot be stored")]
    Unstorable(#[source] Cause),
}

impl WireError for StoreError {
    fn wire(&self) -> Wire {
        match self {
            Self::Unavailable(_) | Self::Stopped | Self::Full => Wire::unavailable(),
            Self::Exists | Self::Corrupt(_) | Self::Unstorable(_) => Wire::server_error(),
        }
    }
}
