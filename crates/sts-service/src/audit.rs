//! What was decided, and why: one record for each token exchange.

use countersign_client_auth::Method;
use countersign_token_exchange::Step;
use countersign_token_exchange::error::Phase;
use countersign_token_exchange::request::Wanted;
use countersign_types::{ClientId, EmailAddress, Issuer};

/// One check of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// To which half of the authorization process it belongs.
    pub phase: Phase,
    /// What was checked.
    pub name: &'static str,
    /// The specification that demands it.
    pub section: &'static str,
    /// How it ended. The checks after one that failed were not made and are not listed.
    pub passed: bool,
}

/// One decided token exchange. It names parties and targets and holds no token, no secret and no
/// ticket.
#[derive(Clone, Debug)]
pub struct ExchangeRecord {
    /// Who asked.
    pub client_id: ClientId,
    /// How they proved it; not at all at the claims endpoint, which takes the word of the access
    /// token.
    pub client_method: Method,
    /// On whose behalf, once that is known.
    pub subject: Option<String>,
    /// Whom the subject token names, and by which issuer, where that is another one.
    pub foreign: Option<(Issuer, String)>,
    /// The person's verified address, if the token carries it.
    pub email: Option<EmailAddress>,
    /// For which audiences, as asked.
    pub audiences: Vec<String>,
    /// For which resources, as asked.
    pub resources: Vec<String>,
    /// The checks that were made, in their order.
    pub checks: Vec<Check>,
    /// The rules of the delegation policy that decided, by name.
    pub rules: Vec<String>,
    /// The `jti` of what was issued.
    pub issued: Option<String>,
}

/// Where records go.
pub trait Audit: Send + Sync {
    /// Records a decision, before its answer leaves.
    fn record(&self, record: &ExchangeRecord);
}

/// Writes records to the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogAudit;

impl ExchangeRecord {
    /// Nothing is decided yet.
    pub(crate) fn of(client_id: ClientId, client_method: Method) -> Self {
        Self {
            client_id,
            client_method,
            subject: None,
            foreign: None,
            email: None,
            audiences: Vec::new(),
            resources: Vec::new(),
            checks: Vec::new(),
            rules: Vec::new(),
            issued: None,
        }
    }
}

impl Audit for LogAudit {
    fn record(&self, record: &ExchangeRecord) {
        let failed = record.checks.iter().find(|check| !check.passed);
        tracing::info!(
            target: "countersign::audit",
            client_id = %record.client_id,
            client_method = record.client_method.as_str(),
            subject = record.subject.as_deref(),
            subject_issuer = record.foreign.as_ref().map(|(issuer, _)| issuer.as_str()),
            foreign_subject = record.foreign.as_ref().map(|(_, sub)| sub.as_str()),
            // Lists stay lists: what was asked for may hold blanks and commas.
            audiences = ?record.audiences,
            resources = ?record.resources,
            issued = record.issued.as_deref(),
            checks = record.checks.len(),
            rules = ?record.rules,
            failed = failed.map(|check| check.name),
            section = failed.map(|check| check.section),
            "token exchange decided",
        );
    }
}

/// The checks behind a decision on a request for `wanted`, which is unknown if the request could
/// not be read. A proof is looked for in the store where there is one.
pub(crate) fn checks(wanted: Option<Wanted>, failed: Option<Step>, has_proof: bool) -> Vec<Check> {
    let check = |step: Step, passed| Check {
        phase: step.phase(),
        name: step.name(),
        section: step.section(),
        passed,
    };
    let steps = wanted.map_or(&[][..], Step::of).iter().copied();
    let steps = steps.chain(has_proof.then_some(Step::Proof));
    let before = steps.filter(|step| failed.is_none_or(|failed| *step < failed));
    before.map(|step| check(step, true)).chain(failed.map(|step| check(step, false))).collect()
}
