//! Registered resources. UMA 2.0 Federated Authorization §3.2.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::digest::Digest;
use countersign_types::{ClientId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, KeyedValue, Part, RecordTable};
use crate::error::StoreError;
use crate::record;

/// On whose behalf resources are registered: what a PAT stands for.
///
/// No operation of [`Resources`] reaches beyond one registrant, so an id of another owner or
/// another resource server is an unknown id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
pub struct Registrant {
    /// The resource owner.
    pub owner: String,
    /// The resource server, by its client id.
    pub resource_server: ClientId,
}

impl Registrant {
    pub(crate) fn prefix(&self) -> Digest {
        let parts = [self.owner.as_bytes(), self.resource_server.as_str().as_bytes()];
        Digest::of_parts(&parts)
    }

    pub(crate) fn key(&self, id: &str) -> Vec<u8> {
        [self.prefix().as_bytes(), id.as_bytes()].concat()
    }
}

/// Registered resources, each with a record `R` of its description. All writes are durable before
/// they answer.
#[derive(Clone)]
pub struct Resources<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Resources<R> {
    /// Resources kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Registers a resource under a fresh id of ours.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(
        &self,
        registrant: &Registrant,
        id: &str,
        record: &R,
    ) -> Result<(), StoreError> {
        let value = record::encode(record)?;
        self.engine.put(RecordTable::Resources, &registrant.key(id), value, None).await
    }

    /// Reads a resource by an untrusted id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&self, registrant: &Registrant, id: &str) -> Result<Option<R>, StoreError> {
        let key = registrant.key(id);
        let value = self.engine.get(RecordTable::Resources, &key, ALWAYS).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Replaces a resource's description; `false` if there is no such resource.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace(
        &self,
        registrant: &Registrant,
        id: &str,
        record: &R,
    ) -> Result<bool, StoreError> {
        let value = record::encode(record)?;
        self.engine.replace(RecordTable::Resources, &registrant.key(id), value, ALWAYS).await
    }

    /// Deletes a resource; `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(&self, registrant: &Registrant, id: &str) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Resources, &registrant.key(id)).await
    }

    /// The registrant's resources with their ids, in the order of the ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, registrant: &Registrant) -> Result<Vec<(String, R)>, StoreError> {
        let prefix = registrant.prefix();
        let found = self.engine.list(RecordTable::Resources, prefix.as_bytes(), ALWAYS).await?;
        found.into_iter().map(|row| named(&prefix, row)).collect()
    }

    /// Some of the registrant's resources with their ids: the first after this id, or the last
    /// before it, `limit` of them at most, in the order of the ids. Reads no others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        registrant: &Registrant,
        beside: Beside<&str>,
        limit: usize,
    ) -> Result<Vec<(String, R)>, StoreError> {
        let prefix = registrant.prefix();
        let key = beside.key(prefix.as_bytes(), str::as_bytes);
        let part = beside.part(&key);
        let found =
            self.engine.page(RecordTable::Resources, prefix.as_bytes(), part, limit, ALWAYS);
        found.await?.into_iter().map(|row| named(&prefix, row)).collect()
    }

    /// How many resources the registrant has. Reads none of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self, registrant: &Registrant) -> Result<usize, StoreError> {
        let prefix = registrant.prefix();
        self.engine.count(RecordTable::Resources, prefix.as_bytes(), ALWAYS).await
    }
}

/// A resource with its id.
fn named<R: DeserializeOwned>(
    prefix: &Digest,
    (key, value): KeyedValue,
) -> Result<(String, R), StoreError> {
    let id = key.get(prefix.as_bytes().len()..).unwrap_or_default();
    Ok((String::from_utf8_lossy(id).into_owned(), record::decode(&value)?))
}

/// Where in a list a part of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside<K> {
    /// At its start.
    Start,
    /// After this one.
    After(K),
    /// Before this one.
    Before(K),
    /// At its end.
    End,
}

impl<K: Copy> Beside<K> {
    /// The key of the record that it is about.
    pub(crate) fn key<'k>(&self, prefix: &[u8], octets: impl FnOnce(K) -> &'k [u8]) -> Vec<u8>
    where
        K: 'k,
    {
        let rest = match *self {
            Self::Start => &[],
            Self::After(key) | Self::Before(key) => octets(key),
            // INVARIANT: no identifier begins with so many octets of all ones.
            Self::End => &[0xff; 33],
        };
        [prefix, rest].concat()
    }

    pub(crate) const fn part<'k>(&self, key: &'k [u8]) -> Part<'k> {
        match self {
            Self::Start | Self::After(_) => Part::After(key),
            Self::Before(_) | Self::End => Part::Before(key),
        }
    }
}

/// Resources do not expire, so any moment serves to read them.
const ALWAYS: Timestamp = Timestamp::from_unix(0);
