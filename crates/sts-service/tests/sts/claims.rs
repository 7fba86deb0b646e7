//! The claims endpoint (PROFILE §5.6): STS-7 to STS-9 there, and its token endpoint's STS-8.

mod paths;

use std::sync::Arc;

use axum::body::Body;
use countersign_client_auth::Credentials;
use countersign_store::engine::BoxFuture;
use countersign_store::{MemoryEngine, StoreError};
use countersign_sts_service::{Client, StaticUsers, User, Users};
use countersign_token_exchange::{NamedPeople, ServerPolicy};
use countersign_types::UrlPattern;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Request, header};
use serde_json::{Value, json};

use crate::support::*;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A world in which whoever holds a token of `rqp-client` may show it, and which names people of
/// one domain.
fn world() -> World {
    changed_by(|_| {})
}

fn changed_by(change: impl FnOnce(&mut Client)) -> World {
    of(server_policy(), people(), change)
}

fn of(
    policy: ServerPolicy,
    users: impl Users + 'static,
    change: impl FnOnce(&mut Client),
) -> World {
    let engine = Arc::new(MemoryEngine::new());
    World::built(
        policy,
        engine,
        Arc::new(users),
        |sts, _| sts,
        |client| {
            client.exchange.claims_endpoint = true;
            let domains = ["alice.example".to_owned()].into();
            client.exchange.people = Some(NamedPeople { domains, ..NamedPeople::default() });
            change(client);
        },
    )
}

/// What a token of the service's own says: Alice's, or the client's own.
fn token(sub: &str, change: &[(&str, Value)]) -> String {
    let mut claims = json!({
        "iss": STS, "sub": sub, "aud": STS, "client_id": "rqp-client", "jti": "at-1",
        "iat": NOW, "exp": NOW + 300, "scope": "claims-provider",
    });
    if sub != "rqp-client" {
        claims["email"] = json!("alice@alice.example");
        claims["email_verified"] = json!(true);
        claims["amr"] = json!(["pwd"]);
    }
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    sign("at+jwt", &claims)
}

fn alices() -> String {
    token("sub-of-alice", &[])
}

fn own() -> String {
    token("rqp-client", &[])
}

fn asked() -> Vec<(&'static str, &'static str)> {
    vec![("ticket_digest", CHALLENGE), ("audience", UMA), ("resource", RS)]
}

fn naming(address: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut asked = asked();
    asked.push(("email_address", address));
    asked
}

async fn send(world: &World, token: &str, media_type: &str, body: String) -> Answer {
    let request = Request::post("/claims")
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, media_type);
    world.send(request.body(Body::from(body)).unwrap()).await
}

async fn ask(world: &World, token: &str, fields: &[(&str, &str)]) -> Answer {
    send(world, token, FORM, encoded(fields)).await
}

/// The same of the token endpoint.
async fn exchange(world: &World, token: &str, fields: &[(&str, &str)]) -> Answer {
    let mut fields = fields.to_vec();
    fields.extend([
        ("grant_type", EXCHANGE),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", JWT),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ]);
    world.token(&fields).await
}

#[track_caller]
fn refused(name: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.error(), (status, code.to_owned()), "{name}: {}", answer.text);
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{name}");
    let challenged = answer.header(WWW_AUTHENTICATE);
    assert_eq!(challenged.is_empty(), ![401, 403].contains(&status), "{name}: {challenged}");
}

#[tokio::test]
async fn a_form_and_a_json_object_get_what_an_exchange_gets() {
    let world = world();
    let fields: serde_json::Map<_, _> =
        asked().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let json = Value::Object(fields).to_string();
    for (media_type, body) in [(FORM, encoded(&asked())), (JSON, json.clone())] {
        let answer = send(&world, &alices(), media_type, body).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        let body = answer.json();
        assert_eq!((body.as_object().unwrap().len(), &body["expires_in"]), (2, &json!(120)));
        let claims = claims(body["claims_token"].as_str().unwrap());
        let expected = json!({
            "iss": STS, "sub": "sub-of-alice", "aud": UMA, "resource": RS,
            "ticket_challenge": CHALLENGE, "email": "alice@alice.example",
            "email_verified": true, "amr": ["pwd"], "iat": NOW, "exp": NOW + 120,
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(claims.get(name), Some(value), "{name}");
        }
        assert!(!claims.has("act") && !claims.has("ticket_digest"));
    }
    let records = world.audit.0.lock().unwrap().clone();
    let record = records.last().unwrap();
    assert_eq!(record.client_id.as_str(), "rqp-client");
    assert_eq!(record.subject.as_deref(), Some("sub-of-alice"));
    assert!(record.issued.is_some() && record.checks.iter().all(|check| check.passed));
}

/// A1, A4, STS-2, STS-4, STS-7 and what is no request.
#[tokio::test]
async fn requests_that_are_refused() {
    let world = world();
    let other = CHALLENGE.replace('P', "Q");
    let with = |name: &'static str, value: &'static str| {
        let mut all: Vec<_> = asked().into_iter().filter(|(known, _)| *known != name).collect();
        if !value.is_empty() {
            all.push((name, value));
        }
        encoded(&all)
    };
    let again = |name: &'static str, value: &str| {
        format!("{}&{}", encoded(&asked()), encoded(&[(name, value)]))
    };
    for (name, body, code) in [
        ("no challenge", with("ticket_digest", ""), "invalid_request"),
        (
            "padded",
            with("ticket_digest", "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c="),
            "invalid_request",
        ),
        ("two names, two values", again("ticket_challenge", &other), "invalid_request"),
        ("twice", again("ticket_digest", CHALLENGE), "invalid_request"),
        ("another method", again("ticket_challenge_method", "plain"), "invalid_request"),
        ("no audience", with("audience", ""), "invalid_target"),
        ("no resource", with("resource", ""), "invalid_target"),
        ("two audiences", again("audience", RS), "invalid_target"),
        ("not for this client", with("audience", "https://uma.evil.example"), "invalid_target"),
        ("denied", with("resource", "https://rs.denied.example"), "invalid_target"),
        ("STS-7", again("email_address", "mallory@alice.example"), "invalid_request"),
        (
            "STS-7, another spelling",
            again("email_address", "Alice@alice.example"),
            "invalid_request",
        ),
        ("a subject token", again("subject_token", "x"), "invalid_request"),
        ("an actor token", again("actor_token", "x"), "invalid_request"),
    ] {
        refused(name, &send(&world, &alices(), FORM, body).await, 400, code);
    }
    let equal = again("ticket_challenge", CHALLENGE);
    assert_eq!(send(&world, &alices(), FORM, equal).await.status.as_u16(), 200, "A1: both, equal");
    let same = again("email_address", "alice@alice.example");
    assert_eq!(send(&world, &alices(), FORM, same).await.status.as_u16(), 200, "STS-7: the same");
    for text in [
        "",
        "[]",
        "{",
        "{\"ticket_digest\":1}",
        "{\"ticket_digest\":\"a\",\"ticket_digest\":\"a\"}",
    ] {
        refused(
            text,
            &send(&world, &alices(), JSON, text.to_owned()).await,
            400,
            "invalid_request",
        );
    }
    refused(
        "text",
        &send(&world, &alices(), "text/plain", encoded(&asked())).await,
        400,
        "invalid_request",
    );
    let in_query =
        Request::post("/claims?resource=x").header(AUTHORIZATION, format!("Bearer {}", alices()));
    let in_query = in_query.header(CONTENT_TYPE, FORM).body(Body::from(encoded(&asked()))).unwrap();
    refused("a query", &world.send(in_query).await, 400, "invalid_request");
    let twice = Request::post("/claims").header(AUTHORIZATION, format!("Bearer {}", alices()));
    let twice = twice.header(CONTENT_TYPE, JSON).header(CONTENT_TYPE, JSON);
    let twice = twice.body(Body::from(r#"{"audience":"x"}"#)).unwrap();
    let twice = world.send(twice).await;
    refused("two types", &twice, 400, "invalid_request");
    assert!(twice.text.contains("neither a form nor a JSON object"), "{}", twice.text);
}

/// STS-9, RFC 6750 §3.1.
#[tokio::test]
async fn tokens_that_are_refused() {
    let world = world();
    let of = |change: &[(&str, Value)]| token("sub-of-alice", change);
    let good = alices();
    let broken = format!("{}{}", &good[..good.len() - 4], "AAAA");
    for (name, token, status, code) in [
        ("another audience", of(&[("aud", json!("claims-provider"))]), 401, "invalid_token"),
        (
            "for another, too",
            of(&[("aud", json!([STS, "https://api.example"]))]),
            401,
            "invalid_token",
        ),
        ("another issuer", of(&[("iss", json!("https://sts.evil.example"))]), 401, "invalid_token"),
        ("expired", of(&[("exp", json!(NOW))]), 401, "invalid_token"),
        ("another signature", broken, 401, "invalid_token"),
        ("nothing that is known", "opaque".to_owned(), 401, "invalid_token"),
        ("bound to a key", of(&[("cnf", json!({ "jkt": "A".repeat(43) }))]), 401, "invalid_token"),
        ("somebody who is gone", token("sub-of-bob", &[]), 401, "invalid_token"),
        ("a client that is gone", of(&[("client_id", json!("nobody"))]), 401, "invalid_token"),
        ("no scope", of(&[("scope", json!("openid email"))]), 403, "insufficient_scope"),
        (
            "a client that is not for holders",
            of(&[("client_id", json!("other"))]),
            403,
            "insufficient_scope",
        ),
        ("no exchange", of(&[("client_id", json!("idle"))]), 403, "insufficient_scope"),
    ] {
        refused(name, &ask(&world, &token, &asked()).await, status, code);
    }
    // RFC 6750 §3.1: what the token allows comes before what is asked.
    let scopeless = of(&[("scope", json!("openid email"))]);
    refused("no scope", &ask(&world, &scopeless, &[]).await, 403, "insufficient_scope");
    refused(
        "an unverified address",
        &ask(&world, &of(&[("email_verified", json!(false))]), &asked()).await,
        400,
        "invalid_request",
    );
    let bare = Request::post("/claims").header(CONTENT_TYPE, FORM).body(Body::empty()).unwrap();
    let bare = world.send(bare).await;
    assert_eq!(bare.status.as_u16(), 401);
    assert!(!bare.header(WWW_AUTHENTICATE).contains("error"), "RFC 6750 §3.1");
    let twice = Request::post("/claims")
        .header(AUTHORIZATION, "Bearer a")
        .header(AUTHORIZATION, "Bearer b");
    refused_twice(&world.send(twice.body(Body::empty()).unwrap()).await);
    let revoked = ("token", good.as_str());
    world.post("/revoke", &[("client_id", "rqp-client"), ("client_secret", SECRET), revoked]).await;
    refused("revoked", &ask(&world, &good, &asked()).await, 401, "invalid_token");
}

#[track_caller]
fn refused_twice(answer: &Answer) {
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
}

/// A2: the client acts, and nobody takes the person for present.
#[tokio::test]
async fn a_client_names_somebody_with_a_token_of_its_own() {
    let world = world();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
        ("scope", "claims-provider"),
    ];
    let own = world.token(&fields).await.json()["access_token"].as_str().unwrap().to_owned();
    let answer = ask(&world, &own, &naming("alice@alice.example")).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let claims = claims(answer.json()["claims_token"].as_str().unwrap());
    assert_eq!(claims.get("sub"), Some(&json!("sub-of-alice")));
    assert_eq!(claims.get("email"), Some(&json!("alice@alice.example")));
    assert_eq!(claims.get("groups"), Some(&json!(["staff"])));
    assert_eq!(claims.get("act"), Some(&json!({ "sub": "rqp-client", "client_id": "rqp-client" })));
    assert!(!claims.has("amr") && !claims.has("salary"));
    assert_eq!(
        world.audit.0.lock().unwrap().last().unwrap().subject.as_deref(),
        Some("sub-of-alice")
    );
    refused("nobody is named", &ask(&world, &own, &asked()).await, 400, "invalid_request");

    // The scope is nothing that a client has for itself unless it may name people.
    let plain = World::new();
    assert_eq!(plain.token(&fields).await.error(), (400, "invalid_scope".to_owned()));
}

/// STS-8: unknown, unverified, not listed, no list: one answer at either front, octet by octet.
#[tokio::test]
async fn sts_8_one_answer_for_the_unknown_and_the_forbidden() {
    let groups = |client: &mut Client| {
        let groups = ["board".to_owned()].into();
        client.exchange.people = Some(NamedPeople { groups, ..NamedPeople::default() });
    };
    let rows: [(&str, World, &str); 8] = [
        ("unknown", world(), "nobody@alice.example"),
        ("unverified", world(), "mallory@alice.example"),
        ("a user name", world(), "alice"),
        ("a user name that reads like an address", world(), "eve@alice.example"),
        ("somebody whose provider is trusted no more", world(), "ida@alice.example"),
        ("another domain", world(), "alice@bob.example"),
        ("known, in none of the groups", changed_by(groups), "alice@alice.example"),
        (
            "known, and there is no list",
            changed_by(|client| client.exchange.people = None),
            "alice@alice.example",
        ),
    ];
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for (name, world, address) in rows {
        let answer = ask(&world, &own(), &naming(address)).await;
        refused(name, &answer, 403, "insufficient_scope");
        here.push((answer.text.clone(), answer.header(WWW_AUTHENTICATE).to_owned()));

        let answer = exchange(&world, &own(), &naming(address)).await;
        refused(name, &answer, 400, "invalid_request");
        there.push(answer.text.clone());
    }
    here.dedup();
    there.dedup();
    assert_eq!((here.len(), there.len()), (1, 1), "{here:?} {there:?}");
}

/// People whose accounts cannot be read.
struct Unreadable;

impl Users for Unreadable {
    fn by_username<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(std::future::ready(Err(StoreError::Stopped)))
    }

    fn by_subject<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(std::future::ready(Err(StoreError::Stopped)))
    }
}

/// STS-8: about whom no list could have, nobody is asked, at either front; nor for a token that is
/// refused anyway. A failure of ours decided nothing.
#[tokio::test]
async fn sts_8_accounts_are_read_for_those_alone_whom_a_list_could_have() {
    let world = of(server_policy(), Unreadable, |_| {});
    let listed = naming("alice@alice.example");
    assert!(ask(&world, &own(), &listed).await.status.is_server_error());
    assert!(exchange(&world, &own(), &listed).await.status.is_server_error());
    assert!(world.audit.0.lock().unwrap().is_empty());
    let other = naming("alice@bob.example");
    refused("not listed", &ask(&world, &own(), &other).await, 403, "insufficient_scope");
    refused("not listed", &exchange(&world, &own(), &other).await, 400, "invalid_request");
    let others = token("other", &[("client_id", json!("other"))]);
    refused("another's", &exchange(&world, &others, &listed).await, 400, "invalid_request");
    assert_eq!(world.audit.0.lock().unwrap().len(), 3);
}

/// Who holds the token of a client that proves nothing is that client, where such clients get
/// something.
#[tokio::test]
async fn a_public_client_is_a_holder_where_policy_lets_it() {
    for (public_clients, status) in [(true, 200), (false, 403)] {
        let policy = ServerPolicy { public_clients, ..server_policy() };
        let users = StaticUsers::new([user("alice", true)]);
        let world = of(policy, users, |client| client.registered.credentials = Credentials::Public);
        assert_eq!(ask(&world, &alices(), &asked()).await.status.as_u16(), status);
    }
}

/// What is refused is written down as what is granted is: who asked, for whom and for what.
#[tokio::test]
async fn refusals_are_recorded_with_whose_token_it_was() {
    let world = world();
    let last = || world.audit.0.lock().unwrap().pop().unwrap();
    refused("no request", &ask(&world, &alices(), &[]).await, 400, "invalid_request");
    let record = last();
    assert_eq!(record.subject.as_deref(), Some("sub-of-alice"));
    assert!(!record.checks.last().unwrap().passed && record.issued.is_none());
    let other = naming("mallory@alice.example");
    refused("STS-7", &ask(&world, &alices(), &other).await, 400, "invalid_request");
    let record = last();
    assert_eq!(
        (&*record.audiences, &*record.resources),
        (&[UMA.to_owned()][..], &[RS.to_owned()][..])
    );
    refused("STS-7", &exchange(&world, &alices(), &other).await, 400, "invalid_request");
    assert_eq!(last().email.unwrap().as_str(), "alice@alice.example");
}

/// The token endpoint gives the same about the same person.
#[tokio::test]
async fn an_exchange_names_somebody_as_well() {
    let world = world();
    let answer = exchange(&world, &own(), &naming("alice@alice.example")).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let claims = claims(answer.json()["access_token"].as_str().unwrap());
    assert_eq!(claims.get("sub"), Some(&json!("sub-of-alice")));
    assert!(claims.has("act") && !claims.has("amr"));
    let record = world.audit.0.lock().unwrap().pop().unwrap();
    assert_eq!(record.subject.as_deref(), Some("sub-of-alice"));
    assert_eq!(record.email.unwrap().as_str(), "alice@alice.example");
}

/// STS-8: whoever exists, an audience that the client gets nothing for is refused alike.
#[tokio::test]
async fn sts_8_a_target_that_is_refused_tells_nobody_who_exists() {
    let world = changed_by(|client| {
        client.exchange.claims_token_audiences = vec![UrlPattern::parse(UMA).unwrap()];
    });
    for (audience, resource) in
        [("https://uma.elsewhere.example", RS), (UMA, "https://rs.denied.example"), (UMA, "x")]
    {
        let mut answers = Vec::new();
        for address in ["alice@alice.example", "nobody@alice.example"] {
            let mut fields = naming(address);
            fields.retain(|(name, _)| !["audience", "resource"].contains(name));
            fields.extend([("audience", audience), ("resource", resource)]);
            let answer = ask(&world, &own(), &fields).await;
            assert_eq!(answer.error(), (400, "invalid_target".to_owned()), "{audience} {resource}");
            answers.push(answer.text);
        }
        assert_eq!(answers[0], answers[1], "{audience} {resource}");
    }
}
