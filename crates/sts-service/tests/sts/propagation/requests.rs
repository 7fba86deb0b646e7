//! What is asked: actor token, target, subject token. F004-7 to F004-10.

use countersign_jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::acting::*;
use crate::support::*;

/// F004-7.
#[tokio::test]
async fn f004_7_actor_tokens_that_prove_nothing() {
    let case = Case::new().await;
    let other_key = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
    let made = |change: &[(&str, Value)]| case.sign(&case.actor(change));
    let retyped = |typ| case.sign(&(Some(typ), case.actor(&[]).1));
    let used = made(&[]);
    assert_eq!(case.exchange(&[("actor_token", &used)]).await.status.as_u16(), 200);
    for (name, actor_token) in [
        ("used before", used),
        ("another key", signed(&other_key, &case.actor(&[]))),
        ("expired", made(&[("iat", json!(NOW - 300)), ("exp", json!(NOW - 60))])),
        ("nbf ahead", made(&[("nbf", json!(NOW + 61))])),
        ("no nbf", made(&[("nbf", json!(null))])),
        ("another iss", made(&[("iss", json!(NEXT))])),
        ("another sub", made(&[("sub", json!(NEXT))])),
        ("another client altogether", made(&[("iss", json!(NEXT)), ("sub", json!(NEXT))])),
        ("a client assertion", retyped("client-authentication+jwt")),
        ("a client proof", retyped("client-proof+jwt")),
        ("two audiences", made(&[("aud", json!([STS, RP]))])),
        ("the issuer, and no target", made(&[("aud", json!(STS))])),
        ("the issuer, without typ", case.sign(&(None, case.actor(&[("aud", json!(STS))]).1))),
        ("no JWT", "actor".to_owned()),
    ] {
        let answer = case.exchange(&[("actor_token", &actor_token)]).await;
        check(name, &answer, 400, "invalid_request");
    }
    let untyped = case.sign(&(None, case.actor(&[]).1));
    let answer = case.exchange(&[("actor_token", &untyped)]).await;
    assert_eq!(answer.status.as_u16(), 200, "as drawn: {}", answer.text);
}

/// F004-8.
#[tokio::test]
async fn f004_8_an_actor_token_and_its_type() {
    let case = Case::new().await;
    for (name, change) in [
        ("no type", [("actor_token_type", "")]),
        ("no token", [("actor_token", "")]),
        ("another type", [("actor_token_type", ACCESS_TOKEN)]),
    ] {
        check(name, &case.exchange(&change).await, 400, "invalid_request");
    }
}

/// F004-9, T2.
#[tokio::test]
async fn f004_9_the_target_is_one_and_permitted() {
    let case = Case::new().await;
    let evil = "https://rp.evil.example";
    let foreign = case.sign(&case.actor(&[("aud", json!(evil))]));
    let strict = case.sign(&case.actor(&[("aud", json!(STS)), ("jti", json!(null))]));
    for (name, change) in [
        ("not permitted", vec![("actor_token", foreign.as_str())]),
        ("not permitted, strict", vec![("actor_token", &strict), ("resource", evil)]),
        ("differs from resource", vec![("resource", "https://other.bob.example")]),
        ("differs from audience", vec![("audience", "https://other.bob.example")]),
        ("no URI", vec![("actor_token", &strict), ("resource", "RP")]),
        ("a fragment", vec![("actor_token", &strict), ("resource", "https://rp.bob.example#x")]),
        ("this service", vec![("actor_token", &strict), ("resource", STS)]),
    ] {
        check(name, &case.exchange(&change).await, 400, "invalid_target");
    }
    let two = form_body_with_two_resources(&case, &strict);
    let answer = case.world.send(form_request("/token", two)).await;
    check("one of two is bad", &answer, 400, "invalid_target");
}

fn form_body_with_two_resources(case: &Case, actor_token: &str) -> String {
    let assertion = case.sign(&case.assertion(&[]));
    encoded(&[
        ("grant_type", EXCHANGE),
        ("requested_token_type", JWT),
        ("subject_token", case.subject_token.as_str()),
        ("subject_token_type", ACCESS_TOKEN),
        ("actor_token", actor_token),
        ("actor_token_type", JWT),
        ("client_assertion", assertion.as_str()),
        ("client_assertion_type", ASSERTION),
        ("resource", RP),
        ("resource", "https://rp.evil.example"),
    ])
}

/// F004-10, T1, T3, T4, T6, T13.
#[tokio::test]
async fn f004_10_subject_tokens_that_prove_nothing() {
    let case = Case::new().await;
    let token = |change: &[(&str, Value)]| case.subject(change);
    for (name, subject_token) in [
        ("expired", token(&[("exp", json!(NOW))])),
        ("opaque", "opaque".to_owned()),
        ("no address", token(&[("email", json!(null))])),
        ("unverified", token(&[("email_verified", json!(false))])),
        ("two addresses", token(&[("email_address", json!("b@alice.example"))])),
        ("another client's", token(&[("client_id", json!("rqp-client"))])),
        ("may_act names another", token(&[("may_act", json!({ "sub": NEXT }))])),
        ("bound to a key", token(&[("cnf", json!({ "jkt": "x" }))])),
        ("for another server", token(&[("aud", json!(UMA))])),
        ("of another server", token(&[("iss", json!(UMA))])),
        ("of a client", token(&[("sub", json!(MAIL))])),
        ("of nobody", token(&[("sub", json!("nobody"))])),
        ("five actors", token(&[("act", chain(5))])),
        (
            "an ID token",
            sign(
                "JWT",
                &json!({ "iss": STS, "sub": "sub-of-alice", "aud": MAIL,
            "exp": NOW + 100, "iat": NOW }),
            ),
        ),
        ("its own actor token", case.sign(&case.actor(&[]))),
    ] {
        let answer = case.exchange(&[("subject_token", &subject_token)]).await;
        check(name, &answer, 400, "invalid_request");
    }
    let named = token(&[("client_id", json!("rqp-client")), ("may_act", json!({ "sub": MAIL }))]);
    let answer = case.exchange(&[("subject_token", &named)]).await;
    assert_eq!(answer.status.as_u16(), 200, "named by may_act: {}", answer.text);
    for kind in ["refresh_token", "id_token", "saml2", "jwt", "nonsense"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let answer = case.exchange(&[("subject_token_type", &kind)]).await;
        check(&kind, &answer, 400, "invalid_request");
    }
}
