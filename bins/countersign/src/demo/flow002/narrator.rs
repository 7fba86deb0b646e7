//! Listens to the client and to both servers' audit trails, and tells what it hears as the arrows
//! of flow 002. Each arrow is compared with the drawing: its order, and what it has to carry.

use std::sync::{Arc, Mutex, MutexGuard};

use countersign_client::{Event, Observer};
use countersign_sts_service::audit::{Audit as ExchangeAudit, ExchangeRecord};
use countersign_uma_service::audit::{AssessmentRecord, Audit as AssessmentAudit};

use super::arrows::{Arrows, CLIENT, Expected};
use crate::demo::story::Step;
use crate::demo::teller::{Teller, locked};

/// The number of the last arrow.
const LAST: u8 = 9;

/// Hears the parties.
pub(super) struct Narrator {
    teller: Arc<Teller>,
    heard: Mutex<Heard>,
}

struct Heard {
    arrows: Arrows,
    exchange: Option<ExchangeRecord>,
    assessment: Option<AssessmentRecord>,
}

impl Narrator {
    pub(super) fn new(teller: Arc<Teller>, expected: Expected) -> Self {
        let heard = Heard { arrows: Arrows::new(expected), exchange: None, assessment: None };
        Self { teller, heard: Mutex::new(heard) }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        locked(&self.heard)
    }

    /// The client's flow is over. What was recorded and not told yet is told first.
    pub(super) fn flow_ended(&self, error: Option<String>) {
        let mut heard = self.heard();
        self.teller.comparisons(CLIENT);
        if heard.exchange.is_some() {
            heard.tell_exchange(&self.teller);
        }
        if heard.assessment.is_some() {
            heard.tell_assessment(&self.teller);
        }
        self.teller.flow_ended(CLIENT, LAST, error);
    }

    /// From here on, listens without telling.
    pub(super) fn fall_silent(&self) {
        self.teller.fall_silent();
        self.heard().assessment = None;
    }

    /// The claims token of the flow that was told.
    pub(super) fn claims_token(&self) -> String {
        self.heard().arrows.claims_token.clone()
    }

    /// What the authorization server recorded last.
    pub(super) fn last_assessment(&self) -> Option<AssessmentRecord> {
        self.heard().assessment.take()
    }
}

impl Heard {
    fn tell_exchange(&mut self, teller: &Teller) {
        let record = self.exchange.take();
        Arrows::exchange_decision(record.as_ref()).into_iter().for_each(|step| teller.step(step));
    }

    fn tell_assessment(&mut self, teller: &Teller) {
        let record = self.assessment.take();
        teller.step(Arrows::assessment(record.as_ref()));
    }

    fn hear(&mut self, event: &Event<'_>, teller: &Teller) {
        if let Event::Checked { what, section, value } = event {
            teller.compared(what, section, value);
            return;
        }
        teller.comparisons(CLIENT);
        match event {
            Event::ClaimsTokenReceived { .. } => self.tell_exchange(teller),
            Event::GrantRefused { .. } | Event::RptReceived { .. } => self.tell_assessment(teller),
            _ => {}
        }
        if let Some(step) = self.arrow(event, teller) {
            teller.step(step);
        }
    }

    fn arrow(&mut self, event: &Event<'_>, teller: &Teller) -> Option<Step> {
        let arrows = &mut self.arrows;
        Some(match event {
            Event::Requested { method, url } => arrows.request(method, url),
            Event::Challenged { challenge } => arrows.challenged(challenge, &teller.last_answer()),
            Event::ChallengeMade { ticket_challenge } => {
                arrows.ticket_challenge(ticket_challenge.to_string())
            }
            Event::ExchangeRequested { endpoint, params } => arrows.exchange(endpoint, params),
            Event::ClaimsTokenReceived { claims_token } => {
                arrows.claims_token(claims_token.expose())
            }
            Event::GrantRequested { endpoint, params } => arrows.grant(endpoint, params),
            Event::GrantRefused { error } => Arrows::refused(error),
            Event::RptReceived { rpt } => arrows.rpt(rpt.expose()),
            Event::RequestedWithRpt { method, url, rpt } => {
                arrows.request_with_rpt(method, url, rpt.expose())
            }
            Event::Answered { status } => Arrows::answered(*status),
            _ => return None,
        })
    }
}

impl Observer for Narrator {
    fn on(&self, event: &Event<'_>) {
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

impl AssessmentAudit for Narrator {
    fn record(&self, record: &AssessmentRecord) {
        self.heard().assessment = Some(record.clone());
    }
}
