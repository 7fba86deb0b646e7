//! Listens to the client, to both servers' audit trails and to the wire, and tells what it hears as
//! the arrows of flow 002. Each arrow is compared with the drawing: its order, and what it has to
//! carry.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_client::{Event, Observer};
use countersign_sts_service::audit::{Audit as ExchangeAudit, ExchangeRecord};
use countersign_uma_service::audit::{AssessmentRecord, Audit as AssessmentAudit};

use super::arrows::{Answer, Arrows, CLIENT, Expected};
use super::print::Printer;
use super::story::{CheckLine, Data, Kept, Message, Party, Refusal, Step, Story};

/// The number of the last arrow.
const LAST: u8 = 9;

/// Tells a [`Story`] from what the parties report, and prints it meanwhile.
pub(super) struct Narrator(Mutex<Inner>);

struct Inner {
    story: Story,
    /// None if only the record is wanted.
    printer: Option<Printer>,
    failed: Option<io::Error>,
    arrows: Arrows,
    last_arrow: u8,
    /// While a refusal is tried, nothing is told; what was heard is asked for afterwards.
    silent: bool,
    comparisons: Vec<CheckLine>,
    exchange: Option<ExchangeRecord>,
    assessment: Option<AssessmentRecord>,
    answer: Answer,
    messages: Vec<Message>,
}

impl Narrator {
    pub(super) fn new(flow: &'static str, printer: Option<Printer>, expected: Expected) -> Self {
        Self(Mutex::new(Inner {
            story: Story { flow, ..Story::default() },
            printer,
            failed: None,
            arrows: Arrows::new(expected),
            last_arrow: 0,
            silent: false,
            comparisons: Vec::new(),
            exchange: None,
            assessment: None,
            answer: Answer::default(),
            messages: Vec::new(),
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn heading(&self, text: &str) {
        self.inner().print(|printer| printer.heading(text));
    }

    pub(super) fn line(&self, text: &str) {
        self.inner().print(|printer| printer.line(text));
    }

    pub(super) fn parties(&self, parties: Vec<Party>) {
        let mut inner = self.inner();
        inner.print(|printer| printer.parties(&parties));
        inner.story.parties = parties;
    }

    /// Tells a step that is not heard from the parties.
    pub(super) fn step(&self, step: Step) {
        self.inner().step(step);
    }

    pub(super) fn refusal(&self, refusal: Refusal) {
        let mut inner = self.inner();
        inner.print(|printer| printer.refusal(&refusal));
        inner.story.refusals.push(refusal);
    }

    pub(super) fn data(&self, data: Data) {
        let mut inner = self.inner();
        inner.print(|printer| printer.data(&data));
        inner.story.data = Some(data);
    }

    /// How the servers that stay up are used.
    pub(super) fn kept(&self, kept: Kept) {
        self.inner().story.kept = Some(kept);
    }

    /// The client's flow is over: with its last arrow, or with an error, which differs from the
    /// drawing, as do arrows that did not come.
    pub(super) fn flow_ended(&self, error: Option<String>) {
        let mut inner = self.inner();
        inner.flush_comparisons();
        if inner.exchange.is_some() {
            inner.tell_exchange();
        }
        if inner.assessment.is_some() {
            inner.tell_assessment();
        }
        let arrow = inner.last_arrow;
        if let Some(error) = error {
            let step = Step::new(None, CLIENT, CLIENT, "gives up").detail("error", error);
            inner
                .step(step.expect(false, format!("arrow {} was to come", arrow.saturating_add(1))));
        } else if arrow != LAST {
            let step = Step::new(None, CLIENT, CLIENT, "is done");
            inner.step(step.expect(false, format!("the flow ended at arrow {arrow}")));
        }
    }

    /// From here on, listens without telling.
    pub(super) fn fall_silent(&self) {
        let mut inner = self.inner();
        inner.silent = true;
        inner.assessment = None;
    }

    /// The claims token of the flow that was told.
    pub(super) fn claims_token(&self) -> String {
        self.inner().arrows.claims_token.clone()
    }

    /// What the authorization server recorded last.
    pub(super) fn last_assessment(&self) -> Option<AssessmentRecord> {
        self.inner().assessment.take()
    }

    /// A request that reached a party.
    pub(super) fn message(&self, message: Message) {
        let mut inner = self.inner();
        if !inner.silent {
            inner.messages.push(message);
        }
    }

    /// An answer that reached the client.
    pub(super) fn answer(&self, answer: Answer) {
        self.inner().answer = answer;
    }

    /// The answer that reached the client last.
    pub(super) fn last_answer(&self) -> Answer {
        self.inner().answer.clone()
    }

    /// The story so far.
    ///
    /// # Errors
    /// What kept it from being printed.
    pub(super) fn story(&self) -> io::Result<Story> {
        let mut inner = self.inner();
        match inner.failed.take() {
            Some(error) => Err(error),
            None => Ok(inner.story.clone()),
        }
    }
}

impl Inner {
    fn print(&mut self, what: impl FnOnce(&mut Printer) -> io::Result<()>) {
        if let Some(Err(error)) = self.printer.as_mut().map(what) {
            self.failed.get_or_insert(error);
        }
    }

    fn step(&mut self, mut step: Step) {
        if let Some(number) = step.number {
            let expected = self.last_arrow.saturating_add(1);
            self.last_arrow = number;
            step = step.expect(number == expected, format!("arrow {expected} was to come"));
        }
        step.messages = std::mem::take(&mut self.messages);
        self.print(|printer| printer.step(&step));
        self.story.steps.push(step);
    }

    /// What the client compared since the last arrow.
    fn flush_comparisons(&mut self) {
        let checks = std::mem::take(&mut self.comparisons);
        if !checks.is_empty() {
            self.step(Step::new(None, CLIENT, CLIENT, "compares").checks(checks));
        }
    }

    fn tell_exchange(&mut self) {
        let record = self.exchange.take();
        Arrows::exchange_decision(record.as_ref()).into_iter().for_each(|step| self.step(step));
    }

    fn tell_assessment(&mut self) {
        let record = self.assessment.take();
        self.step(Arrows::assessment(record.as_ref()));
    }

    fn hear(&mut self, event: &Event<'_>) {
        if let Event::Checked { what, section, value } = event {
            self.comparisons.push(CheckLine {
                name: (*what).to_owned(),
                section: (*section).to_owned(),
                passed: true,
                note: Some((*value).to_owned()),
            });
            return;
        }
        self.flush_comparisons();
        match event {
            Event::ClaimsTokenReceived { .. } => self.tell_exchange(),
            Event::GrantRefused { .. } | Event::RptReceived { .. } => self.tell_assessment(),
            _ => {}
        }
        if let Some(step) = self.arrow(event) {
            self.step(step);
        }
    }

    fn arrow(&mut self, event: &Event<'_>) -> Option<Step> {
        let Self { arrows, answer, .. } = self;
        Some(match event {
            Event::Requested { method, url } => arrows.request(method, url),
            Event::Challenged { challenge } => arrows.challenged(challenge, answer),
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
        let mut inner = self.inner();
        if !inner.silent {
            inner.hear(event);
        }
    }
}

impl ExchangeAudit for Narrator {
    fn record(&self, record: &ExchangeRecord) {
        self.inner().exchange = Some(record.clone());
    }
}

impl AssessmentAudit for Narrator {
    fn record(&self, record: &AssessmentRecord) {
        self.inner().assessment = Some(record.clone());
    }
}
