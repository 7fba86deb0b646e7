//! The results: who is let in, and what everybody else is told.

use countersign_testkit::keys;
use http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use crate::exchange::introspecting;
use crate::world::*;

const RESULT: &str = r#"{"benchmark":"sysbench","machine":"rack 9","value":61.4,"unit":"GB/s"}"#;

/// F000-1: case 1 of the drawing.
#[tokio::test]
async fn f000_1_a_curator_reads_and_adds() {
    let world = World::start().await;
    let token = world.internal("alice").await.access_token();
    let before = world.with_token("GET /api/v1/results", &token, "").await.json();
    let added = world.with_token("POST /api/v1/results", &token, RESULT).await;
    assert_eq!((added.status, added.json()["by"].clone()), (201, json!("Alice Liddell")));
    let after = world.with_token("GET /api/v1/results", &token, "").await.json();
    assert_eq!(after.as_array().unwrap().len(), before.as_array().unwrap().len() + 1);
    for (name, body) in [("no JSON", "x"), ("more", r#"{"by":"Eve"}"#), ("nothing", "")] {
        let answer = world.with_token("POST /api/v1/results", &token, body).await;
        assert_eq!(answer.status, 400, "{name}");
    }
}

/// F000-10: no error code for who has shown nothing.
#[tokio::test]
async fn f000_10_without_a_token_there_is_a_bare_challenge() {
    let world = World::start().await;
    for what in ["GET /api/v1/me", "GET /api/v1/results", "POST /api/v1/results"] {
        let answer = world.api(what, &[], "").await;
        assert_eq!(answer.status, 401, "{what}");
        let challenge = answer.header(WWW_AUTHENTICATE);
        assert!(challenge.starts_with("Bearer realm="), "{what}: {challenge}");
        assert!(!challenge.contains("error"), "{what}: {challenge}");
    }
}

/// F000-11: a request has one credential.
#[tokio::test]
async fn f000_11_two_credentials_are_one_too_many() {
    let world = World::start().await;
    let token = world.internal("alice").await.access_token();
    let bearer = format!("Bearer {token}");
    let (header, form) =
        (("authorization", bearer.as_str()), ("content-type", "application/x-www-form-urlencoded"));
    let in_form = format!("access_token={token}");
    let in_query = format!("POST /api/v1/results?access_token={token}");
    for (name, what, headers, body) in [
        ("header and form", "POST /api/v1/results", &[header, form][..], in_form.as_str()),
        ("two headers", "POST /api/v1/results", &[header, header], RESULT),
        ("header and query", &in_query, &[header], RESULT),
    ] {
        let answer = world.api(what, headers, body).await;
        assert_eq!(answer.status, 400, "{name}");
        assert_eq!(answer.json()["error"], "invalid_request", "{name}");
        assert!(answer.header(WWW_AUTHENTICATE).contains("invalid_request"), "{name}");
    }
    let form_alone = world.api("POST /api/v1/results", &[form], &in_form).await;
    assert_eq!(form_alone.status, 401, "a form carries no token here");
}

/// F000-12: who somebody is, is not what they may.
#[tokio::test]
async fn f000_12_without_the_role_it_is_403() {
    let world = World::start().await;
    let token = world.internal("bob").await.access_token();
    assert_eq!(claims(&token)["roles"], json!(["reader"]));
    assert_eq!(world.with_token("GET /api/v1/results", &token, "").await.status, 200);
    let refused = world.with_token("POST /api/v1/results", &token, RESULT).await;
    assert_eq!(refused.status, 403);
    assert!(refused.header(WWW_AUTHENTICATE).contains("error=\"insufficient_scope\""));
    assert_eq!(refused.json()["error"], "insufficient_scope");
}

/// F000-2 and F001-12: a token that has ended, was taken back, or is for somebody else.
#[tokio::test]
async fn f001_12_a_token_that_is_good_no_more_is_401() {
    for asks in [false, true] {
        let world = World::with(|_, text| if asks { introspecting(text) } else { text }).await;
        let token = world.internal("alice").await.access_token();
        assert_eq!(world.with_token("GET /api/v1/me", &token, "").await.status, 200);
        world.clock.advance(400);
        let brought = world.brought("alice").await;
        // As the API's own server would sign it for another API, and for this one.
        let mut said = claims(&world.internal("alice").await.access_token());
        let signed = |said: &Value| {
            countersign::jwt::sign("at+jwt", &keys::signing(keys::ES256_B), said).unwrap()
        };
        let ours = signed(&said);
        assert_eq!(world.with_token("GET /api/v1/me", &ours, "").await.status, 200, "{asks}");
        said["aud"] = json!("https://payroll.example");
        for (name, token) in [
            ("expired", token.as_str()),
            ("of another issuer", &brought),
            ("for another API", &signed(&said)),
            ("none", "x"),
        ] {
            let answer = world.with_token("GET /api/v1/me", token, "").await;
            assert_eq!(answer.status, 401, "{name}, {asks}");
            assert!(answer.header(WWW_AUTHENTICATE).contains("invalid_token"), "{name}, {asks}");
        }
    }
}
