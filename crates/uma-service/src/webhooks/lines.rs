//! Who waits to be told what: a line for each owner, in memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::{Lifetime, Timestamp};
use countersign_uma::protection::OwnerId;
use countersign_uma::{PersonId, Protection};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

/// The case that somebody is to be told of.
pub(super) type Place = (Protection, PersonId);

/// The window of the limits.
pub(super) const HOUR: Lifetime = Lifetime::from_secs(3600);

/// The lines. What is in them says only where to look.
#[derive(Debug)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    an_hour: u32,
    of_a_person: u32,
    owners: Mutex<HashMap<OwnerId, Waiting>>,
    changed: Notify,
}

/// One owner's.
#[derive(Debug, Default)]
struct Waiting {
    places: VecDeque<Place>,
    /// Those that stand aside until then, which is the same moment for all of a window.
    aside: VecDeque<(Instant, Place)>,
    /// Both of these.
    known: HashSet<Place>,
    /// Somebody is telling them.
    is_served: bool,
    sent: Option<Window>,
}

/// What was sent to an owner since it began.
#[derive(Debug)]
struct Window {
    start: Timestamp,
    all: u32,
    /// The notices about each person, by `jti`: they may be tried again.
    people: HashMap<PersonId, HashSet<String>>,
    /// How many there are of the people of each mail domain.
    domains: HashMap<String, u32>,
}

/// Why nothing more is sent for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The owner was told as often as they are within an hour.
    Owner(Lifetime),
    /// So many notices about this person were sent to them.
    Person(Lifetime),
    /// As many about people of this person's domain as are left to all others.
    Domain(Lifetime),
}

/// One owner's line, for whoever serves it. It is nobody's again when this is dropped.
#[derive(Debug)]
pub(super) struct Line {
    shared: Arc<Shared>,
    owner: OwnerId,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(waiting) = self.shared.lock().get_mut(&self.owner) {
            waiting.is_served = false;
        }
        // Something may have come since it was found empty.
        self.shared.changed.notify_one();
    }
}

/// One that is put into its owner's line when this is dropped.
#[derive(Debug)]
pub(super) struct ToAdd<'a> {
    lines: &'a Lines,
    place: Option<Place>,
}

impl ToAdd<'_> {
    /// There is nothing to tell.
    pub(super) fn withdraw(mut self) {
        self.place = None;
    }
}

impl Drop for ToAdd<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.lines.add(place);
        }
    }
}

impl Shared {
    /// INVARIANT: every change under the lock leaves whole lines, however far it got.
    fn lock(&self) -> MutexGuard<'_, HashMap<OwnerId, Waiting>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// So many are sent to an owner in an hour, and so many of them about one person.
    pub(super) fn new(an_hour: u32, of_a_person: u32) -> Self {
        let (owners, changed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { an_hour, of_a_person, owners, changed }))
    }

    /// Puts one at the end of its owner's line, unless it is there.
    pub(super) fn add(&self, place: Place) {
        let mut owners = self.0.lock();
        let waiting = owners.entry(place.0.owner.clone()).or_default();
        if waiting.known.insert(place.clone()) {
            waiting.places.push_back(place);
        }
        drop(owners);
        self.0.changed.notify_one();
    }

    /// The same at the end of a change that may give something to tell, whatever becomes of it.
    pub(super) const fn to_add(&self, place: Place) -> ToAdd<'_> {
        ToAdd { lines: self, place: Some(place) }
    }

    /// Puts these into their lines, the oldest first. Nobody stands aside any more.
    pub(super) fn add_all(&self, mut places: Vec<(Timestamp, Place)>) {
        for waiting in self.0.lock().values_mut() {
            let aside = std::mem::take(&mut waiting.aside);
            waiting.places.extend(aside.into_iter().map(|(_, place)| place));
        }
        places.sort_by_key(|(at, _)| *at);
        for (_, place) in places {
            self.add(place);
        }
    }

    /// Has one stand aside for so long, and then at the end of its owner's line.
    pub(super) fn set_aside(&self, place: Place, wait: Duration) {
        let mut owners = self.0.lock();
        let waiting = owners.entry(place.0.owner.clone()).or_default();
        if waiting.known.insert(place.clone()) {
            waiting.aside.push_back((Instant::now() + wait, place));
        }
        drop(owners);
        self.0.changed.notify_one();
    }

    /// When the first of those that stand aside comes back.
    pub(super) fn comes_back(&self) -> Option<Instant> {
        let owners = self.0.lock();
        owners.values().filter_map(|waiting| waiting.aside.front()).map(|(until, _)| *until).min()
    }

    /// A line in which somebody waits and that nobody serves.
    pub(super) fn next(&self) -> Option<Line> {
        let now = Instant::now();
        let mut owners = self.0.lock();
        for waiting in owners.values_mut() {
            while waiting.aside.front().is_some_and(|(until, _)| *until <= now)
                && let Some((_, place)) = waiting.aside.pop_front()
            {
                waiting.places.push_back(place);
            }
        }
        let mut waiting = owners.iter_mut();
        let (owner, waiting) =
            waiting.find(|(_, waiting)| !waiting.is_served && !waiting.places.is_empty())?;
        waiting.is_served = true;
        Some(Line { shared: Arc::clone(&self.0), owner: owner.clone() })
    }

    /// Waits for a line to change.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Takes the first one out of a line.
    pub(super) fn take(&self, line: &Line) -> Option<Place> {
        let mut owners = self.0.lock();
        let waiting = owners.get_mut(&line.owner)?;
        let place = waiting.places.pop_front()?;
        waiting.known.remove(&place);
        Some(place)
    }

    /// Counts one more that is sent to an owner: the notice of this `jti`, about this person of
    /// that domain. Whoever has a domain can have as many people in it as they like, so that there
    /// are never more of one domain than are left to the others.
    ///
    /// # Errors
    /// [`Full`], and nothing is counted.
    pub(super) fn count(
        &self,
        owner: &OwnerId,
        (person, domain): (&PersonId, &str),
        jti: &str,
        now: Timestamp,
    ) -> Result<(), Full> {
        let (people, domains) = (HashMap::new(), HashMap::new());
        let begun = || Window { start: now, all: 0, people, domains };
        let mut owners = self.0.lock();
        let sent = &mut owners.entry(owner.clone()).or_default().sent;
        // A clock that was set back starts a new window too.
        let is_of_now = |window: &Window| window.start <= now && now < window.start.after(HOUR);
        let window = match sent.take_if(|window| is_of_now(window)) {
            Some(window) => sent.insert(window),
            None => sent.insert(begun()),
        };
        let end = window.start.after(HOUR);
        let left = self.0.an_hour.saturating_sub(window.all);
        if left == 0 {
            return Err(Full::Owner(end.since(now)));
        }
        let theirs = window.people.entry(*person).or_default();
        if !theirs.contains(jti) {
            if theirs.len() >= self.0.of_a_person as usize {
                return Err(Full::Person(end.since(now)));
            }
            let of_domain = window.domains.entry(domain.to_owned()).or_default();
            if *of_domain >= left {
                return Err(Full::Domain(end.since(now)));
            }
            *of_domain += 1;
            theirs.insert(jti.to_owned());
        }
        window.all += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::{ClientId, EmailAddress, Issuer};
    use countersign_uma::Person;

    use super::*;

    fn owner(name: &str) -> OwnerId {
        OwnerId::parse(name).unwrap()
    }

    fn place(name: &str, person: &str) -> Place {
        let person = Person {
            iss: Issuer::parse("https://sts.alice.example").unwrap(),
            sub: person.to_owned(),
            email: EmailAddress::parse("alice@alice.example").unwrap(),
            present: true,
            claims: serde_json::Map::new(),
            unheard: serde_json::Map::new(),
            vouching: countersign_uma::person::Vouching::default(),
        };
        let protection = Protection::new(owner(name), ClientId::parse("rs").unwrap());
        (protection, PersonId::of(&person))
    }

    #[test]
    fn each_owner_has_a_line_and_one_who_serves_it() {
        let lines = Lines::new(10, 10);
        assert!(lines.next().is_none());
        for person in ["a", "b", "a"] {
            lines.add(place("bob", person));
        }
        lines.add(place("carol", "a"));
        let (one, other) = (lines.next().unwrap(), lines.next().unwrap());
        assert_ne!(one.owner, other.owner);
        assert!(lines.next().is_none(), "both are served");
        let bobs = if one.owner == owner("bob") { one } else { other };
        assert_eq!(lines.take(&bobs), Some(place("bob", "a")));
        // Who was taken out may come again, and stands at the end.
        lines.add(place("bob", "a"));
        assert_eq!(lines.take(&bobs), Some(place("bob", "b")));
        assert_eq!(lines.take(&bobs), Some(place("bob", "a")));
        assert_eq!(lines.take(&bobs), None);
        lines.add(place("bob", "c"));
        assert!(lines.next().is_none_or(|line| line.owner == owner("carol")));
        drop(bobs);
        let names: Vec<_> =
            std::iter::from_fn(|| lines.next().map(|line| line.owner.clone())).take(2).collect();
        assert!(names.contains(&owner("bob")), "{names:?}");
    }

    #[test]
    fn so_many_are_sent_to_an_owner_in_an_hour() {
        let (lines, at) = (Lines::new(2, 2), Timestamp::from_unix);
        let (bob, (_, alice)) = (owner("bob"), place("bob", "a"));
        // One that is tried again is another one.
        assert!(lines.count(&bob, (&alice, "a.example"), "1", at(100)).is_ok());
        assert!(lines.count(&bob, (&alice, "a.example"), "1", at(101)).is_ok());
        let full = Err(Full::Owner(Lifetime::from_secs(3000)));
        assert_eq!(lines.count(&bob, (&alice, "a.example"), "1", at(700)), full);
        assert!(lines.count(&owner("carol"), (&alice, "a.example"), "2", at(700)).is_ok());
        assert!(lines.count(&bob, (&alice, "a.example"), "1", at(3700)).is_ok());
        assert!(
            lines.count(&bob, (&alice, "a.example"), "1", at(50)).is_ok(),
            "the clock was set back"
        );
    }

    #[test]
    fn so_many_of_them_are_about_one_person() {
        let (lines, at) = (Lines::new(4, 2), Timestamp::from_unix);
        let (bob, (_, alice), (_, eve)) = (owner("bob"), place("bob", "a"), place("bob", "e"));
        assert!(lines.count(&bob, (&eve, "e.example"), "1", at(100)).is_ok());
        assert!(lines.count(&bob, (&eve, "e.example"), "2", at(101)).is_ok());
        assert!(
            lines.count(&bob, (&eve, "e.example"), "2", at(102)).is_ok(),
            "the same one is tried again"
        );
        let full = Err(Full::Person(Lifetime::from_secs(3500)));
        assert_eq!(lines.count(&bob, (&eve, "e.example"), "3", at(200)), full);
        assert!(
            lines.count(&bob, (&alice, "a.example"), "4", at(200)).is_ok(),
            "what was refused is not counted"
        );
        assert!(lines.count(&bob, (&eve, "e.example"), "3", at(3700)).is_ok());
    }

    #[test]
    fn there_are_never_more_of_one_domain_than_are_left_to_the_others() {
        let (lines, at) = (Lines::new(8, 8), Timestamp::from_unix);
        let bob = owner("bob");
        let count = |domain: &str, number: usize| {
            let (_, person) = place("bob", &format!("{domain} {number}"));
            lines.count(&bob, (&person, domain), &format!("{domain} {number}"), at(100))
        };
        let sent =
            |domain: &str| (0..8).take_while(|number| count(domain, *number).is_ok()).count();
        let domains = ["evil.example", "worse.example", "third.example", "alice.example"];
        assert_eq!(domains.map(sent), [4, 2, 1, 1]);
        let full = Full::Owner(Lifetime::from_secs(3600));
        assert_eq!(count("carol.example", 0), Err(full), "an hour has so many in all");
        let (_, eve) = place("bob", "evil.example 9");
        let lines = Lines::new(3, 3);
        assert!(lines.count(&bob, (&eve, "evil.example"), "1", at(0)).is_ok());
        assert!(
            lines.count(&bob, (&eve, "evil.example"), "1", at(0)).is_ok(),
            "the same one again"
        );
        let full = Err(Full::Domain(Lifetime::from_secs(3600)));
        assert_eq!(lines.count(&bob, (&eve, "evil.example"), "2", at(0)), full);
        assert!(lines.count(&bob, (&eve, "evil.example"), "2", at(3600)).is_ok(), "an hour later");
    }

    #[test]
    fn notices_about_one_person_are_tried_again_by_turns_and_count_once_each() {
        let (lines, at) = (Lines::new(10, 2), Timestamp::from_unix);
        let (bob, (_, alice)) = (owner("bob"), place("bob", "alice"));
        // At two resource servers, with an endpoint that cannot be reached.
        for turn in 100..104 {
            for jti in ["1", "2"] {
                assert_eq!(
                    lines.count(&bob, (&alice, "a.example"), jti, at(turn)),
                    Ok(()),
                    "{jti} at {turn}"
                );
            }
        }
        let full = Err(Full::Person(Lifetime::from_secs(3500)));
        assert_eq!(lines.count(&bob, (&alice, "a.example"), "3", at(200)), full);
        assert!(
            lines.count(&bob, (&alice, "a.example"), "1", at(200)).is_ok(),
            "what was refused takes no place"
        );
    }

    #[test]
    fn who_stands_aside_comes_back_once_to_the_end() {
        let lines = Lines::new(10, 10);
        lines.set_aside(place("bob", "a"), Duration::ZERO);
        lines.set_aside(place("bob", "b"), Duration::from_secs(3600));
        for person in ["a", "b", "c"] {
            lines.add(place("bob", person));
        }
        let line = lines.next().unwrap();
        assert_eq!(lines.take(&line), Some(place("bob", "c")));
        assert_eq!(lines.take(&line), Some(place("bob", "a")));
        assert_eq!(lines.take(&line), None);
        assert!(lines.comes_back().is_some());
        // After a start everything is tried.
        lines.add_all(Vec::new());
        assert_eq!(lines.take(&line), Some(place("bob", "b")));
        assert_eq!(lines.comes_back(), None);
    }
}
