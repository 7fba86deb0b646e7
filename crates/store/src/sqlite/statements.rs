//! The statements, one function each. Those that write run inside the writer's transaction.

pub(super) mod journal;
mod packed;

use std::ops::ControlFlow;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::Stands;
use super::known::Row;
use crate::engine::{Change, Changer, KeyedValue, OneTimeTable, Part, RecordTable, Spend};
use crate::one_time::Single;

/// Rows of one table removed by one [`purge`].
const PURGE_ROWS: i64 = 256;

/// SQL for one table of single-use values.
struct OneTimeSql {
    insert: &'static str,
    spend: &'static str,
    look: &'static str,
}

macro_rules! one_time_sql {
    ($table:literal) => {
        OneTimeSql {
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (key, value, bound_to, spent, expires) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (key) DO NOTHING"
            ),
            spend: concat!(
                "UPDATE ",
                $table,
                " SET spent = 1, bound_to = ?2 \
                 WHERE key = ?1 AND spent = 0 AND expires > ?3 \
                 AND (bound_to IS NULL OR bound_to = ?2) RETURNING value"
            ),
            look: concat!(
                "SELECT value, bound_to = ?2 FROM ",
                $table,
                " WHERE key = ?1 AND expires > ?3"
            ),
        }
    };
}

const fn one_time_sql(table: OneTimeTable) -> OneTimeSql {
    match table {
        OneTimeTable::Tickets => one_time_sql!("tickets"),
        OneTimeTable::Codes => one_time_sql!("codes"),
    }
}

/// SQL for one table of records.
struct RecordSql {
    put: &'static str,
    replace: &'static str,
    row: &'static str,
    list: &'static str,
    list_back: &'static str,
    count: &'static str,
    keys: &'static str,
    remove: &'static str,
}

macro_rules! record_sql {
    ($table:literal) => {
        RecordSql {
            put: concat!(
                "INSERT INTO ",
                $table,
                " (key, value, expires) VALUES (?1, ?2, ?3) ON CONFLICT (key) \
                 DO UPDATE SET value = excluded.value, expires = excluded.expires"
            ),
            replace: concat!(
                "UPDATE ",
                $table,
                " SET value = ?2 WHERE key = ?1 AND (expires IS NULL OR expires > ?3)"
            ),
            row: concat!("SELECT value, expires FROM ", $table, " WHERE key = ?1"),
            list: concat!(
                "SELECT key, expires IS NULL OR expires > ?2, value FROM ",
                $table,
                " WHERE key >= ?1 ORDER BY key"
            ),
            list_back: concat!(
                "SELECT key, expires IS NULL OR expires > ?2, value FROM ",
                $table,
                " WHERE key < ?1 ORDER BY key DESC"
            ),
            count: concat!(
                "SELECT key, expires IS NULL OR expires > ?2 FROM ",
                $table,
                " WHERE key >= ?1 ORDER BY key"
            ),
            keys: concat!("SELECT key FROM ", $table, " WHERE key BETWEEN ?1 AND ?2"),
            remove: concat!("DELETE FROM ", $table, " WHERE key = ?1"),
        }
    };
}

const fn record_sql(table: RecordTable) -> RecordSql {
    match table {
        RecordTable::AccessTokens => record_sql!("access_tokens"),
        RecordTable::Revoked => record_sql!("revoked"),
        RecordTable::Resources => record_sql!("resources"),
        RecordTable::Registrations => record_sql!("registrations"),
        RecordTable::Grants => record_sql!("grants"),
        RecordTable::RefreshTokens => record_sql!("refresh_tokens"),
        RecordTable::Sessions => record_sql!("sessions"),
        RecordTable::Consents => record_sql!("consents"),
        RecordTable::Cases => record_sql!("cases"),
        RecordTable::WaitingTickets => record_sql!("waiting_tickets"),
        RecordTable::Messages => record_sql!("messages"),
        RecordTable::Shares => record_sql!("shares"),
        RecordTable::Notices => record_sql!("notices"),
        RecordTable::LinkedIdentities => record_sql!("linked_identities"),
    }
}

macro_rules! purge_sql {
    ($($table:literal),*) => {
        [$(concat!(
            "DELETE FROM ", $table, " WHERE id IN \
             (SELECT id FROM ", $table, " WHERE expires <= ?1 LIMIT ?2)"
        )),*]
    };
}

pub(super) const PURGE: [&str; 17] = purge_sql!(
    "tickets",
    "codes",
    "replay",
    "access_tokens",
    "revoked",
    "resources",
    "registrations",
    "grants",
    "refresh_tokens",
    "sessions",
    "consents",
    "cases",
    "waiting_tickets",
    "linked_identities",
    "messages",
    "shares",
    "notices"
);

/// Whether the value was inserted; `false` if its key is taken.
pub(super) fn insert(
    connection: &Connection,
    table: OneTimeTable,
    key: &Digest,
    single: &Single,
) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(one_time_sql(table).insert)?;
    let Single { value, bound_to, spent, expires } = single;
    let rows =
        statement.execute(params![key.as_bytes(), value, bound_to, spent, expires.as_unix()])?;
    Ok(rows == 1)
}

pub(super) fn insert_new(
    connection: &Connection,
    key: &Digest,
    expires: Timestamp,
) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO replay (key, expires) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
    )?;
    Ok(statement.execute(params![key.as_bytes(), expires.as_unix()])? == 1)
}

/// One statement decides and spends; only where it found nothing to spend, a second one says why.
pub(super) fn spend(
    connection: &Connection,
    table: OneTimeTable,
    key: &Digest,
    presenter: &[u8],
    now: Timestamp,
) -> rusqlite::Result<Spend> {
    let sql = one_time_sql(table);
    let arguments = params![key.as_bytes(), presenter, now.as_unix()];
    let mut statement = connection.prepare_cached(sql.spend)?;
    if let Some(value) = statement.query_row(arguments, |row| row.get(0)).optional()? {
        return Ok(Spend::First(value));
    }
    let mut statement = connection.prepare_cached(sql.look)?;
    let row = statement.query_row(arguments, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(match row {
        None => Spend::Absent,
        Some((value, true)) => Spend::Again(value),
        Some((_, false)) => Spend::Bound,
    })
}

pub(super) fn put(
    connection: &Connection,
    table: RecordTable,
    key: &[u8],
    value: &[u8],
    expires: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(record_sql(table).put)?;
    statement.execute(params![key, value, expires.map(Timestamp::as_unix)]).map(drop)
}

/// Whether there was a live record to have another value. What the database could say of it besides
/// (`RETURNING`) would cost three times as much.
pub(super) fn replace(
    connection: &Connection,
    table: RecordTable,
    key: &[u8],
    value: &[u8],
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(record_sql(table).replace)?;
    Ok(statement.execute(params![key, value, now.as_unix()])? == 1)
}

/// Looks at a live record and changes it as `change` says; gives what stands there then, if
/// something was put.
pub(super) fn update(
    connection: &Connection,
    table: RecordTable,
    key: &[u8],
    now: Timestamp,
    change: Changer,
) -> rusqlite::Result<Option<Stands>> {
    let live = row(connection, table, key)?.filter(|row| row.is_live(now));
    match change(live.as_ref().map(|row| row.value.as_slice())) {
        Change::Keep => Ok(None),
        Change::Put(value, expires) => {
            put(connection, table, key, &value, expires)?;
            Ok(Some(Stands::Row(Row { value, expires })))
        }
        Change::PutAndTell(value, expires, tell) => {
            put(connection, table, key, &value, expires)?;
            if table == RecordTable::Notices {
                return Ok(Some(Stands::Row(Row { value, expires })));
            }
            put(connection, RecordTable::Notices, &tell.key, &tell.value, tell.expires)?;
            Ok(Some(Stands::Told(Row { value, expires }, tell)))
        }
        Change::Remove => remove(connection, table, key).map(|_| None),
    }
}

/// A record, live or not.
pub(super) fn row(
    connection: &Connection,
    table: RecordTable,
    key: &[u8],
) -> rusqlite::Result<Option<Row>> {
    let mut statement = connection.prepare_cached(record_sql(table).row)?;
    let row = |row: &rusqlite::Row<'_>| {
        let expires = row.get::<_, Option<i64>>(1)?.map(Timestamp::from_unix);
        Ok(Row { value: row.get(0)?, expires })
    };
    statement.query_row(params![key], row).optional()
}

/// Every revocation, with its key.
pub(super) fn revoked(connection: &Connection) -> rusqlite::Result<Vec<(Vec<u8>, Row)>> {
    let mut statement = connection.prepare("SELECT key, value, expires FROM revoked")?;
    let rows = statement.query_map([], |row| {
        let expires = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_unix);
        Ok((row.get(0)?, Row { value: row.get(1)?, expires }))
    })?;
    rows.collect()
}

pub(super) fn list(
    connection: &Connection,
    table: RecordTable,
    prefix: &[u8],
    now: Timestamp,
) -> rusqlite::Result<Vec<KeyedValue>> {
    let mut found = Vec::new();
    let is_within = |key: &[u8]| key.starts_with(prefix);
    walk(connection, record_sql(table).list, prefix, is_within, now, |row| {
        found.push((row.get(0)?, row.get(2)?));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Reads what is next to a key, up to `end` if there is one.
pub(super) fn page(
    connection: &Connection,
    table: RecordTable,
    prefix: &[u8],
    part: Part<'_>,
    end: Option<&[u8]>,
    limit: usize,
    now: Timestamp,
) -> rusqlite::Result<Vec<KeyedValue>> {
    let mut found: Vec<KeyedValue> = Vec::new();
    let is_within =
        |key: &[u8]| key.starts_with(prefix) && end.is_none_or(|end| part.is_within(key, end));
    let take = |row: &rusqlite::Row<'_>| {
        found.push((row.get(0)?, row.get(2)?));
        let is_full = found.len() >= limit;
        Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    if limit == 0 {
        return Ok(found);
    }
    match part {
        Part::After(key) => {
            // The very next key there can be.
            let start = [key, &[0]].concat();
            walk(connection, record_sql(table).list, &start, is_within, now, take)?;
        }
        Part::Before(key) => {
            walk(connection, record_sql(table).list_back, key, is_within, now, take)?;
            found.reverse();
        }
    }
    Ok(found)
}

/// Walks the index of the keys, and copies none of them.
pub(super) fn count(
    connection: &Connection,
    table: RecordTable,
    prefix: &[u8],
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let mut count = 0;
    let is_within = |key: &[u8]| key.starts_with(prefix);
    walk(connection, record_sql(table).count, prefix, is_within, now, |_| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

/// Shows the live rows from a key on, in the order of the statement, until it is enough or a row,
/// live or not, is not within what is read. The first column is the key, the second whether the row
/// is live.
fn walk(
    connection: &Connection,
    sql: &str,
    start: &[u8],
    is_within: impl Fn(&[u8]) -> bool,
    now: Timestamp,
    mut show: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<ControlFlow<()>>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![start, now.as_unix()])?;
    while let Some(row) = rows.next()? {
        if !is_within(row.get_ref(0)?.as_blob()?) {
            break;
        }
        if row.get(1)? && show(row)?.is_break() {
            break;
        }
    }
    Ok(())
}

pub(super) fn remove(
    connection: &Connection,
    table: RecordTable,
    key: &[u8],
) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(record_sql(table).remove)?;
    Ok(statement.execute(params![key])? == 1)
}

/// The keys from one to another, both included.
pub(super) fn keys_between(
    connection: &Connection,
    table: RecordTable,
    first: &[u8],
    last: &[u8],
) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = connection.prepare_cached(record_sql(table).keys)?;
    let keys = statement.query_map(params![first, last], |row| row.get(0))?;
    keys.collect()
}

/// Removes rows that expired at `now` or before, a bounded number from each table.
pub(super) fn purge(connection: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    let mut removed = 0;
    for sql in PURGE {
        let mut statement = connection.prepare_cached(sql)?;
        removed += statement.execute(params![now.as_unix(), PURGE_ROWS])? as u64;
    }
    Ok(removed)
}

/// The moment that lay in the past when it was kept; `None` in a new file.
pub(super) fn horizon(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let mut statement = connection.prepare_cached("SELECT past FROM horizon")?;
    let past = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(past.map(Timestamp::from_unix))
}

pub(super) fn keep_horizon(connection: &Connection, past: Timestamp) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO horizon (id, past) VALUES (0, ?1) \
         ON CONFLICT (id) DO UPDATE SET past = excluded.past",
    )?;
    statement.execute([past.as_unix()]).map(drop)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::schema;
    use super::*;

    /// Octets of log for many commits of many records, under the keys that `key` makes of numbers.
    fn log(key: impl Fn(u32) -> Vec<u8>) -> u64 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        schema::create_file(&path).unwrap();
        let connection = schema::open_writer(&path).unwrap();
        let expires = Some(Timestamp::from_unix(1000));
        for commit in 0..100 {
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            for number in 0..50 {
                let key = key(commit * 50 + number);
                put(&connection, RecordTable::AccessTokens, &key, &[0; 20], expires).unwrap();
            }
            connection.execute_batch("COMMIT").unwrap();
        }
        std::fs::metadata(directory.path().join("store.db-wal")).unwrap().len()
    }

    /// What is behind the end is not walked, be it live or not.
    #[test]
    fn a_part_of_a_list_is_read_up_to_its_end() {
        let table = RecordTable::Cases;
        for (part, end, sql) in [
            (Part::After(&[]), [100_u8], record_sql(table).list),
            (Part::Before(&[255]), [155], record_sql(table).list_back),
        ] {
            let steps = |expired: std::ops::Range<u8>| {
                let connection = Connection::open_in_memory().unwrap();
                let cases =
                    "CREATE TABLE cases (key BLOB NOT NULL UNIQUE, value BLOB, expires INTEGER)";
                connection.execute_batch(cases).unwrap();
                let at = Timestamp::from_unix;
                for key in expired {
                    put(&connection, table, &[key], &[], Some(at(1))).unwrap();
                }
                put(&connection, table, &end, &[1], None).unwrap();
                let found = page(&connection, table, &[], part, Some(&end), 9, at(2)).unwrap();
                assert_eq!(found, [(end.to_vec(), vec![1])]);
                connection.prepare_cached(sql).unwrap().get_status(StatementStatus::VmStep)
            };
            assert_eq!(steps(120..122), steps(110..150), "{part:?}");
        }
    }

    /// What a commit costs is its pages; hence the moment in an access token's key.
    #[test]
    fn keys_in_the_order_of_time_share_pages_of_the_log() {
        let digest = |number: u32| Digest::of(&number.to_be_bytes());
        let random = log(|number| digest(number).as_bytes().to_vec());
        let ordered = log(|number| {
            let mut key = (number / 50).to_be_bytes().to_vec();
            key.extend(digest(number).as_bytes());
            key
        });
        assert!(ordered * 2 < random, "{ordered} and {random} octets");
    }
}
