//! The authorization process that a permission ticket stands for. [UG §3.3], [UG §5.5]
//!
//! ```text
//!   permission request --> Process ---present---> Presented ---rotate, wait---> Process (another ticket)
//!                            |                        |
//!                       expires unused          granted or refused: ends
//! ```
//!
//! Each transition consumes the state before it. A store hands a [`Process`] out once per ticket.
//!
//! [UG §3.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3
//! [UG §5.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.5.5

use countersign_client_auth::AuthenticatedClient;
use countersign_types::{ClientId, Lifetime, Timestamp};
use serde::{Deserialize, Serialize};

use crate::case::PersonId;
use crate::permission::Permission;
use crate::person::Person;
use crate::policy::Revision;
use crate::protection::Protection;

/// After so many `need_info` answers a process ends.
pub const MAX_ROUNDS: u8 = 16;

/// The longest a client is told to wait between two polls, however often it came too early.
pub const MAX_INTERVAL: Lifetime = Lifetime::from_secs(300);

/// A client may come so much earlier than it was told: clocks show whole seconds.
const TOLERANCE: Lifetime = Lifetime::from_secs(1);

/// An authorization process with an outstanding ticket.
///
/// It serialises for the store, which keeps it under the digest of the ticket; the ticket itself is
/// not in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Process {
    id: String,
    protection: Protection,
    permissions: Vec<Permission>,
    expires: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<Box<KeptClaims>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<Box<Waiting>>,
    #[serde(default)]
    rounds: u8,
}

/// What a process waits for: what its owner says about somebody. [UG §3.3.6]
///
/// There are no claims in it, so that its ticket tells whoever has it how the question stands and
/// opens nothing: once the owner has answered, claims are asked for anew.
///
/// [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// About whom the owner is asked.
    pub person: PersonId,
    /// Whether they were present.
    pub present: bool,
    /// For what.
    pub permissions: Vec<Permission>,
    /// When it is over.
    pub until: Timestamp,
    /// When the client was told to wait.
    pub told: Timestamp,
    /// For how long at least.
    pub interval: Lifetime,
    /// The rules by which the owner is asked. None of before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Revision>,
}

impl Waiting {
    /// Whether a client that comes now comes before it was told to.
    #[must_use]
    pub fn is_early(&self, now: Timestamp) -> bool {
        now.after(TOLERANCE) < self.told.after(self.interval)
    }

    /// How long to wait from now on: twice as long for who comes too early.
    pub(crate) fn next_interval(&self, usual: Lifetime, now: Timestamp) -> Lifetime {
        if !self.is_early(now) {
            return usual;
        }
        let doubled = self.interval.as_secs().saturating_mul(2);
        Lifetime::from_secs(doubled.min(MAX_INTERVAL.as_secs().max(usual.as_secs())))
    }
}

/// Claims that were verified earlier in the same process.
///
/// INVARIANT: they exist only in a process bound to a client that authenticated. Kept for a client
/// that merely names itself, a leaked rotated ticket would be worth an RPT.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptClaims {
    /// Whose claims they are.
    pub person: Person,
    /// When they were verified.
    pub verified: Timestamp,
}

/// A process whose ticket has been presented, and is thereby spent.
#[derive(Debug)]
pub struct Presented {
    process: Process,
    client: ClientId,
    confidential: bool,
}

/// The ticket is of no use to this client now: `invalid_grant`.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketError {
    /// Never issued here, or forgotten since it expired.
    #[error("unknown")]
    Unknown,
    /// Its lifetime is over.
    #[error("expired")]
    Expired,
    /// It has been presented before.
    #[error("already spent")]
    Spent,
    /// Another client presented an earlier ticket of the process.
    #[error("bound to another client")]
    OtherClient,
    /// Nothing that it was issued for is registered any more.
    #[error("its resources are no longer registered")]
    NoResource,
}

impl Process {
    pub(crate) const fn open(
        id: String,
        protection: Protection,
        permissions: Vec<Permission>,
        expires: Timestamp,
    ) -> Self {
        let (client, kept, waiting) = (None, None, None);
        Self { id, protection, permissions, expires, client, kept, waiting, rounds: 0 }
    }

    /// What the audit trail calls the process. It is no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The resource server that obtained the ticket, and the owner it did so for.
    #[must_use]
    pub const fn protection(&self) -> &Protection {
        &self.protection
    }

    /// The permissions the resource server asked for.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// The client it is bound to, once one has presented a ticket of it.
    #[must_use]
    pub const fn client(&self) -> Option<&ClientId> {
        self.client.as_ref()
    }

    /// What it waits for, if the owner is asked.
    #[must_use]
    pub fn waiting(&self) -> Option<&Waiting> {
        self.waiting.as_deref()
    }

    /// When the outstanding ticket expires.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Presents the ticket: the first client to do so is the one the process belongs to.
    ///
    /// # Errors
    /// [`TicketError::Expired`], [`TicketError::OtherClient`]. A store compares both before it
    /// spends the ticket; here they are compared again.
    pub fn present(
        self,
        client: &AuthenticatedClient,
        now: Timestamp,
    ) -> Result<Presented, TicketError> {
        if now >= self.expires {
            return Err(TicketError::Expired);
        }
        if self.client.as_ref().is_some_and(|bound| bound != client.id()) {
            return Err(TicketError::OtherClient);
        }
        let confidential = client.is_confidential();
        Ok(Presented { client: client.id().clone(), confidential, process: self })
    }
}

impl Presented {
    /// What the audit trail calls the process.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.process.id
    }

    /// The resource server that obtained the ticket, and the owner it did so for.
    #[must_use]
    pub const fn protection(&self) -> &Protection {
        &self.process.protection
    }

    /// The permissions the resource server asked for.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.process.permissions
    }

    /// The client it is bound to.
    #[must_use]
    pub const fn client(&self) -> &ClientId {
        &self.client
    }

    /// Claims verified earlier in the process, if it may keep any.
    #[must_use]
    pub fn kept(&self) -> Option<&KeptClaims> {
        if self.confidential { self.process.kept.as_deref() } else { None }
    }

    /// What it waits for, if the owner is asked.
    #[must_use]
    pub fn waiting(&self) -> Option<&Waiting> {
        self.process.waiting.as_deref()
    }

    /// Whose resources an RPT is for, and whose it is: the end of the process.
    pub(crate) fn into_parties(self) -> (Protection, ClientId) {
        (self.process.protection, self.client)
    }

    /// Goes on under another ticket, which only the same client can present, until the owner has
    /// answered. Claims that were kept are not: what is granted then rests on fresh ones.
    #[must_use]
    pub(crate) fn wait(self, waiting: Waiting) -> Process {
        let (client, expires) = (Some(self.client), waiting.until);
        Process { client, expires, kept: None, waiting: Some(Box::new(waiting)), ..self.process }
    }

    /// Holds `person`'s claims for the rest of the process, if it may keep any.
    pub(crate) fn keep(&mut self, person: &Person, now: Timestamp) {
        if self.confidential {
            let kept = KeptClaims { person: person.clone(), verified: now };
            self.process.kept = Some(Box::new(kept));
        }
    }

    /// Goes on under another ticket, which only the same client can present. `None` if it has gone
    /// on [`MAX_ROUNDS`] times already.
    #[must_use]
    pub(crate) fn rotate(self, expires: Timestamp) -> Option<Process> {
        let rounds = self.process.rounds.checked_add(1).filter(|rounds| *rounds <= MAX_ROUNDS)?;
        let kept = self.kept().cloned().map(Box::new);
        Some(Process { client: Some(self.client), expires, rounds, kept, ..self.process })
    }
}
