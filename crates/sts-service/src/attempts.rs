//! How often somebody may guess: a failure limit per user and source.
//!
//! Counting by user alone would let anyone lock a person out; by source alone it would let one
//! network guess at everybody. The window is short, and nothing is kept beyond it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::{Lifetime, Timestamp};

/// So many failures within [`WINDOW`] end the attempts until the window is over.
const LIMIT: u32 = 10;
const WINDOW: Lifetime = Lifetime::from_secs(600);

/// Windows that ended are dropped whenever so many are kept.
const PURGE_AT: usize = 4096;

struct Window {
    ends: Timestamp,
    failures: u32,
}

/// The source that an address belongs to. With IPv6 it is the /64 network, since whoever has one
/// address has all of it.
pub(crate) fn source(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
    }
}

/// There were too many failures.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// The failures of the last minutes.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<Digest, Window>>);

impl Attempts {
    /// Counts an attempt as failed before it is made, so that attempts made at the same time all
    /// count.
    pub(crate) fn begin(&self, key: Digest, now: Timestamp) -> Result<(), TooMany> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= PURGE_AT {
            windows.retain(|_, window| window.ends > now);
        }
        let fresh = || Window { ends: now.after(WINDOW), failures: 0 };
        let window = windows.entry(key).or_insert_with(fresh);
        if window.ends <= now {
            *window = fresh();
        }
        if window.failures >= LIMIT {
            return Err(TooMany);
        }
        window.failures += 1;
        Ok(())
    }

    /// The attempt was not made after all, and leaves nothing behind: what is kept is bounded by the
    /// passwords that can be checked within a window.
    pub(crate) fn not_made(&self, key: Digest) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut window) = windows.entry(key) {
            window.get_mut().failures = window.get().failures.saturating_sub(1);
            if window.get().failures == 0 {
                window.remove();
            }
        }
    }

    /// The attempt succeeded: whoever made it knows the password.
    pub(crate) fn succeeded(&self, key: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
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
        assert_eq!(attempts.begin(alice, now), Err(TooMany));
        assert_eq!(attempts.begin(bob, now), Ok(()));
        assert_eq!(attempts.begin(alice, now.after(WINDOW)), Ok(()));
    }

    #[test]
    fn an_attempt_that_was_not_made_does_not_count() {
        let attempts = Attempts::default();
        let key = Digest::of(b"alice");
        for _ in 0..3 * LIMIT {
            assert_eq!(attempts.begin(key, Timestamp::from_unix(0)), Ok(()));
            attempts.not_made(key);
        }
        assert!(attempts.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_network() {
        let of = |text: &str| source(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
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
