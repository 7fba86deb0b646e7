//! What can be told of a store's file without opening it as a database.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use super::OpenError;
use super::schema::{APPLICATION_ID, VERSION};

/// A database file begins with it, and with these numbers at these places; see "The Database
/// Header" of SQLite's file format.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const USER_VERSION: usize = 60;
const APPLICATION: usize = 68;

pub(super) fn probe(path: &Path) -> Result<(), OpenError> {
    let header = header(path);
    let header = header.map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    if header.is_empty() {
        return Ok(());
    }
    // What was written last may be in the log alone: what the file does not say yet is not held
    // against it.
    let number = |at: usize| {
        let octets = header.get(at..at + 4).and_then(|octets| octets.try_into().ok());
        octets.map_or(0, |octets| i64::from(i32::from_be_bytes(octets)))
    };
    let application = number(APPLICATION);
    if !header.starts_with(MAGIC) || (application != 0 && application != APPLICATION_ID) {
        return Err(OpenError::NotAStore { path: path.to_owned() });
    }
    let found = number(USER_VERSION);
    if application == APPLICATION_ID && found > VERSION {
        return Err(OpenError::NewerSchema { path: path.to_owned(), found, known: VERSION });
    }
    Ok(())
}

/// How the file begins; nothing if it is not there, but its directory is.
fn header(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is not a file"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            if !fs::metadata(parent).is_ok_and(|parent| parent.is_dir()) {
                let reason = format!("there is no directory {}", parent.display());
                return Err(io::Error::new(io::ErrorKind::NotFound, reason));
            }
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    }
    // A store is written to; opened so, it is not changed yet.
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut header = Vec::new();
    file.take(100).read_to_end(&mut header)?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_types::{Clock, Timestamp};

    use super::super::SqliteEngine;
    use super::*;

    struct Now;

    impl Clock for Now {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix(1_800_000_000)
        }
    }

    #[test]
    fn probing_says_what_opening_says_and_makes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(
            at("text"),
            "not a database, but longer than a header of one hundred octets is, \
            so that there is something to read",
        )
        .unwrap();
        let connection = rusqlite::Connection::open(at("foreign")).unwrap();
        connection.execute_batch("PRAGMA application_id = 7; CREATE TABLE a (b)").unwrap();
        drop(connection);
        drop(SqliteEngine::open(&at("ours"), Arc::new(Now)).unwrap());
        let opened = || SqliteEngine::open(&at("newer"), Arc::new(Now));
        drop(opened().unwrap());
        let connection = rusqlite::Connection::open(at("newer")).unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        connection.pragma_update(None, "journal_mode", "DELETE").unwrap();
        drop(connection);
        for (name, good) in [
            ("ours", true),
            ("new", true),
            ("no/such", false),
            ("text/below", false),
            ("", false),
            ("text", false),
            ("foreign", false),
            ("newer", false),
        ] {
            let there = fs::read(at(name)).ok();
            let probed = SqliteEngine::probe(&at(name));
            assert_eq!(probed.is_ok(), good, "{name}: {probed:?}");
            assert_eq!(fs::read(at(name)).ok(), there, "{name}");
            let opened = SqliteEngine::open(&at(name), Arc::new(Now));
            assert_eq!(opened.is_ok(), good, "{name}");
        }
    }
}
