//! What is kept of every decision.

use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Timestamp};
use countersign_uma::assessment::NotPermitted;
use countersign_uma::check::Step;
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
    /// With `request_submitted` and a fresh ticket: the owner is asked.
    Submitted,
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
            Self::Submitted => f.write_str("request_submitted"),
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
    /// What policy did not permit the requesting party, once claims about them were verified.
    pub refused: Vec<NotPermitted>,
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
            refused: Vec::new(),
            checks: Vec::new(),
            answer: Answer::Failed,
        }
    }

    pub(crate) fn found(&mut self, process: &Process) {
        self.process = Some(process.id().to_owned());
        self.protection = Some(process.protection().clone());
    }

    /// Takes note of how an assessment ended, all but what was granted: that is noted once its
    /// token may leave. A refusal is recorded with its error code, by the one place that records
    /// failures.
    pub(crate) fn ended(&mut self, ended: Ended) -> Outcome {
        self.checks = ended.checks;
        self.person = ended.person;
        self.refused = ended.refused;
        match ended.outcome {
            Outcome::NeedInfo(_) => self.answer = Answer::NeedInfo,
            Outcome::Submitted(_) => self.answer = Answer::Submitted,
            _ => {}
        }
        ended.outcome
    }

    pub(crate) fn granted(&mut self, permissions: Vec<Permission>) {
        self.permissions = permissions;
        self.answer = Answer::Granted;
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
        let mut checks = record.checks.iter();
        let failed = checks.clone().find(|check| !check.passed);
        // Whatever came of it: by which rules somebody got in, or the owner was asked.
        let policy = checks.find(|check| check.name == Step::Policy.name());
        tracing::info!(
            target: "countersign::audit",
            answer = %record.answer,
            client_id = record.client.as_ref().map(ClientId::as_str),
            process = record.process.as_deref(),
            resource_server = record.protection.as_ref().map(|p| p.resource_server.as_str()),
            owner = record.protection.as_ref().map(|p| p.owner.as_str()),
            issuer = record.person.as_ref().map(|person| person.iss.as_str()),
            subject = record.person.as_ref().map(|person| person.sub.as_str()),
            // Or whether somebody acts in their place.
            present = record.person.as_ref().map(|person| person.present),
            granted = ?Granted(&record.permissions),
            policy = policy.map(|check| check.note.as_str()),
            passed = record.checks.iter().filter(|check| check.passed).count(),
            failed = failed.map(|check| check.name),
            section = failed.map(|check| check.section),
            note = failed.map(|check| check.note.as_str()),
            "assessment"
        );
    }
}

/// What was granted, as the log says it: made into text only where somebody reads the log.
struct Granted<'a>(&'a [Permission]);

impl std::fmt::Debug for Granted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts = self.0.iter().map(|permission| {
            format!("{}: {}", permission.resource_id, permission.resource_scopes)
        });
        f.debug_list().entries(texts).finish()
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::Log;
    use countersign_types::{EmailAddress, Issuer, ScopeSet};
    use countersign_uma::person::Vouching;
    use countersign_uma::resource::ResourceId;
    use serde_json::Map;

    use super::*;

    fn logged(record: &AssessmentRecord) -> String {
        let log = Log::default();
        let _heard = log.hear();
        LogAudit.record(record);
        log.text()
    }

    #[test]
    fn the_log_says_who_may_what() {
        let mut record = AssessmentRecord::new(Timestamp::from_unix(0));
        record.client = Some(ClientId::parse("rqp-client").unwrap());
        record.answer = Answer::Granted;
        record.permissions = vec![Permission {
            resource_id: ResourceId::parse("r-1").unwrap(),
            resource_scopes: ScopeSet::parse("read write").unwrap(),
        }];
        let by = "read at RS API: permitted (by \"rule 1\")";
        record.checks = vec![Step::Policy.passed(by)];
        let line = logged(&record);
        let said = r#"answer=granted client_id="rqp-client" granted=["r-1: read write"] policy="read at RS API: permitted (by \"rule 1\")" passed=1"#;
        assert!(line.contains(said), "{line}");
    }

    #[test]
    fn the_log_says_whether_the_person_was_there() {
        let person = |present| Person {
            iss: Issuer::parse("https://sts.alice.example").unwrap(),
            sub: "7".to_owned(),
            email: EmailAddress::parse("alice@alice.example").unwrap(),
            present,
            claims: Map::new(),
            unheard: Map::new(),
            vouching: Vouching::default(),
        };
        for present in [true, false] {
            let mut record = AssessmentRecord::new(Timestamp::from_unix(0));
            record.person = Some(person(present));
            let line = logged(&record);
            let said = "issuer=\"https://sts.alice.example\" subject=\"7\" present=";
            assert!(line.contains(&format!("{said}{present} ")), "{line}");
        }
    }

    #[test]
    fn the_log_says_which_check_failed() {
        let mut record = AssessmentRecord::new(Timestamp::from_unix(0));
        record.answer = Answer::Refused(ErrorCode::INVALID_GRANT);
        record.checks = vec![Check {
            name: "the ticket is good",
            section: "UMA Grant §3.3.1",
            passed: false,
            note: "spent".to_owned(),
        }];
        let line = logged(&record);
        let said = r#"failed="the ticket is good" section="UMA Grant §3.3.1" note="spent""#;
        assert!(line.contains("answer=invalid_grant granted=[] passed=0"), "{line}");
        assert!(line.contains(said), "{line}");
    }
}
