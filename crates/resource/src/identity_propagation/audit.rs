//! What was decided about whoever presented themselves, and by which checks.

use countersign_identity_propagation::presentation::Step;
use countersign_types::secret::AccessToken;

use super::IdentityError;
pub use crate::claimed::Claimed;

/// One check of a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// The specification that demands it.
    pub section: &'static str,
    /// How it ended.
    pub passed: bool,
}

/// What came of a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller is who they say.
    Accepted,
    /// A check failed.
    Refused,
    /// Nothing is known: somebody did not answer, or this server's own memory failed.
    Undecided,
}

/// What came of one presentation of an identity token and its proofs. It holds none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresentationRecord {
    /// What came of it.
    pub outcome: Outcome,
    /// Who the identity token says is calling; established only where the outcome is
    /// [`Outcome::Accepted`].
    pub claimed: Claimed,
    /// The checks that were made, in their order. Those after one that failed, or could not be
    /// made, were not made and are not listed.
    pub checks: Vec<Check>,
}

impl PresentationRecord {
    /// The record of a presentation that ended with this error, or without one.
    pub(super) fn of(identity_token: &AccessToken, error: Option<&IdentityError>) -> Self {
        let outcome = match error {
            None => Outcome::Accepted,
            Some(error) if error.is_undecided() => Outcome::Undecided,
            Some(_) => Outcome::Refused,
        };
        let ended = error.map(IdentityError::step);
        let check =
            |step: Step, passed| Check { name: step.name(), section: step.section(), passed };
        let passed = Step::ALL.iter().filter(|step| ended.is_none_or(|ended| **step < ended));
        let passed = passed.map(|step| check(*step, true));
        let failed = ended.filter(|_| outcome == Outcome::Refused).map(|step| check(step, false));
        let checks = passed.chain(failed).collect();
        Self { outcome, claimed: Claimed::by(identity_token), checks }
    }
}

/// Is told what came of every presentation, before its answer leaves.
pub trait Audit: Send + Sync {
    /// Records a decision.
    fn record(&self, record: &PresentationRecord);
}
