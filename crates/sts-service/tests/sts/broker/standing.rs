//! What a sign-in through a provider is worth, and when it ends.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Case, both, is_nobody};
use crate::browser::{Browser, is_sign_in};
use crate::refresh::{CONFIDENTIAL, refresh, text};
use crate::support::*;

/// `prompt`, `max_age` and `login_hint` are carried to the provider, and what it says is checked.
#[tokio::test]
async fn what_the_client_wishes_is_asked_and_checked() {
    let case = Case::new();
    let at = |moment: i64| move |token: &mut Value| token["auth_time"] = json!(moment);
    for (change, asked, auth_time, status) in [
        (("prompt", "login"), &[("prompt", "login"), ("max_age", "0")][..], Some(NOW), 303),
        (("prompt", "login"), &[], Some(NOW - 61), 403),
        (("prompt", "login"), &[], None, 403),
        (("max_age", "100"), &[("max_age", "100")], Some(NOW - 100), 303),
        (("max_age", "100"), &[], Some(NOW - 161), 403),
        (("max_age", "100"), &[], None, 403),
        (("prompt", "select_account"), &[("prompt", "select_account")], None, 303),
        (("prompt", "consent"), &[], None, 303),
        (("login_hint", "ada"), &[("login_hint", "ada")], None, 303),
    ] {
        let name = format!("{change:?} {auth_time:?}");
        let browser = Browser::new(&case.world);
        let request = case.chosen(&browser, "library", &[change]).await;
        let pairs: Vec<_> = request.query_pairs().into_owned().collect();
        for (key, value) in asked {
            assert!(pairs.contains(&((*key).to_owned(), (*value).to_owned())), "{name}: {request}");
        }
        let answer = case
            .arrives(&browser, ("library", "7"), &[change], |token| {
                if let Some(moment) = auth_time {
                    at(moment)(token);
                }
            })
            .await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.text);
        if status == 403 {
            assert!(answer.text.contains("did not ask you to sign in again"), "{}", answer.text);
            assert!(is_nobody(&browser).await, "{name}");
        }
    }
}

/// A provider that does not say when somebody signed in has said nothing of an age.
#[tokio::test]
async fn a_session_of_unknown_age_is_never_young_enough() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    case.subject(&case.arrives(&browser, ("library", "7"), &[], |_| {}).await).await;
    let silent = browser.authorize(&[("prompt", "none"), ("max_age", "10000")]).await;
    assert_eq!(silent.location("error").as_deref(), Some("login_required"));
    let silent = browser.authorize(&[("prompt", "none")]).await;
    assert!(silent.location("code").is_some());
    let told = Browser::new(&case.world);
    let old = |token: &mut Value| token["auth_time"] = json!(NOW - 500);
    let answer = case.arrives(&told, ("library", "7"), &[], old).await;
    let tokens = case.tokens(&answer).await;
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token.get("auth_time"), Some(&json!(NOW - 500)));
    for (max_age, error) in [("499", Some("login_required")), ("500", None)] {
        let silent = told.authorize(&[("prompt", "none"), ("max_age", max_age)]).await;
        assert_eq!(silent.location("error").as_deref(), error, "{max_age}");
    }
}

/// OpenID Connect Core §2: where nobody said when a person signed in, no token says it, and what a
/// client with `max_age` gets always does (§3.1.2.1).
#[tokio::test]
async fn a_moment_that_nobody_told_is_in_no_token() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let lasting = [("scope", "openid offline_access")];
    let tokens =
        case.tokens(&case.arrives(&browser, ("library", "7"), &lasting, |_| {}).await).await;
    let token = text(&tokens, "refresh_token");
    let refreshed = refresh(&case.world, CONFIDENTIAL, None, token, &[]).await.json();
    let has_told = |tokens: &Value| {
        ["access_token", "id_token"]
            .map(|name| claims(tokens[name].as_str().unwrap()).get("auth_time").is_some())
    };
    assert_eq!([has_told(&tokens), has_told(&refreshed)], [[false; 2]; 2]);

    // The page was opened in a sign-in that was young enough, and is answered in one of unknown
    // age.
    let now = |token: &mut Value| token["auth_time"] = json!(NOW);
    let aged = [("prompt", "consent"), ("max_age", "100")];
    for (answered_at_once, is_answered) in [(true, true), (false, false)] {
        let told = Browser::new(&case.world);
        case.arrives(&told, ("library", "7"), &[], now).await;
        let page = told.authorize(&aged).await;
        if !answered_at_once {
            let again = [("prompt", "select_account")];
            let arrived = case.arrives(&told, ("library", "7"), &again, |_| {}).await;
            assert_eq!(has_told(&case.tokens(&arrived).await), [false; 2]);
        }
        let answer = told.submit(&page, &[("decision", "allow")]).await;
        assert_eq!(is_sign_in(&answer), !is_answered, "{}", answer.text);
        if is_answered {
            assert_eq!(has_told(&case.tokens(&answer).await), [true; 2]);
        }
    }
}

/// `prompt=none` leads to no provider, and an `id_token_hint` to nobody else than it means.
#[tokio::test]
async fn nobody_else_comes_back_than_is_meant() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let silent = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(silent.location("error").as_deref(), Some("login_required"));
    let ada = case.arrives(&browser, ("library", "7"), &[], |_| {}).await;
    let hint = case.tokens(&ada).await["id_token"].as_str().unwrap().to_owned();
    let hinted = [("id_token_hint", hint.as_str()), ("prompt", "login")];
    let now = |token: &mut Value| token["auth_time"] = json!(NOW);
    for (sub, error) in [("7", None), ("8", Some("login_required"))] {
        let elsewhere = Browser::new(&case.world);
        let answer = case.arrives(&elsewhere, ("library", sub), &hinted, now).await;
        assert_eq!(answer.location("error").as_deref(), error, "{sub}: {}", answer.text);
    }
    assert_eq!(case.people.imported().len(), 1, "nobody is imported to be refused");
}

/// H13: whoever came through a provider has no password, and a guess is answered as for nobody.
#[tokio::test]
async fn imported_people_have_no_password() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let ada = |token: &mut Value| {
        token["preferred_username"] = json!("ada");
        token["email"] = json!("ada@university.example");
        token["email_verified"] = json!(true);
    };
    case.subject(&case.arrives(&browser, ("library", "7"), &[], ada).await).await;
    let guess = async |username: &str, password: &str| {
        let browser = Browser::new(&case.world);
        let page = browser.authorize(&[]).await;
        let token = hidden(&page.text);
        let fields =
            [("form_token", token.as_str()), ("username", username), ("password", password)];
        let answer = browser.post("/login", &fields).await;
        let text = answer.text.replace(&hidden(&answer.text), "").replace(username, "");
        (answer.status, text)
    };
    let nobody = guess("nobody@university.example", PASSWORD).await;
    assert_eq!(nobody.0, StatusCode::FORBIDDEN);
    for username in ["ada@university.example", "library:ada", "ada"] {
        for password in [PASSWORD, "", "x"] {
            assert_eq!(guess(username, password).await, nobody, "{username} {password}");
        }
    }
}

/// O13: an account that is disabled or gone ends everything at the next request.
#[tokio::test]
async fn a_disabled_person_is_refused_at_once() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let scope = [("scope", "openid offline_access")];
    let tokens = case.tokens(&case.arrives(&browser, ("library", "7"), &scope, |_| {}).await).await;
    let subject = case.people.imported()[0].account.subject.clone();
    let refresh = async || {
        let token = tokens["refresh_token"].as_str().unwrap().to_owned();
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.as_str()),
            ("client_id", "rqp-client"),
            ("client_secret", SECRET),
        ];
        case.world.token(&fields).await.status.as_u16()
    };
    assert_eq!(refresh().await, 200);
    case.people.disable(&subject);
    assert_eq!(refresh().await, 400);
    assert!(is_sign_in(&browser.get("/account").await));
    let page = case.arrives(&browser, ("library", "7"), &scope, |_| {}).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert!(case.people.imported()[0].disabled, "signing in does not take anybody back");

    // An account that is gone is not the one that comes after it.
    case.people.remove(&subject);
    let answer = case.arrives(&browser, ("library", "7"), &scope, |_| {}).await;
    assert_ne!(case.subject(&answer).await, subject);
    assert_eq!(refresh().await, 400, "what the former gave stays ended");
}

/// O13, CVE-2026-1609: a provider that is no longer one of the configuration ends what came through
/// it.
#[tokio::test]
async fn a_provider_that_is_taken_away_ends_what_came_through_it() {
    let case = Case::new();
    let (browser, other) = (Browser::new(&case.world), Browser::new(&case.world));
    case.subject(&case.arrives(&browser, ("library", "7"), &[], |_| {}).await).await;
    case.subject(&case.arrives(&other, ("university", "7"), &[], |_| {}).await).await;
    let cookies =
        [&browser, &other].map(|browser| browser.cookie("__Host-session").unwrap().to_owned());
    let mut left = both();
    left.remove(1);
    let case = case.restarted(left);
    for (cookie, has_ended) in cookies.iter().zip([true, false]) {
        let browser = Browser::new(&case.world);
        browser.set_cookie("__Host-session", cookie);
        assert_eq!(is_sign_in(&browser.get("/account").await), has_ended);
    }
    let page = Browser::new(&case.world).authorize(&[]).await;
    assert!(!page.text.contains("upstream-library"));
}

/// Where passwords are not offered, nobody signs in by one.
#[tokio::test]
async fn passwords_can_be_left_out() {
    let case = Case::with(both(), |upstreams| upstreams.without_passwords());
    let browser = Browser::new(&case.world);
    let page = browser.authorize(&[]).await;
    assert!(page.text.contains("id=\"upstream-library\"") && page.text.contains("value=\"deny\""));
    assert!(!page.text.contains("name=\"password\""));
    let token = hidden(&page.text);
    let fields = [("form_token", token.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let answer = browser.post("/login", &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(is_nobody(&browser).await);
    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    assert_eq!(denied.location("error").as_deref(), Some("access_denied"));
    let other = browser.submit(&page, &[("upstream", "nobody")]).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
}

/// A form of before a restart starts over with everything that was asked for.
#[tokio::test]
async fn a_choice_from_before_a_restart_starts_over() {
    let before = Case::new();
    let page = Browser::new(&before.world).authorize(&[("prompt", "login")]).await;
    let case = before.restarted(both());
    let browser = Browser::new(&case.world);
    let fresh = browser.submit(&page, &[("upstream", "library")]).await;
    assert_eq!(fresh.status, StatusCode::FORBIDDEN, "{}", fresh.text);
    let request = super::on_the_way(&browser.submit(&fresh, &[("upstream", "library")]).await);
    assert!(request.query_pairs().any(|(name, value)| name == "prompt" && value == "login"));
}
