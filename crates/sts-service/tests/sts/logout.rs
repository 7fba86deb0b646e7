//! Logout: OpenID Connect RP-Initiated Logout, O18, O27.

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, LOCATION, X_FRAME_OPTIONS};
use serde_json::{Value, json};

use crate::browser::{Browser, is_sign_in};
use crate::support::*;

const BYE: &str = "https://app.example/bye";

/// The token response to the code of an answer.
async fn tokens(world: &World, answer: &Answer) -> Value {
    world.redeem(&answer.location("code").unwrap()).await.json()
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap()
}

fn logout(change: &[(&str, &str)]) -> String {
    format!("/logout?{}", changed(&[("post_logout_redirect_uri", BYE), ("state", "s&t")], change))
}

async fn is_signed_in(browser: &Browser<'_>) -> bool {
    !is_sign_in(&browser.authorize(&[]).await)
}

async fn is_live(world: &World, body: &Value) -> bool {
    let answer = world.token(&crate::exchange::good(text(body, "access_token"))).await;
    answer.status == StatusCode::OK
}

#[tokio::test]
async fn a_client_that_shows_an_id_token_of_the_session_ends_it() {
    let world = World::new();
    let browser = Browser::new(&world);
    let first = tokens(&world, &browser.sign_in("alice", &[]).await).await;
    let lasting = [("scope", "openid offline_access claims-provider"), ("prompt", "consent")];
    let page = browser.authorize(&lasting).await;
    let lasting = browser.submit(&page, &[("decision", "allow")]).await;
    let lasting = tokens(&world, &lasting).await;
    let elsewhere = Browser::new(&world);
    let other = tokens(&world, &elsewhere.sign_in("alice", &[]).await).await;
    assert!(is_live(&world, &first).await && is_live(&world, &other).await);

    let hint = ("id_token_hint", text(&first, "id_token"));
    let answer = browser.get(&logout(&[hint])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.header(LOCATION), format!("{BYE}?state=s%26t"));
    assert_eq!(browser.cookie("__Host-session"), None, "the browser forgets it");
    assert!(!is_signed_in(&browser).await);
    assert!(!is_live(&world, &first).await, "what was allowed in the session ends with it");
    // What goes on while the person is away goes on, and so does every other session.
    assert!(is_live(&world, &lasting).await && is_live(&world, &other).await);
    assert!(is_signed_in(&elsewhere).await);

    // Once more there is nothing to end.
    let again = browser.get(&logout(&[hint])).await;
    assert_eq!(again.header(LOCATION), format!("{BYE}?state=s%26t"));
    let silent = browser.get(&logout(&[hint, ("post_logout_redirect_uri", "")])).await;
    assert_eq!(silent.status, StatusCode::OK);
    assert!(silent.text.contains("You are signed out"), "{}", silent.text);
}

#[tokio::test]
async fn a_session_outlives_its_id_tokens_and_is_ended_by_them() {
    let world = World::new();
    let browser = Browser::new(&world);
    let first = tokens(&world, &browser.sign_in("alice", &[]).await).await;
    world.clock.advance(1000);
    let answer = browser.get(&logout(&[("id_token_hint", text(&first, "id_token"))])).await;
    assert_eq!(answer.header(LOCATION), format!("{BYE}?state=s%26t"));
    assert!(!is_signed_in(&browser).await);
    // Now it proves nothing any more.
    let again = browser.get(&logout(&[("id_token_hint", text(&first, "id_token"))])).await;
    assert_eq!((again.status, again.header(LOCATION)), (StatusCode::OK, ""));
}

/// O18, O27: without proof the person is asked, and the browser is sent nowhere.
#[tokio::test]
async fn everybody_else_has_the_person_asked() {
    let world = World::new();
    let browser = Browser::new(&world);
    let mine = tokens(&world, &browser.sign_in("alice", &[]).await).await;
    let mine = text(&mine, "id_token").to_owned();
    let signed = |typ: &str, change: &[(&str, Value)]| {
        let mut claims = Value::Object(claims(&mine).as_map().clone());
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        sign(typ, &claims)
    };
    let another = ("sid", json!("another"));
    let over = ("exp", json!(NOW - 1));
    let rows = [
        ("no hint", String::new()),
        ("garbage", "garbage".into()),
        ("foreign", signed("JWT", &[("iss", json!(UMA))])),
        ("no ID token", signed("at+jwt", &[])),
        ("over, of another session", signed("JWT", &[another.clone(), over])),
    ];
    for (name, hint) in &rows {
        let client = if hint.is_empty() { "" } else { "rqp-client" };
        let page = browser.get(&logout(&[("id_token_hint", hint), ("client_id", client)])).await;
        assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""), "{name}");
        assert!(page.text.contains("Sign out of alice.example?"), "{name}: {}", page.text);
        assert!(!page.text.contains("app.example"), "{name}: {}", page.text);
        assert_eq!(page.header(X_FRAME_OPTIONS), "DENY", "{name}");
        assert!(page.header(CONTENT_SECURITY_POLICY).contains("form-action 'self';"), "{name}");
        assert!(is_signed_in(&browser).await, "{name}");
    }
    // Of this person, from another session: asked, and sent back then.
    let page = browser.get(&logout(&[("id_token_hint", &signed("JWT", &[another]))])).await;
    assert!(is_signed_in(&browser).await && page.text.contains("<strong>alice</strong>"));
    let elsewhere = Browser::new(&world);
    let forged = elsewhere.submit(&page, &[]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "another browser");
    assert_eq!(browser.post("/logout/confirm", &[]).await.status, StatusCode::FORBIDDEN);
    assert!(is_signed_in(&browser).await);
    let answer = browser.submit(&page, &[]).await;
    assert_eq!(answer.header(LOCATION), format!("{BYE}?state=s%26t"));
    assert!(!is_signed_in(&browser).await);
    // Where nobody says who asks, the person stays here.
    browser.sign_in("alice", &[]).await;
    let page = browser.get(&logout(&[])).await;
    let answer = browser.submit(&page, &[]).await;
    assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::OK, ""));
    assert!(answer.text.contains("You are signed out"), "{}", answer.text);
    // A page that was made for a session that is over ends no other.
    browser.sign_in("mallory", &[]).await;
    assert_eq!(browser.submit(&page, &[]).await.status, StatusCode::FORBIDDEN);
    assert!(is_signed_in(&browser).await);
}

/// A person who closes the browser meanwhile is signed out, and the audit log says so, or neither.
#[tokio::test]
async fn the_log_says_exactly_who_signed_out_though_they_go_away() {
    let (engine, world) = World::slowly();
    for turns in 0.. {
        let browser = Browser::new(&world);
        browser.sign_in("alice", &[]).await;
        let page = browser.get(&logout(&[])).await;
        let log = Log::default();
        let heard = log.hear();
        let is_answered = engine.slowly(let_go(browser.submit(&page, &[]), turns)).await;
        drop(heard);
        let is_over = !is_signed_in(&browser).await;
        assert_eq!(log.audited("signed out").len(), usize::from(is_over), "after {turns} turns");
        if is_answered {
            assert!(is_over && turns > 1, "{turns}");
            break;
        }
    }
}

#[tokio::test]
async fn the_browser_is_sent_where_the_client_registered_and_nowhere_else() {
    let world = World::new();
    let first = {
        let browser = Browser::new(&world);
        tokens(&world, &browser.sign_in("alice", &[]).await).await
    };
    let hint = ("id_token_hint", text(&first, "id_token"));
    let browser = Browser::new(&world);
    for uri in [
        "https://app.example/bye/",
        "https://app.example/cb",
        "https://evil.example/bye",
        "https://app.example/bye?x=1",
        "javascript:alert(1)",
    ] {
        let answer = browser.get(&logout(&[hint, ("post_logout_redirect_uri", uri)])).await;
        assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::OK, ""), "{uri}");
    }
    let claimed = browser.get(&logout(&[hint, ("client_id", "other")])).await;
    assert_eq!(claimed.header(LOCATION), "", "the token is not the other's");
    let right = browser.get(&logout(&[hint, ("client_id", "rqp-client")])).await;
    assert_eq!(right.header(LOCATION), format!("{BYE}?state=s%26t"));
    let twice = browser.get("/logout?state=a&state=b").await;
    assert_eq!((twice.status, twice.header(LOCATION)), (StatusCode::BAD_REQUEST, ""));
}

/// OpenID Connect RP-Initiated Logout §2, §3: an application that has no ID token any more says
/// which one it is. The person has the word, and sees where they would go.
#[tokio::test]
async fn o27_a_client_without_an_id_token_has_the_person_asked_and_back() {
    let world = World::new();
    let browser = Browser::new(&world);
    browser.sign_in("alice", &[]).await;
    let said = [("client_id", "rqp-client")];
    let page = browser.get(&logout(&said)).await;
    assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""), "{}", page.text);
    assert!(page.text.contains("Sign out of alice.example?"), "{}", page.text);
    assert!(page.text.contains("sent back to <code>https://app.example</code>"), "{}", page.text);
    let policy = page.header(CONTENT_SECURITY_POLICY);
    assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
    assert!(is_signed_in(&browser).await);
    let answer = browser.submit(&page, &[]).await;
    assert_eq!(answer.header(LOCATION), format!("{BYE}?state=s%26t"));
    assert!(!is_signed_in(&browser).await);
    // Nobody to be asked: the browser is sent nowhere, since anybody can say that.
    let page = browser.get(&logout(&said)).await;
    assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""));
    let link = format!("<a id=\"continue\" class=\"button\" href=\"{BYE}?state=s%26t\">");
    assert!(page.text.contains(&link), "{}", page.text);
    for (name, change) in [
        ("another place", ("post_logout_redirect_uri", "https://evil.example/bye")),
        ("an unknown client", ("client_id", "nobody")),
        ("nobody", ("client_id", "")),
    ] {
        let said = said.into_iter().filter(|(name, _)| *name != change.0).chain([change]);
        let page = browser.get(&logout(&said.collect::<Vec<_>>())).await;
        assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""), "{name}");
        assert!(!page.text.contains("continue"), "{name}: {}", page.text);
    }
    // A client that is refused has nobody sent to it.
    world.refuse("rqp-client", true);
    let page = browser.get(&logout(&said)).await;
    assert!(!page.text.contains("continue"), "{}", page.text);
}

/// The way on of a request that was posted by another site, without cookies as browsers do it.
async fn posted(world: &World, fields: &[(&str, &str)]) -> String {
    let answer = world.post("/logout", fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.header(LOCATION).strip_prefix(STS).unwrap().to_owned()
}

/// A form of another site brings no session; the browser is sent on, and brings it then. What it
/// was sent is in no URL.
#[tokio::test]
async fn by_post_the_browser_is_sent_on_without_the_id_token() {
    let world = World::new();
    let browser = Browser::new(&world);
    let first = tokens(&world, &browser.sign_in("alice", &[]).await).await;
    let id_token = text(&first, "id_token");
    let fields = [
        ("id_token_hint", id_token),
        ("post_logout_redirect_uri", BYE),
        ("state", "canary"),
        ("ui_locales", "de"),
    ];
    let way = posted(&world, &fields).await;
    assert!(way.starts_with("/logout?posted=") && way.ends_with("&ui_locales=de"), "{way}");
    let session = text(&first, "session_state");
    for part in id_token.split('.').chain(["canary", "app.example", "sub-of-alice", session]) {
        assert!(!way.contains(part), "{part} in {way}");
    }
    assert!(is_signed_in(&browser).await);
    // Changed, it says nothing, and the person is asked.
    let at = way.find("posted=").unwrap() + 20;
    let other = if &way[at..=at] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &way[..at], &way[at + 1..]);
    let page = browser.get(&changed).await;
    assert!(page.text.contains("name=\"form_token\""), "{}", page.text);
    assert!(is_signed_in(&browser).await);
    let answer = browser.get(&way).await;
    assert_eq!(answer.header(LOCATION), format!("{BYE}?state=canary"));
    assert!(!is_signed_in(&browser).await);
    // In a minute it says nothing any more.
    let late = posted(&world, &fields).await;
    browser.sign_in("alice", &[]).await;
    world.clock.advance(60);
    let page = browser.get(&late).await;
    assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""));
    assert!(is_signed_in(&browser).await);
    // Nor after a restart.
    let page = World::new().get(&way).await;
    assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""));
    let json = http::Request::post("/logout").header("content-type", "application/json");
    let json = world.send(json.body("{}".into()).unwrap()).await;
    assert_eq!(json.status, StatusCode::BAD_REQUEST);
}

/// What proves nothing and leads nowhere is not sent on, however much of it there is.
#[tokio::test]
async fn what_says_nothing_is_left_behind() {
    let world = World::new();
    let browser = Browser::new(&world);
    let first = tokens(&world, &browser.sign_in("alice", &[]).await).await;
    let long = "x".repeat(20_000);
    let forged = format!("{}x", text(&first, "id_token"));
    for (name, fields) in [
        ("nothing", vec![]),
        ("no ID token", vec![("id_token_hint", long.as_str())]),
        (
            "a forged one",
            vec![
                ("id_token_hint", forged.as_str()),
                ("client_id", "rqp-client"),
                ("post_logout_redirect_uri", BYE),
            ],
        ),
        ("a long state", vec![("state", long.as_str())]),
        (
            "an unknown place",
            vec![("client_id", "rqp-client"), ("post_logout_redirect_uri", long.as_str())],
        ),
        (
            "an unknown client",
            vec![("client_id", long.as_str()), ("post_logout_redirect_uri", BYE)],
        ),
    ] {
        assert_eq!(posted(&world, &fields).await, "/logout", "{name}");
    }
    // Who it is and where the person goes are.
    let fields = [("client_id", "rqp-client"), ("post_logout_redirect_uri", BYE)];
    let page = browser.get(&posted(&world, &fields).await).await;
    assert!(page.text.contains("sent back to <code>https://app.example</code>"), "{}", page.text);
    for (name, body) in [
        ("twice", "state=a&state=b".to_owned()),
        ("more than is taken", format!("state={}", "x".repeat(70_000))),
    ] {
        let answer = world.send(form_request("/logout", body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
    }
}
