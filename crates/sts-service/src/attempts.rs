//! How often somebody may guess: a failure limit per user and source.
//!
//! Counting by user alone would let anyone lock a person out; by source alone it would let one
//! network guess at everybody. The window is short, and nothing is kept beyond it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::{Lifetime, Timestamp};

/// So many failures within [`WINDOW`] end the attempts until the window is over.
const LIMIT: u32 = 10;
const WINDOW: Lifetime = Lifetime::from_secs(600);

/// So many names and sources are counted in a window. There cannot be so many passwords checked in
/// that time; if there are, nobody signs in until the window is over, rather than a failure being
/// forgotten.
const MOST: usize = 1 << 17;

#[derive(Clone, Copy)]
struct Window {
    ends: Timestamp,
    failures: u32,
}

/// No further attempt is made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There were too many failures.
    TooMany,
    /// Too much is counted already.
    Full,
}

/// The failures of the last minutes.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<Generations>);

/// Windows by when they began: the younger generation takes what begins, and becomes the older one
/// once it has taken for the length of a window. The older one is dropped whole then, since all its
/// windows are over. So no attempt pays for the others.
#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Window>,
    old: HashMap<Digest, Window>,
    /// When the younger one becomes the older one.
    turns: Option<Timestamp>,
}

impl Generations {
    fn turn(&mut self, now: Timestamp) {
        if self.turns.is_none_or(|turns| turns <= now) {
            self.old = std::mem::take(&mut self.young);
            self.turns = Some(now.after(WINDOW));
        }
    }

    /// The window of a key, a fresh one if there is none that is not over.
    fn window(&mut self, key: Digest, now: Timestamp) -> Result<&mut Window, Refused> {
        if self.old.get(&key).is_some_and(|window| now < window.ends) {
            return self.old.get_mut(&key).ok_or(Refused::Full);
        }
        let is_full = self.young.len() >= MOST;
        let fresh = Window { ends: now.after(WINDOW), failures: 0 };
        let window = match self.young.entry(key) {
            Entry::Vacant(_) if is_full => return Err(Refused::Full),
            Entry::Vacant(place) => place.insert(fresh),
            Entry::Occupied(window) => window.into_mut(),
        };
        if window.ends <= now {
            *window = fresh;
        }
        Ok(window)
    }
}

impl Attempts {
    /// Counts an attempt as failed before it is made, so that attempts made at the same time all
    /// count.
    pub(crate) fn begin(&self, key: Digest, now: Timestamp) -> Result<(), Refused> {
        let mut generations = self.generations();
        generations.turn(now);
        let window = generations.window(key, now)?;
        if window.failures >= LIMIT {
            return Err(Refused::TooMany);
        }
        window.failures += 1;
        Ok(())
    }

    /// The attempt was not made after all, and leaves nothing behind: what is kept is bounded by the
    /// passwords that can be checked within a window.
    pub(crate) fn not_made(&self, key: Digest) {
        let mut generations = self.generations();
        let Generations { young, old, .. } = &mut *generations;
        for windows in [young, old] {
            if let Entry::Occupied(mut window) = windows.entry(key) {
                window.get_mut().failures = window.get().failures.saturating_sub(1);
                if window.get().failures == 0 {
                    window.remove();
                }
            }
        }
    }

    /// The attempt succeeded: whoever made it knows the password.
    pub(crate) fn succeeded(&self, key: Digest) {
        let mut generations = self.generations();
        generations.young.remove(&key);
        generations.old.remove(&key);
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_end_the_attempts_for_a_while() {
        let attempts = Attempts::default();
        let (alice, bob) = (Digest::of(b"alice"), Digest::of(b"bob"));
        let now = Timestamp::from_unix(0);
        for _ in 0..LIMIT {
            assert_eq!(attempts.begin(alice, now), Ok(()));
        }
        assert_eq!(attempts.begin(alice, now), Err(Refused::TooMany));
        assert_eq!(attempts.begin(bob, now), Ok(()));
        assert_eq!(attempts.begin(alice, now.after(WINDOW)), Ok(()));
    }

    #[test]
    fn a_window_lasts_over_a_turn_and_no_longer() {
        for begins in [0, 1, 599] {
            let (attempts, alice) = (Attempts::default(), Digest::of(b"alice"));
            let at = Timestamp::from_unix;
            // Somebody's window begins at 0, so that a turn is due at 600.
            assert_eq!(attempts.begin(Digest::of(b"bob"), at(0)), Ok(()));
            for _ in 0..LIMIT {
                assert_eq!(attempts.begin(alice, at(begins)), Ok(()));
            }
            for later in [begins + 1, begins + 599] {
                let refused = attempts.begin(alice, at(later));
                assert_eq!(refused, Err(Refused::TooMany), "{begins} {later}");
            }
            assert_eq!(attempts.begin(alice, at(begins + 600)), Ok(()));
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_dropped() {
        let attempts = Attempts::default();
        let key = |n: usize| Digest::of(&n.to_be_bytes());
        let now = Timestamp::from_unix(0);
        for n in 0..MOST {
            assert_eq!(attempts.begin(key(n), now), Ok(()));
        }
        assert_eq!(attempts.begin(key(MOST), now), Err(Refused::Full));
        assert_eq!(attempts.begin(key(0), now), Ok(()), "who is counted is counted on");
        let later = now.after(WINDOW);
        assert_eq!(attempts.begin(key(MOST), later), Ok(()));
        assert_eq!(attempts.begin(key(0), later.after(WINDOW)), Ok(()));
        let generations = attempts.generations();
        assert_eq!((generations.young.len(), generations.old.len()), (1, 1));
    }

    #[test]
    fn an_attempt_that_was_not_made_does_not_count() {
        let attempts = Attempts::default();
        let key = Digest::of(b"alice");
        for _ in 0..3 * LIMIT {
            assert_eq!(attempts.begin(key, Timestamp::from_unix(0)), Ok(()));
            attempts.not_made(key);
        }
        let generations = attempts.generations();
        assert!(generations.young.is_empty() && generations.old.is_empty());
    }

    #[test]
    fn success_forgets_failures() {
        let attempts = Attempts::default();
        let key = Digest::of(b"alice");
        for _ in 0..3 * LIMIT {
            assert_eq!(attempts.begin(key, Timestamp::from_unix(0)), Ok(()));
            attempts.succeeded(key);
        }
    }
}
