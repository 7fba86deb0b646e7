//! Tokens that were verified before.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_jwt::KeySet;
use countersign_types::digest::Digest;
use countersign_types::{ScopeSet, Timestamp};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::caller::VerifiedCaller;
use crate::decide::LEEWAY;

/// Tokens by their SHA-256, up to so many octets together. What was not used for a while makes
/// room, not strictly the oldest first; tokens that come once do not push out what is used again
/// and again.
///
/// INVARIANT: a digest stands for one text, so that nobody gets the claims of another's token,
/// whatever the two have in common. The twin of an ECDSA token is another text with another entry,
/// verified for itself.
pub(super) struct Seen(Cache<Digest, Arc<Verified>, Octets>);

/// What a verification came to, and what it rested on.
pub(super) struct Verified {
    pub(super) caller: VerifiedCaller,
    pub(super) times: Times,
    pub(super) rests_on: RestsOn,
}

/// The token's own times.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) issued: Option<Timestamp>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
}

/// Why a verification holds.
pub(super) enum RestsOn {
    /// A signature by a key of this set, which is that of one of the issuers. Once the issuer's set
    /// is another one, it is worth nothing. The token's `kid` is there if the set has no key of
    /// that name.
    Keys { issuer: usize, keys: Arc<KeySet>, lacking: Option<String> },
    /// The issuer's word, good from the moment it was given until another.
    Word { given: Timestamp, until: Timestamp },
}

impl Times {
    /// Whether the token is within its time. The clock may have been set back since it was first
    /// seen, so every bound counts each time.
    pub(super) fn hold(&self, now: Timestamp) -> bool {
        let has_begun =
            |moment: Option<Timestamp>| moment.is_none_or(|moment| moment.before(LEEWAY) <= now);
        has_begun(self.issued)
            && has_begun(self.not_before)
            && self.expires.is_none_or(|expires| now < expires.after(LEEWAY))
    }
}

impl RestsOn {
    /// Whether the issuer's word is still good; a clock that was set back makes it stale.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        match self {
            Self::Keys { .. } => true,
            Self::Word { given, until } => *given <= now && now < *until,
        }
    }
}

/// The scopes of tokens, each set of them once however many tokens have it. Every request compares
/// them: those of a token of its own would be fetched from afar each time.
#[derive(Default)]
pub(super) struct Shared(Mutex<Vec<Arc<ScopeSet>>>);

/// So many sets are known at a time.
const SETS: usize = 64;

impl Shared {
    /// The set that is equal to this one, if it is known; otherwise this one, which is from now on.
    pub(super) fn or_this(&self, scopes: ScopeSet) -> Arc<ScopeSet> {
        // Whole after every statement, so a panic elsewhere does not spoil it.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().find(|known| ***known == scopes) {
            return Arc::clone(same);
        }
        if known.len() == SETS {
            known.clear();
        }
        let new = Arc::new(scopes);
        known.push(Arc::clone(&new));
        new
    }
}

/// What an entry takes beside its claims, with the headers in which a service behind is told of
/// them.
const OVERHEAD: usize = 1024;
/// What a token of ordinary length takes, to tell how many there may be.
const ORDINARY: u64 = 1024;

/// Weighs an entry by the octets it takes.
#[derive(Clone)]
struct Octets;

impl Weighter<Digest, Arc<Verified>> for Octets {
    fn weight(&self, _: &Digest, verified: &Arc<Verified>) -> u64 {
        verified.caller.size().saturating_add(OVERHEAD) as u64
    }
}

impl Seen {
    /// A memory of so many octets; zero remembers nothing.
    pub(super) fn new(octets: u64) -> Self {
        let tokens = usize::try_from(octets / ORDINARY).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(tokens, octets, Octets))
    }

    pub(super) fn get(&self, token: &Digest) -> Option<Arc<Verified>> {
        self.0.get(token)
    }

    pub(super) fn keep(&self, token: Digest, verified: Arc<Verified>) {
        self.0.insert(token, verified);
    }

    pub(super) fn forget(&self, token: &Digest) {
        self.0.remove(token);
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_of_scopes_are_kept_once_and_not_without_end() {
        let set = |number: usize| ScopeSet::parse(&format!("read s{number}")).unwrap();
        let shared = Shared::default();
        let first = shared.or_this(set(0));
        assert!(Arc::ptr_eq(&first, &shared.or_this(set(0))));
        for number in 1..3 * SETS {
            assert_eq!(*shared.or_this(set(number)), set(number));
            assert!(shared.0.lock().unwrap().len() <= SETS);
        }
        assert_eq!(*first, set(0), "it is still the set of those who have it");
    }
}
