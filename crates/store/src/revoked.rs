//! What was revoked before its time: self-contained tokens, and all that a person had of an
//! owner's.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::engine::{Change, Changer, Engine, RecordTable};
use crate::error::StoreError;
use crate::record;
use crate::resources::Registrant;

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

/// Whose tokens no longer count at whose resources: one record `R` per person, under the
/// registrant. It says which of them do.
#[derive(Clone)]
pub struct RevokedPeople<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> RevokedPeople<R> {
    /// Revocations kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// All of them, each under where it is kept.
    ///
    /// # Errors
    /// [`StoreError`]; no token of anybody's may then be accepted.
    pub async fn list(&self, now: Timestamp) -> Result<Vec<(RevokedKey, R)>, StoreError> {
        let found = self.engine.list(RecordTable::Revoked, &[], now).await?;
        let ours = found.into_iter().filter(|(key, _)| key.len() == RevokedKey::LENGTH);
        ours.map(|(key, value)| Ok((RevokedKey(key), record::decode(&value)?))).collect()
    }

    /// Revokes what the person had, in one atomic step that is durable before it answers. `joined`
    /// makes the record of the one that stands there, if one does; it is remembered until
    /// `expires`, and what the caller is given.
    ///
    /// # Errors
    /// [`StoreError`]; the revocation must then not be acknowledged.
    pub async fn revoke(
        &self,
        registrant: &Registrant,
        person: &Digest,
        now: Timestamp,
        expires: Timestamp,
        joined: impl FnOnce(Option<R>) -> R + Send + 'static,
    ) -> Result<R, StoreError>
    where
        R: Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let changer: Changer = Box::new(move |found: Option<&[u8]>| {
            let found = found.map(record::decode).transpose();
            let made = found.and_then(|found| {
                let record = joined(found);
                Ok((record::encode(&record)?, record))
            });
            let (change, outcome) = match made {
                Ok((value, record)) => (Change::Put(value, Some(expires)), Ok(record)),
                Err(error) => (Change::Keep, Err(error)),
            };
            // A caller that went away is told nothing, and its change stands.
            drop(tell.send(outcome));
            change
        });
        let RevokedKey(key) = RevokedKey::of(registrant, person);
        self.engine.update(RecordTable::Revoked, &key, now, changer).await?;
        told.await.unwrap_or(Err(StoreError::Stopped))
    }
}

/// Where it is kept that what a person had at a registrant's was revoked.
///
/// INVARIANT: twice as long as the key of a self-contained token, so that neither is taken for the
/// other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RevokedKey(Vec<u8>);

impl RevokedKey {
    const LENGTH: usize = 64;

    /// The key of the person whom `person` stands for.
    #[must_use]
    pub fn of(registrant: &Registrant, person: &Digest) -> Self {
        Self([registrant.prefix().as_bytes().as_slice(), person.as_bytes()].concat())
    }
}
