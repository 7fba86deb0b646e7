//! The requesting party's side of a case: the owner is asked, and what they said so far is looked
//! up.

use std::collections::BTreeSet;

use countersign_types::{ClientId, Lifetime, Timestamp};

use super::{Case, Entry, Event, Happened, MAX_ENTRIES, Standing, add, one_by_one};
use crate::permission::Permission;
use crate::person::Person;

/// What an owner is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// About whom. Their claims were verified in this very round.
    pub person: Person,
    /// Through which client. It is authenticated, or identified if it is public.
    pub client: ClientId,
    /// For what.
    pub permissions: Vec<Permission>,
    /// By which policies, for the owner.
    pub why: Vec<String>,
    /// How long the question waits for its answer.
    pub lifetime: Lifetime,
}

/// What the owner has said so far to a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// This they approved.
    pub approved: Vec<Permission>,
    /// Something of it they denied.
    pub denied: bool,
    /// To something of it they have not said anything yet.
    pub waiting: bool,
    /// These claims they want to know first.
    pub more: BTreeSet<String>,
    /// Something of it they are not asked: it is over, or there is no room for more questions.
    pub unasked: bool,
}

impl Case {
    /// Asks the owner whatever of the question they were not asked yet, and says what they said.
    /// The case is given back if it is another one now.
    #[must_use]
    pub fn ask(found: Option<Self>, question: &Question, now: Timestamp) -> (Option<Self>, Said) {
        let Question { person, client, permissions, .. } = question;
        let mut case = found.unwrap_or_else(|| Self::new(person.clone()));
        let asked = case.open(question, now);
        let is_changed = !asked.is_empty();
        if is_changed {
            case.person = person.clone();
            case.note(Event {
                at: now,
                what: Happened::Asked,
                by: None,
                through: Some((client.clone(), person.present)),
                permissions: asked,
                why: question.why.clone(),
                claims: None,
            });
        }
        let said = case.said(client, person.present, permissions, now);
        (is_changed.then_some(case), said)
    }

    /// What the owner has said so far of these permissions.
    #[must_use]
    pub fn said(
        &self,
        client: &ClientId,
        present: bool,
        permissions: &[Permission],
        now: Timestamp,
    ) -> Said {
        let mut said = Said::default();
        for (resource_id, scope) in one_by_one(permissions) {
            let mut live = self.entries.iter().filter(|entry| entry.is_live(now));
            let entry = live.find(|entry| entry.is_of(client, present, resource_id, scope));
            match entry.map(|entry| &entry.standing) {
                None => said.unasked = true,
                Some(Standing::Waiting) => said.waiting = true,
                Some(Standing::More(claims)) => said.more.extend(claims.iter().cloned()),
                Some(Standing::Approved) => add(&mut said.approved, resource_id, scope),
                Some(Standing::Denied) => said.denied = true,
            }
        }
        said
    }

    const fn new(person: Person) -> Self {
        Self { person, revision: 0, entries: Vec::new(), history: Vec::new(), waiting: Vec::new() }
    }

    /// Makes entries of what was not asked yet, and of what the owner wanted to know more for and
    /// now does. Gives what the owner is asked by that.
    fn open(&mut self, question: &Question, now: Timestamp) -> Vec<Permission> {
        let Question { person, client, permissions, lifetime, .. } = question;
        self.entries.retain(|entry| entry.is_live(now));
        let mut asked = Vec::new();
        for (resource_id, scope) in one_by_one(permissions) {
            let fresh = || Entry {
                client: client.clone(),
                present: person.present,
                resource_id: resource_id.clone(),
                scope: scope.clone(),
                standing: Standing::Waiting,
                since: now,
                until: now.after(*lifetime),
            };
            let is_full = self.entries.len() >= MAX_ENTRIES;
            let known = self
                .entries
                .iter_mut()
                .find(|entry| entry.is_of(client, person.present, resource_id, scope));
            match known {
                Some(entry) => match &entry.standing {
                    Standing::More(names)
                        if names.iter().all(|n| person.claims.contains_key(n)) =>
                    {
                        *entry = fresh();
                    }
                    _ => continue,
                },
                None if is_full => continue,
                None => self.entries.push(fresh()),
            }
            add(&mut asked, resource_id, scope);
        }
        asked
    }
}
