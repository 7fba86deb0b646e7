//! Identity tokens that are used again until shortly before they end.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::secret::AccessToken;
use countersign_types::{EmailAddress, ResourceIdentifier, Timestamp};

/// So many are kept at most.
const MOST: usize = 4096;

/// For whom an identity token is, and the digest of the subject token it was exchanged for: another
/// one of the same person may say that somebody else acted before.
pub(super) type Key = (ResourceIdentifier, Digest);

/// An identity token and the person it is about.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) token: AccessToken,
    pub(super) person: EmailAddress,
    pub(super) until: Timestamp,
}

/// An identity token on its way to a relying party.
pub(super) struct Used {
    pub(super) token: AccessToken,
    pub(super) key: Key,
    /// It was used before: the relying party may have changed its mind about it.
    pub(super) was_kept: bool,
}

/// The tokens that are kept.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<Key, Kept>>);

impl Tokens {
    /// The token that is kept for this person, unless it ends.
    pub(super) fn get(
        &self,
        key: &Key,
        person: &EmailAddress,
        now: Timestamp,
    ) -> Option<AccessToken> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get(key).filter(|kept| kept.person == *person && now < kept.until);
        kept.map(|kept| kept.token.clone())
    }

    /// Keeps this one no longer. Another that came in its place meanwhile stays.
    pub(super) fn forget(&self, key: &Key, token: &AccessToken) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(key).is_some_and(|kept| kept.token.ct_eq(token.expose())) {
            all.remove(key);
        }
    }

    /// Keeps a token. What has ended goes, and what ends first makes room.
    pub(super) fn keep(&self, key: Key, kept: Kept, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, kept| now < kept.until);
        if all.len() >= MOST {
            let ends_first = all.iter().min_by_key(|(_, kept)| kept.until);
            let ends_first = ends_first.map(|(key, _)| key.clone());
            ends_first.and_then(|key| all.remove(&key));
        }
        all.insert(key, kept);
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::Lifetime;

    use super::*;

    #[test]
    fn what_ends_first_makes_room() {
        let now = Timestamp::from_unix(1_800_000_000);
        let rp = ResourceIdentifier::parse("https://rp.bob.example").unwrap();
        let alice = EmailAddress::parse("alice@alice.example").unwrap();
        let key = |n: usize| (rp.clone(), Digest::of(&n.to_be_bytes()));
        let tokens = Tokens::default();
        for n in 0..MOST + 2 {
            let until = now.after(Lifetime::from_secs(u32::try_from(n).unwrap() + 1));
            let kept = Kept { token: AccessToken::new("t"), person: alice.clone(), until };
            tokens.keep(key(n), kept, now);
        }
        for (n, is_there) in [(0, false), (1, false), (2, true), (MOST + 1, true)] {
            assert_eq!(tokens.get(&key(n), &alice, now).is_some(), is_there, "{n}");
        }
        let carol = EmailAddress::parse("carol@alice.example").unwrap();
        assert!(tokens.get(&key(2), &carol, now).is_none(), "another person");
        let later = now.after(Lifetime::from_secs(3));
        assert!(tokens.get(&key(2), &alice, later).is_none(), "ended");
    }
}
