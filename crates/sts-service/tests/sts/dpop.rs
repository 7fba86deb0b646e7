//! Tokens that are bound to a key, on every grant, and what a proof of it is worth: once. RFC 9449

use countersign_jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::acting::*;
use crate::refresh::{CONFIDENTIAL, PUBLIC, SCOPE, ask, begin, refresh, text};
use crate::support::*;

const OWN: (&str, &str) = ("grant_type", "client_credentials");
/// A client of which the operator says that its tokens are always bound.
const BOUND: &[(&str, &str)] = &[("client_id", "rqp-bound"), ("client_secret", SECRET)];

type Fields<'a> = &'a [(&'a str, &'a str)];

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, None).unwrap()
}

fn proof(key: &SigningKey) -> String {
    dpop_proof(key, &jti(), &[])
}

/// What redeems a code, but for who does it.
fn code_fields(code: &str) -> [(&str, &str); 4] {
    let [grant, code, redirect_uri, verifier, ..] = redemption(code);
    [grant, code, redirect_uri, verifier]
}

#[track_caller]
fn bound(name: &str, answer: &Answer, key: &SigningKey) -> Value {
    assert_eq!(answer.status.as_u16(), 200, "{name}: {}", answer.text);
    let body = answer.json();
    assert_eq!(body["token_type"], "DPoP", "{name}");
    let cnf = json!({ "jkt": key.public().thumbprint().to_base64url() });
    assert_eq!(claims(text(&body, "access_token")).get("cnf"), Some(&cnf), "{name}");
    body
}

#[tokio::test]
async fn rfc_9449_section_5_every_grant_gives_tokens_bound_to_the_key() {
    let (world, key) = (World::new(), key());
    for (name, who) in [("confidential", CONFIDENTIAL), ("public", PUBLIC)] {
        let code = world.code("alice", &[who[0]]).await;
        let answer = ask(&world, who, Some(&proof(&key)), &code_fields(&code)).await;
        bound(name, &answer, &key);
    }
    bound("for itself", &ask(&world, CONFIDENTIAL, Some(&proof(&key)), &[OWN]).await, &key);
}

/// O24: one proof, one token.
#[tokio::test]
async fn o24_of_many_uses_of_one_proof_at_once_one_succeeds() {
    let (world, key) = (World::new(), key());
    let proof = proof(&key);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let router = world.router.clone();
        let mut request = form_request("/token", encoded(&[CONFIDENTIAL, &[OWN]].concat()));
        request.headers_mut().insert("dpop", proof.parse().unwrap());
        tasks.spawn(
            async move { tower::ServiceExt::oneshot(router, request).await.unwrap().status() },
        );
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| status.as_u16() == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| status.as_u16() == 400).count(), 49);
}

/// O24: what was used stays used in the files that a killed process leaves.
#[tokio::test]
async fn o24_a_used_proof_is_not_new_after_a_restart() {
    let (running, killed) = (Directory::new(), Directory::new());
    let (key, world) = (key(), World::on(server_policy(), running.open()));
    let used = proof(&key);
    bound("new", &ask(&world, CONFIDENTIAL, Some(&used), &[OWN]).await, &key);
    running.copy_to(&killed);

    let world = World::on(server_policy(), killed.open());
    let again = ask(&world, CONFIDENTIAL, Some(&used), &[OWN]).await;
    check("used", &again, 400, "invalid_dpop_proof");
    bound("another", &ask(&world, CONFIDENTIAL, Some(&proof(&key)), &[OWN]).await, &key);
}

/// A public client is but a name: what is refused for another reason writes nothing down.
#[tokio::test]
async fn a_proof_is_spent_by_the_grant_that_it_binds_and_by_nothing_before() {
    let (world, key) = (World::new(), key());
    let proof = proof(&key);
    let verifier = "w".repeat(43);
    let code = world.code("alice", &[CONFIDENTIAL[0]]).await;
    let mut other_verifier = code_fields(&code).to_vec();
    other_verifier[3].1 = &verifier;
    let subject = crate::exchange::good("AAAA");
    let subject: Vec<_> =
        subject.into_iter().filter(|(name, _)| !name.starts_with("client_")).collect();
    let rows: &[(&str, Fields<'_>, Fields<'_>, &str)] = &[
        ("grant type", PUBLIC, &[("grant_type", "password")], "unsupported_grant_type"),
        ("permission", PUBLIC, &[OWN], "unauthorized_client"),
        ("code", PUBLIC, &code_fields("AAAA"), "invalid_grant"),
        ("verifier", CONFIDENTIAL, &other_verifier, "invalid_grant"),
        (
            "refresh token",
            PUBLIC,
            &[("grant_type", "refresh_token"), ("refresh_token", "AAAA")],
            "invalid_grant",
        ),
        ("subject token", PUBLIC, &subject, "invalid_request"),
        ("scope", CONFIDENTIAL, &[OWN, ("scope", "admin")], "invalid_scope"),
        ("target", CONFIDENTIAL, &[OWN, ("resource", UMA)], "invalid_target"),
    ];
    for (name, who, fields, code) in rows {
        check(name, &ask(&world, who, Some(&proof), fields).await, 400, code);
    }
    bound("good", &ask(&world, CONFIDENTIAL, Some(&proof), &[OWN]).await, &key);
    let again = ask(&world, CONFIDENTIAL, Some(&proof), &[OWN]).await;
    check("used", &again, 400, "invalid_dpop_proof");
}

/// Whoever repeats a request as it was has proved no key: it ends nobody's grant.
#[tokio::test]
async fn a_request_that_is_repeated_with_its_proof_does_no_harm() {
    let (world, key) = (World::new(), key());
    let code = world.code("alice", &[PUBLIC[0], ("scope", SCOPE)]).await;
    let with_code = proof(&key);
    let first = ask(&world, PUBLIC, Some(&with_code), &code_fields(&code)).await;
    let first = bound("code", &first, &key);
    let again = ask(&world, PUBLIC, Some(&with_code), &code_fields(&code)).await;
    check("the same code", &again, 400, "invalid_dpop_proof");

    let with_token = proof(&key);
    let token = text(&first, "refresh_token");
    let second = refresh(&world, PUBLIC, Some(&with_token), token, &[]).await;
    let second = bound("refresh token", &second, &key);
    for seconds in [0, 11] {
        world.clock.advance(seconds);
        let again = refresh(&world, PUBLIC, Some(&with_token), token, &[]).await;
        check("the same refresh token", &again, 400, "invalid_dpop_proof");
    }
    let token = text(&second, "refresh_token");
    let third = refresh(&world, PUBLIC, Some(&proof(&key)), token, &[]).await;
    bound("the grant goes on", &third, &key);
}

#[tokio::test]
async fn a_used_proof_is_the_check_of_an_exchange_that_failed() {
    let (case, key) = (Case::new().await, key());
    let proof = proof(&key);
    assert_eq!(case.exchange_with(&[&proof], &[]).await.status.as_u16(), 200);
    let again = case.exchange_with(&[&proof], &[]).await;
    check("used", &again, 400, "invalid_dpop_proof");
    assert_eq!(case.exchange(&[]).await.status.as_u16(), 200);
    let records = case.world.audit.0.lock().unwrap();
    let proofs = records.iter().map(|record| {
        let last = record.checks.last().unwrap();
        ((last.section == "RFC 9449 §11.1").then_some(last.passed), record.issued.is_some())
    });
    let expected = [(Some(true), true), (Some(false), false), (None, true)];
    assert_eq!(proofs.collect::<Vec<_>>(), expected);
}

/// RFC 9449 §5.2: such a client gets nothing without a proof, and what it brought is as good as
/// before.
#[tokio::test]
async fn rfc_9449_section_5_2_a_client_whose_tokens_are_bound_gets_no_other() {
    let (world, key) = (World::new(), key());
    let code = world.code("alice", &[BOUND[0], ("scope", SCOPE)]).await;
    let fields = code_fields(&code);
    let first = ask(&world, BOUND, None, &fields).await;
    check("code", &first, 400, "invalid_dpop_proof");
    let first = bound("code", &ask(&world, BOUND, Some(&proof(&key)), &fields).await, &key);
    let token = text(&first, "refresh_token");
    check("refresh", &refresh(&world, BOUND, None, token, &[]).await, 400, "invalid_dpop_proof");
    let answer = refresh(&world, BOUND, Some(&proof(&key)), token, &[]).await;
    bound("refresh", &answer, &key);
    check("for itself", &ask(&world, BOUND, None, &[OWN]).await, 400, "invalid_dpop_proof");
    bound("for itself", &ask(&world, BOUND, Some(&proof(&key)), &[OWN]).await, &key);
    // Others may have it either way.
    assert_eq!(begin(&world, PUBLIC, None, SCOPE).await["token_type"], "Bearer");
}

/// The same, where the client's own document says so.
#[tokio::test]
async fn rfc_9449_section_5_2_a_document_that_wants_bound_tokens_is_obeyed() {
    let (case, key) = (Case::new().await, key());
    let document = json!({ "client_id": MAIL, "client_name": "Mail",
        "token_endpoint_auth_method": "private_key_jwt", "grant_types": GRANTS,
        "jwks": { "keys": [case.key.public().to_jwk()] }, "dpop_bound_access_tokens": true });
    case.world.documents.set(MAIL, Ok(document));
    check("no proof", &case.exchange(&[]).await, 400, "invalid_dpop_proof");
    let answer = case.exchange_with(&[&proof(&key)], &[]).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
}
