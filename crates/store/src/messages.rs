//! What was sent to inboxes at a resource server.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;
use crate::record;

/// Messages, each a record `R` under the name of its inbox and an identifier of ours. They stay
/// until they are removed.
#[derive(Clone)]
pub struct Messages<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Messages<R> {
    /// Messages kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a message under an identifier that is new. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; it must then not be said to have arrived.
    pub async fn insert(&self, inbox: &str, id: &str, message: &R) -> Result<(), StoreError> {
        let value = record::encode(message)?;
        self.engine.put(RecordTable::Messages, &key(inbox, id), value, None).await
    }

    /// The message of this identifier, which is untrusted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, inbox: &str, id: &str) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::Messages, &key(inbox, id), ALWAYS).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Every message of an inbox, with its identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, inbox: &str) -> Result<Vec<(String, R)>, StoreError> {
        let prefix = Digest::of(inbox.as_bytes());
        let found = self.engine.list(RecordTable::Messages, prefix.as_bytes(), ALWAYS).await?;
        let decode = |(key, value): (Vec<u8>, Vec<u8>)| {
            let id = key.get(prefix.as_bytes().len()..).unwrap_or_default();
            Ok((String::from_utf8_lossy(id).into_owned(), record::decode(&value)?))
        };
        found.into_iter().map(decode).collect()
    }

    /// How many messages an inbox has. Reads none of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self, inbox: &str) -> Result<usize, StoreError> {
        let prefix = Digest::of(inbox.as_bytes());
        self.engine.count(RecordTable::Messages, prefix.as_bytes(), ALWAYS).await
    }

    /// Removes a message; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; it must then not be said to be gone.
    pub async fn remove(&self, inbox: &str, id: &str) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Messages, &key(inbox, id)).await
    }
}

/// Messages do not expire, so any moment serves to read them.
const ALWAYS: Timestamp = Timestamp::from_unix(0);

/// An inbox's messages stand together.
fn key(inbox: &str, id: &str) -> Vec<u8> {
    let mut key = Digest::of(inbox.as_bytes()).as_bytes().to_vec();
    key.extend_from_slice(id.as_bytes());
    key
}
