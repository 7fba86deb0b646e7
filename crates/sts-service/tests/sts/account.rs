//! The account page: where somebody is signed in and what they allowed is seen, ended and taken
//! back.

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, LOCATION, X_FRAME_OPTIONS};
use serde_json::Value;

use crate::browser::{Browser, is_consent, is_sign_in};
use crate::refresh::{CONFIDENTIAL, is_live};
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

/// A person who closes the browser meanwhile has taken everything back of a client, or nothing.
#[tokio::test]
async fn what_was_allowed_is_taken_back_whole_though_the_person_goes_away() {
    let (engine, world) = World::slowly();
    let scope = [("scope", "openid offline_access")];
    let browsers = [Browser::new(&world), Browser::new(&world)];
    for browser in &browsers {
        browser.sign_in("alice", &[("client_id", "other"), ("scope", "openid")]).await;
    }
    for turns in 0.. {
        let mut allowed = Vec::new();
        for browser in &browsers {
            let mut answer = browser.authorize(&scope).await;
            if is_consent(&answer) {
                answer = browser.submit(&answer, &[("decision", "allow")]).await;
            }
            allowed.push(tokens(&world, &answer).await);
        }
        let page = browsers[0].get("/account").await;
        let wish = let_go(browsers[0].submit(&page, &[("client", "rqp-client")]), turns);
        let is_answered = engine.slowly(wish).await;
        let asked = browsers[0].authorize(&[("scope", "openid")]).await;
        let mut stands = vec![!is_consent(&asked)];
        for tokens in &allowed {
            stands.push(refresh(&world, tokens).await.status == StatusCode::OK);
        }
        assert!(stands.iter().all(|it| *it == stands[0]), "after {turns} turns: {stands:?}");
        if is_answered {
            assert!(!stands[0] && turns > 3, "{turns}");
            break;
        }
    }
}

/// O18: what is taken back is taken back on the page, in the session that it shows.
#[tokio::test]
async fn nobody_else_takes_anything_back() {
    let world = World::new();
    let browser = Browser::new(&world);
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
    // The form of a page of before somebody else signed in.
    browser.sign_in("mallory", &[("prompt", "login")]).await;
    assert_eq!(browser.post("/account", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(refresh(&world, &first).await.status, StatusCode::OK);
}

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 \
                     (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1";

/// The identifiers of the sessions on an account page that can be ended there.
fn others(page: &Answer) -> Vec<String> {
    let parts = page.text.split("name=\"session\" value=\"").skip(1);
    parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_is_not_signed_in_does_so_and_comes_back() {
    let world = World::new();
    let browser = Browser::new(&world);
    let page = browser.get("/account").await;
    assert!(is_sign_in(&page) && page.text.contains("your account"), "{}", page.text);
    assert!(!page.text.contains("permission") && !page.text.contains("value=\"allow\""));
    assert!(page.header(CONTENT_SECURITY_POLICY).contains("form-action 'self';"));
    let wrong = browser.submit(&page, &[("username", "alice"), ("password", "wrong")]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let answer = browser.submit(&wrong, &[("username", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.header(LOCATION), format!("{STS}/account"));
    assert!(browser.get("/account").await.text.contains("<strong>alice</strong>"));
    // O18: a page that is too old, or of another browser, signs nobody in.
    let (late, elsewhere) = (Browser::new(&world), Browser::new(&world));
    let page = late.get("/account").await;
    let fields = [("username", "alice"), ("password", PASSWORD)];
    assert_eq!(elsewhere.submit(&page, &fields).await.status, StatusCode::FORBIDDEN);
    world.clock.advance(600);
    assert_eq!(late.submit(&page, &fields).await.status, StatusCode::FORBIDDEN);
    assert!(late.cookie("__Host-session").is_none());
}

/// Likewise of every other session.
#[tokio::test]
async fn all_other_sessions_end_though_the_person_goes_away() {
    let (engine, world) = World::slowly();
    let this = Browser::new(&world);
    this.sign_in("alice", &[]).await;
    for turns in 0.. {
        let elsewhere = [Browser::new(&world), Browser::new(&world)];
        for browser in &elsewhere {
            browser.sign_in("alice", &[]).await;
        }
        let page = this.get("/account").await;
        let wish = let_go(this.submit(&page, &[("others", "end")]), turns);
        let is_answered = engine.slowly(wish).await;
        let left = others(&this.get("/account").await).len();
        assert!([0, others(&page).len()].contains(&left), "after {turns} turns: {left}");
        if is_answered {
            assert!(left == 0 && turns > 3, "{turns}");
            break;
        }
    }
}

#[tokio::test]
async fn a_person_sees_where_they_are_signed_in_and_ends_it_with_what_it_allowed() {
    let world = World::new();
    let this = Browser::calling_itself(&world, FIREFOX);
    let (office, phone) =
        (Browser::calling_itself(&world, EDGE), Browser::calling_itself(&world, PHONE));
    let unknown = Browser::calling_itself(&world, "<b>curl</b>");
    let mallory = Browser::new(&world);
    mallory.sign_in("mallory", &[]).await;
    let scope = [("scope", "openid claims-provider")];
    let at_office = tokens(&world, &office.sign_in("alice", &scope).await).await;
    let page = office.authorize(&[("scope", "openid claims-provider offline_access")]).await;
    let lasting = tokens(&world, &office.submit(&page, &[("decision", "allow")]).await).await;
    world.clock.advance(60);
    phone.sign_in("alice", &[]).await;
    unknown.sign_in("alice", &[]).await;
    world.clock.advance(60);
    let own = tokens(&world, &this.sign_in("alice", &scope).await).await;

    let page = this.get("/account").await;
    for text in [
        "Firefox on Linux (this one)",
        "Edge on Windows",
        "Safari on iPhone",
        "<h3>A browser</h3>",
        "Since 2027-01-15 08:00 UTC.",
        "Since 2027-01-15 08:01 UTC.",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(!page.text.contains("curl"));
    let found = others(&page);
    assert_eq!(found.len(), 3, "every other one can be ended: {found:?}");

    // One, with what was allowed in it, but for what goes on while the person is away.
    let sid =
        claims(at_office["id_token"].as_str().unwrap()).str("sid").unwrap().unwrap().to_owned();
    assert!(is_live(&world, CONFIDENTIAL, &at_office).await);
    let answer = this.submit(&page, &[("session", &sid)]).await;
    assert_eq!(answer.header(LOCATION), format!("{STS}/account"));
    assert!(is_sign_in(&office.authorize(&[]).await));
    assert!(!is_live(&world, CONFIDENTIAL, &at_office).await);
    assert!(is_live(&world, CONFIDENTIAL, &lasting).await);
    assert!(is_live(&world, CONFIDENTIAL, &own).await && !is_sign_in(&phone.authorize(&[]).await));
    assert_eq!(others(&this.get("/account").await).len(), 2);

    // Nobody ends another person's.
    let page = mallory.get("/account").await;
    for sid in &found {
        mallory.submit(&page, &[("session", sid)]).await;
    }
    mallory.submit(&page, &[("others", "end")]).await;
    assert!(!is_sign_in(&phone.authorize(&[]).await));

    // All others, and then this one.
    let page = this.get("/account").await;
    this.submit(&page, &[("others", "end")]).await;
    assert!(is_sign_in(&phone.authorize(&[]).await) && is_sign_in(&unknown.authorize(&[]).await));
    assert!(!is_sign_in(&mallory.authorize(&[]).await));
    let page = this.get("/account").await;
    assert!(!page.text.contains("everywhere else"), "{}", page.text);
    let sid = claims(own["id_token"].as_str().unwrap()).str("sid").unwrap().unwrap().to_owned();
    this.submit(&page, &[("session", &sid)]).await;
    assert_eq!(this.cookie("__Host-session"), None);
    assert!(is_sign_in(&this.get("/account").await));
    assert!(!is_live(&world, CONFIDENTIAL, &own).await);
}

/// Whoever signs in again in the same browser goes on: with another handle, and what they began.
#[tokio::test]
async fn a_session_goes_on_when_its_person_signs_in_again_and_ends_for_another() {
    let world = World::new();
    let browser = Browser::new(&world);
    let scope = [("scope", "openid claims-provider")];
    let first = tokens(&world, &browser.sign_in("alice", &scope).await).await;
    world.clock.advance(60);
    let again = [scope[0], ("prompt", "login")];
    let second = tokens(&world, &browser.sign_in("alice", &again).await).await;
    assert_eq!(first["session_state"], second["session_state"]);
    assert!(is_live(&world, CONFIDENTIAL, &first).await);
    let page = browser.get("/account").await;
    assert!(page.text.contains("Signed in again 2027-01-15 08:01 UTC."), "{}", page.text);
    assert!(others(&page).is_empty());
    let third = tokens(&world, &browser.sign_in("mallory", &again).await).await;
    assert_ne!(third["session_state"], second["session_state"]);
    assert!(!is_live(&world, CONFIDENTIAL, &first).await, "the browser is somebody else's now");
}

/// No token says that it lasts longer than the session that it ends with.
#[tokio::test]
async fn what_is_allowed_late_in_a_session_ends_with_it() {
    let world = World::new();
    let browser = Browser::new(&world);
    browser.sign_in("alice", &[]).await;
    world.clock.advance(i64::from(SESSION) - 100);
    let tokens = tokens(&world, &browser.authorize(&[]).await).await;
    assert_eq!(tokens["expires_in"], 100);
    assert!(is_live(&world, CONFIDENTIAL, &tokens).await);
    world.clock.advance(100);
    assert!(!is_live(&world, CONFIDENTIAL, &tokens).await);
}
