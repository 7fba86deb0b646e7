//! How many people an owner has before them at a time, how many of them one mail domain has, who of
//! them waits, and when something happened: what has to be known of all of an owner's cases at
//! once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_store::resources::Beside;
use countersign_types::{EmailAddress, Lifetime, Timestamp};
use countersign_uma::case::Happened;
use countersign_uma::{Case, Person, PersonId, Protection};

use crate::moments::{Latest, Moment, Subject, part};

/// The open cases of each owner at each resource server. They are read once, when the first new
/// person comes after a start; from then on each change of a case is noted in the step that makes
/// it.
///
/// Whoever has a mail domain can have as many people in it as they like, each with an issuer of
/// their own, so that a domain has a share of its own. What the owner answered counts no more.
#[derive(Debug)]
pub(crate) struct CaseRoom {
    limit: usize,
    of_a_domain: usize,
    open: Mutex<HashMap<Protection, Open>>,
}

/// One owner's.
#[derive(Debug, Default)]
struct Open {
    people: HashMap<PersonId, Known>,
    domains: HashMap<Domain, usize>,
    /// When whose question is over.
    ends: BTreeSet<(Timestamp, PersonId)>,
    /// Who waits for the owner, the first who asked first.
    waiting: BTreeSet<Moment>,
    /// When the owner said something in whose case.
    said: Latest,
    /// When they were asked. Anybody can ask, so that these have a bound of their own: they take no
    /// room from what the owner said.
    asked: Latest,
    begun: Begun,
    reading: Reading,
    /// The latest moment by which a case was not open.
    latest: Option<Timestamp>,
}

type Domain = Arc<str>;

/// An open case.
#[derive(Debug)]
struct Known {
    domain: Domain,
    until: Timestamp,
    since: Option<Timestamp>,
}

/// What is noted of a case.
#[derive(Debug)]
pub(super) struct Note {
    person: PersonId,
    open: Option<Stands>,
    happened: Vec<(Happening, Timestamp)>,
}

/// Whose word an event of a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Asked,
    Said,
}

impl Happening {
    fn of(what: &Happened) -> Self {
        if what.is_owners() { Self::Said } else { Self::Asked }
    }
}

/// How an open case stands: whose share it counts toward, until when, and since when it waits for
/// the owner, if it does.
#[derive(Debug)]
struct Stands {
    domain: String,
    until: Timestamp,
    since: Option<Timestamp>,
}

impl Stands {
    fn of(case: &Case, now: Timestamp) -> Option<Self> {
        let (domain, since) = (domain_of(&case.person().email), case.waits_since(now));
        let stands = |until| Self { domain: domain.to_owned(), until, since };
        case.open_until(now).map(stands)
    }
}

impl Note {
    /// What has to be known of a case that was read.
    pub(super) fn of(case: &Case, now: Timestamp) -> Self {
        let events = case.history().iter();
        let happened = events.map(|event| (Happening::of(&event.what), event.at)).collect();
        Self { person: PersonId::of(case.person()), open: Stands::of(case, now), happened }
    }
}

/// How much is known of the cases there were.
#[derive(Debug)]
enum Reading {
    /// They are being read; what was said of these meanwhile is newer.
    Begun {
        newer: HashSet<PersonId>,
    },
    Done,
}

impl Default for Reading {
    fn default() -> Self {
        Self::Begun { newer: HashSet::new() }
    }
}

/// Since when every change of a case is noted: from one that was forgotten meanwhile on, nothing
/// was.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun(Arc<()>);

impl Begun {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Two requests may differ so much about the time without a clock having been set back.
const TOLERANCE: Lifetime = Lifetime::from_secs(60);

impl Open {
    /// Counts this person as their case stands, and no more if it is not open.
    fn note(&mut self, person: PersonId, open: Option<Stands>) {
        if let Reading::Begun { newer, .. } = &mut self.reading {
            newer.insert(person);
        }
        self.forget(&person);
        let Some(Stands { domain, until, since }) = open else { return };
        let known = self.domains.get_key_value(domain.as_str()).map(|(known, _)| Arc::clone(known));
        let domain: Domain = known.unwrap_or_else(|| domain.into());
        *self.domains.entry(Arc::clone(&domain)).or_default() += 1;
        self.ends.insert((until, person));
        self.waiting.extend(since.map(|since| waits(since, person)));
        self.people.insert(person, Known { domain, until, since });
    }

    fn forget(&mut self, person: &PersonId) {
        let Some(Known { domain, until, since }) = self.people.remove(person) else { return };
        self.ends.remove(&(until, *person));
        if let Some(since) = since {
            self.waiting.remove(&waits(since, *person));
        }
        if let Some(count) = self.domains.get_mut(&domain) {
            *count -= 1;
            if *count == 0 {
                self.domains.remove(&domain);
            }
        }
    }

    /// Something happened to this person's case.
    fn happened(&mut self, person: PersonId, what: Happening, at: Timestamp) {
        let list = match what {
            Happening::Asked => &mut self.asked,
            Happening::Said => &mut self.said,
        };
        list.note(at, Subject::Person(person));
    }

    /// Forgets whose questions are over.
    fn end(&mut self, now: Timestamp) {
        while let Some((until, person)) = self.ends.first().copied()
            && until <= now
        {
            self.latest = self.latest.max(Some(now));
            self.forget(&person);
        }
    }
}

impl CaseRoom {
    pub(crate) fn new(limit: usize, of_a_domain: usize) -> Self {
        Self { limit, of_a_domain, open: Mutex::default() }
    }

    /// Whether the cases that there were are known. What was over by a clock that has been set back
    /// since may be open again, so that all is forgotten then.
    pub(super) fn is_known(&self, protection: &Protection, now: Timestamp) -> bool {
        let mut open = self.lock();
        let Some(known) = open.get(protection) else { return false };
        let is_known = matches!(known.reading, Reading::Done);
        if is_known && known.latest.is_some_and(|latest| now.after(TOLERANCE) < latest) {
            open.remove(protection);
            return false;
        }
        is_known
    }

    /// Takes note of every change from now on: the cases there were are about to be read.
    pub(super) fn begin(&self, protection: &Protection) -> Begun {
        self.lock().entry(protection.clone()).or_default().begun.clone()
    }

    /// The cases as they were read at this moment, after reading was begun: whether they are known
    /// now. They are not if what was noted since was forgotten, and have to be read again.
    pub(super) fn read(
        &self,
        protection: &Protection,
        began: &Begun,
        cases: Vec<Note>,
        now: Timestamp,
    ) -> bool {
        let mut open = self.lock();
        let Some(open) = open.get_mut(protection) else { return false };
        let newer = match &mut open.reading {
            Reading::Begun { newer } if open.begun.is(began) => std::mem::take(newer),
            Reading::Begun { .. } => return false,
            // Another request has read them at the same time.
            Reading::Done => return true,
        };
        open.reading = Reading::Done;
        open.latest = open.latest.max(Some(now));
        for Note { person, open: stands, happened } in cases {
            if stands.is_some() && !newer.contains(&person) {
                open.note(person, stands);
            }
            for (what, at) in happened {
                open.happened(person, what, at);
            }
        }
        true
    }

    /// Who waits for the owner, the first who asked first: those next to somebody and they
    /// themselves, `limit` at most beside them.
    pub(crate) fn waiting(
        &self,
        protection: &Protection,
        beside: Beside<&Moment>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Moment> {
        let mut open = self.lock();
        let Some(open) = open.get_mut(protection) else { return Vec::new() };
        open.end(now);
        part(&open.waiting, beside, limit)
    }

    /// When something happened, the latest first: likewise, and perhaps a few more.
    pub(crate) fn happened(
        &self,
        protection: &Protection,
        beside: Beside<&Moment>,
        limit: usize,
    ) -> Vec<Moment> {
        let open = self.lock();
        let Some(open) = open.get(protection) else { return Vec::new() };
        let mut happened = open.said.part(beside, limit);
        happened.extend(open.asked.part(beside, limit));
        // They may have been asked and have answered at the same moment.
        happened.sort_unstable();
        happened.dedup();
        happened
    }

    /// Whether a question about this person is known to be open.
    pub(crate) fn is_open(&self, protection: &Protection, person: &Person) -> bool {
        let open = self.lock();
        let Some(open) = open.get(protection) else { return false };
        !open.people.is_empty() && open.people.contains_key(&PersonId::of(person))
    }

    /// What happened then to this person's case is not known any more.
    pub(crate) fn is_over(&self, protection: &Protection, moment: &Moment) {
        if let Some(open) = self.lock().get_mut(protection) {
            open.said.remove(moment);
            open.asked.remove(moment);
        }
    }

    /// One of the cases is about to be changed, and noted in that step.
    pub(super) fn changing(self: &Arc<Self>, protection: &Protection) -> Changing {
        let (room, begun) = (Arc::clone(self), self.begin(protection));
        Changing { room, protection: protection.clone(), begun, is_known: false }
    }

    /// What was noted may not be so: the cases have to be read again.
    fn forget(&self, protection: &Protection) {
        self.lock().remove(protection);
    }

    /// Whether nothing was forgotten since then.
    fn knows_since(&self, protection: &Protection, begun: &Begun) -> bool {
        self.lock().get(protection).is_some_and(|open| open.begun.is(begun))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Protection, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of a case, which is noted and may not be kept. Whatever comes of it, a panic too:
/// unless it is kept, all that was noted is forgotten.
#[derive(Debug)]
pub(super) struct Changing {
    room: Arc<CaseRoom>,
    protection: Protection,
    begun: Begun,
    is_known: bool,
}

impl Changing {
    /// It is as it was noted. If that was forgotten meanwhile, what was read since may have been
    /// read before it was kept.
    pub(super) fn kept(mut self) {
        self.is_known = self.room.knows_since(&self.protection, &self.begun);
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        if !self.is_known {
            self.room.forget(&self.protection);
        }
    }
}

/// One person's place before one owner. It is changed in the step that changes their case, where
/// nothing else does.
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

    /// The person has this case now, to which something has just happened.
    pub(super) fn note(&self, case: &Case, now: Timestamp) {
        let stands = Stands::of(case, now);
        let mut open = self.room.lock();
        let open = open.entry(self.protection.clone()).or_default();
        open.note(self.person, stands);
        if let Some(event) = case.history().last() {
            open.happened(self.person, Happening::of(&event.what), now);
        }
    }
}

/// Where somebody stands among those who wait.
const fn waits(since: Timestamp, person: PersonId) -> Moment {
    (since.as_unix(), Subject::Person(person))
}

/// Whose share an address counts toward: the last two labels of its domain. Names below them cost
/// their owner nothing.
pub(crate) fn domain_of(email: &EmailAddress) -> &str {
    let domain = email.domain();
    let below = domain.rmatch_indices('.').nth(1).and_then(|(at, _)| domain.get(at..));
    below.map_or(domain, |last| last.trim_start_matches('.'))
}

#[cfg(test)]
mod tests;
