//! The yes that links an account is a sign-in without another password, so it counts once and not
//! for long.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use super::linking::as_alice;
use super::people::People;
use super::provider::Provider;
use super::{Case, UNIVERSITY, both, is_nobody};
use crate::browser::Browser;
use crate::support::*;

/// The page that asks whether the two belong together.
async fn asked(case: &Case, browser: &Browser<'_>, change: &[(&str, &str)]) -> Answer {
    let page = case
        .arrives(browser, ("university", "7"), change, |token| {
            as_alice(token);
            token["auth_time"] = json!(NOW);
        })
        .await;
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert!(page.text.contains("Do the two belong together?"), "{}", page.text);
    page
}

const YES: &[(&str, &str)] = &[("decision", "link")];

/// Nobody gets anywhere: there is a fresh form to sign in.
#[track_caller]
fn starts_over(page: &Answer) {
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert!(page.text.contains("name=\"password\""), "{}", page.text);
}

#[tokio::test]
async fn f001_9_a_yes_counts_once() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let page = asked(&case, &browser, &[]).await;
    let answer = browser.submit(&page, YES).await;
    assert!(answer.location("code").is_some(), "{}", answer.text);
    starts_over(&browser.submit(&page, YES).await);

    // Whoever finds the page in a browser that was left does not come in by it.
    let left = Browser::new(&case.world);
    left.set_cookie("__Host-login", &browser.cookie("__Host-login").unwrap());
    starts_over(&left.submit(&page, YES).await);
    assert!(is_nobody(&left).await);

    // Nor does it make again what was ended.
    let account = browser.get("/account").await;
    let (_, rest) = account.text.split_once("name=\"link\" value=\"").unwrap();
    let link = rest.split('"').next().unwrap();
    let token = hidden(&account.text);
    let fields = [("form_token", token.as_str()), ("link", link)];
    let ended = browser.post("/account/unlink", &fields).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.text);
    starts_over(&browser.submit(&page, YES).await);
    assert!(!browser.get("/account").await.text.contains("name=\"link\""));
    let again = case.arrives(&left, ("university", "7"), &[], as_alice).await;
    assert!(again.text.contains("You have an account here already"), "{}", again.text);
}

/// A yes that counted has linked the two, though the person closes the browser meanwhile.
#[tokio::test]
async fn f001_9_a_yes_counts_whole_though_the_person_goes_away() {
    for turns in 0.. {
        let (engine, provider) = (Arc::new(Watched::default()), Arc::new(Provider::new()));
        let (people, kept) = (People::new([user("alice", true)]), Arc::clone(&engine));
        let case = Case::of(people, kept, provider, both(), |upstreams| upstreams);
        let browser = Browser::new(&case.world);
        let page = asked(&case, &browser, &[]).await;
        let is_answered = engine.slowly(let_go(browser.submit(&page, YES), turns)).await;
        // One that did not count counts now.
        browser.submit(&page, YES).await;
        assert!(case.link(UNIVERSITY, "7").await.is_some(), "after {turns} turns");
        if is_answered {
            assert!(turns > 3, "{turns}");
            break;
        }
    }
}

/// `max_age` holds for whoever reads the page for long.
#[tokio::test]
async fn f001_9_a_yes_that_comes_late_is_no_young_sign_in() {
    for (waits, comes_in) in [(60, true), (61, false)] {
        let case = Case::new();
        let browser = Browser::new(&case.world);
        let page = asked(&case, &browser, &[("max_age", "60")]).await;
        case.world.clock.advance(waits);
        let answer = browser.submit(&page, YES).await;
        assert_eq!(answer.location("code").is_some(), comes_in, "{waits} {}", answer.text);
        assert_eq!(answer.text.contains("name=\"password\""), !comes_in, "{waits}");
        assert_eq!(is_nobody(&browser).await, !comes_in, "{waits}");
    }
}
