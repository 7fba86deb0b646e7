//! Refresh tokens by session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use countersign_types::secret::RefreshToken;

/// So many sessions are kept; of more, the one goes that would end first.
const MAX: usize = 10_000;

/// So many of them are one person's; of more, the one of theirs goes that would end first.
pub(super) const OF_ONE: usize = 16;

/// What is kept of a session.
pub(super) struct Held {
    pub(super) token: RefreshToken,
    pub(super) expires: Timestamp,
}

pub(super) type Entry = Arc<tokio::sync::Mutex<Held>>;

struct Place {
    whose: Digest,
    expires: Timestamp,
    entry: Entry,
}

type Places = BTreeMap<Digest, Place>;

/// Sessions by the digest of their handle.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Places>);

impl Sessions {
    /// Gives back the session that made room, if one had to.
    pub(super) fn insert(
        &self,
        key: Digest,
        whose: Digest,
        held: Held,
        now: Timestamp,
    ) -> Option<Entry> {
        let mut all = self.lock();
        all.retain(|_, place| now < place.expires);
        let theirs = all.iter().filter(|(_, place)| place.whose == whose);
        let first = if theirs.clone().count() >= OF_ONE {
            ends_first(theirs)
        } else if all.len() >= MAX {
            ends_first(all.iter())
        } else {
            None
        };
        let gone = first.and_then(|first| all.remove(&first)).map(|place| place.entry);
        let expires = held.expires;
        let entry = Arc::new(tokio::sync::Mutex::new(held));
        all.insert(key, Place { whose, expires, entry });
        gone
    }

    pub(super) fn find(&self, key: &Digest, now: Timestamp) -> Option<Entry> {
        let all = self.lock();
        let place = all.get(key)?;
        (now < place.expires).then(|| Arc::clone(&place.entry))
    }

    pub(super) fn remove(&self, key: &Digest) -> Option<Entry> {
        self.lock().remove(key).map(|place| place.entry)
    }

    // Whole after every statement, so that a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ends_first<'a>(places: impl Iterator<Item = (&'a Digest, &'a Place)>) -> Option<Digest> {
    places.min_by_key(|(_, place)| place.expires).map(|(key, _)| *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Digest {
        Digest::of(number.to_string().as_bytes())
    }

    fn held(ends: i64) -> Held {
        Held { token: RefreshToken::new("r"), expires: Timestamp::from_unix(ends) }
    }

    #[test]
    fn the_one_that_ends_first_makes_room() {
        let (sessions, now) = (Sessions::default(), Timestamp::from_unix(0));
        for number in 0..MAX {
            let held = held(if number == 7 { 5 } else { 10 });
            let (whose, expires) = (key(number), held.expires);
            let entry = Arc::new(tokio::sync::Mutex::new(held));
            sessions.lock().insert(whose, Place { whose, expires, entry });
        }
        let (gone, first) = (sessions.find(&key(7), now).unwrap(), key(MAX));
        let made_room = sessions.insert(first, first, held(10), now).unwrap();
        assert!(Arc::ptr_eq(&made_room, &gone) && sessions.find(&key(7), now).is_none());
        assert!(sessions.find(&key(8), now).is_some() && sessions.find(&first, now).is_some());
        // Those that have ended make room for anybody.
        let (last, now) = (key(MAX + 1), Timestamp::from_unix(10));
        assert!(sessions.insert(last, last, held(20), now).is_none());
        assert_eq!(sessions.lock().len(), 1);
        assert!(sessions.find(&last, Timestamp::from_unix(20)).is_none());
    }

    #[test]
    fn one_person_makes_room_among_their_own() {
        let (sessions, now) = (Sessions::default(), Timestamp::from_unix(0));
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        // It would end before all the others.
        assert!(sessions.insert(other, other, held(5), now).is_none());
        for number in 0..2 * OF_ONE {
            let gone = sessions.insert(key(number), one, held(100 + number as i64), now);
            assert_eq!(gone.is_some(), number >= OF_ONE, "{number}");
        }
        assert!(sessions.find(&other, now).is_some());
        for number in 0..2 * OF_ONE {
            let is_there = sessions.find(&key(number), now).is_some();
            assert_eq!(is_there, number >= OF_ONE, "{number}");
        }
    }
}
