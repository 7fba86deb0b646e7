//! Who waits to be told what: a line for each owner, in memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_types::{Lifetime, Timestamp};
use countersign_uma::protection::OwnerId;
use countersign_uma::{Notice, PersonId, Protection};
use tokio::sync::Notify;

/// The case that somebody is to be told of.
pub(super) type Place = (Protection, PersonId);

/// The window of the limit.
const HOUR: Lifetime = Lifetime::from_secs(3600);

/// The lines. What is in them says only where to look.
#[derive(Debug)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    an_hour: u32,
    owners: Mutex<HashMap<OwnerId, Waiting>>,
    changed: Notify,
}

/// One owner's.
#[derive(Debug, Default)]
struct Waiting {
    places: VecDeque<Place>,
    known: HashSet<Place>,
    /// Somebody is telling them.
    is_served: bool,
    /// When the window began, and how many were sent in it.
    sent: Option<(Timestamp, u32)>,
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

impl Shared {
    /// INVARIANT: every change under the lock leaves whole lines, however far it got.
    fn lock(&self) -> MutexGuard<'_, HashMap<OwnerId, Waiting>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    pub(super) fn new(an_hour: u32) -> Self {
        Self(Arc::new(Shared { an_hour, owners: Mutex::default(), changed: Notify::new() }))
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

    /// Puts these into their lines, the oldest first.
    pub(super) fn add_all(&self, notices: &[Notice]) {
        let mut notices: Vec<_> = notices.iter().collect();
        notices.sort_by_key(|notice| notice.at());
        for notice in notices {
            self.add((notice.protection().clone(), *notice.person()));
        }
    }

    /// A line in which somebody waits and that nobody serves.
    pub(super) fn next(&self) -> Option<Line> {
        let mut owners = self.0.lock();
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

    /// Counts one more that is sent to an owner; otherwise, for how long none is any more.
    pub(super) fn count(&self, owner: &OwnerId, now: Timestamp) -> Result<(), Lifetime> {
        let mut owners = self.0.lock();
        let sent = &mut owners.entry(owner.clone()).or_default().sent;
        let (start, count) = sent.get_or_insert((now, 0));
        // A clock that was set back starts a new window too.
        if now < *start || now >= start.after(HOUR) {
            (*start, *count) = (now, 0);
        }
        if *count >= self.0.an_hour {
            return Err(start.after(HOUR).since(now));
        }
        *count += 1;
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
        let lines = Lines::new(10);
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
        let (lines, at) = (Lines::new(2), Timestamp::from_unix);
        let bob = owner("bob");
        assert!(lines.count(&bob, at(100)).is_ok() && lines.count(&bob, at(101)).is_ok());
        assert_eq!(lines.count(&bob, at(700)), Err(Lifetime::from_secs(3000)));
        assert!(lines.count(&owner("carol"), at(700)).is_ok());
        assert!(lines.count(&bob, at(3700)).is_ok());
        assert!(lines.count(&bob, at(50)).is_ok(), "the clock was set back");
    }
}
