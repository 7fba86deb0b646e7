//! Records at the engine: in the journal, in memory, in their tables.

use std::collections::BTreeMap;

use countersign_types::Timestamp;
use rusqlite::Connection;

use super::job::Stands;
use super::journal::JOURNALLED;
use super::known::{Look, Row};
use super::{SqliteEngine, statements};
use crate::engine::{BoxFuture, Changer, KeyedValue, Part, RecordTable, Records};
use crate::error::StoreError;

impl SqliteEngine {
    fn list_now(
        &self,
        table: RecordTable,
        prefix: &[u8],
        now: Timestamp,
    ) -> Result<Vec<KeyedValue>, StoreError> {
        // Before the table is read, so that what moves there meanwhile is in one of them at least.
        let within = || self.memory.journal.within(prefix);
        let journalled = if table == JOURNALLED { within() } else { Vec::new() };
        let found = self.read(|c| statements::list(c, table, prefix, now))?;
        if journalled.is_empty() {
            return Ok(found);
        }
        let mut found: BTreeMap<_, _> = found.into_iter().collect();
        for (key, row) in journalled {
            if row.is_live(now) {
                found.insert(key, row.value);
            } else {
                found.remove(&key);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// A part of what stands in the journal and in its table, from the key on as far as it takes.
    fn journalled_page(
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
            // Before the table is read, so that what moves there meanwhile is in one of them at least.
            let journalled = self.memory.journal.page(prefix, part, wanted);
            let tabled =
                self.read(|c| statements::page(c, JOURNALLED, prefix, part, wanted, now))?;
            // Behind a part that is full there may be more: both are known up to there.
            let ends = [
                (journalled.len() == wanted).then(|| journalled.last().map(|(key, _)| key.clone())),
                (tabled.len() == wanted)
                    .then(|| if is_back { tabled.first() } else { tabled.last() })
                    .map(|last| last.map(|(key, _)| key.clone())),
            ];
            let ends = ends.into_iter().flatten().flatten();
            let known_to = if is_back { ends.max() } else { ends.min() };
            let is_known = |key: &[u8]| match &known_to {
                Some(end) if is_back => key >= end.as_slice(),
                Some(end) => key <= end.as_slice(),
                None => true,
            };
            // Some may stand in the table and, with another value, in the journal.
            let mut found: BTreeMap<_, _> =
                tabled.into_iter().map(|(key, value)| (key, Some(value))).collect();
            for (key, row) in journalled {
                let live = row.is_live(now);
                found.insert(key, live.then_some(row.value));
            }
            let live = found.into_iter().filter_map(|(key, value)| Some((key, value?)));
            let mut live: Vec<KeyedValue> = live.filter(|(key, _)| is_known(key)).collect();
            if is_back {
                live.reverse();
            }
            page.extend(live.into_iter().take(wanted));
            match known_to {
                Some(end) => from = end,
                None => break,
            }
        }
        if is_back {
            page.reverse();
        }
        Ok(page)
    }
}

impl Records for SqliteEngine {
    fn put<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if table == JOURNALLED {
            return Box::pin(async move { self.writer.put(key, &value, expires).await });
        }
        let key = key.to_vec();
        let record = key.clone();
        let write = move |c: &Connection| {
            statements::put(c, table, &key, &value, expires)?;
            Ok(((), Some(Stands::Row(Row { value, expires }))))
        };
        Box::pin(self.writer.commit_record(table, record, write))
    }

    fn replace<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let key = key.to_vec();
        let record = key.clone();
        let write = move |c: &Connection| {
            let is_replaced = statements::replace(c, table, &key, &value, now)?;
            Ok((is_replaced, is_replaced.then_some(Stands::Value(value))))
        };
        Box::pin(self.writer.commit_record(table, record, write))
    }

    fn update<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
        change: Changer,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let key = key.to_vec();
        let record = key.clone();
        let write =
            move |c: &Connection| Ok(((), statements::update(c, table, &key, now, change)?));
        Box::pin(self.writer.commit_record(table, record, write))
    }

    fn get<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            if table == JOURNALLED
                && let Some(row) = self.memory.journal.find(key)
            {
                return Ok(row.is_live(now).then_some(row.value));
            }
            let changes = match self.memory.known.look(table, key, now) {
                Look::Known(value) => return Ok(value),
                Look::Unknown(changes) => changes,
            };
            let Some(row) = self.read(|c| statements::row(c, table, key))? else { return Ok(None) };
            self.memory.known.learn(table, key, &row, changes);
            Ok(row.is_live(now).then_some(row.value))
        })
    }

    fn list<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        Box::pin(async move { self.list_now(table, prefix, now) })
    }

    fn page<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        part: Part<'a>,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        Box::pin(async move {
            if table == JOURNALLED {
                return self.journalled_page(prefix, part, limit, now);
            }
            self.read(|c| statements::page(c, table, prefix, part, limit, now))
        })
    }

    fn count<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            if table == JOURNALLED {
                // Some may stand in the table and, with another value, in the journal.
                return Ok(self.list_now(table, prefix, now)?.len());
            }
            self.read(|c| statements::count(c, table, prefix, now))
        })
    }

    fn remove<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let key = key.to_vec();
        let record = key.clone();
        let write = move |c: &Connection| Ok((statements::remove(c, table, &key)?, None));
        Box::pin(self.writer.commit_record(table, record, write))
    }
}
