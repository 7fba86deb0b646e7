//! The owner's side of a case: they decide, scope by scope, or take everything back.

use std::collections::BTreeSet;

use countersign_types::{ClientId, Timestamp};

use super::{Case, Event, Happened, Standing, one_by_one};
use crate::permission::Permission;

/// What an owner says to something that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerDecision {
    /// The client through which it was asked.
    pub client: ClientId,
    /// Whether the person was present.
    pub present: bool,
    /// The scopes that are decided on, all in the same way.
    pub permissions: Vec<Permission>,
    /// The decision.
    pub verdict: Verdict,
    /// The [revision](Case::revision) that the owner saw: they decide on what was before them.
    pub seen: u64,
    /// Who decides, for the history: the owner, or somebody of theirs.
    pub by: String,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// They may, until the owner says otherwise.
    Approve,
    /// They may not, and need not ask again for as long as it is [remembered](super::REMEMBERED).
    Deny,
    /// First these claims are to be known; for what is undecided.
    AskMore(BTreeSet<String>),
    /// Whatever was said counts no more, and who asks again is asked about again.
    Reopen,
}

impl Verdict {
    /// Whether it can be said to what stands like this.
    const fn fits(&self, standing: &Standing) -> bool {
        !matches!(self, Self::AskMore(_)) || standing.is_open()
    }

    fn happened(&self) -> Happened {
        match self {
            Self::Approve => Happened::Approved,
            Self::Deny => Happened::Denied,
            Self::AskMore(claims) => Happened::AskedMore(claims.clone()),
            Self::Reopen => Happened::Reopened,
        }
    }
}

/// Why a decision has no effect. Nothing was changed.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaseError {
    /// Nothing of the kind was asked, or it is over, or it is decided and no claims would help.
    #[error("this was not asked, or is over")]
    NotAsked,
    /// The decision is about no scope, or asks for no claim.
    #[error("the decision says nothing")]
    Nothing,
    /// The case is not what the owner saw.
    #[error("the case has changed meanwhile")]
    Changed,
}

impl Case {
    /// The case after the owner decided, whole or not at all.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn decide(
        found: Option<Self>,
        decision: &OwnerDecision,
        now: Timestamp,
    ) -> Result<Self, CaseError> {
        let OwnerDecision { client, present, permissions, verdict, seen, by } = decision;
        let asks_nothing = matches!(verdict, Verdict::AskMore(claims) if claims.is_empty());
        if asks_nothing || one_by_one(permissions).next().is_none() {
            return Err(CaseError::Nothing);
        }
        let mut case = found.ok_or(CaseError::NotAsked)?;
        if case.revision != *seen {
            return Err(CaseError::Changed);
        }
        for (resource_id, scope) in one_by_one(permissions) {
            let position = case.entries.iter().position(|entry| {
                entry.is_of(client, *present, resource_id, scope)
                    && entry.is_live(now)
                    && verdict.fits(&entry.standing)
            });
            let position = position.ok_or(CaseError::NotAsked)?;
            let Some(entry) = case.entries.get_mut(position) else { continue };
            entry.since = now;
            match verdict {
                Verdict::Approve => entry.standing = Standing::Approved,
                Verdict::Deny => entry.standing = Standing::Denied,
                Verdict::AskMore(claims) => entry.standing = Standing::More(claims.clone()),
                Verdict::Reopen => drop(case.entries.remove(position)),
            }
        }
        let claims = Some(case.person.claims.clone());
        case.note(Event {
            at: now,
            what: verdict.happened(),
            by: Some(by.clone()),
            through: Some((client.clone(), *present)),
            permissions: permissions.clone(),
            why: Vec::new(),
            claims,
        });
        Ok(case)
    }

    /// Takes everything back: what was approved is denied from now on, and so is what waits. `None`
    /// if there is nothing to take back.
    ///
    /// It needs no [revision](Case::revision), so that nothing can come between; and since it makes
    /// another one, whoever decided on what was before comes too late.
    #[must_use]
    pub fn revoke(found: Option<Self>, by: &str, now: Timestamp) -> Option<Self> {
        let mut case = found?;
        case.entries.retain(|entry| entry.is_live(now));
        let mut taken = Vec::new();
        for entry in &mut case.entries {
            if entry.standing != Standing::Denied {
                entry.standing = Standing::Denied;
                entry.since = now;
                super::add(&mut taken, &entry.resource_id, &entry.scope);
            }
        }
        if taken.is_empty() {
            return None;
        }
        let claims = Some(case.person.claims.clone());
        case.note(Event {
            at: now,
            what: Happened::Revoked,
            by: Some(by.to_owned()),
            through: None,
            permissions: taken,
            why: Vec::new(),
            claims,
        });
        Some(case)
    }
}
