//! An engine that forgets everything when it is dropped: for tests and throw-away deployments.
//!
//! It keeps the same promises as the SQLite engine but for durability. Maps are split into shards,
//! each behind its own mutex; a panic elsewhere does not poison them for good.
//!
//! Memory is bounded: a shard that has doubled since the last time drops what expired, and one that
//! is full takes nothing more ([`StoreError::Full`]). What has expired is told by the moments that
//! callers pass in, under the rules that protect the SQLite engine from a clock that jumps.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use crate::engine::{
    BoxFuture, Change, Changer, Durability, KeyedValue, OneTime, OneTimeEntry, OneTimeTable, Part,
    RecordTable, Records, Spend,
};
use crate::error::StoreError;
use crate::horizon::{Horizon, steady_now};
use crate::one_time::Single;

/// A shard with so many entries looks for expired ones among them.
const MANY: usize = 1024;

/// A shard with so many live entries is full: four million in one table.
const FULL: usize = 64 * 1024;

/// The engine without a disk.
#[derive(Default)]
pub struct MemoryEngine {
    time: Time,
    tickets: Sharded<Single>,
    codes: Sharded<Single>,
    replay: Sharded<Seen>,
    access_tokens: Sharded<Record>,
    revoked: Sharded<Record>,
    resources: Sharded<Record>,
    registrations: Sharded<Record>,
    grants: Sharded<Record>,
    refresh_tokens: Sharded<Record>,
    sessions: Sharded<Record>,
    consents: Sharded<Record>,
    cases: Sharded<Record>,
    waiting_tickets: Sharded<Record>,
    linked_identities: Sharded<Record>,
    messages: Sharded<Record>,
    shares: Sharded<Record>,
    notices: Sharded<Record>,
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
            RecordTable::Grants => &self.grants,
            RecordTable::RefreshTokens => &self.refresh_tokens,
            RecordTable::Sessions => &self.sessions,
            RecordTable::Consents => &self.consents,
            RecordTable::Cases => &self.cases,
            RecordTable::WaitingTickets => &self.waiting_tickets,
            RecordTable::Messages => &self.messages,
            RecordTable::Shares => &self.shares,
            RecordTable::Notices => &self.notices,
            RecordTable::LinkedIdentities => &self.linked_identities,
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
        for shard in self.records(table).each() {
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
            self.records(table).lock(key).insert(key, Record { value, expires }, &self.time)
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
            match self.records(table).lock(key).entries.get_mut(key) {
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
            let mut shard = self.records(table).lock(key);
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
                    let mut notices = self.notices.lock(&tell.key);
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
            let shard = self.records(table).lock(key);
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
            for shard in self.records(table).each() {
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
        Box::pin(async move { Ok(self.records(table).lock(key).entries.remove(key).is_some()) })
    }
}

/// What callers say the time is, and what may be forgotten for it.
struct Time {
    horizon: Mutex<Option<Horizon>>,
    forgettable: AtomicI64,
}

impl Default for Time {
    fn default() -> Self {
        Self { horizon: Mutex::new(None), forgettable: AtomicI64::new(i64::MIN) }
    }
}

impl Time {
    /// Takes note of a caller's moment.
    fn look(&self, now: Timestamp) {
        let mut horizon = lock(&self.horizon);
        let steady = steady_now();
        let horizon = horizon.get_or_insert_with(|| Horizon::new(None, now, steady));
        let forgettable = horizon.advance(now, steady).as_unix();
        self.forgettable.store(forgettable, Ordering::Relaxed);
    }

    /// What expired at this moment or before can go.
    fn forgettable(&self) -> Timestamp {
        Timestamp::from_unix(self.forgettable.load(Ordering::Relaxed))
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

struct Shard<V> {
    entries: BTreeMap<Vec<u8>, V>,
    /// With so many entries it is time to look for expired ones.
    many: usize,
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), many: MANY }
    }
}

impl<V: Expires> Shard<V> {
    fn insert(&mut self, key: &[u8], value: V, time: &Time) -> Result<(), StoreError> {
        self.make_room(key, time)?;
        self.entries.insert(key.to_vec(), value);
        Ok(())
    }

    /// Sees to it that there is room for an entry of this key.
    fn make_room(&mut self, key: &[u8], time: &Time) -> Result<(), StoreError> {
        if self.entries.len() >= self.many {
            let forgettable = time.forgettable();
            self.entries.retain(|_, v| v.expires().is_none_or(|expires| expires > forgettable));
            // Twice what is left, so that looking costs each entry little.
            self.many = (2 * self.entries.len()).clamp(MANY, FULL);
        }
        if self.entries.len() >= FULL && !self.entries.contains_key(key) {
            return Err(StoreError::Full);
        }
        Ok(())
    }
}

impl Shard<Record> {
    /// What this shard has of a part of a list.
    fn page(&self, prefix: &[u8], part: Part<'_>, limit: usize, now: Timestamp) -> Vec<KeyedValue> {
        let of_list = |(key, _): &(&Vec<u8>, &Record)| key.starts_with(prefix);
        let live = |(key, record): (&Vec<u8>, &Record)| {
            record.is_live(now).then(|| (key.clone(), record.value.clone()))
        };
        match part {
            Part::After(key) => {
                let behind = self.entries.range::<[u8], _>((Excluded(key), Unbounded));
                behind.take_while(of_list).filter_map(live).take(limit).collect()
            }
            Part::Before(key) => {
                let before = self.entries.range::<[u8], _>((Unbounded, Excluded(key))).rev();
                before.take_while(of_list).filter_map(live).take(limit).collect()
            }
        }
    }
}

/// A map in 64 parts. Keys start with digests, so their first octet spreads them evenly.
struct Sharded<V> {
    shards: [Mutex<Shard<V>>; 64],
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
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

/// INVARIANT: every change under a lock leaves a whole map, however far it got, so what a holder
/// that panicked leaves behind can be used.
fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of one shard.
    fn key(number: usize) -> Digest {
        (number * 10_000..)
            .map(|n| Digest::of(&n.to_be_bytes()))
            .find(|d| d.as_bytes()[0] % 64 == 0)
            .unwrap()
    }

    fn seen(engine: &MemoryEngine) -> usize {
        engine.replay.each().map(|shard| shard.entries.len()).sum()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[tokio::test]
    async fn what_expired_makes_room_for_what_comes() {
        let engine = MemoryEngine::new();
        for round in 0..4_i64 {
            engine.time.look(at(round * 1000));
            for number in 0..MANY {
                let key = key(usize::try_from(round).unwrap() * MANY + number);
                assert!(engine.insert_new(key, at(round * 1000 + 100)).await.unwrap());
            }
        }
        assert_eq!(seen(&engine), 4 * MANY, "the clock jumped, the time has not passed");

        // The same in a time that passed.
        let engine = MemoryEngine::new();
        for round in 0..4_i64 {
            *lock(&engine.time.horizon) = None;
            engine.time.look(at(round * 1000));
            for number in 0..MANY {
                let key = key(usize::try_from(round).unwrap() * MANY + number);
                assert!(engine.insert_new(key, at(round * 1000 + 100)).await.unwrap());
            }
        }
        assert!(seen(&engine) <= 2 * MANY, "{}", seen(&engine));
    }

    #[test]
    fn a_full_shard_takes_nothing_more() {
        let (mut shard, time) = (Shard::default(), Time::default());
        let entry = || Seen { expires: at(100) };
        for number in 0..FULL {
            shard.insert(&number.to_be_bytes(), entry(), &time).unwrap();
        }
        let more = shard.insert(b"more", entry(), &time);
        assert!(matches!(more, Err(StoreError::Full)), "{more:?}");
        shard.insert(&0_usize.to_be_bytes(), entry(), &time).unwrap();
        time.look(at(400));
        shard.insert(b"more", entry(), &time).unwrap();
        assert_eq!(shard.entries.len(), 1);
    }
}
