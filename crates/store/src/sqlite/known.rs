//! What is on the disk, kept in memory as well.
//!
//! A reading of the database costs two system calls and several microseconds, and every request
//! makes some: is this token revoked, which resource is this, whose PAT. The answers change
//! rarely. Revocations are here whole, since the usual answer is that there is none; of the other
//! tables what was read or written lately: a code is redeemed soon after its grant was written.
//!
//! INVARIANT: what is here is what is committed and synced. The engine is the only one on its file
//! ([`lock`](super::lock)), its writer corrects what a commit changed before anybody learns of the
//! commit, and a reader that was overtaken by a commit does not leave what it read. Where there is
//! a [`journal`](super::journal), this is what its table says, and who asks looks into the journal
//! first.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::Timestamp;

use crate::engine::RecordTable;
use crate::tables::Tables;

/// So many octets of keys and values are kept of each table, and as many of those before.
const OCTETS: usize = 4 * 1024 * 1024;

/// A record, whether it is live or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) value: Vec<u8>,
    pub(super) expires: Option<Timestamp>,
}

impl Row {
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

/// What memory knows of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The live value, or that there is none.
    Known(Option<Vec<u8>>),
    /// The disk has to be asked. The number is for [`Known::learn`].
    Unknown(u64),
}

/// The records in memory.
#[derive(Default)]
pub(super) struct Known(Tables<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// How often a commit changed the table.
    changes: u64,
    /// Every row of the table is among the recent ones.
    is_whole: bool,
    /// What was used since the last time there was too much of it.
    recent: HashMap<Box<[u8]>, Row>,
    /// In octets.
    size: usize,
    /// What was used before that.
    former: HashMap<Box<[u8]>, Row>,
}

impl Known {
    /// Nothing is known but these, which are all revocations there are.
    pub(super) fn with_revoked(rows: Vec<(Vec<u8>, Row)>) -> Self {
        let known = Self::default();
        let mut revoked = known.table(RecordTable::Revoked);
        revoked.is_whole = true;
        revoked.recent = rows.into_iter().map(|(key, row)| (key.into(), row)).collect();
        drop(revoked);
        known
    }

    /// Looks a record up.
    pub(super) fn look(&self, table: RecordTable, key: &[u8], now: Timestamp) -> Look {
        let mut table = self.table(table);
        if let Some(row) = table.find(key) {
            return Look::Known(row.is_live(now).then(|| row.value.clone()));
        }
        if table.is_whole { Look::Known(None) } else { Look::Unknown(table.changes) }
    }

    /// Keeps a row that was read after [`look`](Self::look) gave this number, unless a commit came
    /// between.
    pub(super) fn learn(&self, table: RecordTable, key: &[u8], row: &Row, changes: u64) {
        let mut table = self.table(table);
        if table.changes == changes && !table.is_whole {
            table.keep(key.into(), row.clone());
        }
    }

    /// Takes note of a commit that put this record.
    pub(super) fn put(&self, table: RecordTable, key: &[u8], row: Row) {
        let mut table = self.table(table);
        table.changes += 1;
        table.forget(key);
        if table.is_whole {
            table.recent.insert(key.into(), row);
        } else {
            table.keep(key.into(), row);
        }
    }

    /// Until when a record lasts, live or not, if it is here.
    pub(super) fn expires(&self, table: RecordTable, key: &[u8]) -> Option<Option<Timestamp>> {
        self.table(table).find(key).map(|row| row.expires)
    }

    /// Takes note of a commit that changed this record. `read` reads what is there now.
    pub(super) fn changed<E>(
        &self,
        table: RecordTable,
        key: &[u8],
        read: impl FnOnce() -> Result<Option<Row>, E>,
    ) -> Result<(), E> {
        let mut table = self.table(table);
        table.changes += 1;
        table.forget(key);
        if table.is_whole {
            // Until it is known again, the table is not.
            table.is_whole = false;
            if let Some(row) = read()? {
                table.recent.insert(key.into(), row);
            }
            table.is_whole = true;
        }
        Ok(())
    }

    /// Forgets revocations that expired at `moment` or before.
    pub(super) fn purge(&self, moment: Timestamp) {
        let stays = |row: &Row| row.expires.is_none_or(|expires| expires > moment);
        self.table(RecordTable::Revoked).recent.retain(|_, row| stays(row));
    }

    fn table(&self, table: RecordTable) -> MutexGuard<'_, Table> {
        // A holder that panicked left each map whole; what it may have left out is read again.
        self.0.of(table).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn find(&mut self, key: &[u8]) -> Option<&Row> {
        if let Some((key, row)) = self.former.remove_entry(key) {
            self.keep(key, row);
        }
        self.recent.get(key)
    }

    fn keep(&mut self, key: Box<[u8]>, row: Row) {
        let size = key.len() + row.value.len() + size_of::<Row>();
        if self.size + size > OCTETS {
            self.former = std::mem::take(&mut self.recent);
            self.size = 0;
        }
        self.size += size;
        self.recent.insert(key, row);
    }

    fn forget(&mut self, key: &[u8]) {
        // What it took is counted until the next time there is too much.
        self.recent.remove(key);
        self.former.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(10);
    const TABLE: RecordTable = RecordTable::Resources;

    fn row(value: &[u8], expires: Option<i64>) -> Row {
        Row { value: value.to_vec(), expires: expires.map(Timestamp::from_unix) }
    }

    fn number(known: &Known, key: &[u8]) -> u64 {
        match known.look(TABLE, key, NOW) {
            Look::Unknown(number) => number,
            known => panic!("{known:?}"),
        }
    }

    fn nothing() -> Result<Option<Row>, Infallible> {
        Ok(None)
    }

    #[test]
    fn what_was_read_is_known_until_it_changes() {
        let known = Known::default();
        let changes = number(&known, b"k");
        known.learn(TABLE, b"k", &row(b"v", Some(11)), changes);
        assert_eq!(known.look(TABLE, b"k", NOW), Look::Known(Some(b"v".to_vec())));
        assert_eq!(known.look(TABLE, b"k", Timestamp::from_unix(11)), Look::Known(None));
        assert_eq!(known.changed(TABLE, b"k", nothing), Ok(()));
        number(&known, b"k");
    }

    #[test]
    fn a_reader_that_was_overtaken_leaves_nothing() {
        let known = Known::default();
        let changes = number(&known, b"k");
        assert_eq!(known.changed(TABLE, b"k", nothing), Ok(()));
        known.learn(TABLE, b"k", &row(b"old", None), changes);
        number(&known, b"k");
    }

    #[test]
    fn what_was_put_is_known_and_overtakes_who_read_before() {
        let known = Known::default();
        let changes = number(&known, b"k");
        known.put(TABLE, b"k", row(b"new", Some(11)));
        known.learn(TABLE, b"k", &row(b"old", None), changes);
        assert_eq!(known.look(TABLE, b"k", NOW), Look::Known(Some(b"new".to_vec())));
        assert_eq!(known.look(TABLE, b"k", Timestamp::from_unix(11)), Look::Known(None));

        assert_eq!(known.expires(TABLE, b"k"), Some(Some(Timestamp::from_unix(11))));
        assert_eq!(known.expires(TABLE, b"other"), None);

        let known = Known::with_revoked(Vec::new());
        known.put(RecordTable::Revoked, b"k", row(b"", Some(100)));
        let look = |key| known.look(RecordTable::Revoked, key, NOW);
        assert_eq!(look(b"k".as_slice()), Look::Known(Some(Vec::new())));
        assert_eq!(look(b"other"), Look::Known(None), "still whole");
    }

    #[test]
    fn revocations_are_known_whole() {
        let known = Known::with_revoked(vec![(b"k".to_vec(), row(b"", Some(100)))]);
        let look = |key, now| known.look(RecordTable::Revoked, key, Timestamp::from_unix(now));
        assert_eq!(look(b"k".as_slice(), 99), Look::Known(Some(Vec::new())));
        assert_eq!(look(b"other", 99), Look::Known(None));
        let read = || Ok::<_, Infallible>(Some(row(b"", Some(50))));
        assert_eq!(known.changed(RecordTable::Revoked, b"other", read), Ok(()));
        assert_eq!(look(b"other", 49), Look::Known(Some(Vec::new())));
        known.purge(Timestamp::from_unix(50));
        assert_eq!(look(b"other", 1), Look::Known(None));
        assert_eq!(look(b"k", 1), Look::Known(Some(Vec::new())));

        // Where the disk does not answer, memory no longer does in its place.
        assert_eq!(known.changed(RecordTable::Revoked, b"k", || Err(())), Err(()));
        assert!(matches!(look(b"k", 1), Look::Unknown(_)));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_latest() {
        let known = Known::default();
        let large = row(&vec![0; OCTETS / 10], None);
        for count in 0..100_u8 {
            let changes = number(&known, &[count]);
            known.learn(TABLE, &[count], &large, changes);
            assert!(matches!(known.look(TABLE, &[0], NOW), Look::Known(Some(_))), "in use");
        }
        let table = known.table(TABLE);
        assert!(table.recent.len() + table.former.len() <= 20);
    }
}
