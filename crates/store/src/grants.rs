//! What people allowed clients. [RFC 6749 §1.3](https://www.rfc-editor.org/rfc/rfc6749#section-1.3)

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

/// Grants, each with the record `R` of what was allowed, by the person who allowed it and an
/// identifier of ours.
///
/// INVARIANT: whatever derives from a grant counts only while the grant is here, so that removing
/// it ends all of that in one durable step. Nothing brings a removed grant back.
#[derive(Clone)]
pub struct Grants<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Grants<R> {
    /// Grants kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a fresh grant of `subject` under an identifier that is new. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert(
        &self,
        subject: &str,
        id: &str,
        record: &R,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let value = record::encode(record)?;
        self.engine.put(RecordTable::Grants, &key(subject, id), value, Some(expires)).await
    }

    /// The grant, if it is live.
    ///
    /// # Errors
    /// [`StoreError`]; what derives from the grant must then not be accepted.
    pub async fn find(
        &self,
        subject: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::Grants, &key(subject, id), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Gives a live grant another record, and the moment of its end stays; `false` if there is
    /// none, or none any more. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace(
        &self,
        subject: &str,
        id: &str,
        record: &R,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let value = record::encode(record)?;
        self.engine.replace(RecordTable::Grants, &key(subject, id), value, now).await
    }

    /// Every live grant of `subject`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, subject: &str, now: Timestamp) -> Result<Vec<R>, StoreError> {
        let prefix = Digest::of(subject.as_bytes());
        let found = self.engine.list(RecordTable::Grants, prefix.as_bytes(), now).await?;
        found.into_iter().map(|(_, value)| record::decode(&value)).collect()
    }

    /// A live grant ends at another moment; `false` if there is none. Atomic: one that ended
    /// meanwhile does not come back. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; whether it was changed is then unknown.
    pub async fn prolong(
        &self,
        subject: &str,
        id: &str,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (tell, told) = oneshot::channel();
        let changer: Changer = Box::new(move |found: Option<&[u8]>| {
            // A caller that went away is told nothing, and its change stands.
            let _ = tell.send(found.is_some());
            found.map_or(Change::Keep, |value| Change::Put(value.to_vec(), Some(expires)))
        });
        self.engine.update(RecordTable::Grants, &key(subject, id), now, changer).await?;
        told.await.map_err(|_| StoreError::Stopped)
    }

    /// Ends a grant; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; the end must then not be acknowledged.
    pub async fn remove(&self, subject: &str, id: &str) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Grants, &key(subject, id)).await
    }
}

/// A person's grants stand together.
fn key(subject: &str, id: &str) -> Vec<u8> {
    let mut key = Digest::of(subject.as_bytes()).as_bytes().to_vec();
    key.extend_from_slice(id.as_bytes());
    key
}
