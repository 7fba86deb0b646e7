//! Who asks: client assertions. F004-2, F004-3, F004-6.

use countersign_jwt::{Algorithm, SigningKey};
use serde_json::json;

use crate::acting::*;
use crate::support::*;

/// F004-2, O9, O10: what no client assertion is.
#[tokio::test]
async fn f004_2_client_assertions_that_prove_nothing() {
    let case = Case::new().await;
    let other_key = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
    let used = case.sign(&case.assertion(&[]));
    assert_eq!(case.exchange(&[("client_assertion", &used)]).await.status.as_u16(), 200);
    let token_endpoint = format!("{STS}/token");
    let rows = [
        ("replayed", used),
        ("another key", signed(&other_key, &case.assertion(&[]))),
        (
            "expired",
            case.sign(&case.assertion(&[("iat", json!(NOW - 200)), ("exp", json!(NOW - 60))])),
        ),
        ("no exp", case.sign(&case.assertion(&[("exp", json!(null))]))),
        ("too long", case.sign(&case.assertion(&[("exp", json!(NOW + 301))]))),
        ("no jti", case.sign(&case.assertion(&[("jti", json!(null))]))),
        ("iss is not sub", case.sign(&case.assertion(&[("iss", json!("rqp-client"))]))),
        ("token endpoint", case.sign(&case.assertion(&[("aud", json!(token_endpoint))]))),
        ("two audiences", case.sign(&case.assertion(&[("aud", json!([STS, UMA]))]))),
        ("the relying party", case.sign(&case.assertion(&[("aud", json!(RP))]))),
        ("an actor token", case.sign(&case.actor(&[("aud", json!(STS))]))),
        ("a client proof", case.sign(&(Some("client-proof+jwt"), case.assertion(&[]).1))),
    ];
    for (name, assertion) in &rows {
        let answer = case.exchange(&[("client_assertion", assertion)]).await;
        check(name, &answer, 401, "invalid_client");
    }
    // O11: a forged assertion uses up nobody's jti.
    let mine = case.assertion(&[]);
    let forged = case.exchange(&[("client_assertion", &signed(&other_key, &mine))]).await;
    check("forged", &forged, 401, "invalid_client");
    let genuine = case.exchange(&[("client_assertion", &case.sign(&mine))]).await;
    assert_eq!(genuine.status.as_u16(), 200, "{}", genuine.text);
}

/// F004-3.
#[tokio::test]
async fn f004_3_a_client_assertion_may_lack_its_type() {
    let case = Case::new().await;
    let untyped = case.sign(&(None, case.assertion(&[]).1));
    assert_eq!(case.exchange(&[("client_assertion", &untyped)]).await.status.as_u16(), 200);
    let array = case.sign(&case.assertion(&[("aud", json!([STS]))]));
    assert_eq!(case.exchange(&[("client_assertion", &array)]).await.status.as_u16(), 200);
}

/// F004-6.
#[tokio::test]
async fn f004_6_two_ways_to_authenticate() {
    let case = Case::new().await;
    let answer = case.exchange(&[("client_id", MAIL), ("client_secret", "s")]).await;
    check("secret beside assertion", &answer, 400, "invalid_request");
    let answer = case.exchange(&[("client_id", "rqp-client")]).await;
    check("another client_id", &answer, 401, "invalid_client");
}
