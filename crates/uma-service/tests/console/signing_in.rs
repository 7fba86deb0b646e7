//! Who is let in, for how long, and who is not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_store::engine::{RecordTable, Records as _};
use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_testkit::gone::let_go;
use countersign_testkit::{Log, Watched};
use countersign_types::{Clock, Timestamp};
use http::Method;
use serde_json::{Value, json};

use crate::bed::{Bed, CONSOLE, fields, leads_to};
use crate::provider::IDP;

/// A page that shows nothing of anybody's.
#[track_caller]
fn asks_to_sign_in(answer: &crate::support::Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text.contains("id=\"sign-in\""), "{answer:?}");
    for secret in ["sign-out", "alice", "form_token"] {
        assert!(!answer.text.contains(secret), "{answer:?}");
    }
}

#[tokio::test]
async fn an_owner_signs_in_and_comes_back_to_where_they_were() {
    let bed = Bed::new();
    bed.alice_asks().await;
    let bob = bed.browser();
    let page = bob.get("/console/people?page=1").await;
    asks_to_sign_in(&page);
    let link = page.text.split("id=\"sign-in\" class=\"button\" href=\"").nth(1).unwrap();
    let link = link.split('"').next().unwrap();
    let back = bob.sign_in(link, "b1", json!({})).await;
    leads_to(&back, "/console/people?page=1");
    let page = bob.get("/console/people").await;
    assert!(page.text.contains("alice@alice.example"), "{}", page.text);
    assert!(page.text.contains("Signed in as <strong>b1</strong>"), "{}", page.text);
}

/// OIDC, RFC 7636, RFC 9207: what the request and the answer are tied by.
#[tokio::test]
async fn the_request_has_what_ties_the_answer_to_it() {
    let bed = Bed::new();
    let url = bed.browser().leaves("/console/sign-in").await;
    assert!(url.as_str().starts_with(&format!("{IDP}/authorize?")), "{url}");
    let asked: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(asked["redirect_uri"], "https://uma.bob.example/console/callback");
    assert_eq!(asked["scope"], "openid email");
    assert_eq!(asked["code_challenge_method"], "S256");
    assert!(asked["state"].len() == 43 && asked["nonce"].len() == 43);
}

#[tokio::test]
async fn an_answer_counts_once_in_its_browser_and_in_time() {
    let bed = Bed::new();
    let bob = bed.browser();
    let request = bob.leaves("/console/sign-in").await;
    let query = bed.provider.lets_in(&request, "b1", json!({}), bed.world.now());
    let callback = format!("{CONSOLE}/callback?{query}");
    let mallory = bed.browser();
    assert_eq!(mallory.get(&callback).await.status, 403, "no browser of ours");
    mallory.leaves("/console/sign-in").await;
    assert_eq!(mallory.get(&callback).await.status, 403, "another browser");
    // H7: what a HEAD takes, nobody sees.
    assert_eq!(bob.method(Method::HEAD, &callback).await.status, 405);
    assert_eq!(bob.get(&callback).await.status, 303);
    assert_eq!(bob.get(&callback).await.status, 403, "once");

    let late = bed.browser();
    let request = late.leaves("/console/sign-in").await;
    bed.world.advance(600);
    let query = bed.provider.lets_in(&request, "b1", json!({}), bed.world.now());
    assert_eq!(late.get(&format!("{CONSOLE}/callback?{query}")).await.status, 403, "too late");
}

/// U6, U7: nobody is an owner by a name, and the provider's word counts for its own people alone.
#[tokio::test]
async fn whoever_is_no_owner_is_told_so_and_gets_no_session() {
    let bed = Bed::new();
    let unverified = json!({"email": "carol@bob.example", "email_verified": false});
    let named = json!({"name": "bob", "preferred_username": "b1", "email": "x@bob.example"});
    for (sub, more, status) in [
        ("b2", json!({}), 403),
        ("bob", json!({}), 403),
        ("c1", unverified, 403),
        ("c1", json!({"email": "carol@bob.example"}), 403),
        ("x", named, 403),
        ("b1", json!({"iss": "https://idp.evil.example"}), 502),
        ("b1", json!({"aud": "another client"}), 502),
        ("b1", json!({"nonce": "another nonce"}), 502),
        ("b1", json!({"exp": 0}), 502),
        ("b1", json!({"sub": Value::Null}), 502),
    ] {
        let browser = bed.browser();
        let answer = browser.sign_in("/console/sign-in", sub, more.clone()).await;
        assert_eq!(answer.status, status, "{sub} {more}: {answer:?}");
        assert!(!browser.cookies.lock().unwrap().contains_key("__Host-console"), "{more}");
        asks_to_sign_in(&browser.get(CONSOLE).await);
    }
    assert_eq!(bed.carol().await.get(CONSOLE).await.status, 200);
}

#[tokio::test]
async fn what_the_provider_answers_otherwise_is_refused() {
    let bed = Bed::new();
    for change in [
        |query: &str| query.replace("iss=", "iss=x"),
        |query: &str| query.replace("code=", "error=access_denied&other="),
        |query: &str| query.replace("code=", "code=x"),
    ] {
        let bob = bed.browser();
        let request = bob.leaves("/console/sign-in").await;
        let query = bed.provider.lets_in(&request, "b1", json!({}), bed.world.now());
        let answer = bob.get(&format!("{CONSOLE}/callback?{}", change(&query))).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        asks_to_sign_in(&bob.get(CONSOLE).await);
    }
    for query in ["", "state=x", "state=a&state=b", "code=c"] {
        let answer = bed.browser().get(&format!("{CONSOLE}/callback?{query}")).await;
        assert_eq!(answer.status, 403, "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_keeps_nobody_from_trying_again() {
    let bed = Bed::new();
    *bed.provider.is_down.lock().unwrap() = true;
    let bob = bed.browser();
    let answer = bob.get("/console/sign-in").await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.text.contains("id=\"sign-in\""), "{answer:?}");
    *bed.provider.is_down.lock().unwrap() = false;
    bed.world.advance(60);
    assert_eq!(bob.sign_in("/console/sign-in", "b1", json!({})).await.status, 303);
}

/// One comes back to a page of the console, and nowhere else.
#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let bed = Bed::new();
    for elsewhere in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2Fconsole.evil.example",
        "%2Fconsoles",
        "%2Fconsole%2F%5C%5Cevil.example",
        "%2Fconsole%0D%0ALocation%3A",
        "console",
        "%2Ftoken",
        "",
    ] {
        let answer = bed.browser().get(&format!("/console/sign-in?to={elsewhere}")).await;
        assert_eq!(answer.status, 400, "{elsewhere}: {answer:?}");
    }
}

#[tokio::test]
async fn a_session_ends_by_doing_nothing_by_its_age_and_by_signing_out() {
    let bed = Bed::new();
    let bob = bed.bob().await;
    let shows = |answer: &crate::support::Answer| answer.text.contains("id=\"sign-out\"");
    bed.world.advance(1799);
    assert!(shows(&bob.get(CONSOLE).await), "half an hour is not over");
    bed.world.advance(1799);
    assert!(shows(&bob.get(CONSOLE).await), "and began anew");
    bed.world.advance(1800);
    assert!(!shows(&bob.get(CONSOLE).await), "too long without doing anything");

    let bob = bed.bob().await;
    for _ in 0..23 {
        bed.world.advance(1700);
        assert!(shows(&bob.get(CONSOLE).await));
    }
    bed.world.advance(1700);
    bed.world.advance(1700);
    let end = 12 * 3600 - 25 * 1700;
    bed.world.advance(end);
    assert!(!shows(&bob.get(CONSOLE).await), "twelve hours at all");

    let bob = bed.bob().await;
    let page = bob.get(CONSOLE).await;
    let stolen = bob.cookies.lock().unwrap().clone();
    let form = fields(&page.text, "sign-out");
    let form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
    leads_to(&bob.post("/console/sign-out", &form).await, "/console/signed-out");
    assert!(!bob.cookies.lock().unwrap().contains_key("__Host-console"));
    *bob.cookies.lock().unwrap() = stolen;
    asks_to_sign_in(&bob.get(CONSOLE).await);
}

/// What the audit log says of signing in and out: what happened, and to whom.
fn said(log: &Log) -> Vec<(String, String)> {
    let lines = log.audited(": an owner");
    let said = lines.iter().map(|line| {
        let (_, said) = line.split_once(": an owner").unwrap();
        let (what, whom) = said.split_once(" issuer=").unwrap();
        (what.to_owned(), whom.to_owned())
    });
    said.collect()
}

/// Which session gave way is in the log with whose it was, as when they sign out.
#[tokio::test]
async fn the_audit_log_says_whose_session_gave_way() {
    let bed = Bed::new();
    let carol = json!({"email": "carol@bob.example", "email_verified": true});
    let log = Log::default();
    let _heard = log.hear();
    let browser = bed.bob().await;
    browser.sign_in("/console/sign-in", "c1", carol).await;
    let [bob, gone, carol] = &*said(&log) else { panic!("{}", log.text()) };
    assert_eq!((&*bob.0, &*gone.0, &*carol.0), (" signed in", GAVE_WAY, " signed in"));
    assert_eq!(bob.1, gone.1);
    assert!(bob.1.ends_with(" subject=b1 owners=[OwnerId(\"bob\")]"), "{}", bob.1);
    assert!(carol.1.ends_with(" subject=c1 owners=[OwnerId(\"carol\")]"), "{}", carol.1);
    // Of one that was over there is nothing to say.
    bed.world.advance(1800);
    browser.sign_in("/console/sign-in", "b1", json!({})).await;
    assert_eq!(said(&log).len(), 4);
}

const GAVE_WAY: &str = "'s session ended for a new one to begin";

/// Wherever the store fails, the answer and the log say who is signed in.
#[tokio::test]
async fn with_a_store_that_fails_the_log_says_exactly_who_is_signed_in() {
    let engine = Arc::new(Watched::default());
    let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
    for left in 0.. {
        assert!(left < 200, "it fails to the end");
        let bob = bed.bob().await;
        let request = bob.leaves("/console/sign-in").await;
        let query = bed.provider.lets_in(&request, "b1", json!({}), bed.world.now());
        let former = bob.cookies.lock().unwrap().clone();
        let log = Log::default();
        let heard = log.hear();
        engine.left.store(left, Ordering::SeqCst);
        let answer = bob.get(&format!("{CONSOLE}/callback?{query}")).await;
        engine.left.store(usize::MAX, Ordering::SeqCst);
        drop(heard);
        let said: Vec<_> = said(&log).into_iter().map(|(what, _)| what).collect();
        let is_signed_in = answer.status == 303;
        assert_eq!(said.contains(&" signed in".to_owned()), is_signed_in, "{left}: {said:?}");
        let before = bed.browser();
        *before.cookies.lock().unwrap() = former;
        let is_over = !before.get(CONSOLE).await.text.contains("id=\"sign-out\"");
        assert_eq!(said.contains(&GAVE_WAY.to_owned()), is_over, "{left}: {said:?}");
        if is_signed_in {
            assert!(bob.get(CONSOLE).await.text.contains("id=\"sign-out\""));
            assert!(is_over && left > 5, "{left}");
            break;
        }
        assert_eq!(answer.status, 503, "{left}");
    }
}

/// Whoever closes the browser meanwhile has a new session in the place of the former, and the log
/// says so, or the former.
#[tokio::test]
async fn the_log_says_exactly_who_is_signed_in_though_they_go_away() {
    for turns in 0.. {
        let engine = Arc::new(Watched::default());
        let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
        let bob = bed.bob().await;
        let request = bob.leaves("/console/sign-in").await;
        let query = bed.provider.lets_in(&request, "b1", json!({}), bed.world.now());
        let callback = format!("{CONSOLE}/callback?{query}");
        let former = bob.cookies.lock().unwrap().clone();
        let log = Log::default();
        let heard = log.hear();
        let is_answered = engine.slowly(let_go(bob.get(&callback), turns)).await;
        drop(heard);
        let before = bed.browser();
        *before.cookies.lock().unwrap() = former;
        let is_over = !before.get(CONSOLE).await.text.contains("id=\"sign-out\"");
        let said: Vec<_> = said(&log).into_iter().map(|(what, _)| what).collect();
        let both = [GAVE_WAY.to_owned(), " signed in".to_owned()];
        assert_eq!(said, if is_over { &both[..] } else { &[] }, "after {turns} turns");
        // A session and the handle of it.
        let now = Timestamp::from_unix(bed.world.now());
        let kept = engine.count(RecordTable::Sessions, &[], now).await.unwrap();
        assert_eq!(kept, 2, "after {turns} turns");
        if is_answered {
            assert!(is_over && turns > 4, "{turns}");
            break;
        }
    }
}

/// A fresh handle, whatever the browser sent, and the former session is over.
#[tokio::test]
async fn signing_in_again_begins_a_session_that_nobody_knew() {
    let bed = Bed::new();
    let bob = bed.bob().await;
    let former = bob.cookies.lock().unwrap().clone();
    bob.sign_in("/console/sign-in", "b1", json!({})).await;
    assert_ne!(bob.cookies.lock().unwrap()["__Host-console"], former["__Host-console"]);
    let other = bed.browser();
    *other.cookies.lock().unwrap() = former;
    asks_to_sign_in(&other.get(CONSOLE).await);
    for planted in ["x".repeat(43), String::new(), "../../x".to_owned()] {
        let cookies = [("__Host-console".to_owned(), planted)];
        *other.cookies.lock().unwrap() = cookies.into_iter().collect();
        asks_to_sign_in(&other.get(CONSOLE).await);
    }
}

struct Stands;

impl Clock for Stands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(crate::support::NOW)
    }
}

#[tokio::test]
async fn a_session_outlives_the_server_and_ends_with_what_it_rests_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("uma.db");
    let open =
        || -> Arc<dyn Engine> { Arc::new(SqliteEngine::open(&file, Arc::new(Stands)).unwrap()) };
    let cookies = {
        let bed = Bed::on(open());
        let bob = bed.bob().await;
        bob.cookies.lock().unwrap().clone()
    };
    {
        let bed = Bed::on(open());
        let bob = bed.browser();
        *bob.cookies.lock().unwrap() = cookies.clone();
        assert!(bob.get(CONSOLE).await.text.contains("id=\"sign-out\""));
    }
    // Bob is no owner any more.
    let bed = Bed::with_owners(open(), Vec::new());
    let bob = bed.browser();
    *bob.cookies.lock().unwrap() = cookies;
    asks_to_sign_in(&bob.get(CONSOLE).await);
}

#[tokio::test]
async fn without_a_console_there_are_no_pages() {
    let world = crate::support::World::on(Arc::new(MemoryEngine::new()), Default::default());
    for path in [CONSOLE, "/console/sign-in", "/console/style.css"] {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        crate::support::refused(&world.send(request).await, 404, "not_found");
    }
}
