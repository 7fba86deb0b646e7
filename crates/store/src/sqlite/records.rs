//! Records at the engine: in the journal, in memory, in their tables.

use countersign_types::Timestamp;
use rusqlite::Connection;

use super::job::Stands;
use super::journal::{JOURNALLED, Search};
use super::known::{Look, Row};
use super::{SqliteEngine, moves, statements};
use crate::engine::{BoxFuture, Changer, HandedOver, KeyedValue, Part, RecordTable, Records};
use crate::error::StoreError;

impl Records for SqliteEngine {
    fn put<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if table == JOURNALLED {
            let handed_over = self.hand_over(table, key, value, expires);
            return Box::pin(async move { handed_over.await?.written().await });
        }
        let key = key.to_vec();
        let record = key.clone();
        let write = move |c: &Connection| {
            statements::put(c, table, &key, &value, expires)?;
            Ok(((), Some(Stands::Row(Row { value, expires }))))
        };
        Box::pin(self.writer.commit_record(table, record, write))
    }

    fn hand_over<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<HandedOver, StoreError>> {
        Box::pin(async move {
            if table == JOURNALLED {
                return self.writer.hand_over(key, &value, expires).await;
            }
            self.put(table, key, value, expires).await.map(|()| HandedOver::WRITTEN)
        })
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
            if let Some(row) = self.memory.journal.find(table, key) {
                return Ok(row.is_live(now).then_some(row.value));
            }
            let changes = match self.memory.known.look(table, key, now) {
                Look::Known(value) => return Ok(value),
                Look::Unknown(changes) => changes,
            };
            // After that number was given, so that what goes to the shelf meanwhile is found there,
            // or not learned.
            let shelved = match self.memory.journal.search(table, key) {
                Search::Found(row) => return Ok(row.is_live(now).then_some(row.value)),
                Search::Rows(rows) => rows,
            };
            let found = self.read(|c| match moves::find(c, &shelved, key)? {
                Some(row) => Ok(Some(row)),
                None => statements::row(c, table, key),
            })?;
            let Some(row) = found else { return Ok(None) };
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
        Box::pin(async move {
            if table == JOURNALLED {
                return self.journalled_list(prefix, now);
            }
            self.read(|c| statements::list(c, table, prefix, now))
        })
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
            self.read(|c| statements::page(c, table, prefix, part, None, limit, now))
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
                return Ok(self.journalled_list(prefix, now)?.len());
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
