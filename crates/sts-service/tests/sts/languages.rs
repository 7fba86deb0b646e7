//! The language of the pages: OpenID Connect Core §3.1.2.1 (`ui_locales`), RFC 9110 §12.5.4.

use std::collections::BTreeSet;

use http::Request;
use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE};
use serde_json::json;

use crate::browser::Browser;
use crate::support::*;

/// What a page says, piece by piece.
fn said(page: &Answer) -> BTreeSet<String> {
    let pieces = page.text.split('>').filter_map(|rest| rest.split('<').next());
    let pieces = pieces.map(|piece| piece.trim().to_owned());
    pieces.filter(|piece| piece.chars().any(char::is_alphabetic)).collect()
}

#[track_caller]
fn is_in(name: &str, language: &str, page: &Answer) {
    assert_eq!(page.header(CONTENT_LANGUAGE), language, "{name}");
    assert!(page.text.contains(&format!("<html lang=\"{language}\">")), "{name}: {}", page.text);
}

/// Every page has one head, and one part for what it says.
#[track_caller]
fn is_a_page(name: &str, page: &Answer) {
    let text = &page.text;
    let (head, body) = text.split_once("</head>\n<body>\n<main>\n").unwrap();
    let language = page.header(CONTENT_LANGUAGE);
    let begins = format!(
        "<!DOCTYPE html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    );
    assert!(head.starts_with(&begins), "{name}: {text}");
    assert!(
        head.ends_with("</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n"),
        "{name}: {text}"
    );
    assert!(!head.contains("<title></title>"), "{name}: {text}");
    assert!(
        body.starts_with("<h1>") && body.ends_with("\n</main>\n</body>\n</html>"),
        "{name}: {text}"
    );
    for (once, part) in [("<title>", head), ("<link", head), ("<h1>", body), ("</main>", body)] {
        assert_eq!(part.matches(once).count(), 1, "{name}, {once}: {text}");
    }
}

/// Each page that leads through the service, in the language that the client wishes.
async fn pages(ui_locales: &str) -> Vec<(&'static str, Answer)> {
    let world = World::new();
    let browser = Browser::new(&world);
    let wish = ("ui_locales", ui_locales);
    let mut pages = Vec::new();
    let sign_in = browser.authorize(&[wish]).await;
    let wrong = browser.submit(&sign_in, &[("username", "alice"), ("password", "wrong")]).await;
    let signed_in = [("username", "alice"), ("password", PASSWORD)];
    assert!(browser.submit(&wrong, &signed_in).await.location("code").is_some());
    let scope = ("scope", "openid profile email offline_access claims-provider get");
    let consent = browser.authorize(&[wish, scope]).await;
    let other = browser.submit(&consent, &[("decision", "other")]).await;
    browser.submit(&consent, &[("decision", "allow")]).await;
    let elsewhere = Browser::calling_itself(&world, "Firefox/1 Linux");
    elsewhere.sign_in("alice", &[("prompt", "login")]).await;
    let account = browser.get(&format!("/account?{}", encoded(&[wish]))).await;
    let logout = browser.get(&format!("/logout?{}", encoded(&[wish]))).await;
    let problem = browser.authorize(&[wish, ("client_id", "nobody")]).await;
    let nobody = Browser::new(&world);
    let gone = nobody.get(&format!("/logout?{}", encoded(&[wish]))).await;
    let asks = [
        wish,
        ("client_id", "rqp-client"),
        ("post_logout_redirect_uri", "https://app.example/bye"),
    ];
    let asks = format!("/logout?{}", encoded(&asks));
    let (sent_back, may_go) = (browser.get(&asks).await, nobody.get(&asks).await);
    let late = nobody.submit(&sign_in, &signed_in).await;
    pages.extend([
        ("sign in", sign_in),
        ("wrong", wrong),
        ("consent", consent),
        ("somebody else", other),
        ("account", account),
        ("sign out", logout),
        ("signed out", gone),
        ("sign out and back", sent_back),
        ("signed out and back", may_go),
        ("problem", problem),
        ("too late", late),
    ]);
    pages
}

/// What is the same in every language: names, addresses, moments.
const NAMES: &[&str] = &[
    "alice",
    "The rqp-client &#60;app&#62;",
    "https://app.example",
    "openid",
    "email",
    "profile",
    "offline_access",
    "claims-provider",
    "get",
];

#[tokio::test]
async fn a_page_in_german_is_wholly_german() {
    wholly_translated(&pages("en").await, &pages("de").await, &[]);
}

/// The same pages in English and in German have nothing in common but names.
#[track_caller]
pub(crate) fn wholly_translated(
    english: &[(&'static str, Answer)],
    german: &[(&'static str, Answer)],
    names: &[&str],
) {
    let names: BTreeSet<_> = NAMES.iter().chain(names).map(|name| (*name).to_owned()).collect();
    assert_eq!(english.len(), german.len());
    for ((name, english), (_, german)) in english.iter().zip(german) {
        is_in(name, "en", english);
        is_in(name, "de", german);
        is_a_page(name, english);
        is_a_page(name, german);
        assert_eq!(english.status, german.status, "{name}");
        let common: BTreeSet<_> = said(english).intersection(&said(german)).cloned().collect();
        assert!(common.is_subset(&names), "{name}: {common:?}");
        assert!(!german.text.contains('{'), "{name}");
    }
}

#[tokio::test]
async fn the_browser_is_asked_where_the_client_wishes_nothing() {
    let world = World::new();
    for (path, accept, language) in [
        ("/account", "de-CH, fr;q=0.5", "de"),
        ("/account", "fr, en;q=0.1", "en"),
        ("/account", "fr", "en"),
        ("/account?ui_locales=en", "de", "en"),
        ("/account?ui_locales=fr+de", "en", "de"),
        ("/logout", "de", "de"),
        ("/authorize?nonsense", "de", "de"),
    ] {
        let request = Request::get(path).header(ACCEPT_LANGUAGE, accept);
        let page = world.send(request.body(axum::body::Body::empty()).unwrap()).await;
        is_in(path, language, &page);
    }
    // RFC 8414, OpenID Connect Discovery §3: what the metadata says is what there is.
    let metadata = world.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["ui_locales_supported"], json!(["en", "de"]));
    // What programs read is in no language.
    let request = Request::post("/token").header(ACCEPT_LANGUAGE, "de");
    let answer = world.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.headers.get(CONTENT_LANGUAGE), None);
    // By POST, the wish is in the body.
    let browser = Browser::new(&world);
    let page = browser.posts(&[("ui_locales", "de")]).await;
    is_in("by POST", "de", &page);
}

/// Whoever is led on by a page after a form, or has signed out, is spoken to as they were on the
/// form.
#[tokio::test]
async fn what_comes_after_a_form_is_in_its_language() {
    let world = World::new();
    let browser = Browser::new(&world);
    let submits = async |page: &Answer, fields: &[(&str, &str)]| {
        let (_, rest) = page.text.split_once("action=\"").unwrap();
        let token = hidden(&page.text);
        let fields = [&[("form_token", token.as_str())], fields].concat();
        let request = Request::post(rest.split('"').next().unwrap())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-mode", "navigate")
            .header(ACCEPT_LANGUAGE, "en");
        browser.send(request, encoded(&fields)).await
    };
    let wish = ("ui_locales", "de");
    let sign_in = browser.authorize(&[wish]).await;
    is_in("declined", "de", &submits(&sign_in, &[("decision", "deny")]).await);
    let who = [("username", "alice"), ("password", PASSWORD)];
    is_in("signed in", "de", &submits(&sign_in, &who).await);
    let consent = browser.authorize(&[wish, ("scope", "openid profile")]).await;
    is_in("allowed", "de", &submits(&consent, &[("decision", "allow")]).await);
    let back =
        [("client_id", "rqp-client"), ("post_logout_redirect_uri", "https://app.example/bye")];
    for (name, asks) in [("signed out and back", &back[..]), ("signed out", &[])] {
        let asks = encoded(&[&[wish], asks].concat());
        let page = browser.get(&format!("/logout?{asks}")).await;
        is_in(name, "de", &submits(&page, &[]).await);
        browser.sign_in("alice", &[]).await;
    }
}
