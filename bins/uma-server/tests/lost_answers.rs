//! The loop of flow 003 at the program itself, over TLS: its answers get lost on the way, and it is
//! killed.
//!
//! A client whose answer was lost has nothing to go on with: its ticket is spent. It begins anew,
//! and neither is the owner asked twice nor is anything forgotten that they said.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_testkit::browser::{self, Browser, attribute, fields};
use countersign_testkit::{Deployment, names};
use http::Response;

use self::world::{World, member, refused};

/// Bob, in a browser at his console.
struct Bob(Browser);

impl Bob {
    async fn signs_in(world: &World) -> Self {
        let browser = Browser::new(Arc::clone(&world.http));
        let console = browser.signs_in_at_console("bob").await;
        assert_eq!(browser::location(&console), format!("{}/console", names::UMA));
        Self(browser)
    }

    async fn page(&self, path: &str) -> String {
        let page = self.0.get(&format!("{}{path}", names::UMA)).await;
        assert_eq!(page.status(), 200);
        browser::text(&page)
    }

    /// Where the only person is whom he knows.
    async fn person(&self) -> String {
        let people = self.page("/console/people").await;
        assert_eq!(people.matches("class=\"person\"").count(), 1, "{people}");
        attribute(people.split_once("class=\"person\"").unwrap().1, "href")
    }

    /// Sends a form as it stands, with a verdict.
    async fn says(&self, path: &str, form: &str, verdict: &str) -> Response<Bytes> {
        let stands = fields(&self.page(path).await, form);
        let mut fields: Vec<_> = stands.iter().map(|(name, it)| (&**name, &**it)).collect();
        fields.push(("verdict", verdict));
        let done = self.0.post(&format!("{}{path}", names::UMA), &fields).await;
        assert!(browser::location(&done).ends_with(path), "{done:?}");
        done
    }

    /// How often something stands in the history.
    async fn happened(&self, what: &str) -> usize {
        self.page("/console/history").await.matches(what).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_get_lost_and_the_server_is_killed_in_between() {
    let mut world = World::start(Deployment::builder(), |_| {}, &[]).await;
    let pat = world.pat().await;
    let resource = world.resource(&pat).await;

    // Alice asks. That Bob is asked she does not hear, nor the ticket to come back with.
    let first = world.ticket(&pat, &resource).await;
    let submitted = world.redeem(&first, Some(names::ALICE)).await;
    refused(&submitted, 403, "request_submitted");
    world.lost(submitted).await;
    refused(&world.redeem(&first, Some(names::ALICE)).await, 400, "invalid_grant");
    refused(&world.redeem(&first, None).await, 400, "invalid_grant");
    let second = world.ticket(&pat, &resource).await;
    let submitted = world.redeem(&second, Some(names::ALICE)).await;
    let waiting = member(&submitted, 403, "ticket");
    refused(&submitted, 403, "request_submitted");

    // Bob was asked once. That he is heard he does not hear.
    let bob = Bob::signs_in(&world).await;
    assert_eq!(bob.happened("<strong>Asked</strong>").await, 1);
    let person = bob.person().await;
    let approved = bob.says(&person, "decide-1", "approve").await;
    world.lost(approved).await;

    // Her last ticket outlived both, and goes round the loop. What it is worth she does not hear.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = world.redeem(&waiting, None).await;
    refused(&answer, 403, "need_info");
    let rotated = member(&answer, 403, "ticket");
    let granted = world.redeem(&rotated, Some(names::ALICE)).await;
    assert_eq!(granted.0, 200, "{granted:?}");
    world.lost(granted).await;
    for spent in [&waiting, &rotated] {
        refused(&world.redeem(spent, Some(names::ALICE)).await, 400, "invalid_grant");
    }
    // The approval stands, so that she begins anew and is in.
    let third = world.ticket(&pat, &resource).await;
    let rpt = member(&world.redeem(&third, Some(names::ALICE)).await, 200, "access_token");
    assert!(world.is_active(&pat, &rpt).await);

    // Bob takes it back, and does not hear that either.
    let bob = Bob::signs_in(&world).await;
    let revoked = bob.says(&person, "revoke", "revoke").await;
    world.lost(revoked).await;
    assert!(!world.is_active(&pat, &rpt).await);
    let last = world.ticket(&pat, &resource).await;
    refused(&world.redeem(&last, Some(names::ALICE)).await, 403, "request_denied");

    // Everything happened once.
    let bob = Bob::signs_in(&world).await;
    for (what, times) in [("Asked", 1), ("Allowed by", 1), ("Everything taken back by", 1)] {
        assert_eq!(bob.happened(&format!("<strong>{what}")).await, times, "{what}");
    }
}
