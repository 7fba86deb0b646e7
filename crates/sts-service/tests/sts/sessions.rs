//! Sessions and consent: who is asked again, and who is not. OpenID Connect Core §3.1.2; O18, O21,
//! O27, O30.

use countersign_sts_service::{Client, TrustedIssuers};
use countersign_types::RedirectUri;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, SET_COOKIE, X_FRAME_OPTIONS};
use serde_json::{Value, json};

use crate::browser::{Browser, is_consent, is_sign_in};
use crate::support::*;

const SESSION_COOKIE: &str = "__Host-session";

/// What the audit log says when somebody else signs in at a browser.
const ENDED: &str = "a person's session ended for another's to begin";

/// The ID token for the code of an answer.
async fn id_token(world: &World, answer: &Answer) -> Value {
    let code = answer.location("code").unwrap();
    let body = world.redeem(&code).await.json();
    Value::Object(claims(body["id_token"].as_str().unwrap()).as_map().clone())
}

#[tokio::test]
async fn who_signed_in_and_allowed_it_is_not_asked_again() {
    let world = World::new();
    let browser = Browser::new(&world);
    let first = id_token(&world, &browser.sign_in("alice", &[]).await).await;
    world.clock.advance(100);
    let again = browser.authorize(&[("nonce", "n2")]).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.text);
    assert_eq!(again.location("state").as_deref(), Some("s&t"));
    assert_eq!(again.location("iss").as_deref(), Some(STS));
    let second = id_token(&world, &again).await;
    assert_eq!(second["nonce"], "n2");
    assert_eq!((&second["sid"], &second["auth_time"]), (&first["sid"], &first["auth_time"]));
    assert_eq!(second["auth_time"], NOW, "when the person signed in, not when the client asked");
    assert_eq!(second["iat"], NOW + 100);

    // Another browser knows nobody; nor does this one after the session's time.
    assert!(is_sign_in(&Browser::new(&world).authorize(&[]).await));
    world.clock.advance(i64::from(SESSION) - 100);
    assert!(is_sign_in(&browser.authorize(&[]).await));
}

/// OpenID Connect Core §3.1.2.1, §3.1.2.6.
#[tokio::test]
async fn a_client_may_wish_more_or_nothing_to_be_shown() {
    let world = World::new();
    let browser = Browser::new(&world);
    let silent = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(silent.location("error").as_deref(), Some("login_required"));
    assert_eq!(silent.location("iss").as_deref(), Some(STS));
    browser.sign_in("alice", &[]).await;
    world.clock.advance(60);

    for (change, location) in [
        (&[("prompt", "none")][..], None),
        (&[("prompt", "none"), ("max_age", "60")], None),
        (&[("prompt", "none"), ("max_age", "59")], Some("login_required")),
        (&[("prompt", "none"), ("max_age", "0")], Some("login_required")),
        (&[("prompt", "none"), ("scope", "openid profile")], Some("consent_required")),
        (&[("prompt", "none"), ("scope", "openid offline_access")], Some("consent_required")),
        (&[("prompt", "none"), ("client_id", "other")], Some("consent_required")),
        (&[("prompt", "none"), ("login_hint", "alice")], None),
        (&[("prompt", "none"), ("login_hint", "alice@alice.example")], None),
        (&[("prompt", "none"), ("login_hint", "mallory")], Some("login_required")),
        (&[("prompt", "none login")], Some("invalid_request")),
        (&[("prompt", "create")], Some("invalid_request")),
        (&[("max_age", "-1")], Some("invalid_request")),
    ] {
        let answer = browser.authorize(change).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{change:?}");
        assert_eq!(answer.location("error").as_deref(), location, "{change:?}");
        assert_eq!(answer.location("code").is_some(), location.is_none(), "{change:?}");
    }
    for change in [
        ("prompt", "login"),
        ("prompt", "select_account"),
        ("prompt", "login consent"),
        ("max_age", "59"),
        ("login_hint", "mallory"),
    ] {
        assert!(is_sign_in(&browser.authorize(&[change]).await), "{change:?}");
    }
    assert!(is_consent(&browser.authorize(&[("prompt", "consent")]).await));

    // Whoever signs in again has another handle.
    let former = browser.cookie(SESSION_COOKIE).unwrap();
    let again = browser.sign_in("alice", &[("prompt", "login")]).await;
    assert_eq!(id_token(&world, &again).await["auth_time"], NOW + 60);
    assert_ne!(browser.cookie(SESSION_COOKIE).unwrap(), former);
    let stolen = Browser::new(&world);
    stolen.set_cookie(SESSION_COOKIE, &former);
    assert!(is_sign_in(&stolen.authorize(&[]).await), "the former handle is worth nothing");
}

#[tokio::test]
async fn the_log_says_whose_session_ended_for_anothers() {
    let world = World::new();
    let browser = Browser::new(&world);
    browser.sign_in("alice", &[]).await;
    for (who, ended) in [("alice", None), ("mallory", Some("alice")), ("alice", Some("mallory"))] {
        let log = Log::default();
        let heard = log.hear();
        browser.sign_in(who, &[("prompt", "login")]).await;
        drop(heard);
        assert_eq!(log.audited(ENDED).len(), usize::from(ended.is_some()), "{who}");
        if let Some(ended) = ended {
            let line = format!("{ENDED} subject=sub-of-{ended}");
            assert!(log.text().contains(&line), "{}", log.text());
        }
    }
}

#[tokio::test]
async fn who_is_signed_in_is_asked_for_what_they_have_not_allowed() {
    let world = World::new();
    let browser = Browser::new(&world);
    browser.sign_in("alice", &[("scope", "openid")]).await;
    let profile = [("scope", "openid profile")];
    let page = browser.authorize(&profile).await;
    assert!(is_consent(&page), "{}", page.text);
    for text in ["The rqp-client &#60;app&#62;", "<strong>alice</strong>", "see your name"] {
        assert!(page.text.contains(text), "{text}");
    }
    assert!(!page.text.contains("<script") && !page.text.contains("style="));
    assert_eq!(page.header(X_FRAME_OPTIONS), "DENY");
    assert_eq!(page.header(CACHE_CONTROL), "no-store");
    assert!(page.header(CONTENT_SECURITY_POLICY).contains("frame-ancestors 'none'"));

    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    assert_eq!(denied.status, StatusCode::SEE_OTHER, "O3");
    assert_eq!(denied.location("error").as_deref(), Some("access_denied"));
    assert!(is_consent(&browser.authorize(&profile).await), "nothing was allowed");
    let other = browser.submit(&page, &[("decision", "other")]).await;
    assert!(is_sign_in(&other), "{}", other.text);

    let allowed = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(id_token(&world, &allowed).await["name"], "Alice Liddell");
    assert!(browser.authorize(&profile).await.location("code").is_some());
    let before = browser.authorize(&[("scope", "openid")]).await;
    assert!(before.location("code").is_some(), "what was allowed before still is");
    // That a client may go on while they are away is asked each time.
    let offline = [("scope", "openid offline_access")];
    for _ in 0..2 {
        let page = browser.authorize(&offline).await;
        assert!(is_consent(&page));
        let allowed = browser.submit(&page, &[("decision", "allow")]).await;
        let code = allowed.location("code").unwrap();
        assert!(world.redeem(&code).await.json()["refresh_token"].is_string());
    }
    // Somebody else at the same browser has allowed nothing.
    browser.sign_in("mallory", &[("prompt", "login"), ("scope", "openid")]).await;
    assert!(is_consent(&browser.authorize(&profile).await));
}

/// O30: what one client was allowed is no other's.
#[tokio::test]
async fn consent_is_one_clients_as_it_was() {
    let world = World::new();
    let browser = Browser::new(&world);
    browser.sign_in("alice", &[]).await;
    for client in ["other", "rqp-public", "service"] {
        assert!(is_consent(&browser.authorize(&[("client_id", client)]).await), "{client}");
    }
    // The same identifier with something else behind it: another client, for all that is known.
    let store = Directory::new();
    let before = World::on(server_policy(), store.open());
    let browser = Browser::new(&before);
    browser.sign_in("alice", &[]).await;
    assert!(browser.authorize(&[]).await.location("code").is_some());
    type Change = fn(&mut Client);
    let changes: [(&str, bool, Change); 4] = [
        ("nothing", false, |_| {}),
        ("the name", true, |client| client.name = "Another".to_owned()),
        ("a place more", true, |client| {
            client.redirect_uris.push(RedirectUri::parse("https://new.example/cb").unwrap());
        }),
        ("a place less", true, |client| drop(client.redirect_uris.pop())),
    ];
    for (name, is_asked, change) in changes {
        let after = Directory::new();
        store.copy_to(&after);
        let engine = after.open();
        let moved = World::whole(server_policy(), engine, |_| TrustedIssuers::default(), change);
        let there = Browser::new(&moved);
        there.set_cookie(SESSION_COOKIE, &browser.cookie(SESSION_COOKIE).unwrap());
        assert_eq!(is_consent(&there.authorize(&[]).await), is_asked, "{name}");
    }
}

/// O30, RFC 8252 §8.6: whoever listens on the person's machine can say that it is a client that
/// proves nothing.
#[tokio::test]
async fn a_client_on_the_persons_machine_that_proves_nothing_is_allowed_each_time() {
    let world = World::new();
    let browser = Browser::new(&world);
    let local = ("redirect_uri", "http://127.0.0.1:49152/cb");
    let public = ("client_id", "rqp-public");
    browser.sign_in("alice", &[public, local]).await;
    for uri in [local.1, "http://[::1]:50000/cb"] {
        let change = [public, ("redirect_uri", uri), ("scope", "openid")];
        let page = browser.authorize(&change).await;
        assert!(is_consent(&page), "{uri}: {}", page.text);
        let silent = browser.authorize(&[&change[..], &[("prompt", "none")]].concat()).await;
        assert_eq!(silent.location("error").as_deref(), Some("consent_required"), "{uri}");
        let allowed = browser.submit(&page, &[("decision", "allow")]).await;
        assert!(allowed.location("code").is_some(), "{uri}");
        assert!(is_consent(&browser.authorize(&change).await), "{uri}");
    }
    // Its answer goes where nobody else is, or the client proves who it is for the code.
    assert!(browser.authorize(&[public]).await.location("code").is_some());
    browser.sign_in("alice", &[local, ("prompt", "login")]).await;
    assert!(browser.authorize(&[local]).await.location("code").is_some());
}

/// O18: what is submitted comes from the page, the browser and the session that it was made for.
#[tokio::test]
async fn a_consent_that_nobody_gave_allows_nothing() {
    let world = World::new();
    let browser = Browser::new(&world);
    browser.sign_in("alice", &[("scope", "openid")]).await;
    let page = browser.authorize(&[("scope", "openid email")]).await;
    let token = hidden(&page.text);
    let allow = [("form_token", token.as_str()), ("decision", "allow")];

    let forged = browser.post("/consent", &[("decision", "allow")]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let elsewhere = Browser::new(&world);
    assert_eq!(elsewhere.post("/consent", &allow).await.status, StatusCode::FORBIDDEN);
    // The form of a sign-in page is none of consent, and the other way round.
    let sign_in = browser.authorize(&[("prompt", "login")]).await;
    let sign_in = [("form_token", hidden(&sign_in.text)), ("decision", "allow".to_owned())];
    let sign_in = sign_in.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
    assert_eq!(browser.post("/consent", &sign_in).await.location("code"), None);
    let fields = [allow[0], ("username", "alice"), ("password", PASSWORD)];
    assert_eq!(browser.post("/login", &fields).await.location("code"), None);
    // Somebody else signed in meanwhile.
    browser.sign_in("mallory", &[("prompt", "login"), ("scope", "openid")]).await;
    let late = browser.post("/consent", &allow).await;
    assert_eq!((late.status, late.location("code")), (StatusCode::FORBIDDEN, None));
    assert_eq!(browser.get("/consent").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

/// Whoever says no takes back what they said before. Only they can.
#[tokio::test]
async fn a_no_takes_back_a_yes_of_before() {
    let world = World::new();
    let browser = Browser::new(&world);
    browser.sign_in("alice", &[]).await;
    let former = browser.authorize(&[("prompt", "consent")]).await;
    browser.sign_in("mallory", &[("prompt", "login")]).await;
    browser.sign_in("alice", &[("prompt", "login")]).await;
    let deny = [("decision", "deny")];
    let denied = browser.submit(&former, &deny).await;
    assert_eq!(denied.location("error").as_deref(), Some("access_denied"));
    assert!(browser.authorize(&[]).await.location("code").is_some(), "of another session");

    let page = browser.authorize(&[("prompt", "consent")]).await;
    let denied = browser.submit(&page, &deny).await;
    assert_eq!(denied.location("error").as_deref(), Some("access_denied"));
    let silent = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(silent.location("error").as_deref(), Some("consent_required"));
}

/// OpenID Connect Core §3.1.2.1: a page that stays open does not make a sign-in younger.
#[tokio::test]
async fn what_is_allowed_too_late_takes_a_sign_in() {
    for (wait, is_answered) in [(40, true), (41, false)] {
        let world = World::new();
        let browser = Browser::new(&world);
        browser.sign_in("alice", &[]).await;
        world.clock.advance(60);
        let page = browser.authorize(&[("max_age", "100"), ("prompt", "consent")]).await;
        assert!(is_consent(&page), "{}", page.text);
        world.clock.advance(wait);
        let answer = browser.submit(&page, &[("decision", "allow")]).await;
        assert_eq!(answer.location("code").is_some(), is_answered, "{wait}");
        assert_eq!(is_sign_in(&answer), !is_answered, "{wait}: {}", answer.text);
    }
}

/// O21: a form carries nothing that the client could change, and a cookie nothing at all.
#[tokio::test]
async fn a_session_is_known_to_its_browser_alone() {
    let world = World::new();
    let browser = Browser::new(&world);
    let answer = browser.sign_in("alice", &[]).await;
    let handle = browser.cookie(SESSION_COOKIE).unwrap();
    assert_eq!(handle.len(), 43);
    let cookie = answer.headers.get_all(SET_COOKIE).iter().next_back().unwrap().to_str().unwrap();
    assert!(cookie.contains(&format!("Max-Age={SESSION};")), "{cookie}");
    let planted = Browser::new(&world);
    for value in
        ["", "A", &"A".repeat(43), &handle[1..], &format!("{handle}A"), &handle.to_lowercase()]
    {
        planted.set_cookie(SESSION_COOKIE, value);
        assert!(is_sign_in(&planted.authorize(&[]).await), "{value}");
    }
    // A handle that somebody planted is not the one of who signs in.
    planted.set_cookie(SESSION_COOKIE, &"A".repeat(43));
    planted.sign_in("alice", &[]).await;
    assert_ne!(planted.cookie(SESSION_COOKIE).unwrap(), "A".repeat(43));
    assert!(!Log::open().text().contains(&handle), "in no log");
}

/// O27: a hint that this server did not give, or of a time that is over, signs nobody in silently.
#[tokio::test]
async fn a_hint_means_somebody_or_nobody() {
    let world = World::new();
    let browser = Browser::new(&world);
    let mine = browser.sign_in("alice", &[]).await;
    let mine = world.redeem(&mine.location("code").unwrap()).await.json();
    let mine = mine["id_token"].as_str().unwrap();
    let changed = |typ: &str, change: &[(&str, Value)]| {
        let mut claims = Value::Object(claims(mine).as_map().clone());
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        sign(typ, &claims)
    };
    let other_session = ("sid", json!("another"));
    for (name, hint, expected) in [
        ("of this session", mine.to_owned(), None),
        ("of this person", changed("JWT", std::slice::from_ref(&other_session)), None),
        (
            "over, of this session",
            changed("JWT", &[("exp", json!(NOW - 1)), ("iat", json!(NOW - 301))]),
            None,
        ),
        (
            "over, of another",
            changed("JWT", &[("exp", json!(NOW - 1)), other_session]),
            Some("login_required"),
        ),
        ("of somebody else", changed("JWT", &[("sub", json!("x"))]), Some("login_required")),
        ("for another client", changed("JWT", &[("aud", json!("other"))]), Some("login_required")),
        ("foreign", changed("JWT", &[("iss", json!(UMA))]), Some("login_required")),
        ("no ID token", changed("at+jwt", &[]), Some("login_required")),
        ("garbage", "garbage".to_owned(), Some("login_required")),
    ] {
        let change = [("prompt", "none"), ("id_token_hint", hint.as_str())];
        let answer = browser.authorize(&change).await;
        assert_eq!(answer.location("error").as_deref(), expected, "{name}");
        if expected.is_some() {
            assert!(is_sign_in(&browser.authorize(&change[1..]).await), "{name}");
        }
    }
}

/// O27, OpenID Connect Core §3.1.2.1: the client gets who the hint means, or an error.
#[tokio::test]
async fn nobody_but_who_the_hint_means_signs_in() {
    let world = World::new();
    let mine = Browser::new(&world).sign_in("alice", &[]).await;
    let mine = world.redeem(&mine.location("code").unwrap()).await.json();
    let hint = [("id_token_hint", mine["id_token"].as_str().unwrap())];
    let mallory = [("username", "mallory"), ("password", PASSWORD)];
    let alice = [("username", "alice"), mallory[1]];
    let is_refused = |answer: &Answer| {
        assert_eq!(answer.location("error").as_deref(), Some("login_required"), "{}", answer.text);
        assert_eq!(answer.location("code"), None);
    };

    let browser = Browser::new(&world);
    let page = browser.authorize(&hint).await;
    is_refused(&browser.submit(&page, &mallory).await);
    assert_eq!(browser.cookie(SESSION_COOKIE), None, "and nobody is signed in");
    // On the page that comes after a wrong password as well.
    let again = browser.submit(&page, &[("username", "mallory"), ("password", "wrong")]).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    is_refused(&browser.submit(&again, &mallory).await);
    assert!(browser.submit(&again, &alice).await.location("code").is_some());
    // And where the person that it means says that somebody else is there.
    let consent = browser.authorize(&[hint[0], ("prompt", "consent")]).await;
    let other = browser.submit(&consent, &[("decision", "other")]).await;
    is_refused(&browser.submit(&other, &mallory).await);
    // And where the page has become too old.
    world.clock.advance(601);
    let late = browser.submit(&page, &mallory).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    is_refused(&browser.submit(&late, &mallory).await);
}
