//! Token exchange with a ticket challenge: STS-1 to STS-6 and STS-10.

use countersign_claims_token::{Expected, check};
use countersign_types::secret::TicketHandle;
use countersign_types::{Issuer, ResourceIdentifier, Timestamp};
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use crate::support::*;

const SCOPE: &str = "openid email claims-provider";

pub(crate) fn good(token: &str) -> [(&str, &str); 9] {
    [
        ("grant_type", EXCHANGE),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", JWT),
        ("audience", UMA),
        ("resource", RS),
        ("ticket_challenge", CHALLENGE),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ]
}

/// Sends a good request, changed, and compares the error.
#[track_caller]
fn check_row(name: &str, answer: &Answer, expected: (u16, &str)) {
    let (status, code) = answer.error();
    assert_eq!((status, code.as_str()), expected, "{name}: {}", answer.text);
    assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
    assert_eq!(answer.json().get("access_token"), None, "{name}");
}

async fn changed_by(world: &World, token: &str, change: &[(&str, &str)]) -> Answer {
    world.send(form_request("/token", changed(&good(token), change))).await
}

/// STS-1.
#[tokio::test]
async fn a_claims_token_is_issued_and_bound() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    for client in ["rqp-client", "rqp-public"] {
        let token = if client == "rqp-public" {
            let code = world.code("alice", &[("client_id", client), ("scope", SCOPE)]).await;
            let change = [("client_id", client), ("client_secret", "")];
            let body = changed(&redemption(&code), &change);
            let answer = world.send(form_request("/token", body)).await;
            answer.json()["access_token"].as_str().unwrap().to_owned()
        } else {
            token.clone()
        };
        let secret = if client == "rqp-public" { "" } else { SECRET };
        let change = [("client_id", client), ("client_secret", secret)];
        let answer = changed_by(&world, &token, &change).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        assert_eq!(answer.header(CACHE_CONTROL), "no-store");
        let body = answer.json();
        assert_eq!(body["issued_token_type"], JWT);
        assert_eq!(body["token_type"], "N_A");
        assert_eq!(body["expires_in"], 120);
        assert_eq!(body.get("refresh_token"), None);

        let (uma, ticket) = (Issuer::parse(UMA).unwrap(), TicketHandle::new(TICKET));
        let resources = [ResourceIdentifier::parse(RS).unwrap()];
        let expected = Expected::new(&uma, &ticket, &resources, Timestamp::from_unix(NOW));
        let checked = check(body["access_token"].as_str().unwrap(), &expected).unwrap();
        let person = checked.verify(&keys(), &Issuer::parse(STS).unwrap()).unwrap();
        assert_eq!(person.email().as_str(), "alice@alice.example");
        assert_eq!(person.subject(), "sub-of-alice");
        assert!(person.is_present());
        assert_eq!(person.claims().get("groups"), Some(&json!(["staff"])));
        assert_eq!(person.claims().get("client_id"), None, "a local identifier stays here");
        assert_eq!(person.claims().get("salary"), None);
    }
}

#[tokio::test]
async fn a_registered_name_stands_for_both() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    for change in [
        [("audience", ""), ("resource", "RS API")],
        [("audience", "RS API"), ("resource", "")],
        [("audience", UMA), ("resource", "RS API")],
    ] {
        let answer = changed_by(&world, &token, &change).await;
        let issued = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(claims(&issued).audience().unwrap(), [UMA], "{change:?}");
        assert_eq!(claims(&issued).str("resource").unwrap(), Some(RS), "{change:?}");
    }
}

/// STS-2.
#[tokio::test]
async fn a_malformed_challenge_is_refused() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    let padded = format!("{CHALLENGE}=");
    let plus = CHALLENGE.replace('-', "+");
    let bits = format!("{}d", &CHALLENGE[..42]);
    let hex = "3e7decc1422135489818169a5e92fabb".repeat(2);
    for (name, change) in [
        ("short", &[("ticket_challenge", "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z")][..]),
        ("padded", &[("ticket_challenge", &padded)]),
        ("standard alphabet", &[("ticket_challenge", &plus)]),
        ("unused bits", &[("ticket_challenge", &bits)]),
        ("hex", &[("ticket_challenge", &hex)]),
        ("the ticket", &[("ticket_challenge", TICKET)]),
        ("plain", &[("ticket_challenge_method", "plain")]),
        ("lower-case method", &[("ticket_challenge_method", "s256")]),
        ("twice", &[("ticket_challenge", CHALLENGE), ("ticket_challenge", CHALLENGE)]),
        ("two names, two values", &[("ticket_digest", CODE_CHALLENGE)]),
        ("alias malformed", &[("ticket_challenge", ""), ("ticket_digest", TICKET)]),
    ] {
        check_row(name, &changed_by(&world, &token, change).await, (400, "invalid_request"));
    }
    for change in [
        &[("ticket_challenge_method", "S256")][..],
        &[("ticket_digest", CHALLENGE)],
        &[("ticket_challenge", ""), ("ticket_digest", CHALLENGE)],
    ] {
        let answer = changed_by(&world, &token, change).await;
        assert_eq!(answer.status.as_u16(), 200, "{change:?}");
        let issued = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(claims(&issued).str("ticket_challenge").unwrap(), Some(CHALLENGE));
        assert_eq!(claims(&issued).get("ticket_digest"), None);
    }
}

/// A subject token of `rqp-client` as this server mints it, changed.
fn subject_token(typ: &str, change: &[(&str, Value)]) -> String {
    let mut claims = json!({
        "iss": STS, "sub": "sub-of-alice", "aud": STS, "client_id": "rqp-client", "jti": "1",
        "iat": NOW, "exp": NOW + 300, "scope": SCOPE,
        "email": "alice@alice.example", "email_verified": true,
    });
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    sign(typ, &claims)
}

/// STS-3.
#[tokio::test]
async fn a_subject_token_must_be_a_live_one_of_this_person_and_client() {
    let world = World::new();
    let good = subject_token("at+jwt", &[]);
    assert_eq!(changed_by(&world, &good, &[]).await.status.as_u16(), 200, "the control");
    let mut flipped = good.clone().into_bytes();
    let middle = good.rfind('.').unwrap() + 10;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    for (name, token) in [
        ("opaque", "opaque".to_owned()),
        ("flipped signature", flipped),
        ("expired", subject_token("at+jwt", &[("exp", json!(NOW))])),
        ("not yet valid", subject_token("at+jwt", &[("nbf", json!(NOW + 100))])),
        ("foreign issuer", subject_token("at+jwt", &[("iss", json!("https://idp.example"))])),
        ("ID token", subject_token("JWT", &[])),
        ("claims token", subject_token("uma-claims+jwt", &[])),
        ("for another server", subject_token("at+jwt", &[("aud", json!(RS))])),
        ("of another client", subject_token("at+jwt", &[("client_id", json!("other"))])),
        ("without consent", subject_token("at+jwt", &[("scope", json!("openid email"))])),
        (
            "consent in another case",
            subject_token("at+jwt", &[("scope", json!("Claims-Provider"))]),
        ),
        ("no e-mail", subject_token("at+jwt", &[("email", Value::Null)])),
        ("unverified", subject_token("at+jwt", &[("email_verified", json!(false))])),
        ("a client", subject_token("at+jwt", &[("sub", json!("rqp-client"))])),
        ("a removed account", subject_token("at+jwt", &[("sub", json!("sub-of-nobody"))])),
        (
            "may_act another",
            subject_token(
                "at+jwt",
                &[("client_id", json!("other")), ("may_act", json!({ "sub": "third" }))],
            ),
        ),
    ] {
        check_row(name, &changed_by(&world, &token, &[]).await, (400, "invalid_request"));
    }
    for token_type in ["refresh_token", "id_token", "saml1", "saml2", "jwt", "x"] {
        let uri = format!("urn:ietf:params:oauth:token-type:{token_type}");
        let answer = changed_by(&world, &good, &[("subject_token_type", &uri)]).await;
        check_row(token_type, &answer, (400, "invalid_request"));
    }
    for missing in ["subject_token", "subject_token_type"] {
        let answer = changed_by(&world, &good, &[(missing, "")]).await;
        check_row(missing, &answer, (400, "invalid_request"));
    }
    let lone = changed_by(&world, &good, &[("actor_token", "x")]).await;
    check_row("actor_token alone", &lone, (400, "invalid_request"));
    let other = changed_by(&world, &good, &[("email_address", "bob@alice.example")]).await;
    check_row("another e-mail address", &other, (400, "invalid_request"));
}

/// STS-4.
#[tokio::test]
async fn the_target_must_be_one_and_allowed() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    for (name, change) in [
        ("fragment", &[("resource", "https://rs.bob.example/#x")][..]),
        ("no URI", &[("resource", "Other API")]),
        ("http", &[("resource", "http://rs.bob.example")]),
        ("denied", &[("resource", "https://rs.denied.example")]),
        ("audience not allowed", &[("audience", "https://uma.evil.example")]),
        ("audience no issuer", &[("audience", "https://uma.bob.example?x")]),
        ("no audience", &[("audience", "")]),
        ("no resource", &[("resource", "")]),
        ("neither", &[("audience", ""), ("resource", "")]),
        ("two audiences", &[("audience", UMA), ("audience", "https://x.bob.example")]),
        ("two resources", &[("resource", RS), ("resource", "https://x.bob.example")]),
        ("name and another", &[("audience", "https://x.bob.example"), ("resource", "RS API")]),
    ] {
        check_row(name, &changed_by(&world, &token, change).await, (400, "invalid_target"));
    }
}

/// STS-5.
#[tokio::test]
async fn an_unsupported_token_type_is_refused() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    for name in ["refresh_token", "id_token", "saml1", "saml2", "access_token", "JWT", "id-jag"] {
        let uri = format!("urn:ietf:params:oauth:token-type:{name}");
        let answer = changed_by(&world, &token, &[("requested_token_type", &uri)]).await;
        check_row(name, &answer, (400, "invalid_request"));
    }
    let bare = changed_by(&world, &token, &[("ticket_challenge", "")]).await;
    check_row("a jwt of no kind", &bare, (400, "invalid_request"));
}

/// STS-6.
#[tokio::test]
async fn the_client_must_be_known_and_allowed() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    let wrong = changed_by(&world, &token, &[("client_secret", "wrong")]).await;
    check_row("wrong secret", &wrong, (401, "invalid_client"));
    let none = changed_by(&world, &token, &[("client_secret", "")]).await;
    check_row("no secret", &none, (401, "invalid_client"));
    let nobody = changed_by(&world, &token, &[("client_id", "nobody")]).await;
    check_row("unknown client", &nobody, (401, "invalid_client"));
    assert_eq!(nobody.text, wrong.text, "the same answer");
    let idle = changed_by(&world, &token, &[("client_id", "idle")]).await;
    check_row("client without the grant", &idle, (400, "unauthorized_client"));

    let mut policy = server_policy();
    policy.public_clients = false;
    let strict = World::with(policy);
    let change = [("client_id", "rqp-public"), ("client_secret", "")];
    let public = changed_by(&strict, &token, &change).await;
    check_row("public client", &public, (400, "unauthorized_client"));
}

#[tokio::test]
async fn an_access_token_for_a_resource_is_narrower_and_names_who_acts() {
    let world = World::new();
    let token = world.access_token("alice", "openid claims-provider get").await;
    let change = [
        ("requested_token_type", ACCESS_TOKEN),
        ("ticket_challenge", ""),
        ("audience", ""),
        ("scope", "get"),
    ];
    let answer = changed_by(&world, &token, &change).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body["scope"], "get");
    let issued = claims(body["access_token"].as_str().unwrap());
    assert_eq!(issued.audience().unwrap(), [RS]);
    assert_eq!(issued.get("act"), Some(&json!({ "sub": "rqp-client", "client_id": "rqp-client" })));
    assert_eq!(issued.get("email"), None);
    let wider = [change[0], change[1], change[2], ("scope", "get put")];
    check_row("wider", &changed_by(&world, &token, &wider).await, (400, "invalid_scope"));
}

#[tokio::test]
async fn an_actor_token_is_good_once_and_names_who_acts() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    let signed = |typ: &str, jti: &str| {
        let claims = json!({ "iss": "service", "sub": "service", "aud": STS, "jti": jti,
            "iat": NOW, "nbf": NOW, "exp": NOW + 60 });
        countersign_jwt::sign(typ, &*SERVICE, &claims).unwrap()
    };
    let ask = async |assertion: &str, actor_token: &str| {
        let change = [
            ("client_id", ""),
            ("client_secret", ""),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
            ("actor_token", actor_token),
            ("actor_token_type", JWT),
        ];
        changed_by(&world, &token, &change).await
    };
    let assertion = |jti: &str| signed("client-authentication+jwt", jti);
    let actor = signed("actor+jwt", "a");
    let answer = ask(&assertion("1"), &actor).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let issued = claims(answer.json()["access_token"].as_str().unwrap());
    assert_eq!(issued.get("act"), Some(&json!({ "sub": "service", "client_id": "service" })));
    assert_eq!(issued.get("amr"), None, "nobody knows the person to be present");

    let replayed = ask(&assertion("2"), &actor).await;
    check_row("replayed", &replayed, (400, "invalid_request"));
    let wrong = ask(&assertion("3"), &assertion("4")).await;
    check_row("an assertion as actor_token", &wrong, (400, "invalid_request"));
    let wrong = ask(&signed("actor+jwt", "5"), &signed("actor+jwt", "6")).await;
    check_row("an actor_token as assertion", &wrong, (401, "invalid_client"));
    let keyless =
        changed_by(&world, &token, &[("actor_token", &actor), ("actor_token_type", JWT)]).await;
    check_row("a client without keys", &keyless, (400, "invalid_request"));
}

#[tokio::test]
async fn a_claims_token_ends_with_its_subject_token() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    world.clock.advance(250);
    assert_eq!(changed_by(&world, &token, &[]).await.json()["expires_in"], 50);
    world.clock.advance(50);
    check_row("expired", &changed_by(&world, &token, &[]).await, (400, "invalid_request"));
}

#[tokio::test]
async fn every_decision_is_recorded_with_its_checks() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    changed_by(&world, &token, &[]).await;
    changed_by(&world, &token, &[("audience", "https://uma.evil.example")]).await;
    let records = world.audit.0.lock().unwrap();
    let [granted, refused] = records.as_slice() else { panic!("{records:?}") };
    assert!(granted.issued.is_some());
    assert_eq!(granted.email.as_ref().map(|email| email.as_str()), Some("alice@alice.example"));
    assert!(granted.checks.iter().all(|check| check.passed));
    let phases = granted.checks.iter().map(|check| check.phase.name()).collect::<Vec<_>>();
    assert!(phases.is_sorted(), "{phases:?}");
    assert!(phases.contains(&"1. evaluate the user_claims from access_token"));
    assert!(phases.contains(&"2. evaluate the resource"));
    assert_eq!(refused.issued, None);
    let (last, before) = refused.checks.split_last().unwrap();
    assert!(!last.passed && before.iter().all(|check| check.passed));
    assert_eq!(last.name, "the client may obtain tokens for the audience");
}

/// Values stand in the log as they are, and what is unknown is left out.
#[tokio::test]
async fn the_log_says_what_the_record_says() {
    let world = World::new();
    let token = world.access_token("alice", SCOPE).await;
    changed_by(&world, &token, &[]).await;
    changed_by(&world, &token, &[("audience", "https://uma.evil.example")]).await;
    let (granted, refused) = {
        let records = world.audit.0.lock().unwrap();
        (records[0].clone(), records[1].clone())
    };
    let log = Log::open().text();
    let decided = |about: &str| {
        let line =
            log.lines().find(|line| line.contains("countersign::audit") && line.contains(about));
        line.unwrap_or_else(|| panic!("{about}: {log}")).to_owned()
    };
    let line = decided(&format!("issued={:?}", granted.issued.unwrap()));
    assert!(line.contains(&format!("subject={:?}", granted.subject.unwrap())), "{line}");
    assert!(!line.contains("failed=") && !line.contains("section="), "{line}");
    let failed = refused.checks.last().unwrap();
    let line = decided(&format!("failed={:?} section={:?}", failed.name, failed.section));
    assert!(!line.contains("issued=") && !line.contains("Some("), "{line}");
}

/// STS-10: nothing the service writes or answers holds the ticket, and its log holds no secret.
#[tokio::test]
async fn the_ticket_is_never_learnt_and_no_secret_is_logged() {
    let world = World::new();
    let code = world.code("alice", &[]).await;
    let redeemed = world.redeem(&code).await;
    let token = redeemed.json()["access_token"].as_str().unwrap().to_owned();
    let id_token = redeemed.json()["id_token"].as_str().unwrap().to_owned();
    let answer = changed_by(&world, &token, &[]).await;
    let issued = answer.json()["access_token"].as_str().unwrap().to_owned();
    for change in [&[("client_secret", "canary-secret")][..], &[("resource", "https://x/#")]] {
        changed_by(&world, &token, change).await;
    }
    // Of a client that sends its ticket all the same, too.
    for name in ["ticket", "ticket_challenge", "ticket_digest", "ticket_challenge_method"] {
        let answer = changed_by(&world, &token, &[(name, TICKET)]).await;
        assert_eq!(answer.status.as_u16(), if name == "ticket" { 200 } else { 400 }, "{name}");
        assert!(!answer.text.contains(TICKET), "{name}: {}", answer.text);
    }
    assert!(!format!("{:?}", world.audit.0.lock().unwrap()).contains(TICKET));
    world.redeem(&code).await;
    let (_, form_token, cookie) = world.page(&[]).await;
    let wrong =
        [("form_token", form_token.as_str()), ("username", "alice"), ("password", "canary")];
    world.submit(&cookie, &wrong).await;

    assert!(!issued.contains(TICKET));
    assert!(!claims(&issued).as_map().values().any(|value| value.to_string().contains(TICKET)));
    let log = Log::open().text();
    for said in ["token exchange decided", "token request refused", "sign-in failed", "revoked"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    for (name, canary) in [
        ("ticket", TICKET),
        ("access token", token.as_str()),
        ("claims token", &issued),
        ("ID token", &id_token),
        ("code", &code),
        ("password", PASSWORD),
        ("wrong password", "canary"),
        ("client secret", SECRET),
        ("verifier", VERIFIER),
        ("form token", &form_token),
    ] {
        assert!(!log.contains(canary), "{name} in the log");
    }
}

/// An API that a public client's token is for was shown it, and is that client to whoever asks for
/// nothing more than its name.
#[tokio::test]
async fn who_was_shown_a_public_clients_token_is_not_that_client() {
    let world = World::new();
    let shown = |aud: Value| {
        sign(
            "at+jwt",
            &json!({
                "iss": STS, "sub": "sub-of-alice", "aud": aud, "client_id": "rqp-public", "jti": "at-1",
                "iat": NOW, "exp": NOW + 300, "scope": "claims-provider get", "amr": ["pwd"],
                "email": "alice@alice.example", "email_verified": true,
            }),
        )
    };
    let claims_token: &[(&str, &str)] = &[
        ("requested_token_type", JWT),
        ("ticket_challenge", CHALLENGE),
        ("audience", UMA),
        ("resource", RS),
    ];
    let access_token: &[(&str, &str)] = &[("requested_token_type", ACCESS_TOKEN), ("resource", RS)];
    for (aud, is_taken) in [(json!(STS), true), (json!([STS, "https://api.alice.example"]), false)]
    {
        for wanted in [claims_token, access_token] {
            let token = shown(aud.clone());
            let fields = [
                ("grant_type", EXCHANGE),
                ("subject_token", token.as_str()),
                ("subject_token_type", ACCESS_TOKEN),
                ("client_id", "rqp-public"),
            ];
            let answer = world.token(&[&fields[..], wanted].concat()).await;
            if is_taken {
                assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
            } else {
                assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{wanted:?}");
            }
        }
    }
}
