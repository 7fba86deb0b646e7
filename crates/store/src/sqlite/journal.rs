//! Records that were put lately, as they stand in the journal: one row of the file for all of a commit.
//!
//! An access token lives for minutes, and hardly ever changes. In the table its record takes a place
//! in three trees; in the journal it is a few octets behind others. What is in the journal is also
//! in memory, and shadows the table: who asks for a record asks here first. Rows leave in the order
//! in which they came, when something in them has expired or when they are too many; what is still
//! live then goes to the table.
//!
//! Nothing in the journal is changed. Before a record is replaced or removed, the same commit puts it
//! into the table and notes here that it is settled, so that changes are made in one place alone.
//!
//! INVARIANT: what is here is what is committed and synced. Only the writer changes it, after a commit
//! and before anybody learns of that commit.

mod entries;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::Timestamp;

use self::entries::{Change, Entry};
pub(super) use self::entries::{put, settled};
use super::known::Row;
use crate::engine::{Part, RecordTable};

/// The table that has a journal.
pub(super) const JOURNALLED: RecordTable = RecordTable::AccessTokens;

/// Octets of memory for what stands in the journal.
pub(super) const ROOM: usize = 32 * 1024 * 1024;

/// Such a part of the room is made free at a time: 128 KiB, as much as one commit can take along.
const STEP: usize = 256;

/// Octets that an entry takes in memory besides its own: a place in the tree of keys, and its key.
const BESIDES: usize = 128;

/// A row of the journal is not what this version writes.
#[derive(Debug, thiserror::Error)]
#[error("row {0} of the journal cannot be read")]
pub(super) struct Malformed(i64);

/// The journal in memory.
pub(super) struct Journal {
    room: usize,
    contents: Mutex<Contents>,
}

#[derive(Default)]
struct Contents {
    /// What counts: the latest entry of each key, unless it is settled.
    places: BTreeMap<Box<[u8]>, Place>,
    /// The oldest first.
    commits: VecDeque<Arc<Commit>>,
    /// In octets.
    size: usize,
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

/// Rows that are about to leave.
#[derive(Default)]
pub(super) struct Leaving {
    commits: Vec<Arc<Commit>>,
    /// Those of their records that count, in the order of their keys.
    places: Vec<Place>,
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

impl Leaving {
    /// The records that go to the table, in the order of their keys.
    pub(super) fn records(&self) -> impl Iterator<Item = (&[u8], &[u8], Option<Timestamp>)> {
        self.places.iter().filter_map(Place::record)
    }

    /// The number of the last row.
    pub(super) fn last(&self) -> Option<i64> {
        self.commits.last().map(|commit| commit.id)
    }
}

impl Contents {
    fn has_expired(&self, moment: Timestamp) -> bool {
        self.commits.iter().any(|commit| commit.first_expires.is_some_and(|at| at <= moment))
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

impl Journal {
    /// What stands in these rows, in their order, with so much room for it and for what comes.
    pub(super) fn read(rows: Vec<(i64, Vec<u8>)>, room: usize) -> Result<Self, Malformed> {
        let mut contents = Contents::default();
        for (id, octets) in rows {
            if !entries::is_whole(&octets) {
                return Err(Malformed(id));
            }
            contents.add(Commit::new(id, octets.into()));
        }
        Ok(Self { room, contents: Mutex::new(contents) })
    }

    /// The record under this key, live or not, if it stands here.
    pub(super) fn find(&self, key: &[u8]) -> Option<Row> {
        self.lock().places.get(key)?.row()
    }

    /// The records that stand here under keys with this prefix, live or not.
    pub(super) fn within(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Row)> {
        let contents = self.lock();
        let from_prefix =
            contents.places.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let matching = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        matching.filter_map(|(key, place)| Some((key.to_vec(), place.row()?))).collect()
    }

    /// The records that stand here next to a key, live or not, the nearest first and `limit` of them at most.
    pub(super) fn page(&self, prefix: &[u8], part: Part<'_>, limit: usize) -> Vec<(Vec<u8>, Row)> {
        let contents = self.lock();
        let (after, before) = match part {
            Part::After(key) => (Bound::Excluded(key), Bound::Unbounded),
            Part::Before(key) => (Bound::Unbounded, Bound::Excluded(key)),
        };
        let mut places = contents.places.range::<[u8], _>((after, before));
        let next =
            || if matches!(part, Part::After(_)) { places.next() } else { places.next_back() };
        let of_list = std::iter::from_fn(next).take_while(|(key, _)| key.starts_with(prefix));
        of_list.filter_map(|(key, place)| Some((key.to_vec(), place.row()?))).take(limit).collect()
    }

    /// Whether something expired at this moment or before.
    pub(super) fn has_expired(&self, moment: Timestamp) -> bool {
        self.lock().has_expired(moment)
    }

    /// The number of the next row.
    pub(super) fn next_id(&self) -> i64 {
        self.lock().commits.back().map_or(1, |last| last.id + 1)
    }

    /// The oldest rows, if there is too much of them or something expired at `moment` or before.
    pub(super) fn leaving(&self, moment: Option<Timestamp>) -> Leaving {
        let contents = self.lock();
        let has_expired = moment.is_some_and(|moment| contents.has_expired(moment));
        if contents.size <= self.room && !has_expired {
            return Leaving::default();
        }
        let stays = self.room.min(contents.size).saturating_sub(self.room / STEP);
        let mut leaving = Leaving::default();
        let mut size = contents.size;
        for commit in &contents.commits {
            if size <= stays {
                break;
            }
            size -= commit.size;
            for entry in entries::entries(&commit.octets) {
                let place = contents.places.get(entry.key);
                if let Some(place) = place.filter(|place| place.is(commit, entry.at)) {
                    leaving.places.push(place.clone());
                }
            }
            leaving.commits.push(Arc::clone(commit));
        }
        drop(contents);
        leaving.places.sort_unstable_by(|one, other| one.key().cmp(&other.key()));
        leaving
    }

    /// Takes note of a commit that moved rows to the table and added one.
    pub(super) fn committed(&self, leaving: &Leaving, added: Option<Commit>) {
        let mut contents = self.lock();
        for commit in &leaving.commits {
            contents.size -= commit.size;
            contents.commits.pop_front();
        }
        for (key, _, _) in leaving.records() {
            contents.places.remove(key);
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
