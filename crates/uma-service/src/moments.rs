//! When something happened to what, of one owner at one resource server.

use std::collections::BTreeSet;

use countersign_store::resources::Beside;
use countersign_types::Timestamp;
use countersign_uma::PersonId;
use countersign_uma::policy::shares::ShareId;

/// So far back a list of what happened goes: the latest of one owner at one resource server.
pub(crate) const MAX_MOMENTS: usize = 10_000;

/// What something happened to. Of one moment, the end of a share comes before the share, as the
/// latest comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A person's case.
    Person(PersonId),
    /// A share that ended.
    Unshared(ShareId),
    /// A share that was made.
    Shared(ShareId),
}

/// Neither begins an identifier.
const UNSHARED: char = '~';
const SHARED: char = '*';

impl Subject {
    /// The subject that [`Display`](std::fmt::Display) wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(id) = text.strip_prefix(UNSHARED) {
            return ShareId::parse(id).map(Self::Unshared);
        }
        match text.strip_prefix(SHARED) {
            Some(id) => ShareId::parse(id).map(Self::Shared),
            None => PersonId::parse(text).map(Self::Person),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(person) => write!(f, "{person}"),
            Self::Unshared(id) => write!(f, "{UNSHARED}{id}"),
            Self::Shared(id) => write!(f, "{SHARED}{id}"),
        }
    }
}

/// A subject, and where it stands in a list: by the seconds of a moment, or of one before the
/// epoch, so that the latest is the first.
pub(crate) type Moment = (i64, Subject);

/// When something happened last, the latest first, and so far back as [`MAX_MOMENTS`].
#[derive(Debug, Default)]
pub(crate) struct Latest(BTreeSet<Moment>);

impl Latest {
    pub(crate) fn note(&mut self, at: Timestamp, subject: Subject) {
        self.0.insert(moment(at, subject));
        while self.0.len() > MAX_MOMENTS {
            self.0.pop_last();
        }
    }

    pub(crate) fn remove(&mut self, moment: &Moment) {
        self.0.remove(moment);
    }

    /// Those next to a moment and the moment itself, `limit` at most beside it.
    pub(crate) fn part(&self, beside: Beside<&Moment>, limit: usize) -> Vec<Moment> {
        part(&self.0, beside, limit)
    }
}

/// Where something stands among what happened.
pub(crate) const fn moment(at: Timestamp, subject: Subject) -> Moment {
    (at.as_unix().saturating_neg(), subject)
}

/// The part of a list that is next to a moment, with the moment itself.
pub(crate) fn part(list: &BTreeSet<Moment>, beside: Beside<&Moment>, limit: usize) -> Vec<Moment> {
    let mut part: Vec<Moment> = match beside {
        Beside::Start => return list.iter().take(limit).cloned().collect(),
        Beside::After(moment) => return list.range(moment..).take(limit + 1).cloned().collect(),
        Beside::Before(moment) => list.range(..=moment).rev().take(limit + 1).cloned().collect(),
        Beside::End => list.iter().rev().take(limit).cloned().collect(),
    };
    part.reverse();
    part
}
