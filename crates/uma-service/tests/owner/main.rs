//! The owner is asked: requests wait over polls and restarts, and decisions are one step each.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bounds;
mod cut_off;
mod races;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_types::{ClientId, Clock, Lifetime, Timestamp};
use countersign_uma::case::{CaseError, Happened, OwnerDecision, Verdict};
use countersign_uma::protection::OwnerId;
use countersign_uma::{Case, PersonId, Protection};
use countersign_uma_service::{OwnerError, audit};
use serde_json::{Value, json};
use support::{Answer, NOW, World, bob, issuer_of, need_info, refused, rpt, rules_of, submitted};
use tempfile::TempDir;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

/// Bob wants to be asked about everybody.
fn asking(engine: Arc<dyn Engine>, cases: usize) -> World {
    let world = World::configured(&[], engine, |config| config.limits.cases = cases);
    let rule = json!({"resource": "*", "scopes": ["get", "put"], "domains": ["*"], "ask": true});
    world.change_policy(rules_of(json!([rule])));
    world
}

fn world() -> World {
    asking(Arc::new(MemoryEngine::new()), 100)
}

/// Alice asks for `get` at this resource, and waits.
async fn ask(world: &World, pat: &str, id: &str) -> (String, i64) {
    let ticket = world.ticket_for(pat, id).await;
    submitted(&world.redeem(&ticket, &world.claims(&ticket), &[]).await, &ticket)
}

/// Who has this address asks for `get` at this resource: the answer, and the ticket it is to.
async fn ask_for(world: &World, pat: &str, id: &str, email: &str) -> (Answer, String) {
    let ticket = world.ticket_for(pat, id).await;
    let mut claims = world.claims(&ticket);
    (claims["email"], claims["iss"]) = (json!(email), json!(issuer_of(email)));
    (world.redeem(&ticket, &claims, &[]).await, ticket)
}

/// The one case before Bob.
async fn case(world: &World) -> Case {
    let cases = world.uma.cases(&bob()).await.unwrap();
    let [case] = &*cases else { panic!("{cases:?}") };
    case.clone()
}

/// What Bob would say of everything that was ever asked through `app`.
fn decision(case: &Case, verdict: Verdict) -> OwnerDecision {
    let event = &case.history()[0];
    let (client, present) = event.through.clone().unwrap();
    let (permissions, seen) = (event.permissions.clone(), case.revision());
    OwnerDecision { client, present, permissions, verdict, seen, by: "bob".to_owned() }
}

async fn say(world: &World, verdict: Verdict) -> Case {
    let case = case(world).await;
    let person = PersonId::of(case.person());
    world.uma.decide(&bob(), &person, decision(&case, verdict)).await.unwrap()
}

async fn revoke(world: &World) -> Option<Case> {
    let person = PersonId::of(case(world).await.person());
    world.uma.revoke(&bob(), &person, "bob").await.unwrap()
}

/// The scopes of a token, by introspection; null if it is not active.
async fn scopes(world: &World, pat: &str, token: &str) -> Value {
    let answer = world.form("/introspect", pat, &[("token", token)]).await;
    let body = answer.json();
    assert!(body["active"] == true || body == json!({"active": false}), "{body}");
    body["permissions"][0]["resource_scopes"].clone()
}

#[tokio::test]
async fn grant_10_alice_waits_bob_approves_and_takes_it_back() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let (ticket, interval) = ask(&world, &pat, &id).await;
    assert_eq!(interval, 5);
    assert_eq!(world.recorded().answer, audit::Answer::Submitted);

    // What Bob sees: who, by whose word, through which client, for what.
    let seen = case(&world).await;
    assert!(seen.is_waiting(at(NOW)));
    assert_eq!(seen.person().iss.as_str(), support::STS);
    assert_eq!(seen.person().email.as_str(), "alice@alice.example");
    let entry = &seen.entries()[0];
    assert_eq!((entry.client.as_str(), entry.resource_id.as_str()), ("app", &*id));
    assert_eq!((&*entry.scope, entry.present), ("get", true));

    world.advance(interval);
    let (ticket, interval) = submitted(&world.present("app", &ticket, &[]).await, &ticket);
    say(&world, Verdict::Approve).await;
    world.advance(interval);
    let next = need_info(&world.present("app", &ticket, &[]).await, &ticket);
    let token = rpt(&world.redeem(&next, &world.claims(&next), &[]).await);
    assert_eq!(scopes(&world, &pat, &token).await, json!(["get"]));
    assert!(world.recorded().checks.iter().all(|check| check.passed));

    // An approval stands: who comes again is not asked about again.
    let ticket = world.ticket_for(&pat, &id).await;
    let second = rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);

    let revoked = revoke(&world).await.unwrap();
    for token in [token, second] {
        assert_eq!(scopes(&world, &pat, &token).await, Value::Null, "at once");
    }
    let ticket = world.ticket_for(&pat, &id).await;
    let answer = world.redeem(&ticket, &world.claims(&ticket), &[]).await;
    refused(&answer, 403, "request_denied");
    assert!(answer.json().get("ticket").is_none());
    let happened: Vec<_> = revoked.history().iter().map(|event| &event.what).collect();
    assert_eq!(happened, [&Happened::Asked, &Happened::Approved, &Happened::Revoked]);
    assert!(revoke(&world).await.is_none(), "nothing is left to take back");
}

#[tokio::test]
async fn grant_10_bob_says_no() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let (ticket, interval) = ask(&world, &pat, &id).await;
    say(&world, Verdict::Deny).await;
    world.advance(interval);
    let answer = world.present("app", &ticket, &[]).await;
    refused(&answer, 403, "request_denied");
    assert!(answer.json().get("ticket").is_none());
    refused(&world.present("app", &ticket, &[]).await, 400, "invalid_grant");
}

#[tokio::test]
async fn another_decision_bites_at_the_next_use() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    ask(&world, &pat, &id).await;
    say(&world, Verdict::Approve).await;
    let ticket = world.ticket_for(&pat, &id).await;
    let token = rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
    say(&world, Verdict::Deny).await;
    assert_eq!(scopes(&world, &pat, &token).await, Value::Null);
    say(&world, Verdict::Approve).await;
    assert_eq!(scopes(&world, &pat, &token).await, json!(["get"]));
    say(&world, Verdict::Reopen).await;
    assert_eq!(scopes(&world, &pat, &token).await, Value::Null);
    ask(&world, &pat, &id).await;
    // The policy has its say as before.
    say(&world, Verdict::Approve).await;
    world.change_policy(rules_of(json!([])));
    assert_eq!(scopes(&world, &pat, &token).await, Value::Null);
}

/// Who waits when the administrator changes the rules is let in or refused by those of now, as
/// whoever comes anew is: over a restart, and though the owner said nothing.
#[tokio::test]
async fn who_waits_goes_by_the_rules_of_now() {
    let rule = json!({"resource": "*", "scopes": ["get", "put"], "domains": ["alice.example"]});
    for rules in [json!([rule]), json!([])] {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let ticket = {
            let world = asking(Arc::clone(&engine), 100);
            let pat = world.pat("rs").await;
            let id = world.register(&pat).await;
            ask(&world, &pat, &id).await.0
        };
        let world = World::configured(&[], engine, |_| {});
        world.change_policy(rules_of(rules.clone()));
        world.advance(5);
        let answer = world.present("app", &ticket, &[]).await;
        let ticket = need_info(&answer, &ticket);
        let answer = world.redeem(&ticket, &world.claims(&ticket), &[]).await;
        if rules == json!([]) {
            refused(&answer, 403, "request_denied");
        } else {
            rpt(&answer);
        }
    }
}

#[tokio::test]
async fn a_waiting_ticket_is_its_clients_and_good_once() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let (ticket, interval) = ask(&world, &pat, &id).await;
    world.advance(interval);
    for stranger in ["app2", "public"] {
        refused(&world.present(stranger, &ticket, &[]).await, 400, "invalid_grant");
    }
    let (next, _) = submitted(&world.present("app", &ticket, &[]).await, &ticket);
    refused(&world.present("app", &ticket, &[]).await, 400, "invalid_grant");
    // The challenge is that of the newest ticket (U17).
    world.advance(5);
    let stale = world.redeem(&next, &world.claims(&ticket), &[]).await;
    let next = need_info(&stale, &next);
    submitted(&world.redeem(&next, &world.claims(&next), &[]).await, &next);
}

/// CVE-2026-4636, CVE-2025-14778: nothing of another owner, or at another resource server, is
/// reached.
#[tokio::test]
async fn nobody_decides_for_another_owner() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    ask(&world, &pat, &id).await;
    let case = case(&world).await;
    let person = PersonId::of(case.person());
    for (owner, server) in [("carol", "rs"), ("bob", "rs3"), ("carol", "rs2")] {
        let other =
            Protection::new(OwnerId::parse(owner).unwrap(), ClientId::parse(server).unwrap());
        assert!(world.uma.cases(&other).await.unwrap().is_empty());
        assert!(world.uma.case(&other, &person).await.unwrap().is_none());
        let decided = world.uma.decide(&other, &person, decision(&case, Verdict::Approve)).await;
        assert!(matches!(decided, Err(OwnerError::Case(CaseError::NotAsked))), "{decided:?}");
        assert!(world.uma.revoke(&other, &person, "eve").await.unwrap().is_none());
    }
    assert_eq!(world.uma.case(&bob(), &person).await.unwrap(), Some(case));
}

/// A directory that goes away with the value.
struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The store in it; whoever had it before has to be gone.
    fn engine(&self) -> Arc<dyn Engine> {
        struct Still;
        impl Clock for Still {
            fn now(&self) -> Timestamp {
                at(0)
            }
        }
        Arc::new(SqliteEngine::open(&self.0.path().join("store.db"), Arc::new(Still)).unwrap())
    }

    fn open(&self) -> World {
        asking(self.engine(), 100)
    }
}

/// Two clients wait; the server restarts; one of them never got its last answer.
#[tokio::test]
async fn two_loops_with_a_lost_answer_and_a_restart_in_between() {
    let directory = Directory::new();
    let world = directory.open();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let (first, _) = ask(&world, &pat, &id).await;
    let ticket = world.ticket_for(&pat, &id).await;
    let token = world.sign(&world.claims(&ticket));
    let form = [("claim_token", &*token), ("claim_token_format", support::JWT)];
    let (second, _) = submitted(&world.present("app2", &ticket, &form).await, &ticket);
    world.advance(5);
    // This answer is lost on its way.
    submitted(&world.present("app2", &second, &[]).await, &second);
    drop(world);

    let world = directory.open();
    world.advance(10);
    let (first, _) = submitted(&world.present("app", &first, &[]).await, &first);
    refused(&world.present("app2", &second, &[]).await, 400, "invalid_grant");
    // Who lost an answer begins anew, and is not asked about twice.
    let again = world.ticket_for(&pat, &id).await;
    let token = world.sign(&world.claims(&again));
    let form = [("claim_token", &*token), ("claim_token_format", support::JWT)];
    submitted(&world.present("app2", &again, &form).await, &again);
    let seen = case(&world).await;
    assert_eq!(seen.entries().len(), 2, "{seen:?}");
    assert_eq!(seen.history().len(), 2);
    say(&world, Verdict::Approve).await;
    drop(world);

    let world = directory.open();
    world.advance(20);
    let next = need_info(&world.present("app", &first, &[]).await, &first);
    let token = rpt(&world.redeem(&next, &world.claims(&next), &[]).await);
    assert_eq!(scopes(&world, &pat, &token).await, json!(["get"]));
    let revoked = revoke(&world).await.unwrap();
    assert_eq!(revoked.history().len(), 4);
    drop(world);
    let world = directory.open();
    world.advance(20);
    assert_eq!(scopes(&world, &pat, &token).await, Value::Null);
}

/// A refresh makes no assessment, and is no way around the owner either.
#[tokio::test]
async fn what_an_owner_took_back_is_not_refreshed_to_life() {
    let world = World::configured(&[], Arc::new(MemoryEngine::new()), |config| {
        config.refresh_lifetime = Some(Lifetime::from_secs(3600));
    });
    let rule = json!({"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true});
    world.change_policy(rules_of(json!([rule])));
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    ask(&world, &pat, &id).await;
    say(&world, Verdict::Approve).await;
    let ticket = world.ticket_for(&pat, &id).await;
    let answer = world.redeem(&ticket, &world.claims(&ticket), &[]).await;
    let token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*token),
        ("client_id", "app"),
        ("client_secret", "app"),
    ];
    let before = rpt(&world.form("/token", "", &form).await);
    assert_eq!(scopes(&world, &pat, &before).await, json!(["get"]));
    revoke(&world).await.unwrap();
    let after = rpt(&world.form("/token", "", &form).await);
    for token in [before, after] {
        assert_eq!(scopes(&world, &pat, &token).await, Value::Null);
    }
}
