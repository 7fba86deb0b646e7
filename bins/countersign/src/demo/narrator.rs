//! Listens to the client and to both servers' audit trails, and tells what it hears as the arrows
//! of flow 002. Each arrow is compared with the drawing: its order, and what it has to carry.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_client::{Event, Observer};
use countersign_sts_service::audit::{Audit as ExchangeAudit, ExchangeRecord};
use countersign_types::digest::Digest;
use countersign_uma_service::audit::{AssessmentRecord, Audit as AssessmentAudit};
use serde_json::Value;

use super::story::{CheckLine, Step, Story};

const CLIENT: &str = "RqP Client";
const RS: &str = "RS";
const STS: &str = "STS";
const AS: &str = "UMA Server";

/// Where the flow is expected to go.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) authorization_server: &'static str,
    pub(super) resource: &'static str,
    pub(super) email: &'static str,
}

/// Tells a [`Story`] from what the parties report.
pub(super) struct Narrator<W: Write>(Mutex<Inner<W>>);

struct Inner<W: Write> {
    story: Story<W>,
    expected: Expected,
    /// While a refusal is tried, nothing is told; what was heard is asked for afterwards.
    silent: bool,
    last_arrow: u8,
    comparisons: Vec<CheckLine>,
    exchange: Option<ExchangeRecord>,
    assessment: Option<AssessmentRecord>,
    ticket: String,
    ticket_challenge: String,
    claims_token: String,
    failed: Option<std::io::Error>,
}

impl<W: Write> Narrator<W> {
    pub(super) fn new(story: Story<W>, expected: Expected) -> Self {
        Self(Mutex::new(Inner {
            story,
            expected,
            silent: false,
            last_arrow: 0,
            comparisons: Vec::new(),
            exchange: None,
            assessment: None,
            ticket: String::new(),
            ticket_challenge: String::new(),
            claims_token: String::new(),
            failed: None,
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells something that is not heard from the parties.
    pub(super) fn tell<T>(
        &self,
        what: impl FnOnce(&mut Story<W>) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        let mut inner = self.inner();
        if let Some(error) = inner.failed.take() {
            return Err(error);
        }
        what(&mut inner.story)
    }

    /// From here on, listens without telling.
    pub(super) fn fall_silent(&self) {
        self.inner().silent = true;
    }

    /// The arrow that was told last.
    pub(super) fn last_arrow(&self) -> u8 {
        self.inner().last_arrow
    }

    /// The claims token of the flow that was told.
    pub(super) fn claims_token(&self) -> String {
        self.inner().claims_token.clone()
    }

    /// What the authorization server recorded last.
    pub(super) fn last_assessment(&self) -> Option<AssessmentRecord> {
        self.inner().assessment.take()
    }
}

impl<W: Write> Inner<W> {
    fn step(&mut self, step: Step) {
        let step = match step.number {
            Some(number) => {
                let expected = self.last_arrow.saturating_add(1);
                self.last_arrow = number;
                step.expect(number == expected, format!("arrow {expected} was to come"))
            }
            None => step,
        };
        if let Err(error) = self.story.step(step) {
            self.failed.get_or_insert(error);
        }
    }

    /// What the client compared since the last arrow.
    fn flush_comparisons(&mut self) {
        let checks = std::mem::take(&mut self.comparisons);
        if !checks.is_empty() {
            self.step(Step::new(None, CLIENT, CLIENT, "compares").checks(checks));
        }
    }

    /// What the security token service recorded: its half of the drawing's authorization process.
    fn tell_exchange(&mut self) {
        let Some(record) = self.exchange.take() else { return };
        let mut phases: BTreeMap<&'static str, Vec<CheckLine>> = BTreeMap::new();
        for check in &record.checks {
            phases.entry(check.phase.name()).or_default().push(CheckLine {
                name: check.name.to_owned(),
                section: check.section.to_owned(),
                passed: check.passed,
                note: None,
            });
        }
        for (phase, checks) in phases {
            self.step(Step::new(None, STS, STS, phase).checks(checks));
        }
    }

    /// What the authorization server recorded.
    fn tell_assessment(&mut self) {
        let Some(record) = self.assessment.take() else { return };
        let checks = record.checks.iter().map(check_line).collect::<Vec<_>>();
        let all_passed = checks.iter().all(|check| check.passed);
        let drawn = [
            "the e-mail domain names an issuer",
            "the owner's policy permits it",
            "resource is the resource server's",
        ];
        let complete =
            drawn.iter().all(|name| record.checks.iter().any(|check| check.name == *name));
        self.step(
            Step::new(None, AS, AS, "Authorization process")
                .checks(checks)
                .expect(all_passed, "a check did not pass")
                .expect(complete, "a check of the drawing was not made"),
        );
    }

    fn hear(&mut self, event: &Event<'_>) {
        if !matches!(event, Event::Checked { .. }) {
            self.flush_comparisons();
        }
        match event {
            Event::Checked { what, section, value } => self.comparisons.push(CheckLine {
                name: (*what).to_owned(),
                section: (*section).to_owned(),
                passed: true,
                note: Some((*value).to_owned()),
            }),
            Event::Requested { method, url } => self.step(
                Step::new(Some(1), CLIENT, RS, "Request to 'RS API' resource (scope=get)")
                    .detail(method.as_str(), url.as_str()),
            ),
            Event::Challenged { challenge } => {
                self.ticket = challenge.ticket.expose().to_owned();
                let as_uri = challenge.as_uri.as_str();
                let expected = self.expected.authorization_server;
                self.step(
                    Step::new(Some(2), RS, CLIENT, "401 with permission ticket")
                        .detail("WWW-Authenticate", "UMA")
                        .detail("as_uri", as_uri)
                        .token("ticket", challenge.ticket.expose())
                        .expect(as_uri == expected, format!("as_uri was to be {expected}")),
                );
            }
            Event::ChallengeMade { ticket_challenge } => {
                self.ticket_challenge = ticket_challenge.to_string();
                let own = Digest::of(self.ticket.as_bytes()).to_base64url();
                self.step(
                    Step::new(Some(3), CLIENT, CLIENT, "Create ticket challenge")
                        .detail("ticket_challenge", "Base64URL-Encode(SHA256(ticket))")
                        .detail("", self.ticket_challenge.clone())
                        .expect(own == self.ticket_challenge, "it is not that hash"),
                );
            }
            Event::ExchangeRequested { endpoint, params } => {
                let step = Step::new(Some(4), CLIENT, STS, "Token exchange request")
                    .detail("POST", endpoint.as_str());
                let step = with_params(step, params);
                let ticket = self.ticket.clone();
                let leaked = params.iter().any(|(_, value)| value.contains(&ticket));
                let bound = has(params, "ticket_challenge", &self.ticket_challenge)
                    && has(params, "audience", self.expected.authorization_server)
                    && has(params, "resource", self.expected.resource);
                self.step(
                    step.expect(!leaked, "the ticket itself went to the STS")
                        .expect(bound, "ticket_challenge, audience or resource is another"),
                );
            }
            Event::ClaimsTokenReceived { claims_token } => {
                self.tell_exchange();
                self.claims_token = claims_token.expose().to_owned();
                let step = self.claims_token_step();
                self.step(step);
            }
            Event::GrantRequested { endpoint, params } => {
                let words = "Call token endpoint (ticket, pushed_claims=claims_token)";
                let step = Step::new(Some(6), CLIENT, AS, words).detail("POST", endpoint.as_str());
                let pushed = has(params, "ticket", &self.ticket)
                    && has(params, "claim_token", &self.claims_token);
                self.step(
                    with_params(step, params)
                        .expect(pushed, "the ticket or the claims token is another"),
                );
            }
            Event::GrantRefused { error } => {
                self.tell_assessment();
                let step = Step::new(None, AS, CLIENT, "refuses")
                    .detail("error", error.error.clone())
                    .expect(false, "an RPT was to come");
                self.step(step);
            }
            Event::RptReceived { rpt } => {
                self.tell_assessment();
                self.step(
                    Step::new(Some(7), AS, CLIENT, "Return requesting party token (RPT)")
                        .token("access_token", rpt.expose()),
                );
            }
            Event::RequestedWithRpt { method, url, rpt } => self.step(
                Step::new(Some(8), CLIENT, RS, "Get data from 'RS API' resource (RPT)")
                    .detail(method.as_str(), url.as_str())
                    .token("Authorization", format!("Bearer {}", rpt.expose())),
            ),
            Event::Answered { status } => self.step(
                Step::new(Some(9), RS, CLIENT, status.to_string())
                    .expect(status.as_u16() == 200, "200 was to come"),
            ),
            _ => {}
        }
    }

    fn claims_token_step(&self) -> Step {
        let words = "Return claims_token (user_claims + ticket_challenge)";
        let step =
            Step::new(Some(5), STS, CLIENT, words).token("access_token", self.claims_token.clone());
        let Some((header, claims)) = decode(&self.claims_token) else {
            return step.expect(false, "it is no JWT");
        };
        let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let typ = header.get("typ").and_then(Value::as_str) == Some("uma-claims+jwt");
        let bound = claim("aud") == self.expected.authorization_server
            && claim("resource") == self.expected.resource
            && claim("ticket_challenge") == self.ticket_challenge;
        step.detail("header", header.to_string())
            .detail("claims", pretty(&claims))
            .expect(typ, "its typ is another")
            .expect(bound, "aud, resource or ticket_challenge is another")
            .expect(claim("email") == self.expected.email, "it is about another person")
    }
}

impl<W: Write + Send> Observer for Narrator<W> {
    fn on(&self, event: &Event<'_>) {
        let mut inner = self.inner();
        if !inner.silent {
            inner.hear(event);
        }
    }
}

impl<W: Write + Send> ExchangeAudit for Narrator<W> {
    fn record(&self, record: &ExchangeRecord) {
        self.inner().exchange = Some(record.clone());
    }
}

impl<W: Write + Send> AssessmentAudit for Narrator<W> {
    fn record(&self, record: &AssessmentRecord) {
        self.inner().assessment = Some(record.clone());
    }
}

fn check_line(check: &countersign_uma::Check) -> CheckLine {
    CheckLine {
        name: check.name.to_owned(),
        section: check.section.to_owned(),
        passed: check.passed,
        note: (!check.note.is_empty()).then(|| check.note.clone()),
    }
}

fn has(params: &[(&str, &str)], name: &str, value: &str) -> bool {
    params.contains(&(name, value))
}

/// The parameters of a form; tokens and the ticket are shown shortened.
fn with_params(step: Step, params: &[(&str, &str)]) -> Step {
    params.iter().fold(step, |step, (name, value)| match *name {
        "subject_token" | "claim_token" | "ticket" => step.token(*name, *value),
        _ => step.detail(*name, *value),
    })
}

/// Header and claims of a JWT, for showing: nothing is verified here.
fn decode(token: &str) -> Option<(Value, Value)> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice(&bytes).ok()
    });
    Some((parts.next()??, parts.next()??))
}

/// One claim a line, without the braces.
fn pretty(claims: &Value) -> String {
    let Some(claims) = claims.as_object() else { return claims.to_string() };
    claims.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}
