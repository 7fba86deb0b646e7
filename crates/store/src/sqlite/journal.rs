//! Records that were put lately, as they stand in the journal: one row of the file for all of a
//! commit.
//!
//! An access token lives for minutes, and hardly ever changes. In the table its record takes a
//! place in three trees; in the journal it is a few octets behind others. The latest rows are in
//! memory as well; when these are too many, the oldest are put on the shelf (module `shelf`): they
//! stay where they are in the file, and memory keeps their span alone. From the shelf they leave in
//! the order in which they came, when something in them has expired or when they are too many; what
//! is still live then goes to the table.
//!
//! Of several records under one key the later counts: one in memory shadows one on the shelf, of
//! these the later row shadows the earlier, and both shadow the table.
//!
//! Nothing in the journal is changed. Before a record is replaced or removed, the same commit puts
//! it into the table, takes it from the rows on the shelf, and notes here that it is settled, so
//! that changes are made in one place alone. A row that is put on the shelf keeps only what counts.
//!
//! INVARIANT: what is here is what is committed and synced. Only the writer changes it, after a
//! commit and before anybody learns of that commit.

mod entries;
mod leaving;
mod shelf;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::Timestamp;

use self::entries::{Change, Entry};
pub(super) use self::entries::{is_whole, put, settled};
pub(super) use self::leaving::Leaving;
use self::leaving::Shelved;
use self::shelf::Shelf;
pub(super) use self::shelf::{NEAR, Near, Span};
use super::known::Row;
use crate::engine::{Part, RecordTable};

/// The table that has a journal.
pub(super) const JOURNALLED: RecordTable = RecordTable::AccessTokens;

/// Octets of memory for the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// For the latest rows.
    pub(super) records: usize,
    /// For what is known of those on the shelf.
    pub(super) spans: usize,
}

/// For some thirty thousand records, and for the spans of fifty thousand commits.
pub(super) const ROOM: Room = Room { records: 24 * 1024 * 1024, spans: 8 * 1024 * 1024 };

/// Such a part of the room for records is made free at a time: 96 KiB, as much as one commit can
/// take along.
const STEP: usize = 256;

/// Octets that an entry takes in memory besides its own: a place in the tree of keys, and its key.
const BESIDES: usize = 128;

/// A row of the journal cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("row {0} of the journal cannot be read")]
pub(super) struct Malformed(pub(super) i64);

/// The journal in memory.
pub(super) struct Journal {
    room: Room,
    contents: Mutex<Contents>,
}

#[derive(Default)]
struct Contents {
    /// What counts: the latest entry of each key, unless it is settled.
    places: BTreeMap<Box<[u8]>, Place>,
    /// The oldest first.
    commits: VecDeque<Arc<Commit>>,
    /// Of these, in octets.
    size: usize,
    /// Rows before these.
    shelf: Shelf,
}

/// Where a record may stand.
pub(super) enum Search {
    /// In memory: this record, live or not.
    Found(Row),
    /// In one of these rows on the shelf, the latest first, or else in the table.
    Rows(Vec<i64>),
}

/// A row of the journal.
pub(super) struct Commit {
    pub(super) id: i64,
    octets: Box<[u8]>,
    /// In memory, in octets.
    size: usize,
    first_expires: Option<Timestamp>,
}

/// Where a record stands.
#[derive(Clone)]
pub(super) struct Place {
    commit: Arc<Commit>,
    at: usize,
}

impl Default for Journal {
    fn default() -> Self {
        Self { room: ROOM, contents: Mutex::default() }
    }
}

impl Commit {
    /// The row with this number.
    pub(super) fn new(id: i64, octets: Box<[u8]>) -> Self {
        let (mut size, mut first_expires) = (octets.len(), None::<Timestamp>);
        for entry in entries::entries(&octets) {
            size += BESIDES + entry.key.len();
            if let Change::Put { expires: Some(expires), .. } = entry.change {
                first_expires = Some(first_expires.map_or(expires, |first| first.min(expires)));
            }
        }
        Self { id, octets, size, first_expires }
    }
}

impl Place {
    fn is(&self, commit: &Arc<Commit>, at: usize) -> bool {
        Arc::ptr_eq(&self.commit, commit) && self.at == at
    }

    fn key(&self) -> Option<&[u8]> {
        self.record().map(|(key, _, _)| key)
    }

    /// Key and record; `None` for no entry that was put here.
    pub(super) fn record(&self) -> Option<(&[u8], &[u8], Option<Timestamp>)> {
        match entries::entry(&self.commit.octets, self.at)? {
            Entry { key, change: Change::Put { value, expires }, .. } => {
                Some((key, value, expires))
            }
            Entry { change: Change::Settled, .. } => None,
        }
    }

    fn row(&self) -> Option<Row> {
        self.record().map(|(_, value, expires)| Row { value: value.to_vec(), expires })
    }
}

impl Contents {
    /// Where the last row of these stands of which something expired at `moment` or before.
    fn last_expired(&self, moment: Timestamp) -> Option<usize> {
        self.commits.iter().rposition(|commit| commit.first_expires.is_some_and(|at| at <= moment))
    }

    /// The oldest rows in memory, if there is too much of them or something in them expired.
    fn shelved(
        &self,
        room: usize,
        moment: Option<Timestamp>,
    ) -> impl Iterator<Item = &Arc<Commit>> {
        let step = room / STEP;
        let expired = moment.and_then(|moment| self.last_expired(moment));
        let (room, most) = (if self.size > room { room - step } else { room }, step.max(1));
        let (mut size, least) = (self.size, self.size.saturating_sub(most));
        let leaves = move |(index, commit): &(usize, &Arc<Commit>)| {
            let has_expired = expired.is_some_and(|last| *index <= last) && size > least;
            let leaves = size > room || has_expired;
            size -= commit.size;
            leaves
        };
        self.commits.iter().enumerate().take_while(leaves).map(|(_, commit)| commit)
    }

    fn add(&mut self, commit: Commit) {
        let commit = Arc::new(commit);
        self.size += commit.size;
        self.commits.push_back(Arc::clone(&commit));
        for entry in entries::entries(&commit.octets) {
            match entry.change {
                Change::Put { .. } => {
                    let place = Place { commit: Arc::clone(&commit), at: entry.at };
                    self.places.insert(entry.key.into(), place);
                }
                Change::Settled => drop(self.places.remove(entry.key)),
            }
        }
    }
}

/// What a row that is not written yet says of this key: the record, or that it is settled.
pub(super) fn latest(octets: &[u8], key: &[u8]) -> Option<Option<Row>> {
    let entry = entries::entries(octets).filter(|entry| entry.key == key).last()?;
    Some(match entry.change {
        Change::Put { value, expires } => Some(Row { value: value.to_vec(), expires }),
        Change::Settled => None,
    })
}

/// The records of a row, in the order in which they were put; `None` if it is none.
pub(super) fn records(octets: &[u8]) -> Option<Vec<(Vec<u8>, Row)>> {
    let record = |entry: Entry<'_>| match entry.change {
        Change::Put { value, expires } => {
            Some((entry.key.to_vec(), Row { value: value.to_vec(), expires }))
        }
        Change::Settled => None,
    };
    is_whole(octets).then(|| entries::entries(octets).filter_map(record).collect())
}

impl Journal {
    /// What stands on the shelf and in the rows behind it, each in their order, with so much room
    /// for it and for what comes.
    pub(super) fn read(
        shelf: Vec<Span>,
        rows: Vec<(i64, Vec<u8>)>,
        room: Room,
    ) -> Result<Self, Malformed> {
        let mut contents = Contents::default();
        shelf.into_iter().for_each(|row| contents.shelf.push(row));
        for (id, octets) in rows {
            if !is_whole(&octets) {
                return Err(Malformed(id));
            }
            contents.add(Commit::new(id, octets.into()));
        }
        Ok(Self { room, contents: Mutex::new(contents) })
    }

    /// Where a record stands.
    pub(super) fn search(&self, table: RecordTable, key: &[u8]) -> Search {
        if table != JOURNALLED {
            return Search::Rows(Vec::new());
        }
        let contents = self.lock();
        match contents.places.get(key).and_then(Place::row) {
            Some(row) => Search::Found(row),
            None => Search::Rows(contents.shelf.holding(key)),
        }
    }

    /// The record under this key, live or not, if it is in memory.
    pub(super) fn find(&self, table: RecordTable, key: &[u8]) -> Option<Row> {
        if table == JOURNALLED { self.lock().places.get(key)?.row() } else { None }
    }

    /// The rows on the shelf that may hold a record under this key, the latest first.
    pub(super) fn shelved(&self, key: &[u8]) -> Vec<i64> {
        self.lock().shelf.holding(key)
    }

    /// The rows on the shelf that may hold records under keys with this prefix, the latest last,
    /// and the records that are in memory, live or not.
    pub(super) fn within(&self, prefix: &[u8]) -> (Vec<i64>, Vec<(Vec<u8>, Row)>) {
        let contents = self.lock();
        let from_prefix =
            contents.places.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let matching = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        let records = matching.filter_map(|(key, place)| Some((key.to_vec(), place.row()?)));
        (contents.shelf.within(prefix), records.collect())
    }

    /// The rows on the shelf that are next to a key, `most` of them at most; and the records in
    /// memory, live or not, as far as these rows say all, the nearest first and `limit` of them at
    /// most.
    pub(super) fn page(
        &self,
        prefix: &[u8],
        part: Part<'_>,
        most: usize,
        limit: usize,
    ) -> (Near, Vec<(Vec<u8>, Row)>) {
        let contents = self.lock();
        let near = contents.shelf.near(prefix, part, most);
        let (after, before) = match part {
            Part::After(key) => (Bound::Excluded(key), Bound::Unbounded),
            Part::Before(key) => (Bound::Unbounded, Bound::Excluded(key)),
        };
        let mut places = contents.places.range::<[u8], _>((after, before));
        let next =
            || if matches!(part, Part::After(_)) { places.next() } else { places.next_back() };
        let is_known = |key: &[u8]| key.starts_with(prefix) && near.is_known(part, key);
        let known = std::iter::from_fn(next).take_while(|(key, _)| is_known(key));
        let records = known.filter_map(|(key, place)| Some((key.to_vec(), place.row()?)));
        let records = records.take(limit).collect();
        (near, records)
    }

    /// Whether something expired at this moment or before.
    pub(super) fn has_expired(&self, moment: Timestamp) -> bool {
        let contents = self.lock();
        contents.last_expired(moment).is_some() || contents.shelf.has_expired(moment)
    }

    /// The number of the next row.
    pub(super) fn next_id(&self) -> i64 {
        let contents = self.lock();
        let last = contents.commits.back().map(|last| last.id);
        last.or(contents.shelf.last()).map_or(1, |last| last + 1)
    }

    /// The oldest rows in memory and on the shelf, if there is too much of them or something
    /// expired at `moment` or before.
    pub(super) fn leaving(&self, moment: Option<Timestamp>) -> Leaving {
        let contents = self.lock();
        let gone = contents.shelf.leaving(self.room.spans, moment);
        let rows = contents.shelved(self.room.records, moment);
        let shelved = rows.map(|commit| Shelved::new(commit, &contents.places));
        Leaving::new(gone, shelved.collect())
    }

    /// Takes note of a commit that moved rows and added one.
    pub(super) fn committed(&self, left: Leaving, added: Option<Commit>) {
        let mut contents = self.lock();
        left.gone().iter().for_each(|_| contents.shelf.pop());
        for row in left.into_shelved() {
            if let Some(span) = row.span {
                contents.shelf.push(span);
            }
            for place in &row.places {
                place.key().and_then(|key| contents.places.remove(key));
            }
            contents.size -= row.commit.size;
            contents.commits.pop_front();
        }
        if let Some(added) = added {
            contents.add(added);
        }
    }

    /// INVARIANT: a place is made after its row and removed after it left, and every step leaves a
    /// record that can be read, so a panic between two of them loses none.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
