//! What is listed by when it was, over all places of an owner: who waits, and what happened.

use countersign_store::resources::Beside;
use countersign_types::Timestamp;
use countersign_uma::Case;

use super::desk::Desk;
use super::paging::List;
use super::places::Place;
use super::refusal::Refusal;
use crate::moments::{Moment, Subject};
use crate::shares::ShareEvent;

/// What is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Who waits for the owner, the first who asked first.
    Waiting,
    /// What happened, the latest first.
    Happened,
}

/// The moments of all places.
pub(super) struct Moments<'a> {
    desk: &'a Desk,
    places: &'a [Place],
    of: Of,
    now: Timestamp,
}

/// A moment, and what it is one of.
pub(super) struct Happening {
    /// The number of the place.
    pub(super) place: usize,
    /// When.
    pub(super) at: Timestamp,
    /// What it happened to, as far as that still has this moment.
    pub(super) what: Option<Thing>,
}

/// What something happened to.
pub(super) enum Thing {
    /// A person's case.
    Case(Case),
    /// A share, which was made or ended then.
    Share(ShareEvent),
}

/// What stands in a list: in the order of the list, then by what it is about, then by the place.
type Key = (Moment, String);

impl<'a> Moments<'a> {
    /// Sees to it that what has to be known for the list is.
    pub(super) async fn new(
        desk: &'a Desk,
        places: &'a [Place],
        of: Of,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        for place in places {
            desk.uma.know_cases(&place.protection, now).await?;
            if of == Of::Happened {
                desk.uma.load_shares(&place.protection, now).await?;
            }
        }
        Ok(Self { desk, places, of, now })
    }

    /// The moments of one place that are next to a key.
    fn of_place(&self, place: &Place, beside: &Beside<Key>, limit: usize) -> Vec<Key> {
        let (room, protection) = (&self.desk.uma.case_room, &place.protection);
        let near = match beside {
            Beside::Start => Beside::Start,
            Beside::After((moment, _)) => Beside::After(moment),
            Beside::Before((moment, _)) => Beside::Before(moment),
            Beside::End => Beside::End,
        };
        let moments = match self.of {
            Of::Waiting => room.waiting(protection, near, limit, self.now),
            Of::Happened => {
                let mut moments = room.happened(protection, near, limit);
                moments.extend(self.desk.uma.shares_happened(protection, near, limit));
                moments
            }
        };
        let id = place.id();
        let keys = moments.into_iter().map(|moment| (moment, id.clone()));
        let is_there = |key: &Key| match beside {
            Beside::After(after) => key > after,
            Beside::Before(before) => key < before,
            Beside::Start | Beside::End => true,
        };
        keys.filter(is_there).collect()
    }

    /// What a moment is one of; forgets one that is none any more.
    async fn happening(&self, place: usize, moment: &Moment) -> Result<Happening, Refusal> {
        let (seconds, subject) = moment;
        let Some(it) = self.places.get(place) else { return Err(Refusal::NotThere) };
        let at = match self.of {
            Of::Waiting => Timestamp::from_unix(*seconds),
            Of::Happened => Timestamp::from_unix(seconds.saturating_neg()),
        };
        let Subject::Person(person) = subject else {
            let event = self.desk.uma.share_event(&it.protection, subject, self.now).await?;
            return Ok(Happening { place, at, what: event.map(Thing::Share) });
        };
        let case = self.desk.uma.case_at(&it.protection, person, self.now).await?;
        let is_meant = |case: &Case| match self.of {
            Of::Waiting => case.is_waiting(self.now),
            Of::Happened => case.history().iter().any(|event| event.at == at),
        };
        let case = case.filter(is_meant);
        if case.is_none() && self.of == Of::Happened {
            self.desk.uma.case_room.is_over(&it.protection, moment);
        }
        Ok(Happening { place, at, what: case.map(Thing::Case) })
    }
}

impl List for Moments<'_> {
    type Item = Happening;

    const IS_NAMED: bool = false;

    fn id(&self) -> String {
        "m".to_owned()
    }

    async fn part(
        &self,
        beside: Beside<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Happening)>, Refusal> {
        let is_back = matches!(beside, Beside::Before(_) | Beside::End);
        let beside = match beside {
            Beside::After(key) => parse(key).map_or(Beside::Start, Beside::After),
            Beside::Before(key) => parse(key).map_or(Beside::End, Beside::Before),
            Beside::Start => Beside::Start,
            Beside::End => Beside::End,
        };
        let mut keys: Vec<(Key, usize)> = Vec::new();
        for (number, place) in self.places.iter().enumerate() {
            let of_place = self.of_place(place, &beside, limit);
            keys.extend(of_place.into_iter().map(|key| (key, number)));
        }
        keys.sort_unstable();
        let skipped = if is_back { keys.len().saturating_sub(limit) } else { 0 };
        let mut part = Vec::new();
        for ((moment, id), number) in keys.into_iter().skip(skipped).take(limit) {
            let (seconds, subject) = &moment;
            let key = format!("{seconds}.{subject}.{id}");
            part.push((key, self.happening(number, &moment).await?));
        }
        Ok(part)
    }

    fn name(item: &Happening) -> (i64, String) {
        (item.at.as_unix(), String::new())
    }
}

fn parse(key: &str) -> Option<Key> {
    let mut parts = key.splitn(3, '.');
    let seconds = parts.next()?.parse().ok()?;
    Some(((seconds, Subject::parse(parts.next()?)?), parts.next()?.to_owned()))
}
