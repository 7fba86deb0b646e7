use serde_json::json;

use super::*;

const SCHEMA: &str = r#"
    entity User = { age: Long };
    entity Doc = { owner: String };
    action read, write appliesTo { principal: [User], resource: [Doc], context: { count: Long, note?: String } };
"#;

type Change = fn(&mut Question<'_>);

fn parse(text: &str) -> Result<Policies, PolicyError> {
    Policies::parse(SCHEMA, &[Source::new("a.cedar", text)])
}

fn question(age: i64, count: i64) -> Question<'static> {
    Question {
        principal: ("User", "alice"),
        action: "read",
        resource: ("Doc", "1"),
        context: json!({ "count": count }),
        entities: json!([
            { "uid": { "type": "User", "id": "alice" }, "attrs": { "age": age }, "parents": [] },
            { "uid": { "type": "Doc", "id": "1" }, "attrs": { "owner": "bob" }, "parents": [] },
        ]),
    }
}

#[test]
fn a_decision_names_the_rules_it_rests_on() {
    let policies = parse(
        r#"@id("adults read") permit (principal, action == Action::"read", resource) when { principal.age >= 18 };
           @id("everybody reads Bob's") permit (principal, action, resource) when { resource.owner == "bob" };
           @id("not too often") forbid (principal, action, resource) when { context.count > 10 };"#,
    )
    .unwrap();
    assert_eq!((policies.len(), policies.is_empty()), (3, false));
    let decision = policies.decide(&question(20, 1));
    assert!(decision.permitted);
    assert_eq!(decision.rules, ["adults read", "everybody reads Bob's"]);
    let decision = policies.decide(&question(20, 11));
    assert!(!decision.permitted);
    assert_eq!(decision.rules, ["not too often"], "what forbids has the last word");
}

#[test]
fn silence_is_denial() {
    let policies = Policies::parse(SCHEMA, &[]).unwrap();
    assert!(policies.is_empty());
    assert_eq!(policies.decide(&question(20, 1)), Decision::default());
    let policies =
        parse(r#"@id("x") permit (principal, action == Action::"write", resource);"#).unwrap();
    assert_eq!(policies.decide(&question(20, 1)), Decision::default());
}

#[test]
fn one_bad_rule_and_there_is_no_set() {
    let good = r#"@id("good") permit (principal, action, resource);"#;
    for (name, text) in [
        ("no Cedar", "permit"),
        ("no name", "permit (principal, action, resource);"),
        ("an empty name", r#"@id("") permit (principal, action, resource);"#),
        ("a name twice", good),
        ("a template", r#"@id("t") permit (principal == ?principal, action, resource);"#),
        ("an unknown type", r#"@id("t") permit (principal is Robot, action, resource);"#),
        ("an unknown action", r#"@id("t") permit (principal, action == Action::"fly", resource);"#),
        (
            "an unknown attribute",
            r#"@id("t") permit (principal, action, resource) when { principal.name == "x" };"#,
        ),
        (
            "a wrong type",
            r#"@id("t") permit (principal, action, resource) when { principal.age == "x" };"#,
        ),
        (
            "an optional attribute without has",
            r#"@id("t") permit (principal, action, resource) when { context.note == "x" };"#,
        ),
    ] {
        let sources = [Source::new("good.cedar", good), Source::new("bad.cedar", text)];
        let error = Policies::parse(SCHEMA, &sources).map(drop).expect_err(name);
        let names_it = error.to_string().contains("bad.cedar");
        assert!(names_it || matches!(error, PolicyError::Invalid(_)), "{name}: {error}");
    }
    assert!(matches!(Policies::parse("entity", &[]), Err(PolicyError::Schema(_))));
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies() {
    let policies = parse(
        r#"@id("all") permit (principal, action, resource);
           @id("overflow") forbid (principal, action, resource)
           when { context.count + 9223372036854775807 > 0 };"#,
    )
    .unwrap();
    let decision = policies.decide(&question(20, 1));
    assert!(!decision.permitted, "{decision:?}");
    assert_eq!(decision.errors.len(), 1);
    assert!(!policies.decide(&question(20, 0)).permitted, "and it forbids where it can be");
}

#[test]
fn a_question_fits_the_schema_or_is_denied() {
    let policies = parse(r#"@id("all") permit (principal, action, resource);"#).unwrap();
    assert!(policies.decide(&question(20, 1)).permitted);
    let changes: &[(&str, Change)] = &[
        ("an unknown type", |q| q.principal.0 = "Robot"),
        ("no type", |q| q.principal.0 = "User::\"x\", "),
        ("an unknown action", |q| q.action = "fly"),
        ("swapped", |q| std::mem::swap(&mut q.principal, &mut q.resource)),
        ("no context", |q| q.context = json!({})),
        ("another context", |q| q.context = json!({ "count": "1" })),
        ("an attribute of another type", |q| q.entities[0]["attrs"]["age"] = json!("old")),
    ];
    for (name, change) in changes {
        let mut asked = question(20, 1);
        change(&mut asked);
        let decision = policies.decide(&asked);
        assert!(!decision.permitted && !decision.errors.is_empty(), "{name}: {decision:?}");
    }
}

#[test]
fn an_identifier_is_text_whatever_is_in_it() {
    let policies =
        parse(r#"@id("bob") permit (principal == User::"bob", action, resource);"#).unwrap();
    let mut asked = question(20, 1);
    asked.principal.1 = "alice\" || User::\"bob";
    assert!(!policies.decide(&asked).permitted);
}
