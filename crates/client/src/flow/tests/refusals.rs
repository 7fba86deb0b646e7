//! What an authorization server answers instead of a token.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{
    RS, UMA, World, answer, builder, challenge, check, data, get, need_info, refused, registration,
    rpt,
};
use crate::error::ClientError;

#[tokio::test]
async fn need_info_that_no_token_of_ours_can_meet_is_told() {
    let only = |claims: Value, redirect: Option<&str>| {
        let mut body = json!({ "error": "need_info", "ticket": "t2", "required_claims": claims });
        if let Some(redirect) = redirect {
            body["redirect_user"] = json!(redirect);
        }
        World::new().rs([challenge("t1")]).uma([answer(403, &body)])
    };
    for world in [
        only(json!([{ "name": "email", "issuer": ["https://other.example"] }]), None),
        only(json!([]), Some("https://uma.bob.example/claims")),
    ] {
        let (world, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::NeedInfo { .. })), "{result:?}");
        assert_eq!(world.exchanges().len(), 1);
    }
    // Nobody is sent to a page that the server's own metadata does not name.
    for page in [
        "https://evil.example/claims",
        "https://uma.bob.example/claims?x",
        "https://uma.bob.example",
    ] {
        let (_, result) = check(only(json!([{ "name": "email" }]), Some(page))).await;
        assert!(matches!(result, Err(ClientError::RedirectUser(_))), "{page}: {result:?}");
    }
}

#[tokio::test]
async fn refusals_end_the_request() {
    let world = |response| World::new().rs([challenge("t1")]).uma([response]);
    let (_, result) = check(world(refused(403, "request_denied"))).await;
    assert!(matches!(result, Err(ClientError::Denied { .. })), "{result:?}");
    for response in
        [refused(401, "invalid_client"), refused(400, "invalid_target"), refused(403, "need_info")]
    {
        let (world, result) = check(world(response)).await;
        assert!(matches!(result, Err(ClientError::Grant { .. })), "{result:?}");
        assert_eq!(world.grants().len(), 1);
    }
    let mac = answer(200, &json!({ "access_token": "x", "token_type": "mac" }));
    let (_, result) = check(world(mac)).await;
    assert!(matches!(result, Err(ClientError::TokenType(_))), "{result:?}");
}

#[tokio::test]
async fn a_request_waits_for_the_owner_and_goes_on() {
    let submitted =
        answer(403, &json!({ "error": "request_submitted", "ticket": "t2", "interval": 5 }));
    let world =
        World::new().rs([challenge("t1"), data()]).uma([submitted, need_info("t3"), rpt("rpt")]);
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    let url = format!("{RS}/rs-api");
    let Err(ClientError::Submitted(pending)) = client.request(get(&url)).await else {
        panic!("not submitted")
    };
    assert_eq!(pending.interval, Some(5));
    let elsewhere = client.resume((*pending).clone(), get("https://other.example/")).await;
    assert!(matches!(elsewhere, Err(ClientError::Request(_))), "{elsewhere:?}");
    assert_eq!(client.resume(*pending, get(&url)).await.unwrap().status(), 200);
}
