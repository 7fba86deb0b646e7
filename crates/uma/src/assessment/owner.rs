//! The owner is asked, and what they said is looked up. [UG §3.3.6]
//!
//! An approval opens nothing by itself: who polls and is told of one has to push claims again, for
//! the new ticket, and what is granted rests on these. So a ticket that waited for days, and was
//! seen by whomever, is worth no more than the answer to a question.
//!
//! [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6

use std::collections::BTreeSet;

use countersign_types::{Issuer, Timestamp};

use super::decide::{Tally, Verdict};
use super::{Core, Ended, Facts, Outcome, Submitted};
use crate::case::{Case, PersonId, Question, Said, add};
use crate::check::Step;
use crate::grant::Denial;
use crate::permission::{Permission, Registered};
use crate::person::Person;
use crate::policy::{self, Decision, Policy, PolicyRequest, Reason, RequiredClaim, Revision};
use crate::process::Waiting;
use crate::protection::Protection;

/// Policy leaves it to the owner.
#[derive(Debug)]
pub struct AwaitingOwner<'a> {
    pub(super) core: Box<Core<'a>>,
    pub(super) person: Person,
    pub(super) tally: Tally,
    pub(super) revision: Revision,
}

/// The client asks how a question stands that the owner was asked before.
#[derive(Debug)]
pub struct Polling<'a> {
    core: Box<Core<'a>>,
    waiting: Waiting,
}

impl AwaitingOwner<'_> {
    /// Whose resources it is about, and where.
    #[must_use]
    pub const fn protection(&self) -> &Protection {
        self.core.process.protection()
    }

    /// What is registered of what it is about.
    #[must_use]
    pub const fn registered(&self) -> &Registered {
        self.core.facts.registered
    }

    /// What they are to be asked. [`Case::ask`]
    #[must_use]
    pub fn question(&self) -> Question {
        Question {
            person: self.person.clone(),
            client: self.core.facts.client.id().clone(),
            permissions: self.tally.to_ask.clone(),
            why: self.tally.asked_by.iter().map(Reason::named).collect(),
            lifetime: self.core.facts.settings.waiting_lifetime,
        }
    }

    /// Ends the assessment by what the owner has said.
    #[must_use]
    pub fn answered(self, said: Said, policy: &dyn Policy) -> Box<Ended> {
        let Self { mut core, person, mut tally, revision } = self;
        let (asked, too_much) = (!said.approved.is_empty(), said.unasked);
        let note = note(&said);
        for permission in &said.approved {
            for scope in &permission.resource_scopes {
                add(&mut tally.granted, &permission.resource_id, scope);
            }
        }
        tally.denied |= said.denied || too_much;
        tally.waiting = said.waiting;
        for claim in wanted(said.more, &person.iss) {
            RequiredClaim::join(&mut tally.needed, claim);
        }
        let permissions = std::mem::take(&mut tally.to_ask);
        let refused = std::mem::take(&mut tally.refused);
        let verdict = tally.verdict(core.facts.settings.partial_grants);
        core.checks.push(match verdict {
            Verdict::Grant => Step::Owner.passed(note),
            Verdict::NeedInfo | Verdict::Wait | Verdict::Deny => Step::Owner.failed(note),
        });
        let mut ended = match verdict {
            Verdict::Grant => core.grant(tally.granted, Some(person), asked, revision, policy),
            Verdict::NeedInfo => core.need_info(MORE, tally.needed, Some(person)),
            Verdict::Deny if too_much => core.deny(Denial::TooMuchAsked, Some(person)),
            Verdict::Deny => core.deny(Denial::Owner, Some(person)),
            Verdict::Wait => {
                let settings = core.facts.settings;
                let (now, usual) = (core.facts.now, settings.poll_interval);
                let before = core.process.waiting();
                let interval = before.map_or(usual, |before| before.next_interval(usual, now));
                let waiting = Waiting {
                    person: PersonId::of(&person),
                    present: person.present,
                    permissions,
                    until: now.after(settings.waiting_lifetime),
                    told: now,
                    interval,
                    rules: Some(revision),
                };
                core.submit(waiting, Some(person))
            }
        };
        ended.refused = refused;
        ended
    }
}

impl<'a> Polling<'a> {
    /// A client that comes too early is told to wait longer, and nothing is looked up for it.
    pub(super) fn begin(mut core: Box<Core<'a>>) -> Result<Self, Box<Ended>> {
        let Some(waiting) = core.process.waiting().cloned() else {
            // INVARIANT: nobody polls with a process that does not wait.
            return Err(core.need_claims(ANEW, None));
        };
        if waiting.until <= core.facts.now {
            core.checks.push(Step::Owner.failed("nobody answered in time"));
            return Err(core.need_claims(ANEW, None));
        }
        if waiting.is_early(core.facts.now) {
            core.checks.push(Step::Owner.failed("asked too early"));
            return Err(core.submit_again(waiting));
        }
        Ok(Self { core, waiting })
    }

    /// Whose resources it is about, and where.
    #[must_use]
    pub const fn protection(&self) -> &Protection {
        self.core.process.protection()
    }

    /// Whose case it is.
    #[must_use]
    pub const fn person(&self) -> &PersonId {
        &self.waiting.person
    }

    /// Ends the assessment by what the owner has said so far; `case` is the person's, if there is
    /// one still. Where the owner is not asked any more, by the rules of now, nothing is waited
    /// for: what these say is found out with fresh claims.
    #[must_use]
    pub fn looked_up(self, case: Option<&Case>, policy: &dyn Policy) -> Box<Ended> {
        let Self { mut core, waiting } = self;
        let Waiting { present, permissions, .. } = &waiting;
        let nothing = || Said { unasked: true, ..Said::default() };
        let said = case.map_or_else(nothing, |case| {
            case.said(core.facts.client.id(), *present, permissions, core.facts.now)
        });
        let note = note(&said);
        let issuer = case.map(|case| &case.person().iss);
        let needed = issuer.map(|issuer| wanted(said.more, issuer)).unwrap_or_default();
        let tally = Tally {
            granted: said.approved,
            denied: said.denied,
            waiting: said.waiting,
            needed,
            ..Tally::default()
        };
        let verdict = tally.verdict(core.facts.settings.partial_grants);
        let is_asked = |case: &Case| core.is_still_asked(case, &waiting, policy);
        if verdict == Verdict::Wait && !case.is_none_or(is_asked) {
            core.checks.push(Step::Owner.failed("by the rules of now, they are not asked"));
            return core.need_claims(OTHER_RULES, issuer.cloned());
        }
        let note = match verdict {
            Verdict::Grant => format!("{note}; claims are needed again"),
            _ => note,
        };
        core.checks.push(Step::Owner.failed(note));
        match verdict {
            // What was not asked after all, or is over, is asked again with fresh claims.
            Verdict::Deny if !said.unasked || tally.denied => core.deny(Denial::Owner, None),
            Verdict::Grant | Verdict::Deny => core.need_claims(ANEW, issuer.cloned()),
            Verdict::NeedInfo => core.need_info(MORE, tally.needed, None),
            Verdict::Wait => core.submit_again(waiting),
        }
    }
}

const OTHER_RULES: &str =
    "other rules hold now: claims about the requesting party are needed again";
const ANEW: &str = "the owner has been asked: claims about the requesting party are needed again";
const MORE: &str = "the owner wants more claims about the requesting party";

/// What the owner wants to know, from the issuer that vouches for the person; and the address,
/// which every claims token has.
fn wanted(names: BTreeSet<String>, issuer: &Issuer) -> Vec<RequiredClaim> {
    let claim = |name| RequiredClaim::named(name).with_issuers([issuer.clone()]);
    names.into_iter().map(claim).collect()
}

fn note(said: &Said) -> String {
    let words = [
        (!said.approved.is_empty(), "approved"),
        (said.waiting, "not answered yet"),
        (!said.more.is_empty(), "claims wanted"),
        (said.denied, "denied"),
        (said.unasked, "not asked"),
    ];
    let words: Vec<_> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
    words.join(", ")
}

impl Core<'_> {
    /// The policy in force, and what else its answers rest on.
    pub(super) fn rules(&self, policy: &dyn Policy) -> Revision {
        let revision = policy.revision(self.process.protection(), self.facts.now);
        self.facts.settings.revision(revision)
    }

    /// Whether the rules of now leave to the owner all that is waited for, as far as the person is
    /// known. As long as the rules are those that sent the request to the owner, they do, whatever
    /// was said of the person before; unless it is only since the client was last told to wait that
    /// they say something else.
    fn is_still_asked(&self, case: &Case, waiting: &Waiting, policy: &dyn Policy) -> bool {
        let Facts { settings, now, .. } = self.facts;
        let is_same = waiting.rules == Some(self.rules(policy));
        if is_same && !policy.is_timed(self.process.protection()) {
            return true;
        }
        let known = case.person();
        if !settings.hears(&known.iss, &known.email) {
            return false;
        }
        let person = Person { present: waiting.present, ..settings.issuers.heard(known.clone()) };
        let decided = |at| self.decided(waiting, &person, policy, at);
        let decided_now = decided(now);
        let is_asked =
            |all: &Vec<Decision>| all.iter().all(|decision| *decision == Decision::AskOwner);
        decided_now.as_ref().is_some_and(is_asked)
            || (is_same && decided(waiting.told) == decided_now)
    }

    /// What policy decides about all that is waited for, at that moment; `None` if something of it
    /// is not there any more.
    fn decided(
        &self,
        waiting: &Waiting,
        person: &Person,
        policy: &dyn Policy,
        at: Timestamp,
    ) -> Option<Vec<Decision>> {
        let Facts { client, registered, .. } = self.facts;
        let mut requests = Vec::new();
        for Permission { resource_id, resource_scopes } in &waiting.permissions {
            let resource = registered.get(resource_id)?;
            if !resource_scopes.is_subset(resource.resource_scopes()) {
                return None;
            }
            requests.extend(resource_scopes.iter().map(|scope| PolicyRequest {
                protection: self.process.protection(),
                resource_id,
                resource,
                scope,
                person: Some(person),
                client: client.id(),
                now: at,
            }));
        }
        let rulings = policy::answered(policy, &requests);
        Some(rulings.map(|(_, ruling)| ruling.decision).collect())
    }

    /// Waits on, from the moment of the client's coming.
    fn submit_again(self, waiting: Waiting) -> Box<Ended> {
        let (now, usual) = (self.facts.now, self.facts.settings.poll_interval);
        let interval = waiting.next_interval(usual, now);
        self.submit(Waiting { told: now, interval, ..waiting }, None)
    }

    /// The end of this round: the process waits.
    fn submit(self, waiting: Waiting, person: Option<Person>) -> Box<Ended> {
        let Self { process, checks, .. } = self;
        let interval = waiting.interval;
        let process = process.wait(waiting);
        Box::new(Ended {
            outcome: Outcome::Submitted(Submitted { process, interval }),
            checks,
            person,
            refused: Vec::new(),
        })
    }
}
