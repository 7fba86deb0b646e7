//! Where a browser is led on: with what it posted, and to a client after a form.

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY};

use crate::browser::Browser;
use crate::support::*;

/// What was posted is in no URL as it was, and an ID token least of all.
#[tokio::test]
async fn o27_what_was_posted_is_sealed_and_not_for_long() {
    let world = World::new();
    let browser = Browser::new(&world);
    let code = browser.sign_in("alice", &[]).await.location("code").unwrap();
    let tokens = world.redeem(&code).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    let form = authorization(&[("id_token_hint", hint), ("state", "canary"), ("prompt", "none")]);
    let sent = world.send(form_request("/authorize", form.clone())).await;
    let way = sent.header(LOCATION).strip_prefix(STS).unwrap();
    assert!(way.starts_with("/authorize?posted="), "{way}");
    for part in hint.split('.').chain(["canary", "app.example", "rqp-client"]) {
        assert!(!way.contains(part), "{part} in {way}");
    }
    assert_eq!(browser.get(way).await.location("state").as_deref(), Some("canary"));
    assert_eq!(browser.get(way).await.location("state").as_deref(), Some("canary"), "reloaded");
    let (head, tail) = way.split_at(30);
    let changed = format!("{head}{}{}", if tail.starts_with('A') { "B" } else { "A" }, &tail[1..]);
    // Nor is what was posted elsewhere a request here.
    let elsewhere = world.post("/logout", &[("id_token_hint", hint)]).await;
    let elsewhere = elsewhere.header(LOCATION).replace(STS, "").replace("/logout", "/authorize");
    for way in [changed.as_str(), "/authorize?posted=x", &elsewhere] {
        let page = browser.get(way).await;
        assert_eq!((page.status, page.header(LOCATION)), (StatusCode::FORBIDDEN, ""), "{way}");
    }
    // What no URL takes is answered as it is, without a session.
    let long = format!("{form}&unknown={}", "x".repeat(4 * 1024));
    let answer = world.send(form_request("/authorize", long)).await;
    assert_eq!(answer.location("error").as_deref(), Some("login_required"), "{}", answer.text);
    world.clock.advance(600);
    assert_eq!(browser.get(way).await.status, StatusCode::FORBIDDEN, "too late");
}

/// CSP3 form-action: a browser holds all redirects after a form to what its page allows, whoever
/// makes them. From a page that leads on by itself, a client may lead wherever it likes.
#[tokio::test]
async fn a_browser_is_led_on_by_a_page_where_a_redirect_would_be_held_back() {
    let world = World::new();
    let browser = Browser::new(&world);
    let navigating = browser.navigating();
    #[track_caller]
    fn leads(page: &Answer, to: &str) {
        assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""), "{}", page.text);
        assert!(page.text.contains("Back to app.example"), "{}", page.text);
        let refresh = format!("http-equiv=\"refresh\" content=\"0; url=https://app.example/{to}");
        assert!(page.text.contains(&refresh), "{}", page.text);
        assert!(page.header(CONTENT_SECURITY_POLICY).contains("form-action 'none'"));
        assert_eq!(page.header(REFERRER_POLICY), "no-referrer");
        assert_eq!(page.header(CACHE_CONTROL), "no-store");
    }
    let page = browser.authorize(&[]).await;
    leads(&navigating.submit(&page, &[("decision", "deny")]).await, "cb?error=access_denied");
    let signed_in = [("username", "alice"), ("password", PASSWORD)];
    leads(&navigating.submit(&page, &signed_in).await, "cb?code=");
    assert!(browser.cookie("__Host-session").is_some(), "the cookie comes with the page");
    let consent = browser.authorize(&[("scope", "openid profile")]).await;
    leads(&navigating.submit(&consent, &[("decision", "allow")]).await, "cb?code=");
    let asked = "/logout?client_id=rqp-client&post_logout_redirect_uri=https://app.example/bye";
    leads(&navigating.submit(&browser.get(asked).await, &[]).await, "bye");
    // Within this server a redirect is none that anybody holds back, and a program gets what it
    // asked for.
    let page = browser.get("/account").await;
    let back = navigating.submit(&page, &signed_in).await;
    assert_eq!(back.header(LOCATION), format!("{STS}/account"), "{}", back.text);
    let consent = browser.authorize(&[("scope", "openid get")]).await;
    let answer = browser.submit(&consent, &[("decision", "allow")]).await;
    assert!(answer.location("code").is_some(), "{}", answer.text);
}
