//! What was shared, and what became of it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use countersign_store::resources::Beside;
use countersign_types::{EmailAddress, Timestamp};
use countersign_uma::policy::Share;
use countersign_uma::policy::shares::{ShareId, Who};
use serde::{Deserialize, Serialize};

use crate::moments::{Latest, MAX_MOMENTS, Moment, Subject, moment};

/// A share, or what is over of one.
///
/// INVARIANT: it is one record under the share's identifier, so that no share ends without a trace.
/// What is over has another form than a share: a program that does not know it refuses to read it,
/// and does not take it for one that counts.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Record {
    Over(Over),
    Counts(Share),
}

/// A share that was ended.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Over {
    pub(super) share: Share,
    pub(super) at: Timestamp,
    /// Who took it back; nobody if it ended with its resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
}

impl Record {
    pub(super) const fn share(&self) -> &Share {
        match self {
            Self::Over(Over { share, .. }) | Self::Counts(share) => share,
        }
    }

    /// The share, if nobody ended it. It may have ended by itself.
    pub(super) fn counts(self) -> Option<Share> {
        match self {
            Self::Counts(share) => Some(share),
            Self::Over(_) => None,
        }
    }

    /// That it was made, and that it was ended.
    pub(super) fn events(self) -> Vec<(Timestamp, ShareEvent)> {
        let made = |share: Share| (share.since, ShareEvent { share, end: None });
        match self {
            Self::Counts(share) => vec![made(share)],
            Self::Over(Over { share, at, by }) => {
                vec![(at, ShareEvent { share: share.clone(), end: Some(by) }), made(share)]
            }
        }
    }

    /// Since when it counts no more, or will.
    fn ends(&self) -> Option<Timestamp> {
        match self {
            Self::Over(over) => Some(over.at),
            Self::Counts(share) => share.terms.until(),
        }
    }
}

/// That something was shared, or ended.
pub(crate) struct ShareEvent {
    pub(crate) share: Share,
    /// Its end, if it is that, and who took it back; nobody if it ended with its resource.
    pub(crate) end: Option<Option<String>>,
}

impl ShareEvent {
    /// What the record says of this subject.
    pub(super) fn of(record: Record, subject: &Subject) -> Option<Self> {
        match (subject, record) {
            (Subject::Unshared(_), Record::Over(Over { share, by, .. })) => {
                Some(Self { share, end: Some(by) })
            }
            (Subject::Shared(_), Record::Over(Over { share, .. }) | Record::Counts(share)) => {
                Some(Self { share, end: None })
            }
            _ => None,
        }
    }
}

/// When an owner shared what at one resource server, and when it ended: without the shares
/// themselves, which the store has.
#[derive(Debug, Default)]
pub(super) struct Past {
    happened: Latest,
    /// When what ended or will, by itself or by its owner.
    ends: BTreeSet<(Timestamp, ShareId)>,
    /// The same by the share, since when it was, and with which address.
    known: HashMap<ShareId, Known>,
    /// Those with one person each, the latest first, by the address in small letters.
    people: HashMap<String, BTreeSet<(Reverse<Timestamp>, ShareId)>>,
}

/// Since when a share was, when it ended or will, and with which address, in small letters.
type Known = (Timestamp, Timestamp, Option<String>);

/// So many of the shares with one person are shown as what happened to them.
const MAX_OF_ADDRESS: usize = 64;

impl Past {
    /// Takes note of a share as it is from now on.
    pub(super) fn note(&mut self, record: &Record) {
        let (share, ends) = (record.share(), record.ends());
        let address = match share.terms.who() {
            Who::Person(email) => Some(email.as_str().to_ascii_lowercase()),
            _ => None,
        };
        if let Some((_, before, _)) = self.known.remove(&share.id) {
            self.ends.remove(&(before, share.id.clone()));
        }
        if let Some(at) = ends {
            self.ends.insert((at, share.id.clone()));
            self.known.insert(share.id.clone(), (share.since, at, address.clone()));
        }
        if let Some(address) = address {
            let theirs = self.people.entry(address).or_default();
            theirs.insert((Reverse(share.since), share.id.clone()));
        }
        self.happened.note(share.since, Subject::Shared(share.id.clone()));
        if let Record::Over(over) = record {
            self.happened.note(over.at, Subject::Unshared(share.id.clone()));
        }
    }

    /// What was over first, if more is over than is remembered: [`MAX_MOMENTS`].
    pub(super) fn beyond(&self, now: Timestamp) -> Option<ShareId> {
        let mut over = self.ends.iter().take_while(|(at, _)| *at <= now);
        let (_, oldest) = over.next()?;
        over.nth(MAX_MOMENTS - 1).map(|_| oldest.clone())
    }

    /// Nothing is known any more of a share that is over.
    pub(super) fn forget(&mut self, id: &ShareId) {
        let Some((since, at, address)) = self.known.remove(id) else { return };
        self.ends.remove(&(at, id.clone()));
        self.happened.remove(&moment(since, Subject::Shared(id.clone())));
        self.happened.remove(&moment(at, Subject::Unshared(id.clone())));
        let Some(address) = address else { return };
        if let Some(theirs) = self.people.get_mut(&address) {
            theirs.remove(&(Reverse(since), id.clone()));
            if theirs.is_empty() {
                self.people.remove(&address);
            }
        }
    }

    /// The latest shares with who has this address, in small or large letters.
    pub(super) fn of_address(&self, address: &EmailAddress) -> Vec<ShareId> {
        let theirs = self.people.get(&address.as_str().to_ascii_lowercase());
        let latest = theirs.into_iter().flatten().take(MAX_OF_ADDRESS);
        latest.map(|(_, id)| id.clone()).collect()
    }

    pub(super) fn part(&self, beside: Beside<&Moment>, limit: usize) -> Vec<Moment> {
        self.happened.part(beside, limit)
    }
}

impl<'a> FromIterator<&'a Record> for Past {
    fn from_iter<I: IntoIterator<Item = &'a Record>>(records: I) -> Self {
        let mut past = Self::default();
        records.into_iter().for_each(|record| past.note(record));
        past
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::ScopeSet;
    use countersign_uma::policy::shares::{Effect, Terms, What};

    use super::*;

    const COUNT: i64 = 10_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn share(number: i64, until: Option<i64>) -> Share {
        let scopes = ScopeSet::parse("get").unwrap();
        let terms = Terms::new(What::Everything, scopes, Who::Anyone, Effect::Permit).unwrap();
        let terms = until.into_iter().fold(terms, |terms, until| terms.with_until(at(until)));
        let id = ShareId::parse(&format!("s{number}")).unwrap();
        Share { id, terms, since: at(number), by: "bob".to_owned() }
    }

    fn over(number: i64, seconds: i64) -> Record {
        let by = Some("bob".to_owned());
        Record::Over(Over { share: share(number, None), at: at(seconds), by })
    }

    #[test]
    fn what_was_over_first_goes_first() {
        // The first that was made is the last that ends; one ends by itself, and one counts.
        let mut past: Past =
            (1..=COUNT).map(|n| over(n, 3 * COUNT - n)).collect::<Vec<_>>().iter().collect();
        assert_eq!(past.beyond(at(4 * COUNT)), None, "so many are remembered");
        past.note(&Record::Counts(share(0, None)));
        past.note(&Record::Counts(share(COUNT + 1, Some(COUNT + 2))));
        assert_eq!(past.beyond(at(COUNT + 1)), None, "which is not over yet");
        let oldest = past.beyond(at(4 * COUNT)).unwrap();
        assert_eq!(oldest.as_str(), format!("s{}", COUNT + 1));
        past.forget(&oldest);
        assert_eq!(past.beyond(at(4 * COUNT)), None);
        past.note(&over(0, 4 * COUNT));
        let oldest = past.beyond(at(4 * COUNT)).unwrap();
        assert_eq!(oldest.as_str(), format!("s{COUNT}"));
        past.forget(&oldest);
        let latest = past.part(Beside::Start, 2);
        let id = |number| share(number, None).id;
        let expected = [(4 * COUNT, id(0)), (3 * COUNT - 1, id(1))];
        assert_eq!(
            latest,
            expected.map(|(seconds, id)| moment(at(seconds), Subject::Unshared(id)))
        );
    }

    #[test]
    fn the_latest_shares_with_an_address_are_found_by_it() {
        let with = |number: i64, email: &str| {
            let who = Who::Person(EmailAddress::parse(email).unwrap());
            let scopes = ScopeSet::parse("get").unwrap();
            let terms = Terms::new(What::Everything, scopes, who, Effect::Permit).unwrap();
            Over { share: Share { terms, ..share(number, None) }, at: at(number + 1), by: None }
        };
        let alice = EmailAddress::parse("alice@a.example").unwrap();
        let mut past = Past::default();
        for number in 0..70 {
            past.note(&Record::Over(with(number, "Alice@a.example")));
        }
        past.note(&Record::Over(with(70, "carol@a.example")));
        let of = |past: &Past| past.of_address(&alice);
        let expected: Vec<_> = (6..70).rev().map(|number| share(number, None).id).collect();
        assert_eq!(of(&past), expected);
        past.forget(&share(69, None).id);
        assert_eq!((of(&past).first(), of(&past).len()), (Some(&share(68, None).id), 64));
        (0..70).for_each(|number| past.forget(&share(number, None).id));
        assert_eq!((of(&past), past.people.len()), (Vec::new(), 1));
    }

    /// A program that knows nothing of what is over does not let anybody in by it.
    #[test]
    fn what_is_over_is_no_share() {
        let json = serde_json::to_string(&over(1, 2)).unwrap();
        assert!(serde_json::from_str::<Share>(&json).is_err());
        let again: Record = serde_json::from_str(&json).unwrap();
        assert!(
            matches!(&again, Record::Over(over) if over.at == at(2)) && again.counts().is_none()
        );
        let json = serde_json::to_string(&share(1, Some(2))).unwrap();
        let read = serde_json::from_str::<Record>(&json).unwrap();
        assert_eq!(read.counts(), Some(share(1, Some(2))), "as it was kept before");
    }
}
