//! The file: creation, settings, schema and its version.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{OpenError, log};

/// Marks the file as ours in `PRAGMA application_id`: the letters `CsSt`.
pub(super) const APPLICATION_ID: i64 = 0x4373_5374;

/// The schema that all of [`STEPS`] make, in `PRAGMA user_version`.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// How long to wait for whoever else looks into the file: a tool that copies it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements kept per connection; there are fewer.
const STATEMENTS: usize = 64;

/// From each version of the schema to the next; a file of an older version goes on from there.
const STEPS: [&str; 11] = [
    TABLES,
    HORIZON,
    GRANTS,
    JOURNAL,
    CASES,
    LINKED_IDENTITIES,
    MESSAGES,
    SHARES,
    NOTICES,
    SHELF,
    PACKED,
];

/// Rows stand in the order of their insertion, so that what is written together lies together;
/// only the index of the random keys is written all over.
const TABLES: &str = "
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, bound_to BLOB,
    spent INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL
) STRICT;
CREATE INDEX tickets_expires ON tickets (expires);
CREATE TABLE codes (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, bound_to BLOB,
    spent INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL
) STRICT;
CREATE INDEX codes_expires ON codes (expires);
CREATE TABLE replay (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, expires INTEGER NOT NULL
) STRICT;
CREATE INDEX replay_expires ON replay (expires);
CREATE TABLE access_tokens (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX access_tokens_expires ON access_tokens (expires) WHERE expires IS NOT NULL;
CREATE TABLE revoked (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX revoked_expires ON revoked (expires) WHERE expires IS NOT NULL;
CREATE TABLE resources (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX resources_expires ON resources (expires) WHERE expires IS NOT NULL;
CREATE TABLE registrations (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX registrations_expires ON registrations (expires) WHERE expires IS NOT NULL;
";

/// One row: the moment that certainly lay in the past when it was written.
const HORIZON: &str = "
CREATE TABLE horizon (id INTEGER PRIMARY KEY CHECK (id = 0), past INTEGER NOT NULL) STRICT;
";

/// Where people are signed in, what they allowed, and what derives from it for longer than a code
/// or an access token lives.
const GRANTS: &str = "
CREATE TABLE grants (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX grants_expires ON grants (expires) WHERE expires IS NOT NULL;
CREATE TABLE refresh_tokens (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires) WHERE expires IS NOT NULL;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX sessions_expires ON sessions (expires) WHERE expires IS NOT NULL;
CREATE TABLE consents (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX consents_expires ON consents (expires) WHERE expires IS NOT NULL;
";

/// Records of access tokens that were put lately, those of one commit in one row.
const JOURNAL: &str = "
CREATE TABLE journal (id INTEGER PRIMARY KEY, records BLOB NOT NULL) STRICT;
";

/// What resource owners were asked, and the tickets that wait for them.
const CASES: &str = "
CREATE TABLE cases (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX cases_expires ON cases (expires) WHERE expires IS NOT NULL;
CREATE TABLE waiting_tickets (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX waiting_tickets_expires ON waiting_tickets (expires) WHERE expires IS NOT NULL;
";

/// Whose identity at another provider is whose here.
const LINKED_IDENTITIES: &str = "
CREATE TABLE linked_identities (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX linked_identities_expires ON linked_identities (expires) WHERE expires IS NOT NULL;
";

/// What was sent to inboxes.
const MESSAGES: &str = "
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX messages_expires ON messages (expires) WHERE expires IS NOT NULL;
";

/// What resource owners share.
const SHARES: &str = "
CREATE TABLE shares (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX shares_expires ON shares (expires) WHERE expires IS NOT NULL;
";

/// What resource owners are still to be told.
const NOTICES: &str = "
CREATE TABLE notices (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, expires INTEGER
) STRICT;
CREATE INDEX notices_expires ON notices (expires) WHERE expires IS NOT NULL;
";

/// Rows of the journal that are not in memory: between which keys their records stand, and when the
/// first of these expires.
const SHELF: &str = "
CREATE TABLE shelf (
    id INTEGER PRIMARY KEY, first BLOB NOT NULL, last BLOB NOT NULL, expires INTEGER
) STRICT;
";

/// Rows of the journal may be packed from here on: earlier versions cannot read them.
const PACKED: &str = "";

/// Creates the file, readable by its owner alone, so that it survives a power cut before anything
/// is written to it. An existing file is left as it is.
pub(super) fn create_file(path: &Path) -> Result<(), OpenError> {
    let create = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(error),
        }
        sync_parent(path)
    };
    create().map_err(|source| OpenError::File { path: path.to_owned(), source })
}

/// A new name in a directory is durable only once the directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if cfg!(unix) { File::open(parent.unwrap_or(Path::new(".")))?.sync_all() } else { Ok(()) }
}

/// Has the log on the disk, and its name, before anybody is told what is in it. It stands beside
/// the store itself even if `path` is a link to that, and the answer is its name.
///
/// A process that was killed may have written a commit without syncing it. The next one reads it
/// all the same, and would tell of what a power cut takes back. As for the name, SQLite goes on if
/// it cannot sync the directory.
pub(super) fn sync_log(path: &Path) -> Result<PathBuf, OpenError> {
    let sync = || -> io::Result<PathBuf> {
        let path = path.canonicalize()?;
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        // To be synced it has to be open for writing, on some systems.
        match OpenOptions::new().append(true).open(&log) {
            Ok(log) => log.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        sync_parent(&path)?;
        Ok(log.into())
    };
    sync().map_err(|source| OpenError::File { path: path.to_owned(), source })
}

/// The connection that writes, on a file whose schema is this version's.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let mut connection = connect(path).map_err(|error| database(path, error))?;
    check_or_create(&mut connection, path)?;
    let settings = |connection: &Connection| -> rusqlite::Result<()> {
        // Both are SQLite's defaults in this mode; a durable store does not lean on defaults.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Where a plain sync stops at the drive's cache (macOS), ask for the real one.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        // 64 MiB of log between checkpoints: keys are random, so a page that is written to the file
        // once for many changes is worth waiting for. The last commit reaches beyond that; somewhat
        // more is kept, or the file would be cut each time and made longer again.
        connection.pragma_update(None, "wal_autocheckpoint", log::PAGES as i64)?;
        connection.pragma_update(None, "journal_size_limit", 72 * 1024 * 1024)?;
        connection.pragma_update(None, "cache_size", -64 * 1024)
    };
    settings(&connection).map_err(|error| database(path, error))?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = connect(path)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", -16 * 1024)?;
        Ok(connection)
    };
    open().map_err(|error| database(path, error))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Each connection is behind a mutex or owned by one thread.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn check_or_create(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| database(path, error);
    // A foreign file is recognised before anything in it, its journal mode included, is changed.
    match identify(connection).map_err(failed)? {
        Identity::Empty | Identity::Ours(1..=VERSION) => {}
        Identity::Ours(found) if found > VERSION => {
            return Err(OpenError::NewerSchema { path: path.to_owned(), found, known: VERSION });
        }
        Identity::Ours(_) | Identity::Foreign => {
            return Err(OpenError::NotAStore { path: path.to_owned() });
        }
    }
    // The mode is kept in the file; in it a reader never waits for the writer.
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(failed)?;
    if !mode.eq_ignore_ascii_case("wal") {
        let source = io::Error::new(
            io::ErrorKind::Unsupported,
            "the file system does not support the write-ahead log",
        );
        return Err(OpenError::File { path: path.to_owned(), source });
    }
    upgrade(connection).map_err(failed)
}

/// Takes the steps that the file's schema lacks, all of them or none.
fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = match identify(&transaction)? {
        Identity::Ours(version) => usize::try_from(version).unwrap_or_default(),
        Identity::Empty | Identity::Foreign => 0,
    };
    for step in STEPS.iter().skip(version) {
        transaction.execute_batch(step)?;
    }
    if version < STEPS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

enum Identity {
    Empty,
    Ours(i64),
    Foreign,
}

fn identify(connection: &Connection) -> rusqlite::Result<Identity> {
    let integer = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let id = integer("PRAGMA application_id");
    if let Err(error) = &id
        && error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase)
    {
        return Ok(Identity::Foreign);
    }
    let (id, version) = (id?, integer("PRAGMA user_version")?);
    let objects = integer("SELECT count(*) FROM sqlite_schema")?;
    Ok(match (id, version, objects) {
        (0, 0, 0) => Identity::Empty,
        (APPLICATION_ID, version, _) => Identity::Ours(version),
        _ => Identity::Foreign,
    })
}

fn database(path: &Path, error: rusqlite::Error) -> OpenError {
    OpenError::Database { path: path.to_owned(), source: Arc::new(error) }
}
