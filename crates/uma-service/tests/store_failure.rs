//! A store that fails: 503, worth another try, and never a statement about a token.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/panics.rs"]
mod panics;
mod support;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_store::engine::{RecordTable, Records as _};
use countersign_store::{Engine, StoreError};
use countersign_testkit::Watched;
use countersign_testkit::gone::{go_on, let_go};
use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use countersign_uma::case::{MAX_WAITING, MAX_WAITING_IN_ALL, OwnerDecision, Verdict};
use countersign_uma::{Person, PersonId};
use countersign_uma_service::{Limits, audit};
use http::Method;
use panics::panics;
use serde_json::{Value, json};
use support::{Answer, World, bob, refused, rpt};

fn world() -> (World, Arc<Watched>) {
    world_within(Limits::default())
}

fn world_within(limits: Limits) -> (World, Arc<Watched>) {
    let engine = Arc::new(Watched::default());
    (World::on(Arc::clone(&engine) as Arc<dyn Engine>, limits), engine)
}

/// Bob wants to be asked about everybody.
fn ask_about_everybody(world: &World) {
    let rule = json!({"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true});
    world.change_policy(support::rules_of(json!([rule])));
}

/// The same, with a PAT and a resource.
async fn asking(world: &World) -> (String, String) {
    ask_about_everybody(world);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    (pat, id)
}

/// Alice asks for the resource, and waits.
async fn waits(world: &World, pat: &str, id: &str) {
    let ticket = world.ticket_for(pat, id).await;
    let claims = world.claims(&ticket);
    support::submitted(&world.redeem(&ticket, &claims, &[]).await, &ticket);
}

#[track_caller]
fn unavailable(answer: &Answer) {
    refused(answer, 503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("www-authenticate"), "");
}

#[tokio::test]
async fn every_endpoint_says_so() {
    let (world, engine) = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let permission = json!({"resource_id": id, "resource_scopes": ["get"]}).to_string();
    let resource = r#"{"resource_scopes":["get"]}"#;
    let one = format!("/resources/{id}");
    // The PAT is found; what comes after it fails. Then the PAT itself cannot be looked up.
    for left in [1, 0] {
        for (method, path, body) in [
            (Method::GET, "/resources", ""),
            (Method::POST, "/resources", resource),
            (Method::GET, &*one, ""),
            (Method::PUT, &*one, resource),
            (Method::DELETE, &*one, ""),
            (Method::POST, "/permission", &*permission),
        ] {
            engine.left.store(left, Ordering::SeqCst);
            unavailable(&world.protect(method, path, &pat, body).await);
        }
        engine.left.store(left, Ordering::SeqCst);
        unavailable(&world.form("/introspect", &pat, &[("token", "x")]).await);
    }
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "rs"),
        ("client_secret", "rs"),
        ("scope", "uma_protection"),
    ];
    engine.left.store(0, Ordering::SeqCst);
    unavailable(&world.form("/token", "", &form).await);
    engine.left.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(world.protect(Method::GET, &one, &pat, "").await.status, 200, "and nothing changed");
}

#[tokio::test]
async fn a_grant_that_fails_on_the_way_gives_nothing_out() {
    let (world, engine) = world();
    // Spending the ticket, reading the resource, reading once from whom everything was taken back,
    // keeping the RPT.
    for left in 0..4 {
        let ticket = world.ticket().await;
        let claims = world.claims(&ticket);
        engine.left.store(left, Ordering::SeqCst);
        let answer = world.redeem(&ticket, &claims, &[]).await;
        unavailable(&answer);
        assert!(answer.json().get("access_token").is_none());
        let record = world.recorded();
        assert_eq!(record.answer, audit::Answer::Failed);
        assert!(record.permissions.is_empty());
        engine.left.store(usize::MAX, Ordering::SeqCst);
    }
    let ticket = world.ticket().await;
    engine.left.store(3, Ordering::SeqCst);
    rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
}

#[tokio::test]
async fn a_question_that_fails_on_the_way_lets_nobody_wait_for_nothing() {
    let (world, engine) = world();
    ask_about_everybody(&world);
    // Spending the ticket, reading the resource, reading from whom everything was taken back,
    // looking for the case, reading all there are, opening one, keeping the ticket that waits,
    // giving it a place in the case. What was read once is known.
    for left in 0..7 {
        let ticket = world.ticket().await;
        let mut claims = world.claims(&ticket);
        claims["email"] = json!(format!("person{left}@alice.example"));
        let answer = engine.failing(left, world.redeem(&ticket, &claims, &[])).await;
        if left < 6 {
            unavailable(&answer);
            assert!(answer.json().get("ticket").is_none());
            assert_eq!(world.recorded().answer, audit::Answer::Failed);
            continue;
        }
        let (waiting, _) = support::submitted(&answer, &ticket);
        // Looking for the ticket among those that do not wait, and among those that do; taking it;
        // reading the resource; looking for the case. A ticket that was not taken is still good.
        engine.left.store(2, Ordering::SeqCst);
        unavailable(&world.present("app", &waiting, &[]).await);
        engine.left.store(usize::MAX, Ordering::SeqCst);
        support::submitted(&world.present("app", &waiting, &[]).await, &waiting);
    }
}

#[tokio::test]
async fn a_ticket_that_cannot_be_kept_is_not_given_out() {
    let (world, engine) = world();
    let ticket = world.ticket().await;
    engine.left.store(2, Ordering::SeqCst);
    unavailable(&world.present("app", &ticket, &[]).await);
}

#[tokio::test]
async fn a_registration_reads_no_other_and_a_failed_one_takes_no_place() {
    let mut limits = Limits::default();
    limits.resources = 2;
    let (world, engine) = world_within(limits);
    let pat = world.pat("rs").await;
    world.register(&pat).await;
    let resource = r#"{"resource_scopes":["get"]}"#;
    let register = || world.protect(Method::POST, "/resources", &pat, resource);
    engine.left.store(1, Ordering::SeqCst);
    unavailable(&register().await);
    engine.left.store(usize::MAX, Ordering::SeqCst);
    let id = world.register(&pat).await;
    for _ in 0..2 {
        refused(&register().await, 400, "invalid_request");
    }
    world.protect(Method::DELETE, &format!("/resources/{id}"), &pat, "").await;
    world.register(&pat).await;
    assert_eq!(engine.listed.load(Ordering::SeqCst), 0);
}

/// However many people come to an owner with many cases, these are read once.
#[tokio::test]
async fn u22_a_new_person_has_no_other_case_read() {
    let mut limits = Limits::default();
    (limits.cases, limits.cases_of_a_domain) = (9, 2);
    let (world, engine) = world_within(limits);
    let (pat, id) = asking(&world).await;
    for number in 0..20 {
        let domain = if number < 10 { "alice.example" } else { "dave.example" };
        let ticket = world.ticket_for(&pat, &id).await;
        let mut claims = world.claims(&ticket);
        let email = format!("person{number}@{domain}");
        (claims["email"], claims["iss"]) = (json!(email), json!(support::issuer_of(&email)));
        let answer = world.redeem(&ticket, &claims, &[]).await;
        if number % 10 < 2 {
            support::submitted(&answer, &ticket);
        } else {
            refused(&answer, 403, "request_denied");
        }
    }
    assert_eq!(engine.listed.load(Ordering::SeqCst), 2, "the cases, and what was taken back");
}

/// A server that asks its owner about everybody and has room for one case, a PAT and a resource.
async fn with_room_for_one() -> (World, Arc<Watched>, String, String) {
    let mut limits = Limits::default();
    limits.cases = 1;
    let (world, engine) = world_within(limits);
    let (pat, id) = asking(&world).await;
    (world, engine, pat, id)
}

/// Whose case could not be written has no place.
#[tokio::test]
async fn a_case_that_was_not_written_takes_nobodys_place() {
    let (world, engine, pat, id) = with_room_for_one().await;
    for (number, torn) in [(0, true), (1, false)] {
        let ticket = world.ticket_for(&pat, &id).await;
        let mut claims = world.claims(&ticket);
        claims["email"] = json!(format!("person{number}@alice.example"));
        engine.torn.store(torn, Ordering::SeqCst);
        let answer = world.redeem(&ticket, &claims, &[]).await;
        engine.left.store(usize::MAX, Ordering::SeqCst);
        if torn {
            unavailable(&answer);
        } else {
            support::submitted(&answer, &ticket);
        }
    }
}

/// The same if whoever asked is gone before that is known.
#[tokio::test]
async fn a_case_that_was_not_written_takes_nobodys_place_whoever_waits_for_it() {
    for turns in 0.. {
        let (world, engine, pat, id) = with_room_for_one().await;
        let ask = async |number| {
            let ticket = world.ticket_for(&pat, &id).await;
            let mut claims = world.claims(&ticket);
            claims["email"] = json!(format!("person{number}@alice.example"));
            (ticket, claims)
        };
        let (ticket, claims) = ask(0).await;
        engine.torn.store(true, Ordering::SeqCst);
        let is_answered = engine.slowly(let_go(world.redeem(&ticket, &claims, &[]), turns)).await;
        engine.torn.store(false, Ordering::SeqCst);
        engine.left.store(usize::MAX, Ordering::SeqCst);
        let (ticket, claims) = ask(1).await;
        support::submitted(&world.redeem(&ticket, &claims, &[]).await, &ticket);
        if is_answered {
            assert!(turns > 5);
            break;
        }
    }
}

/// The same if the change panics.
#[tokio::test]
async fn a_case_whose_change_panics_takes_nobodys_place() {
    let (world, engine, pat, id) = with_room_for_one().await;
    let (ticket, other) = (world.ticket_for(&pat, &id).await, world.ticket_for(&pat, &id).await);
    engine.torn.store(true, Ordering::SeqCst);
    engine.panics.store(true, Ordering::SeqCst);
    assert!(panics(world.redeem(&ticket, &world.claims(&ticket), &[])).await);
    engine.torn.store(false, Ordering::SeqCst);
    engine.left.store(usize::MAX, Ordering::SeqCst);
    let mut claims = world.claims(&other);
    claims["email"] = json!("person1@alice.example");
    support::submitted(&world.redeem(&other, &claims, &[]).await, &other);
}

/// Nor does an answer whose change panics give anybody's place away.
#[tokio::test]
async fn an_answer_whose_change_panics_gives_nobodys_place_away() {
    let (world, engine, pat, id) = with_room_for_one().await;
    waits(&world, &pat, &id).await;
    let case = world.uma.cases(&bob()).await.unwrap().pop().unwrap();
    let event = &case.history()[0];
    let (client, present) = event.through.clone().unwrap();
    let decision = OwnerDecision {
        client,
        present,
        permissions: event.permissions.clone(),
        verdict: Verdict::Deny,
        seen: case.revision(),
        by: "bob".to_owned(),
    };
    engine.torn.store(true, Ordering::SeqCst);
    engine.panics.store(true, Ordering::SeqCst);
    let person = PersonId::of(case.person());
    assert!(panics(world.uma.decide(&bob(), &person, decision)).await);
    engine.torn.store(false, Ordering::SeqCst);
    engine.left.store(usize::MAX, Ordering::SeqCst);
    let ticket = world.ticket_for(&pat, &id).await;
    let mut claims = world.claims(&ticket);
    claims["email"] = json!("dave@dave.example");
    claims["iss"] = json!(support::issuer_of("dave@dave.example"));
    refused(&world.redeem(&ticket, &claims, &[]).await, 403, "request_denied");
}

/// Somebody with an RPT, from whom Bob takes everything back.
struct Holder {
    person: Person,
    token: String,
}

impl Holder {
    async fn of(world: &World, pat: &str, id: &str, sub: &str) -> Self {
        let ticket = world.ticket_for(pat, id).await;
        let mut claims = world.claims(&ticket);
        claims["sub"] = json!(sub);
        let token = rpt(&world.redeem(&ticket, &claims, &[]).await);
        let [iss, email] = ["iss", "email"].map(|name| claims[name].clone());
        let person = json!({"iss": iss, "sub": sub, "email": email, "present": true, "claims": {}});
        Self { person: serde_json::from_value(person).unwrap(), token }
    }

    async fn is_in(&self, world: &World, pat: &str) -> bool {
        let answer = world.form("/introspect", pat, &[("token", &self.token)]).await;
        answer.json()["active"].as_bool().unwrap()
    }

    /// Bob ends all that was issued to them.
    async fn end(&self, world: &World) -> Result<(), StoreError> {
        world.uma.revoke_tokens(&bob(), &self.person, "bob").await
    }
}

/// What is on the disk counts, though nobody was told that it is there. Until it is known what is,
/// nobody is let in by what was known before.
#[tokio::test]
async fn what_may_be_over_is_read_again_before_anything_counts() {
    let (world, engine) = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let alice = Holder::of(&world, &pat, &id, "a1").await;
    let anna = Holder::of(&world, &pat, &id, "a2").await;
    // Another server on the same disk writes it instead of the one whose answer was lost.
    let other = World::on(Arc::clone(&engine) as Arc<dyn Engine>, Limits::default());
    alice.end(&other).await.unwrap();
    engine.once.store(true, Ordering::SeqCst);
    engine.left.store(0, Ordering::SeqCst);
    assert!(alice.end(&world).await.is_err());
    let ticket = world.ticket_for(&pat, &id).await;
    let listed = engine.listed.load(Ordering::SeqCst);
    // Reading the PAT and the token, and then from whom everything was taken back.
    engine.left.store(2, Ordering::SeqCst);
    unavailable(&world.form("/introspect", &pat, &[("token", &*anna.token)]).await);
    assert_eq!(engine.listed.load(Ordering::SeqCst), listed + 1);
    // Spending the ticket and reading the resource, and then the same.
    engine.left.store(2, Ordering::SeqCst);
    unavailable(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
    assert_eq!(engine.listed.load(Ordering::SeqCst), listed + 2);
    assert!(!alice.is_in(&world, &pat).await);
    assert!(anna.is_in(&world, &pat).await, "nothing was taken back from her");
    assert_eq!(engine.listed.load(Ordering::SeqCst), listed + 3, "read once");
    let again = Holder::of(&world, &pat, &id, "a1").await;
    assert!(again.is_in(&world, &pat).await, "what comes after it counts");
}

/// The same if the change panics; and if one does while all is read because of another.
#[tokio::test]
async fn what_may_be_over_is_read_again_after_a_panic() {
    let (world, engine) = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let alice = Holder::of(&world, &pat, &id, "a1").await;
    let anna = Holder::of(&world, &pat, &id, "a2").await;
    engine.panics.store(true, Ordering::SeqCst);
    assert!(panics(alice.end(&world)).await);
    let listed = engine.listed.load(Ordering::SeqCst);
    engine.slow.store(true, Ordering::SeqCst);
    {
        let mut reads = pin!(alice.is_in(&world, &pat));
        while engine.listed.load(Ordering::SeqCst) == listed {
            assert_eq!(go_on(reads.as_mut(), 1).await, None);
        }
        // What was on the disk is found by now, and is not in memory.
        engine.panics.store(true, Ordering::SeqCst);
        assert!(panics(anna.end(&world)).await);
        assert!(!reads.await);
    }
    assert!(!anna.is_in(&world, &pat).await);
    assert_eq!(engine.listed.load(Ordering::SeqCst), listed + 2);
}

/// Whoever waits has their place until their owner's answer is written, whoever waits for that.
#[tokio::test]
async fn an_answer_that_was_not_written_gives_nobodys_place_away() {
    let (world, engine, pat, id) = with_room_for_one().await;
    waits(&world, &pat, &id).await;
    let case = world.uma.cases(&bob()).await.unwrap().pop().unwrap();
    let event = &case.history()[0];
    let (client, present) = event.through.clone().unwrap();
    for turns in 0.. {
        let decision = OwnerDecision {
            client: client.clone(),
            present,
            permissions: event.permissions.clone(),
            verdict: Verdict::Deny,
            seen: case.revision(),
            by: "bob".to_owned(),
        };
        let person = PersonId::of(case.person());
        engine.torn.store(true, Ordering::SeqCst);
        let is_answered =
            engine.slowly(let_go(world.uma.decide(&bob(), &person, decision), turns)).await;
        engine.torn.store(false, Ordering::SeqCst);
        engine.left.store(usize::MAX, Ordering::SeqCst);
        let ticket = world.ticket_for(&pat, &id).await;
        let mut claims = world.claims(&ticket);
        claims["email"] = json!("dave@dave.example");
        claims["iss"] = json!(support::issuer_of("dave@dave.example"));
        refused(&world.redeem(&ticket, &claims, &[]).await, 403, "request_denied");
        if is_answered {
            assert!(turns > 1);
            break;
        }
    }
}

/// Whoever asks and goes away leaves no more tickets that wait than whoever stays.
#[tokio::test]
async fn u22_nobody_who_goes_away_leaves_tickets_without_a_place() {
    let (world, engine) = world();
    let (pat, id) = asking(&world).await;
    let ask = || waits(&world, &pat, &id);
    let fill = async || {
        for _ in 0..MAX_WAITING {
            ask().await;
        }
    };
    fill().await;
    for turns in 0.. {
        let ticket = world.ticket_for(&pat, &id).await;
        let claims = world.claims(&ticket);
        let is_answered = engine.slowly(let_go(world.redeem(&ticket, &claims, &[]), turns)).await;
        if is_answered {
            assert!(turns > 5);
            break;
        }
    }
    fill().await;
    let now = Timestamp::from_unix(world.now());
    let count = engine.count(RecordTable::WaitingTickets, &[], now).await.unwrap();
    assert_eq!(count, MAX_WAITING);
}

/// Nor does whoever asks for much at the same time, however their requests run into each other.
#[tokio::test]
async fn u22_nobody_who_asks_at_the_same_time_leaves_tickets_without_a_place() {
    for turns in 0.. {
        let (world, engine) = world();
        let (pat, id) = asking(&world).await;
        let ask = || waits(&world, &pat, &id);
        ask().await;
        let mut slow = Box::pin(ask());
        let was_answered = engine.slowly(go_on(slow.as_mut(), turns)).await.is_some();
        // What runs apart from the request does not wait for it.
        for _ in 0..MAX_WAITING {
            ask().await;
        }
        if !was_answered {
            slow.await;
        }
        let now = Timestamp::from_unix(world.now());
        let count = engine.count(RecordTable::WaitingTickets, &[], now).await.unwrap();
        assert_eq!(count, MAX_WAITING, "after {turns} turns");
        if was_answered {
            assert!(turns > 5, "{turns}");
            break;
        }
    }
}

/// Of several tickets that lose their places at once, as in a case of a version that gave more of
/// them, a failure keeps one.
#[tokio::test]
async fn u22_a_ticket_that_cannot_be_forgotten_keeps_no_other() {
    for left in 0.. {
        assert!(left < 200, "it fails to the end");
        let (world, engine) = world();
        let (pat, id) = asking(&world).await;
        waits(&world, &pat, &id).await;
        let now = Timestamp::from_unix(world.now());
        let case = async || {
            let mut cases = engine.list(RecordTable::Cases, &[], now).await.unwrap();
            let (key, case) = cases.remove(0);
            (key, serde_json::from_slice::<Value>(&case).unwrap())
        };
        let (key, mut record) = case().await;
        let waiting = record["waiting"].as_array_mut().unwrap();
        for number in 0..MAX_WAITING_IN_ALL + 2 {
            let digest = Digest::of(format!("ticket {number}").as_bytes());
            let other = json!({"client": "other", "present": true, "digest": digest});
            waiting.push(other);
            engine.put(RecordTable::WaitingTickets, digest.as_bytes(), vec![], None).await.unwrap();
        }
        engine.put(RecordTable::Cases, &key, record.to_string().into_bytes(), None).await.unwrap();

        let ticket = world.ticket_for(&pat, &id).await;
        let claims = world.claims(&ticket);
        engine.once.store(true, Ordering::SeqCst);
        engine.left.store(left, Ordering::SeqCst);
        let answer = world.redeem(&ticket, &claims, &[]).await;
        let has_failed = engine.left.swap(usize::MAX, Ordering::SeqCst) > left;
        let places = case().await.1["waiting"].as_array().unwrap().len();
        let kept = engine.count(RecordTable::WaitingTickets, &[], now).await.unwrap();
        assert!(kept <= places + 1, "{left}: {kept} of {places}");
        if !has_failed {
            support::submitted(&answer, &ticket);
            assert!(left > 5 && places == MAX_WAITING_IN_ALL, "{left}: {places}");
            break;
        }
        unavailable(&answer);
    }
}
