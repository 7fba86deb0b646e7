//! An engine that forgets everything when it is dropped: for tests and throw-away deployments.
//!
//! It keeps the same promises as the SQLite engine but for durability. Maps are split into shards,
//! each behind its own mutex; a panic elsewhere does not poison them for good.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use crate::engine::{
    BoxFuture, Durability, Engine, KeyedValue, OneTime, OneTimeEntry, OneTimeTable, RecordTable,
    Records, Spend,
};
use crate::error::StoreError;
use crate::one_time::Single;

/// Entries removed from one shard by one call of [`Engine::purge`].
const PURGE_PER_SHARD: usize = 256;

/// The engine without a disk.
#[derive(Default)]
pub struct MemoryEngine {
    tickets: Sharded<Single>,
    codes: Sharded<Single>,
    replay: Sharded<Seen>,
    access_tokens: Sharded<Record>,
    revoked: Sharded<Record>,
    resources: Sharded<Record>,
    registrations: Sharded<Record>,
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

    const fn records(&self, table: RecordTable) -> &Sharded<Record> {
        match table {
            RecordTable::AccessTokens => &self.access_tokens,
            RecordTable::Revoked => &self.revoked,
            RecordTable::Resources => &self.resources,
            RecordTable::Registrations => &self.registrations,
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
            if shard.contains_key(key.as_bytes().as_slice()) {
                return match durability {
                    Durability::Lazy => Ok(()),
                    Durability::Durable => Err(StoreError::Exists),
                };
            }
            let single = Single { value, bound_to, spent: false, expires };
            shard.insert(key.as_bytes().to_vec(), single);
            Ok(())
        })
    }

    fn insert_new(
        &self,
        key: Digest,
        expires: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut shard = self.replay.lock(key.as_bytes());
            if shard.contains_key(key.as_bytes().as_slice()) {
                return Ok(false);
            }
            shard.insert(key.as_bytes().to_vec(), Seen { expires });
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
            let mut shard = self.singles(table).lock(key.as_bytes());
            let Some(single) = shard.get_mut(key.as_bytes().as_slice()) else {
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
            self.records(table).lock(key).insert(key.to_vec(), Record { value, expires });
            Ok(())
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
            match self.records(table).lock(key).get_mut(key) {
                Some(record) if record.is_live(now) => {
                    record.value = value;
                    Ok(true)
                }
                _ => Ok(false),
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
            let shard = self.records(table).lock(key);
            let live = shard.get(key).filter(|record| record.is_live(now));
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
            for shard in self.records(table).each() {
                let from_prefix = shard.range(prefix.to_vec()..);
                let matching = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
                let live = matching.filter(|(_, record)| record.is_live(now));
                found.extend(live.map(|(key, record)| (key.clone(), record.value.clone())));
            }
            found.sort();
            Ok(found)
        })
    }

    fn count<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            let of_shard = |shard: MutexGuard<'_, Shard<Record>>| {
                let from_prefix = shard.range(prefix.to_vec()..);
                let matching = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
                matching.filter(|(_, record)| record.is_live(now)).count()
            };
            Ok(self.records(table).each().map(of_shard).sum())
        })
    }

    fn remove<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.records(table).lock(key).remove(key).is_some()) })
    }
}

impl Engine for MemoryEngine {
    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut removed = self.replay.purge(now);
            for table in OneTimeTable::ALL {
                removed += self.singles(table).purge(now);
            }
            for table in RecordTable::ALL {
                removed += self.records(table).purge(now);
            }
            Ok(removed)
        })
    }
}

struct Seen {
    expires: Timestamp,
}

struct Record {
    value: Vec<u8>,
    expires: Option<Timestamp>,
}

impl Record {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

trait Expires {
    fn expires(&self) -> Option<Timestamp>;
}

impl Expires for Single {
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

impl Expires for Seen {
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

impl Expires for Record {
    fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

type Shard<V> = BTreeMap<Vec<u8>, V>;

/// A map in 64 parts. Keys start with digests, so their first octet spreads them evenly.
struct Sharded<V> {
    shards: [Mutex<Shard<V>>; 64],
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(BTreeMap::new())) }
    }
}

impl<V> Sharded<V> {
    fn lock(&self, key: &[u8]) -> MutexGuard<'_, Shard<V>> {
        let index = usize::from(key.first().copied().unwrap_or_default() % 64);
        #[expect(clippy::indexing_slicing, reason = "the index is below 64")]
        lock(&self.shards[index])
    }

    fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard<V>>> {
        self.shards.iter().map(lock)
    }
}

impl<V: Expires> Sharded<V> {
    fn purge(&self, now: Timestamp) -> u64 {
        let mut removed = 0;
        for mut shard in self.each() {
            let expired = shard.iter().filter(|(_, v)| v.expires().is_some_and(|e| e <= now));
            let keys: Vec<_> = expired.take(PURGE_PER_SHARD).map(|(key, _)| key.clone()).collect();
            for key in keys {
                shard.remove(&key);
                removed += 1;
            }
        }
        removed
    }
}

/// INVARIANT: every change under a lock is one insertion, removal or assignment, so a map whose
/// holder panicked is still whole.
fn lock<V>(shard: &Mutex<Shard<V>>) -> MutexGuard<'_, Shard<V>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
