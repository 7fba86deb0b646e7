//! What leaves memory with a commit, and what leaves the shelf.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_types::Timestamp;

use super::shelf::Span;
use super::{Commit, Place, entries};

/// Rows that are about to leave their place.
#[derive(Default)]
pub(in super::super) struct Leaving {
    gone: Vec<Span>,
    shelved: Vec<Shelved>,
}

/// A row that is about to be put on the shelf.
pub(in super::super) struct Shelved {
    pub(super) commit: Arc<Commit>,
    /// Those of its records that count.
    pub(super) places: Vec<Place>,
    /// What it says from then on, if that is another thing.
    rest: Option<Vec<u8>>,
    /// `None` if nothing of it counts.
    pub(super) span: Option<Span>,
}

impl Leaving {
    pub(super) const fn new(gone: Vec<Span>, shelved: Vec<Shelved>) -> Self {
        Self { gone, shelved }
    }

    pub(in super::super) const fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.shelved.is_empty()
    }

    /// The rows that leave the shelf and the journal.
    pub(in super::super) fn gone(&self) -> &[Span] {
        &self.gone
    }

    /// The rows that are put on the shelf.
    pub(in super::super) fn shelved(&self) -> &[Shelved] {
        &self.shelved
    }

    pub(super) fn into_shelved(self) -> Vec<Shelved> {
        self.shelved
    }

    /// Those of them that may hold a record under this key, the latest first.
    pub(in super::super) fn holding(&self, key: &[u8]) -> impl Iterator<Item = i64> {
        let spans = self.shelved.iter().rev().filter_map(|row| row.span.as_ref());
        spans.filter(move |span| span.may_hold(key)).map(|span| span.id)
    }

    /// The records that leave memory.
    pub(in super::super) fn records(
        &self,
    ) -> impl Iterator<Item = (&[u8], &[u8], Option<Timestamp>)> {
        self.shelved.iter().flat_map(|row| &row.places).filter_map(Place::record)
    }
}

impl Shelved {
    /// A row of which these places count.
    pub(super) fn new(commit: &Arc<Commit>, counting: &BTreeMap<Box<[u8]>, Place>) -> Self {
        let mut places = Vec::new();
        let mut entries = 0;
        for entry in entries::entries(&commit.octets) {
            let place = counting.get(entry.key);
            places.extend(place.filter(|place| place.is(commit, entry.at)).cloned());
            entries += 1;
        }
        let rest = (places.len() < entries).then(|| rest(&places));
        let span = span(commit.id, &places);
        Self { commit: Arc::clone(commit), places, rest, span }
    }

    /// The number of the row.
    pub(in super::super) fn id(&self) -> i64 {
        self.commit.id
    }

    /// What it says from then on, if that is another thing than before.
    pub(in super::super) fn rest(&self) -> Option<&[u8]> {
        self.rest.as_deref()
    }

    /// What memory knows of it from then on; `None` if nothing of it counts.
    pub(in super::super) const fn span(&self) -> Option<&Span> {
        self.span.as_ref()
    }
}

fn rest(places: &[Place]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (key, value, expires) in places.iter().filter_map(Place::record) {
        entries::put(&mut octets, key, value, expires);
    }
    octets
}

fn span(id: i64, places: &[Place]) -> Option<Span> {
    let keys = || places.iter().filter_map(Place::key);
    let expires = places.iter().filter_map(Place::record).filter_map(|(_, _, expires)| expires);
    Some(Span { id, keys: keys().min()?.into()..=keys().max()?.into(), expires: expires.min() })
}
