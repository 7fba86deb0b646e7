//! What is left of an RPT when it is used: the owner's word, and the rules, of now (U23).

use countersign_types::Timestamp;
use countersign_uma::Rpt;
use countersign_uma::case::{Case, Verdict};
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::rpt::Current;
use serde_json::{Value, json};

use crate::owner::{ask, say, world};
use crate::world::{World, granted, submitted};

/// Whether the resource server is told that it is active.
#[track_caller]
fn is_active(world: &World, rpt: &Rpt, case: Option<&Case>) -> bool {
    let (registered, policy) = (&world.registered, &world.policy());
    let (settings, now) = (&world.settings, Timestamp::from_unix(world.now));
    let current = Current { registered, case, policy, settings, now };
    rpt.introspect(&world.server.protection, current)["active"] == true
}

fn change_rules(world: &mut World, rules: Value) {
    let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
    world.rules = Rules::new().with(world.server.protection.clone(), rules);
}

/// An RPT that Bob approved, and the case by which he did.
fn approved(world: &World) -> (Rpt, Case) {
    ask(world);
    say(world, Verdict::Approve);
    let rpt = granted(world.push(&world.claims("t1")));
    let case = world.case.borrow().clone().unwrap();
    (rpt, case)
}

#[test]
fn u23_what_the_owner_approved_lasts_as_long_as_they_say_so() {
    let world = world();
    let (rpt, case) = approved(&world);
    assert!(is_active(&world, &rpt, Some(&case)));
    assert!(!is_active(&world, &rpt, None));
    let revoked = Case::revoke(Some(case), "bob", Timestamp::from_unix(world.now));
    assert!(!is_active(&world, &rpt, revoked.as_ref()));
}

/// Whoever looks the case up by another name is told nothing by it.
#[test]
fn u23_what_was_said_of_somebody_else_counts_for_nobody() {
    let world = world();
    let (rpt, _) = approved(&world);
    world.case.take();
    let mut claims = world.claims("t1");
    claims["email"] = json!("dave@alice.example");
    submitted(world.push(&claims));
    say(&world, Verdict::Approve);
    let daves = world.case.take();
    assert!(!is_active(&world, &rpt, daves.as_ref()));
}

/// Rules that need to know more of a person than is known permit nothing.
#[test]
fn u23_rules_that_want_another_claim_now_end_a_token() {
    let mut world = World::new();
    let rpt = granted(world.push(&world.claims("t1")));
    assert!(is_active(&world, &rpt, None));
    // One that it was known of her then that she has it not.
    let lacking = json!({"resource": "*", "scopes": ["get"], "domains": ["*"],
        "claims": {"department": "research"}});
    change_rules(&mut world, json!([lacking]));
    assert!(rpt.known_claims.contains("department"));
    assert!(!is_active(&world, &rpt, None));
    change_rules(&mut world, json!([{"resource": "*", "scopes": ["get"], "domains": ["*"]}]));
    assert!(is_active(&world, &rpt, None));
}

/// What rules do not go by is nobody's business once the token is out.
#[test]
fn of_a_persons_claims_those_are_kept_that_rules_go_by() {
    let world = World::new();
    let mut claims = world.claims("t1");
    (claims["department"], claims["shoe_size"]) = (json!("research"), json!("38"));
    let kept = granted(world.push(&claims)).person.unwrap().claims;
    assert_eq!(Value::Object(kept), json!({"department": "research"}));
}
