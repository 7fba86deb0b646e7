//! The connections that read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

use super::{OpenError, schema};
use crate::error::StoreError;

/// Connections that read at the same time, at most.
const READERS: usize = 4;

/// Connections that read, each of which is opened when all before it are in use: a connection takes
/// some hundred kilobytes, and readings take microseconds, so that a server with little to do has
/// one.
pub(super) struct Readers {
    path: PathBuf,
    connections: [Mutex<Option<Connection>>; READERS],
    next: AtomicUsize,
}

impl Readers {
    /// Opens the first, so that a file that cannot be read is known at once.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let first = schema::open_reader(path)?;
        let connections =
            [Mutex::new(Some(first)), Mutex::default(), Mutex::default(), Mutex::default()];
        Ok(Self { path: path.to_owned(), connections, next: AtomicUsize::new(0) })
    }

    /// Asks one that nobody uses, or the next in turn.
    pub(super) fn with<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, StoreError> {
        let mut reader = self.reader().ok_or(StoreError::Stopped)?;
        if reader.is_none() {
            match schema::open_reader(&self.path) {
                Ok(connection) => *reader = Some(connection),
                // Of the first, which is open, there is one, and its turn comes soon. Nobody holds
                // two.
                Err(_) => {
                    drop(reader);
                    reader = self.first().ok_or(StoreError::Stopped)?;
                }
            }
        }
        reader.as_ref().map(query).ok_or(StoreError::Stopped)
    }

    /// Does something while nobody reads.
    pub(super) fn hold<T>(&self, act: impl FnOnce() -> T) -> T {
        let held = self.connections.each_ref();
        let _held = held.map(|reader| reader.lock().unwrap_or_else(PoisonError::into_inner));
        act()
    }

    fn first(&self) -> Option<MutexGuard<'_, Option<Connection>>> {
        Some(self.connections.first()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reader(&self) -> Option<MutexGuard<'_, Option<Connection>>> {
        for reader in &self.connections {
            match reader.try_lock() {
                Ok(reader) => return Some(reader),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % READERS;
        let reader = self.connections.get(turn)?;
        Some(reader.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(readers: &Readers) -> usize {
        let is_open = |it: &&Mutex<Option<Connection>>| {
            it.try_lock().map_or(true, |connection| connection.is_some())
        };
        readers.connections.iter().filter(is_open).count()
    }

    #[test]
    fn a_connection_is_opened_when_all_others_are_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        schema::create_file(&path).unwrap();
        drop(schema::open_writer(&path).unwrap());
        let readers = Readers::open(&path).unwrap();
        assert_eq!(count(&readers), 1);
        let ask = |inner: &dyn Fn()| {
            let asked = readers.with(|connection| {
                inner();
                connection.query_row("SELECT 7", [], |row| row.get::<_, i64>(0))
            });
            assert_eq!(asked.unwrap().unwrap(), 7);
        };
        ask(&|| ());
        ask(&|| ());
        assert_eq!(count(&readers), 1, "one after the other");
        ask(&|| ask(&|| ask(&|| ask(&|| ()))));
        assert_eq!(count(&readers), READERS);
        ask(&|| ask(&|| ()));
        assert_eq!(count(&readers), READERS);
    }
}
