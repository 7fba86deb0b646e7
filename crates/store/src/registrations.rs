//! What a resource server has registered at an authorization server.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::{Issuer, Timestamp, digest::Digest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;
use crate::record;

/// A resource server's own memory of its registrations, by authorization server and resource
/// name, so that a restart finds the ids again instead of registering twice. All writes are
/// durable before they answer.
#[derive(Clone)]
pub struct Registrations<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Registrations<R> {
    /// Registrations kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Remembers what `issuer` answered when the resource `name` was registered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, issuer: &Issuer, name: &str, record: &R) -> Result<(), StoreError> {
        let value = record::encode(record)?;
        self.engine.put(RecordTable::Registrations, &key(issuer, name), value, None).await
    }

    /// What is remembered of the resource `name` at `issuer`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, issuer: &Issuer, name: &str) -> Result<Option<R>, StoreError> {
        let key = key(issuer, name);
        let value = self.engine.get(RecordTable::Registrations, &key, ALWAYS).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Forgets the resource `name` at `issuer`; `false` if it was not known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(&self, issuer: &Issuer, name: &str) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Registrations, &key(issuer, name)).await
    }

    /// The names and records known at `issuer`, in the order of the names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, issuer: &Issuer) -> Result<Vec<(String, R)>, StoreError> {
        let prefix = prefix(issuer);
        let found = self.engine.list(RecordTable::Registrations, prefix.as_bytes(), ALWAYS).await?;
        found
            .into_iter()
            .map(|(key, value)| {
                let name = key.get(prefix.as_bytes().len()..).unwrap_or_default();
                Ok((String::from_utf8_lossy(name).into_owned(), record::decode(&value)?))
            })
            .collect()
    }
}

/// Registrations do not expire, so any moment serves to read them.
const ALWAYS: Timestamp = Timestamp::from_unix(0);

fn prefix(issuer: &Issuer) -> Digest {
    Digest::of(issuer.as_str().as_bytes())
}

fn key(issuer: &Issuer, name: &str) -> Vec<u8> {
    let mut key = prefix(issuer).as_bytes().to_vec();
    key.extend_from_slice(name.as_bytes());
    key
}
