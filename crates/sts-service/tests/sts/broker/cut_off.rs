//! Whoever comes back from a provider and goes away, or meets a store that fails.

use std::sync::Arc;

use countersign_store::Sessions;
use countersign_types::secret::SessionHandle;
use countersign_types::{Clock as _, Timestamp};
use serde_json::{Value, json};

use super::people::People;
use super::provider::Provider;
use super::{Case, LIBRARY, both};
use crate::browser::Browser;
use crate::support::*;

const COOKIE: &str = "__Host-session";

fn slowly() -> (Arc<Watched>, Case) {
    let (engine, provider) = (Arc::new(Watched::default()), Arc::new(Provider::new()));
    let (people, kept) = (People::new([]), Arc::clone(&engine));
    (engine, Case::of(people, kept, provider, both(), |upstreams| upstreams))
}

/// Where the library sends a browser back to, with somebody who has just signed in there.
async fn back(case: &Case, browser: &Browser<'_>, change: &[(&str, &str)]) -> String {
    let request = case.chosen(browser, "library", change).await;
    let mut token = Provider::claims(&request, "7");
    token["auth_time"] = json!(case.world.clock.now());
    format!("/login/callback/library?{}", case.provider.lets_in(&request, token))
}

/// A browser whose session is a minute old, and where its person has signed in again.
async fn again<'a>(case: &'a Case) -> (Browser<'a>, String) {
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("library", "7"), &[], |_| {}).await;
    case.world.clock.advance(60);
    let back = back(case, &browser, &[("prompt", "login")]).await;
    (browser, back)
}

/// Whether the one session there is was renewed, and whether a handle of it is good.
async fn stands(engine: &Arc<Watched>, case: &Case, handle: &str) -> (bool, bool) {
    let sessions = Sessions::<Value>::new(Arc::clone(engine) as _);
    let now = Timestamp::from_unix(NOW + 60);
    let subject = case.people.imported()[0].account.subject.clone();
    let [session] = sessions.list(&subject, now).await.unwrap().try_into().unwrap();
    let found = sessions.find(&SessionHandle::new(handle), now).await.unwrap();
    (!session["again"].is_null(), found.is_some())
}

/// Who knows the handle of before has nothing of the session as it is after that.
#[tokio::test]
async fn a_session_goes_on_under_another_handle_or_as_it_was_though_its_person_goes_away() {
    for turns in 0.. {
        let (engine, case) = slowly();
        let (browser, back) = again(&case).await;
        let former = browser.cookie(COOKIE).unwrap();
        let is_answered = engine.slowly(let_go(browser.get(&back), turns)).await;
        let (is_renewed, is_good) = stands(&engine, &case, &former).await;
        assert_eq!(is_good, !is_renewed, "after {turns} turns");
        if is_answered {
            assert!(is_renewed && turns > 3, "{turns}");
            break;
        }
    }
}

#[tokio::test]
async fn no_session_is_renewed_under_its_former_handle_though_the_store_fails() {
    for left in 0.. {
        assert!(left < 200, "it fails to the end");
        let (engine, case) = slowly();
        let (browser, back) = again(&case).await;
        let former = browser.cookie(COOKIE).unwrap();
        let answer = engine.failing(left, browser.get(&back)).await;
        let (is_renewed, is_good) = stands(&engine, &case, &former).await;
        assert!(!(is_renewed && is_good), "after {left} operations");
        if answer.location("code").is_some() {
            assert!(is_renewed && left > 3, "{left}");
            break;
        }
        assert_eq!(answer.status.as_u16(), 503, "after {left} operations");
    }
}

#[tokio::test]
async fn the_log_says_exactly_whose_session_ended_for_anothers_though_they_go_away() {
    for turns in 0.. {
        let (engine, case) = slowly();
        let browser = Browser::new(&case.world);
        case.arrives(&browser, ("library", "8"), &[], |_| {}).await;
        let former = SessionHandle::new(browser.cookie(COOKIE).unwrap());
        let back = back(&case, &browser, &[("prompt", "login")]).await;
        let log = Log::default();
        let heard = log.hear();
        let is_answered = engine.slowly(let_go(browser.get(&back), turns)).await;
        drop(heard);
        let sessions = Sessions::<Value>::new(Arc::clone(&engine) as _);
        let found = sessions.find(&former, Timestamp::from_unix(NOW)).await.unwrap();
        let ended = log.audited("a person's session ended for another's to begin");
        assert_eq!(ended.len(), usize::from(found.is_none()), "after {turns} turns");
        if is_answered {
            assert!(found.is_none() && turns > 3, "{turns}");
            break;
        }
    }
}

/// No account is made that nobody gets into.
#[tokio::test]
async fn an_account_is_made_with_its_link_though_its_person_goes_away() {
    for turns in 0.. {
        let (engine, case) = slowly();
        let browser = Browser::new(&case.world);
        let back = back(&case, &browser, &[]).await;
        let is_answered = engine.slowly(let_go(browser.get(&back), turns)).await;
        let is_linked = case.link(LIBRARY, "7").await.is_some();
        assert_eq!(case.people.imported().len(), usize::from(is_linked), "after {turns} turns");
        if is_answered {
            assert!(is_linked && turns > 3, "{turns}");
            break;
        }
    }
}
