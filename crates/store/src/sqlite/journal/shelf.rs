//! Rows of the journal that are in the file alone.
//!
//! Memory knows of such a row between which keys its records stand, and when the first of them
//! expires: a few octets for all records of a commit. Since an access token's key begins with the
//! moment of its issue, the rows that may hold a key are few, mostly one.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use countersign_types::Timestamp;

use crate::engine::Part;

/// Rows of one chunk: a search looks at the chunks, and then at the rows of those that may hold the
/// key.
const CHUNK: usize = 256;

/// Octets that a row takes in memory besides its keys.
const BESIDES: usize = 112;

/// Rows that leave with one commit, at most: each has to be read.
const MOST: usize = 16;

/// Rows that are read at first where a list is read in parts.
pub(in super::super) const NEAR: usize = 16;

/// A row, and what memory knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Span {
    pub(in super::super) id: i64,
    /// The first and the last of its keys, or keys beyond these.
    pub(in super::super) keys: RangeInclusive<Box<[u8]>>,
    /// The first moment at which one of its records expires.
    pub(in super::super) expires: Option<Timestamp>,
}

impl Span {
    fn size(&self) -> usize {
        self.keys.start().len() + self.keys.end().len() + BESIDES
    }

    fn has_expired(&self, moment: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= moment)
    }

    /// Whether it may hold a record under this key.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        holds(&self.keys, key)
    }

    fn may_hold_within(&self, prefix: &[u8]) -> bool {
        let (first, last) = (&**self.keys.start(), &**self.keys.end());
        prefix <= last && (first <= prefix || first.starts_with(prefix))
    }
}

/// Rows that are next to a key.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Near {
    /// The latest last.
    pub(in super::super) rows: Vec<i64>,
    /// From this key on, others may hold records as well.
    pub(in super::super) others: Option<Box<[u8]>>,
}

impl Near {
    /// Whether the rows say all about a key that lies in this part.
    pub(in super::super) fn is_known(&self, part: Part<'_>, key: &[u8]) -> bool {
        let others = self.others.as_deref();
        match part {
            Part::After(from) => key > from && others.is_none_or(|others| key < others),
            Part::Before(from) => key < from && others.is_none_or(|others| key > others),
        }
    }
}

/// Where a span begins, seen from the key that a part is next to.
fn edge<'a>(part: Part<'_>, keys: &'a RangeInclusive<Box<[u8]>>) -> &'a [u8] {
    if matches!(part, Part::After(_)) { keys.start() } else { keys.end() }
}

/// Whether something of a span may lie in a part.
fn reaches(part: Part<'_>, keys: &RangeInclusive<Box<[u8]>>) -> bool {
    match part {
        Part::After(from) => &**keys.end() > from,
        Part::Before(from) => &**keys.start() < from,
    }
}

fn holds(keys: &RangeInclusive<Box<[u8]>>, key: &[u8]) -> bool {
    (&**keys.start()..=&**keys.end()).contains(&key)
}

/// The rows, in the order of their numbers.
#[derive(Default)]
pub(super) struct Shelf {
    chunks: VecDeque<Chunk>,
    /// In octets.
    size: usize,
}

/// Rows that follow one another; never none.
struct Chunk {
    /// From the first of all keys to the last.
    keys: RangeInclusive<Box<[u8]>>,
    /// When the first of all records expires.
    expires: Option<Timestamp>,
    rows: VecDeque<Span>,
}

impl Shelf {
    /// Puts a row behind all others.
    pub(super) fn push(&mut self, row: Span) {
        self.size += row.size();
        match self.chunks.back_mut() {
            Some(chunk) if chunk.rows.len() < CHUNK => chunk.push(row),
            _ => {
                let (keys, expires) = (row.keys.clone(), row.expires);
                self.chunks.push_back(Chunk { keys, expires, rows: [row].into() });
            }
        }
    }

    /// Forgets the oldest row.
    pub(super) fn pop(&mut self) {
        let Some(chunk) = self.chunks.front_mut() else { return };
        if let Some(row) = chunk.rows.pop_front() {
            self.size -= row.size();
        }
        if chunk.rows.is_empty() {
            self.chunks.pop_front();
        }
    }

    /// The number of the last row.
    pub(super) fn last(&self) -> Option<i64> {
        Some(self.chunks.back()?.rows.back()?.id)
    }

    /// The rows that may hold a record under this key, the latest first.
    pub(super) fn holding(&self, key: &[u8]) -> Vec<i64> {
        let chunks = self.chunks.iter().rev().filter(|chunk| holds(&chunk.keys, key));
        let rows = chunks.flat_map(|chunk| chunk.rows.iter().rev());
        rows.filter(|row| row.may_hold(key)).map(|row| row.id).collect()
    }

    /// The rows that may hold records under keys with this prefix, the latest last.
    pub(super) fn within(&self, prefix: &[u8]) -> Vec<i64> {
        let rows = self.chunks.iter().flat_map(|chunk| &chunk.rows);
        rows.filter(|row| row.may_hold_within(prefix)).map(|row| row.id).collect()
    }

    /// The rows that may hold the first records of a part, so many at most.
    pub(super) fn near(&self, prefix: &[u8], part: Part<'_>, most: usize) -> Near {
        let nearer = |one: &RangeInclusive<_>, other: &RangeInclusive<_>| match part {
            Part::After(_) => edge(part, one).cmp(edge(part, other)),
            Part::Before(_) => edge(part, other).cmp(edge(part, one)),
        };
        let mut chunks: Vec<&Chunk> =
            self.chunks.iter().filter(|chunk| reaches(part, &chunk.keys)).collect();
        chunks.sort_by(|one, other| nearer(&one.keys, &other.keys));
        let mut rows: Vec<&Span> = Vec::new();
        for chunk in chunks {
            let next = rows.get(most);
            if next.is_some_and(|next| nearer(&next.keys, &chunk.keys).is_le()) {
                break;
            }
            let reaching = chunk.rows.iter().filter(|row| reaches(part, &row.keys));
            rows.extend(reaching.filter(|row| row.may_hold_within(prefix)));
            rows.sort_by(|one, other| nearer(&one.keys, &other.keys));
        }
        let others = rows.get(most).map(|row| edge(part, &row.keys).into());
        rows.truncate(most);
        let mut rows: Vec<i64> = rows.iter().map(|row| row.id).collect();
        rows.sort_unstable();
        Near { rows, others }
    }

    /// Whether something expired at this moment or before.
    pub(super) fn has_expired(&self, moment: Timestamp) -> bool {
        self.last_expired(moment).is_some()
    }

    /// The number of the last row of which something expired.
    fn last_expired(&self, moment: Timestamp) -> Option<i64> {
        let may_have = |chunk: &&Chunk| chunk.expires.is_some_and(|expires| expires <= moment);
        let rows =
            self.chunks.iter().rev().filter(may_have).flat_map(|chunk| chunk.rows.iter().rev());
        rows.filter(|row| row.has_expired(moment)).map(|row| row.id).next()
    }

    /// The oldest rows, if there are too many or up to the last of which something expired.
    pub(super) fn leaving(&self, room: usize, moment: Option<Timestamp>) -> Vec<Span> {
        let expired = moment.and_then(|moment| self.last_expired(moment));
        let mut size = self.size;
        let leaves = |row: &&Span| {
            let leaves = size > room || expired.is_some_and(|expired| row.id <= expired);
            size -= row.size();
            leaves
        };
        let rows = self.chunks.iter().flat_map(|chunk| &chunk.rows);
        rows.take(MOST).take_while(leaves).cloned().collect()
    }
}

impl Chunk {
    fn push(&mut self, row: Span) {
        let first = self.keys.start().min(row.keys.start()).clone();
        let last = self.keys.end().max(row.keys.end()).clone();
        self.keys = first..=last;
        self.expires = [self.expires, row.expires].into_iter().flatten().min();
        self.rows.push_back(row);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(id: i64, (one, other): (u16, u16), expires: Option<i64>) -> Span {
        let key = |number: u16| Box::<[u8]>::from(number.to_be_bytes());
        let keys = key(one.min(other))..=key(one.max(other));
        Span { id, keys, expires: expires.map(Timestamp::from_unix) }
    }

    fn ids<'a>(rows: impl Iterator<Item = &'a Span>) -> Vec<i64> {
        rows.map(|row| row.id).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Over chunks, whole and begun, a search finds what one row after the other would.
        #[test]
        fn a_search_misses_no_row(
            keys in prop::collection::vec((0..2000_u16, 0..2000_u16), 1..3 * CHUNK),
            gone in 0..2 * CHUNK, key in 0..2000_u16, moment in 0..3000_i64, most in 1..40_usize,
        ) {
            let expires = |number: i64| (number % 3 != 0).then_some(number * 7 % 2500);
            let rows: Vec<Span> = (1..).zip(&keys).map(|(id, keys)| row(id, *keys, expires(id))).collect();
            let mut shelf = Shelf::default();
            rows.iter().cloned().for_each(|row| shelf.push(row));
            (0..gone).for_each(|_| shelf.pop());
            let rows = rows.get(gone..).unwrap_or_default();
            prop_assert_eq!(shelf.size, rows.iter().map(Span::size).sum::<usize>());
            prop_assert_eq!(shelf.last(), rows.last().map(|row| row.id));

            let key = key.to_be_bytes();
            let holding = ids(rows.iter().rev().filter(|row| row.may_hold(&key)));
            prop_assert_eq!(shelf.holding(&key), holding);
            let prefix = &key[..1];
            let starts = |row: &&Span| row.keys.start()[0] <= key[0] && key[0] <= row.keys.end()[0];
            prop_assert_eq!(shelf.within(prefix), ids(rows.iter().filter(starts)));
            prop_assert_eq!(shelf.within(&[]), ids(rows.iter()));

            for part in [Part::After(&key), Part::Before(&key)] {
                let near = shelf.near(&[], part, most);
                prop_assert!(near.rows.is_sorted());
                let reaching = rows.iter().filter(|row| reaches(part, &row.keys));
                let (read, others): (Vec<_>, Vec<_>) =
                    reaching.partition(|row| near.rows.contains(&row.id));
                prop_assert_eq!(read.len(), near.rows.len());
                prop_assert_eq!(near.others.is_some(), !others.is_empty());
                prop_assert!(read.len() == most || others.is_empty());
                for row in others {
                    prop_assert!(!near.is_known(part, row.keys.start()));
                    prop_assert!(!near.is_known(part, row.keys.end()));
                }
            }

            let moment = Timestamp::from_unix(moment);
            let expired = rows.iter().rposition(|row| row.has_expired(moment));
            prop_assert_eq!(shelf.has_expired(moment), expired.is_some());
            let leaving = expired.map_or(0, |last| last + 1).min(MOST);
            prop_assert_eq!(shelf.leaving(usize::MAX, Some(moment)), &rows[..leaving]);
            prop_assert_eq!(shelf.leaving(usize::MAX, None), &[]);
        }
    }

    #[test]
    fn the_oldest_leave_until_the_others_have_room() {
        let mut shelf = Shelf::default();
        (1..=9).for_each(|id| shelf.push(row(id, (1, 2), None)));
        let one = shelf.size / 9;
        assert_eq!(ids(shelf.leaving(6 * one, None).iter()), [1, 2, 3]);
        assert!(shelf.leaving(9 * one, None).is_empty());
        assert_eq!(shelf.leaving(0, None).len(), 9);
        (10..=40).for_each(|id| shelf.push(row(id, (1, 2), None)));
        assert_eq!(shelf.leaving(0, None).len(), MOST);
    }
}
