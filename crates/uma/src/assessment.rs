//! Every check between a token request and its answer, in order. [UG §3.3.4]
//!
//! ```text
//!  Assessment::begin      resource, scope, and of a pushed claims token everything
//!     |                   that needs no key: type, ticket challenge, audience, times,
//!     |                   issuer, e-mail address
//!     |-- no token, and the owner is asked already: Polling (below) |
//!     |-- no token ------------------------------------------------+
//!     v                                                            |
//!  AwaitingIssuer         the service looks for the issuer         |
//!     | discovered        that the e-mail domain names             |
//!     v                                                            |
//!  AwaitingKeys           the service fetches that issuer's keys   |
//!     | verify            signature, one person per process        v
//!     +--------------------------------------------------> AwaitingPolicy
//!                                                                  | decide
//!                             Ended: granted, need_info, refused <-+
//!                                                                  |
//!  AwaitingOwner          the service asks the owner, or finds <---+
//!     | answered          what they said, in the person's case
//!     +------------------> Ended: granted, need_info, refused, request_submitted
//!
//!  Polling                the service finds what the owner has said so far, and policy whether they
//!     |                   are asked still
//!     | looked_up
//!     +------------------> Ended: need_info, refused, request_submitted; granted never
//! ```
//!
//! Nothing is fetched before everything that can be checked without fetching has passed: otherwise
//! anyone could make the server contact any host ([RFC 8725 §3.10]). Each step consumes the one
//! before it and may end the assessment instead; either way the ticket is spent. Since a claims
//! token is bound to its ticket, it is thereby spent too: no memory of `jti` values is needed.
//!
//! [UG §3.3.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.4
//! [RFC 8725 §3.10]: https://www.rfc-editor.org/rfc/rfc8725#section-3.10

mod decide;
mod owner;
mod token;

use std::collections::BTreeSet;

use countersign_claims_token::read::{self, CheckedClaims};
use countersign_client_auth::AuthenticatedClient;
use countersign_types::identifier::is_at_or_below;
use countersign_types::{
    EmailAddress, Issuer, Lifetime, ResourceIdentifier, ScopeSet, Timestamp, TokenType,
};
use serde::Deserialize;

use crate::case;
use crate::check::{Check, Step};
use crate::grant::{Denial, GrantError, RefusedScope, RefusedTarget, TokenRequest};
use crate::issuers::Issuers;
use crate::permission::Registered;
use crate::person::{NamedBy, Person};
use crate::policy::{Reason, RequiredClaim, Revision};
use crate::process::{Presented, Process, TicketError};
use crate::protection::{ResourceParameter, ResourceServer};
use crate::resource::ResourceId;
use crate::rpt::{self, Rpt};

pub use self::decide::Decided;
pub use self::owner::{AwaitingOwner, Polling};

/// Room for every check there is: those of [`Step`], and those of a claims token.
const ALL_CHECKS: usize = 13 + read::Step::ALL.len();

/// What an authorization server decides once, for all assessments.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This server's issuer identifier, the one audience that a claims token may have.
    pub issuer: Issuer,
    /// How long a rotated ticket lives.
    pub ticket_lifetime: Lifetime,
    /// How long an RPT lives.
    pub rpt_lifetime: Lifetime,
    /// The longest life of a claims token that is accepted.
    pub claims_token_lifetime: Lifetime,
    /// How long verified claims count in the rest of their process.
    pub kept_claims_lifetime: Lifetime,
    /// How long a request waits for the owner.
    pub waiting_lifetime: Lifetime,
    /// How long a client whose request waits is told to wait before it asks again.
    pub poll_interval: Lifetime,
    /// What happens when policy permits only a part of what is asked.
    pub partial_grants: PartialGrants,
    /// Issuers whose word counts for nothing here, however they spell themselves, and those below
    /// them.
    pub refused_issuers: BTreeSet<Issuer>,
    /// Which issuer may say what of whose people, where that is limited.
    pub issuers: Issuers,
}

impl Settings {
    /// The defaults, for the server of this issuer identifier.
    #[must_use]
    pub const fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            ticket_lifetime: countersign_permission_ticket::ticket::LIFETIME,
            rpt_lifetime: rpt::LIFETIME,
            claims_token_lifetime: read::MAX_LIFETIME,
            kept_claims_lifetime: Lifetime::from_secs(300),
            waiting_lifetime: case::LIFETIME,
            poll_interval: Lifetime::from_secs(5),
            partial_grants: PartialGrants::Refuse,
            refused_issuers: BTreeSet::new(),
            issuers: Issuers::unlimited(),
        }
    }

    /// Whether this issuer's word counts for nothing here.
    #[must_use]
    pub fn refuses(&self, issuer: &Issuer) -> bool {
        let is_this = |no: &Issuer| is_at_or_below(issuer.as_str(), no.as_str());
        self.refused_issuers.iter().any(is_this)
    }

    /// Whether this issuer may say anything of who has this address.
    #[must_use]
    pub fn hears(&self, issuer: &Issuer, email: &EmailAddress) -> bool {
        !self.refuses(issuer) && self.issuers.admit(issuer, email)
    }

    /// The revision of the policy and of what else the answers rest on.
    pub(crate) fn revision(&self, policy: Revision) -> Revision {
        match self.issuers.revision() {
            None => policy,
            issuers => Revision::joined([Some(policy), issuers]),
        }
    }
}

/// Whether an RPT may have fewer permissions than were asked for; [UG §3.3.4] leaves it open.
///
/// [UG §3.3.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.4
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartialGrants {
    /// All that is asked, or an error.
    #[default]
    Refuse,
    /// The part that is permitted, if there is any.
    Allow,
}

/// What has been established before the assessment begins.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The client. Only `countersign-client-auth` makes one.
    pub client: &'a AuthenticatedClient,
    /// The scopes that are registered for the client.
    pub client_scopes: &'a ScopeSet,
    /// The resource server that obtained the ticket, as it is registered now.
    pub resource_server: &'a ResourceServer,
    /// Those resources of the process that are registered now.
    pub registered: &'a Registered,
    /// What this server decided for all assessments.
    pub settings: &'a Settings,
    /// The time of the request.
    pub now: Timestamp,
}

/// How far an assessment got by itself.
#[derive(Debug)]
#[must_use = "a spent ticket deserves an answer"]
pub enum Assessment<'a> {
    /// A claims token is to be verified: look for the issuer.
    Discover(Box<AwaitingIssuer<'a>>),
    /// No token to verify: ask policy.
    Decide(Box<AwaitingPolicy<'a>>),
    /// The owner has been asked: look for what they said.
    Poll(Box<Polling<'a>>),
    /// It is over.
    Ended(Box<Ended>),
}

/// A finished assessment.
#[derive(Debug)]
pub struct Ended {
    /// The answer.
    pub outcome: Outcome,
    /// Every check that was made, in order; the last one failed unless access is granted.
    pub checks: Vec<Check>,
    /// The requesting party, if claims about them are verified.
    pub person: Option<Person>,
    /// What policy did not permit them, for the owner to see.
    pub refused: Vec<NotPermitted>,
}

/// A scope that policy did not permit a person whose claims are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPermitted {
    /// The resource.
    pub resource_id: ResourceId,
    /// The scope.
    pub scope: String,
    /// Why: the policies that forbid it, the claims that are missing or wrong. Nothing, if nothing
    /// permits it.
    pub why: Vec<Reason>,
}

/// The answer to a token request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// An RPT is to be issued for this.
    Granted(Box<Rpt>),
    /// More is needed: the process goes on under a fresh ticket.
    NeedInfo(NeedInfo),
    /// The owner is asked: the process waits for them under a fresh ticket.
    Submitted(Submitted),
    /// Refused for good; the process is over.
    Refused(GrantError),
}

/// Another round of the process. [UG §3.3.6]
///
/// [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
#[derive(Debug)]
pub struct NeedInfo {
    /// The process, to be kept under a fresh ticket that is bound to its client.
    pub process: Process,
    /// The claims that are needed; never empty.
    pub required_claims: Vec<RequiredClaim>,
    /// Why, for the client's log.
    pub reason: &'static str,
}

/// A process that waits for its owner. [UG §3.3.6]
///
/// [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
#[derive(Debug)]
pub struct Submitted {
    /// The process, to be kept durably under a fresh ticket that is its client's.
    pub process: Process,
    /// How long the client should wait before it asks again.
    pub interval: Lifetime,
}

/// What goes through all steps, in a box that they hand on.
#[derive(Debug)]
struct Core<'a> {
    facts: Facts<'a>,
    process: Presented,
    scope: &'a ScopeSet,
    audience: ResourceIdentifier,
    checks: Vec<Check>,
}

/// A pushed claims token passed every check that needs no key.
#[derive(Debug)]
pub struct AwaitingIssuer<'a> {
    core: Box<Core<'a>>,
    claims: CheckedClaims,
}

/// The claims token says it is from the issuer that its e-mail address's domain names.
#[derive(Debug)]
pub struct AwaitingKeys<'a> {
    core: Box<Core<'a>>,
    claims: CheckedClaims,
    issuer: Issuer,
    named_by: NamedBy,
}

/// Everything is known that is going to be.
#[derive(Debug)]
pub struct AwaitingPolicy<'a> {
    core: Box<Core<'a>>,
    person: Option<Person>,
    /// Whether the claims about the person were verified in this round.
    is_new: bool,
}

impl<'a> Assessment<'a> {
    /// Begins an assessment of a ticket that was just spent. Once it has [ended](Self::Ended), the
    /// request may be dropped.
    pub fn begin(process: Presented, request: &'a TokenRequest, facts: Facts<'a>) -> Self {
        match Self::try_begin(process, request, facts) {
            Ok(assessment) => assessment,
            Err(ended) => Self::Ended(ended),
        }
    }

    fn try_begin(
        process: Presented,
        request: &'a TokenRequest,
        facts: Facts<'a>,
    ) -> Result<Self, Box<Ended>> {
        let method = facts.client.method().as_str();
        let mut checks = Vec::with_capacity(ALL_CHECKS);
        checks.push(Step::Syntax.passed(""));
        checks.push(Step::Client.passed([facts.client.id().as_str(), " by ", method].concat()));
        let registration_stands = facts.resource_server.protection == *process.protection();
        if !registration_stands || facts.registered.is_empty() {
            checks.push(Step::Ticket.failed(TicketError::NoResource.to_string()));
            return Err(refused(GrantError::Ticket(TicketError::NoResource), checks));
        }
        checks.push(Step::Ticket.passed(["process ", process.id()].concat()));

        let TokenRequest { ticket, claim_token, resource, scope } = request;
        let claims_pushed = claim_token.is_some();
        let audience = match check_resource(request, claims_pushed, facts.resource_server) {
            Ok(audience) => audience,
            Err(target) => {
                checks.push(Step::Resource.failed(target.to_string()));
                return Err(refused(GrantError::Target(target), checks));
            }
        };
        checks.push(Step::Resource.passed(audience.as_str()));
        if let Err(scope) = check_scope(scope, &facts) {
            checks.push(Step::Scope.failed(scope.to_string()));
            return Err(refused(GrantError::Scope(scope), checks));
        }
        checks.push(Step::Scope.passed(scope.to_string()));

        let mut core = Box::new(Core { facts, process, scope, audience, checks });
        let Some(pushed) = claim_token else {
            if core.process.waiting().is_some() {
                return Polling::begin(core).map(|polling| Self::Poll(Box::new(polling)));
            }
            let person = core.kept_person();
            return Ok(Self::Decide(Box::new(AwaitingPolicy { core, person, is_new: false })));
        };
        if pushed.format != TokenType::JWT {
            core.checks.push(Step::Format.failed(pushed.format.as_str()));
            return Err(core.need_claims("the claim token format is not supported", None));
        }
        core.checks.push(Step::Format.passed(pushed.format.as_str()));
        core.check_token(pushed.token.expose(), ticket, resource.as_ref())
            .map(|awaiting| Self::Discover(Box::new(awaiting)))
    }
}

/// Which resource server did the client call? Each statement about it that is there must be about
/// the one that obtained the ticket, and one must be there. The claim is compared with the rest of
/// the claims token, by [`read::check`].
fn check_resource(
    request: &TokenRequest,
    claims_pushed: bool,
    server: &ResourceServer,
) -> Result<ResourceIdentifier, RefusedTarget> {
    let own = &server.resource_identifiers;
    match &request.resource {
        Some(named) if own.contains(named) => Ok(named.clone()),
        Some(_) => Err(RefusedTarget::Parameter),
        None if claims_pushed || server.resource_parameter == ResourceParameter::Optional => {
            own.first().cloned().ok_or(RefusedTarget::Missing)
        }
        None => Err(RefusedTarget::Missing),
    }
}

/// Requested scopes are registered for the client and available at a resource of the ticket.
/// [UG §3.3.4], [UG §3.3.6]
///
/// [UG §3.3.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.4
/// [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
fn check_scope(requested: &ScopeSet, facts: &Facts<'_>) -> Result<(), RefusedScope> {
    if !requested.is_subset(facts.client_scopes) {
        return Err(RefusedScope::Client);
    }
    let available = |scope: &String| {
        facts.registered.values().any(|resource| resource.resource_scopes().contains(scope))
    };
    if requested.iter().all(available) { Ok(()) } else { Err(RefusedScope::Resource) }
}

fn refused(error: GrantError, checks: Vec<Check>) -> Box<Ended> {
    Box::new(Ended { outcome: Outcome::Refused(error), checks, person: None, refused: Vec::new() })
}

impl Core<'_> {
    /// What the process knows of the person from an earlier round, unless it is too old.
    fn kept_person(&self) -> Option<Person> {
        let Settings { kept_claims_lifetime, .. } = self.facts.settings;
        let kept = self.process.kept()?;
        let settings = self.facts.settings;
        let fresh = self.facts.now < kept.verified.after(*kept_claims_lifetime);
        let is_heard = settings.hears(&kept.person.iss, &kept.person.email);
        (fresh && is_heard).then(|| settings.issuers.heard(kept.person.clone()))
    }

    /// Asks for a claims token: a fresh ticket, and the e-mail address, from the issuer that is
    /// known to speak for it if `hint` names one.
    fn need_claims(self, reason: &'static str, hint: Option<Issuer>) -> Box<Ended> {
        self.need_info(reason, vec![RequiredClaim::email().with_issuers(hint)], None)
    }

    /// Another round, if there may be one.
    fn need_info(
        self,
        reason: &'static str,
        required_claims: Vec<RequiredClaim>,
        person: Option<Person>,
    ) -> Box<Ended> {
        let Self { facts, process, checks, .. } = self;
        let expires = facts.now.after(facts.settings.ticket_lifetime);
        let outcome = match process.rotate(expires) {
            Some(process) => Outcome::NeedInfo(NeedInfo { process, required_claims, reason }),
            None => Outcome::Refused(GrantError::Denied(Denial::Rounds)),
        };
        Box::new(Ended { outcome, checks, person, refused: Vec::new() })
    }

    fn refuse(self, denial: Denial) -> Box<Ended> {
        refused(GrantError::Denied(denial), self.checks)
    }
}
