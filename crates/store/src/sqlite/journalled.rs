//! Lists of the records that have a journal: in memory, on the shelf and in their table.
//!
//! The three are read in the order in which records move, so that what moves meanwhile is in one of
//! them at least, and what the earlier says of a key counts.

use std::collections::BTreeMap;

use countersign_types::Timestamp;

use super::journal::{JOURNALLED, NEAR};
use super::known::Row;
use super::{SqliteEngine, moves, statements};
use crate::engine::{KeyedValue, Part};
use crate::error::StoreError;

/// Records, live or not; and if there may be more behind them, up to which key these are all.
type Next = (BTreeMap<Vec<u8>, Row>, Option<Vec<u8>>);

impl SqliteEngine {
    /// All of them.
    pub(super) fn journalled_list(
        &self,
        prefix: &[u8],
        now: Timestamp,
    ) -> Result<Vec<KeyedValue>, StoreError> {
        let (rows, in_memory) = self.memory.journal.within(prefix);
        let shelved = self.shelved(&rows)?;
        let found = self.read(|c| statements::list(c, JOURNALLED, prefix, now))?;
        let mut found: BTreeMap<_, _> = found.into_iter().collect();
        let shelved = shelved.into_iter().filter(|(key, _)| key.starts_with(prefix));
        for (key, row) in shelved.chain(in_memory) {
            if row.is_live(now) {
                found.insert(key, row.value);
            } else {
                found.remove(&key);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// A part of them, from the key on as far as it takes.
    pub(super) fn journalled_page(
        &self,
        prefix: &[u8],
        part: Part<'_>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<KeyedValue>, StoreError> {
        let (mut from, is_back) = match part {
            Part::After(key) => (key.to_vec(), false),
            Part::Before(key) => (key.to_vec(), true),
        };
        let mut page = Vec::new();
        while page.len() < limit {
            let part = if is_back { Part::Before(&from) } else { Part::After(&from) };
            let wanted = limit - page.len();
            let (journalled, mut end) = self.next_journalled(prefix, part, wanted)?;
            let tabled = self.read(|c| {
                statements::page(c, JOURNALLED, prefix, part, end.as_deref(), wanted, now)
            })?;
            if tabled.len() == wanted {
                let last = if is_back { tabled.first() } else { tabled.last() };
                end = last.map(|(key, _)| key.clone());
            }
            let mut found: BTreeMap<_, _> =
                tabled.into_iter().map(|(key, value)| (key, Some(value))).collect();
            for (key, row) in journalled {
                let live = row.is_live(now);
                found.insert(key, live.then_some(row.value));
            }
            let is_known = |key: &[u8]| end.as_ref().is_none_or(|end| part.is_within(key, end));
            let live = found.into_iter().filter_map(|(key, value)| Some((key, value?)));
            let mut live: Vec<KeyedValue> = live.filter(|(key, _)| is_known(key)).collect();
            if is_back {
                live.reverse();
            }
            page.extend(live.into_iter().take(wanted));
            match end {
                Some(end) => from = end,
                None => break,
            }
        }
        if is_back {
            page.reverse();
        }
        Ok(page)
    }

    /// What stands in the journal next to a key.
    fn next_journalled(
        &self,
        prefix: &[u8],
        part: Part<'_>,
        limit: usize,
    ) -> Result<Next, StoreError> {
        let mut most = NEAR;
        loop {
            let (near, in_memory) = self.memory.journal.page(prefix, part, most, limit);
            let mut found = self.shelved(&near.rows)?;
            found.retain(|key, _| key.starts_with(prefix) && near.is_known(part, key));
            let last = in_memory.last().filter(|_| in_memory.len() == limit);
            let last = last.map(|(key, _)| key.clone());
            found.extend(in_memory);
            if near.others.is_none() || last.is_some() {
                return Ok((found, last));
            }
            let end = match part {
                Part::After(_) => found.last_key_value(),
                Part::Before(_) => found.first_key_value(),
            };
            if let Some((end, _)) = end {
                let end = end.clone();
                return Ok((found, Some(end)));
            }
            // What stood between these keys was taken out: the next ones are further away.
            most *= 2;
        }
    }

    /// What these rows, the latest last, say of their keys.
    fn shelved(&self, rows: &[i64]) -> Result<BTreeMap<Vec<u8>, Row>, StoreError> {
        let mut found = BTreeMap::new();
        if rows.is_empty() {
            return Ok(found);
        }
        self.read(|c| {
            // What is taken out of a row meanwhile is taken out of those before it as well: they
            // are read behind it.
            for id in rows.iter().rev() {
                for (key, row) in moves::records(c, *id)? {
                    found.entry(key).or_insert(row);
                }
            }
            Ok(found)
        })
    }
}
