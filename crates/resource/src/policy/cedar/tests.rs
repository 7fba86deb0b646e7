use countersign_cedar::files::PolicyFileError;
use countersign_jwt::Claims;
use countersign_jwt::act::{Actor, ActorChain};
use countersign_types::{EmailAddress, Issuer, ScopeSet, Timestamp};
use http::Method;

use super::*;
use crate::StrictPath;
use crate::caller::Content;
use crate::routes::{Action, Requirement};

/// 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000;

const RULES: &str = r#"
    @id("owners read")
    permit (principal is Person, action == Action::"albums.read", resource)
    when {
        principal.issuer == "https://as.bob.example" && principal has email &&
        resource.hasTag("owner") && resource.getTag("owner") == principal.email
    };

    @id("people of alice.example read public albums by day")
    permit (principal is Person, action == Action::"albums.read", resource)
    when {
        principal has domain && principal.domain == "alice.example" &&
        resource.hasTag("kind") && resource.getTag("kind") == "public" &&
        context.time.toTime() >= duration("8h") && context.time.toTime() < duration("18h")
    };

    @id("editors write through mail")
    permit (principal is Person, action == Action::"albums.write", resource)
    when {
        principal.roles.contains("editor") && context has actor &&
        context.actor == "https://mail.example/client"
    };

    @id("the backup reads")
    permit (
        principal == Client::"https://as.bob.example#backup",
        action == Action::"albums.read",
        resource
    ) when { context.scope.contains("read") && context.method == "GET" };

    @id("never through evil")
    forbid (principal, action, resource)
    when { context.chain.contains("https://evil.example/client") };

    @id("the cellar is closed")
    forbid (principal, action, resource) when { context.path like "/albums/cellar/*" };

    @id("nobody touches the register")
    forbid (principal, action, resource)
    when { resource has name && resource.name == "Register" };
"#;

fn routes() -> Routes {
    let read = Action::new("albums.read").with_attribute("kind", "public");
    Routes::new()
        .need("GET /albums/{owner}/{id}", Requirement::default().by_policy(read))
        .by_policy("PUT /albums/{owner}/{id}", "albums.write")
        .build()
        .unwrap()
}

/// The rules of a file.
fn open(schema: String, text: &str) -> Result<PolicyFiles, PolicyFileError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.cedar");
    std::fs::write(&file, text).unwrap();
    PolicyFiles::open(schema, [file])
}

/// A question, and how it differs from one that is permitted.
struct Case {
    subject: Option<&'static str>,
    client: Option<&'static str>,
    email: Option<&'static str>,
    issuer: &'static str,
    actors: &'static [&'static str],
    scope: &'static str,
    claims: Value,
    action: &'static str,
    resource: Option<&'static str>,
    method: Method,
    path: &'static str,
    attributes: &'static [(&'static str, &'static str)],
    now: i64,
}

fn alice() -> Case {
    Case {
        subject: Some("alice"),
        client: Some("mail"),
        email: Some("alice@alice.example"),
        issuer: "https://as.bob.example",
        actors: &[],
        scope: "read",
        claims: json!({}),
        action: "albums.read",
        resource: None,
        method: Method::GET,
        path: "/albums/x/1",
        attributes: &[("owner", "alice@alice.example"), ("kind", "private")],
        now: NOW,
    }
}

fn assess(policy: &CedarAccess, case: &Case) -> Verdict {
    let act = case.actors.iter().rev().fold(None::<ActorChain>, |chain, actor| {
        let actor = Actor::of_subject(*actor);
        Some(match chain {
            Some(chain) => chain.delegated_to(actor).unwrap(),
            None => ActorChain::new(actor),
        })
    });
    let caller = VerifiedCaller::new(Content {
        issuer: Issuer::parse(case.issuer).unwrap(),
        subject: case.subject.map(str::to_owned),
        client_id: case.client.map(str::to_owned),
        email: case.email.map(|email| EmailAddress::parse(email).unwrap()),
        actors: act,
        scopes: ScopeSet::parse(case.scope).unwrap().into(),
        permissions: Vec::new(),
        token_id: None,
        expires: None,
        confirmation: None,
        claims: Claims::from_map(case.claims.as_object().unwrap().clone()),
        size: 0,
    });
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    policy.assess(&AccessRequest {
        caller: &caller,
        action: case.action,
        resource: case.resource,
        attributes: &case.attributes.iter().map(owned).collect(),
        method: &case.method,
        path: &StrictPath::parse(case.path).unwrap(),
        now: Timestamp::from_unix(case.now),
    })
}

#[test]
fn party_7_rules_speak_of_caller_chain_resource_action_and_circumstances() {
    const OWNERS: &[&str] = &["owners read"];
    const BY_DAY: &[&str] = &["people of alice.example read public albums by day"];
    const EDITORS: &[&str] = &["editors write through mail"];
    const PUBLIC: &[(&str, &str)] = &[("owner", "x"), ("kind", "public")];
    const MAIL: &[&str] = &["https://mail.example/client"];
    let rules = open(schema(&routes()), RULES).unwrap();
    let policy = CedarAccess::new(Arc::new(rules));
    let write = || Case {
        claims: json!({ "roles": ["editor"] }),
        actors: MAIL,
        action: "albums.write",
        method: Method::PUT,
        ..alice()
    };
    let backup = || Case {
        subject: Some("backup"),
        client: Some("backup"),
        email: None,
        attributes: &[],
        ..alice()
    };
    let rows: Vec<(&str, Case, bool, &[&str])> = vec![
        ("an owner", alice(), true, OWNERS),
        (
            "somebody else's",
            Case { attributes: &[("owner", "bob@b.example")], ..alice() },
            false,
            &[],
        ),
        (
            "of another issuer that claims the address",
            Case { issuer: "https://as.evil.example", ..alice() },
            false,
            &[],
        ),
        ("without an owner", Case { attributes: &[], ..alice() }, false, &[]),
        ("without an address", Case { email: None, ..alice() }, false, &[]),
        ("by day", Case { attributes: PUBLIC, ..alice() }, true, BY_DAY),
        ("too early", Case { attributes: PUBLIC, now: NOW - 1, ..alice() }, false, &[]),
        ("too late", Case { attributes: PUBLIC, now: NOW + 36_000, ..alice() }, false, &[]),
        (
            "of another domain",
            Case { attributes: PUBLIC, email: Some("a@mail.alice.example"), ..alice() },
            false,
            &[],
        ),
        ("another action", Case { action: "albums.write", ..alice() }, false, &[]),
        ("an editor through mail", write(), true, EDITORS),
        ("an editor directly", Case { actors: &[], ..write() }, false, &[]),
        ("no editor", Case { claims: json!({ "roles": ["reader"] }), ..write() }, false, &[]),
        (
            "roles that are none",
            Case { claims: json!({ "roles": "editor" }), ..write() },
            false,
            &[],
        ),
        (
            "through evil before",
            Case {
                actors: &["https://mail.example/client", "https://evil.example/client"],
                ..write()
            },
            false,
            &["never through evil"],
        ),
        ("a client for itself", backup(), true, &["the backup reads"]),
        ("without the scope", Case { scope: "", ..backup() }, false, &[]),
        ("by another method", Case { method: Method::HEAD, ..backup() }, false, &[]),
        ("of another issuer", Case { issuer: "https://as.eve.example", ..backup() }, false, &[]),
        ("a person of that name", Case { client: Some("mail"), ..backup() }, false, &[]),
        (
            "another path",
            Case { path: "/albums/cellar/1", ..alice() },
            false,
            &["the cellar is closed"],
        ),
        (
            "a resource by its name",
            Case { resource: Some("Register"), ..alice() },
            false,
            &["nobody touches the register"],
        ),
        ("another resource", Case { resource: Some("Albums"), ..alice() }, true, OWNERS),
        ("an action that no rule of the table has", Case { action: "fly", ..alice() }, false, &[]),
    ];
    for (name, case, permitted, rules) in rows {
        let verdict = assess(&policy, &case);
        assert_eq!(verdict.permitted, permitted, "{name}: {verdict:?}");
        assert_eq!(verdict.rules, rules, "{name}");
    }
}

#[test]
fn rules_are_validated_against_the_actions_of_the_table() {
    let schema = schema(&routes());
    for (name, rule, good) in [
        ("an action", r#"permit (principal, action == Action::"albums.read", resource);"#, true),
        ("an unknown action", r#"permit (principal, action == Action::"read", resource);"#, false),
        (
            "an unguarded address",
            r#"permit (principal is Person, action, resource)
            when { principal.email == "a@b.example" };"#,
            false,
        ),
        (
            "an unguarded tag",
            r#"permit (principal, action, resource)
            when { resource.getTag("owner") == "a" };"#,
            false,
        ),
        (
            "what only people have",
            r#"permit (principal, action, resource)
            when { principal.subject == "a" };"#,
            false,
        ),
        (
            "a number for a time",
            "permit (principal, action, resource) when { context.time > 1 };",
            false,
        ),
    ] {
        let opened = open(schema.clone(), &format!("@id(\"rule\") {rule}"));
        assert_eq!(opened.is_ok(), good, "{name}: {:?}", opened.err());
    }
}

#[test]
fn party_7_a_rule_that_cannot_be_evaluated_denies() {
    let rules = r#"
        @id("everybody") permit (principal, action, resource);
        @id("overflow") forbid (principal, action, resource)
        when { context.depth + 9223372036854775807 > 0 };
    "#;
    let rules = open(schema(&routes()), rules).unwrap();
    let policy = CedarAccess::new(Arc::new(rules));
    let case = Case { actors: &["https://mail.example/client"], ..alice() };
    assert!(!assess(&policy, &case).permitted);
}

#[test]
fn without_a_rule_nobody_may() {
    let rules = PolicyFiles::open(schema(&routes()), []).unwrap();
    assert_eq!(assess(&CedarAccess::new(Arc::new(rules)), &alice()), Verdict::default());
    assert!(PolicyFiles::open(schema(&Routes::new().build().unwrap()), []).is_ok());
}
