//! What the servers recorded of their decisions.

use std::sync::{Mutex, PoisonError};

use countersign_sts_service::audit::ExchangeRecord;
use countersign_uma_service::audit::AssessmentRecord;

/// Keeps every record that a server makes.
#[derive(Debug, Default)]
pub struct Recorder {
    exchanges: Mutex<Vec<ExchangeRecord>>,
    assessments: Mutex<Vec<AssessmentRecord>>,
}

impl Recorder {
    /// The token exchanges that security token services decided, in order.
    #[must_use]
    pub fn exchanges(&self) -> Vec<ExchangeRecord> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The token requests with a permission ticket that UMA servers decided, in order.
    #[must_use]
    pub fn assessments(&self) -> Vec<AssessmentRecord> {
        self.assessments.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl countersign_sts_service::audit::Audit for Recorder {
    fn record(&self, record: &ExchangeRecord) {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    }
}

impl countersign_uma_service::audit::Audit for Recorder {
    fn record(&self, record: &AssessmentRecord) {
        self.assessments.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    }
}
