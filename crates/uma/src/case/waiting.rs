//! The tickets with which a case is waited for: so many and no more.
//!
//! A ticket that waits lives for days, and whoever may ask can ask again and again. So a case knows
//! the tickets that wait for it, and a new one takes the place of the oldest.

use countersign_types::ClientId;
use countersign_types::digest::Digest;
use serde::{Deserialize, Serialize};

use super::Case;

/// So many tickets of one person wait through one client, and as many of an agent in their name.
pub const MAX_WAITING: usize = 4;

/// So many tickets wait for one case, through whatever clients.
pub const MAX_WAITING_IN_ALL: usize = 64;

/// A ticket that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    client: ClientId,
    present: bool,
    digest: Digest,
}

impl Case {
    /// Takes note of a ticket that waits, in the place of the one that was presented for it. Gives
    /// the case as it is now, and the tickets that wait no more, the oldest first: they have to be
    /// forgotten.
    ///
    /// It makes no new [revision](Case::revision): of what an owner decides on, nothing changes.
    #[must_use]
    pub fn wait(
        mut self,
        client: &ClientId,
        present: bool,
        ticket: Digest,
        presented: &Digest,
    ) -> (Self, Vec<Digest>) {
        self.waiting.retain(|known| known.digest != *presented);
        self.waiting.push(Ticket { client: client.clone(), present, digest: ticket });
        let mut forgotten = Vec::new();
        let is_same = |known: &Ticket| known.client == *client && known.present == present;
        if self.waiting.iter().filter(|known| is_same(known)).count() > MAX_WAITING
            && let Some(oldest) = self.waiting.iter().position(is_same)
        {
            forgotten.push(self.waiting.remove(oldest).digest);
        }
        let too_many = self.waiting.len().saturating_sub(MAX_WAITING_IN_ALL);
        forgotten.extend(self.waiting.drain(..too_many).map(|known| known.digest));
        (self, forgotten)
    }
}
