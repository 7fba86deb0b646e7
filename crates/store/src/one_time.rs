//! A single-use value in memory, and what taking one gives.

use countersign_types::Timestamp;
use serde::de::DeserializeOwned;

use crate::engine::Spend;
use crate::error::StoreError;
use crate::record;

/// What taking a ticket or a code gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken<R> {
    /// Taken now, by this call alone.
    First(R),
    /// The same client had taken it before: refuse, and undo what came of it where the
    /// specification says so.
    Again(R),
    /// It belongs to another client, whose attempt is still good.
    Bound,
    /// Unknown, or its time is over.
    Absent,
}

impl<R: DeserializeOwned> Taken<R> {
    pub(crate) fn decode(spend: &Spend) -> Result<Self, StoreError> {
        Ok(match spend {
            Spend::First(value) => Self::First(record::decode(value)?),
            Spend::Again(value) => Self::Again(record::decode(value)?),
            Spend::Bound => Self::Bound,
            Spend::Absent => Self::Absent,
        })
    }
}

/// A single-use value in memory; with `spent` set, its tombstone.
#[derive(Clone)]
pub(crate) struct Single {
    pub(crate) value: Vec<u8>,
    pub(crate) bound_to: Option<Vec<u8>>,
    pub(crate) spent: bool,
    pub(crate) expires: Timestamp,
}

impl Single {
    /// One step of [`OneTime::spend`](crate::engine::OneTime::spend).
    pub(crate) fn spend(&mut self, presenter: &[u8], now: Timestamp) -> Spend {
        if self.expires <= now {
            return Spend::Absent;
        }
        if self.bound_to.as_deref().is_some_and(|owner| owner != presenter) {
            return Spend::Bound;
        }
        if self.spent {
            return Spend::Again(self.value.clone());
        }
        self.spent = true;
        self.bound_to = Some(presenter.to_vec());
        Spend::First(self.value.clone())
    }
}
