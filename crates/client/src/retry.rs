//! How often a request goes round, and with which tickets.

use std::collections::BTreeSet;

use countersign_types::digest::Digest;
use countersign_types::secret::TicketHandle;

/// So many tickets are used for one request, and no more.
pub const MAX_TICKETS: usize = 3;

/// Why a request does not go round once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetryError {
    /// A ticket came a second time. Each answer has to carry a new one (UMA Grant §3.3.6), and one
    /// that was sent is spent.
    #[error("the same permission ticket was handed out twice")]
    Unchanged,
    /// The request went round as often as it may.
    #[error("no access after {0} permission tickets")]
    Exhausted(usize),
}

/// The tickets of one request. A ticket is admitted before anything is done with it.
#[derive(Debug, Default)]
pub struct Rounds {
    // INVARIANT: digests of all tickets admitted so far, at most `MAX_TICKETS` of them.
    seen: BTreeSet<Digest>,
}

impl Rounds {
    /// Without a ticket so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { seen: BTreeSet::new() }
    }

    /// Admits a ticket for one more round.
    ///
    /// # Errors
    /// [`RetryError::Unchanged`] for a ticket seen before, [`RetryError::Exhausted`].
    pub fn admit(&mut self, ticket: &TicketHandle) -> Result<(), RetryError> {
        if self.seen.contains(&ticket.digest()) {
            return Err(RetryError::Unchanged);
        }
        if self.seen.len() >= MAX_TICKETS {
            return Err(RetryError::Exhausted(MAX_TICKETS));
        }
        self.seen.insert(ticket.digest());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tickets: &[&str], last: Result<(), RetryError>) {
        let mut rounds = Rounds::new();
        let mut result = Ok(());
        for ticket in tickets {
            assert_eq!(result, Ok(()), "{tickets:?}");
            result = rounds.admit(&TicketHandle::new(*ticket));
        }
        assert_eq!(result, last, "{tickets:?}");
    }

    #[test]
    fn a_few_fresh_tickets_are_admitted() {
        check(&["a", "b", "c"], Ok(()));
        check(&["a", "b", "c", "d"], Err(RetryError::Exhausted(3)));
    }

    #[test]
    fn a_ticket_seen_before_is_refused_at_once() {
        check(&["a", "a"], Err(RetryError::Unchanged));
        check(&["a", "b", "a"], Err(RetryError::Unchanged));
    }
}
