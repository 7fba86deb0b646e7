//! Several things in one request, of which one is otherwise than the others: all that is asked, or
//! an error, unless parts are granted (GRANT-12).

use countersign_types::{Lifetime, ScopeSet, Timestamp};
use countersign_uma::assessment::{Ended, PartialGrants};
use countersign_uma::case::{Case, MAX_ENTRIES, OwnerDecision, Question, Verdict};
use countersign_uma::permission::{self, Permission};
use countersign_uma::policy::Decision;
use countersign_uma::resource::ResourceId;
use serde_json::json;

use crate::owner::{ask, poll, with_rules};
use crate::world::{RS, Says, World, granted, need_info, pushed, refused, submitted};

/// `get`, of the ticket, and `put`, which the client asks for.
fn both(world: &World) -> Box<Ended> {
    let token = world.token(&world.claims("t1"));
    let mut form = pushed(&token).to_vec();
    form.push(("scope", "put"));
    world.present(world.process(), "t1", &form)
}

/// All or nothing, and then the part that is granted elsewhere.
#[track_caller]
fn is_refused_but_in_part(world: &mut World, part: &str) {
    refused(both(world), "request_denied");
    world.settings.partial_grants = PartialGrants::Allow;
    let rpt = granted(both(world));
    assert_eq!(rpt.permissions.len(), 1);
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), part);
}

fn asking() -> World {
    with_rules(json!([{"resource": "*", "scopes": ["get", "put"], "domains": ["*"], "ask": true}]))
}

fn at(resource: &str, scope: &str) -> Permission {
    Permission {
        resource_id: ResourceId::parse(resource).unwrap(),
        resource_scopes: ScopeSet::parse(scope).unwrap(),
    }
}

/// Bob says this to one scope.
fn say_of(world: &World, scope: &str, verdict: Verdict) {
    let mut case = world.case.borrow_mut();
    let found = case.take().unwrap();
    let decision = OwnerDecision {
        client: world.client.id().clone(),
        present: true,
        permissions: vec![at("r1", scope)],
        verdict,
        seen: found.revision(),
        by: "bob".to_owned(),
    };
    *case = Some(Case::decide(Some(found), &decision, Timestamp::from_unix(world.now)).unwrap());
}

#[test]
fn grant_12_what_the_owner_denies_is_not_left_out_of_a_grant() {
    let mut world = asking();
    let waiting = submitted(both(&world));
    say_of(&world, "get", Verdict::Approve);
    say_of(&world, "put", Verdict::Deny);
    world.now += 5;
    refused(poll(&world, waiting.process), "request_denied");
    is_refused_but_in_part(&mut world, "get");
}

#[test]
fn grant_12_what_there_is_no_room_to_ask_is_not_left_out_of_a_grant() {
    let mut world = asking();
    ask(&world);
    say_of(&world, "get", Verdict::Approve);
    let found = world.case.take().unwrap();
    let question = Question {
        person: found.person().clone(),
        client: world.client.id().clone(),
        permissions: (1..MAX_ENTRIES).map(|number| at(&format!("other{number}"), "get")).collect(),
        why: Vec::new(),
        lifetime: Lifetime::from_secs(60),
    };
    let full = Case::ask(Some(found), &question, Timestamp::from_unix(world.now)).0;
    assert_eq!(full.as_ref().unwrap().entries().len(), MAX_ENTRIES);
    *world.case.borrow_mut() = full;
    is_refused_but_in_part(&mut world, "get");
}

#[test]
fn grant_12_a_resource_that_is_gone_is_not_left_out_of_a_grant() {
    let mut world = World::new();
    let (r1, r2) = (at("r1", "get"), at("r2", "get"));
    let description = world.registered[&r1.resource_id].clone();
    world.registered.insert(r2.resource_id.clone(), description);
    let of_both = |world: &World| {
        let token = world.token(&world.claims("t1"));
        let request = serde_json::to_vec(&[&r1, &r2]).unwrap();
        let now = Timestamp::from_unix(world.now);
        let mut registered = world.registered.clone();
        registered.insert(r2.resource_id.clone(), registered[&r1.resource_id].clone());
        let (protection, life) = (world.server.protection.clone(), Lifetime::from_secs(300));
        let process = permission::parse(&request).unwrap();
        let process = process.open(&registered, protection, "p".to_owned(), now, life).unwrap();
        world.present(process, "t1", &pushed(&token))
    };
    assert_eq!(granted(of_both(&world)).permissions, [r1.clone(), r2.clone()]);
    world.registered.remove(&r2.resource_id);
    refused(of_both(&world), "request_denied");
    world.settings.partial_grants = PartialGrants::Allow;
    assert_eq!(granted(of_both(&world)).permissions, [r1]);
}

/// U9: to need claims, and none in particular, is to say no.
#[test]
fn u9_a_policy_that_needs_no_claim_denies() {
    let mut world = World::new();
    world.says = Some(Says(|_| Decision::NeedClaims(Vec::new())));
    refused(world.push(&world.claims("t1")), "request_denied");
    world.says = Some(Says(|scope| match scope {
        "get" => Decision::Permit,
        _ => Decision::NeedClaims(Vec::new()),
    }));
    is_refused_but_in_part(&mut world, "get");
}

/// The owner is asked about people, and not about nobody: whoever says nothing of themselves is
/// asked who they are.
#[test]
fn grant_4_who_is_unknown_is_asked_before_the_owner_is() {
    let mut world = World::new();
    world.says = Some(Says(|_| Decision::AskOwner));
    let needed = need_info(world.present(world.process(), "t1", &[("resource", RS)]));
    assert_eq!(needed.required_claims[0].name, "email");
    assert!(world.case.borrow().is_none());
    submitted(world.push(&world.claims("t1")));
}
