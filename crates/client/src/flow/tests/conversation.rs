//! The way in, and what is the caller's own business.

use std::sync::Arc;

use bytes::Bytes;
use countersign_permission_ticket::TicketChallenge;
use countersign_types::TokenType;
use countersign_types::secret::TicketHandle;
use http::Response;

use super::world::{
    RS, Recorder, UMA, World, builder, challenge, check, data, get, refused, registration, rpt,
};
use crate::error::ClientError;
use crate::grant;

#[tokio::test]
async fn the_nine_arrows_in_their_order() {
    let world = Arc::new(World::new().rs([challenge("t1"), data()]).uma([rpt("rpt-1")]));
    let recorder = Arc::new(Recorder::default());
    let client = builder(&world)
        .with_registration(registration(UMA))
        .with_observer(Arc::<Recorder>::clone(&recorder))
        .build();
    let response = client.request(get(&format!("{RS}/rs-api?page=2"))).await.unwrap();
    assert_eq!(response.status(), 200);
    let arrows: Vec<String> = recorder.0.lock().unwrap().clone();
    assert_eq!(arrows, ["1", "2", "-", "-", "3", "4", "5", "-", "6", "7", "8", "9"]);

    let [exchange] = &world.exchanges()[..] else { panic!("one exchange") };
    for (name, value) in [
        ("grant_type", crate::exchange::GRANT_TYPE),
        ("subject_token", "alice-at"),
        ("subject_token_type", TokenType::ACCESS_TOKEN.as_str()),
        ("requested_token_type", TokenType::JWT.as_str()),
        ("audience", UMA),
        ("resource", RS),
        ("ticket_challenge", &TicketChallenge::of(&TicketHandle::new("t1")).to_string()),
    ] {
        assert_eq!(exchange.param(name).as_deref(), Some(value), "{name}");
    }
    let [grant] = &world.grants()[..] else { panic!("one grant") };
    for (name, value) in [
        ("grant_type", grant::GRANT_TYPE),
        ("ticket", "t1"),
        ("claim_token_format", TokenType::JWT.as_str()),
        ("resource", RS),
    ] {
        assert_eq!(grant.param(name).as_deref(), Some(value), "{name}");
    }
    let calls = world.sent_to(&format!("{RS}/rs-api?page=2"));
    assert_eq!(calls[0].authorization, None);
    assert_eq!(calls[1].authorization.as_deref(), Some("Bearer rpt-1"));
}

#[tokio::test]
async fn an_rpt_is_used_again_at_its_address() {
    let world = World::new()
        .rs([challenge("t1"), data(), data(), challenge("t2"), data()])
        .uma([rpt("rpt-1"), rpt("rpt-2")]);
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    for url in ["/a", "/a", "/a/b"] {
        let response = client.request(get(&format!("{RS}{url}"))).await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
    }
    let again = world.sent_to(&format!("{RS}/a"));
    assert_eq!(again.len(), 3);
    assert_eq!(again[2].authorization.as_deref(), Some("Bearer rpt-1"));
    let other = world.sent_to(&format!("{RS}/a/b"));
    assert_eq!(other[0].authorization, None);
    assert_eq!(other[1].authorization.as_deref(), Some("Bearer rpt-2"));
}

#[tokio::test]
async fn every_other_answer_is_the_callers() {
    let redirect = Response::builder()
        .status(302)
        .header("location", "https://evil.example/")
        .body(Bytes::new())
        .unwrap();
    let bearer = Response::builder()
        .status(401)
        .header("www-authenticate", "Bearer")
        .body(Bytes::new())
        .unwrap();
    for (answer, status) in [
        (data(), 200),
        (redirect, 302),
        (bearer, 401),
        (refused(403, "x"), 403),
        (refused(500, "x"), 500),
    ] {
        let (world, result) = check(World::new().rs([answer])).await;
        assert_eq!(result.unwrap().status(), status);
        assert_eq!(world.sent.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_safely_is_not_sent() {
    let world = Arc::new(World::new());
    let client = builder(&world).with_registration(registration(UMA)).build();
    let own = http::Request::get(RS).header("authorization", "Bearer mine").body(Bytes::new());
    for request in [get("http://rs.bob.example/"), get("/relative"), own.unwrap()] {
        let result = client.request(request).await;
        assert!(matches!(result, Err(ClientError::Request(_))), "{result:?}");
    }
    assert!(world.sent.lock().unwrap().is_empty());
    let (_, result) = check(World::new()).await;
    assert!(matches!(result, Err(ClientError::Fetch { .. })), "{result:?}");
}
