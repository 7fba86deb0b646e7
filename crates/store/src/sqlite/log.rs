//! Keeps the write-ahead log short.
//!
//! SQLite moves the log into the database when it has become long, and writes it from the start
//! again when nobody reads what is in it. Readings last for microseconds, yet under a load of them
//! there may always be one: then the log would grow as long as the load lasts. So the writer keeps
//! readers waiting for a moment when it is twice as long as it should be.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;

use super::readers::Readers;

/// Pages of log after which SQLite moves them into the database.
pub(super) const PAGES: u64 = 16 * 1024;

/// Octets of a page in the log.
const PAGE: u64 = 4096 + 24;

/// The log of a store that is open.
pub(super) struct Log {
    path: PathBuf,
    /// There is none before the first commit.
    file: Option<File>,
    readers: Arc<Readers>,
    /// Octets from which on it is too long.
    most: u64,
    /// Octets from which on readers wait; more than the most after they waited in vain.
    next: u64,
}

impl Log {
    /// The log at `path`, of which SQLite moves so many pages at a time.
    pub(super) const fn new(path: PathBuf, readers: Arc<Readers>, pages: u64) -> Self {
        let most = 2 * pages * PAGE;
        Self { path, file: None, readers, most, next: most }
    }

    /// After a commit: has the next one begin the log anew, if it is too long.
    ///
    /// It stays as it is while somebody else reads, such as a tool that copies the file; nobody
    /// waits for that.
    pub(super) fn keep_short(&mut self, connection: &Connection) {
        let octets = self.length();
        if octets <= self.most {
            self.next = self.most;
        } else if octets > self.next {
            self.next = octets + self.most / 4;
            let checkpoint =
                || connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = self.readers.hold(checkpoint) {
                tracing::warn!(%error, "the log of the store is too long, and goes on growing");
            }
        }
    }

    /// Its octets; none if that cannot be told.
    ///
    /// Where it ends says so, and not its metadata: Linux gives a file that was asked for its times
    /// a finer time at the next write, which the next sync has to write too.
    fn length(&mut self) -> u64 {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        self.file.as_mut().and_then(|file| file.seek(SeekFrom::End(0)).ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::super::schema;
    use super::*;

    /// A commit takes some four pages: without a bound the log would have about a thousand. The
    /// store is opened by a link that stands elsewhere.
    #[test]
    fn the_log_stays_short_while_somebody_always_reads() {
        const PAGES: u64 = 64;
        const COMMITS: i64 = 400;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        schema::create_file(&path).unwrap();
        #[cfg(unix)]
        let (path, _elsewhere) = {
            let elsewhere = tempfile::tempdir().unwrap();
            let link = elsewhere.path().join("link.db");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            (link, elsewhere)
        };
        let writer = schema::open_writer(&path).unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", PAGES as i64).unwrap();
        writer.pragma_update(None, "synchronous", "OFF").unwrap();
        let readers = Arc::new(Readers::open(&path).unwrap());
        let log = schema::sync_log(&path).unwrap();
        let mut log = Log::new(log, Arc::clone(&readers), PAGES);
        let (is_over, readings) = (AtomicBool::new(false), AtomicUsize::new(0));
        let read = || {
            while !is_over.load(Ordering::Acquire) {
                let sql = "SELECT count(*) FROM messages";
                let count = readers.with(|c| c.query_row(sql, [], |row| row.get::<_, i64>(0)));
                assert!(count.unwrap().unwrap() <= COMMITS);
                readings.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(read)));
            while readings.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            for number in 0..COMMITS {
                let sql = "INSERT INTO messages (key, value) VALUES (?1, zeroblob(8192))";
                writer.execute(sql, [number.to_be_bytes()]).unwrap();
                log.keep_short(&writer);
            }
            is_over.store(true, Ordering::Release);
        });
        let pages = std::fs::metadata(&log.path).unwrap().len() / PAGE;
        assert!((PAGES..5 * PAGES).contains(&pages), "{pages}");
    }
}
