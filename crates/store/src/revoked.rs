//! What was revoked before its time: self-contained tokens, and all that a person had of an owner's.

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

/// Whose tokens no longer count at whose resources: one record `R` per person, under the registrant. It says
/// up to when what they had was issued.
///
/// An engine has all of these in memory, since the usual answer is that there is none.
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

    /// What was revoked of the person whom `person` stands for.
    ///
    /// # Errors
    /// [`StoreError`]; no token of theirs may then be accepted.
    pub async fn find(
        &self,
        registrant: &Registrant,
        person: &Digest,
        now: Timestamp,
    ) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::Revoked, &key(registrant, person), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Revokes what the person had, in one atomic step that is durable before it answers. `joined` makes the
    /// record of the one that stands there, if one does; it is remembered until `expires`.
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
    ) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        let changer: Changer = Box::new(move |found: Option<&[u8]>| {
            let found = found.map(record::decode).transpose();
            let (change, outcome) = match found.and_then(|found| record::encode(&joined(found))) {
                Ok(value) => (Change::Put(value, Some(expires)), Ok(())),
                Err(error) => (Change::Keep, Err(error)),
            };
            // A caller that went away is told nothing, and its change stands.
            drop(tell.send(outcome));
            change
        });
        self.engine.update(RecordTable::Revoked, &key(registrant, person), now, changer).await?;
        told.await.unwrap_or(Err(StoreError::Stopped))
    }
}

/// INVARIANT: twice as long as the key of a self-contained token, so that neither is taken for the other.
fn key(registrant: &Registrant, person: &Digest) -> Vec<u8> {
    [registrant.prefix().as_bytes().as_slice(), person.as_bytes()].concat()
}
