//! Self-contained tokens that were revoked before their time.

use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;

/// The `jti` values of our own self-contained tokens that no longer count.
#[derive(Clone)]
pub struct RevokedTokens {
    engine: Arc<dyn Engine>,
}

impl RevokedTokens {
    /// Revocations kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Revokes the token `jti`, remembered until `expires`: its `exp` and the skew allowance.
    /// Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; the revocation must then not be acknowledged.
    pub async fn revoke(&self, jti: &str, expires: Timestamp) -> Result<(), StoreError> {
        let key = Digest::of(jti.as_bytes());
        self.engine.put(RecordTable::Revoked, key.as_bytes(), Vec::new(), Some(expires)).await
    }

    /// Whether the verified token `jti` was revoked.
    ///
    /// # Errors
    /// [`StoreError`]; the token must then not be accepted.
    pub async fn is_revoked(&self, jti: &str, now: Timestamp) -> Result<bool, StoreError> {
        let key = Digest::of(jti.as_bytes());
        Ok(self.engine.get(RecordTable::Revoked, key.as_bytes(), now).await?.is_some())
    }
}
