//! Records that move: from memory to the shelf, from there to their table, or out of the journal
//! because they are to be changed. All of it inside the writer's transaction.

use countersign_types::Timestamp;
use rusqlite::Connection;

use super::journal::{self, JOURNALLED, Journal, Leaving, Span};
use super::known::Row;
use super::statements;

/// What leaves memory, and what leaves the journal.
pub(super) fn make(
    connection: &Connection,
    left: &Leaving,
    expired: Timestamp,
) -> rusqlite::Result<()> {
    for row in left.gone() {
        move_to_table(connection, row, expired)?;
    }
    if let Some(last) = left.gone().last() {
        statements::journal::remove(connection, last.id)?;
    }
    for row in left.shelved() {
        let Some(span) = row.span() else {
            statements::journal::remove_one(connection, row.id())?;
            continue;
        };
        if let Some(rest) = row.rest() {
            statements::journal::rewrite(connection, row.id(), rest)?;
        }
        statements::journal::shelve(connection, span)?;
    }
    Ok(())
}

/// Gives the records of a row a place in the table, but for those that nobody needs any more.
fn move_to_table(connection: &Connection, row: &Span, expired: Timestamp) -> rusqlite::Result<()> {
    let mut records = records(connection, row.id)?;
    records.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let (live, dead): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|(_, row)| row.is_live(expired));
    if !dead.is_empty() {
        // What they replaced may be there still. Mostly nothing at all is between these keys.
        let keys =
            statements::keys_between(connection, JOURNALLED, row.keys.start(), row.keys.end())?;
        let is_dead = |key: &&Vec<u8>| dead.binary_search_by(|(dead, _)| dead.cmp(key)).is_ok();
        for key in keys.iter().filter(is_dead) {
            statements::remove(connection, JOURNALLED, key)?;
        }
    }
    for (key, row) in live {
        statements::put(connection, JOURNALLED, &key, &row.value, row.expires)?;
    }
    Ok(())
}

/// Sees to it that the table says what stands under this key, and the journal does not. `octets` is
/// what this commit adds to the journal.
pub(super) fn settle(
    connection: &Connection,
    journal: &Journal,
    left: &Leaving,
    key: &[u8],
    octets: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    let latest = journal::latest(octets, key);
    if matches!(latest, Some(None)) {
        return Ok(());
    }
    let in_memory = latest.flatten().or_else(|| journal.find(JOURNALLED, key));
    if in_memory.is_some() {
        journal::settled(octets, key);
    }
    let on_shelf = strike(connection, left.holding(key).chain(journal.shelved(key)), key)?;
    if let Some(row) = in_memory.or(on_shelf) {
        statements::put(connection, JOURNALLED, key, &row.value, row.expires)?;
    }
    Ok(())
}

/// Takes what stands under a key out of these rows, the latest first; the latest of it.
fn strike(
    connection: &Connection,
    rows: impl Iterator<Item = i64>,
    key: &[u8],
) -> rusqlite::Result<Option<Row>> {
    let mut latest = None;
    for id in rows {
        let records = records(connection, id)?;
        let Some((_, struck)) = records.iter().rfind(|(other, _)| other == key) else { continue };
        latest.get_or_insert_with(|| struck.clone());
        let mut rest = Vec::new();
        for (key, row) in records.iter().filter(|(other, _)| other != key) {
            journal::put(&mut rest, key, &row.value, row.expires);
        }
        statements::journal::rewrite(connection, id, &rest)?;
    }
    Ok(latest)
}

/// The record under this key in the first of these rows that has one.
pub(super) fn find(
    connection: &Connection,
    rows: &[i64],
    key: &[u8],
) -> rusqlite::Result<Option<Row>> {
    for id in rows {
        let found = statements::journal::look(connection, *id, |octets| {
            if journal::is_whole(octets) {
                Ok(journal::latest(octets, key).flatten())
            } else {
                Err(statements::journal::malformed(*id))
            }
        })?;
        if let Some(row) = found.transpose()?.flatten() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The records of a row that is on the shelf; none if it left.
pub(super) fn records(connection: &Connection, id: i64) -> rusqlite::Result<Vec<(Vec<u8>, Row)>> {
    let records = statements::journal::look(connection, id, |octets| {
        journal::records(octets).ok_or_else(|| statements::journal::malformed(id))
    })?;
    Ok(records.transpose()?.unwrap_or_default())
}
