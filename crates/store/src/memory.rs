//! An engine that forgets everything when it is dropped: for tests and throw-away deployments.
//!
//! It keeps the same promises as the SQLite engine but for durability. Memory is bounded: what
//! expired is dropped in time, and what is full takes nothing more ([`StoreError::Full`]).

mod shards;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use self::shards::{Record, Seen, Sharded, Time};
use crate::engine::{
    BoxFuture, Change, Changer, Durability, KeyedValue, OneTime, OneTimeEntry, OneTimeTable, Part,
    RecordTable, Records, Spend,
};
use crate::error::StoreError;
use crate::one_time::Single;
use crate::tables::Tables;

/// The engine without a disk.
#[derive(Default)]
pub struct MemoryEngine {
    time: Time,
    tickets: Sharded<Single>,
    codes: Sharded<Single>,
    replay: Sharded<Seen>,
    records: Tables<Sharded<Record>>,
}

impl MemoryEngine {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    const fn singles(&self, table: OneTimeTable) -> &Sharded<Single> {
        match table {
            OneTimeTable::Tickets => &self.tickets,
            OneTimeTable::Codes => &self.codes,
        }
    }

    /// Shows the live records whose keys start with the prefix, in no order.
    fn show(
        &self,
        table: RecordTable,
        prefix: &[u8],
        now: Timestamp,
        mut show: impl FnMut(&[u8], &[u8]),
    ) {
        for shard in self.records.of(table).each() {
            let from_prefix = shard.entries.range(prefix.to_vec()..);
            let matching = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
            for (key, record) in matching.filter(|(_, record)| record.is_live(now)) {
                show(key, &record.value);
            }
        }
    }
}

impl OneTime for MemoryEngine {
    fn insert(
        &self,
        table: OneTimeTable,
        entry: OneTimeEntry,
        durability: Durability,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let OneTimeEntry { key, value, bound_to, expires } = entry;
            let mut shard = self.singles(table).lock(key.as_bytes());
            if shard.entries.contains_key(key.as_bytes().as_slice()) {
                return match durability {
                    Durability::Lazy => Ok(()),
                    Durability::Durable => Err(StoreError::Exists),
                };
            }
            let single = Single { value, bound_to, spent: false, expires };
            shard.insert(key.as_bytes(), single, &self.time)
        })
    }

    fn insert_new(
        &self,
        key: Digest,
        expires: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut shard = self.replay.lock(key.as_bytes());
            if shard.entries.contains_key(key.as_bytes().as_slice()) {
                return Ok(false);
            }
            shard.insert(key.as_bytes(), Seen { expires }, &self.time)?;
            Ok(true)
        })
    }

    fn spend<'a>(
        &'a self,
        table: OneTimeTable,
        key: Digest,
        presenter: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Spend, StoreError>> {
        Box::pin(async move {
            self.time.look(now);
            let mut shard = self.singles(table).lock(key.as_bytes());
            let Some(single) = shard.entries.get_mut(key.as_bytes().as_slice()) else {
                return Ok(Spend::Absent);
            };
            Ok(single.spend(presenter, now))
        })
    }
}

impl Records for MemoryEngine {
    fn put<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.records.of(table).lock(key).insert(key, Record { value, expires }, &self.time)
        })
    }

    fn replace<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            self.time.look(now);
            match self.records.of(table).lock(key).entries.get_mut(key) {
                Some(record) if record.is_live(now) => {
                    record.value = value;
                    Ok(true)
                }
                _ => Ok(false),
            }
        })
    }

    fn update<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
        change: Changer,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.time.look(now);
            let mut shard = self.records.of(table).lock(key);
            let live = shard.entries.get(key).filter(|record| record.is_live(now));
            match change(live.map(|record| record.value.as_slice())) {
                Change::Keep => Ok(()),
                Change::Put(value, expires) => {
                    shard.insert(key, Record { value, expires }, &self.time)
                }
                Change::PutAndTell(value, expires, tell) => {
                    let record = Record { value, expires };
                    if table == RecordTable::Notices {
                        return shard.insert(key, record, &self.time);
                    }
                    // Who has a shard of notices waits for no other.
                    let mut notices = self.records.of(RecordTable::Notices).lock(&tell.key);
                    shard.make_room(key, &self.time)?;
                    let told = Record { value: tell.value, expires: tell.expires };
                    notices.insert(&tell.key, told, &self.time)?;
                    shard.insert(key, record, &self.time)
                }
                Change::Remove => {
                    shard.entries.remove(key);
                    Ok(())
                }
            }
        })
    }

    fn get<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            self.time.look(now);
            let shard = self.records.of(table).lock(key);
            let live = shard.entries.get(key).filter(|record| record.is_live(now));
            Ok(live.map(|record| record.value.clone()))
        })
    }

    fn list<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        Box::pin(async move {
            let mut found = Vec::new();
            self.show(table, prefix, now, |key, value| found.push((key.to_vec(), value.to_vec())));
            found.sort();
            Ok(found)
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
            let mut found = Vec::new();
            for shard in self.records.of(table).each() {
                found.extend(shard.page(prefix, part, limit, now));
            }
            found.sort();
            Ok(part.of(found, limit))
        })
    }

    fn count<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            let mut count = 0;
            self.show(table, prefix, now, |_, _| count += 1);
            Ok(count)
        })
    }

    fn remove<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.records.of(table).lock(key).entries.remove(key).is_some()) })
    }
}
