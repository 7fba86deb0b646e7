//! A write that waits for its commit.

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::known::Row;
use crate::engine::{RecordTable, Tell};
use crate::error::StoreError;

/// Where the result of a write goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What a write gives its caller; and for the write of a record, what stands there from now on, if
/// it knows.
pub(super) type Written<T> = (T, Option<Stands>);

/// What stands under the key of a record that was written.
pub(super) enum Stands {
    /// This record.
    Row(Row),
    /// This record, and a notice of it under a key of its own.
    Told(Row, Tell),
    /// This value, until the moment that the record had before.
    Value(Vec<u8>),
}

/// A write that waits: applied first, answered when its commit is known.
pub(super) trait Job: Send {
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// The record that this writes.
    fn record(&self) -> Option<(RecordTable, &[u8])>;
    /// What stands there now, if that is known: to be asked for once.
    fn take_standing(&mut self) -> Option<Stands>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// The write that a closure makes.
pub(super) struct Write<T, F> {
    write: Option<F>,
    result: Option<T>,
    stands: Option<Stands>,
    record: Option<(RecordTable, Vec<u8>)>,
    answer: Option<Answer<T>>,
    _place: OwnedSemaphorePermit,
}

impl<T, F> Write<T, F> {
    /// A write of this record, if it is one of a record, that takes a place until it is answered.
    pub(super) const fn new(
        write: F,
        record: Option<(RecordTable, Vec<u8>)>,
        answer: Option<Answer<T>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { write: Some(write), result: None, stands: None, record, answer, _place: place }
    }
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<Written<T>> + Send,
{
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if let Some(write) = self.write.take() {
            let (result, stands) = write(connection)?;
            (self.result, self.stands) = (Some(result), stands);
        }
        Ok(())
    }

    fn record(&self) -> Option<(RecordTable, &[u8])> {
        self.record.as_ref().map(|(table, key)| (*table, key.as_slice()))
    }

    fn take_standing(&mut self) -> Option<Stands> {
        self.stands.take()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, answer, .. } = *self;
        if let Some(answer) = answer {
            let result = committed.and_then(|()| result.ok_or(StoreError::Stopped));
            // A caller that went away needs no answer.
            drop(answer.send(result));
        }
    }
}
