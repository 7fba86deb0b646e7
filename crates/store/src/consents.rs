//! What people allowed which client for good, so that they are not asked each time.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::digest::Digest;
use countersign_types::{ClientId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;
use crate::record;

/// Consents, each with a record `R` of what was allowed, by person and client.
#[derive(Clone)]
pub struct Consents<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Consents<R> {
    /// Consents kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Remembers what `subject` allowed `client`, in place of what was remembered. Durable before
    /// it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        subject: &str,
        client: &ClientId,
        record: &R,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let value = record::encode(record)?;
        self.engine.put(RecordTable::Consents, &key(subject, client), value, Some(expires)).await
    }

    /// What `subject` allowed `client`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        subject: &str,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::Consents, &key(subject, client), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Every live consent of `subject`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, subject: &str, now: Timestamp) -> Result<Vec<R>, StoreError> {
        let prefix = Digest::of(subject.as_bytes());
        let found = self.engine.list(RecordTable::Consents, prefix.as_bytes(), now).await?;
        found.into_iter().map(|(_, value)| record::decode(&value)).collect()
    }

    /// Forgets what `subject` allowed `client`; `false` if there is nothing. Durable before it
    /// answers.
    ///
    /// # Errors
    /// [`StoreError`]; it must then not be said to be forgotten.
    pub async fn remove(&self, subject: &str, client: &ClientId) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Consents, &key(subject, client)).await
    }
}

/// A person's consents stand together.
fn key(subject: &str, client: &ClientId) -> Vec<u8> {
    let client = Digest::of(client.as_str().as_bytes());
    [Digest::of(subject.as_bytes()).as_bytes().as_slice(), client.as_bytes()].concat()
}
