//! Who was turned away lately by policy, and what spoke against them: what an owner sees, and the
//! client does not. The log has all of it.
//!
//! It is in memory, and bounded, since anybody with a provider can be turned away as often as they
//! like: there is one entry for a person and a resource, a mail domain has a share of its own, and
//! where there is no more room, whoever has most of it makes some.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::{ClientId, Lifetime, Timestamp};
use countersign_uma::assessment::NotPermitted;
use countersign_uma::resource::ResourceId;
use countersign_uma::{Person, PersonId, Protection};

use crate::audit::AssessmentRecord;
use crate::owner::domain_of;

/// So many are remembered of one owner at one resource server, the latest.
pub(crate) const MAX: usize = 1000;

/// So many of them have their addresses in one mail domain: its last two labels count.
pub(crate) const MAX_OF_A_DOMAIN: usize = 100;

/// So many are remembered of all owners; where there are more, who has most of them makes room.
const MAX_OF_ALL: usize = 50_000;

/// So long somebody is remembered.
const REMEMBERED: Lifetime = Lifetime::from_secs(86_400);

/// Somebody who was turned away at a resource.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    /// Who, and none of their claims.
    pub(crate) person: Person,
    /// Through which client, the last time.
    pub(crate) client: ClientId,
    pub(crate) resource_id: ResourceId,
    /// What was not permitted the last time, and why.
    pub(crate) scopes: Vec<NotPermitted>,
    /// The last time.
    pub(crate) at: Timestamp,
    /// The first, and how often it was since then.
    pub(crate) first: Timestamp,
    pub(crate) count: u64,
}

/// Who at which resource.
type Key = (PersonId, ResourceId);

/// When, by the seconds before the epoch, so that the latest is the first; and who at which
/// resource.
pub(crate) type Mark = (i64, PersonId, ResourceId);

impl Denial {
    /// Where it stands.
    pub(crate) fn mark(&self) -> Mark {
        let since = self.at.as_unix().saturating_neg();
        (since, PersonId::of(&self.person), self.resource_id.clone())
    }
}

/// Who was turned away lately.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway(Mutex<HashMap<Protection, Place>>);

/// By one owner at one resource server.
#[derive(Debug, Default)]
struct Place {
    known: HashMap<Key, Arc<Denial>>,
    latest: BTreeSet<Mark>,
    domains: BTreeMap<String, BTreeSet<Mark>>,
}

impl TurnedAway {
    /// Takes note of what an assessment did not permit a person who is known.
    pub(crate) fn note(&self, record: AssessmentRecord) {
        let AssessmentRecord { at, client, protection, person, refused, .. } = record;
        let (Some(client), Some(protection), Some(person)) = (client, protection, person) else {
            return;
        };
        let person = person.with_only(&BTreeSet::new());
        let mut by_resource: BTreeMap<ResourceId, Vec<NotPermitted>> = BTreeMap::new();
        for one in refused {
            by_resource.entry(one.resource_id.clone()).or_default().push(one);
        }
        let mut places = self.lock();
        let place = places.entry(protection).or_default();
        for (resource_id, scopes) in by_resource {
            let (person, client) = (person.clone(), client.clone());
            place.note(Denial { person, client, resource_id, scopes, at, first: at, count: 1 });
        }
        make_room(&mut places, at);
    }

    /// Who was turned away by this owner at this resource server, the latest first.
    pub(crate) fn of(&self, protection: &Protection, now: Timestamp) -> Vec<Arc<Denial>> {
        let mut places = self.lock();
        let Some(place) = places.get_mut(protection) else { return Vec::new() };
        place.end(now);
        let find = |(_, person, resource): &Mark| place.known.get(&(*person, resource.clone()));
        place.latest.iter().filter_map(find).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Protection, Place>> {
        // INVARIANT: what stands in one of the lists of a place alone is not shown, and leaves with
        // the next.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is over, and what is too much in all.
fn make_room(places: &mut HashMap<Protection, Place>, now: Timestamp) {
    // As long as there are few owners, each has its own bound.
    if places.len() <= MAX_OF_ALL / MAX {
        return;
    }
    let mut all: usize = places.values().map(|place| place.latest.len()).sum();
    if all > MAX_OF_ALL {
        places.values_mut().for_each(|place| place.end(now));
        places.retain(|_, place| !place.latest.is_empty());
        all = places.values().map(|place| place.latest.len()).sum();
    }
    while all > MAX_OF_ALL {
        let most = places.values_mut().max_by_key(|place| place.latest.len());
        let Some(last) = most.and_then(Place::remove_last) else { return };
        drop(last);
        all -= 1;
    }
}

impl Place {
    /// Forgets what is over.
    fn end(&mut self, now: Timestamp) {
        while self.latest.last().is_some_and(|(since, ..)| {
            Timestamp::from_unix(since.saturating_neg()).after(REMEMBERED) <= now
        }) {
            self.remove_last();
        }
    }

    fn remove_last(&mut self) -> Option<Arc<Denial>> {
        let (_, person, resource) = self.latest.last().cloned()?;
        self.remove(&(person, resource))
    }

    fn note(&mut self, mut denial: Denial) {
        let (_, person, resource) = denial.mark();
        if let Some(before) = self.remove(&(person, resource)) {
            denial.first = before.first;
            denial.count = before.count.saturating_add(1);
        }
        let domain = domain_of(&denial.person.email).to_owned();
        if self.domains.get(&domain).is_some_and(|theirs| theirs.len() >= MAX_OF_A_DOMAIN) {
            self.remove_last_of(&domain);
        } else if self.latest.len() >= MAX {
            let most = self.domains.iter().max_by_key(|(_, theirs)| theirs.len());
            if let Some(most) = most.map(|(domain, _)| domain.clone()) {
                self.remove_last_of(&most);
            }
        }
        let mark @ (_, person, _) = denial.mark();
        let resource = denial.resource_id.clone();
        self.latest.insert(mark.clone());
        self.domains.entry(domain).or_default().insert(mark);
        self.known.insert((person, resource), Arc::new(denial));
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<Denial>> {
        let denial = self.known.remove(key)?;
        let (mark, domain) = (denial.mark(), domain_of(&denial.person.email));
        self.latest.remove(&mark);
        if let Some(theirs) = self.domains.get_mut(domain) {
            theirs.remove(&mark);
            if theirs.is_empty() {
                self.domains.remove(domain);
            }
        }
        Some(denial)
    }

    fn remove_last_of(&mut self, domain: &str) {
        let last = self.domains.get(domain).and_then(|theirs| theirs.last().cloned());
        if let Some((_, person, resource)) = last {
            self.remove(&(person, resource));
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::ScopeSet;
    use countersign_uma::policy::Reason;
    use serde_json::json;

    use super::*;

    fn protection(owner: &str) -> Protection {
        serde_json::from_value(json!({"owner": owner, "resource_server": "rs"})).unwrap()
    }

    fn record(owner: &str, email: &str, resources: &[&str], at: i64) -> AssessmentRecord {
        let mut record = AssessmentRecord::new(Timestamp::from_unix(at));
        record.client = Some(ClientId::parse("app").unwrap());
        record.protection = Some(protection(owner));
        record.person = serde_json::from_value(json!({
            "iss": "https://sts.example", "sub": email, "email": email, "present": true,
            "claims": {"department": "research"},
        }))
        .unwrap();
        let scopes = ScopeSet::parse("get put").unwrap();
        for id in resources {
            record.refused.extend(scopes.iter().map(|scope| NotPermitted {
                resource_id: ResourceId::parse(id).unwrap(),
                scope: scope.clone(),
                why: vec![Reason::Missing("department".to_owned())],
            }));
        }
        record
    }

    fn people(turned_away: &TurnedAway, owner: &str) -> Vec<(String, String, u64)> {
        let found = turned_away.of(&protection(owner), Timestamp::from_unix(0)).into_iter();
        let one =
            |it: Arc<Denial>| (it.person.email.to_string(), it.resource_id.to_string(), it.count);
        found.map(one).collect()
    }

    #[test]
    fn whoever_comes_often_stands_there_once_for_each_resource() {
        let turned_away = TurnedAway::default();
        turned_away.note(record("bob", "a@a.example", &["r", "s"], 10));
        turned_away.note(record("bob", "b@a.example", &["r"], 20));
        turned_away.note(record("bob", "a@a.example", &["r"], 30));
        let entry = |who: &str, what: &str, count| (who.to_owned(), what.to_owned(), count);
        let expected = [
            entry("a@a.example", "r", 2),
            entry("b@a.example", "r", 1),
            entry("a@a.example", "s", 1),
        ];
        assert_eq!(people(&turned_away, "bob"), expected);
        let latest = &turned_away.of(&protection("bob"), Timestamp::from_unix(30))[0];
        assert_eq!((latest.first.as_unix(), latest.at.as_unix()), (10, 30));
        assert_eq!(latest.scopes.len(), 2);
        assert!(latest.person.claims.is_empty(), "of their claims nothing is kept");
        // A day later it is over, one after the other.
        let day = i64::from(REMEMBERED.as_secs());
        let left = |now| turned_away.of(&protection("bob"), Timestamp::from_unix(now)).len();
        assert_eq!((left(day + 9), left(day + 10), left(day + 20), left(day + 30)), (3, 2, 1, 0));
        // U6, U7: each owner's are their own.
        assert!(people(&turned_away, "bobr").is_empty());
        // Nobody is told of whom nothing is known.
        let mut nobody = record("eve", "a@a.example", &["r"], 10);
        nobody.person = None;
        turned_away.note(nobody);
        assert!(people(&turned_away, "eve").is_empty());
    }

    /// A stranger with a domain of their own fills a tenth, and pushes nobody else out.
    #[test]
    fn a_stranger_fills_no_more_than_a_share() {
        let turned_away = TurnedAway::default();
        turned_away.note(record("bob", "alice@alice.example", &["r"], 1));
        for number in 0..2 * i64::try_from(MAX).unwrap() {
            let email = format!("n{number}@d{number}.eve.example");
            turned_away.note(record("bob", &email, &["r"], 10 + number));
        }
        let known = people(&turned_away, "bob");
        assert_eq!(known.len(), 1 + MAX_OF_A_DOMAIN);
        assert_eq!(known[0].0, format!("n{0}@d{0}.eve.example", 2 * MAX - 1), "the latest");
        assert_eq!(known.last().unwrap().0, "alice@alice.example");
        // With as many domains as they like: those who have most make room.
        for number in 0..2 * i64::try_from(MAX).unwrap() {
            let email = format!("x@d{}.example", number % 50);
            turned_away.note(record("bob", &email, &[&format!("r{number}")], 10_000 + number));
        }
        let known = people(&turned_away, "bob");
        assert_eq!(known.len(), MAX);
        assert_eq!(known.last().unwrap().0, "alice@alice.example");
        let place = &turned_away.lock()[&protection("bob")];
        assert_eq!((place.latest.len(), place.known.len()), (MAX, MAX));
        assert_eq!(place.domains.values().map(BTreeSet::len).sum::<usize>(), MAX);
    }

    #[test]
    fn all_owners_together_have_a_bound() {
        let turned_away = TurnedAway::default();
        let resources: Vec<_> = (0..MAX_OF_A_DOMAIN).map(|number| format!("r{number}")).collect();
        let resources: Vec<_> = resources.iter().map(String::as_str).collect();
        let owners = MAX_OF_ALL / MAX_OF_A_DOMAIN + 5;
        for number in 0..owners {
            turned_away.note(record(&format!("o{number}"), "x@eve.example", &resources, 10));
        }
        turned_away.note(record("bob", "alice@alice.example", &["r"], 1));
        let all = turned_away.lock().values().map(|place| place.latest.len()).sum::<usize>();
        assert_eq!(all, MAX_OF_ALL);
        assert_eq!(people(&turned_away, "bob").len(), 1, "whoever has most made room");
        // When all of it is over, nothing is left of it.
        let day = i64::from(REMEMBERED.as_secs());
        turned_away.note(record("carol", "alice@alice.example", &["r"], day + 10));
        assert_eq!(turned_away.lock().len(), 1);
    }
}
