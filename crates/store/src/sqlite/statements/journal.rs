//! The statements about the journal and its shelf.

use std::borrow::Cow;

use countersign_types::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::journal::{Malformed, Span};
use super::packed::{pack, unpack};

/// Adds a row.
pub(in super::super) fn add(
    connection: &Connection,
    id: i64,
    octets: &[u8],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO journal (id, records) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![id, pack(octets)]).map(drop)
}

/// Every row of the journal behind this one, with its number and in the order of the numbers.
pub(in super::super) fn rows(
    connection: &Connection,
    behind: i64,
) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let mut statement =
        connection.prepare("SELECT id, records FROM journal WHERE id > ?1 ORDER BY id")?;
    let rows = statement.query_map([behind], |row| {
        let id = row.get(0)?;
        Ok((id, octets(id, row, 1)?.into_owned()))
    })?;
    rows.collect()
}

/// Shows what stands in a row of the journal; `None` if there is none.
pub(in super::super) fn look<T>(
    connection: &Connection,
    id: i64,
    show: impl FnOnce(&[u8]) -> T,
) -> rusqlite::Result<Option<T>> {
    let sql = "SELECT records FROM journal WHERE id = ?1";
    let look = |row: &rusqlite::Row<'_>| Ok(show(&octets(id, row, 0)?));
    connection.prepare_cached(sql)?.query_row([id], look).optional()
}

/// The records of a row, in this column.
fn octets<'a>(
    id: i64,
    row: &'a rusqlite::Row<'_>,
    column: usize,
) -> rusqlite::Result<Cow<'a, [u8]>> {
    unpack(row.get_ref(column)?.as_blob()?).ok_or_else(|| malformed(id))
}

/// This row cannot be read.
pub(in super::super) fn malformed(id: i64) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(Malformed(id)))
}

/// Has a row of the journal say this from now on.
pub(in super::super) fn rewrite(
    connection: &Connection,
    id: i64,
    octets: &[u8],
) -> rusqlite::Result<()> {
    let sql = "UPDATE journal SET records = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, pack(octets)]).map(drop)
}

/// Removes a row of the journal that is not on the shelf.
pub(in super::super) fn remove_one(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM journal WHERE id = ?1")?.execute([id]).map(drop)
}

/// Removes the rows of the journal up to this one, from the shelf too.
pub(in super::super) fn remove(connection: &Connection, last: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM shelf WHERE id <= ?1")?.execute([last])?;
    connection.prepare_cached("DELETE FROM journal WHERE id <= ?1")?.execute([last]).map(drop)
}

/// Puts a row of the journal on the shelf.
pub(in super::super) fn shelve(connection: &Connection, row: &Span) -> rusqlite::Result<()> {
    let sql = "INSERT INTO shelf (id, first, last, expires) VALUES (?1, ?2, ?3, ?4)";
    let (first, last) = (row.keys.start(), row.keys.end());
    let expires = row.expires.map(Timestamp::as_unix);
    connection.prepare_cached(sql)?.execute(params![row.id, first, last, expires]).map(drop)
}

/// The rows on the shelf, in the order of their numbers.
pub(in super::super) fn shelf(connection: &Connection) -> rusqlite::Result<Vec<Span>> {
    let mut statement =
        connection.prepare("SELECT id, first, last, expires FROM shelf ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        let key = |column| Ok::<_, rusqlite::Error>(row.get::<_, Vec<u8>>(column)?.into());
        let expires = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_unix);
        Ok(Span { id: row.get(0)?, keys: key(1)?..=key(2)?, expires })
    })?;
    rows.collect()
}
