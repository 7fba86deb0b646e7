//! How many people an owner has before them at a time, and how many of them one mail domain has.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::{EmailAddress, Timestamp};
use countersign_uma::{Case, PersonId, Protection};

/// The open cases of each owner at each resource server. They are read once, when the first new person
/// comes after a start; from then on each change of a case is noted in the step that makes it.
///
/// Whoever has a mail domain can have as many people in it as they like, each with an issuer of their
/// own, so that a domain has a share of its own. What the owner answered counts no more.
#[derive(Debug)]
pub(crate) struct CaseRoom {
    limit: usize,
    of_a_domain: usize,
    open: Mutex<HashMap<Protection, Open>>,
}

/// One owner's.
#[derive(Debug, Default)]
struct Open {
    people: HashMap<PersonId, (Domain, Timestamp)>,
    domains: HashMap<Domain, usize>,
    /// When whose question is over.
    ends: BTreeSet<(Timestamp, PersonId)>,
    reading: Reading,
}

type Domain = Arc<str>;

/// How much is known of the cases there were.
#[derive(Debug)]
enum Reading {
    /// They are being read; what was said of these meanwhile is newer.
    Begun(HashSet<PersonId>),
    Done,
}

impl Default for Reading {
    fn default() -> Self {
        Self::Begun(HashSet::new())
    }
}

impl Open {
    /// Counts this person until then, and no more if there is no such time.
    fn note(&mut self, person: PersonId, open: Option<(&str, Timestamp)>) {
        if let Reading::Begun(newer) = &mut self.reading {
            newer.insert(person);
        }
        self.forget(&person);
        let Some((domain, until)) = open else { return };
        let domain: Domain =
            self.domains.get_key_value(domain).map_or(domain.into(), |(d, _)| Arc::clone(d));
        *self.domains.entry(Arc::clone(&domain)).or_default() += 1;
        self.ends.insert((until, person));
        self.people.insert(person, (domain, until));
    }

    fn forget(&mut self, person: &PersonId) {
        let Some((domain, until)) = self.people.remove(person) else { return };
        self.ends.remove(&(until, *person));
        if let Some(count) = self.domains.get_mut(&domain) {
            *count -= 1;
            if *count == 0 {
                self.domains.remove(&domain);
            }
        }
    }

    /// Forgets whose questions are over.
    fn end(&mut self, now: Timestamp) {
        while let Some((until, person)) = self.ends.first().copied()
            && until <= now
        {
            self.forget(&person);
        }
    }
}

impl CaseRoom {
    pub(crate) fn new(limit: usize, of_a_domain: usize) -> Self {
        Self { limit, of_a_domain, open: Mutex::default() }
    }

    /// Whether the cases that there were are known.
    pub(super) fn is_known(&self, protection: &Protection) -> bool {
        let open = self.lock();
        open.get(protection).is_some_and(|open| matches!(open.reading, Reading::Done))
    }

    /// Takes note of every change from now on: the cases there were are about to be read.
    pub(super) fn begin(&self, protection: &Protection) {
        self.lock().entry(protection.clone()).or_default();
    }

    /// The cases as they were read.
    pub(super) fn read(&self, protection: &Protection, cases: &[Case], now: Timestamp) {
        let mut open = self.lock();
        let open = open.entry(protection.clone()).or_default();
        // Another request may have read them at the same time.
        let Reading::Begun(newer) = std::mem::replace(&mut open.reading, Reading::Done) else {
            return;
        };
        for case in cases {
            let person = PersonId::of(case.person());
            if let Some(until) = case.open_until(now).filter(|_| !newer.contains(&person)) {
                open.note(person, Some((domain_of(&case.person().email), until)));
            }
        }
    }

    /// What was noted may not be so: the cases have to be read again.
    pub(super) fn forget(&self, protection: &Protection) {
        self.lock().remove(protection);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Protection, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One person's place before one owner. It is changed in the step that changes their case, where nothing
/// else does.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<CaseRoom>,
    protection: Protection,
    person: PersonId,
}

impl Place {
    pub(super) const fn new(room: Arc<CaseRoom>, protection: Protection, person: PersonId) -> Self {
        Self { room, protection, person }
    }

    /// Whether the owner can be asked about one more person, who has this address.
    pub(super) fn is_left(&self, email: &EmailAddress, now: Timestamp) -> bool {
        let mut open = self.room.lock();
        let open = open.entry(self.protection.clone()).or_default();
        open.end(now);
        let theirs = open.domains.get(domain_of(email)).copied().unwrap_or(0);
        open.people.len() < self.room.limit && theirs < self.room.of_a_domain
    }

    /// The person, who has this address, has a case that is open until then, or none.
    pub(super) fn note(&self, email: &EmailAddress, until: Option<Timestamp>) {
        let mut open = self.room.lock();
        let open = open.entry(self.protection.clone()).or_default();
        open.note(self.person, until.map(|until| (domain_of(email), until)));
    }
}

/// Whose share an address counts toward: the last two labels of its domain. Names below them cost
/// their owner nothing.
fn domain_of(email: &EmailAddress) -> &str {
    let domain = email.domain();
    let below = domain.rmatch_indices('.').nth(1).and_then(|(at, _)| domain.get(at..));
    below.map_or(domain, |last| last.trim_start_matches('.'))
}

#[cfg(test)]
mod tests;
