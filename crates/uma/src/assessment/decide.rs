//! The last step: what is asked, what policy says of it, and the sum. [UG §3.3.4]
//!
//! For each resource of the ticket
//!
//! ```text
//! requested = (ticket ∪ (registered for the client ∩ requested by the client)) ∩ registered for it
//! granted   = those of requested that policy permits
//! ```
//!
//! [UG §3.3.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.4

use countersign_types::ScopeSet;

use super::{AwaitingPolicy, Ended, Outcome, PartialGrants};
use crate::check::{Check, Step};
use crate::grant::{Denial, GrantError};
use crate::permission::Permission;
use crate::policy::{Decision, Policy, PolicyRequest, RequiredClaim};
use crate::rpt::{Basis, Rpt};

/// What policy said of everything that is asked.
#[derive(Default)]
struct Tally {
    granted: Vec<Permission>,
    needed: Vec<RequiredClaim>,
    denied: bool,
    notes: Vec<String>,
}

enum Verdict {
    Grant,
    NeedInfo,
    Deny,
}

impl Tally {
    /// Nothing granted is never a grant, whatever was asked.
    const fn verdict(&self, partial: PartialGrants) -> Verdict {
        let granted = !self.granted.is_empty();
        let needed = !self.needed.is_empty();
        match partial {
            PartialGrants::Allow if granted => Verdict::Grant,
            PartialGrants::Refuse if self.denied => Verdict::Deny,
            _ if needed => Verdict::NeedInfo,
            PartialGrants::Refuse if granted => Verdict::Grant,
            _ => Verdict::Deny,
        }
    }
}

impl AwaitingPolicy<'_> {
    /// Asks policy about every scope at every resource, and ends the assessment.
    #[must_use]
    pub fn decide(self, policy: &dyn Policy) -> Box<Ended> {
        // Asked for first: what changes meanwhile is noticed when the RPT is introspected.
        let revision = policy.revision(self.core.process.protection());
        let tally = self.ask(policy);
        let Self { mut core, person, is_new } = self;
        let verdict = tally.verdict(core.facts.settings.partial_grants);
        let note = tally.notes.join(", ");
        core.checks.push(match verdict {
            Verdict::Grant => Step::Policy.passed(note),
            Verdict::NeedInfo | Verdict::Deny => Step::Policy.failed(note),
        });
        let outcome = match verdict {
            Verdict::Grant => Outcome::Granted(Rpt {
                protection: core.process.protection().clone(),
                audience: core.audience,
                client: core.process.client().clone(),
                person: person
                    .as_ref()
                    .map(|person| person.with_only(&policy.claims(core.process.protection()))),
                basis: Basis::of(revision, &tally.granted, core.facts.registered),
                permissions: tally.granted,
                grant: None,
                issued: core.facts.now,
                expires: core.facts.now.after(core.facts.settings.rpt_lifetime),
            }),
            Verdict::NeedInfo => {
                if let Some(person) = person.as_ref().filter(|_| is_new) {
                    core.process.keep(person, core.facts.now);
                }
                let reason = "claims about the requesting party are needed";
                return core.need_info(reason, tally.needed, person);
            }
            Verdict::Deny => Outcome::Refused(GrantError::Denied(Denial::Policy)),
        };
        Box::new(Ended { outcome, checks: core.checks, person })
    }

    /// The checks so far.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.core.checks
    }

    fn ask(&self, policy: &dyn Policy) -> Tally {
        let facts = &self.core.facts;
        let mut tally = Tally::default();
        for asked in self.core.process.permissions() {
            let Some(resource) = facts.registered.get(&asked.resource_id) else {
                tally.notes.push(format!("{}: no longer registered", asked.resource_id));
                tally.denied = true;
                continue;
            };
            // `begin` refused scopes that are not registered for the client.
            let is_requested = |scope: &&String| {
                asked.resource_scopes.contains(scope) || self.core.scope.contains(scope)
            };
            let mut granted = Vec::new();
            for scope in resource.resource_scopes().iter().filter(is_requested) {
                let decision = policy.assess(&PolicyRequest {
                    protection: self.core.process.protection(),
                    resource_id: &asked.resource_id,
                    resource,
                    scope,
                    person: self.person.as_ref(),
                    client: facts.client.id(),
                    now: facts.now,
                });
                let name = resource.name().unwrap_or(asked.resource_id.as_str());
                let word = tally.count(decision);
                if word == PERMITTED {
                    granted.push(scope);
                }
                tally.notes.push([scope, " at ", name, ": ", word].concat());
            }
            // Tokens of a set are a set again.
            let resource_scopes = ScopeSet::from_tokens(granted).unwrap_or_default();
            if !resource_scopes.is_empty() {
                let resource_id = asked.resource_id.clone();
                tally.granted.push(Permission { resource_id, resource_scopes });
            }
        }
        tally
    }
}

const PERMITTED: &str = "permitted";

impl Tally {
    /// Takes an answer into account, and says what it was.
    fn count(&mut self, decision: Decision) -> &'static str {
        match decision {
            Decision::Permit => PERMITTED,
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
