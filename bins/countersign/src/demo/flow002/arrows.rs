//! The arrows of flow 002 as steps: what each carries, and what it has to carry. Values come from
//! what was sent and answered; only the words are the drawing's.

use std::collections::BTreeMap;

use countersign_client::UmaChallenge;
use countersign_client::token_endpoint::TokenErrorResponse;
use countersign_sts_service::audit::ExchangeRecord;
use countersign_types::EndpointUrl;
use countersign_types::digest::Digest;
use countersign_uma_service::audit::AssessmentRecord;
use http::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::demo::story::{CheckLine, Step};
use crate::demo::teller::Answer;

pub(super) const CLIENT: &str = "RqP Client";
pub(super) const RS: &str = "RS";
pub(super) const STS: &str = "STS";
pub(super) const AS: &str = "UMA Server";

/// The drawing's authorization process at the STS, by the checks that make its two steps.
const AT_THE_STS: [(&str, &[&str]); 2] = [
    (
        "1. evaluate the user_claims from access_token",
        &[
            "subject_token is live, of this server or an issuer it trusts",
            "the person lets the client speak for them (scope claims-provider)",
            "the person has a verified e-mail address",
        ],
    ),
    ("2. evaluate the resource", &["resource is an absolute URI that is not denied"]),
];

/// The drawing's authorization process at the UMA server: its steps, and the checks that make each.
const AT_THE_UMA_SERVER: [(&str, &[&str]); 8] = [
    ("1. extract user_claims from claims_token", &["claims_token is a compact JWS"]),
    ("2. select email_address claim", &["one verified e-mail address"]),
    (
        "3. bootstrap discovery of OIDC provider",
        &["the e-mail domain names an issuer", "iss is the issuer that the e-mail domain names"],
    ),
    ("4. verify claims_token signature", &["the issuer's signature"]),
    (
        "5. check audience",
        &[
            "aud is this authorization server alone",
            "resource is the resource server's",
            "resource is the resource server of the ticket",
        ],
    ),
    ("6. extract ticket_challenge", &["ticket_challenge = base64url(SHA-256(ticket))"]),
    ("7. compare ticket_challenge", &["ticket_challenge = base64url(SHA-256(ticket))"]),
    ("8. evaluate user_claims", &["the owner's policy permits it"]),
];

/// Where the flow is expected to go.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) url: &'static str,
    pub(super) authorization_server: &'static str,
    pub(super) resource: &'static str,
    pub(super) email: &'static str,
}

/// What later arrows are compared with.
pub(super) struct Arrows {
    expected: Expected,
    ticket: String,
    ticket_challenge: String,
    pub(super) claims_token: String,
    rpt: String,
}

impl Arrows {
    pub(super) const fn new(expected: Expected) -> Self {
        Self {
            expected,
            ticket: String::new(),
            ticket_challenge: String::new(),
            claims_token: String::new(),
            rpt: String::new(),
        }
    }

    /// 1. Request to 'RS API' resource
    pub(super) fn request(&self, method: &Method, url: &EndpointUrl) -> Step {
        Step::new(Some(1), CLIENT, RS, "Request to 'RS API' resource (scope=get)")
            .detail(method.as_str(), url.as_str())
            .expect(method == Method::GET, "GET was to be the method")
            .expect(url.as_str() == self.expected.url, "another URL was to be requested")
    }

    /// 2. 401 with permission ticket
    pub(super) fn challenged(&mut self, challenge: &UmaChallenge, answer: &Answer) -> Step {
        self.ticket = challenge.ticket.expose().to_owned();
        let as_uri = challenge.as_uri.as_str();
        let expected = self.expected.authorization_server;
        let words = format!("{} with permission ticket", answer.status.as_u16());
        Step::new(Some(2), RS, CLIENT, words)
            .detail("WWW-Authenticate", answer.scheme.clone())
            .detail("as_uri", as_uri)
            .token("ticket", self.ticket.clone())
            .expect(answer.status == StatusCode::UNAUTHORIZED, "401 was to come")
            .expect(answer.scheme == "UMA", "UMA was to be the scheme")
            .expect(as_uri == expected, format!("as_uri was to be {expected}"))
    }

    /// 3. Create ticket challenge
    pub(super) fn ticket_challenge(&mut self, ticket_challenge: String) -> Step {
        self.ticket_challenge = ticket_challenge;
        let own = Digest::of(self.ticket.as_bytes()).to_base64url();
        Step::new(Some(3), CLIENT, CLIENT, "Create ticket challenge")
            .detail("formula", "Base64URL-Encode(SHA256(ticket))")
            .detail("ticket_challenge", self.ticket_challenge.clone())
            .expect(own == self.ticket_challenge, "it is not that hash")
    }

    /// 4. Token exchange request
    pub(super) fn exchange(&self, endpoint: &EndpointUrl, params: &[(&str, &str)]) -> Step {
        let step = Step::new(Some(4), CLIENT, STS, "Token exchange request")
            .detail("POST", endpoint.as_str());
        let leaked = params.iter().any(|(_, value)| value.contains(&self.ticket));
        let bound = has(params, "ticket_challenge", &self.ticket_challenge)
            && has(params, "audience", self.expected.authorization_server)
            && has(params, "resource", self.expected.resource);
        with_params(step, params)
            .expect(!leaked, "the ticket itself went to the STS")
            .expect(bound, "ticket_challenge, audience or resource is another")
    }

    /// The STS's half of the authorization process.
    pub(super) fn exchange_decision(record: Option<&ExchangeRecord>) -> Vec<Step> {
        let mut phases: BTreeMap<&'static str, Vec<CheckLine>> = BTreeMap::new();
        for check in record.iter().flat_map(|record| &record.checks) {
            phases.entry(check.phase.name()).or_default().push(CheckLine {
                name: check.name.to_owned(),
                section: check.section.to_owned(),
                passed: check.passed,
                note: None,
            });
        }
        let step = |(phase, drawn): (&'static str, &[&str])| {
            let checks = phases.remove(phase).unwrap_or_default();
            Step::new(None, STS, STS, phase)
                .checks(checks)
                .expect(record.is_some(), "the STS recorded no decision")
                .expect_checks(drawn)
        };
        AT_THE_STS.into_iter().map(step).collect()
    }

    /// 5. Return claims_token
    pub(super) fn claims_token(&mut self, claims_token: &str) -> Step {
        claims_token.clone_into(&mut self.claims_token);
        let words = "Return claims_token (user_claims + ticket_challenge)";
        let step = Step::new(Some(5), STS, CLIENT, words).token("access_token", claims_token);
        let detail = step.details.first();
        let header = detail.and_then(|detail| detail.header.clone()).unwrap_or_default();
        let claims = detail.and_then(|detail| detail.claims.clone()).unwrap_or_default();
        let bound = text(&claims, "aud") == self.expected.authorization_server
            && text(&claims, "resource") == self.expected.resource
            && text(&claims, "ticket_challenge") == self.ticket_challenge;
        step.expect(text(&header, "typ") == "uma-claims+jwt", "its typ is another")
            .expect(bound, "aud, resource or ticket_challenge is another")
            .expect(text(&claims, "email") == self.expected.email, "it is about another person")
    }

    /// 6. Call token endpoint
    pub(super) fn grant(&self, endpoint: &EndpointUrl, params: &[(&str, &str)]) -> Step {
        let words = "Call token endpoint (ticket, pushed_claims=claims_token)";
        let step = Step::new(Some(6), CLIENT, AS, words).detail("POST", endpoint.as_str());
        let pushed = has(params, "ticket", &self.ticket)
            && has(params, "claim_token", &self.claims_token)
            && has(params, "resource", self.expected.resource);
        with_params(step, params)
            .expect(pushed, "the ticket, the claims token or the resource is another")
    }

    /// The UMA server's half of the authorization process.
    pub(super) fn assessment(record: Option<&AssessmentRecord>) -> Step {
        let checks = record.iter().flat_map(|record| &record.checks).map(check_line).collect();
        let step = Step::new(None, AS, AS, "Authorization process")
            .checks(checks)
            .expect(record.is_some(), "the UMA server recorded no assessment");
        let drawn: Vec<&str> =
            AT_THE_UMA_SERVER.iter().flat_map(|(_, names)| *names).copied().collect();
        step.expect_checks(&drawn)
    }

    /// In the place of 7: the UMA server refuses.
    pub(super) fn refused(error: &TokenErrorResponse) -> Step {
        Step::new(None, AS, CLIENT, "refuses")
            .detail("error", error.error.clone())
            .expect(false, "an RPT was to come")
    }

    /// 7. Return requesting party token
    pub(super) fn rpt(&mut self, rpt: &str) -> Step {
        rpt.clone_into(&mut self.rpt);
        Step::new(Some(7), AS, CLIENT, "Return requesting party token (RPT)")
            .token("access_token", rpt)
            .expect(!rpt.is_empty(), "it is empty")
    }

    /// 8. Get data from 'RS API' resource
    pub(super) fn request_with_rpt(&self, method: &Method, url: &EndpointUrl, rpt: &str) -> Step {
        Step::new(Some(8), CLIENT, RS, "Get data from 'RS API' resource (RPT)")
            .detail(method.as_str(), url.as_str())
            .token_again("Authorization", format!("Bearer {rpt}"))
            .expect(method == Method::GET, "GET was to be the method")
            .expect(url.as_str() == self.expected.url, "another URL was to be requested")
            .expect(rpt == self.rpt, "the RPT is not that of arrow 7")
    }

    /// 9. 200 OK
    pub(super) fn answered(status: StatusCode) -> Step {
        Step::new(Some(9), RS, CLIENT, status.to_string())
            .expect(status == StatusCode::OK, "200 was to come")
    }
}

/// A check of the UMA server.
pub(super) fn check_line(check: &countersign_uma::Check) -> CheckLine {
    CheckLine {
        name: check.name.to_owned(),
        section: check.section.to_owned(),
        passed: check.passed,
        note: (!check.note.is_empty()).then(|| check.note.clone()),
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn has(params: &[(&str, &str)], name: &str, value: &str) -> bool {
    params.contains(&(name, value))
}

/// The parameters of a form; tokens and the ticket have been shown before.
fn with_params(step: Step, params: &[(&str, &str)]) -> Step {
    params.iter().fold(step, |step, (name, value)| match *name {
        "subject_token" | "claim_token" | "ticket" => step.token_again(*name, *value),
        _ => step.detail(*name, *value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected {
        url: "https://rs.example/a",
        authorization_server: "https://as.example",
        resource: "https://rs.example",
        email: "alice@alice.example",
    };

    fn url(text: &str) -> EndpointUrl {
        EndpointUrl::parse(text).unwrap()
    }

    #[test]
    fn what_nobody_recorded_differs() {
        for step in Arrows::exchange_decision(None) {
            assert!(step.differs.iter().any(|text| text.contains("recorded no decision")));
        }
        let step = Arrows::assessment(None);
        assert!(step.differs.iter().any(|text| text.contains("recorded no assessment")));
        // One for each check of the drawing's eight steps, the two of step 6 and 7 being one.
        for (_, names) in AT_THE_UMA_SERVER {
            assert!(names.iter().all(|name| step.differs.iter().any(|text| text.ends_with(name))));
        }
    }

    #[test]
    fn the_rpt_of_arrow_8_is_that_of_arrow_7() {
        let mut arrows = Arrows::new(EXPECTED);
        assert!(arrows.rpt("one").differs.is_empty());
        let asked = url(EXPECTED.url);
        assert!(arrows.request_with_rpt(&Method::GET, &asked, "one").differs.is_empty());
        assert!(!arrows.request_with_rpt(&Method::GET, &asked, "two").differs.is_empty());
    }

    #[test]
    fn a_request_for_something_else_differs() {
        let arrows = Arrows::new(EXPECTED);
        assert!(arrows.request(&Method::GET, &url(EXPECTED.url)).differs.is_empty());
        assert!(!arrows.request(&Method::PUT, &url(EXPECTED.url)).differs.is_empty());
        assert!(!arrows.request(&Method::GET, &url("https://rs.example/b")).differs.is_empty());
    }

    #[test]
    fn only_200_is_as_drawn() {
        assert!(Arrows::answered(StatusCode::OK).differs.is_empty());
        assert!(!Arrows::answered(StatusCode::NO_CONTENT).differs.is_empty());
    }
}
