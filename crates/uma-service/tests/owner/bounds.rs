//! How much waits for an owner, at most, and of whom.

use std::sync::Arc;

use countersign_store::engine::{RecordTable, Records as _};
use countersign_store::{Engine, MemoryEngine};
use countersign_uma::PersonId;
use countersign_uma::case::{MAX_WAITING, Verdict};
use serde_json::json;

use crate::support::{JWT, NOW, World, need_info, refused, rpt, rules_of, submitted};
use crate::{ask, ask_for, asking, at, bob, case, decision, say};

/// However often a client comes, and however early: one ticket that waits, one case, no tombstone.
#[tokio::test]
async fn u22_a_flood_of_polls_stores_nothing_more() {
    let engine = Arc::new(MemoryEngine::new());
    let world = asking(Arc::clone(&engine) as Arc<dyn Engine>, 100);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let (mut ticket, _) = ask(&world, &pat, &id).await;
    let mut last = 0;
    for _ in 0..200 {
        let (next, interval) = submitted(&world.present("app", &ticket, &[]).await, &ticket);
        assert!(interval >= last);
        (ticket, last) = (next, interval);
    }
    assert_eq!(last, 300);
    let count = async |table| engine.count(table, &[], at(NOW)).await.unwrap();
    assert_eq!(count(RecordTable::WaitingTickets).await, 1);
    assert_eq!(count(RecordTable::Cases).await, 1);
    assert_eq!(case(&world).await.revision(), 1);
}

/// Requests of one person through one client: the last few can be polled with, and nothing is kept
/// of those before. Another client, or the person's agent, has places of its own.
#[tokio::test]
async fn u22_of_one_persons_waiting_tickets_the_last_few_are_kept() {
    let engine = Arc::new(MemoryEngine::new());
    let world = asking(Arc::clone(&engine) as Arc<dyn Engine>, 100);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let mut tickets = Vec::new();
    for _ in 0..20 {
        tickets.push(ask(&world, &pat, &id).await.0);
    }
    let count = async |table| engine.count(table, &[], at(NOW)).await.unwrap();
    assert_eq!(count(RecordTable::WaitingTickets).await, MAX_WAITING);
    world.advance(5);
    let (gone, kept) = tickets.split_at(20 - MAX_WAITING);
    for ticket in gone {
        refused(&world.present("app", ticket, &[]).await, 400, "invalid_grant");
    }
    for ticket in kept {
        // A poll takes the place of the one before, and nobody else's.
        let (next, _) = submitted(&world.present("app", ticket, &[]).await, ticket);
        world.advance(5);
        submitted(&world.present("app", &next, &[]).await, &next);
    }
    assert_eq!(count(RecordTable::WaitingTickets).await, MAX_WAITING);

    let ticket = world.ticket_for(&pat, &id).await;
    let token = world.sign(&world.claims(&ticket));
    let form = [("claim_token", &*token), ("claim_token_format", JWT)];
    submitted(&world.present("app2", &ticket, &form).await, &ticket);
    assert_eq!(count(RecordTable::WaitingTickets).await, MAX_WAITING + 1);
    assert_eq!(case(&world).await.revision(), 2, "what the owner sees is not changed by a poll");
}

/// Whoever comes too early is told to wait without a look at their case. If it is gone, what they
/// wait with is kept no longer than a ticket that does not wait, and they are told with it that
/// there is nothing to wait for.
#[tokio::test]
async fn u22_a_ticket_whose_case_is_gone_is_not_kept_for_days() {
    let engine = Arc::new(MemoryEngine::new());
    let world = asking(Arc::clone(&engine) as Arc<dyn Engine>, 100);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let mut tickets = Vec::new();
    for _ in 0..3 {
        tickets.push(ask(&world, &pat, &id).await.0);
    }
    for (key, _) in engine.list(RecordTable::Cases, &[], at(NOW)).await.unwrap() {
        assert!(engine.remove(RecordTable::Cases, &key).await.unwrap());
    }
    for ticket in &mut tickets[1..] {
        *ticket = submitted(&world.present("app", ticket, &[]).await, ticket).0;
    }
    let [waiting, first, second] = &*tickets else { panic!("{tickets:?}") };
    world.advance(299);
    need_info(&world.present("app", first, &[]).await, first);
    world.advance(1);
    refused(&world.present("app", second, &[]).await, 400, "invalid_grant");
    need_info(&world.present("app", waiting, &[]).await, waiting);
}

#[tokio::test]
async fn an_owner_is_asked_about_so_many_and_no_more() {
    let world = asking(Arc::new(MemoryEngine::new()), 3);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    for number in 0..5 {
        let ticket = world.ticket_for(&pat, &id).await;
        let mut claims = world.claims(&ticket);
        claims["email"] = json!(format!("person{number}@alice.example"));
        let answer = world.redeem(&ticket, &claims, &[]).await;
        if number < 3 {
            submitted(&answer, &ticket);
        } else {
            refused(&answer, 403, "request_denied");
        }
    }
    assert_eq!(world.uma.cases(&bob()).await.unwrap().len(), 3);
    // Whoever is known already is asked about on.
    let ticket = world.ticket_for(&pat, &id).await;
    let mut claims = world.claims(&ticket);
    claims["email"] = json!("person0@alice.example");
    submitted(&world.redeem(&ticket, &claims, &[("scope", "put")]).await, &ticket);
}

/// What was answered makes room, whatever the answer was.
#[tokio::test]
async fn who_was_answered_counts_no_more() {
    let world = asking(Arc::new(MemoryEngine::new()), 3);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let answer = ask_for(&world, &pat, &id, "person0@alice.example").await;
    submitted(&answer.0, &answer.1);
    say(&world, Verdict::Approve).await;
    for number in 1..4 {
        let (answer, ticket) =
            ask_for(&world, &pat, &id, &format!("person{number}@alice.example")).await;
        submitted(&answer, &ticket);
    }
    let (answer, _) = ask_for(&world, &pat, &id, "person4@alice.example").await;
    refused(&answer, 403, "request_denied");
    for case in world.uma.cases(&bob()).await.unwrap() {
        if case.is_waiting(at(NOW)) {
            let person = PersonId::of(case.person());
            let denial = decision(&case, Verdict::Deny);
            world.uma.decide(&bob(), &person, denial).await.unwrap();
        }
    }
    let (answer, ticket) = ask_for(&world, &pat, &id, "dave@dave.example").await;
    submitted(&answer, &ticket);
    // An approval stands, and needs no room.
    let (answer, _) = ask_for(&world, &pat, &id, "person0@alice.example").await;
    rpt(&answer);
}

/// Eve's domain has as many people as she likes, each with an issuer of their own, and as many
/// domains below it.
#[tokio::test]
async fn a_mail_domain_has_its_share_of_an_owner() {
    let engine = Arc::new(MemoryEngine::new());
    let world = World::configured(&[], engine, |config| {
        (config.limits.cases, config.limits.cases_of_a_domain) = (3, 2);
    });
    let rule = json!({"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true});
    world.change_policy(rules_of(json!([rule])));
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    for (email, has_room) in [
        ("eve+1@alice.example", true),
        ("eve+2@a.alice.example", true),
        ("eve+3@alice.example", false),
        ("eve+4@a.alice.example", false),
        ("dave@dave.example", true),
        ("erin@dave.example", false),
    ] {
        let (answer, ticket) = ask_for(&world, &pat, &id, email).await;
        if has_room {
            submitted(&answer, &ticket);
        } else {
            refused(&answer, 403, "request_denied");
        }
    }
    // Nobody answered, and a week is over.
    world.advance(7 * 86_400);
    let pat = world.pat("rs").await;
    let (answer, ticket) = ask_for(&world, &pat, &id, "eve+3@alice.example").await;
    submitted(&answer, &ticket);
}
