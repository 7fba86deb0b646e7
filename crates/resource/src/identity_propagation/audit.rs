//! What was decided about whoever presented themselves, and by which checks.

use countersign_identity_propagation::presentation::Step;

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

/// One decided presentation of an identity token and a client proof. It holds neither.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresentationRecord {
    /// The checks that were made, in their order. Those after one that failed were not made and are
    /// not listed.
    pub checks: Vec<Check>,
}

impl PresentationRecord {
    /// The record of a presentation that ended with this step, or passed them all.
    pub(super) fn of(failed: Option<Step>) -> Self {
        let check =
            |step: Step, passed| Check { name: step.name(), section: step.section(), passed };
        let before = Step::ALL.iter().filter(|step| failed.is_none_or(|failed| **step < failed));
        let failed = failed.map(|step| check(step, false));
        Self { checks: before.map(|step| check(*step, true)).chain(failed).collect() }
    }
}

/// Is told of every decided presentation, before its answer leaves.
pub trait Audit: Send + Sync {
    /// Records a decision.
    fn record(&self, record: &PresentationRecord);
}
