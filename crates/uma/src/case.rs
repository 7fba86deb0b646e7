//! What a resource owner is asked about a person, and what they say. [UG §3.3.6]
//!
//! Where policy says so ([`Decision::AskOwner`](crate::policy::Decision::AskOwner)), a request
//! waits for the owner. Everything about one person before one owner at one resource server is
//! one [`Case`]: a store keeps it as one record and changes it in one step, by the functions of
//! this module.
//!
//! ```text
//!              ask                     approve
//!   (nothing) -----> Waiting -----------------------> Approved
//!       ^             |   ^                              |
//!       |    ask more |   | ask, with those claims       | deny, revoke
//!       |             v   |                              v
//!       |            More -----------------------------> Denied
//!       +---- reopen, or nobody answers in time,             (approve brings it back)
//!             or rules let them in meanwhile
//! ```
//!
//! An entry is one scope at one resource, for the person through one client, present or not: an
//! owner who lets a person in has not let in whoever acts for them ([`Person::present`]). What was
//! decided stands until the owner decides otherwise; where nothing was ever approved,
//! [`REMEMBERED`] ends it.
//!
//! [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6

mod ask;
mod decide;
mod ended;
mod ruled;
mod waiting;

use std::collections::BTreeSet;

use countersign_types::digest::Digest;
use countersign_types::{ClientId, Lifetime, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::ask::{Question, Said};
pub use self::decide::{CaseError, OwnerDecision, Verdict};
pub use self::waiting::{MAX_WAITING, MAX_WAITING_IN_ALL};
use crate::permission::Permission;
use crate::person::Person;
use crate::resource::ResourceId;

/// How long a question waits for its answer, unless configured otherwise.
pub const LIFETIME: Lifetime = Lifetime::from_secs(7 * 86_400);

/// So long after the owner last said something a case is kept in which they never approved
/// anything. Whoever they denied may then ask anew.
pub const REMEMBERED: Lifetime = Lifetime::from_secs(90 * 86_400);

/// So many entries one person may have at one owner's resource server.
pub const MAX_ENTRIES: usize = 256;

/// So many questions, and what rules decided of them, the history of a case goes back. Of what an
/// owner said, nothing is left out.
pub const MAX_QUESTIONS: usize = 64;

/// Which person a case is about: issuer, subject and address together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(Digest);

impl PersonId {
    /// This person.
    #[must_use]
    pub fn of(person: &Person) -> Self {
        let parts = [person.iss.as_str(), &*person.sub, person.email.as_str()];
        Self(Digest::of_parts(&parts.map(str::as_bytes)))
    }

    /// The person that [`Display`](std::fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Digest::from_base64url(text).map(Self)
    }

    /// Under which the case is kept.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl std::fmt::Display for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_base64url())
    }
}

/// One person's case. It serialises for the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    person: Person,
    revision: u64,
    entries: Vec<Entry>,
    history: Vec<Event>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<waiting::Ticket>,
}

/// One scope at one resource, for one person through one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The client that asked.
    pub client: ClientId,
    /// Whether the person was there themselves.
    pub present: bool,
    /// The resource.
    pub resource_id: ResourceId,
    /// The scope.
    pub scope: String,
    /// How it stands.
    pub standing: Standing,
    /// Since when.
    pub since: Timestamp,
    /// When it is over, if the owner says nothing until then.
    pub until: Timestamp,
}

/// How an entry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The owner has not answered.
    Waiting,
    /// The owner wants to know these claims first.
    More(BTreeSet<String>),
    /// They may.
    Approved,
    /// They may not.
    Denied,
}

impl Standing {
    const fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::More(_))
    }
}

impl Entry {
    /// Whether it still counts: what the owner did not answer in time does not.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.standing.is_open() || now < self.until
    }

    fn is_of(&self, client: &ClientId, present: bool, id: &ResourceId, scope: &str) -> bool {
        self.client == *client
            && self.present == present
            && self.resource_id == *id
            && self.scope == scope
    }
}

/// Something that happened to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happened,
    /// Who decided, as the caller names them; nobody if a client asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Through which client, and whether the person was present; none if it is about all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<(ClientId, bool)>,
    /// The scopes it is about.
    pub permissions: Vec<Permission>,
    /// The names of the policies by which the owner was asked, or the person let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// What the person's identity provider said of them when the owner decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Map<String, Value>>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// The owner was asked.
    Asked,
    /// They said yes.
    Approved,
    /// They said no.
    Denied,
    /// They want to know these claims.
    AskedMore(BTreeSet<String>),
    /// What they said counts no more; next time they are asked again.
    Reopened,
    /// They took everything back.
    Revoked,
    /// They ended something that the person had been let in with.
    Ended,
    /// Rules let the person in before the owner answered.
    Ruled,
}

impl Happened {
    /// Whether it is something that an owner said.
    #[must_use]
    pub const fn is_owners(&self) -> bool {
        !matches!(self, Self::Asked | Self::Ruled)
    }
}

impl Case {
    /// The person, as their identity provider described them when they last asked.
    #[must_use]
    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// Counts the changes: who decides says which state they saw.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What was asked and what was said to it, in the order of asking. What nobody answered in time
    /// may be among it still ([`Entry::is_live`]).
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Everything that an owner said, and the last [`MAX_QUESTIONS`] that they were asked, in
    /// order.
    #[must_use]
    pub fn history(&self) -> &[Event] {
        &self.history
    }

    /// Whether anything waits for the owner.
    #[must_use]
    pub fn is_waiting(&self, now: Timestamp) -> bool {
        self.waits_since(now).is_some()
    }

    /// What waits for the owner, whichever client asked: of each resource, the first 64 scopes.
    #[must_use]
    pub fn waiting(&self, now: Timestamp) -> Vec<Permission> {
        let waits = |entry: &&Entry| entry.standing == Standing::Waiting && entry.is_live(now);
        let scopes: BTreeSet<(&ResourceId, &str)> =
            self.entries.iter().filter(waits).map(|e| (&e.resource_id, &*e.scope)).collect();
        let mut waiting = Vec::new();
        for (resource_id, scope) in scopes {
            add(&mut waiting, resource_id, scope);
        }
        waiting
    }

    /// Whether the owner approved this.
    #[must_use]
    pub fn approves(
        &self,
        client: &ClientId,
        present: bool,
        resource_id: &ResourceId,
        scope: &str,
    ) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| {
            entry.standing == Standing::Approved && entry.is_of(client, present, resource_id, scope)
        })
    }

    /// Whether anything of it is still to be answered, by the owner or by the claims that they
    /// want.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open_until(now).is_some()
    }

    /// Until when anything of it is to be answered; `None` if nothing is.
    #[must_use]
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        let open =
            self.entries.iter().filter(|entry| entry.standing.is_open() && entry.is_live(now));
        open.map(|entry| entry.until).max()
    }

    /// Since when something of it waits for the owner; `None` if nothing does.
    #[must_use]
    pub fn waits_since(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = |entry: &&Entry| entry.standing == Standing::Waiting && entry.is_live(now);
        self.entries.iter().filter(waits).map(|entry| entry.since).min()
    }

    /// Whether the owner ever approved anything of it.
    #[must_use]
    pub fn held_approval(&self) -> bool {
        self.history.iter().any(|event| event.what == Happened::Approved)
    }

    /// Until when the record has to be kept: for good once the owner approved anything, since what
    /// was issued may rest on it; otherwise until nothing waits, and [`REMEMBERED`] after the last
    /// thing that the owner said.
    #[must_use]
    pub fn kept_until(&self) -> Option<Timestamp> {
        if self.held_approval() {
            return None;
        }
        let said = self.history.iter().filter(|event| event.what != Happened::Asked);
        let remembered = said.map(|event| event.at.after(REMEMBERED));
        self.entries.iter().map(|entry| entry.until).chain(remembered).max()
    }

    /// Takes note of what happened.
    fn note(&mut self, event: Event) {
        self.revision = self.revision.saturating_add(1);
        self.history.push(event);
        let is_theirs = |event: &Event| event.what.is_owners();
        if self.history.iter().filter(|event| !is_theirs(event)).count() > MAX_QUESTIONS
            && let Some(oldest) = self.history.iter().position(|event| !is_theirs(event))
        {
            self.history.remove(oldest);
        }
    }
}

/// The scopes one by one.
pub(crate) fn one_by_one(
    permissions: &[Permission],
) -> impl Iterator<Item = (&ResourceId, &String)> {
    permissions.iter().flat_map(|permission| {
        permission.resource_scopes.iter().map(|scope| (&permission.resource_id, scope))
    })
}

/// Adds a scope at a resource to permissions, unless they name 64 there already.
pub(crate) fn add(permissions: &mut Vec<Permission>, resource_id: &ResourceId, scope: &str) {
    match permissions.iter_mut().rfind(|known| known.resource_id == *resource_id) {
        Some(known) => {
            // A full set takes no more: the history of a case names 64 scopes at a resource at
            // most.
            let _ = known.resource_scopes.insert(scope);
        }
        None => permissions.push(Permission {
            resource_id: resource_id.clone(),
            resource_scopes: ScopeSet::from_tokens([scope]).unwrap_or_default(),
        }),
    }
}

#[cfg(test)]
mod tests;
