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
        let page =
            browser.get(&logout(&[("id_token_hint", hint), ("client_id", "rqp-client")])).await;
        assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""), "{name}");
        assert!(page.text.contains("Sign out of alice.example?"), "{name}: {}", page.text);
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
    // Without proof of who asked, the person stays here.
    browser.sign_in("alice", &[]).await;
    let page = browser.get(&logout(&[("client_id", "rqp-client")])).await;
    let answer = browser.submit(&page, &[]).await;
    assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::OK, ""));
    assert!(answer.text.contains("You are signed out"), "{}", answer.text);
    // A page that was made for a session that is over ends no other.
    browser.sign_in("mallory", &[]).await;
    assert_eq!(browser.submit(&page, &[]).await.status, StatusCode::FORBIDDEN);
    assert!(is_signed_in(&browser).await);
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

/// A form of another site brings no session; the browser is sent on, and brings it then.
#[tokio::test]
async fn by_post_the_browser_is_sent_on() {
    let world = World::new();
    let browser = Browser::new(&world);
    let first = tokens(&world, &browser.sign_in("alice", &[]).await).await;
    let fields = [("id_token_hint", text(&first, "id_token")), ("state", "s&t")];
    let answer = browser.post("/logout", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let location = answer.header(LOCATION);
    assert_eq!(location, format!("{STS}/logout?{}", encoded(&fields)));
    assert!(is_signed_in(&browser).await);
    browser.get(location.strip_prefix(STS).unwrap()).await;
    assert!(!is_signed_in(&browser).await);
    let json = http::Request::post("/logout").header("content-type", "application/json");
    let json = world.send(json.body("{}".into()).unwrap()).await;
    assert_eq!(json.status, StatusCode::BAD_REQUEST);
}

/// What is sent on stands in a header, in logs and in the history of the browser: it is a form, and no
/// more than a browser and a server take.
#[tokio::test]
async fn what_cannot_be_sent_on_is_refused() {
    let world = World::new();
    let fits = format!("state={}", "x".repeat(8 * 1024 - 6));
    for (name, body, expected) in [
        ("at the limit", fits.clone(), StatusCode::SEE_OTHER),
        ("above it", format!("{fits}x"), StatusCode::BAD_REQUEST),
        ("a line break", "state=a\r\nSet-Cookie: a=b".into(), StatusCode::BAD_REQUEST),
        ("a tab", "state=a\tb".into(), StatusCode::BAD_REQUEST),
        ("a space", "state=a b".into(), StatusCode::BAD_REQUEST),
        ("NUL", "state=a\0".into(), StatusCode::BAD_REQUEST),
        ("DEL", "state=a\u{7f}".into(), StatusCode::BAD_REQUEST),
        ("not ASCII", "state=\u{e4}".into(), StatusCode::BAD_REQUEST),
    ] {
        let answer = world.send(form_request("/logout", body)).await;
        assert_eq!(answer.status, expected, "{name}");
    }
}
