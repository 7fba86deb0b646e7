//! OpenID Connect RP-Initiated Logout: who signs out here does so at the provider, too.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_jwt::Unverified;
use countersign_store::Engine;
use countersign_testkit::gone::let_go;
use countersign_testkit::{Log, Watched};
use url::Url;

use crate::bed::{Bed, Browser, CONSOLE, fields, leads_to};
use crate::provider::IDP;
use crate::support::{AS, Answer};

async fn signs_out(browser: &Browser<'_>) -> Answer {
    let page = browser.get(CONSOLE).await;
    sends(browser, &page.text).await
}

/// Sends the form of this page.
async fn sends(browser: &Browser<'_>, page: &str) -> Answer {
    let form = fields(page, "sign-out");
    let form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
    browser.post("/console/sign-out", &form).await
}

#[track_caller]
fn is_signed_in(answer: &Answer) -> bool {
    answer.text.contains("<form id=\"sign-out\"")
}

/// Where a page leads by itself, which is where its link leads.
#[track_caller]
fn leads_on(page: &Answer) -> Url {
    let after = |mark: &str| {
        let (_, rest) = page.text.split_once(mark).unwrap_or_else(|| panic!("{page:?}"));
        rest.split('"').next().unwrap().replace("&#38;", "&")
    };
    let url = after("http-equiv=\"refresh\" content=\"0; url=");
    assert_eq!(url, after("id=\"continue\" class=\"button\" href=\""));
    Url::parse(&url).unwrap()
}

#[tokio::test]
async fn who_signs_out_is_sent_to_the_provider_and_comes_back() {
    let bed = Bed::new();
    *bed.provider.signs_out.lock().unwrap() = true;
    let bob = bed.bob().await;
    let answer = signs_out(&bob).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("content-security-policy").contains("form-action 'none'"));
    let url = leads_on(&answer);
    assert!(url.as_str().starts_with(&format!("{IDP}/logout?tenant=bob&")), "{url}");
    let asked: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(asked["client_id"], "console");
    assert_eq!(asked["post_logout_redirect_uri"], format!("{AS}/console/signed-out"));
    let token = Unverified::parse(&asked["id_token_hint"]).unwrap();
    assert_eq!(token.claims().as_map()["sub"], "b1");
    // The session here is over before anybody has answered there.
    assert!(!bob.cookies.lock().unwrap().contains_key("__Host-console"));
    assert!(!is_signed_in(&bob.get(CONSOLE).await));
    let back = format!("/console/signed-out?state={}", asked["state"]);
    let mallory = bed.browser();
    mallory.leaves("/console/sign-in").await;
    for (browser, came_back) in [(&mallory, false), (&bob, true), (&bob, false)] {
        let page = browser.get(&back).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(page.text.contains("sent you back"), came_back, "{page:?}");
        assert!(page.text.contains("id=\"sign-in\""), "{page:?}");
    }
    assert!(bob.in_german("/console/signed-out").await.text.contains("Sie sind abgemeldet"));
}

/// A provider where one cannot sign out, and one that cannot be asked, keep nobody from signing out
/// here.
#[tokio::test]
async fn without_a_place_to_sign_out_there_the_page_says_so() {
    for is_down in [false, true] {
        let bed = Bed::new();
        *bed.provider.signs_out.lock().unwrap() = is_down;
        let bob = bed.bob().await;
        *bed.provider.is_down.lock().unwrap() = is_down;
        if is_down {
            // What the provider published before is forgotten by then; the session is not.
            for _ in 0..3 {
                bed.world.advance(1700);
                assert!(is_signed_in(&bob.get(CONSOLE).await));
            }
        }
        let answer = signs_out(&bob).await;
        leads_to(&answer, "/console/signed-out");
        let page = bob.get("/console/signed-out").await;
        assert!(page.text.contains("you may be signed in still"), "{page:?}");
        assert!(!is_signed_in(&bob.get(CONSOLE).await));
    }
}

/// The log says who left, as it says who came.
#[tokio::test]
async fn the_audit_log_says_who_signed_out() {
    let bed = Bed::new();
    let log = Log::default();
    let _heard = log.hear();
    let bob = bed.bob().await;
    // A form that is nobody's signs nobody out.
    assert_eq!(bob.post("/console/sign-out", &[("form_token", "x")]).await.status, 403);
    signs_out(&bob).await;
    assert_eq!(bob.post("/console/sign-out", &[("form_token", "x")]).await.status, 403);
    let who = log.audited("an owner signed");
    let [signed_in, signed_out] = &*who else { panic!("{who:?}") };
    let (_, who) = signed_in.split_once("an owner signed in ").unwrap();
    assert!(signed_out.ends_with(&format!(": an owner signed out {who}")), "{signed_out}");
}

/// Wherever the store fails, the answer and the log say what became of the session.
#[tokio::test]
async fn with_a_store_that_fails_the_log_says_exactly_who_is_signed_out() {
    let engine = Arc::new(Watched::default());
    let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
    let mut ended = Vec::new();
    // Who sends the form is read by handle and by session, and so is what ends. Then the session is
    // removed, and the handle after it, which stands for nothing by then.
    for left in 0..7 {
        let bob = bed.bob().await;
        let page = bob.get(CONSOLE).await.text;
        let handle = bob.cookies.lock().unwrap()["__Host-console"].clone();
        let log = Log::default();
        let heard = log.hear();
        let answer = engine.failing(left, sends(&bob, &page)).await;
        drop(heard);
        bob.cookies.lock().unwrap().insert("__Host-console".into(), handle);
        let is_over = !is_signed_in(&bob.get(CONSOLE).await);
        let lines = log.audited("an owner signed out");
        assert_eq!(lines.len(), usize::from(is_over), "{left}");
        assert_eq!(answer.status, if is_over { 303 } else { 503 }, "{left}: {answer:?}");
        ended.push(is_over);
    }
    assert_eq!(ended, [false, false, false, false, false, true, true]);
}

/// Whoever closes the browser meanwhile is signed out, and the log says so, or neither.
#[tokio::test]
async fn the_log_says_exactly_who_is_signed_out_though_they_go_away() {
    let engine = Arc::new(Watched::default());
    let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
    for turns in 0.. {
        let bob = bed.bob().await;
        let page = bob.get(CONSOLE).await.text;
        let handle = bob.cookies.lock().unwrap()["__Host-console"].clone();
        let log = Log::default();
        let heard = log.hear();
        let is_answered = engine.slowly(let_go(sends(&bob, &page), turns)).await;
        drop(heard);
        bob.cookies.lock().unwrap().insert("__Host-console".into(), handle);
        let is_over = !is_signed_in(&bob.get(CONSOLE).await);
        let lines = log.audited("an owner signed out");
        assert_eq!(lines.len(), usize::from(is_over), "after {turns} turns");
        if is_answered {
            assert!(is_over && turns > 5, "{turns}");
            break;
        }
    }
}

/// No link signs anybody out, nor says that they are.
#[tokio::test]
async fn the_page_of_who_signed_out_signs_nobody_out() {
    let bed = Bed::new();
    let bob = bed.bob().await;
    leads_to(&bob.get("/console/signed-out?state=x").await, CONSOLE);
    assert!(is_signed_in(&bob.get(CONSOLE).await));
    assert_eq!(bob.get("/console/signed-out?state=a&state=b").await.status, 400);
    assert_eq!(bob.get("/console/sign-out").await.status, 405);
    assert_eq!(bob.method(http::Method::HEAD, "/console/signed-out").await.status, 405);
}
