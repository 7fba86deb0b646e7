//! How many people an owner has before them at a time, and how many of them one mail domain has.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_store::StoreError;
use countersign_types::{EmailAddress, Lifetime, Timestamp};
use countersign_uma::Protection;

use crate::app::{Uma, registrant};

/// For how long it is taken for granted that no room is left: whoever is refused over and over makes
/// nobody read all cases each time.
const COUNT_STANDS: Lifetime = Lifetime::from_secs(10);

/// How many open cases an owner may have, and for whom none was left when they were last counted.
///
/// Whoever has a mail domain can have as many people in it as they like, each with an issuer of their
/// own, so that a domain has a share of its own. What the owner answered counts no more.
#[derive(Debug)]
pub(crate) struct CaseRoom {
    limit: usize,
    of_a_domain: usize,
    full: Mutex<HashMap<Protection, Full>>,
}

/// Where no room was found, and when.
#[derive(Debug, Default)]
struct Full {
    /// For anybody.
    whole: Option<Timestamp>,
    /// For people of a domain. No more domains can have had their share than shares fit in the whole.
    domains: HashMap<String, Timestamp>,
}

impl CaseRoom {
    pub(crate) fn new(limit: usize, of_a_domain: usize) -> Self {
        Self { limit, of_a_domain, full: Mutex::default() }
    }

    /// Whether people of this domain were found to have no room a moment ago.
    fn is_known_full(&self, protection: &Protection, domain: &str, now: Timestamp) -> bool {
        let full = self.lock();
        let Some(full) = full.get(protection) else { return false };
        let mut counted = full.whole.iter().chain(full.domains.get(domain));
        counted.any(|counted| stands(*counted, now))
    }

    /// Nobody has room.
    fn note_full(&self, protection: &Protection, now: Timestamp) {
        self.lock().entry(protection.clone()).or_default().whole = Some(now);
    }

    /// People of this domain have none.
    fn note_full_for(&self, protection: &Protection, domain: &str, now: Timestamp) {
        let mut full = self.lock();
        let domains = &mut full.entry(protection.clone()).or_default().domains;
        domains.retain(|_, counted| stands(*counted, now));
        domains.insert(domain.to_owned(), now);
    }

    /// The owner answered something.
    pub(crate) fn count_anew(&self, protection: &Protection) {
        self.lock().remove(protection);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Protection, Full>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose share an address counts toward: the last two labels of its domain. Names below them cost
/// their owner nothing.
fn domain_of(email: &EmailAddress) -> &str {
    let domain = email.domain();
    let below = domain.rmatch_indices('.').nth(1).and_then(|(at, _)| domain.get(at..));
    below.map_or(domain, |last| last.trim_start_matches('.'))
}

/// A clock that was set back has things counted anew.
fn stands(counted: Timestamp, now: Timestamp) -> bool {
    counted <= now && now < counted.after(COUNT_STANDS)
}

/// Whether the owner can be asked about one more person, who has this address.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn is_left(
    uma: &Uma,
    protection: &Protection,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (room, domain) = (&uma.case_room, domain_of(email));
    if room.is_known_full(protection, domain, now) {
        return Ok(false);
    }
    let registrant = registrant(protection);
    // As long as all there are would fit, none has to be read.
    if uma.cases.count(&registrant, now).await? < room.limit.min(room.of_a_domain) {
        return Ok(true);
    }
    let (mut all, mut theirs) = (0, 0);
    for case in uma.cases.list(&registrant, now).await? {
        if case.is_open(now) {
            all += 1;
            theirs += usize::from(domain_of(&case.person().email) == domain);
        }
    }
    if all >= room.limit {
        room.note_full(protection, now);
        return Ok(false);
    }
    if theirs >= room.of_a_domain {
        room.note_full_for(protection, domain, now);
        return Ok(false);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use countersign_types::ClientId;
    use countersign_uma::protection::OwnerId;

    use super::*;

    #[test]
    fn who_was_refused_is_counted_again_after_a_moment_or_an_answer() {
        let room = CaseRoom::new(1, 1);
        let of =
            |owner| Protection::new(OwnerId::parse(owner).unwrap(), ClientId::parse("rs").unwrap());
        let (bob, carol) = (of("bob"), of("carol"));
        let (a, b) = ("a.example", "b.example");
        let at = Timestamp::from_unix;
        room.note_full_for(&bob, a, at(100));
        assert!(room.is_known_full(&bob, a, at(109)));
        assert!(!room.is_known_full(&bob, a, at(110)));
        assert!(!room.is_known_full(&bob, a, at(99)), "the clock was set back");
        assert!(!room.is_known_full(&bob, b, at(100)) && !room.is_known_full(&carol, a, at(100)));
        room.note_full_for(&bob, b, at(110));
        assert_eq!(room.lock()[&bob].domains.len(), 1, "what stands no more is dropped");
        room.count_anew(&bob);
        assert!(!room.is_known_full(&bob, b, at(110)));
    }

    #[test]
    fn where_nobody_has_room_no_other_domain_is_counted_for() {
        let room = CaseRoom::new(1, 1);
        let of =
            |owner| Protection::new(OwnerId::parse(owner).unwrap(), ClientId::parse("rs").unwrap());
        let (bob, carol) = (of("bob"), of("carol"));
        let at = Timestamp::from_unix;
        room.note_full(&bob, at(100));
        assert!(room.is_known_full(&bob, "a.example", at(109)));
        assert!(room.is_known_full(&bob, "b.example", at(109)));
        assert!(!room.is_known_full(&bob, "a.example", at(110)));
        assert!(!room.is_known_full(&carol, "a.example", at(100)));
        room.count_anew(&bob);
        assert!(!room.is_known_full(&bob, "a.example", at(100)));
    }

    #[test]
    fn names_below_a_domain_share_with_it() {
        for (email, domain) in [
            ("eve@evil.example", "evil.example"),
            ("eve@a.evil.example", "evil.example"),
            ("eve@b.a.evil.example", "evil.example"),
            ("eve@notevil.example", "notevil.example"),
        ] {
            assert_eq!(domain_of(&EmailAddress::parse(email).unwrap()), domain);
        }
    }
}
