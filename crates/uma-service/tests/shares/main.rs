//! Owners share and take back while the server runs, under a policy in Cedar.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/panics.rs"]
mod panics;
mod said;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_cedar::{CedarUma, PolicyFiles, uma};
use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_testkit::Watched;
use countersign_testkit::gone::{go_on, let_go};
use countersign_types::{ClientId, Clock, EmailAddress, ScopeSet, Timestamp};
use countersign_uma::case::{OwnerDecision, Verdict};
use countersign_uma::policy::rules::Rules;
use countersign_uma::policy::shares::{Effect, MailDomain, ShareId, Terms, What, Who};
use countersign_uma::protection::OwnerId;
use countersign_uma::resource::ResourceId;
use countersign_uma::{PersonId, Policy, Protection};
use countersign_uma_service::{ShareError, UmaConfig};
use http::Method;
use panics::panics;
use serde_json::{Value, json};
use support::{Answer, World, bob, issuer_of, need_info, refused, rpt, submitted};

fn policy() -> Arc<dyn Policy> {
    let files = Arc::new(PolicyFiles::open_as(uma::SCHEMA, []).unwrap());
    Arc::new(CedarUma::new(files, Rules::new()).unwrap())
}

fn world_on(engine: Arc<dyn Engine>, configure: impl FnOnce(&mut UmaConfig)) -> World {
    World::under(policy(), engine, configure)
}

fn world() -> World {
    world_on(Arc::new(MemoryEngine::new()), |_| {})
}

fn one(id: &str) -> What {
    What::Resource(ResourceId::parse(id).unwrap())
}

fn alice() -> Who {
    Who::Person(EmailAddress::parse("alice@alice.example").unwrap())
}

fn terms(what: What, scopes: &str, who: Who, effect: Effect) -> Terms {
    Terms::new(what, ScopeSet::parse(scopes).unwrap(), who, effect).unwrap()
}

async fn share(world: &World, terms: Terms) -> ShareId {
    world.uma.share(&bob(), terms, "bob").await.unwrap().id
}

async fn unshare(world: &World, id: &ShareId) -> bool {
    world.uma.unshare(&bob(), id, "bob").await.unwrap().is_some()
}

/// Who has this address asks for `get` at this resource, with these claims.
async fn ask(world: &World, pat: &str, id: &str, email: &str, more: &Value) -> (Answer, String) {
    let ticket = world.ticket_for(pat, id).await;
    let mut claims = world.claims(&ticket);
    (claims["email"], claims["iss"]) = (json!(email), json!(issuer_of(email)));
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (world.redeem(&ticket, &claims, &[]).await, ticket)
}

async fn alice_asks(world: &World, pat: &str, id: &str) -> (Answer, String) {
    ask(world, pat, id, "alice@alice.example", &json!({})).await
}

async fn is_active(world: &World, pat: &str, token: &str) -> bool {
    world.form("/introspect", pat, &[("token", token)]).await.json()["active"] == true
}

#[tokio::test]
async fn what_is_shared_counts_from_the_next_use_on_and_so_does_its_end() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let (answer, _) = alice_asks(&world, &pat, &id).await;
    refused(&answer, 403, "request_denied");

    let shared = share(&world, terms(one(&id), "get", alice(), Effect::Permit)).await;
    // Who says nothing of themselves is told that claims would help, and what they are.
    let ticket = world.ticket_for(&pat, &id).await;
    let answer = world.present("app", &ticket, &[]).await;
    need_info(&answer, &ticket);
    assert_eq!(answer.json()["required_claims"][0]["name"], "email");
    let token = rpt(&alice_asks(&world, &pat, &id).await.0);
    assert!(is_active(&world, &pat, &token).await);
    // The log says by what, and the client is told nothing of it.
    let record = world.recorded();
    let note = &record.checks.last().unwrap().note;
    assert_eq!(*note, format!("get at RS API: permitted (by \"share {shared}\")"));
    let (answer, _) = ask(&world, &pat, &id, "dave@dave.example", &json!({})).await;
    refused(&answer, 403, "request_denied");
    assert!(!answer.text.contains(shared.as_str()) && !answer.text.contains("share"));

    // Another share changes nothing for her; the end of hers does at once.
    let all = share(&world, terms(What::Everything, "put", Who::Anyone, Effect::Permit)).await;
    assert!(is_active(&world, &pat, &token).await);
    let list = world.uma.shares(&bob()).await.unwrap();
    assert!(list.iter().map(|share| &share.id).all(|id| [&shared, &all].contains(&id)));
    assert_eq!(list.len(), 2);
    assert!(unshare(&world, &shared).await && !unshare(&world, &shared).await);
    assert!(!is_active(&world, &pat, &token).await);
    assert!(unshare(&world, &all).await);
    assert!(world.uma.shares(&bob()).await.unwrap().is_empty());
}

/// What is on the disk counts at once, though whoever wrote it panicked before it was in memory.
#[tokio::test]
async fn a_change_that_panics_is_seen_as_after_a_restart() {
    let engine = Arc::new(Watched::default());
    let world = world_on(Arc::clone(&engine) as Arc<dyn Engine>, |_| {});
    assert!(world.uma.shares(&bob()).await.unwrap().is_empty());
    engine.panics.store(true, Ordering::SeqCst);
    let terms = terms(What::Everything, "get", alice(), Effect::Permit);
    assert!(panics(world.uma.share(&bob(), terms, "bob")).await);
    let shares = world.uma.shares(&bob()).await.unwrap();
    let [share] = &*shares else { panic!("{shares:?}") };
    engine.panics.store(true, Ordering::SeqCst);
    assert!(panics(world.uma.unshare(&bob(), &share.id, "bob")).await);
    assert!(world.uma.shares(&bob()).await.unwrap().is_empty());
}

/// What was shared of it alone goes with a resource; what was shared of everything stays.
#[tokio::test]
async fn a_deleted_resource_takes_its_shares_along() {
    let world = world();
    let pat = world.pat("rs").await;
    let (id, other) = (world.register(&pat).await, world.register(&pat).await);
    for _ in 0..2 {
        share(&world, terms(one(&id), "get", alice(), Effect::Permit)).await;
    }
    let kept = [
        share(&world, terms(one(&other), "get", alice(), Effect::Permit)).await,
        share(&world, terms(What::Everything, "get", alice(), Effect::Permit)).await,
    ];
    let answer = world.protect(Method::DELETE, &format!("/resources/{id}"), &pat, "").await;
    assert_eq!(answer.status, 204);
    let shares = world.uma.shares(&bob()).await.unwrap();
    assert!(shares.len() == 2 && shares.iter().all(|share| kept.contains(&share.id)));
}

/// A resource server that goes away meanwhile leaves the resource with its shares, or neither.
#[tokio::test]
async fn a_resource_whose_deletion_is_cut_off_leaves_no_shares() {
    let engine = Arc::new(Watched::default());
    let world = world_on(Arc::clone(&engine) as Arc<dyn Engine>, |_| {});
    let pat = world.pat("rs").await;
    for turns in 0.. {
        let path = format!("/resources/{}", world.register(&pat).await);
        let id = path.trim_start_matches("/resources/");
        for _ in 0..2 {
            share(&world, terms(one(id), "get", alice(), Effect::Permit)).await;
        }
        let is_answered =
            engine.slowly(let_go(world.protect(Method::DELETE, &path, &pat, ""), turns)).await;
        let is_there = world.protect(Method::GET, &path, &pat, "").await.status == 200;
        let shares = world.uma.shares(&bob()).await.unwrap();
        assert_eq!(shares.len(), if is_there { 2 } else { 0 }, "after {turns} turns");
        if is_answered {
            assert!(!is_there && turns > 4);
            break;
        }
        world.protect(Method::DELETE, &path, &pat, "").await;
    }
}

/// What a deletion left because the store failed goes when the resource server tries again.
#[tokio::test]
async fn a_deletion_that_failed_on_the_way_is_made_up_for() {
    let engine = Arc::new(Watched::default());
    let world = world_on(Arc::clone(&engine) as Arc<dyn Engine>, |_| {});
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    for _ in 0..2 {
        share(&world, terms(one(&id), "get", alice(), Effect::Permit)).await;
    }
    let path = format!("/resources/{id}");
    let delete = || world.protect(Method::DELETE, &path, &pat, "");
    // Looking for the PAT, removing the resource, ending the first share.
    let failed = engine.failing(3, delete()).await;
    refused(&failed, 503, "temporarily_unavailable");
    assert_eq!(world.uma.shares(&bob()).await.unwrap().len(), 1);
    refused(&delete().await, 404, "not_found");
    assert!(world.uma.shares(&bob()).await.unwrap().is_empty());
}

/// Whatever is deleted while its owner shares it is not shared after that.
#[tokio::test]
async fn what_is_deleted_meanwhile_is_not_shared() {
    let engine = Arc::new(Watched::default());
    let world = world_on(Arc::clone(&engine) as Arc<dyn Engine>, |_| {});
    let pat = world.pat("rs").await;
    for turns in 0.. {
        let id = world.register(&pat).await;
        let path = format!("/resources/{id}");
        let terms = terms(one(&id), "get", alice(), Effect::Permit);
        let mut sharing = Box::pin(async { world.uma.share(&bob(), terms, "bob").await });
        engine.slow.store(true, Ordering::SeqCst);
        let early = go_on(sharing.as_mut(), turns).await;
        assert_eq!(world.protect(Method::DELETE, &path, &pat, "").await.status, 204);
        let was_shared = early.is_some();
        if !was_shared {
            // Refused or not, it does not count.
            drop(sharing.await);
        }
        engine.slow.store(false, Ordering::SeqCst);
        assert!(world.uma.shares(&bob()).await.unwrap().is_empty(), "after {turns} turns");
        if was_shared {
            assert!(turns > 2);
            break;
        }
    }
}

#[tokio::test]
async fn a_share_ends_by_itself_and_its_tokens_with_it() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let until = world.clock.now().as_unix() + 60;
    let limited = terms(one(&id), "get", alice(), Effect::Permit);
    let shared = share(&world, limited.with_until(Timestamp::from_unix(until))).await;
    let token = rpt(&alice_asks(&world, &pat, &id).await.0);
    world.advance(59);
    assert!(is_active(&world, &pat, &token).await);
    world.advance(1);
    assert!(!is_active(&world, &pat, &token).await);
    assert!(world.uma.shares(&bob()).await.unwrap().is_empty());
    assert!(!unshare(&world, &shared).await);
    refused(&alice_asks(&world, &pat, &id).await.0, 403, "request_denied");
}

/// `Forbid` wins over what the owner approved, and over what they share with others. R6: what was
/// over by a clock that is set back then counts again, whether it was over when something was
/// shared or when the server came up.
#[tokio::test]
async fn r6_a_clock_that_is_set_back_lets_nobody_in() {
    const AHEAD: i64 = 8 * 86_400;
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let world = world_on(Arc::clone(&engine), |_| {});
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    share(&world, terms(one(&id), "get", Who::Anyone, Effect::Permit)).await;
    let until = Timestamp::from_unix(world.now() + AHEAD);
    let forbidden = terms(one(&id), "get", alice(), Effect::Forbid).with_until(until);
    share(&world, forbidden).await;
    let restarted = world_on(engine, |_| {});
    for world in [world, restarted] {
        world.advance(AHEAD);
        let ahead = world.pat("rs").await;
        rpt(&alice_asks(&world, &ahead, &id).await.0);
        share(&world, terms(one(&id), "put", Who::Anyone, Effect::Permit)).await;
        world.advance(-AHEAD);
        refused(&alice_asks(&world, &pat, &id).await.0, 403, "request_denied");
        rpt(&ask(&world, &pat, &id, "dave@dave.example", &json!({})).await.0);
    }
}

#[tokio::test]
async fn who_is_forbidden_is_out_whatever_else_was_said() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    share(&world, terms(What::Everything, "get", Who::Anyone, Effect::Ask)).await;
    let (answer, ticket) = alice_asks(&world, &pat, &id).await;
    submitted(&answer, &ticket);
    let case = world.uma.cases(&bob()).await.unwrap().pop().unwrap();
    let event = &case.history()[0];
    assert!(event.why[0].starts_with("share "), "the owner sees why they are asked");
    let person = PersonId::of(case.person());
    let (client, present) = event.through.clone().unwrap();
    let decision = OwnerDecision {
        client,
        present,
        permissions: event.permissions.clone(),
        verdict: Verdict::Approve,
        seen: case.revision(),
        by: "bob".to_owned(),
    };
    world.uma.decide(&bob(), &person, decision).await.unwrap();
    let token = rpt(&alice_asks(&world, &pat, &id).await.0);
    assert!(is_active(&world, &pat, &token).await);
    let domain = MailDomain::parse("alice.example").unwrap();
    let out =
        share(&world, terms(What::Everything, "get", Who::Domain(domain), Effect::Forbid)).await;
    assert!(!is_active(&world, &pat, &token).await);
    refused(&alice_asks(&world, &pat, &id).await.0, 403, "request_denied");
    unshare(&world, &out).await;
    assert!(is_active(&world, &pat, &token).await);
}

#[tokio::test]
async fn what_cannot_be_shared() {
    let world = world_on(Arc::new(MemoryEngine::new()), |config| config.limits.shares = 2);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let try_share = async |terms| world.uma.share(&bob(), terms, "bob").await;
    let anyone = |what, scopes| terms(what, scopes, Who::Anyone, Effect::Permit);
    let unknown = try_share(anyone(one("other"), "get")).await;
    assert!(matches!(unknown, Err(ShareError::UnknownResource)), "{unknown:?}");
    let scope = try_share(anyone(one(&id), "get delete")).await;
    assert!(matches!(scope, Err(ShareError::Scope)), "{scope:?}");
    // CVE-2026-4636, CVE-2025-14778: a resource of another owner is an unknown one.
    let carol = Protection::new(OwnerId::parse("carol").unwrap(), ClientId::parse("rs2").unwrap());
    let foreign = world.uma.share(&carol, anyone(one(&id), "get"), "carol").await;
    assert!(matches!(foreign, Err(ShareError::UnknownResource)), "{foreign:?}");
    let soon = Timestamp::from_unix(world.clock.now().as_unix() + 10);
    share(&world, anyone(one(&id), "get").with_until(soon)).await;
    let kept = share(&world, anyone(What::Everything, "put")).await;
    let full = try_share(anyone(What::Everything, "get")).await;
    assert!(matches!(full, Err(ShareError::Limit)), "{full:?}");
    assert!(world.uma.unshare(&carol, &kept, "carol").await.unwrap().is_none());
    world.advance(10);
    share(&world, anyone(What::Everything, "get")).await;
    // A server whose policy knows no shares offers none.
    let other = World::new();
    let refused = other.uma.share(&bob(), anyone(What::Everything, "get"), "bob").await;
    assert!(matches!(refused, Err(ShareError::NotOffered)), "{refused:?}");
}

/// Who is forbidden by a claim that nobody went by before is out at once, by refresh token too.
#[tokio::test]
async fn a_claim_that_forbids_reaches_tokens_that_are_out() {
    let world = world_on(Arc::new(MemoryEngine::new()), |config| {
        config.refresh_lifetime = Some(countersign_types::Lifetime::from_secs(3600));
    });
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let domain = || MailDomain::parse("alice.example").unwrap();
    share(&world, terms(What::Everything, "get", Who::Domain(domain()), Effect::Permit)).await;
    let intern = json!({"department": "interns"});
    let (answer, _) = ask(&world, &pat, &id, "alice@alice.example", &intern).await;
    let (token, refresh) = (rpt(&answer), answer.json()["refresh_token"].clone());
    assert!(is_active(&world, &pat, &token).await);
    let interns =
        Who::Group { claim: "department".into(), value: "interns".into(), domain: domain() };
    let out = share(&world, terms(What::Everything, "get", interns, Effect::Forbid)).await;
    assert!(!is_active(&world, &pat, &token).await);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str().unwrap()),
        ("client_id", "app"),
        ("client_secret", "app"),
    ];
    let refreshed = world.form("/token", "", &form).await;
    if refreshed.status == 200 {
        let token = refreshed.json()["access_token"].as_str().unwrap().to_owned();
        assert!(!is_active(&world, &pat, &token).await);
    }
    // Whom nothing forbids comes back with claims, and is in.
    let (answer, _) = ask(&world, &pat, &id, "al@alice.example", &json!({"department": "x"})).await;
    let token = rpt(&answer);
    assert!(is_active(&world, &pat, &token).await);
    refused(&ask(&world, &pat, &id, "alice@alice.example", &intern).await.0, 403, "request_denied");
    unshare(&world, &out).await;
    assert!(is_active(&world, &pat, &token).await);
}

/// Who was put out does not come back by another address that their provider gives them.
#[tokio::test]
async fn who_is_kept_out_is_so_by_whatever_address() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    share(&world, terms(What::Everything, "get", Who::Anyone, Effect::Permit)).await;
    rpt(&alice_asks(&world, &pat, &id).await.0);
    let alice = world.recorded().person.unwrap();
    share(&world, Terms::keeping_out(&alice, What::Everything)).await;
    for (email, sub) in [
        ("alice@alice.example", "a1"),
        ("Alice@alice.example", "a2"),
        ("somebody@alice.example", "a1"),
        // Who came by that address, however it is spelled, is known by now.
        ("al@alice.example", "a2"),
    ] {
        let (answer, _) = ask(&world, &pat, &id, email, &json!({"sub": sub})).await;
        refused(&answer, 403, "request_denied");
    }
    rpt(&ask(&world, &pat, &id, "al@alice.example", &json!({"sub": "a3"})).await.0);
    // What is registered later, with a scope that nobody had heard of, lets nobody in again either.
    let anyone = Terms::new(
        What::Everything,
        ScopeSet::parse("print").unwrap(),
        Who::Anyone,
        Effect::Permit,
    );
    share(&world, anyone.unwrap()).await;
    let body = r#"{"resource_scopes":["get","print"],"name":"New"}"#;
    let answer = world.protect(http::Method::POST, "/resources", &pat, body).await;
    let asked = json!({"resource_id": answer.json()["_id"], "resource_scopes": ["print"]});
    for (sub, is_in) in [("a1", false), ("a3", true)] {
        let answer =
            world.protect(http::Method::POST, "/permission", &pat, &asked.to_string()).await;
        let ticket = answer.json()["ticket"].as_str().unwrap().to_owned();
        let mut claims = world.claims(&ticket);
        (claims["email"], claims["sub"]) = (json!("al@alice.example"), json!(sub));
        let answer = world.redeem(&ticket, &claims, &[]).await;
        assert_eq!(answer.status == 200, is_in, "{sub}: {answer:?}");
    }
}

/// The same where the owner wrote an address, as on the page of a resource: it is a person as soon
/// as somebody who has it was heard of, before or after.
#[tokio::test]
async fn an_address_that_is_kept_out_is_a_person() {
    for (name, when) in [("a request", 0), ("a token in use", 1)] {
        let world = world();
        let pat = world.pat("rs").await;
        let id = world.register(&pat).await;
        share(&world, terms(What::Everything, "get", Who::Anyone, Effect::Permit)).await;
        let said = json!({"sub": "a1"});
        let token = rpt(&ask(&world, &pat, &id, "alice@alice.example", &said).await.0);
        // Nothing was ever asked about her, so that who has the address is not known here.
        let out = share(&world, terms(one(&id), "get", alice(), Effect::Forbid)).await;
        let elsewhere = ask(&world, &pat, &id, "al@alice.example", &said).await.0;
        let other = rpt(&elsewhere);
        assert!(is_active(&world, &pat, &other).await, "{name}");
        if when == 0 {
            let answer = ask(&world, &pat, &id, "alice@alice.example", &said).await.0;
            refused(&answer, 403, "request_denied");
        } else {
            assert!(!is_active(&world, &pat, &token).await);
        }
        let answer = ask(&world, &pat, &id, "al@alice.example", &said).await.0;
        refused(&answer, 403, "request_denied");
        assert!(!is_active(&world, &pat, &other).await, "{name}");
        rpt(&ask(&world, &pat, &id, "al@alice.example", &json!({"sub": "a2"})).await.0);
        assert!(unshare(&world, &out).await);
        assert!(is_active(&world, &pat, &other).await, "{name}");
    }
}

/// What was acknowledged is there after a restart, and a token from before is worth what it was.
#[tokio::test]
async fn shares_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let start = |now: i64| {
        struct Still;
        impl Clock for Still {
            fn now(&self) -> Timestamp {
                Timestamp::from_unix(0)
            }
        }
        let engine = SqliteEngine::open(&directory.path().join("uma.db"), Arc::new(Still)).unwrap();
        let world = world_on(Arc::new(engine), |_| {});
        world.advance(now - support::NOW);
        world
    };
    let world = start(support::NOW);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let shared = share(&world, terms(one(&id), "get", alice(), Effect::Permit)).await;
    let gone = share(&world, terms(one(&id), "put", Who::Anyone, Effect::Permit)).await;
    let token = rpt(&alice_asks(&world, &pat, &id).await.0);
    assert!(unshare(&world, &gone).await);
    drop(world);
    let world = start(support::NOW + 1);
    assert!(is_active(&world, &pat, &token).await);
    let list = world.uma.shares(&bob()).await.unwrap();
    assert!(list.iter().map(|share| &share.id).eq([&shared]));
    assert!(unshare(&world, &shared).await);
    assert!(!is_active(&world, &pat, &token).await);
}

/// Whoever waits because of a share waits on when the server comes up again: the share is read
/// before it is looked whether the owner is asked still.
#[tokio::test]
async fn who_waits_by_a_share_waits_on_over_a_restart() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let world = world_on(Arc::clone(&engine), |_| {});
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let asks = share(&world, terms(one(&id), "get", alice(), Effect::Ask)).await;
    let (answer, ticket) = alice_asks(&world, &pat, &id).await;
    let (ticket, interval) = submitted(&answer, &ticket);
    let world = world_on(Arc::clone(&engine), |_| {});
    world.advance(interval);
    let (ticket, interval) = submitted(&world.present("app", &ticket, &[]).await, &ticket);
    assert!(unshare(&world, &asks).await);
    world.advance(interval);
    need_info(&world.present("app", &ticket, &[]).await, &ticket);
}

/// Fifty who come at once while it is taken back: whoever holds a token afterwards can use it for
/// nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_requests_and_the_end_of_a_share() {
    let world = Arc::new(world());
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let shared = share(&world, terms(one(&id), "get", alice(), Effect::Permit)).await;
    let asks = (0..50).map(|_| {
        let (world, pat, id) = (Arc::clone(&world), pat.clone(), id.clone());
        tokio::spawn(async move { alice_asks(&world, &pat, &id).await.0 })
    });
    let asks: Vec<_> = asks.collect();
    assert!(unshare(&world, &shared).await);
    let mut answers = Vec::new();
    for ask in asks {
        answers.push(ask.await.unwrap());
    }
    for answer in answers {
        if answer.status == 200 {
            assert!(!is_active(&world, &pat, &rpt(&answer)).await);
        } else {
            refused(&answer, 403, "request_denied");
        }
    }
}
