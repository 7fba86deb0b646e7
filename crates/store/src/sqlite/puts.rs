//! Records that wait for one commit: what becomes a row of the journal, and who is told.
//!
//! A record costs its caller a copy into octets that all share, and the writer one statement for
//! all of them. Nothing that one thread made has to be dropped by another, and one call wakes all
//! who wait.

use std::sync::Arc;

use countersign_types::Timestamp;

use super::journal;
use crate::engine::Outcome;
use crate::error::StoreError;

/// The records. Whoever waits for them is told that writing has stopped if nothing else is said.
#[derive(Default)]
pub(super) struct Puts {
    /// As in the journal.
    pub(super) octets: Vec<u8>,
    count: usize,
    outcome: Option<Arc<Outcome>>,
}

impl Puts {
    /// None yet, in the room of earlier ones.
    pub(super) fn with_room(mut octets: Vec<u8>) -> Self {
        octets.clear();
        Self { octets, count: 0, outcome: None }
    }

    /// How many.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// One more. The answer is what its caller waits for.
    pub(super) fn push(
        &mut self,
        key: &[u8],
        value: &[u8],
        expires: Option<Timestamp>,
    ) -> Arc<Outcome> {
        journal::put(&mut self.octets, key, value, expires);
        self.count += 1;
        Arc::clone(self.outcome.get_or_insert_default())
    }

    /// Tells everyone.
    pub(super) fn answer(&mut self, committed: Result<(), StoreError>) {
        if let Some(outcome) = self.outcome.take() {
            // Set here alone, and once.
            drop(outcome.set(committed));
        }
    }
}

impl Drop for Puts {
    fn drop(&mut self) {
        self.answer(Err(StoreError::Stopped));
    }
}
