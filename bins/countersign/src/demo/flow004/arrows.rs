//! The arrows of flow 004 as steps: what each carries, and what it has to carry. Values come from
//! what was sent and answered; only the words are the drawing's.

use countersign_client::ActorForm;
use countersign_client_auth::Method as AuthMethod;
use countersign_resource::identity_propagation::PresentationRecord;
use countersign_sts_service::audit::ExchangeRecord;
use countersign_types::EndpointUrl;
use countersign_types::digest::Digest;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::checks::{AT_THE_RP, AT_THE_STS, access_line, authentication_line, rules_line};
use super::world::{ALICE, MAIL, RP, STS};
use crate::demo::story::{CheckLine, Step};

pub(super) const IDP: &str = "IdP-STS";
pub(super) const CLIENT: &str = "Client";
pub(super) const PARTY: &str = "RP";

/// The number of the last arrow.
pub(super) const LAST: u8 = 10;

/// What one run is to be.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    /// Whom the actor token is made out to.
    pub(super) form: ActorForm,
    pub(super) method: &'static str,
    pub(super) url: &'static str,
    pub(super) status: StatusCode,
}

/// What the RP decided by its own policy.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) action: String,
    pub(super) permitted: bool,
    pub(super) rules: Vec<String>,
}

/// What later arrows are compared with.
pub(super) struct Arrows {
    expected: Expected,
    actor_token: String,
    pub(super) identity_token: String,
    client_proof: String,
}

impl Arrows {
    pub(super) const fn new(expected: Expected) -> Self {
        Self {
            expected,
            actor_token: String::new(),
            identity_token: String::new(),
            client_proof: String::new(),
        }
    }

    /// 1. Client generates the actor_token
    pub(super) fn actor_token(&mut self, actor_token: &str) -> Step {
        actor_token.clone_into(&mut self.actor_token);
        let audience = match self.expected.form {
            ActorForm::Target => RP,
            ActorForm::Issuer => STS,
        };
        let words = "Client generates the actor_token {iss, aud, sub, exp, nbf}";
        let step = Step::new(Some(1), CLIENT, CLIENT, words).token("actor_token", actor_token);
        let (typ, claims) = decoded(&step);
        step.expect(typ == "actor+jwt", "its typ is another")
            .expect(
                claims.get("aud") == Some(&json!(audience)),
                format!("aud was to be {audience}"),
            )
            .expect(is_the_clients(&claims), "iss and sub were to be the client_id")
            .expect(has_all(&claims, &["exp", "nbf"]), "exp or nbf is missing")
    }

    /// 2. Client generates the authentication_token
    pub(super) fn client_assertion(client_assertion: &str) -> Step {
        let words = "Client generates the authentication_token {iss, sub, aud, jti, exp}";
        let step =
            Step::new(Some(2), CLIENT, CLIENT, words).token("client_assertion", client_assertion);
        let (typ, claims) = decoded(&step);
        step.expect(typ == "client-authentication+jwt", "its typ is another")
            .expect(claims.get("aud") == Some(&json!(STS)), "aud was to be the IdP alone")
            .expect(is_the_clients(&claims), "iss and sub were to be the client_id")
            .expect(has_all(&claims, &["jti", "exp"]), "jti or exp is missing")
    }

    /// 3. Send an HTTP request to get an identity_token
    pub(super) fn exchange(&self, endpoint: &EndpointUrl, params: &[(&str, &str)]) -> Step {
        let words = "Send an HTTP request to get an identity_token with the actor_token";
        let mut step = Step::new(Some(3), CLIENT, IDP, words).detail("POST", endpoint.as_str());
        for (name, value) in params {
            step = match *name {
                "subject_token" | "actor_token" => step.token_again(*name, *value),
                _ => step.detail(*name, *value),
            };
        }
        let has = |name: &str, value: &str| params.contains(&(name, value));
        let resource = params.iter().find(|(name, _)| *name == "resource").map(|(_, value)| *value);
        let target = match self.expected.form {
            // The actor token says where.
            ActorForm::Target => None,
            ActorForm::Issuer => Some(RP),
        };
        let jwt = "urn:ietf:params:oauth:token-type:jwt";
        step.detail("client authentication", "private_key_jwt, with the token of arrow 2")
            .expect(has("actor_token", &self.actor_token), "another actor_token went out")
            .expect(has("requested_token_type", jwt), "a jwt was to be asked for")
            .expect(resource == target, "resource is another")
    }

    /// 4. Authorization assessment
    pub(super) fn assessment(record: Option<&ExchangeRecord>) -> Vec<Step> {
        let first = Step::new(Some(4), IDP, IDP, "Authorization assessment")
            .expect(record.is_some(), "the STS recorded no decision");
        let groups = AT_THE_STS.iter().map(|group| {
            let mut checks = Vec::new();
            if let Some(record) = record {
                checks.extend(group.authentication.then(|| authentication_line(record)));
                let made = record.checks.iter().filter(|check| group.has(check.name));
                checks.extend(made.map(|check| CheckLine {
                    name: check.name.to_owned(),
                    section: check.section.to_owned(),
                    passed: check.passed,
                    note: rules_line(check.name, &record.rules),
                }));
            }
            Step::new(None, IDP, IDP, group.words).checks(checks).expect_checks(&group.names())
        });
        let is_private_key_jwt =
            record.is_none_or(|record| record.client_method == AuthMethod::PrivateKeyJwt);
        std::iter::once(first.expect(is_private_key_jwt, "private_key_jwt was to be the method"))
            .chain(groups)
            .collect()
    }

    /// 5. STS generates the identity_token, and 6. Return the identity_token
    pub(super) fn identity_token(&mut self, identity_token: &str) -> [Step; 2] {
        identity_token.clone_into(&mut self.identity_token);
        let words = "STS generates the identity_token {iss, aud, sub, exp, nbf, act{sub}}";
        let step = Step::new(Some(5), IDP, IDP, words).token("identity_token", identity_token);
        let (typ, claims) = decoded(&step);
        let is = |name: &str, value: Value| claims.get(name) == Some(&value);
        let acts = claims.get("act").and_then(|act| act.get("sub"));
        let made = step
            .expect(typ == "identity-propagation+jwt", "its typ is another")
            .expect(is("iss", json!(STS)), "iss is another")
            .expect(is("aud", json!(RP)), "aud was to be the RP alone")
            .expect(is("sub", json!(ALICE)), "sub was to be Alice's address")
            .expect(acts == Some(&json!(MAIL)), "act.sub was to be the client_id")
            .expect(has_all(&claims, &["exp", "nbf"]), "exp or nbf is missing");
        let returned = Step::new(Some(6), IDP, CLIENT, "Return the identity_token")
            .token_again("access_token", identity_token);
        [made, returned]
    }

    /// 7. Client generates the authentication_token for the RP
    pub(super) fn client_proof(&mut self, client_proof: &str) -> Step {
        client_proof.clone_into(&mut self.client_proof);
        let words = "Client generates the authentication_token {iss, sub, aud, jti, exp}";
        let step = Step::new(Some(7), CLIENT, CLIENT, words).token("client proof", client_proof);
        let (typ, claims) = decoded(&step);
        let ath = Digest::of(self.identity_token.as_bytes()).to_base64url();
        step.expect(typ == "client-proof+jwt", "its typ is another")
            .expect(claims.get("aud") == Some(&json!(RP)), "aud was to be the RP alone")
            .expect(is_the_clients(&claims), "iss and sub were to be the client_id")
            .expect(claims.get("ath") == Some(&json!(ath)), "ath is no hash of the identity_token")
            .expect(has_all(&claims, &["jti", "exp"]), "jti or exp is missing")
    }

    /// 8. Send an HTTP request to the RP
    pub(super) fn request(
        &self,
        method: &Method,
        url: &EndpointUrl,
        identity_token: &str,
        client_proof: &str,
    ) -> Step {
        let words = "Send an HTTP request to the RP with the identity_token in the header";
        let same = identity_token == self.identity_token && client_proof == self.client_proof;
        Step::new(Some(8), CLIENT, PARTY, words)
            .detail(method.as_str(), url.as_str())
            .token_again("Authorization", format!("Bearer {identity_token}"))
            .token_again("Client-Assertion", client_proof)
            .expect(method.as_str() == self.expected.method, "another method was to come")
            .expect(url.as_str() == self.expected.url, "another URL was to be requested")
            .expect(same, "the tokens are not those of arrows 6 and 7")
    }

    /// 9. Authorization assessment
    pub(super) fn decision(
        record: Option<&PresentationRecord>,
        access: Option<&Access>,
    ) -> Vec<Step> {
        let first = Step::new(Some(9), PARTY, PARTY, "Authorization assessment")
            .expect(record.is_some(), "the RP recorded no decision");
        let groups = AT_THE_RP.iter().map(|(words, steps)| {
            let names: Vec<_> = steps.iter().map(|step| step.name()).collect();
            let made = record.iter().flat_map(|record| &record.checks);
            let made = made.filter(|check| names.contains(&check.name)).map(|check| CheckLine {
                name: check.name.to_owned(),
                section: check.section.to_owned(),
                passed: check.passed,
                note: None,
            });
            Step::new(None, PARTY, PARTY, *words).checks(made.collect()).expect_checks(&names)
        });
        let lines = access.map(access_line).into_iter().collect::<Vec<_>>();
        let abac = Step::new(None, PARTY, PARTY, "local ABAC engine")
            .expect(!lines.is_empty(), "the RP's policy was not asked");
        let abac = abac.checks(lines).expect_checks(&[]);
        std::iter::once(first).chain(groups).chain([abac]).collect()
    }

    /// 10. Return the HTTP response
    pub(super) fn answered(&self, status: StatusCode) -> Step {
        let expected = self.expected.status;
        Step::new(Some(10), PARTY, CLIENT, format!("Return the HTTP response: {status}"))
            .expect(status == expected, format!("{expected} was to come"))
    }
}

/// `typ` and the claims of the token that a step shows.
fn decoded(step: &Step) -> (String, Map<String, Value>) {
    let detail = step.details.first();
    let header = detail.and_then(|detail| detail.header.clone()).unwrap_or_default();
    let claims = detail.and_then(|detail| detail.claims.clone()).unwrap_or_default();
    let typ = header.get("typ").and_then(Value::as_str).unwrap_or_default().to_owned();
    (typ, claims)
}

fn is_the_clients(claims: &Map<String, Value>) -> bool {
    ["iss", "sub"].iter().all(|name| claims.get(*name) == Some(&json!(MAIL)))
}

fn has_all(claims: &Map<String, Value>, names: &[&str]) -> bool {
    names.iter().all(|name| claims.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected {
        form: ActorForm::Issuer,
        method: "GET",
        url: "https://rp.bob.example/letters",
        status: StatusCode::OK,
    };

    #[test]
    fn what_nobody_recorded_differs() {
        let steps = Arrows::assessment(None);
        assert!(steps.iter().all(|step| !step.differs.is_empty()));
        let steps = Arrows::decision(None, None);
        assert!(steps.iter().all(|step| !step.differs.is_empty()));
    }

    #[test]
    fn what_the_policy_forbids_differs() {
        let access = Access { action: "read".to_owned(), permitted: false, rules: Vec::new() };
        let steps = Arrows::decision(None, Some(&access));
        let last = steps.last().unwrap();
        assert_eq!(last.differs.len(), 1, "{last:?}");
    }

    #[test]
    fn another_request_and_another_answer_differ() {
        let mut arrows = Arrows::new(EXPECTED);
        arrows.identity_token = "token".to_owned();
        arrows.client_proof = "proof".to_owned();
        let url = |text| EndpointUrl::parse(text).unwrap();
        let asked = |method, at, token, proof| {
            arrows.request(&method, &url(at), token, proof).differs.len()
        };
        assert_eq!(asked(Method::GET, EXPECTED.url, "token", "proof"), 0);
        assert_eq!(asked(Method::PUT, EXPECTED.url, "token", "proof"), 1);
        assert_eq!(asked(Method::GET, "https://rp.bob.example/", "token", "proof"), 1);
        assert_eq!(asked(Method::GET, EXPECTED.url, "other", "proof"), 1);
        assert_eq!(asked(Method::GET, EXPECTED.url, "token", "other"), 1);
        assert!(arrows.answered(StatusCode::OK).differs.is_empty());
        assert!(!arrows.answered(StatusCode::CREATED).differs.is_empty());
    }

    #[test]
    fn a_token_that_is_none_differs() {
        let mut arrows = Arrows::new(EXPECTED);
        assert!(!arrows.actor_token("x").differs.is_empty());
        assert!(!Arrows::client_assertion("x").differs.is_empty());
        assert!(!arrows.client_proof("x").differs.is_empty());
        let [made, returned] = arrows.identity_token("x");
        assert!(!made.differs.is_empty() && returned.differs.is_empty());
    }
}
