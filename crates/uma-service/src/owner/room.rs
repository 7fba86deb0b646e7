//! How many people an owner has before them at a time, and how many of them one issuer vouches for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_store::StoreError;
use countersign_types::{Issuer, Lifetime, Timestamp};
use countersign_uma::Protection;

use crate::app::{Uma, registrant};

/// For how long it is taken for granted that no room is left: whoever is refused over and over makes
/// nobody read all cases each time.
const COUNT_STANDS: Lifetime = Lifetime::from_secs(10);

/// How many open cases an owner may have, and for whom none was left when they were last counted.
///
/// Anybody can run an issuer and vouch for as many people as they like, so that one has a share of its
/// own. What the owner answered counts no more.
#[derive(Debug)]
pub(crate) struct CaseRoom {
    limit: usize,
    of_an_issuer: usize,
    full: Mutex<HashMap<Protection, HashMap<Issuer, Timestamp>>>,
}

impl CaseRoom {
    pub(crate) fn new(limit: usize, of_an_issuer: usize) -> Self {
        Self { limit, of_an_issuer, full: Mutex::default() }
    }

    /// Whether people of this issuer were found to have no room a moment ago.
    fn is_known_full(&self, protection: &Protection, issuer: &Issuer, now: Timestamp) -> bool {
        let full = self.lock();
        let counted = full.get(protection).and_then(|issuers| issuers.get(issuer));
        counted.is_some_and(|counted| stands(*counted, now))
    }

    fn note_full(&self, protection: &Protection, issuer: &Issuer, now: Timestamp) {
        let mut full = self.lock();
        let issuers = full.entry(protection.clone()).or_default();
        issuers.retain(|_, counted| stands(*counted, now));
        issuers.insert(issuer.clone(), now);
    }

    /// The owner answered something.
    pub(crate) fn count_anew(&self, protection: &Protection) {
        self.lock().remove(protection);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Protection, HashMap<Issuer, Timestamp>>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that was set back has things counted anew.
fn stands(counted: Timestamp, now: Timestamp) -> bool {
    counted <= now && now < counted.after(COUNT_STANDS)
}

/// Whether the owner can be asked about one more person of this issuer.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn is_left(
    uma: &Uma,
    protection: &Protection,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let room = &uma.case_room;
    if room.is_known_full(protection, issuer, now) {
        return Ok(false);
    }
    let registrant = registrant(protection);
    // As long as all there are would fit, none has to be read.
    if uma.cases.count(&registrant, now).await? < room.limit.min(room.of_an_issuer) {
        return Ok(true);
    }
    let (mut all, mut theirs) = (0, 0);
    for case in uma.cases.list(&registrant, now).await? {
        if case.is_open(now) {
            all += 1;
            theirs += usize::from(case.person().iss == *issuer);
        }
    }
    let is_left = all < room.limit && theirs < room.of_an_issuer;
    if !is_left {
        room.note_full(protection, issuer, now);
    }
    Ok(is_left)
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
        let [a, b] =
            ["a", "b"].map(|name| Issuer::parse(&format!("https://{name}.example")).unwrap());
        let at = Timestamp::from_unix;
        room.note_full(&bob, &a, at(100));
        assert!(room.is_known_full(&bob, &a, at(109)));
        assert!(!room.is_known_full(&bob, &a, at(110)));
        assert!(!room.is_known_full(&bob, &a, at(99)), "the clock was set back");
        assert!(!room.is_known_full(&bob, &b, at(100)) && !room.is_known_full(&carol, &a, at(100)));
        room.note_full(&bob, &b, at(110));
        assert_eq!(room.lock()[&bob].len(), 1, "what stands no more is dropped");
        room.count_anew(&bob);
        assert!(!room.is_known_full(&bob, &b, at(110)));
    }
}
