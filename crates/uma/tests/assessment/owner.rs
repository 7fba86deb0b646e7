//! The owner is asked: the client waits, and comes back.

use std::collections::BTreeSet;

use countersign_types::Timestamp;
use countersign_uma::assessment::{Outcome, PartialGrants, Submitted};
use countersign_uma::case::{Case, OwnerDecision, Verdict};
use countersign_uma::permission::Permission;
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::process::MAX_INTERVAL;
use countersign_uma::rpt::Current;
use countersign_uma::{PersonId, Process};
use serde_json::{Value, json};

use crate::world::{RS, World, client, granted, need_info, pushed, refused, submitted};

/// Bob wants to be asked about everybody who wants to `get`.
pub(crate) fn world() -> World {
    with_rules(json!([{"resource": "RS API", "scopes": ["get"], "domains": ["*"], "ask": true}]))
}

pub(crate) fn with_rules(rules: Value) -> World {
    let mut world = World::new();
    let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
    world.rules = Rules::new().with(world.server.protection.clone(), rules);
    world
}

/// Alice asks for the first time.
pub(crate) fn ask(world: &World) -> Submitted {
    submitted(world.push(&world.claims("t1")))
}

/// The client comes back with nothing but its ticket.
pub(crate) fn poll(world: &World, process: Process) -> Box<countersign_uma::Ended> {
    world.present(process, "t2", &[("resource", RS)])
}

/// Bob says this to everything Alice asked.
pub(crate) fn say(world: &World, verdict: Verdict) {
    let mut case = world.case.borrow_mut();
    let found = case.clone().unwrap();
    let permissions = found.history()[0].permissions.clone();
    let (client, present) = found.history()[0].through.clone().unwrap();
    let (seen, by) = (found.revision(), "bob".to_owned());
    let decision = OwnerDecision { client, present, permissions, verdict, seen, by };
    *case = Some(Case::decide(Some(found), &decision, Timestamp::from_unix(world.now)).unwrap());
}

fn scopes(permissions: &[Permission]) -> String {
    permissions.iter().map(|permission| permission.resource_scopes.to_string()).collect()
}

#[test]
fn grant_10_the_client_waits_for_the_owner() {
    let mut world = world();
    let Submitted { process, interval } = ask(&world);
    assert_eq!(interval.as_secs(), 5);
    assert_eq!(process.expires(), Timestamp::from_unix(world.now + 7 * 86_400));
    let stored = serde_json::to_string(&process).unwrap();
    assert!(!stored.contains("alice"), "{stored}");
    let case = world.case.borrow().clone().unwrap();
    assert_eq!(case.person().email.as_str(), "alice@alice.example");
    assert_eq!(scopes(&case.history()[0].permissions), "get");

    world.now += 5;
    let again = submitted(poll(&world, process));
    assert_eq!(again.interval.as_secs(), 5);

    // Once the owner has answered, claims are asked for anew.
    say(&world, Verdict::Approve);
    world.now += 5;
    let needed = need_info(poll(&world, again.process));
    assert_eq!(needed.required_claims[0].name, "email");
    let token = world.token(&world.claims("t3"));
    let rpt = granted(world.present(needed.process, "t3", &pushed(&token)));
    assert!(rpt.asked);
    assert_eq!(scopes(&rpt.permissions), "get");
}

/// Who waits when other rules come is told what these say, by fresh claims; and waits on where
/// these leave it to the owner all the same.
#[test]
fn who_waits_goes_by_the_rules_of_now() {
    let asks = json!({"resource": "RS API", "scopes": ["get"], "domains": ["*"], "ask": true});
    let permits = json!({"resource": "RS API", "scopes": ["get"], "domains": ["alice.example"]});
    let others = json!({"resource": "RS API", "scopes": ["get"], "domains": ["dave.example"]});
    for (name, rules, goes_on) in [
        ("the same", json!([asks]), true),
        ("more about others", json!([asks, others]), true),
        ("she may", json!([permits]), false),
        ("she may not", json!([others]), false),
        ("nothing", json!([]), false),
    ] {
        let mut world = world();
        let waiting = ask(&world);
        let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
        world.rules = Rules::new().with(world.server.protection.clone(), rules);
        world.now += 5;
        let ended = poll(&world, waiting.process);
        if goes_on {
            submitted(ended);
            continue;
        }
        let needed = need_info(ended);
        assert_eq!(needed.required_claims[0].name, "email", "{name}");
        let token = world.token(&world.claims("t3"));
        let ended = world.present(needed.process, "t3", &pushed(&token));
        if name == "she may" {
            assert!(!granted(ended).asked, "{name}");
        } else {
            refused(ended, "request_denied");
        }
    }
}

/// What was said of somebody when the owner was asked does not have a request go round and round
/// that is asked about by what is said of them now.
#[test]
fn other_rules_are_looked_at_once() {
    let mut world = world();
    let mut claims = world.claims("t1");
    claims["department"] = json!("research");
    let waiting = submitted(world.push(&claims));
    let rules = json!([
        {"resource": "RS API", "scopes": ["get"], "domains": ["*"], "ask": true},
        {"resource": "RS API", "scopes": ["get"], "domains": ["*"],
            "claims": {"department": "research"}},
    ]);
    let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
    world.rules = Rules::new().with(world.server.protection.clone(), rules);
    world.now += 5;
    let needed = need_info(poll(&world, waiting.process));
    // She is in another department by now.
    let token = world.token(&world.claims("t3"));
    let mut waiting = submitted(world.present(needed.process, "t3", &pushed(&token)));
    for _ in 0..20 {
        world.now += 5;
        waiting = submitted(poll(&world, waiting.process));
    }
}

/// Rules that go by the time are no others at each moment: who waits is sent back for claims when
/// what they say of them changes, once, and not at each poll.
#[test]
fn who_waits_under_rules_that_go_by_the_time_goes_back_when_these_say_something_else() {
    let rules = |rules: Value| {
        let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
        Rules::new().with(World::new().server.protection, rules)
    };
    let asks = || json!({"resource": "RS API", "scopes": ["get"], "domains": ["*"], "ask": true});
    let permits = |more: Value| {
        let mut rule = json!({"resource": "RS API", "scopes": ["get"], "domains": ["*"]});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let mut world = world();
    world.night = Some((world.now + 60, rules(json!([permits(json!({}))]))));
    let mut waiting = ask(&world);
    for _ in 0..5 {
        world.now += 10;
        waiting = submitted(poll(&world, waiting.process));
    }
    world.now += 10;
    let needed = need_info(poll(&world, waiting.process));
    let token = world.token(&world.claims("t3"));
    assert!(!granted(world.present(needed.process, "t3", &pushed(&token))).asked);

    // By what was said of her when the owner was asked she would be let in; she is in no department
    // now.
    let mut world = with_rules(json!([asks()]));
    let mut claims = world.claims("t1");
    claims["department"] = json!("research");
    let waiting = submitted(world.push(&claims));
    let research = permits(json!({"claims": {"department": "research"}}));
    world.rules = rules(json!([asks(), research]));
    world.night = Some((world.now + 10_000, rules(json!([asks(), research]))));
    world.now += 5;
    let needed = need_info(poll(&world, waiting.process));
    let token = world.token(&world.claims("t3"));
    let mut waiting = submitted(world.present(needed.process, "t3", &pushed(&token)));
    for _ in 0..20 {
        world.now += 5;
        waiting = submitted(poll(&world, waiting.process));
    }
}

/// What a token permits is asked anew at each use where answers go by the time.
#[test]
fn what_goes_by_the_time_is_asked_anew_at_each_use_of_a_token() {
    let mut world = World::new();
    world.night = Some((world.now + 60, Rules::new()));
    let rpt = granted(world.push(&world.claims("t1")));
    let (policy, settings) = (world.policy(), &world.settings);
    for (later, active) in [(0, true), (59, true), (60, false)] {
        let now = Timestamp::from_unix(world.now + later);
        let registered = &world.registered;
        let current = Current { registered, case: None, policy: &policy, settings, now };
        let said = rpt.introspect(&world.server.protection, current);
        assert_eq!(said["active"], active, "{later}: {said}");
    }
}

#[test]
fn who_brings_fresh_claims_along_need_not_ask_twice() {
    let mut world = world();
    let waiting = ask(&world);
    say(&world, Verdict::Approve);
    world.now += 5;
    let token = world.token(&world.claims("t2"));
    assert!(granted(world.present(waiting.process, "t2", &pushed(&token))).asked);

    // Whoever begins anew does not ask anew.
    assert!(granted(world.push(&world.claims("t1"))).asked);
}

#[test]
fn grant_10_a_refusal_is_the_end() {
    let mut world = world();
    let waiting = ask(&world);
    say(&world, Verdict::Deny);
    world.now += 5;
    refused(poll(&world, waiting.process), "request_denied");
    refused(world.push(&world.claims("t1")), "request_denied");
}

#[test]
fn u22_who_comes_too_early_waits_longer_and_is_told_nothing() {
    let mut world = world();
    let Submitted { mut process, mut interval } = ask(&world);
    say(&world, Verdict::Approve);
    for doubled in [10, 20, 40, 80, 160, 300, 300] {
        world.now += 1;
        let again = submitted(poll(&world, process));
        assert_eq!(again.interval.as_secs(), doubled);
        (process, interval) = (again.process, again.interval);
    }
    assert_eq!(interval, MAX_INTERVAL);
    world.now += 298;
    let again = submitted(poll(&world, process));
    world.now += 300;
    need_info(poll(&world, again.process));
}

#[test]
fn u22_claims_that_are_pushed_too_early_do_not_shorten_the_wait() {
    let mut world = world();
    let waiting = ask(&world);
    world.now += 1;
    let token = world.token(&world.claims("t2"));
    let again = submitted(world.present(waiting.process, "t2", &pushed(&token)));
    assert_eq!(again.interval.as_secs(), 10);
    world.now += 10;
    let token = world.token(&world.claims("t3"));
    let again = submitted(world.present(again.process, "t3", &pushed(&token)));
    assert_eq!(again.interval.as_secs(), 5);
    assert_eq!(world.case.borrow().as_ref().unwrap().history().len(), 1, "asked once");
}

#[test]
fn the_owner_may_want_to_know_more() {
    let mut world = world();
    let waiting = ask(&world);
    say(&world, Verdict::AskMore(BTreeSet::from(["department".to_owned()])));
    world.now += 5;
    let needed = need_info(poll(&world, waiting.process));
    assert_eq!(
        serde_json::to_value(&needed.required_claims).unwrap(),
        json!([{
            "name": "department", "issuer": ["https://sts.alice.example"],
            "claim_token_format": ["urn:ietf:params:oauth:token-type:jwt"],
        }])
    );
    // Without them it is the same answer, and with them the owner's turn.
    let token = world.token(&world.claims("t3"));
    let needed = need_info(world.present(needed.process, "t3", &pushed(&token)));
    let mut claims = world.claims("t4");
    claims["department"] = json!("research");
    let token = world.token(&claims);
    let waiting = submitted(world.present(needed.process, "t4", &pushed(&token)));
    say(&world, Verdict::Approve);
    world.now += 5;
    need_info(poll(&world, waiting.process));
}

#[test]
fn nobody_else_goes_on_where_somebody_waits() {
    let mut world = world();
    let waiting = ask(&world);
    say(&world, Verdict::Approve);
    world.now += 5;
    let mut claims = world.claims("t2");
    claims["email"] = json!("mallory@alice.example");
    let token = world.token(&claims);
    refused(world.present(waiting.process, "t2", &pushed(&token)), "request_denied");

    // What the owner approved is for the client that asked.
    world.client = client("app2", true);
    submitted(world.push(&world.claims("t1")));
}

#[test]
fn a_public_client_waits_too_and_its_ticket_opens_nothing() {
    let mut world = world();
    world.client = client("app", false);
    let waiting = ask(&world);
    say(&world, Verdict::Approve);
    world.now += 5;
    let needed = need_info(poll(&world, waiting.process));
    world.now += 5;
    let needed = need_info(poll(&world, needed.process));
    let token = world.token(&world.claims("t4"));
    granted(world.present(needed.process, "t4", &pushed(&token)));
}

#[test]
fn an_agent_is_asked_about_for_itself() {
    let mut world = world();
    ask(&world);
    say(&world, Verdict::Approve);
    let mut claims = world.claims("t1");
    claims["act"] = json!({"sub": "https://agent.example/"});
    submitted(world.push(&claims));
    world.now += 1;
    granted(world.push(&world.claims("t1")));
}

#[test]
fn what_nobody_answered_in_time_is_asked_again() {
    let mut world = world();
    world.settings.waiting_lifetime = countersign_types::Lifetime::from_secs(60);
    let Submitted { process, .. } = ask(&world);
    world.now += 55;
    // A ticket of another kind may live a little longer than the question.
    let token = world.token(&world.claims("wrong"));
    let process = need_info(world.present(process, "t2", &pushed(&token))).process;
    world.now += 10;
    let needed = need_info(poll(&world, process));
    let token = world.token(&world.claims("t4"));
    submitted(world.present(needed.process, "t4", &pushed(&token)));
    assert_eq!(world.case.borrow().as_ref().unwrap().history().len(), 2);
}

#[test]
fn nobody_is_asked_where_it_makes_no_difference() {
    let rule = |scopes: Value, more: Value| {
        let mut rule = json!({"resource": "*", "scopes": scopes, "domains": ["*"]});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let ask_get = rule(json!(["get"]), json!({"ask": true}));
    let both = |world: &World, partial| {
        let token = world.token(&world.claims("t1"));
        let mut form = pushed(&token).to_vec();
        form.push(("scope", "put"));
        assert_eq!(world.settings.partial_grants, partial);
        world.present(world.process(), "t1", &form)
    };

    // `put` is denied, and parts are not granted.
    let world = with_rules(json!([ask_get]));
    refused(both(&world, PartialGrants::Refuse), "request_denied");
    assert!(world.case.borrow().is_none());

    // `put` needs a claim first.
    let research = json!({"claims": {"department": "research"}});
    let world = with_rules(json!([ask_get, rule(json!(["put"]), research)]));
    need_info(both(&world, PartialGrants::Refuse));
    assert!(world.case.borrow().is_none());

    // `put` is permitted: a part is granted where parts are, and all or nothing elsewhere.
    let mut world = with_rules(json!([ask_get, rule(json!(["put"]), json!({}))]));
    world.settings.partial_grants = PartialGrants::Allow;
    let rpt = granted(both(&world, PartialGrants::Allow));
    assert_eq!((scopes(&rpt.permissions), rpt.asked), ("put".to_owned(), false));
    assert!(world.case.borrow().is_none());
    world.settings.partial_grants = PartialGrants::Refuse;
    submitted(both(&world, PartialGrants::Refuse));
    say(&world, Verdict::Approve);
    let rpt = granted(both(&world, PartialGrants::Refuse));
    assert_eq!((scopes(&rpt.permissions), rpt.asked), ("get put".to_owned(), true));

    // Nobody is asked about nobody.
    let world = with_rules(json!([ask_get]));
    need_info(world.present(world.process(), "t1", &[("resource", RS)]));
    assert!(world.case.borrow().is_none());
}

#[test]
fn a_part_is_granted_of_what_the_owner_approved_in_part() {
    let mut world = with_rules(
        json!([{"resource": "*", "scopes": ["get", "put"], "domains": ["*"], "ask": true}]),
    );
    let both = |world: &World| {
        let token = world.token(&world.claims("t1"));
        let mut form = pushed(&token).to_vec();
        form.push(("scope", "put"));
        world.present(world.process(), "t1", &form)
    };
    let Submitted { process, .. } = submitted(both(&world));
    let found = world.case.borrow().clone().unwrap();
    let mut permissions = found.history()[0].permissions.clone();
    permissions[0].resource_scopes = countersign_types::ScopeSet::parse("get").unwrap();
    let decision = OwnerDecision {
        client: world.client.id().clone(),
        present: true,
        permissions,
        verdict: Verdict::Approve,
        seen: found.revision(),
        by: "bob".to_owned(),
    };
    let case = Case::decide(Some(found), &decision, Timestamp::from_unix(world.now)).unwrap();
    assert_eq!(PersonId::of(case.person()), process_person(&process));
    *world.case.borrow_mut() = Some(case);
    world.now += 5;
    let Submitted { process, .. } = submitted(poll(&world, process));
    world.settings.partial_grants = PartialGrants::Allow;
    world.now += 5;
    need_info(poll(&world, process));
    assert_eq!(scopes(&granted(both(&world)).permissions), "get");
}

/// Whom a process waits for somebody's word about.
fn process_person(process: &Process) -> PersonId {
    let stored = serde_json::to_value(process).unwrap();
    PersonId::parse(stored["waiting"]["person"].as_str().unwrap()).unwrap()
}

#[test]
fn a_process_that_waits_survives_its_store() {
    let mut world = world();
    let waiting = ask(&world);
    let stored = serde_json::to_vec(&waiting.process).unwrap();
    let process: Process = serde_json::from_slice(&stored).unwrap();
    world.now += 5;
    submitted(poll(&world, process));
}

#[test]
fn polls_are_no_rounds() {
    let mut world = world();
    let mut process = ask(&world).process;
    for _ in 0..40 {
        world.now += 5;
        process = submitted(poll(&world, process)).process;
    }
    assert!(matches!(poll(&world, process).outcome, Outcome::Submitted(_)));
}
