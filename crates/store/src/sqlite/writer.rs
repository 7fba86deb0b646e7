//! The one thread that writes: takes what waits, commits it together, then answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_types::{Clock, Lifetime, Timestamp};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::known::Known;
use super::queue::Queue;
use super::recent::{Key, LIVE, Recent, YOUTH};
use super::statements;
use crate::engine::RecordTable;
use crate::error::StoreError;
use crate::horizon::{Horizon, steady_now};
use crate::one_time::Single;

/// Writes that may wait; a caller beyond that waits for its turn to queue.
const PLACES: usize = 4096;

/// Writes in one commit, so that the first of them need not wait for all that come.
const BATCH: usize = 512;

/// Recent values written with one commit.
const DUE: usize = 256;

/// How often expired rows are looked for.
const PURGE_INTERVAL: Lifetime = Lifetime::from_secs(5);

/// The handle of the writing thread.
pub(super) struct Writer {
    queue: Arc<Queue<Box<dyn Job>>>,
    places: Arc<Semaphore>,
    recent: Arc<Recent>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

/// What the handle and the thread tell each other beside the queue.
#[derive(Default)]
struct State {
    /// Writing has ended for good.
    has_stopped: AtomicBool,
    /// What is recent is to be written now, whatever its age.
    hurries: AtomicBool,
}

impl Writer {
    /// Starts the thread. It writes from `recent` what has been there for long.
    pub(super) fn start(
        connection: Connection,
        clock: Arc<dyn Clock>,
        horizon: Horizon,
        recent: Arc<Recent>,
        known: Arc<Known>,
    ) -> io::Result<Self> {
        let queue = Arc::<Queue<_>>::default();
        let state = Arc::<State>::default();
        let committer = Committer {
            connection,
            queue: Arc::clone(&queue),
            recent: Arc::clone(&recent),
            known,
            state: Arc::clone(&state),
            clock,
            horizon,
            purged: Timestamp::from_unix(i64::MIN),
        };
        let thread =
            std::thread::Builder::new().name("store-writer".into()).spawn(|| committer.run())?;
        let places = Arc::new(Semaphore::new(PLACES));
        Ok(Self { queue, places, recent, state, thread: Some(thread) })
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.state.has_stopped.load(Ordering::Acquire)
    }

    /// Writes everything that is recent now.
    pub(super) async fn write_recent(&self) -> Result<(), StoreError> {
        // As often as it takes to write all there is room for; what comes meanwhile is young.
        for _ in 0..=LIVE / DUE {
            if !self.recent.has_live() {
                break;
            }
            self.state.hurries.store(true, Ordering::Release);
            self.commit(|_| Ok(())).await?;
        }
        Ok(())
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
        self.push(write, None, Some(answer)).await?;
        committed.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// The same for a write of this record, which memory may know.
    pub(super) async fn commit_record<T, F>(
        &self,
        table: RecordTable,
        key: Vec<u8>,
        write: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
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
        self.push(write, None, None).await
    }

    async fn push<T, F>(
        &self,
        write: F,
        record: Option<(RecordTable, Vec<u8>)>,
        answer: Option<Answer<T>>,
    ) -> Result<(), StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        if self.has_stopped() {
            return Err(StoreError::Stopped);
        }
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Stopped)?;
        let job = Write { write: Some(write), result: None, record, answer, _place: place };
        self.queue.push(Box::new(job)).map_err(|_| StoreError::Stopped)
    }
}

impl Drop for Writer {
    /// Lets the thread finish what is queued and close the file.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic there has already been answered with `Stopped`.
            drop(thread.join());
        }
    }
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A write that waits: applied first, answered when its commit is known.
trait Job: Send {
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// The record that this writes.
    fn record(&self) -> Option<(RecordTable, &[u8])>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<T, F> {
    write: Option<F>,
    result: Option<T>,
    record: Option<(RecordTable, Vec<u8>)>,
    answer: Option<Answer<T>>,
    _place: OwnedSemaphorePermit,
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

/// What runs on the thread.
struct Committer {
    connection: Connection,
    queue: Arc<Queue<Box<dyn Job>>>,
    recent: Arc<Recent>,
    known: Arc<Known>,
    state: Arc<State>,
    clock: Arc<dyn Clock>,
    /// What may be forgotten.
    horizon: Horizon,
    /// When expired rows were last removed, down to the last of them.
    purged: Timestamp,
}

impl Committer {
    fn run(mut self) {
        // However this thread ends, nobody goes on believing that it writes.
        let _guard = StopOnDrop(Arc::clone(&self.state), Arc::clone(&self.queue));
        let mut last = 0;
        loop {
            self.queue.gather(last, BATCH);
            let Some(batch) = self.queue.take(BATCH, YOUTH) else { break };
            last = batch.len();
            self.process(batch);
        }
        self.close();
    }

    fn process(&mut self, mut batch: Vec<Box<dyn Job>>) {
        if self.state.has_stopped.load(Ordering::Relaxed) {
            return answer(batch, &Err(StoreError::Stopped));
        }
        let now = steady_now();
        let is_hurried = self.state.hurries.swap(false, Ordering::AcqRel);
        let before = if is_hurried { Some(now) } else { now.checked_sub(YOUTH) };
        let due = before.map(|before| self.recent.take_due(before, DUE)).unwrap_or_default();
        match self.commit(&mut batch, &due) {
            Ok(()) => {
                self.recent.written(&due);
                self.correct_known(&batch);
                answer(batch, &Ok(()));
            }
            Err(error) => {
                let error = self.failed(error);
                // After a failure that leaves a doubt they might be on the disk: then they stay
                // where nobody can spend them.
                if !self.state.has_stopped.load(Ordering::Relaxed) {
                    self.recent.not_written(&due, now);
                }
                answer(batch, &Err(error));
            }
        }
    }

    /// Makes memory say what the disk says now.
    fn correct_known(&self, batch: &[Box<dyn Job>]) {
        for (table, key) in batch.iter().filter_map(|job| job.record()) {
            let read = || statements::row(&self.connection, table, key);
            if let Err(error) = self.known.changed(table, key, read) {
                tracing::warn!(%error, "a record is read from the disk from now on");
            }
        }
    }

    /// One transaction for all: either every write of the batch is on the disk, or none.
    fn commit(
        &mut self,
        batch: &mut [Box<dyn Job>],
        due: &[(Key, Single)],
    ) -> rusqlite::Result<()> {
        let now = self.clock.now();
        let expired = self.horizon.advance(now, steady_now());
        // A clock that was set back is an occasion as well.
        let purges = now < self.purged || now.since(self.purged) >= PURGE_INTERVAL;
        if batch.is_empty() && due.is_empty() && !purges {
            return Ok(());
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // First what was in memory: a job may have queued to spend it while an earlier commit of it
        // failed.
        for ((table, key), single) in due {
            statements::insert(&self.connection, *table, key, single)?;
        }
        for job in &mut *batch {
            job.apply(&self.connection)?;
        }
        if purges {
            self.recent.purge(expired);
            self.known.purge(expired);
            let removed = statements::purge(&self.connection, expired)?;
            if removed == 0 {
                self.purged = now;
            }
            // Not for its own sake: that would be a sync every few seconds while nothing happens.
            if removed > 0 || !batch.is_empty() {
                statements::keep_horizon(&self.connection, self.horizon.known())?;
            }
        }
        self.connection.prepare_cached("COMMIT")?.execute([]).map(drop)
    }

    /// Writes what is recent, so that an orderly end loses nothing.
    fn close(&mut self) {
        let recent = self.recent.take_all();
        if self.state.has_stopped.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.commit(&mut [], &recent) {
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
            self.state.has_stopped.store(true, Ordering::Release);
            tracing::error!(error = %error, "the store stopped writing");
        } else {
            tracing::warn!(error = %error, "the store could not commit");
        }
        StoreError::Unavailable(Arc::new(error))
    }
}

/// Whether nothing was written: no space for it, or another process kept the lock.
fn is_harmless(error: &rusqlite::Error) -> bool {
    use ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
    matches!(error.sqlite_error_code(), Some(DiskFull | DatabaseBusy | DatabaseLocked))
}

fn answer(batch: Vec<Box<dyn Job>>, committed: &Result<(), StoreError>) {
    for job in batch {
        job.answer(committed.clone());
    }
}

struct StopOnDrop(Arc<State>, Arc<Queue<Box<dyn Job>>>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.has_stopped.store(true, Ordering::Release);
        self.1.close();
        // Who still waits is answered by being dropped.
        while self.1.take(BATCH, Duration::ZERO).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::digest::Digest;

    use super::*;
    use crate::engine::{OneTimeTable, Spend};

    struct StoppedClock;

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix(0)
        }
    }

    fn connection() -> Connection {
        prepared(Connection::open_in_memory().unwrap())
    }

    fn prepared(connection: Connection) -> Connection {
        connection.execute_batch("CREATE TABLE t (v BLOB)").unwrap();
        for table in [
            "tickets",
            "codes",
            "replay",
            "access_tokens",
            "revoked",
            "resources",
            "registrations",
            "grants",
            "refresh_tokens",
        ] {
            connection.execute_batch(&format!("CREATE TABLE {table} (id, expires)")).unwrap();
        }
        connection.execute_batch("CREATE TABLE horizon (id PRIMARY KEY, past)").unwrap();
        connection
    }

    fn start(connection: Connection) -> Writer {
        Writer::start(connection, Arc::new(StoppedClock), horizon(), Arc::default(), Arc::default())
            .unwrap()
    }

    fn horizon() -> Horizon {
        Horizon::new(None, StoppedClock.now(), steady_now())
    }

    fn write(octets: usize) -> impl FnOnce(&Connection) -> rusqlite::Result<usize> {
        move |connection| connection.execute("INSERT INTO t VALUES (zeroblob(?1))", [octets as i64])
    }

    fn count(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
    }

    /// Whoever queued to spend a value while it was being written finds it, even if that write
    /// failed and the next one is the one both are in.
    #[test]
    fn a_value_is_on_the_disk_before_the_jobs_of_its_commit() {
        let connection = connection();
        connection
            .execute_batch(
                "DROP TABLE tickets; CREATE TABLE tickets (id INTEGER PRIMARY KEY, \
                 key BLOB UNIQUE, value BLOB, bound_to BLOB, spent INTEGER, expires INTEGER)",
            )
            .unwrap();
        let recent = Arc::<Recent>::default();
        let mut committer = Committer {
            connection,
            queue: Arc::default(),
            recent: Arc::clone(&recent),
            known: Arc::default(),
            state: Arc::default(),
            clock: Arc::new(StoppedClock),
            horizon: horizon(),
            purged: Timestamp::from_unix(0),
        };
        let (table, key) = (OneTimeTable::Tickets, Digest::of(b"ticket"));
        let expires = Timestamp::from_unix(100);
        let single = Single { value: b"v".to_vec(), bound_to: None, spent: false, expires };
        assert!(recent.insert((table, key), single, steady_now()).is_ok());
        let due = recent.take_due(steady_now(), 1);
        let (answer_to, mut answered) = oneshot::channel();
        let spend = move |c: &Connection| {
            statements::spend(c, table, &key, b"client", Timestamp::from_unix(1))
        };
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let job = Write {
            write: Some(spend),
            result: None,
            record: None,
            answer: Some(answer_to),
            _place: place,
        };
        let mut batch: Vec<Box<dyn Job>> = vec![Box::new(job)];
        committer.commit(&mut batch, &due).unwrap();
        answer(batch, &Ok(()));
        assert_eq!(answered.try_recv().unwrap().unwrap(), Spend::First(b"v".to_vec()));
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_commit_and_not_the_writer() {
        let connection = connection();
        let pages: i64 = connection
            .pragma_update_and_check(None, "max_page_count", 40, |row| row.get(0))
            .unwrap();
        assert_eq!(pages, 40);
        let writer = start(connection);
        let full = writer.commit(write(1024 * 1024)).await;
        assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
        assert!(!writer.has_stopped());
        assert_eq!(writer.commit(write(10)).await.unwrap(), 1);
        assert_eq!(writer.commit(count).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_failed_commit_answers_every_waiter_with_an_error_and_ends_writing() {
        let mut connection = connection();
        // The commit fails, as it does when the sync does.
        connection.commit_hook(Some(|| true)).unwrap();
        let writer = start(connection);
        let (one, two, three) =
            tokio::join!(writer.commit(write(1)), writer.commit(write(1)), writer.commit(write(1)));
        for outcome in [one, two, three] {
            let is_error =
                matches!(&outcome, Err(StoreError::Unavailable(_) | StoreError::Stopped));
            assert!(is_error, "{outcome:?}");
        }
        assert!(writer.has_stopped());
        let later = writer.commit(count).await;
        assert!(matches!(later, Err(StoreError::Stopped)), "{later:?}");
        let lazy = writer.enqueue(write(1)).await;
        assert!(matches!(lazy, Err(StoreError::Stopped)), "{lazy:?}");
    }

    #[tokio::test]
    async fn one_failed_write_takes_its_whole_commit_back() {
        let connection = connection();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let hold = move |_: &Connection| Ok(gate.recv().is_ok());
        let failing = |c: &Connection| c.execute("INSERT INTO no_such_table VALUES (1)", []);
        let writer = start(connection);
        // While the first write holds the thread, the other two gather into one commit.
        let (_, good, bad, ()) = tokio::join!(
            writer.commit(hold),
            writer.commit(write(1)),
            writer.commit(failing),
            async { open.send(()).unwrap() }
        );
        assert!(matches!(good, Err(StoreError::Unavailable(_))), "{good:?}");
        assert!(matches!(bad, Err(StoreError::Unavailable(_))), "{bad:?}");
        assert!(writer.has_stopped());
    }

    #[tokio::test]
    async fn a_panic_on_the_thread_is_an_error_for_every_caller() {
        let writer = start(connection());
        let panicked = writer.commit(|_| -> rusqlite::Result<()> { panic!("in a write") }).await;
        assert!(matches!(panicked, Err(StoreError::Stopped)), "{panicked:?}");
        let later = writer.commit(count).await;
        assert!(matches!(later, Err(StoreError::Stopped)), "{later:?}");
    }

    #[tokio::test]
    async fn dropping_the_writer_finishes_what_is_queued() {
        let directory = std::env::temp_dir();
        let path = directory.join(format!("countersign-store-writer-{}", std::process::id()));
        let writer = start(prepared(Connection::open(&path).unwrap()));
        for _ in 0..100 {
            writer.enqueue(write(1)).await.unwrap();
        }
        drop(writer);
        assert_eq!(count(&Connection::open(&path).unwrap()).unwrap(), 100);
        std::fs::remove_file(&path).unwrap();
    }
}
