//! The account page: what was allowed is seen, and taken back.

use http::StatusCode;
use http::header::{LOCATION, X_FRAME_OPTIONS};
use serde_json::Value;

use crate::browser::{Browser, is_consent};
use crate::support::*;

async fn tokens(world: &World, answer: &Answer) -> Value {
    world.redeem(&answer.location("code").unwrap()).await.json()
}

async fn refresh(world: &World, tokens: &Value) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ];
    world.token(&fields).await
}

#[tokio::test]
async fn what_was_allowed_is_seen_and_taken_back() {
    let world = World::new();
    let (browser, elsewhere) = (Browser::new(&world), Browser::new(&world));
    let scope = [("scope", "openid profile offline_access")];
    let first = tokens(&world, &browser.sign_in("alice", &scope).await).await;
    let second = tokens(&world, &elsewhere.sign_in("alice", &scope).await).await;
    let page = browser.authorize(&[("client_id", "other"), ("scope", "openid")]).await;
    browser.submit(&page, &[("decision", "allow")]).await;

    let page = browser.get("/account").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header(X_FRAME_OPTIONS), "DENY");
    for text in ["The rqp-client &#60;app&#62;", "The other &#60;app&#62;", "while you are away"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(page.text.contains("see your name") && !page.text.contains("<script"));
    let answer = browser.submit(&page, &[("client", "rqp-client")]).await;
    assert_eq!(answer.header(LOCATION), format!("{STS}/account"));

    // At every browser, at once: refresh tokens, and the consent.
    for tokens in [&first, &second] {
        assert_eq!(refresh(&world, tokens).await.error(), (400, "invalid_grant".into()));
    }
    let page = browser.get("/account").await;
    assert!(!page.text.contains("rqp-client") && page.text.contains("The other"), "{}", page.text);
    assert!(is_consent(&browser.authorize(&[("scope", "openid")]).await), "it has to ask again");
    let silent = browser.authorize(&[("client_id", "other"), ("scope", "openid")]).await;
    assert!(silent.location("code").is_some(), "the other's was not meant");
}

/// O18: what is taken back is taken back on the page, in the session that it shows.
#[tokio::test]
async fn nobody_else_takes_anything_back() {
    let world = World::new();
    let browser = Browser::new(&world);
    let nobody = browser.get("/account").await;
    assert_eq!(nobody.status, StatusCode::FORBIDDEN);
    let scope = [("scope", "openid offline_access")];
    let first = tokens(&world, &browser.sign_in("alice", &scope).await).await;
    let page = browser.get("/account").await;
    let token = hidden(&page.text);
    let fields = [("form_token", token.as_str()), ("client", "rqp-client")];
    let mallory = Browser::new(&world);
    mallory.sign_in("mallory", &scope).await;
    for (name, answer) in [
        ("no token", browser.post("/account", &fields[1..]).await),
        ("no client", browser.post("/account", &fields[..1]).await),
        ("another browser", mallory.post("/account", &fields).await),
    ] {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
    let own = mallory.get("/account").await;
    mallory.submit(&own, &[("client", "rqp-client")]).await;
    assert_eq!(refresh(&world, &first).await.status, StatusCode::OK, "hers, not his");
    // The form of a page of before the person signed in anew.
    browser.sign_in("alice", &[("prompt", "login")]).await;
    assert_eq!(browser.post("/account", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(refresh(&world, &first).await.status, StatusCode::OK);
}
