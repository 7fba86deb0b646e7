//! Listens to the client, to the STS's audit trail and to the RP's decisions, and tells what it
//! hears as the arrows of flow 004. Each arrow is compared with the drawing.

use std::sync::{Arc, Mutex, MutexGuard};

use countersign_client::propagation::{PropagationEvent, PropagationObserver};
use countersign_resource::identity_propagation::{Audit as PresentationAudit, PresentationRecord};
use countersign_resource::policy::{AccessRequest, Audit as AccessAudit, Verdict};
use countersign_sts_service::audit::{Audit as ExchangeAudit, ExchangeRecord};

use super::arrows::{Access, Arrows, CLIENT, Expected, LAST};
use super::checks::rules_line;
use crate::demo::story::{CheckLine, Step};
use crate::demo::teller::{Teller, locked};

/// Hears the parties.
pub(super) struct Narrator {
    teller: Arc<Teller>,
    heard: Mutex<Heard>,
}

struct Heard {
    arrows: Arrows,
    exchange: Option<ExchangeRecord>,
    presentation: Option<PresentationRecord>,
    access: Option<Access>,
}

impl Narrator {
    pub(super) fn new(teller: Arc<Teller>, expected: Expected) -> Self {
        let heard = Heard {
            arrows: Arrows::new(expected),
            exchange: None,
            presentation: None,
            access: None,
        };
        Self { teller, heard: Mutex::new(heard) }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        locked(&self.heard)
    }

    /// The arrows begin anew.
    pub(super) fn begin(&self, expected: Expected) {
        self.teller.begin();
        self.heard().arrows = Arrows::new(expected);
    }

    /// The client's flow is over. What was recorded and not told yet is told first.
    pub(super) fn flow_ended(&self, error: Option<String>) {
        let mut heard = self.heard();
        self.teller.comparisons(CLIENT);
        if heard.exchange.is_some() {
            heard.tell_exchange(&self.teller);
        }
        self.teller.flow_ended(CLIENT, LAST, error);
    }

    /// From here on, listens without telling.
    pub(super) fn fall_silent(&self) {
        self.teller.fall_silent();
        let mut heard = self.heard();
        (heard.exchange, heard.presentation, heard.access) = (None, None, None);
    }

    /// The identity token of the flow that was told last.
    pub(super) fn identity_token(&self) -> String {
        self.heard().arrows.identity_token.clone()
    }

    /// The check that failed at the STS.
    pub(super) fn failed_exchange(&self) -> Option<CheckLine> {
        let record = self.heard().exchange.take()?;
        let failed = record.checks.iter().find(|check| !check.passed)?;
        let note = rules_line(failed.name, &record.rules);
        Some(CheckLine {
            name: failed.name.to_owned(),
            section: failed.section.to_owned(),
            passed: false,
            note: note.or_else(|| Some(format!("no rule permits {}", record.client_id))),
        })
    }

    /// The check that failed at the RP.
    pub(super) fn failed_presentation(&self) -> Option<CheckLine> {
        let record = self.heard().presentation.take()?;
        let failed = record.checks.iter().find(|check| !check.passed)?;
        let (name, section) = (failed.name.to_owned(), failed.section.to_owned());
        Some(CheckLine { name, section, passed: false, note: None })
    }
}

impl Heard {
    fn tell_exchange(&mut self, teller: &Teller) {
        let record = self.exchange.take();
        Arrows::assessment(record.as_ref()).into_iter().for_each(|step| teller.step(step));
    }

    fn tell_decision(&mut self, teller: &Teller) {
        let (record, access) = (self.presentation.take(), self.access.take());
        let steps = Arrows::decision(record.as_ref(), access.as_ref());
        steps.into_iter().for_each(|step| teller.step(step));
    }

    fn hear(&mut self, event: &PropagationEvent<'_>, teller: &Teller) {
        if let PropagationEvent::Checked { what, section, value } = event {
            teller.compared(what, section, value);
            return;
        }
        teller.comparisons(CLIENT);
        match event {
            PropagationEvent::IdentityToken { .. } => self.tell_exchange(teller),
            PropagationEvent::Answered { .. } => self.tell_decision(teller),
            _ => {}
        }
        for step in self.arrows_of(event) {
            teller.step(step);
        }
    }

    fn arrows_of(&mut self, event: &PropagationEvent<'_>) -> Vec<Step> {
        let arrows = &mut self.arrows;
        match event {
            PropagationEvent::ActorToken { actor_token } => {
                vec![arrows.actor_token(actor_token.expose())]
            }
            PropagationEvent::ClientAssertion { client_assertion } => {
                vec![Arrows::client_assertion(client_assertion)]
            }
            PropagationEvent::ExchangeRequested { endpoint, params, .. } => {
                vec![arrows.exchange(endpoint, params)]
            }
            PropagationEvent::IdentityToken { identity_token } => {
                arrows.identity_token(identity_token.expose()).into()
            }
            PropagationEvent::ClientProof { client_proof } => {
                vec![arrows.client_proof(client_proof.expose())]
            }
            PropagationEvent::Requested { method, url, identity_token, client_proof, .. } => {
                vec![arrows.request(method, url, identity_token.expose(), client_proof.expose())]
            }
            PropagationEvent::Answered { status } => vec![arrows.answered(*status)],
            _ => Vec::new(),
        }
    }
}

impl PropagationObserver for Narrator {
    fn on(&self, event: &PropagationEvent<'_>) {
        if !self.teller.is_silent() {
            self.heard().hear(event, &self.teller);
        }
    }
}

impl ExchangeAudit for Narrator {
    fn record(&self, record: &ExchangeRecord) {
        self.heard().exchange = Some(record.clone());
    }
}

impl PresentationAudit for Narrator {
    fn record(&self, record: &PresentationRecord) {
        self.heard().presentation = Some(record.clone());
    }
}

impl AccessAudit for Narrator {
    fn record(&self, request: &AccessRequest<'_>, verdict: &Verdict) {
        let Verdict { permitted, rules } = verdict.clone();
        let access = Access { action: request.action.to_owned(), permitted, rules };
        self.heard().access = Some(access);
    }
}
