//! Refresh tokens by session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use countersign_types::secret::RefreshToken;

/// So many sessions are kept; of more, those go that would end first.
const MAX: usize = 10_000;

/// What is kept of a session.
pub(super) struct Held {
    pub(super) token: RefreshToken,
    pub(super) expires: Timestamp,
}

type Entry = Arc<tokio::sync::Mutex<Held>>;

/// Sessions by the digest of their handle.
#[derive(Default)]
pub(super) struct Sessions(Mutex<BTreeMap<Digest, (Timestamp, Entry)>>);

impl Sessions {
    pub(super) fn insert(&self, key: Digest, held: Held, now: Timestamp) {
        let mut all = self.lock();
        if all.len() >= MAX {
            all.retain(|_, (expires, _)| now < *expires);
        }
        if all.len() >= MAX {
            let first = all.iter().min_by_key(|(_, (expires, _))| *expires).map(|(key, _)| *key);
            first.and_then(|first| all.remove(&first));
        }
        all.insert(key, (held.expires, Arc::new(tokio::sync::Mutex::new(held))));
    }

    pub(super) fn find(&self, key: &Digest, now: Timestamp) -> Option<Entry> {
        let all = self.lock();
        let (expires, entry) = all.get(key)?;
        (now < *expires).then(|| Arc::clone(entry))
    }

    pub(super) fn remove(&self, key: &Digest) -> Option<Entry> {
        self.lock().remove(key).map(|(_, entry)| entry)
    }

    // Whole after every statement, so that a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, (Timestamp, Entry)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_ends_first_makes_room() {
        let (sessions, now) = (Sessions::default(), Timestamp::from_unix(0));
        let key = |number: usize| Digest::of(number.to_string().as_bytes());
        let held =
            |ends: i64| Held { token: RefreshToken::new("r"), expires: Timestamp::from_unix(ends) };
        for number in 0..MAX {
            sessions.insert(key(number), held(if number == 7 { 5 } else { 10 }), now);
        }
        sessions.insert(key(MAX), held(10), now);
        assert!(sessions.find(&key(7), now).is_none());
        assert!(sessions.find(&key(8), now).is_some() && sessions.find(&key(MAX), now).is_some());
        // When there are some that have ended, all of them go.
        sessions.insert(key(MAX + 1), held(20), Timestamp::from_unix(10));
        assert_eq!(sessions.lock().len(), 1);
        assert!(sessions.find(&key(MAX + 1), Timestamp::from_unix(20)).is_none());
    }
}
