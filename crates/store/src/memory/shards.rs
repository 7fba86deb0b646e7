//! Maps in shards, each behind its own mutex, and what may be forgotten of them.
//!
//! A shard that has doubled since the last time drops what expired, and one that is full takes
//! nothing more. What has expired is told by the moments that callers pass in, under the rules that
//! protect the SQLite engine from a clock that jumps. A panic elsewhere does not poison a shard for
//! good.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::Timestamp;

use crate::engine::{KeyedValue, Part};
use crate::error::StoreError;
use crate::horizon::{Horizon, steady_now};
use crate::one_time::Single;

/// A shard with so many entries looks for expired ones among them.
const MANY: usize = 1024;

/// A shard with so many live entries is full: four million in one table.
const FULL: usize = 64 * 1024;

/// What callers say the time is, and what may be forgotten for it.
pub(super) struct Time {
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
    pub(super) fn look(&self, now: Timestamp) {
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

pub(super) struct Seen {
    pub(super) expires: Timestamp,
}

pub(super) struct Record {
    pub(super) value: Vec<u8>,
    pub(super) expires: Option<Timestamp>,
}

impl Record {
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

pub(super) trait Expires {
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

pub(super) struct Shard<V> {
    pub(super) entries: BTreeMap<Vec<u8>, V>,
    /// With so many entries it is time to look for expired ones.
    many: usize,
}

impl<V> Default for Shard<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), many: MANY }
    }
}

impl<V: Expires> Shard<V> {
    pub(super) fn insert(&mut self, key: &[u8], value: V, time: &Time) -> Result<(), StoreError> {
        self.make_room(key, time)?;
        self.entries.insert(key.to_vec(), value);
        Ok(())
    }

    /// Sees to it that there is room for an entry of this key.
    pub(super) fn make_room(&mut self, key: &[u8], time: &Time) -> Result<(), StoreError> {
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
    pub(super) fn page(
        &self,
        prefix: &[u8],
        part: Part<'_>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<KeyedValue> {
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
pub(super) struct Sharded<V> {
    shards: [Mutex<Shard<V>>; 64],
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<V> Sharded<V> {
    pub(super) fn lock(&self, key: &[u8]) -> MutexGuard<'_, Shard<V>> {
        let index = usize::from(key.first().copied().unwrap_or_default() % 64);
        #[expect(clippy::indexing_slicing, reason = "the index is below 64")]
        lock(&self.shards[index])
    }

    pub(super) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard<V>>> {
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
    use countersign_types::digest::Digest;

    use super::*;
    use crate::engine::OneTime as _;
    use crate::memory::MemoryEngine;

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
