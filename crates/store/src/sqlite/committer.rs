//! What runs on the one thread that writes: takes what waits, commits it together, then answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_types::{Clock, Lifetime, Timestamp};
use rusqlite::{Connection, ErrorCode};

use super::Memory;
use super::job::{Job, Stands};
use super::journal::{Commit, JOURNALLED, Leaving};
use super::known::Row;
use super::log::Log;
use super::moves;
use super::queue;
use super::recent::{Key, YOUTH};
use super::statements;
use super::writer::Line;
use crate::engine::{RecordTable, Tell};
use crate::error::StoreError;
use crate::horizon::{Horizon, steady_now};
use crate::one_time::Single;

/// Writes in one commit, so that the first of them need not wait for all that come. Records for the
/// journal cost so little that they do not count.
const BATCH: usize = 512;

/// Recent values written with one commit.
pub(super) const DUE: usize = 256;

/// How often expired rows are looked for.
const PURGE_INTERVAL: Lifetime = Lifetime::from_secs(5);

type Batch = queue::Batch<Box<dyn Job>>;

/// What runs on the thread.
pub(super) struct Committer {
    connection: Connection,
    clock: Arc<dyn Clock>,
    /// What may be forgotten.
    horizon: Horizon,
    memory: Arc<Memory>,
    line: Arc<Line>,
    pub(super) log: Option<Log>,
    /// When expired rows were last removed, down to the last of them.
    purged: Timestamp,
}

/// What a commit changed in the journal.
#[derive(Default)]
pub(super) struct Changes {
    left: Leaving,
    added: Option<Commit>,
}

impl Committer {
    pub(super) fn new(
        connection: Connection,
        clock: Arc<dyn Clock>,
        horizon: Horizon,
        memory: Arc<Memory>,
        line: Arc<Line>,
    ) -> Self {
        let purged = Timestamp::from_unix(i64::MIN);
        Self { connection, clock, horizon, memory, line, log: None, purged }
    }

    pub(super) fn run(mut self) {
        // However this thread ends, nobody goes on believing that it writes.
        let _guard = StopOnDrop(Arc::clone(&self.line));
        let mut last = 0;
        loop {
            self.line.queue.gather(last, BATCH, queue::PATIENCE);
            let Some(batch) = self.line.queue.take(BATCH, YOUTH) else { break };
            last = batch.len();
            self.process(batch);
        }
        self.close();
    }

    fn process(&mut self, mut batch: Batch) {
        if self.line.has_stopped.load(Ordering::Relaxed) {
            return self.answer(batch, &Err(StoreError::Stopped));
        }
        let now = steady_now();
        let is_hurried = self.line.hurries.swap(false, Ordering::AcqRel);
        let before = if is_hurried { Some(now) } else { now.checked_sub(YOUTH) };
        let due = before.map(|before| self.memory.recent.take_due(before, DUE)).unwrap_or_default();
        match self.commit(&mut batch, &due) {
            Ok(changes) => {
                self.memory.recent.written(&due);
                self.correct_memory(&mut batch, changes);
                self.answer(batch, &Ok(()));
                if let Some(log) = &mut self.log {
                    log.keep_short(&self.connection);
                }
            }
            Err(error) => {
                let error = self.failed(error);
                // After a failure that leaves a doubt they might be on the disk: then they stay
                // where nobody can spend them.
                if !self.line.has_stopped.load(Ordering::Relaxed) {
                    self.memory.recent.not_written(&due, now);
                }
                self.answer(batch, &Err(error));
            }
        }
    }

    /// Makes memory say what the disk says now.
    ///
    /// First what is known of the table: a record that leaves the journal must not uncover what was
    /// read from the table before.
    fn correct_memory(&self, batch: &mut Batch, changes: Changes) {
        for job in &mut batch.jobs {
            let stands = job.take_standing();
            if let Some((table, key)) = job.record() {
                self.changed(table, key, stands);
            }
        }
        for (key, ..) in changes.left.records() {
            self.changed(JOURNALLED, key, None);
        }
        self.memory.journal.committed(changes.left, changes.added);
    }

    /// Has memory know a record as it is now, or forget it.
    fn changed(&self, table: RecordTable, key: &[u8], stands: Option<Stands>) {
        let known = &self.memory.known;
        let row = match stands {
            Some(Stands::Row(row)) => Some(row),
            Some(Stands::Told(row, Tell { key, value, expires })) => {
                known.put(RecordTable::Notices, &key, Row { value, expires });
                Some(row)
            }
            // What is known of a journalled record may be of an earlier one, which the journal hid.
            Some(Stands::Value(value)) if table != JOURNALLED => {
                known.expires(table, key).map(|expires| Row { value, expires })
            }
            Some(Stands::Value(_)) | None => None,
        };
        if let Some(row) = row {
            return known.put(table, key, row);
        }
        let read = || statements::row(&self.connection, table, key);
        if let Err(error) = known.changed(table, key, read) {
            tracing::warn!(%error, "a record is read from the disk from now on");
        }
    }

    /// One transaction for all: either every write of the batch is on the disk, or none.
    pub(super) fn commit(
        &mut self,
        batch: &mut Batch,
        due: &[(Key, Single)],
    ) -> rusqlite::Result<Changes> {
        let now = self.clock.now();
        let expired = self.horizon.advance(now, steady_now());
        // A clock that was set back is an occasion as well.
        let purges = now < self.purged || now.since(self.purged) >= PURGE_INTERVAL;
        if batch.len() == 0 && due.is_empty() && !purges {
            return Ok(Changes::default());
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // First what leaves the journal: a job may change it where it is then.
        let left = self.memory.journal.leaving(purges.then_some(expired));
        moves::make(&self.connection, &left, expired)?;
        // Then what was in memory alone: a job may have queued to spend it while an earlier commit
        // of it failed.
        for ((table, key), single) in due {
            statements::insert(&self.connection, *table, key, single)?;
        }
        for job in &mut batch.jobs {
            if let Some((JOURNALLED, key)) = job.record() {
                let journal = &self.memory.journal;
                moves::settle(&self.connection, journal, &left, key, &mut batch.puts.octets)?;
            }
            job.apply(&self.connection)?;
        }
        let added = self.add_to_journal(&batch.puts.octets)?;
        if purges {
            self.purge(now, expired, !left.is_empty() || batch.len() > 0)?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(Changes { left, added })
    }

    fn add_to_journal(&self, octets: &[u8]) -> rusqlite::Result<Option<Commit>> {
        if octets.is_empty() {
            return Ok(None);
        }
        let id = self.memory.journal.next_id();
        statements::journal::add(&self.connection, id, octets)?;
        Ok(Some(Commit::new(id, octets.into())))
    }

    /// Removes what expired, from memory too.
    fn purge(&mut self, now: Timestamp, expired: Timestamp, writes: bool) -> rusqlite::Result<()> {
        self.memory.recent.purge(expired);
        self.memory.known.purge(expired);
        let removed = statements::purge(&self.connection, expired)?;
        if removed == 0 && !self.memory.journal.has_expired(expired) {
            self.purged = now;
        }
        // Not for its own sake: that would be a sync every few seconds while nothing happens.
        if removed > 0 || writes {
            statements::keep_horizon(&self.connection, self.horizon.known())?;
        }
        Ok(())
    }

    /// Writes what is recent, so that an orderly end loses nothing.
    fn close(&mut self) {
        let recent = self.memory.recent.take_all();
        if self.line.has_stopped.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.commit(&mut Batch::default(), &recent) {
            tracing::error!(%error, "tickets of the last moment were not written");
        }
        if let Err(error) = statements::keep_horizon(&self.connection, self.horizon.known()) {
            tracing::warn!(%error, "expired entries may stay longer");
        }
    }

    /// Rolls back, and stops for good unless the failure is one that leaves no doubt.
    fn failed(&mut self, error: rusqlite::Error) -> StoreError {
        let rolled_back =
            self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        if !(rolled_back && is_harmless(&error)) {
            self.line.has_stopped.store(true, Ordering::Release);
            tracing::error!(error = %error, "the store stopped writing");
        } else {
            tracing::warn!(error = %error, "the store could not commit");
        }
        StoreError::Unavailable(Arc::new(error))
    }

    pub(super) fn answer(&self, mut batch: Batch, committed: &Result<(), StoreError>) {
        batch.puts.answer(committed.clone());
        for job in batch.jobs {
            job.answer(committed.clone());
        }
        self.line.places.add_permits(batch.puts.len());
        self.line.queue.give_back(std::mem::take(&mut batch.puts.octets));
    }
}

/// Whether nothing was written: no space for it, or another process kept the lock.
fn is_harmless(error: &rusqlite::Error) -> bool {
    use ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
    matches!(error.sqlite_error_code(), Some(DiskFull | DatabaseBusy | DatabaseLocked))
}

struct StopOnDrop(Arc<Line>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.has_stopped.store(true, Ordering::Release);
        self.0.queue.close();
        self.0.places.close();
        // Who still waits is answered by being dropped.
        while self.0.queue.take(BATCH, Duration::ZERO).is_some() {}
    }
}
