//! What an authorization server answers instead of a token.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{
    RS, UMA, World, answer, builder, challenge, check, data, get, need_info, refused, registration,
    rpt,
};
use crate::Client;
use crate::error::{ClientError, Pending};

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
    let answers = [submitted("t2"), need_info("t3"), rpt("rpt")];
    let world = World::new().rs([challenge("t1"), data()]).uma(answers);
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    let url = format!("{RS}/rs-api");
    let pending = waiting(&client, &url).await;
    assert_eq!(pending.interval, Some(5));
    let elsewhere = client.resume(pending.clone(), get("https://other.example/")).await;
    assert!(matches!(elsewhere, Err(ClientError::Request(_))), "{elsewhere:?}");
    assert_eq!(client.resume(pending, get(&url)).await.unwrap().status(), 200);
    // The provider is asked for a claims token when one is wanted, and not while nobody has
    // decided.
    let pushed: Vec<_> =
        world.grants().iter().map(|sent| sent.param("claim_token").is_some()).collect();
    assert_eq!(pushed, [true, false, true]);
    assert_eq!(world.exchanges().len(), 2);
}

/// A request that the owner is asked about.
async fn waiting(client: &Client, url: &str) -> Pending {
    match client.request(get(url)).await {
        Err(ClientError::Submitted(pending)) => *pending,
        other => panic!("{other:?}"),
    }
}

fn submitted(ticket: &str) -> http::Response<bytes::Bytes> {
    answer(403, &json!({ "error": "request_submitted", "ticket": ticket, "interval": 5 }))
}

#[tokio::test]
async fn a_request_waits_as_often_as_it_is_told_to() {
    let world = World::new().rs([challenge("t1")]).uma([
        submitted("t2"),
        submitted("t3"),
        submitted("t4"),
        submitted("t5"),
        submitted("t6"),
        refused(403, "request_denied"),
    ]);
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    let url = format!("{RS}/rs-api");
    let mut result = client.request(get(&url)).await;
    for ticket in ["t2", "t3", "t4", "t5", "t6"] {
        let Err(ClientError::Submitted(pending)) = result else { panic!("{result:?}") };
        assert_eq!(pending.ticket.as_ref().unwrap().expose(), ticket);
        result = client.resume(*pending, get(&url)).await;
    }
    assert!(matches!(result, Err(ClientError::Denied { .. })), "{result:?}");
    assert_eq!(world.exchanges().len(), 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_costs_a_new_ticket() {
    let world = World::new().rs([challenge("t1"), challenge("t9"), data()]).uma([
        submitted("t2"),
        refused(400, "invalid_grant"),
        rpt("rpt"),
    ]);
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    let url = format!("{RS}/rs-api");
    let pending = waiting(&client, &url).await;
    assert_eq!(client.resume(pending, get(&url)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_was_asked_for_one_person_is_not_anothers() {
    let world = World::new().rs([challenge("t1")]).uma([submitted("t2"), rpt("rpt")]);
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    let url = format!("{RS}/rs-api");
    let mut pending = waiting(&client, &url).await;
    pending.person = crate::Person::Subject("mallory".to_owned());
    let result = client.resume(pending, get(&url)).await;
    assert!(matches!(result, Err(ClientError::Request(_))), "{result:?}");
    assert_eq!(world.sent_to(&url).len(), 1);
}

/// Somebody else signs in while a request waits: their claims go nowhere, whatever the server wants
/// then.
#[tokio::test]
async fn claims_that_are_wanted_later_are_the_same_persons() {
    let wanted = || need_info("t3");
    for polled in [wanted(), refused(400, "invalid_grant")] {
        let world =
            World::new().rs([challenge("t1"), challenge("t9")]).uma([submitted("t2"), polled]);
        let world = Arc::new(world);
        let client = builder(&world).with_registration(registration(UMA)).build();
        let url = format!("{RS}/rs-api");
        let mut pending = waiting(&client, &url).await;
        pending.person = crate::Person::Subject("mallory".to_owned());
        let result = client.resume(pending, get(&url)).await;
        assert!(matches!(result, Err(ClientError::Request(_))), "{result:?}");
        assert_eq!(world.exchanges().len(), 1, "the first request's");
    }
}
