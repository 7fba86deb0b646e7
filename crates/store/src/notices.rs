//! What resource owners are still to be told.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cases::key;
use crate::engine::{Change, Changer, Engine, Part, RecordTable};
use crate::error::StoreError;
use crate::record;
use crate::resources::Registrant;

/// So many are held at a time.
const PART: usize = 256;

/// Notices, each a record `N` of what is to be told about one person's case. They are put by
/// [`Cases::change_and_tell`](crate::Cases::change_and_tell), in the step that changes the case,
/// and there is one of each case at most.
#[derive(Clone)]
pub struct Notices<N> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> N>,
}

impl<N: Serialize + DeserializeOwned> Notices<N> {
    /// Notices kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Goes through the notices of all owners, as after a start, and holds a few at a time. One
    /// that cannot be read is reported and left out, so that it holds up no other.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been gone through then.
    pub async fn for_each(
        &self,
        now: Timestamp,
        mut take: impl FnMut(N) + Send,
    ) -> Result<(), StoreError> {
        let mut last = Vec::new();
        loop {
            let next = Part::After(&last);
            let part = self.engine.page(RecordTable::Notices, b"", next, PART, now).await?;
            let Some((key, _)) = part.last() else { return Ok(()) };
            last.clone_from(key);
            for (_, value) in part {
                match record::decode(&value) {
                    Ok(notice) => take(notice),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, "a notice cannot be read");
                    }
                }
            }
        }
    }

    /// The notice of this person's case.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        registrant: &Registrant,
        person: &Digest,
        now: Timestamp,
    ) -> Result<Option<N>, StoreError> {
        let key = key(registrant, person);
        let value = self.engine.get(RecordTable::Notices, &key, now).await?;
        value.map(|value| record::decode(&value)).transpose()
    }

    /// Removes the notice of this person's case if `is_over` says so of the one that is there:
    /// another one may have come in its place. One that cannot be read is over, too. One atomic
    /// step, durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`]; it may then be told again.
    pub async fn remove_if(
        &self,
        registrant: &Registrant,
        person: &Digest,
        now: Timestamp,
        is_over: impl FnOnce(&N) -> bool + Send + 'static,
    ) -> Result<(), StoreError> {
        let changer: Changer = Box::new(move |found: Option<&[u8]>| {
            let found = found.map(record::decode::<N>);
            match found {
                Some(Ok(notice)) if !is_over(&notice) => Change::Keep,
                Some(_) => Change::Remove,
                None => Change::Keep,
            }
        });
        let key = key(registrant, person);
        self.engine.update(RecordTable::Notices, &key, now, changer).await
    }
}
