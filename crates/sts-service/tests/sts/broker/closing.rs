//! The last way in of somebody who came through another provider is ended with the account, by a
//! word of theirs.

use std::sync::atomic::Ordering;

use http::StatusCode;
use http::header::SET_COOKIE;
use serde_json::{Value, json};

use super::further::{links, links_further};
use super::{Case, LIBRARY, UNIVERSITY, is_nobody};
use crate::browser::{Browser, is_sign_in};
use crate::support::*;

const CLOSE: (&str, &str) = ("decision", "close");

fn ada(token: &mut Value) {
    token["email"] = json!("ada@university.example");
    token["email_verified"] = json!(true);
}

/// Says something of a link by the form of a page.
async fn says(browser: &Browser<'_>, page: &Answer, fields: &[(&str, &str)]) -> Answer {
    let token = hidden(&page.text);
    let fields = [&[("form_token", token.as_str())], fields].concat();
    browser.post("/account/unlink", &fields).await
}

#[tokio::test]
async fn f001_9_the_last_link_is_ended_with_the_account() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let offline = [("scope", "openid offline_access")];
    let answer = case.arrives(&browser, ("university", "7"), &offline, ada).await;
    let tokens = case.tokens(&answer).await;
    let subject = claims(tokens["access_token"].as_str().unwrap());
    let subject = subject.required_str("sub").unwrap().to_owned();
    let id = case.linked(UNIVERSITY, "7").await;
    let account = browser.get("/account").await;
    assert!(account.text.contains("End this link and close the account"), "{}", account.text);
    assert_eq!(links(&account), [id.as_str()]);

    // Not without a word, and not by another one.
    let asked = says(&browser, &account, &[("link", &id)]).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
    assert!(asked.text.contains("is the only way in to the account"), "{}", asked.text);
    let kept = says(&browser, &asked, &[("link", &id), ("decision", "keep")]).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
    assert_eq!(case.people.imported().len(), 1);
    // Nor is another's account closed, nor one by a link that is none of its own.
    let mallory = Browser::new(&case.world);
    case.arrives(&mallory, ("library", "8"), &[], |_| {}).await;
    let own = mallory.get("/account").await;
    assert_eq!(says(&mallory, &own, &[("link", &id), CLOSE]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(case.people.imported().len(), 2);

    let closed = says(&browser, &asked, &[("link", &id), CLOSE]).await;
    assert_eq!(closed.status, StatusCode::OK, "{}", closed.text);
    assert!(closed.text.contains("is closed"), "{}", closed.text);
    assert!(closed.header(SET_COOKIE).contains("Max-Age=0"), "{:?}", closed.headers);
    assert!(is_nobody(&browser).await);
    assert_eq!(case.people.imported().len(), 1, "mallory's alone");
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ];
    assert_eq!(case.world.token(&fields).await.status, StatusCode::BAD_REQUEST);

    // Whoever comes later is somebody new, to whom the address is free.
    let again = Browser::new(&case.world);
    let answer = case.arrives(&again, ("university", "7"), &[("scope", "openid email")], ada).await;
    let tokens = case.tokens(&answer).await;
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_ne!(access.required_str("sub").unwrap(), subject);
    assert!(is_sign_in(&browser.get("/account").await));
}

/// A session that somebody left open closes nothing.
#[tokio::test]
async fn f001_9_whoever_signed_in_a_while_ago_does_so_again_before_closing() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("university", "7"), &[], ada).await;
    let id = case.linked(UNIVERSITY, "7").await;
    case.world.clock.advance(599);
    let account = browser.get("/account").await;
    case.world.clock.advance(1);
    let late = says(&browser, &account, &[("link", &id), CLOSE]).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN, "{}", late.text);
    assert!(late.text.contains("sign in once more first"), "{}", late.text);
    assert_eq!(case.people.imported().len(), 1);
}

/// A session whose own link has just been ended closes nothing.
#[tokio::test]
async fn f001_9_a_session_whose_link_has_just_ended_closes_nothing() {
    let case = Case::new();
    let first = Browser::new(&case.world);
    case.arrives(&first, ("university", "7"), &[], ada).await;
    links_further(&case, &first, "library", "9").await;
    let second = Browser::new(&case.world);
    case.arrives(&second, ("library", "9"), &[], |_| {}).await;
    let (own, theirs) = (first.get("/account").await, second.get("/account").await);
    let university = case.linked(UNIVERSITY, "7").await;
    let library = case.linked(LIBRARY, "9").await;
    let (ends, closes) = ([("link", library.as_str())], [("link", university.as_str()), CLOSE]);
    let (one, other) = tokio::join!(says(&first, &own, &ends), says(&second, &theirs, &closes));
    assert_eq!((one.status, other.status), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER));
    assert_eq!(case.people.imported().len(), 1, "the account is there");
    assert!(is_sign_in(&second.get("/account").await), "over");
}

/// Whoever is disabled while their yes is on its way keeps the account, so that they do not come
/// back as somebody new.
#[tokio::test]
async fn an_account_that_is_disabled_meanwhile_is_not_closed() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("university", "7"), &[], ada).await;
    let id = case.linked(UNIVERSITY, "7").await;
    let account = browser.get("/account").await;
    let asked = says(&browser, &account, &[("link", &id)]).await;
    case.people.disables_late.store(true, Ordering::Relaxed);
    let answer = says(&browser, &asked, &[("link", &id), CLOSE]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert!(is_sign_in(&browser.get("/account").await), "nobody is signed in to it");
    assert_eq!(case.people.imported().len(), 1);
    assert_eq!(case.linked(UNIVERSITY, "7").await, id, "the link still leads to it");
    let again = Browser::new(&case.world);
    let page = case.arrives(&again, ("university", "7"), &[], ada).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert_eq!(case.people.imported().len(), 1, "nobody new");
}
