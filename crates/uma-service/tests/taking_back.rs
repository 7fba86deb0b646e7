//! An owner takes everything back from a person: by whichever address they asked, and from nobody
//! else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use countersign_store::MemoryEngine;
use countersign_uma::case::{OwnerDecision, Verdict};
use countersign_uma::{Case, PersonId};
use serde_json::json;
use support::{World, bob, issuer_of, refused, rpt, rules_of, submitted};

/// Bob's server, and what he wants to be asked about.
struct Asking {
    world: World,
    pat: String,
    id: String,
}

impl Asking {
    async fn start() -> Self {
        let world = World::configured(&[], Arc::new(MemoryEngine::new()), |_| {});
        let rule = json!({"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true});
        world.change_policy(rules_of(json!([rule])));
        let pat = world.pat("rs").await;
        let id = world.register(&pat).await;
        Self { world, pat, id }
    }

    /// Whoever their provider knows as this, and has this address, asks.
    async fn answer(&self, sub: &str, email: &str) -> (support::Answer, String) {
        let ticket = self.world.ticket_for(&self.pat, &self.id).await;
        let mut claims = self.world.claims(&ticket);
        claims["sub"] = json!(sub);
        (claims["email"], claims["iss"]) = (json!(email), json!(issuer_of(email)));
        (self.world.redeem(&ticket, &claims, &[]).await, ticket)
    }

    /// The same, and waits: as whom.
    async fn asks(&self, sub: &str, email: &str) -> PersonId {
        let (answer, ticket) = self.answer(sub, email).await;
        submitted(&answer, &ticket);
        PersonId::of(self.case(email).await.person())
    }

    async fn case(&self, email: &str) -> Case {
        let cases = self.world.uma.cases(&bob()).await.unwrap();
        cases.into_iter().find(|case| case.person().email.as_str() == email).unwrap()
    }

    async fn approve(&self, person: &PersonId) {
        let case = self.world.uma.case(&bob(), person).await.unwrap().unwrap();
        let asked = &case.history()[0];
        let (client, present) = asked.through.clone().unwrap();
        let decision = OwnerDecision {
            client,
            present,
            permissions: asked.permissions.clone(),
            verdict: Verdict::Approve,
            seen: case.revision(),
            by: "bob".to_owned(),
        };
        self.world.uma.decide(&bob(), person, decision).await.unwrap();
    }

    async fn is_active(&self, token: &str) -> bool {
        let answer = self.world.form("/introspect", &self.pat, &[("token", token)]).await;
        answer.json()["active"] == true
    }
}

#[tokio::test]
async fn who_asked_by_two_addresses_is_out_by_both() {
    let asking = Asking::start().await;
    // A subject is one issuer's, and an issuer has many.
    let people = [
        ("a1", "alice@alice.example", false),
        ("a1", "alice.a@alice.example", false),
        ("a2", "anna@alice.example", true),
        ("a1", "dave@dave.example", true),
    ];
    let mut tokens = Vec::new();
    for (sub, email, _) in people {
        asking.approve(&asking.asks(sub, email).await).await;
        tokens.push(rpt(&asking.answer(sub, email).await.0));
    }
    let alice = PersonId::of(asking.case("alice@alice.example").await.person());
    assert!(asking.world.uma.revoke(&bob(), &alice, "bob").await.unwrap().is_some());
    for (token, (sub, email, is_in)) in tokens.iter().zip(people) {
        assert_eq!(asking.is_active(token).await, is_in, "{email}");
        let (answer, _) = asking.answer(sub, email).await;
        if is_in {
            rpt(&answer);
        } else {
            refused(&answer, 403, "request_denied");
        }
    }
    assert!(asking.world.uma.revoke(&bob(), &alice, "bob").await.unwrap().is_none());
}

/// However many others there are: the cases are read in parts.
#[tokio::test]
async fn the_other_address_is_found_among_many_people() {
    let asking = Asking::start().await;
    for number in 0..260 {
        asking.asks(&format!("s{number}"), &format!("p{number}@alice.example")).await;
    }
    let cases = asking.world.uma.cases(&bob()).await.unwrap();
    let last = cases.last().unwrap().person().clone();
    let id = PersonId::of(&last);
    asking.approve(&id).await;
    let token = rpt(&asking.answer(&last.sub, last.email.as_str()).await.0);
    let other = asking.asks(&last.sub, "another@alice.example").await;
    asking.world.uma.revoke(&bob(), &other, "bob").await.unwrap().unwrap();
    assert!(!asking.is_active(&token).await);
}
