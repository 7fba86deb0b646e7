//! What a process remembers, and for whom.

use countersign_types::{Issuer, Lifetime, Timestamp};
use countersign_uma::Process;
use countersign_uma::process::MAX_ROUNDS;
use serde_json::json;

use crate::world::{NOW, RS, STS, World, client, granted, need_info, pushed, refused};

/// Pushes claims that suffice for `get` while asking for `put` too.
fn first_round(world: &World) -> Process {
    let token = world.token(&world.claims("t1"));
    let mut form = pushed(&token).to_vec();
    form.push(("scope", "put"));
    need_info(world.present(world.process(), "t1", &form)).process
}

#[test]
fn verified_claims_are_kept_for_a_client_that_authenticates() {
    let world = World::new();
    let rpt = granted(world.present(first_round(&world), "t2", &[("resource", RS)]));
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), "get");
    assert_eq!(rpt.person.unwrap().sub, "a1");
}

/// The client is told in `required_claims`; the log says it beside what was permitted.
#[test]
fn the_log_names_the_claims_that_are_missing() {
    let world = World::new();
    let token = world.token(&world.claims("t1"));
    let mut form = pushed(&token).to_vec();
    form.push(("scope", "put"));
    let ended = world.present(world.process(), "t1", &form);
    let note = &ended.checks.last().unwrap().note;
    assert_eq!(
        note,
        "get at RS API: permitted (by \"rule 1\"), put at RS API: claims needed (claim \"department\" is missing)"
    );
}

#[test]
fn and_for_no_other() {
    let mut world = World::new();
    world.client = client("app", false);
    let process = first_round(&world);
    assert!(!serde_json::to_string(&process).unwrap().contains("alice"));
    need_info(world.present(process, "t2", &[("resource", RS)]));
}

#[test]
fn kept_claims_age_out() {
    let mut world = World::new();
    let process = first_round(&world);
    world.settings.kept_claims_lifetime = Lifetime::from_secs(60);
    world.now += 60;
    need_info(world.present(process, "t2", &[("resource", RS)]));
}

/// To go on with them makes them no younger.
#[test]
fn kept_claims_age_from_when_they_were_verified() {
    let mut world = World::new();
    let process = first_round(&world);
    world.now += 200;
    let process =
        need_info(world.present(process, "t2", &[("resource", RS), ("scope", "put")])).process;
    world.now += 200;
    need_info(world.present(process, "t3", &[("resource", RS)]));
}

/// GRANT-8: nor does what an issuer said count that is refused since.
#[test]
fn kept_claims_of_an_issuer_that_is_refused_now_are_none() {
    let mut world = World::new();
    let process = first_round(&world);
    world.settings.refused_issuers.insert(Issuer::parse(STS).unwrap());
    need_info(world.present(process, "t2", &[("resource", RS)]));
}

#[test]
fn a_refused_token_leaves_what_the_process_holds() {
    let world = World::new();
    let process = first_round(&world);
    let token = world.token(&world.claims("t1")); // for the old ticket
    let process = need_info(world.present(process, "t2", &pushed(&token))).process;
    granted(world.present(process, "t3", &[("resource", RS)]));
}

#[test]
fn the_newest_ticket_counts() {
    let world = World::new();
    let process = first_round(&world);
    let token = world.token(&world.claims("t2"));
    granted(world.present(process, "t2", &pushed(&token)));
}

#[test]
fn another_person_ends_the_process() {
    for (claim, value) in [("sub", json!("a2")), ("email", json!("mallory@alice.example"))] {
        let world = World::new();
        let process = first_round(&world);
        let mut claims = world.claims("t2");
        claims[claim] = value;
        let token = world.token(&claims);
        refused(world.present(process, "t2", &pushed(&token)), "request_denied");
    }
}

#[test]
fn another_client_or_a_late_one_cannot_present_the_ticket() {
    let world = World::new();
    let now = Timestamp::from_unix(NOW);
    assert!(first_round(&world).present(&client("other", true), now).is_err());
    let late = Timestamp::from_unix(NOW + 300);
    assert!(first_round(&world).present(&world.client, late).is_err());
}

#[test]
fn a_process_ends_after_so_many_rounds() {
    let world = World::new();
    let mut process = world.process();
    for _ in 0..MAX_ROUNDS {
        process = need_info(world.present(process, "t", &[("resource", RS)])).process;
    }
    refused(world.present(process, "t", &[("resource", RS)]), "request_denied");
}

#[test]
fn a_process_survives_its_store() {
    let world = World::new();
    let stored = serde_json::to_vec(&first_round(&world)).unwrap();
    let process: Process = serde_json::from_slice(&stored).unwrap();
    granted(world.present(process, "t2", &[("resource", RS)]));
}
