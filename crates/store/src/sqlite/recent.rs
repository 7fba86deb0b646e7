//! Single-use values that were issued a moment ago and are not on the disk yet.
//!
//! Most tickets are spent within a second of their issue. Such a ticket need not be written at
//! all: what never was on the disk cannot come back from it, so spending it in memory is as final
//! as spending it there. A ticket that is still live after [`YOUTH`] is written, with some other
//! commit, and from then on spent on the disk alone.
//!
//! INVARIANT: a value is spent either here or on the disk, never both. While the writer writes it,
//! it can be spent nowhere; whoever tries stands in the writer's queue behind it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use crate::engine::{OneTimeTable, Spend};
use crate::one_time::Single;

/// How long a value is kept in memory alone.
pub(super) const YOUTH: Duration = Duration::from_secs(1);

/// Live values kept here; more go the writer's way at once.
pub(super) const LIVE: usize = 16 * 1024;

/// Tombstones kept here; the oldest beyond that are forgotten, and absent.
const SPENT: usize = 16 * 1024;

/// The place of a value.
pub(super) type Key = (OneTimeTable, Digest);

/// The values that are in memory alone.
#[derive(Default)]
pub(super) struct Recent(Mutex<Values>);

#[derive(Default)]
struct Values {
    values: HashMap<Key, Value>,
    /// In the order of their issue, those that are or were live when last looked at.
    live: VecDeque<(Key, Instant)>,
    /// In the order in which they were found spent.
    spent: VecDeque<Key>,
}

struct Value {
    single: Single,
    /// The writer is at it.
    is_being_written: bool,
}

impl Recent {
    /// Keeps a value; `Err` gives it back if there is no room.
    ///
    /// Under a key that is taken, nothing changes.
    pub(super) fn insert(&self, key: Key, single: Single, now: Instant) -> Result<(), Single> {
        let mut recent = self.lock();
        if recent.values.contains_key(&key) {
            return Ok(());
        }
        if recent.live.len() >= LIVE {
            return Err(single);
        }
        recent.live.push_back((key, now));
        recent.values.insert(key, Value { single, is_being_written: false });
        Ok(())
    }

    /// Whether a value or its tombstone is here.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.lock().values.contains_key(key)
    }

    /// Spends a value that is here; `None` if it is not, or not for much longer.
    pub(super) fn spend(&self, key: &Key, presenter: &[u8], now: Timestamp) -> Option<Spend> {
        let mut recent = self.lock();
        let value = recent.values.get_mut(key).filter(|value| !value.is_being_written)?;
        Some(value.single.spend(presenter, now))
    }

    /// Whether there are values that may have to be written.
    pub(super) fn has_live(&self) -> bool {
        !self.lock().live.is_empty()
    }

    /// Live values issued at `before` or earlier, at most so many: the writer's now.
    pub(super) fn take_due(&self, before: Instant, most: usize) -> Vec<(Key, Single)> {
        let mut recent = self.lock();
        let mut due = Vec::new();
        while due.len() < most
            && let Some((key, issued)) = recent.live.front().copied()
            && issued <= before
        {
            recent.live.pop_front();
            let Some(value) = recent.values.get_mut(&key) else { continue };
            if value.single.spent {
                recent.bury(key);
            } else {
                value.is_being_written = true;
                due.push((key, value.single.clone()));
            }
        }
        due
    }

    /// Everything that is left, tombstones too: the writer's, which is about to end.
    pub(super) fn take_all(&self) -> Vec<(Key, Single)> {
        let values = std::mem::take(&mut *self.lock()).values;
        values.into_iter().map(|(key, value)| (key, value.single)).collect()
    }

    /// What was taken is on the disk.
    pub(super) fn written(&self, taken: &[(Key, Single)]) {
        let mut recent = self.lock();
        for (key, _) in taken {
            recent.values.remove(key);
        }
    }

    /// What was taken is certainly not on the disk.
    pub(super) fn not_written(&self, taken: &[(Key, Single)], now: Instant) {
        let mut recent = self.lock();
        for (key, _) in taken {
            if let Some(value) = recent.values.get_mut(key) {
                value.is_being_written = false;
                recent.live.push_back((*key, now));
            }
        }
    }

    /// Forgets what expired at `now` or before; how many.
    pub(super) fn purge(&self, now: Timestamp) -> u64 {
        let mut recent = self.lock();
        let before = recent.values.len();
        let stays = |value: &Value| value.is_being_written || value.single.expires > now;
        recent.values.retain(|_, value| stays(value));
        let Values { values, live, spent } = &mut *recent;
        live.retain(|(key, _)| values.contains_key(key));
        spent.retain(|key| values.contains_key(key));
        (before - values.len()) as u64
    }

    /// INVARIANT: the queues may name values that are gone and the map has every value that is not,
    /// so a panic between two steps loses nothing but a place in a queue.
    fn lock(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Values {
    /// Keeps a tombstone, and forgets the oldest if there are too many.
    fn bury(&mut self, key: Key) {
        self.spent.push_back(key);
        if self.spent.len() > SPENT
            && let Some(oldest) = self.spent.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::horizon::steady_now;

    fn key(octet: u8) -> Key {
        (OneTimeTable::Tickets, Digest::of(&[octet]))
    }

    fn single() -> Single {
        let expires = Timestamp::from_unix(100);
        Single { value: b"v".to_vec(), bound_to: None, spent: false, expires }
    }

    const NOW: Timestamp = Timestamp::from_unix(1);

    #[test]
    fn a_value_is_spent_here_until_the_writer_takes_it() {
        let (recent, begun) = (Recent::default(), steady_now());
        assert!(recent.insert(key(1), single(), begun).is_ok());
        assert!(recent.insert(key(2), single(), begun).is_ok());
        assert_eq!(recent.spend(&key(1), b"a", NOW), Some(Spend::First(b"v".to_vec())));

        let taken = recent.take_due(begun, 10);
        assert_eq!(taken.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key(2)]);
        assert_eq!(recent.spend(&key(2), b"a", NOW), None);
        assert_eq!(recent.spend(&key(1), b"a", NOW), Some(Spend::Again(b"v".to_vec())));
        assert_eq!(recent.spend(&key(1), b"b", NOW), Some(Spend::Bound));

        recent.written(&taken);
        assert_eq!(recent.spend(&key(2), b"a", NOW), None);
        assert!(!recent.contains(&key(2)));
    }

    #[test]
    fn what_could_not_be_written_is_here_again() {
        let (recent, begun) = (Recent::default(), steady_now());
        assert!(recent.insert(key(1), single(), begun).is_ok());
        let taken = recent.take_due(begun, 10);
        assert!(recent.take_due(begun, 10).is_empty());
        recent.not_written(&taken, begun);
        assert_eq!(recent.spend(&key(1), b"a", NOW), Some(Spend::First(b"v".to_vec())));
        assert!(recent.take_due(begun, 10).is_empty());
    }

    #[test]
    fn the_young_are_not_due() {
        let (recent, begun) = (Recent::default(), steady_now());
        assert!(recent.insert(key(1), single(), begun + YOUTH).is_ok());
        assert!(recent.take_due(begun, 10).is_empty());
        assert!(recent.has_live());
        assert_eq!(recent.take_due(begun + YOUTH, 10).len(), 1);
    }

    #[test]
    fn nothing_is_overwritten_and_room_is_limited() {
        let (recent, begun) = (Recent::default(), steady_now());
        assert!(recent.insert(key(1), single(), begun).is_ok());
        assert_eq!(recent.spend(&key(1), b"a", NOW), Some(Spend::First(b"v".to_vec())));
        assert!(recent.insert(key(1), single(), begun).is_ok());
        assert_eq!(recent.spend(&key(1), b"a", NOW), Some(Spend::Again(b"v".to_vec())));

        let many = |number: usize| (OneTimeTable::Tickets, Digest::of(&number.to_be_bytes()));
        for number in 1..LIVE {
            assert!(recent.insert(many(number), single(), begun).is_ok());
        }
        assert!(recent.insert(many(LIVE), single(), begun).is_err());
    }

    #[test]
    fn the_oldest_tombstones_and_the_expired_are_forgotten() {
        let (recent, begun) = (Recent::default(), steady_now());
        for number in 0..=SPENT {
            let key = (OneTimeTable::Tickets, Digest::of(&number.to_be_bytes()));
            assert!(recent.insert(key, single(), begun).is_ok());
            assert!(matches!(recent.spend(&key, b"a", NOW), Some(Spend::First(_))));
            assert!(recent.take_due(begun, 10).is_empty());
        }
        assert!(!recent.contains(&(OneTimeTable::Tickets, Digest::of(&0_usize.to_be_bytes()))));
        assert_eq!(recent.purge(Timestamp::from_unix(99)), 0);
        assert_eq!(recent.purge(Timestamp::from_unix(100)), SPENT as u64);
        assert!(recent.take_all().is_empty());
    }
}
