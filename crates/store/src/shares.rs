//! What resource owners share, and with whom.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;
use crate::record;
use crate::resources::Registrant;

/// Shares, each a record `R` under the registrant whose resources it is about and an identifier of
/// ours. All writes are durable before they answer.
#[derive(Clone)]
pub struct Shares<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Shares<R> {
    /// Shares kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a share under its identifier until it ends, in place of what it was before.
    ///
    /// # Errors
    /// [`StoreError`]; whether it is there is then unknown.
    pub async fn put(
        &self,
        registrant: &Registrant,
        id: &str,
        share: &R,
        expires: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let value = record::encode(share)?;
        self.engine.put(RecordTable::Shares, &registrant.key(id), value, expires).await
    }

    /// Reads a share by its identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        registrant: &Registrant,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::Shares, &registrant.key(id), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Every share of the registrant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        registrant: &Registrant,
        now: Timestamp,
    ) -> Result<Vec<R>, StoreError> {
        let prefix = registrant.prefix();
        let found = self.engine.list(RecordTable::Shares, prefix.as_bytes(), now).await?;
        found.into_iter().map(|(_, value)| record::decode(&value)).collect()
    }

    /// Removes a share; `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError`]; it must then not be said to be gone.
    pub async fn remove(&self, registrant: &Registrant, id: &str) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Shares, &registrant.key(id)).await
    }
}
