//! A write that waits for its commit.

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::engine::RecordTable;
use crate::error::StoreError;

/// Where the result of a write goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A write that waits: applied first, answered when its commit is known.
pub(super) trait Job: Send {
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// The record that this writes.
    fn record(&self) -> Option<(RecordTable, &[u8])>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// The write that a closure makes.
pub(super) struct Write<T, F> {
    write: Option<F>,
    result: Option<T>,
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
        Self { write: Some(write), result: None, record, answer, _place: place }
    }
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if let Some(write) = self.write.take() {
            self.result = Some(write(connection)?);
        }
        Ok(())
    }

    fn record(&self) -> Option<(RecordTable, &[u8])> {
        self.record.as_ref().map(|(table, key)| (*table, key.as_slice()))
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
