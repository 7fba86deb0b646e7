//! What resource owners were asked about people, and what they said. UMA 2.0 Grant §3.3.6.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::engine::{Change, Changer, Engine, RecordTable, Tell};
use crate::error::StoreError;
use crate::record;
use crate::resources::{Beside, Registrant};

/// The cases of people before resource owners: one record `R` per person, under the registrant
/// whose resources it is about.
///
/// INVARIANT: everything that is asked and said about one person is one record, so that no two
/// decisions about them pass each other, and what ends all of it ends it in one step.
#[derive(Clone)]
pub struct Cases<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

/// A record, and until when it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<R> {
    /// The record.
    pub record: R,
    /// From this moment on there is none; `None` keeps it until it is changed.
    pub expires: Option<Timestamp>,
}

impl<R: Serialize + DeserializeOwned> Cases<R> {
    /// Cases kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// The case of the person whom `person` stands for.
    ///
    /// # Errors
    /// [`StoreError`]; nothing that the owner said may then be taken for granted.
    pub async fn find(
        &self,
        registrant: &Registrant,
        person: &Digest,
        now: Timestamp,
    ) -> Result<Option<R>, StoreError> {
        let value = self.engine.get(RecordTable::Cases, &key(registrant, person), now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Every case of the registrant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        registrant: &Registrant,
        now: Timestamp,
    ) -> Result<Vec<R>, StoreError> {
        let prefix = registrant.prefix();
        let found = self.engine.list(RecordTable::Cases, prefix.as_bytes(), now).await?;
        found.into_iter().map(|(_, value)| record::decode(&value)).collect()
    }

    /// Some of the registrant's cases: the first after this person, or the last before them,
    /// `limit` of them at most, in an order that stays. Reads no others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        registrant: &Registrant,
        beside: Beside<&Digest>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<R>, StoreError> {
        let prefix = registrant.prefix();
        let key = beside.key(prefix.as_bytes(), |person| person.as_bytes());
        let part = beside.part(&key);
        let found = self.engine.page(RecordTable::Cases, prefix.as_bytes(), part, limit, now);
        found.await?.into_iter().map(|(_, value)| record::decode(&value)).collect()
    }

    /// How many cases the registrant has. Reads none of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(
        &self,
        registrant: &Registrant,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.engine.count(RecordTable::Cases, registrant.prefix().as_bytes(), now).await
    }

    /// Looks at a case and changes it, in one atomic step that is durable before it answers.
    /// `change` gives what is to be kept from now on (`None` leaves everything as it is), and what
    /// the caller is told.
    ///
    /// # Errors
    /// [`StoreError`]; whether anything was changed is then unknown.
    pub async fn change<T: Send + 'static>(
        &self,
        registrant: &Registrant,
        person: &Digest,
        now: Timestamp,
        change: impl FnOnce(Option<R>) -> (Option<Kept<R>>, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let change = move |found| {
            let (kept, outcome) = change(found);
            (kept, None::<Kept<R>>, outcome)
        };
        self.change_and_tell(registrant, person, now, change).await
    }

    /// The same; and where the case is changed, what `change` gives as a notice is kept for
    /// [`Notices`](crate::Notices) in the same step, in place of the case's former one: both are on
    /// the disk, or neither.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub async fn change_and_tell<N: Serialize, T: Send + 'static>(
        &self,
        registrant: &Registrant,
        person: &Digest,
        now: Timestamp,
        change: impl FnOnce(Option<R>) -> (Option<Kept<R>>, Option<Kept<N>>, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let notice = key(registrant, person);
        let changer: Changer = Box::new(move |found: Option<&[u8]>| {
            let (change, outcome) = apply(found, notice, change);
            // A caller that went away is told nothing, and its change stands.
            drop(tell.send(outcome));
            change
        });
        let key = key(registrant, person);
        self.engine.update(RecordTable::Cases, &key, now, changer).await?;
        told.await.unwrap_or(Err(StoreError::Stopped))
    }
}

fn apply<R: Serialize + DeserializeOwned, N: Serialize, T>(
    found: Option<&[u8]>,
    key: Vec<u8>,
    change: impl FnOnce(Option<R>) -> (Option<Kept<R>>, Option<Kept<N>>, T),
) -> (Change, Result<T, StoreError>) {
    let found = match found.map(record::decode).transpose() {
        Ok(found) => found,
        Err(error) => return (Change::Keep, Err(error)),
    };
    let (kept, notice, outcome) = change(found);
    let Some(Kept { record, expires }) = kept else { return (Change::Keep, Ok(outcome)) };
    let encoded = record::encode(&record).and_then(|value| {
        let Some(Kept { record, expires: until }) = notice else {
            return Ok(Change::Put(value, expires));
        };
        let tell = Tell { key, value: record::encode(&record)?, expires: until };
        Ok(Change::PutAndTell(value, expires, tell))
    });
    match encoded {
        Ok(change) => (change, Ok(outcome)),
        Err(error) => (Change::Keep, Err(error)),
    }
}

/// A registrant's cases stand together. A case and its notice have the same key.
pub(crate) fn key(registrant: &Registrant, person: &Digest) -> Vec<u8> {
    [registrant.prefix().as_bytes().as_slice(), person.as_bytes()].concat()
}
