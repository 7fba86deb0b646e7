//! What is kept of every decision.

use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Timestamp};
use countersign_uma::permission::Permission;
use countersign_uma::{Check, Ended, Outcome, Person, Process, Protection};

/// How a token request with a permission ticket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// With an RPT.
    Granted,
    /// With `need_info` and a fresh ticket.
    NeedInfo,
    /// With this error.
    Refused(ErrorCode),
    /// With a failure of ours.
    Failed,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Granted => f.write_str("granted"),
            Self::NeedInfo => f.write_str("need_info"),
            Self::Refused(code) => f.write_str(code.as_str()),
            Self::Failed => f.write_str("failed"),
        }
    }
}

/// One token request with a permission ticket, and everything that was checked about it.
///
/// It holds no ticket, token or secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssessmentRecord {
    /// When.
    pub at: Timestamp,
    /// The client, once authenticated.
    pub client: Option<ClientId>,
    /// The authorization process, once its ticket was found.
    pub process: Option<String>,
    /// The owner and the resource server that obtained the ticket.
    pub protection: Option<Protection>,
    /// The requesting party, once claims about them were verified.
    pub person: Option<Person>,
    /// What was granted.
    pub permissions: Vec<Permission>,
    /// Every check in order; the last one failed unless access was granted.
    pub checks: Vec<Check>,
    /// How it ended.
    pub answer: Answer,
}

impl AssessmentRecord {
    pub(crate) const fn new(at: Timestamp) -> Self {
        Self {
            at,
            client: None,
            process: None,
            protection: None,
            person: None,
            permissions: Vec::new(),
            checks: Vec::new(),
            answer: Answer::Failed,
        }
    }

    pub(crate) fn found(&mut self, process: &Process) {
        self.process = Some(process.id().to_owned());
        self.protection = Some(process.protection().clone());
    }

    pub(crate) fn ended(&mut self, ended: &Ended) {
        self.checks.clone_from(&ended.checks);
        self.person.clone_from(&ended.person);
        match &ended.outcome {
            Outcome::Granted(rpt) => {
                self.permissions.clone_from(&rpt.permissions);
                self.answer = Answer::Granted;
            }
            Outcome::NeedInfo(_) => self.answer = Answer::NeedInfo,
            // A refusal is recorded with its error code, by the one place that records failures.
            _ => {}
        }
    }
}

/// Keeps records. Called once per request, before the answer leaves; must not block for long.
pub trait Audit: Send + Sync {
    /// Keeps a record of an assessment, whatever came of it.
    fn record(&self, record: &AssessmentRecord);
}

/// Writes records to the log, under the target `countersign::audit`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogAudit;

impl Audit for LogAudit {
    fn record(&self, record: &AssessmentRecord) {
        let failed = record.checks.iter().find(|check| !check.passed);
        tracing::info!(
            target: "countersign::audit",
            answer = %record.answer,
            client = record.client.as_ref().map(ClientId::as_str),
            process = record.process.as_deref(),
            resource_server = record.protection.as_ref().map(|p| p.resource_server.as_str()),
            owner = record.protection.as_ref().map(|p| p.owner.as_str()),
            issuer = record.person.as_ref().map(|person| person.iss.as_str()),
            subject = record.person.as_ref().map(|person| person.sub.as_str()),
            passed = record.checks.iter().filter(|check| check.passed).count(),
            failed = failed.map(|check| check.name),
            note = failed.map(|check| check.note.as_str()),
            "assessment"
        );
    }
}
