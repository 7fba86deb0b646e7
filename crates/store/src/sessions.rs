//! Where people are signed in: what a browser's cookie stands for.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::secret::SessionHandle;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;
use crate::record;

/// Sessions under the digests of their handles, each with a record `R` of who signed in, and how.
#[derive(Clone)]
pub struct Sessions<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Sessions<R> {
    /// Sessions kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a fresh session. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; the handle must then not be given out.
    pub async fn insert(
        &self,
        handle: &SessionHandle,
        record: &R,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let (digest, value) = (handle.digest(), record::encode(record)?);
        self.engine.put(RecordTable::Sessions, digest.as_bytes(), value, Some(expires)).await
    }

    /// What an untrusted handle stands for, if it is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        handle: &SessionHandle,
        now: Timestamp,
    ) -> Result<Option<R>, StoreError> {
        let digest = handle.digest();
        let value = self.engine.get(RecordTable::Sessions, digest.as_bytes(), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Ends a session; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; the end must then not be acknowledged.
    pub async fn remove(&self, handle: &SessionHandle) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Sessions, handle.digest().as_bytes()).await
    }
}
