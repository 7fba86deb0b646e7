//! Which client proofs were used.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::{Clock, Timestamp};

use crate::registration::BoxFuture;

/// The memory of used client proofs.
///
/// One atomic step: of two calls with one key, however close, exactly one is told that it is new. The
/// answer is given once it would outlive a restart, or the restart takes longer than a proof lives.
pub trait UsedProofs: Send + Sync {
    /// Notes a key until a moment; `true` if it was not there. Both are of a verified proof.
    ///
    /// # Errors
    /// [`ProofsError`] if nothing was noted, or if that is not known.
    fn insert_new(&self, key: Digest, until: Timestamp)
    -> BoxFuture<'_, Result<bool, ProofsError>>;
}

/// The memory of used proofs failed.
#[derive(Debug, thiserror::Error)]
#[error("the memory of used proofs failed")]
pub struct ProofsError(#[source] Box<dyn Error + Send + Sync>);

impl ProofsError {
    /// A failure of this cause.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Client proofs live for a minute and their keys are 32 octets: so many are 64 MiB at most.
const MAX_PROOFS: usize = 500_000;

/// Used proofs in memory, for one process. A restart forgets them, so that a proof of the last two
/// minutes could be shown again: keep them in a store where that matters.
pub struct MemoryProofs {
    used: Mutex<HashMap<Digest, Timestamp>>,
    clock: Arc<dyn Clock>,
}

impl MemoryProofs {
    /// No proof was used.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { used: Mutex::default(), clock }
    }

    fn insert(&self, key: Digest, until: Timestamp) -> Result<bool, ProofsError> {
        // No code panics while it holds this lock, and every state in between is a valid one.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_PROOFS {
            let now = self.clock.now();
            used.retain(|_, until| now < *until);
        }
        if used.len() >= MAX_PROOFS {
            return Err(ProofsError::new("too many proofs within their life"));
        }
        Ok(used.insert(key, until).is_none())
    }
}

impl UsedProofs for MemoryProofs {
    fn insert_new(
        &self,
        key: Digest,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<bool, ProofsError>> {
        Box::pin(std::future::ready(self.insert(key, until)))
    }
}
