//! The rules of an administrator: which texts are some, and what they say.

use super::*;

#[test]
fn rules_speak_of_what_they_are_about() {
    let policy = policy(
        r#"@id("research")
           permit (principal in Domain::"a.example", action, resource in Owner::"bob")
           when { context.scope == Scope::"get" && resource has type && resource.type == "manual" &&
                  principal.hasTag("team") && principal.getTag("team").contains("x") };
           @id("team is wanted") @need_info("team")
           permit (principal in Domain::"a.example", action, resource in Owner::"bob")
           when { context.scope == Scope::"get" };
           @id("through the mail") @description("by day")
           permit (principal is Person in Address::"bob@b.example", action == Action::"access", resource == Resource::"r2")
           when { context.client == Client::"mail" && context.time.toTime() < duration("12h") };
           @id("strangers") @ask
           permit (principal in Issuer::"https://sts.c.example", action, resource in ResourceServer::"rs")
           when { principal.present };"#,
    );
    let of = |email, claims| person(email, claims);
    let a = of("a@a.example", json!({"team": ["y", "x"]}));
    assert_eq!(check(&policy, Asked::by(&a)), ("permit", "by \"research\"".to_owned()));
    assert_eq!(decide(&policy, Asked { scope: "put", ..Asked::by(&a) }), "deny");
    let other = of("a@a.example", json!({"team": "y"}));
    assert_eq!(decide(&policy, Asked::by(&other)), "deny", "what is there is not asked for");
    let none = of("a@a.example", json!({}));
    assert_eq!(check(&policy, Asked::by(&none)), ("need", "claim \"team\" is missing".to_owned()));
    assert_eq!(decide(&policy, Asked { owner: "carol", ..Asked::by(&none) }), "deny");
    let b = of("bob@b.example", json!({}));
    let mail = Asked { resource: "r2", client: "mail", ..Asked::by(&b) };
    assert_eq!(decide(&policy, mail), "permit");
    assert_eq!(decide(&policy, Asked { client: "app", ..mail }), "deny");
    assert_eq!(decide(&policy, Asked { now: NOW + 43_200, ..mail }), "deny");
    assert_eq!(
        check(&policy, Asked::by(&of("c@c.example", json!({})))),
        ("ask", "by \"strangers\"".to_owned())
    );
    assert_eq!(decide(&policy, Asked::by(&of("c@c.example", json!({"absent": 1})))), "deny");
    assert!(policy.claims(&bob()).iter().eq(["team"]));
    assert_eq!(policy.describe("through the mail").as_deref(), Some("by day"));
    assert_eq!((policy.describe("research"), policy.describe("rule 1")), (None, None));
}

/// The revision names the rules and not the moment; where a rule goes by the time is said beside
/// it.
#[test]
fn rules_that_go_by_the_time_are_the_same_at_each_moment() {
    let by_day = "when { context.time.toTime() < duration(\"12h\") };";
    for (resource, of_bob, of_carol) in [
        ("resource", true, true),
        ("resource == Resource::\"r1\"", true, true),
        ("resource in Owner::\"bob\"", true, false),
        ("resource in ResourceServer::\"rs\"", true, true),
        ("resource in ResourceServer::\"rs2\"", false, false),
    ] {
        let policy =
            policy(&format!("@id(\"day\") permit (principal, action, {resource}) {by_day}"));
        let carol = protection("carol", "rs");
        assert_eq!(
            (policy.is_timed(&bob()), policy.is_timed(&carol)),
            (of_bob, of_carol),
            "{resource}"
        );
        assert_eq!(policy.revision(&bob(), at(NOW)), policy.revision(&bob(), at(NOW + 43_200)));
    }
    for (condition, timed) in [
        ("context.scope == Scope::\"get\"", false),
        ("context == context", true),
        ("[context.time].isEmpty()", true),
    ] {
        let text =
            format!("@id(\"x\") permit (principal, action, resource) when {{ {condition} }};");
        assert_eq!(policy(&text).is_timed(&bob()), timed, "{condition}");
    }
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies() {
    let policy = policy(
        r#"@id("all") permit (principal, action, resource);
           @id("overflow") forbid (principal, action, resource)
           when { context.time.offset(duration("9223372036854775807ms")) < context.time };"#,
    );
    let (word, why) = check(&policy, Asked::by(&alice()));
    assert_eq!(word, "deny");
    assert!(why.contains("failed: ") && why.contains("overflow"), "{why}");
}

#[test]
fn either_the_configuration_or_cedar_permits() {
    let policy = configured(
        r#"@id("c") @need_info("unit") permit (principal in Domain::"a.example", action, resource);
           @id("b") @ask permit (principal in Domain::"b.example", action, resource);"#,
        json!([
            {"resource": "*", "scopes": ["get"], "domains": ["a.example"], "claims": {"team": "x"}},
            {"resource": "*", "scopes": ["get"], "emails": ["b@b.example"]},
        ]),
    );
    let needed = ruling(&policy, Asked::by(&alice())).decision;
    let Decision::NeedClaims(needed) = needed else { panic!("{needed:?}") };
    let names: Vec<_> = needed.iter().map(|claim| claim.name.as_str()).collect();
    assert_eq!(names, ["team", "unit"]);
    let asked = |email: &str| check(&policy, Asked::by(&person(email, json!({}))));
    assert_eq!(asked("b@b.example"), ("permit", "by \"rule 2\"".to_owned()));
    assert_eq!(asked("c@b.example"), ("ask", "by \"b\"".to_owned()));
}

#[test]
fn rules_that_mean_nothing_are_refused() {
    let all = "(principal, action, resource)";
    let head = |person: &str| format!("@id(\"x\") forbid ({person}, action, resource);");
    let of = |resource: &str| format!("@id(\"x\") forbid (principal, action, {resource});");
    for (text, why) in [
        (format!("permit {all};"), "@id"),
        (format!("@id(\"share x\") permit {all};"), "no rule's"),
        (format!("@id(\"rule 1\") permit {all};"), "no rule's"),
        (format!("@id(\"{}\") permit {all};", "x".repeat(257)), "a name is one line"),
        (format!("@id(\"a\\nb\") permit {all};"), "a name is one line"),
        (format!("@id(\"x\") @description permit {all};"), "@description is one line"),
        (format!("@id(\"x\") @description(\"\") permit {all};"), "@description is one line"),
        (format!("@id(\"x\") @description(\"a\\tb\") permit {all};"), "@description is one line"),
        (
            format!("@id(\"x\") @description(\"{}\") permit {all};", "ä".repeat(129)),
            "@description is one line",
        ),
        (format!("@id(\"x\") @aks permit {all};"), "@aks means nothing"),
        (format!("@id(\"x\") @ask(\"bob\") permit {all};"), "stands alone"),
        (format!("@id(\"x\") @ask @need_info(\"a\") permit {all};"), "exclude"),
        (format!("@id(\"x\") @need_info permit {all};"), "names claims"),
        (format!("@id(\"x\") @need_info(\"a  b\") permit {all};"), "names claims"),
        (format!("@id(\"x\") @ask forbid {all};"), "neither asks"),
        (format!("@id(\"x\") permit {all} when {{ context.scope == \"get\" }};"), "do not fit"),
        (
            format!("@id(\"x\") permit {all} when {{ principal.getTag(\"a\").contains(\"b\") }};"),
            "do not fit",
        ),
        (
            format!("@id(\"x\") permit {all} when {{ principal.hasTag(principal.email) }};"),
            "named by a text",
        ),
        ("@id(\"x\") permit (principal == ?principal, action, resource);".to_owned(), "template"),
        (
            "@id(\"x\") permit (principal, action == Action::\"get\", resource);".to_owned(),
            "do not fit",
        ),
        (head("principal in Audience::\"x\""), "is no head"),
        (head("principal in Domain::\"A.example\""), "one spelling"),
        (head("principal in Domain::\"localhost\""), "one spelling"),
        (head("principal == Domain::\"a.example\""), "do not fit"),
        (head("principal == Address::\"x@a.example\""), "do not fit"),
        (head("principal in Address::\"X@a.example\""), "small letters"),
        (of("resource == Owner::\"bob\""), "do not fit"),
        (of("resource in Owner::\"\""), "one spelling"),
        (of("resource in ResourceServer::\"\""), "one spelling"),
        (of("resource == Resource::\"a/b\""), "one spelling"),
        (head("principal in Address::\"x@A.example\""), "one spelling"),
        (head("principal in Issuer::\"http://a.example\""), "one spelling"),
        (
            "@id(\"x\") forbid (principal, action, resource in Offer::\"x\");".to_owned(),
            "is no head",
        ),
        (format!("@id(\"x\") permit {all}; @id(\"x\") forbid {all};"), "used before"),
    ] {
        let error = rules(&text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}
