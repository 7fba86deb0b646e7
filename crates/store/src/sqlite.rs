//! The durable engine: SQLite in write-ahead mode, every commit synced, many writes per commit.
//!
//! One thread owns the connection that writes. It takes everything that waits, applies it in one
//! transaction, commits, and only then answers each caller: with many callers a sync is shared by
//! many writes. Readers have connections of their own and read on the calling task, which costs
//! microseconds; they see a commit only after it was synced. What they read lately, and every
//! revocation, is in memory too (module `known`).
//!
//! | method | acknowledged when |
//! |---|---|
//! | `insert`, lazy | in memory; written within seconds if it is still live then (module `recent`) |
//! | `insert`, durable; `insert_new`, `put`, `replace`, `update`, `remove` | committed and synced |
//! | `spend` | committed and synced, unless the value never was on the disk: then at once |
//! | `get`, `list`, `count` | read from what is committed and synced |
//!
//! Records of access tokens are put into a journal, one row for all of a commit, and most of them
//! stay there until they expire (module `journal`).
//!
//! What is in memory alone belongs to its engine, and an orderly end writes it. A file has one
//! engine at a time (module `lock`).
//!
//! # How SQLite is built
//!
//! With `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=__linux__` in the environment of the build, a commit
//! syncs data and not the times of the file, which on a file system with a journal takes about half
//! as long (decision 0040). This workspace sets it in `.cargo/config.toml`; yours may do the same.
//!
//! # When the disk fails
//!
//! A full disk or a lock held too long fails the writes of one commit and the engine goes on. Any
//! other failure to write or sync a commit ends writing for good ([`StoreError::Stopped`]): after a
//! failed sync nobody knows what is on the disk, and a retry that succeeds proves nothing. Reading
//! goes on; a restart recovers what is really there. What moves the log into the database may fail,
//! and is done again with all of it: until it went well, the log has what was committed.

mod committer;
mod job;
mod journal;
mod journalled;
mod known;
mod lock;
mod log;
mod moves;
mod probe;
mod puts;
mod queue;
mod readers;
mod recent;
mod records;
mod schema;
mod statements;
mod writer;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_types::digest::Digest;
use countersign_types::{Clock, Timestamp};
use rusqlite::Connection;
use tokio::sync::watch;

use self::journal::{Journal, Room};
use self::known::Known;
use self::lock::Lock;
use self::log::Log;
use self::readers::Readers;
use self::recent::Recent;
use self::writer::Writer;
use crate::engine::{BoxFuture, Durability, OneTime, OneTimeEntry, OneTimeTable, Spend};
use crate::error::{Cause, StoreError};
use crate::horizon::{Horizon, steady_now};
use crate::one_time::Single;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file or its directory cannot be created, opened or synced.
    #[error("cannot open the store {}", path.display())]
    File {
        /// The store's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is a database of something else.
    #[error("{} is not a store of this software", path.display())]
    NotAStore {
        /// The store's file.
        path: PathBuf,
    },
    /// A newer version wrote the file. Going back would lose what only that version understands.
    #[error("{} was written by a newer version: schema {found}, this version knows up to {known}", path.display())]
    NewerSchema {
        /// The store's file.
        path: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema this version knows.
        known: i64,
    },
    /// Another process, or another engine of this one, has the store open.
    #[error("the store {} is in use: only one process at a time can have it open", path.display())]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// The database cannot be read or prepared.
    #[error("cannot use the store {}", path.display())]
    Database {
        /// The store's file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the store's writer")]
    Thread(#[source] std::io::Error),
}

/// The engine on a file.
///
/// Dropping it waits for the writes that are queued, then closes the file.
pub struct SqliteEngine {
    writer: Writer,
    memory: Arc<Memory>,
    readers: Arc<Readers>,
    /// Until it goes, nobody else may open the file.
    _lock: Lock,
    /// The last to go: see [`SqliteEngine::closed`].
    open: watch::Sender<()>,
}

/// What is in memory: instead of the disk, or as well.
#[derive(Default)]
struct Memory {
    recent: Recent,
    journal: Journal,
    known: Known,
}

impl SqliteEngine {
    /// Opens the store at `path`, creating it if there is none (mode 0600, its directory synced).
    ///
    /// The store belongs to this engine until it is dropped or its process ends, be it by `kill
    /// -9`; a lock on the file `<path>.lock` sees to it. If another holds it, this call waits for
    /// about two seconds, since a process that was killed may still be ending.
    ///
    /// `clock` tells the writer what has expired: it removes expired entries little by little, with
    /// each commit and when it is idle, some minutes after their time. A clock that jumps ahead, or
    /// was wrong when the program started, makes it remove nothing early.
    ///
    /// This call blocks; it belongs to a program's start.
    ///
    /// # Errors
    /// Any [`OpenError`].
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_with(path, clock, journal::ROOM)
    }

    /// The same with so much room for the journal in memory.
    fn open_with(path: &Path, clock: Arc<dyn Clock>, room: Room) -> Result<Self, OpenError> {
        schema::create_file(path)?;
        let lock = Lock::take(path)?;
        let connection = schema::open_writer(path)?;
        let log = schema::sync_log(path)?;
        let readers = Arc::new(Readers::open(path)?);
        let unreadable = |source: Cause| OpenError::Database { path: path.to_owned(), source };
        let failed = |error: rusqlite::Error| unreadable(Arc::new(error));
        let past = statements::horizon(&connection).map_err(failed)?;
        let horizon = Horizon::new(past, clock.now(), steady_now());
        let revoked = statements::revoked(&connection).map_err(failed)?;
        let shelf = statements::journal::shelf(&connection).map_err(failed)?;
        let behind = shelf.last().map_or(0, |row| row.id);
        let rows = statements::journal::rows(&connection, behind).map_err(failed)?;
        let journal =
            Journal::read(shelf, rows, room).map_err(|error| unreadable(Arc::new(error)))?;
        let known = Known::with_revoked(revoked);
        let memory = Arc::new(Memory { recent: Recent::default(), journal, known });
        let log = Log::new(log, Arc::clone(&readers), log::PAGES);
        let writer = Writer::start(connection, clock, horizon, Arc::clone(&memory), Some(log));
        let writer = writer.map_err(OpenError::Thread)?;
        Ok(Self { writer, memory, readers, _lock: lock, open: watch::Sender::new(()) })
    }

    /// Whether [`SqliteEngine::open`] can go well, as far as can be told without opening,
    /// creating or changing anything: what is there now could be a store, or one could be made.
    ///
    /// # Errors
    /// [`OpenError`], but for what only a database can find out.
    pub fn probe(path: &Path) -> Result<(), OpenError> {
        probe::probe(path)
    }

    /// Done once the engine was dropped by all who held it: what was queued is written, and another
    /// engine may open the file.
    ///
    /// A server that waits for this before it ends cuts nothing off that still changes something.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut open = self.open.subscribe();
        async move { while open.changed().await.is_ok() {} }
    }

    /// Whether the engine stopped writing after a failure: time to restart the program.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.writer.has_stopped()
    }

    /// Writes what is in memory alone, as before a copy of the file is made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn write_recent(&self) -> Result<(), StoreError> {
        self.writer.write_recent().await
    }

    /// By its caller's promise, nothing stands under the key on the disk: that is not asked. If
    /// something did, it would stay.
    async fn insert_lazily(
        &self,
        table: OneTimeTable,
        key: Digest,
        single: Single,
    ) -> Result<(), StoreError> {
        if self.has_stopped() {
            return Err(StoreError::Stopped);
        }
        match self.memory.recent.insert((table, key), single, steady_now()) {
            Ok(()) => Ok(()),
            Err(single) => {
                let insert = move |c: &Connection| statements::insert(c, table, &key, &single);
                self.writer.enqueue(insert).await
            }
        }
    }

    async fn insert_durably(
        &self,
        table: OneTimeTable,
        key: Digest,
        single: Single,
    ) -> Result<(), StoreError> {
        let is_taken = self.memory.recent.contains(&(table, key));
        let insert = move |c: &Connection| statements::insert(c, table, &key, &single);
        if is_taken || !self.writer.commit(insert).await? {
            return Err(StoreError::Exists);
        }
        Ok(())
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.readers.with(query)?.map_err(|error| StoreError::Unavailable(Arc::new(error)))
    }
}

impl OneTime for SqliteEngine {
    fn insert(
        &self,
        table: OneTimeTable,
        entry: OneTimeEntry,
        durability: Durability,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let OneTimeEntry { key, value, bound_to, expires } = entry;
        let single = Single { value, bound_to, spent: false, expires };
        Box::pin(async move {
            match durability {
                Durability::Lazy => self.insert_lazily(table, key, single).await,
                Durability::Durable => self.insert_durably(table, key, single).await,
            }
        })
    }

    fn insert_new(
        &self,
        key: Digest,
        expires: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.writer.commit(move |c| statements::insert_new(c, &key, expires)))
    }

    fn spend<'a>(
        &'a self,
        table: OneTimeTable,
        key: Digest,
        presenter: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Spend, StoreError>> {
        Box::pin(async move {
            if self.has_stopped() {
                return Err(StoreError::Stopped);
            }
            if let Some(spend) = self.memory.recent.spend(&(table, key), presenter, now) {
                return Ok(spend);
            }
            // On the disk, or on its way there: on the writer's thread it is one or the other.
            let (memory, presenter) = (Arc::clone(&self.memory), presenter.to_vec());
            let spend =
                move |c: &Connection| match memory.recent.spend(&(table, key), &presenter, now) {
                    Some(spend) => Ok(spend),
                    None => statements::spend(c, table, &key, &presenter, now),
                };
            self.writer.commit(spend).await
        })
    }
}
