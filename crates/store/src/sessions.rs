//! Where people are signed in: what a browser's cookie stands for.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use countersign_types::secret::SessionHandle;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, RecordTable};
use crate::error::StoreError;
use crate::record;

/// Sessions, each with the record `R` of who signed in, and how, by person and identifier. The
/// digest of a handle says which session a browser has.
///
/// INVARIANT: a handle, and whatever else was begun in a session, counts only while the session is
/// here, so that removing it ends all of that in one durable step.
#[derive(Clone)]
pub struct Sessions<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

/// Which session a handle is of.
#[derive(Serialize, Deserialize)]
struct Named {
    subject: String,
    /// Older versions kept the session itself here, without this: such a session is over.
    id: Option<String>,
}

impl<R: Serialize + DeserializeOwned> Sessions<R> {
    /// Sessions kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a session of `subject` under an identifier of ours, in place of the one that is there,
    /// and a fresh handle for it. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; the handle must then not be given out.
    pub async fn put(
        &self,
        handle: &SessionHandle,
        (subject, id): (&str, &str),
        record: &R,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let (digest, key) = (handle.digest(), key(subject, id));
        let named = Named { subject: subject.to_owned(), id: Some(id.to_owned()) };
        let (named, value) = (record::encode(&named)?, record::encode(record)?);
        let put = |key, value| self.engine.put(RecordTable::Sessions, key, value, Some(expires));
        tokio::try_join!(put(&key, value), put(digest.as_bytes(), named))?;
        Ok(())
    }

    /// The session that an untrusted handle stands for, if it is live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        handle: &SessionHandle,
        now: Timestamp,
    ) -> Result<Option<R>, StoreError> {
        let digest = handle.digest();
        let named = self.engine.get(RecordTable::Sessions, digest.as_bytes(), now).await?;
        let Some(named) = named else { return Ok(None) };
        let Named { subject, id: Some(id) } = record::decode(&named)? else { return Ok(None) };
        let value = self.engine.get(RecordTable::Sessions, &key(&subject, &id), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Gives a live session another record; `false` if there is none. One that was ended meanwhile
    /// does not come back, and its end stays when it was. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace(
        &self,
        (subject, id): (&str, &str),
        record: &R,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let value = record::encode(record)?;
        self.engine.replace(RecordTable::Sessions, &key(subject, id), value, now).await
    }

    /// Whether a session of `subject` is live.
    ///
    /// # Errors
    /// [`StoreError`]; what was begun in the session must then not be accepted.
    pub async fn is_live(
        &self,
        subject: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let found = self.engine.get(RecordTable::Sessions, &key(subject, id), now).await?;
        Ok(found.is_some())
    }

    /// Every live session of `subject`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, subject: &str, now: Timestamp) -> Result<Vec<R>, StoreError> {
        let prefix = Digest::of(subject.as_bytes());
        let found = self.engine.list(RecordTable::Sessions, prefix.as_bytes(), now).await?;
        found.into_iter().map(|(_, value)| record::decode(&value)).collect()
    }

    /// Makes a handle stand for nothing any more; the session goes on. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget(&self, handle: &SessionHandle) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Sessions, handle.digest().as_bytes()).await
    }

    /// Ends a session; `false` if there is none. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; the end must then not be acknowledged.
    pub async fn remove(&self, subject: &str, id: &str) -> Result<bool, StoreError> {
        self.engine.remove(RecordTable::Sessions, &key(subject, id)).await
    }
}

/// A person's sessions stand together. A handle's digest is shorter, and so none of them.
fn key(subject: &str, id: &str) -> Vec<u8> {
    [Digest::of(subject.as_bytes()).as_bytes().as_slice(), id.as_bytes()].concat()
}
