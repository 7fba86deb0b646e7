//! Who waits for the owner: as whom, by which rules, and with what left of what was said before.

use countersign_types::{Issuer, Lifetime, Timestamp};
use countersign_uma::case::Verdict;
use countersign_uma::permission;
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::resource::{ResourceDescription, ResourceId};
use serde_json::json;

use crate::owner::{ask, poll, say, with_rules, world};
use crate::world::{RS, STS, World, client, granted, need_info, pushed, refused, submitted};

/// Other rules than before, by which Bob is asked about Alice all the same.
fn change_rules(world: &mut World) {
    let rules = json!([
        {"resource": "RS API", "scopes": ["get"], "domains": ["*"], "ask": true},
        {"resource": "RS API", "scopes": ["get"], "domains": ["dave.example"]},
    ]);
    let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
    world.rules = Rules::new().with(world.server.protection.clone(), rules);
}

/// What was verified before the owner was asked is worth nothing once they have answered, however
/// fresh it is: the ticket may have been seen by whomever meanwhile (A9).
#[test]
fn grant_10_claims_of_before_do_not_outlast_the_wait() {
    let mut world = with_rules(json!([
        {"resource": "RS API", "scopes": ["get"], "domains": ["*"],
            "claims": {"department": "research"}},
    ]));
    let kept = need_info(world.push(&world.claims("t1"))).process;
    assert!(serde_json::to_string(&kept).unwrap().contains("alice"));
    change_rules(&mut world);
    let waiting = submitted(world.present(kept, "t2", &[("resource", RS)]));
    let stored = serde_json::to_string(&waiting.process).unwrap();
    assert!(!stored.contains("alice"), "{stored}");
    say(&world, Verdict::Approve);
    world.now += 5;
    let needed = need_info(poll(&world, waiting.process));
    let needed = need_info(world.present(needed.process, "t3", &[("resource", RS)]));
    let token = world.token(&world.claims("t4"));
    granted(world.present(needed.process, "t4", &pushed(&token)));
}

/// What Bob said of one resource he did not say of another, be it called the same.
#[test]
fn an_approval_is_of_one_resource() {
    let mut world = world();
    ask(&world);
    say(&world, Verdict::Approve);
    granted(world.push(&world.claims("t1")));
    let description = world.registered.pop_first().unwrap().1;
    world.registered.insert(ResourceId::parse("r2").unwrap(), description);
    let request = br#"{"resource_id":"r2","resource_scopes":["get"]}"#;
    let (protection, now) = (world.server.protection.clone(), Timestamp::from_unix(world.now));
    let process = permission::parse(request).unwrap();
    let life = Lifetime::from_secs(300);
    let process = process.open(&world.registered, protection, "p".to_owned(), now, life).unwrap();
    let token = world.token(&world.claims("t1"));
    submitted(world.present(process, "t1", &pushed(&token)));
}

/// What the owner takes off the table is asked anew, and no refusal.
#[test]
fn grant_10_what_the_owner_reopens_is_asked_again() {
    let mut world = world();
    let waiting = ask(&world);
    say(&world, Verdict::Reopen);
    world.now += 5;
    let needed = need_info(poll(&world, waiting.process));
    let token = world.token(&world.claims("t3"));
    submitted(world.present(needed.process, "t3", &pushed(&token)));
}

/// What is said of an agent is said to the agent.
#[test]
fn grant_10_an_agent_waits_for_what_is_said_of_it() {
    let mut world = world();
    let mut claims = world.claims("t1");
    claims["act"] = json!({"sub": "https://agent.example/"});
    let waiting = submitted(world.push(&claims));
    say(&world, Verdict::Deny);
    world.now += 5;
    refused(poll(&world, waiting.process), "request_denied");
}

#[test]
fn a_process_that_waits_is_its_clients() {
    let mut world = world();
    let mut process = ask(&world).process;
    for _ in 0..2 {
        let stored = serde_json::to_vec(&process).unwrap();
        let copy: countersign_uma::Process = serde_json::from_slice(&stored).unwrap();
        let now = Timestamp::from_unix(world.now);
        assert!(copy.present(&client("other", true), now).is_err());
        world.now += 5;
        process = submitted(poll(&world, process)).process;
    }
}

/// By other rules the owner is asked on about whom they would be asked, and about nobody else.
#[test]
fn other_rules_are_asked_about_all_that_is_so_now() {
    let mut known = world();
    let waiting = ask(&known);
    change_rules(&mut known);
    known.now += 5;
    let waiting = submitted(poll(&known, waiting.process));
    // Nobody hears the issuer any more who vouched for her.
    known.settings.refused_issuers.insert(Issuer::parse(STS).unwrap());
    known.now += 5;
    need_info(poll(&known, waiting.process));

    let mut known = world();
    let waiting = ask(&known);
    change_rules(&mut known);
    let other = br#"{"resource_scopes":["put"],"name":"RS API"}"#;
    let other = ResourceDescription::parse(other).unwrap();
    known.registered.values_mut().for_each(|known| *known = other.clone());
    known.now += 5;
    need_info(poll(&known, waiting.process));
}
