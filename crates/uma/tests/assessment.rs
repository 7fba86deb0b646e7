//! Assessments from a spent ticket to the answer: the happy path, the negative table of the claims
//! token, and what a process remembers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity,
    reason = "a test fails by panicking, and its tables are types of their own"
)]

use countersign_client_auth::{
    AuthenticatedClient, Authentication, Credentials, RegisteredClient, SecretDigest, authenticate,
};
use countersign_jwt::{Algorithm, KeySet, SigningKey, jws};
use countersign_permission_ticket::TicketChallenge;
use countersign_types::secret::{ClientSecret, TicketHandle};
use countersign_types::{
    ClientId, Issuer, Lifetime, Params, ResourceIdentifier, ScopeSet, Timestamp, WireError as _,
};
use countersign_uma::assessment::Settings;
use countersign_uma::assessment::{Assessment, Ended, Facts, NeedInfo, Outcome, PartialGrants};
use countersign_uma::grant::{self, REPEATABLE};
use countersign_uma::permission::{self, Registered};
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::process::MAX_ROUNDS;
use countersign_uma::protection::{OwnerId, Protection, ResourceParameter, ResourceServer};
use countersign_uma::resource::{ResourceDescription, ResourceId};
use countersign_uma::{Process, Rpt};
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000;
const AS: &str = "https://uma.bob.example";
const RS: &str = "https://rs.bob.example";
const STS: &str = "https://sts.alice.example";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// An authorization server with one resource server, and Alice's identity provider.
struct World {
    settings: Settings,
    server: ResourceServer,
    registered: Registered,
    rules: Rules,
    client: AuthenticatedClient,
    scopes: ScopeSet,
    discovered: Option<Issuer>,
    key: SigningKey,
    now: i64,
}

fn client(id: &str, confidential: bool) -> AuthenticatedClient {
    let id = ClientId::parse(id).unwrap();
    let (credentials, form) = if confidential {
        let secret = SecretDigest::of(&ClientSecret::new("s"));
        (Credentials::secret(secret), format!("client_id={id}&client_secret=s"))
    } else {
        (Credentials::Public, format!("client_id={id}"))
    };
    let registered = RegisteredClient { id, credentials };
    let params = Params::parse(form.as_bytes(), &[]).unwrap();
    let presented = countersign_client_auth::parse(&http::HeaderMap::new(), &params).unwrap();
    let issuer = Issuer::parse(AS).unwrap();
    let now = Timestamp::from_unix(NOW);
    match authenticate(presented, Some(&registered), &issuer, now).unwrap() {
        Authentication::Done(client) => client,
        Authentication::OnceOnly(_) => panic!("not an assertion"),
    }
}

impl World {
    fn new() -> Self {
        let owner = OwnerId::parse("bob").unwrap();
        let protection = Protection::new(owner, ClientId::parse("rs").unwrap());
        let description = br#"{"resource_scopes":["get","put"],"name":"RS API"}"#;
        let description = ResourceDescription::parse(description).unwrap();
        let rules: Vec<Rule> = serde_json::from_value(json!([
            {"resource": "RS API", "scopes": ["get"], "emails": ["alice@alice.example"]},
            {"resource": "RS API", "scopes": ["put"], "emails": ["alice@alice.example"],
             "claims": {"department": "research"}},
        ]))
        .unwrap();
        Self {
            settings: Settings::new(Issuer::parse(AS).unwrap()),
            server: ResourceServer {
                protection: protection.clone(),
                resource_identifiers: vec![
                    ResourceIdentifier::parse(RS).unwrap(),
                    ResourceIdentifier::parse("https://rs.bob.example/v2").unwrap(),
                ],
                resource_parameter: ResourceParameter::Required,
            },
            registered: Registered::from([(ResourceId::parse("r1").unwrap(), description)]),
            rules: Rules::new().with(protection, rules),
            client: client("app", true),
            scopes: ScopeSet::parse("put").unwrap(),
            discovered: Some(Issuer::parse(STS).unwrap()),
            key: SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap(),
            now: NOW,
        }
    }

    fn process(&self) -> Process {
        permission::parse(br#"{"resource_id":"r1","resource_scopes":["get"]}"#)
            .unwrap()
            .open(
                &self.registered,
                self.server.protection.clone(),
                "p1".to_owned(),
                Timestamp::from_unix(self.now),
                Lifetime::from_secs(300),
            )
            .unwrap()
    }

    /// The claims of Alice's claims token for this ticket.
    fn claims(&self, ticket: &str) -> Value {
        json!({
            "iss": STS, "sub": "a1", "aud": AS, "jti": "j1",
            "iat": self.now, "exp": self.now + 120,
            "email": "alice@alice.example", "email_verified": true,
            "resource": RS, "ticket_challenge": challenge(ticket),
        })
    }

    fn token(&self, claims: &Value) -> String {
        jws::sign("uma-claims+jwt", &self.key, claims).unwrap()
    }

    /// Presents `ticket`, which stands for `process`, with these further parameters.
    fn present(&self, process: Process, ticket: &str, form: &[(&str, &str)]) -> Box<Ended> {
        let mut body = format!("ticket={ticket}");
        for (name, value) in form {
            let value = value.replace(' ', "+");
            body = format!("{body}&{name}={value}");
        }
        let request = grant::parse(&Params::parse(body.as_bytes(), REPEATABLE).unwrap()).unwrap();
        let now = Timestamp::from_unix(self.now);
        let presented = process.present(&self.client, now).unwrap();
        let facts = Facts {
            client: &self.client,
            client_scopes: &self.scopes,
            resource_server: &self.server,
            registered: &self.registered,
            settings: &self.settings,
            now,
        };
        let awaiting = match Assessment::begin(presented, request, facts) {
            Assessment::Ended(ended) => return ended,
            Assessment::Decide(awaiting) => return awaiting.decide(&self.rules),
            Assessment::Discover(awaiting) => awaiting,
        };
        let Some(issuer) = &self.discovered else {
            return awaiting.not_discovered("no such domain");
        };
        let keys = KeySet::from_keys(vec![self.key.public().clone()]).unwrap();
        match awaiting.discovered(issuer).and_then(|awaiting| awaiting.verify(&keys)) {
            Ok(awaiting) => awaiting.decide(&self.rules),
            Err(ended) => ended,
        }
    }

    fn push(&self, claims: &Value) -> Box<Ended> {
        let token = self.token(claims);
        self.present(self.process(), "t1", &pushed(&token))
    }
}

fn challenge(ticket: &str) -> String {
    TicketChallenge::of(&TicketHandle::new(ticket)).to_string()
}

fn pushed(token: &str) -> [(&str, &str); 3] {
    [("claim_token", token), ("claim_token_format", JWT), ("resource", RS)]
}

/// The failed check is the last one, and there is none if access is granted.
#[track_caller]
fn well_formed(ended: &Ended) {
    let granted = matches!(ended.outcome, Outcome::Granted(_));
    let (last, before) = ended.checks.split_last().unwrap();
    assert_eq!(last.passed, granted, "{last:?}");
    assert!(before.iter().all(|check| check.passed), "{before:?}");
}

#[track_caller]
fn granted(ended: Box<Ended>) -> Rpt {
    well_formed(&ended);
    match ended.outcome {
        Outcome::Granted(rpt) => rpt,
        other => panic!("{other:?} after {:?}", ended.checks),
    }
}

#[track_caller]
fn need_info(ended: Box<Ended>) -> NeedInfo {
    well_formed(&ended);
    match ended.outcome {
        Outcome::NeedInfo(need_info) => {
            assert!(!need_info.required_claims.is_empty());
            need_info
        }
        other => panic!("{other:?} after {:?}", ended.checks),
    }
}

#[track_caller]
fn refused(ended: Box<Ended>, code: &str) {
    well_formed(&ended);
    match ended.outcome {
        Outcome::Refused(error) => assert_eq!(error.wire().code.as_str(), code, "{error}"),
        other => panic!("{other:?} after {:?}", ended.checks),
    }
}

#[test]
fn a_ticket_claims_and_the_resource_are_worth_an_rpt() {
    let world = World::new();
    let ended = world.push(&world.claims("t1"));
    let names: Vec<&str> = ended.checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "the token request is well-formed",
            "the client is who it says it is",
            "the ticket is live, unspent and this client's",
            "resource is the resource server's",
            "the scopes are registered",
            "claim_token_format is understood",
            "claims_token is a compact JWS",
            "resource is the resource server of the ticket",
            "typ and alg are those of a claims token",
            "ticket_challenge = base64url(SHA-256(ticket))",
            "aud is this authorization server alone",
            "exp, nbf and iat hold now",
            "iss is an https issuer",
            "one verified e-mail address",
            "client_id is the client that pushes",
            "the issuer is not refused here",
            "the e-mail domain names an issuer",
            "iss is the issuer that the e-mail domain names",
            "the issuer's keys are at hand",
            "the issuer's signature",
            "the process has one person",
            "the owner's policy permits it",
        ]
    );
    let rpt = granted(ended);
    assert_eq!(rpt.audience.as_str(), RS);
    assert_eq!(rpt.client.as_str(), "app");
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), "get");
    assert_eq!(rpt.expires.as_unix(), NOW + 300);
}

#[test]
fn no_claims_and_a_policy_that_needs_some() {
    let world = World::new();
    let need_info = need_info(world.present(world.process(), "t1", &[("resource", RS)]));
    assert_eq!(need_info.required_claims[0].name, "email");
    assert_eq!(need_info.process.client().map(ClientId::as_str), Some("app"));
}

#[test]
fn an_empty_policy_denies_with_and_without_claims() {
    let mut world = World::new();
    world.rules = Rules::new();
    refused(world.present(world.process(), "t1", &[("resource", RS)]), "request_denied");
    refused(world.push(&world.claims("t1")), "request_denied");
}

#[test]
fn a_claims_token_that_is_refused_gives_need_info() {
    let world = World::new();
    let far = NOW + 10_000;
    let table: &[(&str, &[(&str, Value)], &str)] = &[
        ("expired", &[("exp", json!(NOW - 61)), ("iat", json!(NOW - 100))], "not valid now"),
        ("no exp", &[("exp", Value::Null)], "not valid now"),
        ("not yet valid", &[("nbf", json!(NOW + 61))], "not valid now"),
        (
            "issued in the future",
            &[("iat", json!(NOW + 61)), ("exp", json!(NOW + 90))],
            "not valid",
        ),
        ("lives too long", &[("exp", json!(NOW + 301))], "not valid now"),
        ("lives far too long", &[("exp", json!(far))], "not valid now"),
        ("no iat", &[("iat", Value::Null)], "not valid now"),
        ("no jti", &[("jti", Value::Null)], "lacks a claim"),
        ("no sub", &[("sub", Value::Null)], "lacks a claim"),
        ("no resource", &[("resource", Value::Null)], "names no resource"),
        ("other ticket", &[("ticket_challenge", json!(challenge("t2")))], "not bound"),
        ("the ticket itself", &[("ticket_challenge", json!("t1"))], "not bound"),
        (
            "challenge padded",
            &[("ticket_challenge", json!(format!("{}=", challenge("t1"))))],
            "not bound",
        ),
        (
            "challenge's case",
            &[("ticket_challenge", json!(challenge("t1").to_uppercase()))],
            "not bound",
        ),
        ("challenge in a list", &[("ticket_challenge", json!([challenge("t1")]))], "not bound"),
        ("no challenge", &[("ticket_challenge", Value::Null)], "not bound"),
        ("two names, two values", &[("ticket_digest", json!(challenge("t2")))], "not bound"),
        ("other audience", &[("aud", json!("https://uma.eve.example"))], "alone"),
        ("bare name as audience", &[("aud", json!("RS API"))], "alone"),
        ("two audiences", &[("aud", json!([AS, "https://uma.eve.example"]))], "alone"),
        ("no audience", &[("aud", Value::Null)], "lacks a claim"),
        ("audience with a slash", &[("aud", json!(format!("{AS}/")))], "alone"),
        ("no issuer", &[("iss", Value::Null)], "lacks a claim"),
        ("http issuer", &[("iss", json!("http://sts.alice.example"))], "no valid issuer"),
        ("unverified", &[("email_verified", json!(false))], "no verified e-mail"),
        ("not said to be verified", &[("email_verified", Value::Null)], "no verified e-mail"),
        ("verified by a text", &[("email_verified", json!("true"))], "no verified e-mail"),
        ("no e-mail", &[("email", Value::Null)], "no verified e-mail"),
        ("two e-mails", &[("email_address", json!("bob@bob.example"))], "no verified e-mail"),
        (
            "another client's",
            &[("client_id", json!("https://other.example/client"))],
            "another client",
        ),
        ("bound to a key", &[("cnf", json!({"jkt": "x"}))], "bound to a key"),
        ("another issuer", &[("iss", json!("https://sts.eve.example"))], "not that of the e-mail"),
        ("issuer with a slash", &[("iss", json!(format!("{STS}/")))], "not that of the e-mail"),
    ];
    for (name, changes, reason) in table {
        let mut claims = world.claims("t1");
        for (claim, value) in *changes {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(*claim),
                value => claims.as_object_mut().unwrap().insert((*claim).to_owned(), value.clone()),
            };
        }
        let ended = world.push(&claims);
        assert!(ended.person.is_none(), "{name}");
        let need_info = need_info(ended);
        assert!(need_info.reason.contains(reason), "{name}: {}", need_info.reason);
    }
}

#[test]
fn a_token_that_is_no_claims_token_gives_need_info() {
    let world = World::new();
    let claims = world.claims("t1");
    let good = world.token(&claims);
    let stranger = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
    let (signed, _) = good.rsplit_once('.').unwrap();
    let none = format!(
        "eyJhbGciOiJub25lIiwidHlwIjoidW1hLWNsYWltcytqd3QifQ.{}.",
        signed.split_once('.').unwrap().1
    );
    for (name, token) in [
        ("access token", jws::sign("at+jwt", &world.key, &claims).unwrap()),
        ("ID token", jws::sign("JWT", &world.key, &claims).unwrap()),
        ("identity token", jws::sign("identity-propagation+jwt", &world.key, &claims).unwrap()),
        ("unsigned", none),
        ("another key, same kid", jws::sign("uma-claims+jwt", &stranger, &claims).unwrap()),
        ("signature cut", good[..good.len() - 4].to_owned()),
        ("not a JWT", "x".to_owned()),
        ("no signature", signed.to_owned()),
    ] {
        let need_info = need_info(world.present(world.process(), "t1", &pushed(&token)));
        assert!(need_info.process.client().is_some(), "{name}");
    }
    let form = [("claim_token", &*good), ("claim_token_format", "urn:x"), ("resource", RS)];
    need_info(world.present(world.process(), "t1", &form));
}

#[test]
fn need_info_names_the_right_issuer() {
    let mut world = World::new();
    let right = Issuer::parse("https://op.alice.example").unwrap();
    world.discovered = Some(right.clone());
    let need_info = need_info(world.push(&world.claims("t1")));
    assert_eq!(need_info.required_claims[0].issuer, [right]);
}

#[test]
fn no_issuer_found_is_the_peers_failure() {
    let mut world = World::new();
    world.discovered = None;
    need_info(world.push(&world.claims("t1")));
}

#[test]
fn an_issuer_that_is_refused_ends_the_process_before_anything_is_fetched() {
    let mut world = World::new();
    world.discovered = None;
    world.settings.refused_issuers.insert(Issuer::parse(STS).unwrap());
    refused(world.push(&world.claims("t1")), "request_denied");
    for other_spelling in ["https://STS.alice.example:443", "https://sts.alice.example./tenant"] {
        let mut claims = world.claims("t1");
        claims["iss"] = json!(other_spelling);
        refused(world.push(&claims), "request_denied");
    }
}

#[test]
fn the_resource_must_be_the_resource_server_of_the_ticket() {
    let world = World::new();
    let claims = |resource: Value| {
        let mut claims = world.claims("t1");
        match resource {
            Value::Null => claims.as_object_mut().unwrap().remove("resource"),
            resource => claims.as_object_mut().unwrap().insert("resource".to_owned(), resource),
        };
        world.token(&claims)
    };
    let (own, own2) = (claims(json!(RS)), claims(json!("https://rs.bob.example/v2")));
    let foreign = claims(json!("https://rs.eve.example"));
    let absent = claims(Value::Null);
    let eve = "https://rs.eve.example";
    let table: &[(&str, Option<&str>, Option<&str>, &str)] = &[
        ("neither", None, None, "invalid_target"),
        ("neither in a claims token", Some(&absent), None, "invalid_target"),
        ("neither in garbage", Some("x"), None, "invalid_target"),
        ("foreign parameter", None, Some(eve), "invalid_target"),
        ("foreign parameter, own claim", Some(&own), Some(eve), "invalid_target"),
        ("foreign claim", Some(&foreign), None, "invalid_target"),
        ("foreign claim, own parameter", Some(&foreign), Some(RS), "invalid_target"),
        ("both foreign", Some(&foreign), Some(eve), "invalid_target"),
        ("a slash more", Some(&own), Some("https://rs.bob.example/"), "invalid_target"),
        ("two identifiers of one server", Some(&own2), Some(RS), "invalid_target"),
    ];
    for (name, token, parameter, code) in table {
        let mut form = Vec::new();
        if let Some(token) = token {
            form.extend([("claim_token", *token), ("claim_token_format", JWT)]);
        }
        form.extend(parameter.map(|parameter| ("resource", parameter)));
        let ended = world.present(world.process(), "t1", &form);
        assert!(ended.person.is_none(), "{name}");
        refused(ended, code);
    }
    let form = [("claim_token", &*own2), ("claim_token_format", JWT)];
    let rpt = granted(world.present(world.process(), "t1", &form));
    assert_eq!(rpt.audience.as_str(), "https://rs.bob.example/v2");
}

#[test]
fn a_server_may_let_clients_leave_the_resource_out() {
    let mut world = World::new();
    world.server.resource_parameter = ResourceParameter::Optional;
    need_info(world.present(world.process(), "t1", &[]));
    let mut claims = world.claims("t1");
    claims.as_object_mut().unwrap().remove("resource");
    let token = world.token(&claims);
    let form = [("claim_token", &*token), ("claim_token_format", JWT)];
    refused(world.present(world.process(), "t1", &form), "invalid_target");
}

#[test]
fn scopes_are_those_of_the_formula() {
    let mut world = World::new();
    world.settings.partial_grants = PartialGrants::Allow;
    let mut claims = world.claims("t1");
    claims["department"] = json!("research");
    let token = world.token(&claims);
    let with_scope = |world: &World, token: &str, scope: &str| {
        let mut form = pushed(token).to_vec();
        form.push(("scope", scope));
        world.present(world.process(), "t1", &form)
    };
    let rpt = granted(with_scope(&world, &token, "put"));
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), "get put");

    refused(with_scope(&world, &token, "get"), "invalid_scope"); // not the client's
    world.scopes = ScopeSet::parse("put delete").unwrap();
    refused(with_scope(&world, &token, "delete"), "invalid_scope"); // not the resource's

    let poor = world.token(&world.claims("t1"));
    let rpt = granted(with_scope(&world, &poor, "put"));
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), "get", "a part");
    world.settings.partial_grants = PartialGrants::Refuse;
    let need_info = need_info(with_scope(&world, &poor, "put"));
    assert_eq!(need_info.required_claims[0].name, "department");

    claims["department"] = json!("sales");
    let wrong = world.token(&claims);
    refused(with_scope(&world, &wrong, "put"), "request_denied");
}

#[test]
fn a_resource_that_is_gone_ends_the_process() {
    let mut world = World::new();
    let process = world.process();
    world.registered.clear();
    refused(world.present(process, "t1", &[("resource", RS)]), "invalid_grant");
    let mut world = World::new();
    let process = world.process();
    world.server.protection.owner = OwnerId::parse("eve").unwrap();
    refused(world.present(process, "t1", &[("resource", RS)]), "invalid_grant");
}

/// Pushes claims that suffice for `get` while asking for `put` too.
fn first_round(world: &World) -> Process {
    let token = world.token(&world.claims("t1"));
    let mut form = pushed(&token).to_vec();
    form.push(("scope", "put"));
    need_info(world.present(world.process(), "t1", &form)).process
}

#[test]
fn verified_claims_are_kept_for_a_client_that_authenticates() {
    let world = World::new();
    let rpt = granted(world.present(first_round(&world), "t2", &[("resource", RS)]));
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), "get");
    assert_eq!(rpt.person.unwrap().sub, "a1");
}

#[test]
fn and_for_no_other() {
    let mut world = World::new();
    world.client = client("app", false);
    let process = first_round(&world);
    assert!(!serde_json::to_string(&process).unwrap().contains("alice"));
    need_info(world.present(process, "t2", &[("resource", RS)]));
}

#[test]
fn kept_claims_age_out() {
    let mut world = World::new();
    let process = first_round(&world);
    world.settings.kept_claims_lifetime = Lifetime::from_secs(60);
    world.now += 60;
    need_info(world.present(process, "t2", &[("resource", RS)]));
}

#[test]
fn a_refused_token_leaves_what_the_process_holds() {
    let world = World::new();
    let process = first_round(&world);
    let token = world.token(&world.claims("t1")); // for the old ticket
    let process = need_info(world.present(process, "t2", &pushed(&token))).process;
    granted(world.present(process, "t3", &[("resource", RS)]));
}

#[test]
fn the_newest_ticket_counts() {
    let world = World::new();
    let process = first_round(&world);
    let token = world.token(&world.claims("t2"));
    granted(world.present(process, "t2", &pushed(&token)));
}

#[test]
fn another_person_ends_the_process() {
    for (claim, value) in [("sub", json!("a2")), ("email", json!("mallory@alice.example"))] {
        let world = World::new();
        let process = first_round(&world);
        let mut claims = world.claims("t2");
        claims[claim] = value;
        let token = world.token(&claims);
        refused(world.present(process, "t2", &pushed(&token)), "request_denied");
    }
}

#[test]
fn another_client_or_a_late_one_cannot_present_the_ticket() {
    let world = World::new();
    let now = Timestamp::from_unix(NOW);
    assert!(first_round(&world).present(&client("other", true), now).is_err());
    let late = Timestamp::from_unix(NOW + 300);
    assert!(first_round(&world).present(&world.client, late).is_err());
}

#[test]
fn a_process_ends_after_so_many_rounds() {
    let world = World::new();
    let mut process = world.process();
    for _ in 0..MAX_ROUNDS {
        process = need_info(world.present(process, "t", &[("resource", RS)])).process;
    }
    refused(world.present(process, "t", &[("resource", RS)]), "request_denied");
}

#[test]
fn a_process_survives_its_store() {
    let world = World::new();
    let stored = serde_json::to_vec(&first_round(&world)).unwrap();
    let process: Process = serde_json::from_slice(&stored).unwrap();
    granted(world.present(process, "t2", &[("resource", RS)]));
}

#[test]
fn keys_that_cannot_be_had_give_need_info() {
    let world = World::new();
    let token = world.token(&world.claims("t1"));
    let body = format!("ticket=t1&claim_token={token}&claim_token_format={JWT}&resource={RS}");
    let request = grant::parse(&Params::parse(body.as_bytes(), REPEATABLE).unwrap()).unwrap();
    let now = Timestamp::from_unix(NOW);
    let facts = Facts {
        client: &world.client,
        client_scopes: &world.scopes,
        resource_server: &world.server,
        registered: &world.registered,
        settings: &world.settings,
        now,
    };
    let presented = world.process().present(&world.client, now).unwrap();
    let Assessment::Discover(awaiting) = Assessment::begin(presented, request, facts) else {
        panic!("a token is pushed");
    };
    assert_eq!(awaiting.email().as_str(), "alice@alice.example");
    let awaiting = awaiting.discovered(&Issuer::parse(STS).unwrap()).unwrap();
    assert_eq!(awaiting.key_id(), Some("k1"));
    need_info(awaiting.no_keys("timeout"));
}

/// A set of scopes out of a small alphabet.
fn scopes() -> impl proptest::strategy::Strategy<Value = ScopeSet> {
    use proptest::prelude::*;
    proptest::collection::btree_set("[a-d]", 0..4)
        .prop_map(|tokens| ScopeSet::from_tokens(tokens).unwrap())
}

proptest::proptest! {
    /// Granted is a subset of asked, of registered and of permitted; and under the strict setting
    /// it is all that was asked.
    #[test]
    fn granted_is_what_is_asked_registered_and_permitted(
        registered in scopes(), ticket in scopes(), requested in scopes(), permitted in scopes(),
        partial: bool,
    ) {
        let mut world = World::new();
        let ticket = ticket.intersection(&registered);
        let requested = requested.intersection(&registered);
        let description = json!({"resource_scopes": registered, "name": "RS API"}).to_string();
        let description = ResourceDescription::parse(description.as_bytes()).unwrap();
        world.registered.insert(ResourceId::parse("r1").unwrap(), description);
        world.scopes = registered.clone();
        world.settings.partial_grants =
            if partial { PartialGrants::Allow } else { PartialGrants::Refuse };
        world.rules = Rules::new();
        if !permitted.is_empty() {
            let rule = json!({"resource": "*", "scopes": permitted, "domains": ["alice.example"]});
            let rule: Rule = serde_json::from_value(rule).unwrap();
            world.rules = Rules::new().with(world.server.protection.clone(), [rule]);
        }
        let request = json!({"resource_id": "r1", "resource_scopes": ticket}).to_string();
        let now = Timestamp::from_unix(NOW);
        let process = permission::parse(request.as_bytes()).unwrap()
            .open(&world.registered, world.server.protection.clone(), "p".to_owned(), now,
                Lifetime::from_secs(300))
            .unwrap();
        let token = world.token(&world.claims("t1"));
        let scope = requested.to_string();
        let mut form = pushed(&token).to_vec();
        form.push(("scope", &scope));

        let asked = ticket.union(&requested);
        let allowed = asked.intersection(&permitted);
        match world.present(process, "t1", &form).outcome {
            Outcome::Granted(rpt) => {
                let granted = &rpt.permissions[0].resource_scopes;
                proptest::prop_assert_eq!(granted, &allowed);
                proptest::prop_assert!(partial || granted == &asked);
                proptest::prop_assert!(!granted.is_empty());
            }
            _ => proptest::prop_assert!(allowed.is_empty() || (!partial && allowed != asked)),
        }
    }
}
