//! Where what is held is found: by owner, and of that by person and by resource.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::BuildHasher as _;

use countersign_store::access_tokens::TokenKey;
use countersign_store::resources::Beside;
use countersign_types::Timestamp;
use countersign_uma::resource::ResourceId;
use countersign_uma::{PersonId, Protection, Rpt};

use super::HoldId;

/// So much is known of one owner at one resource server, the latest of it. What a resource server
/// may obtain ([`Limits`](crate::Limits)) is about as much.
const MAX_OF_A_PLACE: usize = 1 << 20;

/// Where something stands among what is held: by the seconds of its issue before the epoch, so that
/// the latest is the first.
pub(crate) type Mark = (i64, HoldId);

/// What is listed.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    /// Everybody who holds something, once each.
    Everybody,
    /// Everybody who holds something of a resource, once each.
    Resource(&'a ResourceId),
    /// All that a person holds.
    Person(&'a PersonId),
}

/// One that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) mark: Mark,
    holder: u64,
}

/// One permission of what is held. Who and what are hashes: what is shown and ended is the record,
/// which says both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    mark: Mark,
    resource: u64,
    holder: u64,
    until: Timestamp,
}

/// That there is something of a holder at a mark.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Theirs {
    holder: u64,
    mark: Mark,
    until: Timestamp,
}

/// What is held of one owner at one resource server, in the order of its issue and by who holds it.
#[derive(Default)]
struct Place {
    entries: BTreeSet<Entry>,
    theirs: BTreeSet<Theirs>,
}

impl Place {
    fn insert(&mut self, entry: Entry) {
        let Entry { mark, holder, until, .. } = entry;
        self.entries.insert(entry);
        self.theirs.insert(Theirs { holder, mark, until });
    }

    fn remove(&mut self, mark: &Mark) {
        for entry in self.at(*mark).copied().collect::<Vec<_>>() {
            let Entry { mark, holder, until, .. } = entry;
            self.entries.remove(&entry);
            self.theirs.remove(&Theirs { holder, mark, until });
        }
    }

    /// What stands at a mark: one entry for each resource.
    fn at(&self, mark: Mark) -> impl Iterator<Item = &Entry> {
        let first = Entry { mark, resource: 0, holder: 0, until: Timestamp::from_unix(i64::MIN) };
        self.entries.range(first..).take_while(move |entry| entry.mark == mark)
    }

    /// What somebody holds, the latest first.
    fn of(&self, holder: u64) -> impl Iterator<Item = &Entry> {
        let mark = (i64::MIN, HoldId::Rpt(TokenKey::default()));
        let first = Theirs { holder, mark, until: Timestamp::from_unix(i64::MIN) };
        let theirs = self.theirs.range(first..).take_while(move |theirs| theirs.holder == holder);
        theirs.flat_map(|theirs| self.at(theirs.mark))
    }
}

/// All that is held, by owner and resource server.
#[derive(Default)]
pub(super) struct Index {
    hasher: RandomState,
    places: HashMap<Protection, Place>,
}

impl Index {
    pub(super) fn note(&mut self, id: HoldId, rpt: &Rpt, until: Timestamp) {
        let mark = (rpt.issued.as_unix().saturating_neg(), id);
        let holder = match &rpt.person {
            Some(person) => self.holder(&PersonId::of(person)),
            // Whoever they are: as many as there are clients.
            None => self.hasher.hash_one(&rpt.client),
        };
        let resources: Vec<u64> = rpt
            .permissions
            .iter()
            .map(|permission| self.hasher.hash_one(&permission.resource_id))
            .collect();
        let place = self.places.entry(rpt.protection.clone()).or_default();
        for resource in resources {
            place.insert(Entry { mark, resource, holder, until });
        }
        while place.entries.len() > MAX_OF_A_PLACE {
            let Some(last) = place.entries.last().map(|entry| entry.mark) else { break };
            place.remove(&last);
        }
    }

    /// What stands there is not held any more.
    pub(super) fn forget(&mut self, protection: &Protection, mark: &Mark) {
        if let Some(place) = self.places.get_mut(protection) {
            place.remove(mark);
        }
    }

    /// Forgets what is over.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.places.retain(|_, place| {
            place.entries.retain(|entry| now < entry.until);
            place.theirs.retain(|theirs| now < theirs.until);
            !place.entries.is_empty()
        });
    }

    /// Some of a list: those beside a mark, `limit` at most.
    pub(super) fn part(
        &self,
        protection: &Protection,
        of: Of<'_>,
        beside: Beside<&Mark>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Found> {
        let (mut seen, mut part) = (HashSet::new(), VecDeque::new());
        for entry in self.meant(protection, of, now) {
            let is_new = match of {
                // What is of several resources stands there several times, one beside the other.
                Of::Person(_) => part.back().is_none_or(|last: &Found| last.mark != entry.mark),
                Of::Everybody | Of::Resource(_) => seen.insert(entry.holder),
            };
            if !is_new {
                continue;
            }
            match beside {
                Beside::After(mark) if entry.mark <= *mark => continue,
                Beside::Before(mark) if entry.mark >= *mark => break,
                Beside::Start | Beside::After(_) if part.len() == limit => break,
                _ => part.push_back(Found { mark: entry.mark, holder: entry.holder }),
            }
            if part.len() > limit {
                part.pop_front();
            }
        }
        part.into()
    }

    /// One that was found, and what else its holder holds of what is meant, the latest first; those
    /// after a mark, `limit` at most.
    pub(super) fn like(
        &self,
        protection: &Protection,
        of: Of<'_>,
        found: &Found,
        after: Option<&Mark>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Mark> {
        let Some(place) = self.places.get(protection) else { return Vec::new() };
        let is_meant = self.meaning(of, now);
        let theirs = place.of(found.holder).filter(|entry| is_meant(entry));
        let mut marks = Vec::new();
        for entry in theirs.skip_while(|entry| after.is_some_and(|after| entry.mark <= *after)) {
            if marks.last() != Some(&entry.mark) {
                marks.push(entry.mark);
            }
            if marks.len() == limit {
                break;
            }
        }
        marks
    }

    /// What a person got at a resource at this moment or after, the latest first.
    pub(super) fn since(
        &self,
        protection: &Protection,
        person: &PersonId,
        (resource, at): (&ResourceId, Timestamp),
        limit: usize,
        now: Timestamp,
    ) -> Vec<HoldId> {
        let resource = self.hasher.hash_one(resource);
        let since = at.as_unix().saturating_neg();
        let entries = self.meant(protection, Of::Person(person), now);
        let meant = entries.filter(|entry| entry.resource == resource && entry.mark.0 <= since);
        meant.map(|entry| entry.mark.1).take(limit).collect()
    }

    fn meant(
        &self,
        protection: &Protection,
        of: Of<'_>,
        now: Timestamp,
    ) -> impl Iterator<Item = &Entry> {
        let place = self.places.get(protection);
        let all: Option<Box<dyn Iterator<Item = &Entry>>> = match of {
            Of::Person(id) => place.map(|place| Box::new(place.of(self.holder(id))) as _),
            Of::Everybody | Of::Resource(_) => {
                place.map(|place| Box::new(place.entries.iter()) as _)
            }
        };
        let is_meant = self.meaning(of, now);
        all.into_iter().flatten().filter(move |entry| is_meant(entry))
    }

    fn meaning(&self, of: Of<'_>, now: Timestamp) -> impl Fn(&Entry) -> bool + use<> {
        let resource = match of {
            Of::Resource(id) => Some(self.hasher.hash_one(id)),
            Of::Everybody | Of::Person(_) => None,
        };
        move |entry| now < entry.until && resource.is_none_or(|resource| entry.resource == resource)
    }

    fn holder(&self, person: &PersonId) -> u64 {
        self.hasher.hash_one(person)
    }
}

#[cfg(test)]
mod tests;
