//! The handle of the one thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use countersign_types::{Clock, Timestamp};
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::Memory;
use super::committer::{Committer, DUE};
use super::job::{Answer, Job, Write, Written};
use super::log::Log;
use super::queue::Queue;
use super::recent::LIVE;
use crate::engine::{HandedOver, RecordTable};
use crate::error::StoreError;
use crate::horizon::Horizon;

/// Writes that may wait; a caller beyond that waits for its turn to queue.
const PLACES: usize = 4096;

/// The handle of the writing thread.
pub(super) struct Writer {
    line: Arc<Line>,
    memory: Arc<Memory>,
    thread: Option<JoinHandle<()>>,
}

/// What the handle and the thread share.
pub(super) struct Line {
    pub(super) queue: Queue<Box<dyn Job>>,
    /// Closed when the thread ends.
    pub(super) places: Arc<Semaphore>,
    /// Writing has ended for good.
    pub(super) has_stopped: AtomicBool,
    /// What is recent is to be written now, whatever its age.
    pub(super) hurries: AtomicBool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            queue: Queue::default(),
            places: Arc::new(Semaphore::new(PLACES)),
            has_stopped: AtomicBool::new(false),
            hurries: AtomicBool::new(false),
        }
    }
}

impl Writer {
    /// Starts the thread. It writes from `memory` what has been there alone for long, and corrects
    /// there what it changed on the disk. It keeps the `log` short, if there is one.
    pub(super) fn start(
        connection: Connection,
        clock: Arc<dyn Clock>,
        horizon: Horizon,
        memory: Arc<Memory>,
        log: Option<Log>,
    ) -> io::Result<Self> {
        let line = Arc::<Line>::default();
        let mut committer =
            Committer::new(connection, clock, horizon, Arc::clone(&memory), Arc::clone(&line));
        committer.log = log;
        let thread =
            std::thread::Builder::new().name("store-writer".into()).spawn(|| committer.run())?;
        Ok(Self { line, memory, thread: Some(thread) })
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.line.has_stopped.load(Ordering::Acquire)
    }

    /// Writes everything that is recent now.
    pub(super) async fn write_recent(&self) -> Result<(), StoreError> {
        // As often as it takes to write all there is room for; what comes meanwhile is young. Once
        // at least: what a commit is just writing is on the disk before the next one is answered.
        for _ in 0..=LIVE / DUE {
            self.line.hurries.store(true, Ordering::Release);
            self.commit(|_| Ok(())).await?;
            if !self.memory.recent.has_live() {
                break;
            }
        }
        Ok(())
    }

    /// Takes a record for the journal; what it gives waits until that is committed and synced.
    ///
    /// Of what is committed together, records come before every other write.
    pub(super) async fn hand_over(
        &self,
        key: &[u8],
        value: &[u8],
        expires: Option<Timestamp>,
    ) -> Result<HandedOver, StoreError> {
        if self.has_stopped() {
            return Err(StoreError::Stopped);
        }
        let place = self.line.places.acquire().await.map_err(|_| StoreError::Stopped)?;
        let outcome = self.line.queue.put(key, value, expires).ok_or(StoreError::Stopped)?;
        // The thread gives it back.
        place.forget();
        Ok(HandedOver::on_its_way(outcome))
    }

    /// Applies `write` and answers once it is committed and synced.
    ///
    /// A caller that goes away before does not take its write back.
    pub(super) async fn commit<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer, committed) = oneshot::channel();
        self.push(|c| Ok((write(c)?, None)), None, Some(answer)).await?;
        committed.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// The same for a write of this record, which memory may know, and knows from then on if the
    /// write says what stands there.
    pub(super) async fn commit_record<T, F>(
        &self,
        table: RecordTable,
        key: Vec<u8>,
        write: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<Written<T>> + Send + 'static,
    {
        let (answer, committed) = oneshot::channel();
        self.push(write, Some((table, key)), Some(answer)).await?;
        committed.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// Queues `write` and answers at once; later writes stand behind it.
    pub(super) async fn enqueue<T, F>(&self, write: F) -> Result<(), StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.push(|c| Ok((write(c)?, None)), None, None).await
    }

    async fn push<T, F>(
        &self,
        write: F,
        record: Option<(RecordTable, Vec<u8>)>,
        answer: Option<Answer<T>>,
    ) -> Result<(), StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<Written<T>> + Send + 'static,
    {
        if self.has_stopped() {
            return Err(StoreError::Stopped);
        }
        let place = Arc::clone(&self.line.places).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Stopped)?;
        let job = Write::new(write, record, answer, place);
        self.line.queue.push(Box::new(job)).map_err(|_| StoreError::Stopped)
    }
}

impl Drop for Writer {
    /// Lets the thread finish what is queued and close the file.
    fn drop(&mut self) {
        self.line.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has already been answered with `Stopped`.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests;
