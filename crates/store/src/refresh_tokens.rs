//! Refresh tokens. [RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use countersign_types::secret::RefreshToken;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, KeyedValue, Part, RecordTable};
use crate::error::StoreError;
use crate::record;

/// Refresh tokens under their digests, each with the record `R` of what it stands for.
///
/// Where tokens are replaced, one that was stays until it expires, so that it is recognised when it
/// is shown again; that it is used once is for [`Replay`](crate::Replay) to see to.
#[derive(Clone)]
pub struct RefreshTokens<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> RefreshTokens<R> {
    /// Tokens kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a token. Durable before it answers. To keep the same one once more, with the same
    /// record, changes nothing but the moment of its end.
    ///
    /// # Errors
    /// [`StoreError`]; the token must then not be given out.
    pub async fn insert(
        &self,
        token: &RefreshToken,
        record: &R,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let (digest, value) = (token.digest(), record::encode(record)?);
        let key = digest.as_bytes();
        self.engine.put(RecordTable::RefreshTokens, key, value, Some(expires)).await
    }

    /// What an untrusted token stands for, if it is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<R>, StoreError> {
        self.find_by(&token.digest(), now).await
    }

    /// What the token of this digest stands for, if it is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_by(&self, token: &Digest, now: Timestamp) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::RefreshTokens, token.as_bytes(), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Forgets a token; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; the end must then not be acknowledged.
    pub async fn remove(&self, token: &RefreshToken) -> Result<bool, StoreError> {
        self.remove_by(&token.digest()).await
    }

    /// Forgets the token of this digest; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; the end must then not be acknowledged.
    pub async fn remove_by(&self, token: &Digest) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::RefreshTokens, token.as_bytes()).await
    }

    /// What live tokens stand for whose digests come after this one, `limit` of them at most and
    /// fewer only where there are no more. It reads no others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        after: Option<&Digest>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(Digest, R)>, StoreError> {
        let part = Part::After(after.map_or(&[], |digest| digest.as_bytes()));
        let found = self.engine.page(RecordTable::RefreshTokens, &[], part, limit, now).await?;
        let one = |(key, value): KeyedValue| {
            // INVARIANT: every record here stands under a digest.
            let digest = Digest::from_octets(key.try_into().unwrap_or_default());
            Ok((digest, record::decode(&value)?))
        };
        found.into_iter().map(one).collect()
    }
}
