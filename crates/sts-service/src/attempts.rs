//! How often somebody may guess: a limit of failures per name and source, and a higher one per
//! source.
//!
//! Counting by name alone would let anyone lock a person out. Counting by name and source alone
//! would let one source guess at everybody, a few times each. The windows are short, and nothing is
//! kept beyond them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::{Lifetime, Timestamp};

/// So many failures of a source at one name within [`WINDOW`] end its attempts at that name until
/// the window is over.
const LIMIT: u32 = 10;
/// So many failures of a source within [`WINDOW`], at whatever names, end all its attempts until
/// the window is over. A source may be an office or a mobile network, whose people all mistype now
/// and then. A proxy on this machine, and one that is named
/// ([`with_proxies`](crate::Sts::with_proxies)), is none.
const LIMIT_OF_SOURCE: u32 = 100;
const WINDOW: Lifetime = Lifetime::from_secs(600);

/// So many pairs of name and source, and so many sources, are counted in a window. More come only
/// by 218 wrong passwords a second, from more than 1300 sources or from none that is known.
/// Whoever is not counted then does not sign in until the window is over, rather than a failure
/// being forgotten.
const MOST: usize = 1 << 17;

/// What an attempt is counted by.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pair: Digest,
    source: Option<Digest>,
}

impl Attempt {
    /// At this name, from this source. Where no source is known, as behind a proxy, there is the
    /// limit of the name alone, for all who come so together.
    pub(crate) fn of(name: &str, source: Option<&str>) -> Self {
        let named = source.unwrap_or_default().as_bytes();
        let pair = Digest::of_parts(&[name.as_bytes(), named]);
        Self { pair, source: source.map(|_| Digest::of(named)) }
    }
}

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
pub(crate) struct Attempts(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    pairs: Generations,
    sources: Generations,
}

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

    /// Whether one more failure of a key can be counted, and is within the limit.
    fn may_fail(&self, key: &Digest, limit: u32, now: Timestamp) -> Result<(), Refused> {
        let known = self.young.get(key);
        let window = known.or_else(|| self.old.get(key)).filter(|window| now < window.ends);
        if window.is_some_and(|window| window.failures >= limit) {
            return Err(Refused::TooMany);
        }
        if window.is_none() && known.is_none() && self.young.len() >= MOST {
            return Err(Refused::Full);
        }
        Ok(())
    }

    /// Counts a failure of a key, in a fresh window if there is none that is not over.
    fn failed(&mut self, key: Digest, now: Timestamp) {
        let fresh = Window { ends: now.after(WINDOW), failures: 0 };
        let window = match self.old.get_mut(&key).filter(|window| now < window.ends) {
            Some(window) => window,
            None => self.young.entry(key).or_insert(fresh),
        };
        if window.ends <= now {
            *window = fresh;
        }
        window.failures += 1;
    }

    /// Takes a failure back. Nothing is left of a key without one.
    fn not_failed(&mut self, key: Digest) {
        for windows in [&mut self.young, &mut self.old] {
            if let Entry::Occupied(mut window) = windows.entry(key) {
                window.get_mut().failures = window.get().failures.saturating_sub(1);
                if window.get().failures == 0 {
                    window.remove();
                }
            }
        }
    }

    fn forget(&mut self, key: &Digest) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

impl Attempts {
    /// Counts an attempt as failed before it is made, so that attempts made at the same time all
    /// count. One that is refused does not count, nor one that is not made after all.
    pub(crate) fn begin(&self, attempt: Attempt, now: Timestamp) -> Result<Begun<'_>, Refused> {
        let mut counted = self.counted();
        let Counted { pairs, sources } = &mut *counted;
        pairs.turn(now);
        sources.turn(now);
        pairs.may_fail(&attempt.pair, LIMIT, now)?;
        if let Some(source) = attempt.source {
            sources.may_fail(&source, LIMIT_OF_SOURCE, now)?;
            sources.failed(source, now);
        }
        pairs.failed(attempt.pair, now);
        Ok(Begun { attempts: self, attempt })
    }

    fn not_made(&self, attempt: Attempt) {
        let mut counted = self.counted();
        counted.pairs.not_failed(attempt.pair);
        if let Some(source) = attempt.source {
            counted.sources.not_failed(source);
        }
    }

    /// The attempt succeeded: whoever made it knows the password of that name. The source's
    /// failures at other names still count, since whoever guesses may have an account of their own.
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        let mut counted = self.counted();
        counted.pairs.forget(&attempt.pair);
        if let Some(source) = attempt.source {
            counted.sources.not_failed(source);
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that is counted and not made yet. If it is dropped, since it was turned away or
/// whoever makes it went away, it leaves nothing behind: what is kept is bounded by the passwords
/// that can be checked within a window.
#[must_use]
pub(crate) struct Begun<'a> {
    attempts: &'a Attempts,
    attempt: Attempt,
}

impl Begun<'_> {
    /// The attempt is made, and counts whatever comes of it.
    pub(crate) fn made(self) {
        std::mem::forget(self);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.attempts.not_made(self.attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Attempts {
        fn make(&self, attempt: Attempt, now: Timestamp) -> Result<(), Refused> {
            self.begin(attempt, now).map(Begun::made)
        }
    }

    /// The attempt of a person whose source is not known.
    fn at(name: &str) -> Attempt {
        Attempt::of(name, None)
    }

    #[test]
    fn failures_end_the_attempts_for_a_while() {
        let attempts = Attempts::default();
        let (alice, bob) = (at("alice"), at("bob"));
        let now = Timestamp::from_unix(0);
        for _ in 0..LIMIT {
            assert_eq!(attempts.make(alice, now), Ok(()));
        }
        assert_eq!(attempts.make(alice, now), Err(Refused::TooMany));
        assert_eq!(attempts.make(bob, now), Ok(()));
        assert_eq!(attempts.make(alice, now.after(WINDOW)), Ok(()));
    }

    #[test]
    fn a_source_has_a_limit_of_its_own_at_whatever_names() {
        let attempts = Attempts::default();
        let begin = |number: u32, source, now| {
            attempts.make(Attempt::of(&number.to_string(), source), Timestamp::from_unix(now))
        };
        for number in 0..LIMIT_OF_SOURCE {
            assert_eq!(begin(number, Some("192.0.2.1"), 0), Ok(()));
        }
        for name in [0, LIMIT_OF_SOURCE] {
            assert_eq!(begin(name, Some("192.0.2.1"), 599), Err(Refused::TooMany));
            assert_eq!(begin(name, Some("192.0.2.2"), 599), Ok(()), "another source");
            assert_eq!(begin(name, None, 599), Ok(()), "none that is known");
        }
        assert_eq!(begin(0, Some("192.0.2.1"), 600), Ok(()), "its window is over");
        for number in 1000..1000 + 2 * LIMIT_OF_SOURCE {
            assert_eq!(begin(number, None, 600), Ok(()), "no source, no limit of its own");
        }
    }

    /// H15: who is refused at one name uses up nothing of what the source has at others.
    #[test]
    fn what_was_refused_does_not_count() {
        let (attempts, now) = (Attempts::default(), Timestamp::from_unix(0));
        let alice = Attempt::of("alice", Some("192.0.2.1"));
        for number in 0..2 * LIMIT_OF_SOURCE {
            assert_eq!(attempts.make(alice, now).is_ok(), number < LIMIT);
        }
        assert_eq!(attempts.make(Attempt::of("bob", Some("192.0.2.1")), now), Ok(()));
    }

    /// H15: whoever has an account gets no guesses at others for it.
    #[test]
    fn success_forgets_no_failure_at_another_name() {
        let (attempts, now) = (Attempts::default(), Timestamp::from_unix(0));
        let attempt = |name: &str| Attempt::of(name, Some("192.0.2.1"));
        for number in 0..LIMIT_OF_SOURCE {
            assert_eq!(attempts.make(attempt(&number.to_string()), now), Ok(()));
            if number < LIMIT_OF_SOURCE - 1 {
                assert_eq!(attempts.make(attempt("mallory"), now), Ok(()));
                attempts.succeeded(attempt("mallory"));
            }
        }
        assert_eq!(attempts.make(attempt("alice"), now), Err(Refused::TooMany));
    }

    #[test]
    fn a_window_lasts_over_a_turn_and_no_longer() {
        for begins in [0, 1, 599] {
            let (attempts, alice) = (Attempts::default(), at("alice"));
            let unix = Timestamp::from_unix;
            // Somebody's window begins at 0, so that a turn is due at 600.
            assert_eq!(attempts.make(at("bob"), unix(0)), Ok(()));
            for _ in 0..LIMIT {
                assert_eq!(attempts.make(alice, unix(begins)), Ok(()));
            }
            for later in [begins + 1, begins + 599] {
                let refused = attempts.make(alice, unix(later));
                assert_eq!(refused, Err(Refused::TooMany), "{begins} {later}");
            }
            assert_eq!(attempts.make(alice, unix(begins + 600)), Ok(()));
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_dropped() {
        let attempts = Attempts::default();
        let key = |n: usize| Attempt::of("alice", Some(&n.to_string()));
        let now = Timestamp::from_unix(0);
        for n in 0..MOST {
            assert_eq!(attempts.make(key(n), now), Ok(()));
        }
        assert_eq!(attempts.make(key(MOST), now), Err(Refused::Full));
        assert_eq!(attempts.make(key(0), now), Ok(()), "who is counted is counted on");
        let later = now.after(WINDOW);
        assert_eq!(attempts.make(key(MOST), later), Ok(()));
        assert_eq!(attempts.make(key(0), later.after(WINDOW)), Ok(()));
        let Counted { pairs, sources } = &*attempts.counted();
        assert_eq!((pairs.young.len(), pairs.old.len()), (1, 1));
        assert_eq!((sources.young.len(), sources.old.len()), (1, 1));
    }

    #[test]
    fn an_attempt_that_was_not_made_does_not_count() {
        let attempts = Attempts::default();
        let alice = Attempt::of("alice", Some("192.0.2.1"));
        for _ in 0..3 * LIMIT_OF_SOURCE {
            assert!(attempts.begin(alice, Timestamp::from_unix(0)).is_ok());
        }
        let Counted { pairs, sources } = &*attempts.counted();
        assert!([pairs, sources].iter().all(|it| it.young.is_empty() && it.old.is_empty()));
    }

    #[test]
    fn success_forgets_failures() {
        let attempts = Attempts::default();
        let alice = Attempt::of("alice", Some("192.0.2.1"));
        for _ in 0..3 * LIMIT_OF_SOURCE {
            assert_eq!(attempts.make(alice, Timestamp::from_unix(0)), Ok(()));
            attempts.succeeded(alice);
        }
    }
}
