//! Which resource server, which scopes, which policy.

use countersign_types::{ClientId, ScopeSet};
use countersign_uma::assessment::PartialGrants;
use countersign_uma::policy::rules::Rules;
use countersign_uma::protection::{OwnerId, ResourceParameter};
use serde_json::{Value, json};

use crate::world::{JWT, RS, World, granted, need_info, pushed, refused};

#[test]
fn no_claims_and_a_policy_that_needs_some() {
    let world = World::new();
    let need_info = need_info(world.present(world.process(), "t1", &[("resource", RS)]));
    assert_eq!(need_info.required_claims[0].name, "email");
    assert_eq!(need_info.process.client().map(ClientId::as_str), Some("app"));
}

#[test]
fn an_empty_policy_denies_with_and_without_claims() {
    let mut world = World::new();
    world.rules = Rules::new();
    refused(world.present(world.process(), "t1", &[("resource", RS)]), "request_denied");
    refused(world.push(&world.claims("t1")), "request_denied");
}

#[test]
fn the_resource_must_be_the_resource_server_of_the_ticket() {
    let world = World::new();
    let claims = |resource: Value| {
        let mut claims = world.claims("t1");
        match resource {
            Value::Null => claims.as_object_mut().unwrap().remove("resource"),
            resource => claims.as_object_mut().unwrap().insert("resource".to_owned(), resource),
        };
        world.token(&claims)
    };
    let (own, own2) = (claims(json!(RS)), claims(json!("https://rs.bob.example/v2")));
    let foreign = claims(json!("https://rs.eve.example"));
    let absent = claims(Value::Null);
    let eve = "https://rs.eve.example";
    let table: &[(&str, Option<&str>, Option<&str>, &str)] = &[
        ("neither", None, None, "invalid_target"),
        ("neither in a claims token", Some(&absent), None, "invalid_target"),
        ("neither in garbage", Some("x"), None, "invalid_target"),
        ("foreign parameter", None, Some(eve), "invalid_target"),
        ("foreign parameter, own claim", Some(&own), Some(eve), "invalid_target"),
        ("foreign claim", Some(&foreign), None, "invalid_target"),
        ("foreign claim, own parameter", Some(&foreign), Some(RS), "invalid_target"),
        ("both foreign", Some(&foreign), Some(eve), "invalid_target"),
        ("a slash more", Some(&own), Some("https://rs.bob.example/"), "invalid_target"),
        ("two identifiers of one server", Some(&own2), Some(RS), "invalid_target"),
    ];
    for (name, token, parameter, code) in table {
        let mut form = Vec::new();
        if let Some(token) = token {
            form.extend([("claim_token", *token), ("claim_token_format", JWT)]);
        }
        form.extend(parameter.map(|parameter| ("resource", parameter)));
        let ended = world.present(world.process(), "t1", &form);
        assert!(ended.person.is_none(), "{name}");
        refused(ended, code);
    }
    let form = [("claim_token", &*own2), ("claim_token_format", JWT)];
    let rpt = granted(world.present(world.process(), "t1", &form));
    assert_eq!(rpt.audience.as_str(), "https://rs.bob.example/v2");
}

#[test]
fn a_server_may_let_clients_leave_the_resource_out() {
    let mut world = World::new();
    world.server.resource_parameter = ResourceParameter::Optional;
    need_info(world.present(world.process(), "t1", &[]));
    let mut claims = world.claims("t1");
    claims.as_object_mut().unwrap().remove("resource");
    let token = world.token(&claims);
    let form = [("claim_token", &*token), ("claim_token_format", JWT)];
    refused(world.present(world.process(), "t1", &form), "invalid_target");
}

#[test]
fn scopes_are_those_of_the_formula() {
    let mut world = World::new();
    world.settings.partial_grants = PartialGrants::Allow;
    let mut claims = world.claims("t1");
    claims["department"] = json!("research");
    let token = world.token(&claims);
    let with_scope = |world: &World, token: &str, scope: &str| {
        let mut form = pushed(token).to_vec();
        form.push(("scope", scope));
        world.present(world.process(), "t1", &form)
    };
    let rpt = granted(with_scope(&world, &token, "put"));
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), "get put");

    refused(with_scope(&world, &token, "get"), "invalid_scope"); // not the client's
    world.scopes = ScopeSet::parse("put delete").unwrap();
    refused(with_scope(&world, &token, "delete"), "invalid_scope"); // not the resource's

    let poor = world.token(&world.claims("t1"));
    let rpt = granted(with_scope(&world, &poor, "put"));
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), "get", "a part");
    world.settings.partial_grants = PartialGrants::Refuse;
    let need_info = need_info(with_scope(&world, &poor, "put"));
    assert_eq!(need_info.required_claims[0].name, "department");

    claims["department"] = json!("sales");
    let wrong = world.token(&claims);
    refused(with_scope(&world, &wrong, "put"), "request_denied");
}

#[test]
fn a_resource_that_is_gone_ends_the_process() {
    let mut world = World::new();
    let process = world.process();
    world.registered.clear();
    refused(world.present(process, "t1", &[("resource", RS)]), "invalid_grant");
    let mut world = World::new();
    let process = world.process();
    world.server.protection.owner = OwnerId::parse("eve").unwrap();
    refused(world.present(process, "t1", &[("resource", RS)]), "invalid_grant");
}
