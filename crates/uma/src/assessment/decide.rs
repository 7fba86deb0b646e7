//! The last step: what is asked, what policy says of it, and the sum. [UG §3.3.4]
//!
//! For each resource of the ticket
//!
//! ```text
//! requested = (ticket ∪ (registered for the client ∩ requested by the client)) ∩ registered for it
//! granted   = those of requested that policy permits, or the owner where policy asks them
//! ```
//!
//! Nobody is asked where the answer does not depend on it: not where something is denied and parts
//! are not granted, not before the claims are there that policy wants, and not where a part is
//! granted.
//!
//! [UG §3.3.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.4

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::{AwaitingOwner, AwaitingPolicy, Core, Ended, NotPermitted, Outcome, PartialGrants};
use crate::case;
use crate::check::{Check, Step};
use crate::grant::{Denial, GrantError};
use crate::permission::Permission;
use crate::person::Person;
use crate::policy::{
    self, Decision, Policy, PolicyRequest, Reason, RequiredClaim, Revision, Ruling,
};
use crate::protection::Protection;
use crate::rpt::{Basis, Rpt};

/// How far policy decided.
#[derive(Debug)]
#[must_use = "a spent ticket deserves an answer"]
pub enum Decided<'a> {
    /// It is over.
    Ended(Box<Ended>),
    /// It depends on the owner: ask them.
    Ask(Box<AwaitingOwner<'a>>),
}

/// What was said of everything that is asked.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) granted: Vec<Permission>,
    pub(super) needed: Vec<RequiredClaim>,
    pub(super) denied: bool,
    /// What the owner is to be asked.
    pub(super) to_ask: Vec<Permission>,
    /// By what they are asked.
    pub(super) asked_by: BTreeSet<Reason>,
    /// The owner has not answered.
    pub(super) waiting: bool,
    /// What is not permitted to a person who is known.
    pub(super) refused: Vec<NotPermitted>,
    /// What was said of each, for the log.
    pub(super) note: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Grant,
    NeedInfo,
    Wait,
    Deny,
}

impl Tally {
    /// Nothing granted is never a grant, whatever was asked.
    pub(super) const fn verdict(&self, partial: PartialGrants) -> Verdict {
        let granted = !self.granted.is_empty();
        match partial {
            PartialGrants::Allow if granted => Verdict::Grant,
            PartialGrants::Refuse if self.denied => Verdict::Deny,
            _ if !self.needed.is_empty() => Verdict::NeedInfo,
            _ if self.waiting || !self.to_ask.is_empty() => Verdict::Wait,
            PartialGrants::Refuse if granted => Verdict::Grant,
            _ => Verdict::Deny,
        }
    }

    fn note(&mut self, said: fmt::Arguments<'_>) {
        if !self.note.is_empty() {
            self.note.push_str(", ");
        }
        // Writing to a text does not fail.
        let _ = self.note.write_fmt(said);
    }
}

impl<'a> AwaitingPolicy<'a> {
    /// Asks policy about every scope at every resource, and ends the assessment unless the owner
    /// has to be asked.
    pub fn decide(self, policy: &dyn Policy) -> Decided<'a> {
        // Asked for first: what changes meanwhile is noticed when the RPT is introspected.
        let revision = self.core.rules(policy);
        let mut tally = self.ask(policy);
        let Self { mut core, person, is_new } = self;
        let verdict = tally.verdict(core.facts.settings.partial_grants);
        let note = std::mem::take(&mut tally.note);
        core.checks.push(match verdict {
            Verdict::Grant => Step::Policy.passed(note),
            Verdict::Wait if person.is_some() => Step::Policy.passed(note),
            Verdict::NeedInfo | Verdict::Wait | Verdict::Deny => Step::Policy.failed(note),
        });
        let refused = match verdict {
            Verdict::Wait if person.is_some() => Vec::new(),
            _ => std::mem::take(&mut tally.refused),
        };
        let mut ended = match (verdict, person) {
            (Verdict::Grant, person) => core.grant(tally.granted, person, false, revision, policy),
            (Verdict::Wait, Some(person)) => {
                return Decided::Ask(Box::new(AwaitingOwner { core, person, tally, revision }));
            }
            (Verdict::Wait, None) => {
                core.need_claims("the owner is asked about a person who is known", None)
            }
            (Verdict::NeedInfo, person) => {
                if let Some(person) = person.as_ref().filter(|_| is_new) {
                    core.process.keep(person, core.facts.now);
                }
                let reason = "claims about the requesting party are needed";
                core.need_info(reason, tally.needed, person)
            }
            (Verdict::Deny, person) => core.deny(Denial::Policy, person),
        };
        ended.refused = refused;
        Decided::Ended(ended)
    }

    /// Whose resources it is about, and where.
    #[must_use]
    pub const fn protection(&self) -> &Protection {
        self.core.process.protection()
    }

    /// Whom it is about, once claims about them are verified.
    #[must_use]
    pub const fn person(&self) -> Option<&Person> {
        self.person.as_ref()
    }

    /// The checks so far.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.core.checks
    }

    fn ask(&self, policy: &dyn Policy) -> Tally {
        let facts = &self.core.facts;
        let note = String::with_capacity(USUAL_NOTE);
        let (mut tally, mut requests) = (Tally { note, ..Tally::default() }, Vec::new());
        for asked in self.core.process.permissions() {
            let Some(resource) = facts.registered.get(&asked.resource_id) else {
                tally.note(format_args!("{}: no longer registered", asked.resource_id));
                tally.denied = true;
                continue;
            };
            // `begin` refused scopes that are not registered for the client.
            let is_requested = |scope: &&String| {
                asked.resource_scopes.contains(scope) || self.core.scope.contains(scope)
            };
            let scopes = resource.resource_scopes().iter().filter(is_requested);
            requests.extend(scopes.map(|scope| PolicyRequest {
                protection: self.core.process.protection(),
                resource_id: &asked.resource_id,
                resource,
                scope,
                person: self.person.as_ref(),
                client: facts.client.id(),
                now: facts.now,
            }));
        }
        for (request, Ruling { decision, why }) in policy::answered(policy, &requests) {
            let PolicyRequest { resource_id, resource, scope, .. } = *request;
            let name = resource.name().unwrap_or(resource_id.as_str());
            let word = tally.count(decision);
            tally.note(format_args!("{scope} at {name}: {word}{}", Because(&why, policy)));
            match word {
                PERMITTED => case::add(&mut tally.granted, resource_id, scope),
                ASKED => {
                    case::add(&mut tally.to_ask, resource_id, scope);
                    tally.asked_by.extend(why);
                }
                // Of somebody who is not known there is nothing to tell their owner.
                _ if self.person.is_some() => {
                    let (resource_id, scope) = (resource_id.clone(), scope.to_owned());
                    tally.refused.push(NotPermitted { resource_id, scope, why });
                }
                _ => {}
            }
        }
        tally
    }
}

impl Core<'_> {
    /// The end of an assessment that grants these permissions.
    pub(super) fn grant(
        self,
        granted: Vec<Permission>,
        person: Option<Person>,
        asked: bool,
        revision: Revision,
        policy: &dyn Policy,
    ) -> Box<Ended> {
        let Self { facts, process, audience, checks, .. } = self;
        let (protection, client) = process.into_parties();
        let known_claims = policy.claims(&protection);
        let rpt = Box::new(Rpt {
            protection,
            audience,
            client,
            person: person.as_ref().map(|person| person.with_only(&known_claims)),
            known_claims,
            basis: Basis::of(revision, &granted, facts.registered),
            permissions: granted,
            asked,
            grant: None,
            since_revocation: None,
            issued: facts.now,
            expires: facts.now.after(facts.settings.rpt_lifetime),
        });
        Box::new(Ended { outcome: Outcome::Granted(rpt), checks, person, refused: Vec::new() })
    }

    /// The end of an assessment that a person gets nothing by.
    pub(super) fn deny(self, denial: Denial, person: Option<Person>) -> Box<Ended> {
        let outcome = Outcome::Refused(GrantError::Denied(denial));
        Box::new(Ended { outcome, checks: self.checks, person, refused: Vec::new() })
    }
}

/// What an answer rests on, for the log. The client is told in `required_claims` what is missing,
/// and nothing else.
struct Because<'a>(&'a [Reason], &'a dyn Policy);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(why, policy) = self;
        for (index, reason) in why.iter().enumerate() {
            let before = if index == 0 { " (" } else { ", " };
            write!(f, "{before}{reason}")?;
            if let Reason::Policy(name) = reason
                && let Some(text) = policy.describe(name)
            {
                write!(f, " {text:?}")?;
            }
        }
        if why.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// Octets that most notes fit into.
const USUAL_NOTE: usize = 128;

const PERMITTED: &str = "permitted";
const ASKED: &str = "the owner is asked";

impl Tally {
    /// Takes an answer into account, and says what it was.
    fn count(&mut self, decision: Decision) -> &'static str {
        match decision {
            Decision::Permit => PERMITTED,
            Decision::AskOwner => ASKED,
            Decision::NeedClaims(claims) if !claims.is_empty() => {
                for claim in claims {
                    RequiredClaim::join(&mut self.needed, claim);
                }
                "claims needed"
            }
            Decision::NeedClaims(_) | Decision::Deny => {
                self.denied = true;
                "denied"
            }
        }
    }
}
