//! Tokens that were verified before.

use std::sync::Arc;

use countersign_jwt::KeySet;
use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::caller::VerifiedCaller;
use crate::decide::LEEWAY;

/// Tokens by their SHA-256, up to so many octets together. What was not used for a while makes room, not
/// strictly the oldest first; tokens that come once do not push out what is used again and again.
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
    /// A signature by a key of this set. Once the issuer's set is another one, it is worth nothing.
    Keys { keys: Arc<KeySet>, kid: Option<String> },
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

/// What an entry takes beside its claims, with the headers in which a service behind is told of them.
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
