//! Opaque access tokens: RPTs and PATs.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::secret::AccessToken;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;
use crate::record;

/// Opaque access tokens under their digests, each with the record `R` of what it stands for.
#[derive(Clone)]
pub struct AccessTokens<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> AccessTokens<R> {
    /// Tokens kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a fresh token. Durable before it answers, so that no token leaves that a restart
    /// would forget.
    ///
    /// # Errors
    /// [`StoreError`]; the token must then not be given out.
    pub async fn insert(
        &self,
        token: &AccessToken,
        record: &R,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let key = token.digest();
        let value = record::encode(record)?;
        self.engine.put(RecordTable::AccessTokens, key.as_bytes(), value, Some(expires)).await
    }

    /// What an untrusted token stands for, if it is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, token: &AccessToken, now: Timestamp) -> Result<Option<R>, StoreError> {
        let key = token.digest();
        let value = self.engine.get(RecordTable::AccessTokens, key.as_bytes(), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Revokes a token; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke(&self, token: &AccessToken) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::AccessTokens, token.digest().as_bytes()).await
    }
}
