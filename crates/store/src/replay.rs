//! Identifiers that were seen: the `jti` of client assertions, claims tokens and proofs.

use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use countersign_types::replay::Seen;

use crate::engine::Engine;
use crate::error::StoreError;

/// Remembers what may be shown once only.
#[derive(Clone)]
pub struct Replay {
    engine: Arc<dyn Engine>,
}

impl Replay {
    /// What was seen, kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Remembers `key`, and says whether it was seen before.
    ///
    /// `key` is a digest over kind, issuer and `jti` of something whose signature was verified.
    /// `expires` is when that something is refused for its age by every clock we allow for: its
    /// `exp` and the skew allowance.
    ///
    /// # Errors
    /// [`StoreError`]; treat it as not confirmed.
    pub async fn insert_new(&self, key: Digest, expires: Timestamp) -> Result<Seen, StoreError> {
        let is_new = self.engine.insert_new(key, expires).await?;
        Ok(if is_new { Seen::First } else { Seen::Again })
    }
}
