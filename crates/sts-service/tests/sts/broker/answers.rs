//! What providers answer: the errors, the lies, and the answers that are nobody's.

use countersign_jwt::{Algorithm, SigningKey, sign};
use http::StatusCode;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE, X_FRAME_OPTIONS,
};
use serde_json::{Value, json};

use super::provider::{Provider, Trouble, answer};
use super::{Case, UNIVERSITY, both, is_nobody};
use crate::browser::Browser;
use crate::support::*;

/// A page that says what went wrong, from which one can go back to the client or try again.
#[track_caller]
fn check_refusal(name: &str, page: &Answer, status: u16) {
    assert_eq!(page.status.as_u16(), status, "{name}: {}", page.text);
    assert!(
        page.text.contains("role=\"alert\">the &#60;University&#62; "),
        "{name}: {}",
        page.text
    );
    assert!(page.text.contains("id=\"upstream-university\""), "{name}");
    assert!(page.text.contains("value=\"deny\""), "{name}");
    assert_eq!(page.header(CACHE_CONTROL), "no-store", "{name}");
    assert_eq!(page.header(X_FRAME_OPTIONS), "DENY", "{name}");
    assert!(page.headers.get(LOCATION).is_none(), "{name}");
    let cookies: Vec<_> = page.headers.get_all(SET_COOKIE).iter().collect();
    assert!(!format!("{cookies:?}").contains("session"), "{name}: {cookies:?}");
    assert!(!page.text.contains("canary"), "{name}");
}

/// F001-2: an answer that is not this browser's, or not of the provider that was asked, makes no
/// token request and leaves nothing.
#[tokio::test]
async fn f001_2_answers_that_belong_to_no_login() {
    let case = Case::new();
    let stranger = Browser::new(&case.world);
    stranger.authorize(&[]).await;
    for (name, change) in [
        ("no state", |query: &str| query.replace("state=", "stat=")),
        ("another state", |query: &str| query.replace("state=", "state=x")),
        ("two states", |query: &str| format!("{query}&state=x")),
        ("nothing", |_: &str| String::new()),
    ] as [(&str, fn(&str) -> String); 4]
    {
        let browser = Browser::new(&case.world);
        let request = case.chosen(&browser, "university", &[]).await;
        let query = case.provider.lets_in(&request, Provider::claims(&request, "7"));
        let page = browser.get(&format!("/login/callback/university?{}", change(&query))).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
        assert!(is_nobody(&browser).await, "{name}");
    }
    for (name, path, elsewhere) in [
        ("another browser", "/login/callback/university", true),
        ("the redirection URI of another provider", "/login/callback/library", false),
    ] {
        let browser = Browser::new(&case.world);
        let request = case.chosen(&browser, "university", &[]).await;
        let mut claims = Provider::claims(&request, "7");
        claims["member"] = json!(true);
        let query = case.provider.lets_in(&request, claims);
        let at = if elsewhere { &stranger } else { &browser };
        let page = at.get(&format!("{path}?{query}")).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
        assert!(is_nobody(at).await, "{name}");
        // What was begun at one provider is over when another's answer comes for it.
        let late = browser.get(&format!("/login/callback/university?{query}")).await;
        assert_eq!(late.status == StatusCode::FORBIDDEN, !elsewhere, "{name}");
    }
    for alias in ["nobody", "%ff"] {
        let path = format!("/login/callback/{alias}?code=c&state=s");
        let unknown = Browser::new(&case.world).get(&path).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{alias}");
        assert!(unknown.text.contains("The provider that sent you here"), "{}", unknown.text);
    }
}

/// F001-2, RFC 9207: an answer in the name of another issuer.
#[tokio::test]
async fn f001_2_an_answer_of_another_issuer() {
    let case = Case::new();
    for (name, from, to) in [
        ("another", "iss=https%3A%2F%2Fidp.university.example", "iss=https%3A%2F%2Fevil.example"),
        ("a slash more", "university.example", "university.example%2F"),
        ("none", "iss=", "isss="),
    ] {
        let browser = Browser::new(&case.world);
        let request = case.chosen(&browser, "university", &[]).await;
        let query = case.provider.lets_in(&request, Provider::claims(&request, "7"));
        let changed = query.replace(from, to);
        assert_ne!(changed, query, "{name}");
        let page = browser.get(&format!("/login/callback/university?{changed}")).await;
        check_refusal(name, &page, 502);
        assert!(is_nobody(&browser).await, "{name}");
    }
    assert_eq!(case.provider.count("/token"), 0);
    assert!(case.people.imported().is_empty());
}

/// An answer counts once, for ten minutes, and not to HEAD.
#[tokio::test]
async fn an_answer_counts_once_and_in_time() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let request = case.chosen(&browser, "library", &[]).await;
    let query = case.provider.lets_in(&request, Provider::claims(&request, "7"));
    let path = format!("/login/callback/library?{query}");
    let head = http::Request::head(&path).body(axum::body::Body::empty()).unwrap();
    let head = case.world.send(head).await;
    assert_eq!((head.status, head.header(ALLOW)), (StatusCode::METHOD_NOT_ALLOWED, "GET"));
    assert_eq!(browser.post(&path, &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let first = browser.get(&path).await;
    assert!(first.location("code").is_some(), "{}", first.text);
    assert_eq!(browser.get(&path).await.status, StatusCode::FORBIDDEN, "once");

    let slow = Browser::new(&case.world);
    let request = case.chosen(&slow, "library", &[]).await;
    let query = case.provider.lets_in(&request, Provider::claims(&request, "7"));
    case.world.clock.advance(600);
    let late = slow.get(&format!("/login/callback/library?{query}")).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN, "too late");
    // Two at a time in one browser do not disturb each other.
    let (one, two) = (
        case.chosen(&slow, "library", &[("state", "one")]).await,
        case.chosen(&slow, "university", &[("state", "two")]).await,
    );
    for (alias, request, state) in [("university", two, "two"), ("library", one, "one")] {
        let mut claims = Provider::claims(&request, "7");
        claims["member"] = json!(true);
        claims["exp"] = json!(NOW + 1000);
        let query = case.provider.lets_in(&request, claims);
        let answer = slow.get(&format!("/login/callback/{alias}?{query}")).await;
        assert_eq!(answer.location("state").as_deref(), Some(state), "{}", answer.text);
    }
}

/// F001-8, O26: an ID token that is wrong in one thing.
#[tokio::test]
async fn f001_8_bad_id_tokens() {
    let case = Case::new();
    let stranger = SigningKey::generate(Algorithm::Es256, Some("first")).unwrap();
    type Change = fn(&mut Value);
    let rows: [(&str, Change); 13] = [
        ("nonce", |it| it["nonce"] = json!("another")),
        ("no nonce", |it| drop(it.as_object_mut().unwrap().remove("nonce"))),
        ("aud", |it| it["aud"] = json!("another")),
        ("two aud", |it| it["aud"] = json!(["broker", "another"])),
        ("azp", |it| it["azp"] = json!("another")),
        ("exp", |it| it["exp"] = json!(NOW - 61)),
        ("no exp", |it| drop(it.as_object_mut().unwrap().remove("exp"))),
        ("iat", |it| it["iat"] = json!(NOW + 61)),
        ("iss", |it| it["iss"] = json!("https://idp.library.example")),
        ("no sub", |it| drop(it.as_object_mut().unwrap().remove("sub"))),
        ("at_hash", |it| it["at_hash"] = json!("wrong")),
        ("roles", |it| it["groups"] = json!({ "staff": true })),
        ("size", |it| it["preferred_username"] = json!("x".repeat(5000))),
    ];
    for (name, change) in rows {
        let browser = Browser::new(&case.world);
        let page = case.arrives(&browser, ("university", "7"), &[], change).await;
        check_refusal(name, &page, 502);
        assert!(is_nobody(&browser).await, "{name}");
    }
    type Forge = fn(&Provider, &SigningKey, &Value) -> String;
    let forgeries: [(&str, Forge); 4] = [
        ("sig", |_, stranger, claims| sign("JWT", stranger, claims).unwrap()),
        ("another kind", |provider, _, claims| provider.sign(claims).replacen("eyJ", "eyK", 1)),
        ("no signature", |provider, _, claims| {
            let signed = provider.sign(claims);
            signed.rsplit_once('.').unwrap().0.to_owned() + "."
        }),
        ("garbage", |_, _, _| "garbage".to_owned()),
    ];
    for (name, forge) in forgeries {
        let browser = Browser::new(&case.world);
        let request = case.chosen(&browser, "university", &[]).await;
        let mut claims = Provider::claims(&request, "7");
        claims["member"] = json!(true);
        let token = forge(&case.provider, &stranger, &claims);
        let query = case.provider.lets_in(&request, json!(token));
        let page = browser.get(&format!("/login/callback/university?{query}")).await;
        check_refusal(name, &page, 502);
        assert!(is_nobody(&browser).await, "{name}");
    }
    assert!(case.people.imported().is_empty(), "nobody was imported");
    let browser = Browser::new(&case.world);
    let good = case.arrives(&browser, ("university", "7"), &[], |_| {}).await;
    assert!(good.location("code").is_some(), "{}", good.text);
}

/// What a provider says instead of letting somebody in; from the page the client learns of it only
/// if the person goes back.
#[tokio::test]
async fn errors_of_a_provider_end_on_a_page() {
    let case = Case::new();
    for (error, status) in [("access_denied", 403), ("server_error", 502), ("x<script>", 502)] {
        let browser = Browser::new(&case.world);
        let request = case.chosen(&browser, "university", &[]).await;
        let query = answer(&request, &[("error", error), ("error_description", "canary")]);
        let page = browser.get(&format!("/login/callback/university?{query}")).await;
        check_refusal(error, &page, status);
        assert!(!page.text.contains("<script"), "{error}");
        assert!(is_nobody(&browser).await, "{error}");
        // F001-4
        let back = browser.submit(&page, &[("decision", "deny")]).await;
        assert_eq!(back.location("error").as_deref(), Some("access_denied"), "{error}");
        assert_eq!(back.location("state").as_deref(), Some("s&t"), "{error}");
        let page = browser.authorize(&[]).await;
        assert_eq!(browser.submit(&page, &[("upstream", "university")]).await.status, 303);
    }
    assert_eq!(case.provider.count("/token"), 0);
    // A code that the provider does not know.
    let browser = Browser::new(&case.world);
    let request = case.chosen(&browser, "university", &[]).await;
    let query = answer(&request, &[("code", "nothing")]);
    let page = browser.get(&format!("/login/callback/university?{query}")).await;
    check_refusal("invalid_grant", &page, 502);
    // Somebody whom the configuration does not let in.
    let page = case
        .arrives(&browser, ("university", "7"), &[], |token| token["member"] = json!("true"))
        .await;
    check_refusal("required", &page, 403);
    assert!(case.people.imported().is_empty());
}

/// A provider that is down stops its own people and nobody else.
#[tokio::test]
async fn a_provider_that_is_down_disturbs_nobody_else() {
    const CONFIGURATION: &str = "/.well-known/openid-configuration";
    for (path, trouble, status) in [
        (CONFIGURATION, Trouble::Silent, 503),
        (CONFIGURATION, Trouble::Status(503), 503),
        (CONFIGURATION, Trouble::Status(404), 502),
        ("/jwks", Trouble::Silent, 503),
        ("/token", Trouble::Silent, 503),
        ("/token", Trouble::Status(500), 502),
    ] {
        let case = Case::new();
        let name = format!("{path} {trouble:?}");
        case.provider.fails(path, trouble);
        let browser = Browser::new(&case.world);
        let page = browser.authorize(&[]).await;
        let page = browser.submit(&page, &[("upstream", "university")]).await;
        let page = if path == CONFIGURATION {
            page
        } else {
            let request = super::on_the_way(&page);
            let query = case.provider.lets_in(&request, Provider::claims(&request, "7"));
            browser.get(&format!("/login/callback/university?{query}")).await
        };
        check_refusal(&name, &page, status);
        assert!(is_nobody(&browser).await, "{name}");
        let token = hidden(&page.text);
        let fields =
            [("form_token", token.as_str()), ("username", "alice"), ("password", PASSWORD)];
        let local = browser.post("/login", &fields);
        assert!(local.await.location("code").is_some(), "{name}: others sign in");
        case.provider.recovers();
        case.world.clock.advance(31);
        let again = Browser::new(&case.world);
        let answer = case
            .arrives(&again, ("university", "7"), &[], |token| {
                token["exp"] = json!(NOW + 600);
            })
            .await;
        assert!(answer.location("code").is_some(), "{name}: {}", answer.text);
    }
}

/// A provider's keys are kept, and asked for again when a token names another, at a bounded rate.
#[tokio::test]
async fn a_provider_changes_its_keys() {
    let case = Case::new();
    let arrives = async || {
        let browser = Browser::new(&case.world);
        let answer = case.arrives(&browser, ("university", "7"), &[], |it| {
            it["exp"] = json!(NOW + 9000);
        });
        answer.await.location("code").is_some()
    };
    assert!(arrives().await && arrives().await);
    assert_eq!(case.provider.count("/jwks"), 1, "kept");
    case.provider.rotate();
    case.world.clock.advance(31);
    assert!(arrives().await);
    assert_eq!(case.provider.count("/jwks"), 1, "asked again");
    for _ in 0..5 {
        let browser = Browser::new(&case.world);
        let request = case.chosen(&browser, "university", &[]).await;
        let mut claims = Provider::claims(&request, "7");
        claims["member"] = json!(true);
        let unknown = SigningKey::generate(Algorithm::Es256, Some("unknown")).unwrap();
        let query = case.provider.lets_in(&request, json!(sign("JWT", &unknown, &claims).unwrap()));
        let page = browser.get(&format!("/login/callback/university?{query}")).await;
        check_refusal("unknown kid", &page, 502);
    }
    assert!(case.provider.count("/jwks") <= 1, "however many tokens name unknown keys");
}

/// What an ID token lacks is asked of UserInfo where the configuration says so, about the same
/// person.
#[tokio::test]
async fn user_info_adds_what_the_id_token_lacks() {
    for (sub, address, status) in
        [("7", "ada@university.example", 303), ("8", "ada@university.example", 502)]
    {
        let mut setups = both();
        setups[0].user_info = true;
        let case = Case::with(setups, |upstreams| upstreams);
        *case.provider.user_info.lock().unwrap() = json!({
            "sub": sub, "email": address, "email_verified": true, "name": "Ada", "member": true,
            "amr": ["otp"], "acr": "silver", "auth_time": NOW,
        });
        let browser = Browser::new(&case.world);
        let answer = case
            .arrives(&browser, ("university", "7"), &[], |token| {
                drop(token.as_object_mut().unwrap().remove("member"));
            })
            .await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        if status != 303 {
            assert!(case.people.imported().is_empty());
            continue;
        }
        let tokens = case.tokens(&answer).await;
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!(id_token.str("email").unwrap(), Some(address));
        assert!(!id_token.has("acr") && !id_token.has("amr"), "the ID token's alone: {id_token:?}");
    }
}

/// A UserInfo endpoint that is away is asked once a moment: the others are told at once.
#[tokio::test]
async fn a_user_info_endpoint_that_is_away_is_left_alone_for_a_moment() {
    for trouble in [Trouble::Silent, Trouble::Status(503)] {
        let mut setups = both();
        setups[0].user_info = true;
        let case = Case::with(setups, |upstreams| upstreams);
        *case.provider.user_info.lock().unwrap() = json!({ "sub": "7" });
        case.provider.fails("/userinfo", trouble);
        let arrives = async || {
            let browser = Browser::new(&case.world);
            let late = |token: &mut Value| token["exp"] = json!(NOW + 600);
            case.arrives(&browser, ("university", "7"), &[], late).await
        };
        for round in 0..3 {
            for _ in 0..3 {
                check_refusal(&format!("{trouble:?}, {round}"), &arrives().await, 503);
            }
            assert_eq!(case.provider.count("/userinfo"), 1, "{trouble:?}");
            case.world.clock.advance(5);
        }
        case.provider.recovers();
        assert!(arrives().await.location("code").is_some(), "{trouble:?}");
    }
}

/// H16: what is logged of a login has no secret in it, and nothing that forges a line.
#[tokio::test]
async fn what_is_logged_holds_no_secret() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let answer =
        case.arrives(&browser, ("university", "log\n7\u{1b}[31m-seen-here"), &[], |_| {}).await;
    assert!(answer.location("code").is_some(), "{}", answer.text);
    let request = case.chosen(&Browser::new(&case.world), "university", &[]).await;
    let state = request.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let page = Browser::new(&case.world);
    page.get(&format!("/login/callback/university?code=canary-code&state={state}")).await;
    let log = Log::open().text();
    let line = log.lines().find(|line| line.contains("seen-here")).unwrap();
    assert!(line.contains("countersign::audit") && line.contains("university"), "{line}");
    assert!(!line.contains('\u{1b}'), "{line}");
    for secret in ["canary-secret", "canary-access-token", "canary-code", &state, UNIVERSITY_CODE] {
        assert!(!log.contains(secret), "{secret}");
    }
    assert!(!log.contains(&format!("{UNIVERSITY}/authorize?")));
}

/// What a code of the provider looks like in a log line that shows one.
const UNIVERSITY_CODE: &str = "code=code-";

/// Whoever is away while the server is restarted is told so, is not signed in, and begins again.
#[tokio::test]
async fn a_login_that_was_under_way_over_a_restart_ends_on_a_page() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let request = case.chosen(&browser, "library", &[]).await;
    let query = case.provider.lets_in(&request, Provider::claims(&request, "7"));
    let after = case.restarted(both());
    let same = Browser::new(&after.world);
    same.set_cookie("__Host-login", &browser.cookie("__Host-login").unwrap());
    let page = same.get(&format!("/login/callback/library?{query}")).await;
    assert_eq!((page.status, page.header(LOCATION)), (StatusCode::FORBIDDEN, ""), "{}", page.text);
    assert!(page.text.contains("or this server was restarted"), "{}", page.text);
    assert!(is_nobody(&same).await);
    assert_eq!(case.provider.count("/token"), 0, "nothing is asked for it");
    assert!(after.people.imported().is_empty());
    let again = after.arrives(&same, ("library", "7"), &[], |_| {}).await;
    assert!(again.location("code").is_some(), "{}", again.text);
}

/// CSP3 form-action: a browser holds the way to the provider to what the chooser's page allows, and
/// comes back by the redirect after the provider's form, and would hold the next one to what that
/// form's page allows. To whoever is no browser both are a 303, as drawn.
#[tokio::test]
async fn f001_1_a_browser_is_led_back_by_a_page() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let chooser = browser.authorize(&[]).await;
    let page = browser.navigating().submit(&chooser, &[("upstream", "university")]).await;
    assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""), "{}", page.text);
    let policy = page.header(CONTENT_SECURITY_POLICY);
    assert!(policy.contains("form-action 'none'") && !policy.contains("unsafe"), "{policy}");
    let refresh =
        "http-equiv=\"refresh\" content=\"0; url=https://idp.university.example/authorize?";
    assert!(page.text.contains(refresh), "{}", page.text);
    assert!(page.text.contains("On to the &#60;University&#62;"), "{}", page.text);
    let request = case.chosen(&browser, "library", &[]).await;
    let query = case.provider.lets_in(&request, Provider::claims(&request, "7"));
    let page = browser.navigating().get(&format!("/login/callback/library?{query}")).await;
    assert_eq!((page.status, page.header(LOCATION)), (StatusCode::OK, ""), "{}", page.text);
    assert!(page.text.contains("content=\"0; url=https://app.example/cb?code="), "{}", page.text);
    assert!(browser.cookie("__Host-session").is_some(), "the cookie comes with the page");
}
