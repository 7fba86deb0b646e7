//! Every share, by what a question asks for.

mod by_who;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use self::by_who::{ByWho, less};
use super::{Share, ShareId, Terms, What, Who};
use crate::person::Person;
use crate::policy::Revision;
use crate::protection::Protection;
use crate::resource::ResourceId;

/// So many shares of one owner may say something about the same people and the same resource: a
/// question has to look at each of them.
pub const MAX_ALIKE: usize = 64;

/// The shares of owners, in memory.
///
/// An owner's shares are [loaded](Shares::load) as a whole; as long as they are not, there are
/// none, and nothing is permitted by them.
#[derive(Debug, Default)]
pub struct Shares(HashMap<Protection, Owned>);

/// The shares of one owner at one resource server, ready to be [loaded](Shares::load). There may be
/// many, and to make them ready takes time in which nobody has to wait.
#[derive(Debug, Default)]
pub struct Indexed(Owned);

impl FromIterator<Share> for Indexed {
    fn from_iter<I: IntoIterator<Item = Share>>(shares: I) -> Self {
        let mut owned = Owned::default();
        shares.into_iter().for_each(|share| owned.put(share));
        Self(owned)
    }
}

impl Indexed {
    /// The same without those that are over.
    #[must_use]
    pub fn without_ended(mut self, now: Timestamp) -> Self {
        self.0.end(now);
        self
    }
}

/// Shares in the order in which they were made.
#[must_use]
pub fn in_order(shares: &[Arc<Share>]) -> Vec<Share> {
    let mut shares: Vec<Share> = shares.iter().map(|share| Share::clone(share)).collect();
    shares.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
    shares
}

/// One owner's shares at one resource server.
#[derive(Debug, Default)]
struct Owned {
    all: BTreeMap<ShareId, Arc<Share>>,
    everything: ByWho,
    resources: HashMap<ResourceId, ByWho>,
    /// When what ends.
    ends: BTreeSet<(Timestamp, ShareId)>,
    /// The latest end of what was dropped because it was over.
    dropped: Option<Timestamp>,
    /// The claims that groups go by, and how often.
    claims: BTreeMap<String, usize>,
    /// What [`Owned::mark`] gives for each, by exclusive or: the order in which they came makes no
    /// difference, and one that goes takes itself along.
    sum: [u8; 32],
}

impl Owned {
    fn by_who(&mut self, what: &What) -> &mut ByWho {
        match what {
            What::Everything => &mut self.everything,
            What::Resource(id) => self.resources.entry(id.clone()).or_default(),
        }
    }

    /// What a share adds to the sum. Its identifier is random, and of its terms only whom it keeps
    /// out becomes more.
    fn mark(share: &Share) -> Digest {
        let accounts = share.terms.accounts();
        let accounts = accounts.flat_map(|(issuer, subject)| [issuer.as_str(), subject]);
        let parts = [share.id.as_str()].into_iter().chain(accounts).map(str::as_bytes);
        Digest::of_parts(&parts.collect::<Vec<_>>())
    }

    fn put(&mut self, share: Share) {
        self.remove(&share.id);
        let share = Arc::new(share);
        self.by_who(share.terms.what()).put(&share);
        if let Some(until) = share.terms.until() {
            self.ends.insert((until, share.id.clone()));
        }
        if let Who::Group { claim, .. } = share.terms.who() {
            *self.claims.entry(claim.clone()).or_default() += 1;
        }
        join(&mut self.sum, &Self::mark(&share));
        self.all.insert(share.id.clone(), share);
    }

    fn remove(&mut self, id: &ShareId) -> Option<Arc<Share>> {
        let share = self.all.remove(id)?;
        self.by_who(share.terms.what()).remove(&share);
        if let What::Resource(resource) = share.terms.what()
            && self.resources.get(resource).is_some_and(ByWho::is_empty)
        {
            self.resources.remove(resource);
        }
        if let Some(until) = share.terms.until() {
            self.ends.remove(&(until, id.clone()));
        }
        if let Who::Group { claim, .. } = share.terms.who() {
            less(&mut self.claims, claim);
        }
        join(&mut self.sum, &Self::mark(&share));
        Some(share)
    }

    fn ended(&self, now: Timestamp) -> impl Iterator<Item = &ShareId> {
        let ended = self.ends.iter().take_while(move |(until, _)| *until <= now);
        ended.map(|(_, id)| id)
    }

    /// Drops those that are over.
    fn end(&mut self, now: Timestamp) {
        let ended: Vec<_> = self.ended(now).cloned().collect();
        for share in ended.iter().filter_map(|id| self.remove(id)).collect::<Vec<_>>() {
            self.dropped = self.dropped.max(share.terms.until());
        }
    }

    fn find(&self, id: &ShareId) -> Option<&Share> {
        self.all.get(id).map(|share| &**share)
    }

    /// Those of a thing that the resource is, the narrower first.
    fn of_resource(&self, resource: &ResourceId) -> impl Iterator<Item = &ByWho> {
        self.resources.get(resource).into_iter().chain([&self.everything])
    }
}

impl Shares {
    /// Nobody's.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this owner's shares are here.
    #[must_use]
    pub fn is_loaded(&self, protection: &Protection) -> bool {
        self.0.contains_key(protection)
    }

    /// Whether all of an owner's shares are here that count at this moment: what was dropped
    /// because it was over counts again if the clock was set back, and has to be loaded again.
    #[must_use]
    pub fn is_whole(&self, protection: &Protection, now: Timestamp) -> bool {
        let owned = self.0.get(protection);
        owned.is_some_and(|owned| owned.dropped.is_none_or(|until| until <= now))
    }

    /// Has these shares of an owner, and no others. Gives those that were here: to drop them takes
    /// time, too.
    pub fn load(&mut self, protection: Protection, shares: Indexed) -> Option<Indexed> {
        self.0.insert(protection, shares.0).map(Indexed)
    }

    /// Forgets an owner's shares, until they are loaded again, and gives them.
    pub fn unload(&mut self, protection: &Protection) -> Option<Indexed> {
        self.0.remove(protection).map(Indexed)
    }

    /// One more share of an owner whose shares are here.
    pub fn put(&mut self, protection: &Protection, share: Share) {
        if let Some(owned) = self.0.get_mut(protection) {
            owned.put(share);
        }
    }

    /// One share less.
    pub fn remove(&mut self, protection: &Protection, id: &ShareId) {
        if let Some(owned) = self.0.get_mut(protection) {
            owned.remove(id);
        }
    }

    /// Drops an owner's shares that are over. They count for nothing before that.
    pub fn end(&mut self, protection: &Protection, now: Timestamp) {
        if let Some(owned) = self.0.get_mut(protection) {
            owned.end(now);
        }
    }

    /// One of an owner's shares, if it is not over.
    #[must_use]
    pub fn find(&self, protection: &Protection, id: &ShareId, now: Timestamp) -> Option<&Share> {
        let share = self.0.get(protection)?.all.get(id)?;
        share.terms.is_live(now).then_some(share)
    }

    /// An owner's shares that are not over, in the order in which they were made.
    #[must_use]
    pub fn list(&self, protection: &Protection, now: Timestamp) -> Vec<Share> {
        in_order(&self.live(protection, now))
    }

    /// The same in no order, to be put [in order](in_order) where nobody waits for them.
    #[must_use]
    pub fn live(&self, protection: &Protection, now: Timestamp) -> Vec<Arc<Share>> {
        let owned = self.0.get(protection).into_iter();
        let live = owned.flat_map(|owned| owned.all.values()).filter(|s| s.terms.is_live(now));
        live.cloned().collect()
    }

    /// An owner's shares with one person each that are not over, in the order of their identifiers.
    pub fn of_people<'a>(
        &'a self,
        protection: &Protection,
        range: (Bound<&'a ShareId>, Bound<&'a ShareId>),
        now: Timestamp,
    ) -> impl DoubleEndedIterator<Item = &'a Arc<Share>> {
        let owned = self.0.get(protection).into_iter();
        let all = owned.flat_map(move |owned| owned.all.range::<ShareId, _>(range));
        let is_of_person = |share: &&Arc<Share>| matches!(share.terms.who(), Who::Person(_));
        all.map(|(_, share)| share).filter(is_of_person).filter(move |s| s.terms.is_live(now))
    }

    /// An owner's shares that say something of a resource and are not over, in no order.
    pub fn here<'a>(
        &'a self,
        protection: &Protection,
        resource: &ResourceId,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Arc<Share>> {
        let owned = self.0.get(protection).into_iter();
        let of = owned.flat_map(|owned| owned.of_resource(resource)).flat_map(ByWho::all);
        of.filter(move |share| share.terms.is_live(now))
    }

    /// The shares of one resource, those that are over among them.
    #[must_use]
    pub fn of_resource(&self, protection: &Protection, resource: &ResourceId) -> Vec<ShareId> {
        let of = self.0.get(protection).and_then(|owned| owned.resources.get(resource));
        of.into_iter().flat_map(ByWho::all).map(|share| share.id.clone()).collect()
    }

    /// How many there are of an owner's.
    #[must_use]
    pub fn count(&self, protection: &Protection) -> usize {
        self.0.get(protection).map_or(0, |owned| owned.all.len())
    }

    /// How many there are of the same people and the same thing.
    #[must_use]
    pub fn alike(&self, protection: &Protection, what: &What, who: &Who) -> usize {
        let Some(owned) = self.0.get(protection) else { return 0 };
        let by_who = match what {
            What::Everything => Some(&owned.everything),
            What::Resource(id) => owned.resources.get(id),
        };
        by_who.map_or(0, |by_who| by_who.count(who))
    }

    /// Those shares that can say anything of this person and this scope: of the resource or of
    /// everything, for their address, their domain, a group of theirs or anyone. Whether they
    /// describe the person as a whole is not decided here.
    #[must_use]
    pub fn about(
        &self,
        protection: &Protection,
        resource: &ResourceId,
        scope: &str,
        person: &Person,
        now: Timestamp,
    ) -> Vec<Arc<Share>> {
        let Some(owned) = self.0.get(protection) else { return Vec::new() };
        let about = owned.of_resource(resource).flat_map(|by_who| by_who.of(person));
        let counts = |share: &&Arc<Share>| share.terms.covers(scope) && share.terms.is_live(now);
        // A claim may have the same value twice, and who is kept out is found by more than one way.
        let mut found = HashSet::new();
        about.filter(counts).filter(|share| found.insert(&share.id)).cloned().collect()
    }

    /// Those shares that keep a person out by their address alone, of these resources or of
    /// everything, and do not [know](Terms::knows) them yet.
    #[must_use]
    pub fn unaware<'a>(
        &self,
        protection: &Protection,
        resources: impl Iterator<Item = &'a ResourceId>,
        person: &Person,
    ) -> Vec<ShareId> {
        let Some(owned) = self.0.get(protection) else { return Vec::new() };
        let of = resources.filter_map(|id| owned.resources.get(id)).chain([&owned.everything]);
        let found = of.flat_map(|by_who| by_who.keeping_out(person));
        let can_learn = |terms: &Terms| !terms.knows(person) && terms.has_room();
        found.filter(|share| can_learn(&share.terms)).map(|share| share.id.clone()).collect()
    }

    /// Whether anybody at all could be permitted this scope, or be asked about.
    #[must_use]
    pub fn speak_of(&self, protection: &Protection, resource: &ResourceId, scope: &str) -> bool {
        let Some(owned) = self.0.get(protection) else { return false };
        owned.of_resource(resource).any(|by_who| by_who.opens(scope))
    }

    /// The claims that an owner's groups go by.
    pub fn claims(&self, protection: &Protection) -> impl Iterator<Item = &str> {
        let owned = self.0.get(protection).into_iter();
        owned.flat_map(|owned| owned.claims.keys().map(String::as_str))
    }

    /// Another value as soon as another share of this owner counts, and the same over restarts.
    #[must_use]
    pub fn revision(&self, protection: &Protection, now: Timestamp) -> Revision {
        let mut sum = [0; 32];
        if let Some(owned) = self.0.get(protection) {
            sum = owned.sum;
            for share in owned.ended(now).filter_map(|id| owned.find(id)) {
                join(&mut sum, &Owned::mark(share));
            }
        }
        Revision::of(sum)
    }
}

fn join(sum: &mut [u8; 32], mark: &Digest) {
    for (octet, other) in sum.iter_mut().zip(mark.as_bytes()) {
        *octet ^= other;
    }
}

#[cfg(test)]
mod tests;
