use serde_json::json;

use super::*;
use crate::protection::OwnerId;
use crate::resource::{ResourceDescription, ResourceId};

fn protection(resource_server: &str) -> Protection {
    let owner = OwnerId::parse("bob").unwrap();
    Protection::new(owner, ClientId::parse(resource_server).unwrap())
}

fn rules(rules: Value) -> Rules {
    let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
    Rules::new().with(protection("rs"), rules)
}

fn person(iss: &str, email: &str, claims: Value) -> Person {
    Person {
        iss: Issuer::parse(iss).unwrap(),
        sub: "1".to_owned(),
        email: EmailAddress::parse(email).unwrap(),
        present: claims.get("absent").is_none(),
        claims: claims.as_object().unwrap().clone(),
        unheard: serde_json::Map::new(),
        vouching: crate::person::Vouching::default(),
    }
}

const NOW: Timestamp = Timestamp::from_unix(0);

struct Case {
    resource_server: &'static str,
    name: &'static str,
    scope: &'static str,
    client: &'static str,
}

const CASE: Case = Case { resource_server: "rs", name: "RS API", scope: "get", client: "app" };

#[track_caller]
fn ruling(rules: &Rules, case: &Case, person: Option<&Person>) -> Ruling {
    let description = json!({"resource_scopes": ["get", "put"], "name": case.name});
    let description = ResourceDescription::parse(description.to_string().as_bytes()).unwrap();
    rules.assess(&PolicyRequest {
        protection: &protection(case.resource_server),
        resource_id: &ResourceId::parse("r1").unwrap(),
        resource: &description,
        scope: case.scope,
        person,
        client: &ClientId::parse(case.client).unwrap(),
        now: Timestamp::from_unix(0),
    })
}

#[track_caller]
fn check(rules: &Rules, case: &Case, person: Option<&Person>) -> Decision {
    ruling(rules, case, person).decision
}

#[test]
fn without_rules_everything_is_denied() {
    let alice = person("https://a.example", "alice@a.example", json!({}));
    for rules in [Rules::new(), rules(json!([]))] {
        assert_eq!(check(&rules, &CASE, None), Decision::Deny);
        assert_eq!(check(&rules, &CASE, Some(&alice)), Decision::Deny);
    }
}

#[test]
fn a_rule_permits_what_it_says_and_nothing_else() {
    let rules = rules(json!([{
        "resource": "RS API", "scopes": ["get"], "emails": ["alice@a.example"],
        "issuers": ["https://a.example"], "clients": ["app"],
    }]));
    let alice = person("https://a.example", "alice@a.example", json!({}));
    assert_eq!(check(&rules, &CASE, Some(&alice)), Decision::Permit);
    for (name, case) in [
        ("resource server", Case { resource_server: "other", ..CASE }),
        ("resource", Case { name: "rs api", ..CASE }),
        ("scope", Case { scope: "put", ..CASE }),
        ("client", Case { client: "app2", ..CASE }),
    ] {
        assert_eq!(check(&rules, &case, Some(&alice)), Decision::Deny, "{name}");
        assert_eq!(check(&rules, &case, None), Decision::Deny, "{name}");
    }
    for (iss, email) in [
        ("https://b.example", "alice@a.example"),
        ("https://a.example/", "alice@a.example"),
        ("https://a.example", "Alice@a.example"),
        ("https://a.example", "alice@a.example.evil.example"),
    ] {
        let other = person(iss, email, json!({}));
        assert_eq!(check(&rules, &CASE, Some(&other)), Decision::Deny, "{iss} {email}");
    }
}

#[test]
fn without_a_person_the_claims_are_named() {
    let rules = rules(json!([
        {"resource": "*", "scopes": ["get"], "domains": ["A.example"],
         "issuers": ["https://a.example"], "claims": {"department": "research"}},
        {"resource": "RS API", "scopes": ["get"], "domains": ["b.example"],
         "issuers": ["https://b.example"]},
    ]));
    let Decision::NeedClaims(needed) = check(&rules, &CASE, None) else { panic!() };
    assert_eq!(
        serde_json::to_value(needed).unwrap(),
        json!([
            {"name": "email", "issuer": ["https://a.example", "https://b.example"],
             "claim_token_format": ["urn:ietf:params:oauth:token-type:jwt"]},
            {"name": "department", "issuer": ["https://a.example"],
             "claim_token_format": ["urn:ietf:params:oauth:token-type:jwt"]},
        ])
    );
}

#[test]
fn claims_must_hold() {
    let rules = rules(json!([{
        "resource": "*", "scopes": ["get"], "domains": ["*"], "claims": {"roles": "admin"},
    }]));
    let with = |claims| person("https://a.example", "alice@a.example", claims);
    for (claims, permit) in [
        (json!({"roles": "admin"}), true),
        (json!({"roles": ["user", "admin"]}), true),
        (json!({"roles": ["administrator"]}), false),
        (json!({"roles": "admin user"}), false),
        (json!({"roles": null}), false),
    ] {
        let decision = check(&rules, &CASE, Some(&with(claims.clone())));
        let expected = if permit { Decision::Permit } else { Decision::Deny };
        assert_eq!(decision, expected, "{claims}");
    }
    let decision = check(&rules, &CASE, Some(&with(json!({}))));
    assert_eq!(decision, Decision::NeedClaims(vec![RequiredClaim::named("roles")]));
}

#[test]
fn a_rule_can_ask_for_a_person_who_is_present() {
    let rules = rules(json!([{
        "resource": "*", "scopes": ["get"], "domains": ["*"], "present": true,
    }]));
    let alice = person("https://a.example", "alice@a.example", json!({}));
    assert_eq!(check(&rules, &CASE, Some(&alice)), Decision::Permit);
    let agent = person("https://a.example", "alice@a.example", json!({"absent": true}));
    assert_eq!(check(&rules, &CASE, Some(&agent)), Decision::Deny);
}

#[test]
fn a_rule_can_ask_the_owner_first() {
    let rules = rules(json!([
        {"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true},
        {"resource": "*", "scopes": ["get"], "emails": ["alice@a.example"]},
        {"resource": "*", "scopes": ["get"], "domains": ["c.example"], "claims": {"a": 1}},
    ]));
    let alice = person("https://a.example", "alice@a.example", json!({}));
    assert_eq!(check(&rules, &CASE, Some(&alice)), Decision::Permit, "a rule without");
    let bob = person("https://b.example", "bob@b.example", json!({}));
    assert_eq!(check(&rules, &CASE, Some(&bob)), Decision::AskOwner);
    let carol = person("https://c.example", "carol@c.example", json!({}));
    assert_eq!(check(&rules, &CASE, Some(&carol)), Decision::AskOwner, "lacks a claim, too");
    let nobody = check(&rules, &CASE, None);
    assert!(matches!(nobody, Decision::NeedClaims(_)), "nobody is asked about nobody");
    assert_eq!(check(&rules, &Case { scope: "put", ..CASE }, Some(&bob)), Decision::Deny);
}

#[test]
fn a_ruling_says_what_it_rests_on() {
    let rules = rules(json!([
        {"resource": "*", "scopes": ["get"], "domains": ["*"], "claims": {"team": "x", "unit": 1}},
        {"resource": "*", "scopes": ["get"], "domains": ["b.example"], "ask": true},
        {"resource": "*", "scopes": ["get"], "domains": ["c.example"]},
    ]));
    for (email, claims, why) in [
        ("a@a.example", json!({}), "claim \"team\" is missing, claim \"unit\" is missing"),
        ("a@a.example", json!({"team": "y"}), "claim \"team\" is another"),
        ("a@a.example", json!({"team": ["x", "y"], "unit": 1}), "by \"rule 1\""),
        ("b@b.example", json!({}), "by \"rule 2\""),
        ("c@c.example", json!({}), "by \"rule 3\""),
    ] {
        let person = person("https://a.example", email, claims.clone());
        let said = ruling(&rules, &CASE, Some(&person)).why;
        let said: Vec<_> = said.iter().map(ToString::to_string).collect();
        assert_eq!(said.join(", "), why, "{email} {claims}");
    }
}

#[test]
fn a_revision_is_of_the_rules_and_of_no_one_elses() {
    let rule = |email: &str| json!([{"resource": "*", "scopes": ["get"], "emails": [email]}]);
    let one = rules(rule("alice@a.example"));
    let (own, other) = (protection("rs"), protection("rs2"));
    assert_eq!(one.revision(&own, NOW), rules(rule("alice@a.example")).revision(&own, NOW));
    let more: Vec<Rule> = serde_json::from_value(rule("bob@a.example")).unwrap();
    let two = one.clone().with(other.clone(), more.clone());
    assert_eq!(one.revision(&own, NOW), two.revision(&own, NOW));
    assert_ne!(one.revision(&other, NOW), two.revision(&other, NOW));
    for changed in
        [rules(rule("eve@a.example")), rules(json!([])), one.clone().with(own.clone(), more)]
    {
        assert_ne!(one.revision(&own, NOW), changed.revision(&own, NOW));
    }
    assert_eq!(Rules::new().revision(&own, NOW), rules(json!([])).revision(&own, NOW));
}

#[test]
fn the_claims_are_those_that_rules_name() {
    let rules = rules(json!([
        {"resource": "*", "scopes": ["get"], "claims": {"roles": "admin"}},
        {"resource": "*", "scopes": ["put"], "claims": {"roles": "user", "team": "x"}},
    ]));
    assert!(rules.claims(&protection("rs")).iter().eq(["roles", "team"]));
    assert!(rules.claims(&protection("rs2")).is_empty());
}

#[test]
fn a_rule_that_says_nothing_is_refused() {
    for (rule, why) in [
        (json!({"resource": "*", "scopes": ["get"]}), "says who"),
        (json!({"resource": "", "scopes": ["get"], "domains": ["*"]}), "names its resource"),
        (json!({"resource": "*", "scopes": [], "domains": ["*"]}), "at least one scope"),
        (json!({"resource": "*", "scopes": ["get"], "domains": ["localhost"]}), "domain name"),
        (json!({"resource": "*", "scopes": ["get"], "domain": ["a.example"]}), "unknown field"),
    ] {
        let error = serde_json::from_value::<Rule>(rule.clone()).unwrap_err().to_string();
        assert!(error.contains(why), "{rule}: {error}");
    }
}
