//! Listens to the client and to both audit trails, and tells what it hears as the arrows of
//! flow 003. Each is compared with the drawing: its order, and what it has to carry.

use std::sync::{Arc, Mutex};

use countersign_client::{Event, Observer};
use countersign_sts_service::audit::{Audit as ClaimsAudit, ExchangeRecord};
use countersign_types::digest::Digest;
use countersign_uma_service::audit::{AssessmentRecord, Audit as AssessmentAudit};
use http::{Method, StatusCode};
use serde_json::Value;

use super::world::{ALICE, AUTHN, CLAIMS, INCOMING, RS};
use crate::demo::story::{CheckLine, Step};
use crate::demo::teller::{Teller, locked};

pub(super) const CLIENT: &str = "RqP Client";
pub(super) const RS_NAME: &str = "RS";
pub(super) const AS: &str = "AuthZ Server";
pub(super) const CP: &str = "CP";
pub(super) const AUTHN_NAME: &str = "AuthN Server";
pub(super) const BOB: &str = "Bob";

/// The number of the last arrow.
pub(super) const LAST: u8 = 10;

/// The drawing's evaluation at the authorization server, by its checks.
const EVALUATED: [&str; 6] = [
    "ticket_challenge = base64url(SHA-256(ticket))",
    "the e-mail domain names an issuer",
    "iss is the issuer that the e-mail domain names",
    "the issuer's signature",
    "one verified e-mail address",
    "the owner's policy permits it",
];

/// Hears the parties.
pub(super) struct Narrator {
    teller: Arc<Teller>,
    as_uri: String,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    ticket: String,
    digest: String,
    claims_token: String,
    /// Whether the client names Alice, so that it acts.
    acts: bool,
    /// What has to come of the loop before an RPT does.
    awaits: Awaits,
    /// Where the client asks how it stands, until there is an answer.
    poll: Option<String>,
    claims: Option<ExchangeRecord>,
    assessment: Option<AssessmentRecord>,
}

/// What the AuthZ server says next, in the place of an RPT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaits {
    /// That the owner is asked.
    #[default]
    Question,
    /// That they were asked and have not answered, or that they have: a person takes their time.
    Person,
    /// That they have answered, so that the loop goes round once more.
    Claims,
}

impl Awaits {
    fn is(self, error: &str) -> bool {
        match error {
            "request_submitted" => self != Self::Claims,
            "need_info" => self != Self::Question,
            // A person may say no.
            "request_denied" => self == Self::Person,
            _ => false,
        }
    }
}

impl Narrator {
    pub(super) fn new(teller: Arc<Teller>, as_uri: String) -> Self {
        Self { teller, as_uri, heard: Mutex::default() }
    }

    /// A branch of the drawing begins.
    pub(super) fn begin(&self, acts: bool) {
        *locked(&self.heard) = Heard { acts, ..Heard::default() };
        self.teller.begin();
    }

    /// Bob has decided.
    pub(super) fn decided(&self) {
        locked(&self.heard).awaits = Awaits::Claims;
    }

    /// Bob is a person who decides from here on, sooner or later.
    pub(super) fn decides(&self) {
        locked(&self.heard).awaits = Awaits::Person;
    }

    /// What was recorded last as failed, at the claims provider or at the authorization server.
    pub(super) fn last_failed(&self) -> Option<CheckLine> {
        let mut heard = locked(&self.heard);
        let claims = heard.claims.take().into_iter().flat_map(|it| lines(&it));
        let assessed = heard.assessment.take().into_iter().flat_map(|it| assessed(&it));
        claims.chain(assessed).find(|check| !check.passed)
    }

    pub(super) fn forget(&self) {
        let mut heard = locked(&self.heard);
        (heard.claims, heard.assessment) = (None, None);
    }
}

fn lines(record: &ExchangeRecord) -> Vec<CheckLine> {
    let line = |check: &countersign_sts_service::audit::Check| CheckLine {
        name: check.name.to_owned(),
        section: check.section.to_owned(),
        passed: check.passed,
        note: None,
    };
    record.checks.iter().map(line).collect()
}

fn assessed(record: &AssessmentRecord) -> Vec<CheckLine> {
    let line = |check: &countersign_uma::Check| CheckLine {
        name: check.name.to_owned(),
        section: check.section.to_owned(),
        passed: check.passed,
        note: (!check.note.is_empty()).then(|| check.note.clone()),
    };
    record.checks.iter().map(line).collect()
}

fn with_params(step: Step, params: &[(&str, &str)]) -> Step {
    params.iter().fold(step, |step, (name, value)| match *name {
        "claim_token" | "ticket" => step.token_again(*name, *value),
        _ => step.detail(*name, *value),
    })
}

fn claim<'a>(step: &'a Step, name: &str) -> Option<&'a Value> {
    step.details.first()?.claims.as_ref()?.get(name)
}

impl Heard {
    /// What the claims provider said to the AuthN server, by what that one answered.
    fn user_query(&mut self, teller: &Teller) {
        let messages = teller.take_messages();
        let (own, rest): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|it| it.url.starts_with(&format!("{AUTHN}/token")));
        let is_first = !own.is_empty();
        if is_first {
            let words = "Get access_token (grant_type=client_credentials)";
            let mut step = Step::new(None, CP, AUTHN_NAME, words).detail("scope", "query-users");
            step.messages = own;
            teller.step(step);
            teller.step(Step::new(None, AUTHN_NAME, CP, "Return access_token"));
        }
        let asked =
            rest.iter().any(|it| it.url.contains("/scim/v2/Users?filter=") && it.status == 200);
        let words = "Get Alice's user_claims (access_token, Alice's email_address)";
        let mut step = Step::new(None, CP, AUTHN_NAME, words)
            .detail("filter", format!("emails.value eq \"{ALICE}\""))
            .expect(asked, "the user query was to be answered");
        step.messages = rest;
        if !is_first {
            step = step.detail("access_token", "the one that it has");
        }
        teller.step(step);
        let record = self.claims.take();
        let checks = record.as_ref().map(lines).unwrap_or_default();
        teller.step(
            Step::new(None, AUTHN_NAME, CP, "Return Alice's user_claims")
                .checks(checks)
                .expect(record.is_some(), "the claims provider recorded no decision")
                .expect_checks(&["the person has a verified e-mail address"]),
        );
    }

    fn claims_token(&mut self, token: &str, as_uri: &str, teller: &Teller) {
        self.user_query(teller);
        token.clone_into(&mut self.claims_token);
        let words = "Return claims_token (Alice's user_claims, ticket_digest)";
        let step = Step::new(Some(6), CP, CLIENT, words).token("claims_token", token);
        let is = |name, value: &str| claim(&step, name).is_some_and(|it| *it == *value);
        let bound = is("aud", as_uri) && is("resource", RS) && is("ticket_challenge", &self.digest);
        let about = is("email", ALICE) && is("iss", CLAIMS) && is("department", "research");
        let marked = claim(&step, "act").is_some() == self.acts
            && claim(&step, "amr").is_some() != self.acts;
        let step = step
            .expect(bound, "aud, resource or ticket_challenge is another")
            .expect(about, "it is about another person, or of another issuer")
            .expect(marked, "it does not say who acts");
        teller.step(step);
    }

    fn assessment(&mut self, teller: &Teller, expected: &[&str]) {
        let record = self.assessment.take();
        let checks = record.as_ref().map(assessed).unwrap_or_default();
        let words = "Evaluate ticket, ticket_digest, signature, user_claims, domain";
        let step = Step::new(None, AS, AS, words)
            .expect(record.is_some(), "the AuthZ server recorded no assessment")
            .checks(checks);
        teller.step(if expected.is_empty() { step } else { step.expect_checks(expected) });
    }

    /// The client asked how it stands.
    fn polled(&mut self, teller: &Teller) {
        if let Some(endpoint) = self.poll.take() {
            let words = "Ask how it stands (client_credentials, ticket)";
            teller.step(Step::new(None, CLIENT, AS, words).detail("POST", endpoint));
        }
    }

    fn refused(&mut self, error: &str, teller: &Teller) {
        let waits_still = self.awaits == Awaits::Person && error == "request_submitted";
        if self.poll.is_some() && waits_still {
            // However often it asks, it is told once, with what comes of it.
            return;
        }
        self.polled(teller);
        self.assessment(teller, &[]);
        let words = match error {
            "request_submitted" => "request_submitted: Bob is asked, a new ticket",
            "need_info" => "need_info: claims for the newest ticket, please",
            "request_denied" if self.awaits == Awaits::Person => "request_denied: Bob said no",
            other => other,
        };
        let step = Step::new(None, AS, CLIENT, words).detail("error", error);
        let awaited = self.awaits.is(error) && !self.acts;
        teller.step(step.expect(awaited, "an RPT was to come"));
        // The drawing's loop: a new ticket takes a new digest and a new claims_token.
        teller.back_to(4);
    }

    fn hear(&mut self, event: &Event<'_>, as_uri: &str, teller: &Teller) {
        let post = Method::POST;
        match event {
            Event::Checked { what, section, value } => {
                return teller.compared(what, section, value);
            }
            Event::ClaimsRequested { .. } | Event::GrantRequested { .. } => {
                teller.comparisons(CLIENT)
            }
            _ => {}
        }
        match event {
            Event::Requested { method, url } => teller.step(
                Step::new(Some(1), CLIENT, RS_NAME, "Request 'Bob's Incoming' resource")
                    .detail(method.as_str(), url.as_str())
                    .expect(**method == post && url.as_str() == INCOMING, "another request"),
            ),
            Event::Challenged { challenge } => {
                challenge.ticket.expose().clone_into(&mut self.ticket);
                let status = teller.last_answer().status;
                teller.step(
                    Step::new(Some(2), RS_NAME, CLIENT, "401 with permission ticket")
                        .detail("as_uri", challenge.as_uri.as_str())
                        .token("ticket", self.ticket.clone())
                        .expect(status == StatusCode::UNAUTHORIZED, "401 was to come")
                        .expect(challenge.as_uri.as_str() == as_uri, "another as_uri"),
                );
            }
            Event::ChallengeMade { ticket_challenge } => {
                teller.comparisons(CLIENT);
                self.digest = ticket_challenge.to_string();
                teller.step(
                    Step::new(None, CLIENT, CLIENT, "Create ticket_digest")
                        .detail("ticket_challenge", self.digest.clone()),
                );
            }
            Event::ClaimsRequested { endpoint, access_token, params } => {
                let named = params.contains(&("email_address", ALICE));
                let words = match self.acts {
                    true => "Get claims_token (access_token, Alice's email_address, ticket_digest)",
                    false => "Get claims_token (access_token, ticket_digest)",
                };
                let step = Step::new(Some(5), CLIENT, CP, words)
                    .detail("POST", endpoint.as_str())
                    .token_again("Authorization", format!("Bearer {}", access_token.expose()));
                let leaked = params.iter().any(|(_, value)| value.contains(&self.ticket));
                teller.step(
                    with_params(step, params)
                        .expect(!leaked, "the ticket itself went to the claims provider")
                        .expect(named == self.acts, "only an agent names Alice"),
                );
            }
            Event::ClaimsTokenReceived { claims_token } => {
                self.claims_token(claims_token.expose(), as_uri, teller);
            }
            Event::GrantRequested { endpoint, params } => {
                self.granting(endpoint.as_str(), params, teller)
            }
            Event::GrantRefused { error } => self.refused(&error.error, teller),
            Event::RptReceived { rpt } => {
                self.polled(teller);
                self.assessment(teller, &EVALUATED);
                teller.step(
                    Step::new(Some(8), AS, CLIENT, "Return RPT")
                        .token("access_token", rpt.expose()),
                );
            }
            Event::RequestedWithRpt { method, url, .. } => teller.step(
                Step::new(
                    Some(9),
                    CLIENT,
                    RS_NAME,
                    "Post data into 'Bob's Incoming' resource (RPT)",
                )
                .detail(method.as_str(), url.as_str())
                .expect(**method == post && url.as_str() == INCOMING, "another request"),
            ),
            Event::Answered { status } => teller.step(
                Step::new(Some(10), RS_NAME, CLIENT, status.to_string())
                    .expect(*status == StatusCode::CREATED, "201 was to come"),
            ),
            _ => {}
        }
    }

    fn granting(&mut self, endpoint: &str, params: &[(&str, &str)], teller: &Teller) {
        let ticket = params.iter().find(|(name, _)| *name == "ticket").map(|(_, value)| *value);
        let pushes = params.iter().any(|(name, _)| *name == "claim_token");
        if !pushes {
            self.poll = Some(endpoint.to_owned());
            return;
        }
        let own = ticket.map(|ticket| Digest::of(ticket.as_bytes()).to_base64url());
        let pushed = params.contains(&("claim_token", self.claims_token.as_str()));
        let words = "Call token endpoint (client_credentials, ticket, pushed_claims)";
        let step = Step::new(Some(7), CLIENT, AS, words).detail("POST", endpoint);
        teller.step(
            with_params(step, params)
                .expect(own.as_deref() == Some(&self.digest), "the digest is of another ticket")
                .expect(pushed, "another claims_token is pushed"),
        );
    }
}

impl Observer for Narrator {
    fn on(&self, event: &Event<'_>) {
        if !self.teller.is_silent() {
            locked(&self.heard).hear(event, &self.as_uri, &self.teller);
        }
    }
}

impl ClaimsAudit for Narrator {
    fn record(&self, record: &ExchangeRecord) {
        locked(&self.heard).claims = Some(record.clone());
    }
}

impl AssessmentAudit for Narrator {
    fn record(&self, record: &AssessmentRecord) {
        locked(&self.heard).assessment = Some(record.clone());
    }
}
