use countersign_jwt::act::{Actor, ActorChain};
use countersign_token_exchange::delegation::Issued;
use countersign_types::{ClientId, EmailAddress, ScopeSet};

use super::*;
use crate::policies::{Policies, Source};

const MAIL: &str = "https://mail.example/client";
const RP: &str = "https://rp.bob.example/api";
const RULES: &str = r#"
    @id("mail speaks for us at Bob's")
    permit (principal == Client::"https://mail.example/client", action == Action::"delegate", resource)
    when {
        resource.host like "*.bob.example" && context.issued == "identity_token" &&
        context.subject has domain && context.subject.domain == "alice.example"
    };

    @id("services of mail.example read")
    permit (principal, action == Action::"delegate", resource)
    when { principal.host == "mail.example" && context.issued == "access_token" &&
           ["get"].containsAll(context.scope) };

    @id("two at most")
    forbid (principal, action, resource) when { context.depth > 2 };

    @id("never through evil")
    forbid (principal, action, resource)
    when { context.chain.contains("https://evil.example/client") };

    @id("the console is trusted")
    permit (principal == Client::"console", action == Action::"impersonate", resource)
    unless { context.subject.sub == "root" };
"#;

struct Case {
    client: &'static str,
    actors: &'static [&'static str],
    email: Option<&'static str>,
    subject: &'static str,
    issued: Issued,
    targets: &'static [&'static str],
    scope: &'static str,
}

const GOOD: Case = Case {
    client: MAIL,
    actors: &[MAIL],
    email: Some("alice@alice.example"),
    subject: "alice",
    issued: Issued::IdentityToken,
    targets: &[RP],
    scope: "",
};

fn assess(case: &Case) -> (bool, Vec<String>) {
    let policies = Policies::parse(SCHEMA, &[Source::new("rules", RULES)]).unwrap();
    let policy = CedarDelegation(Arc::new(PolicyFiles::of(SCHEMA, policies)));
    let act = case.actors.iter().rev().fold(None::<ActorChain>, |chain, actor| {
        let actor = Actor::of_subject(*actor);
        Some(match chain {
            Some(chain) => chain.delegated_to(actor).unwrap(),
            None => ActorChain::new(actor),
        })
    });
    let client = ClientId::parse(case.client).unwrap();
    let email = case.email.map(|email| EmailAddress::parse(email).unwrap());
    let targets = case.targets.iter().map(|target| (*target).to_owned()).collect::<Vec<_>>();
    let verdict = policy.assess(&Delegation {
        client: &client,
        subject: case.subject,
        email: email.as_ref(),
        act: act.as_ref(),
        issued: case.issued,
        targets: &targets,
        scope: &ScopeSet::parse(case.scope).unwrap(),
    });
    (verdict.permitted, verdict.rules)
}

#[test]
fn rules_speak_of_actor_subject_target_scope_and_chain() {
    let bobs = "mail speaks for us at Bob's";
    let reads = "services of mail.example read";
    let access = Case { issued: Issued::AccessToken, scope: "get", ..GOOD };
    let rows: &[(&str, Case, bool, &[&str])] = &[
        ("as the rule says", GOOD, true, &[bobs]),
        ("another target", Case { targets: &["https://rp.carol.example"], ..GOOD }, false, &[]),
        (
            "one target of two",
            Case { targets: &[RP, "https://rp.carol.example"], ..GOOD },
            false,
            &[],
        ),
        ("no target", Case { targets: &[], ..GOOD }, false, &[]),
        ("another actor", Case { actors: &["https://other.example/client"], ..GOOD }, false, &[]),
        (
            "a domain like it",
            Case { targets: &["https://bob.example.evil.example"], ..GOOD },
            false,
            &[],
        ),
        ("a person of another domain", Case { email: Some("a@bob.example"), ..GOOD }, false, &[]),
        ("nobody knows the address", Case { email: None, ..GOOD }, false, &[]),
        (
            "with a predecessor",
            Case { actors: &[MAIL, "https://a.example/c"], ..GOOD },
            true,
            &[bobs],
        ),
        (
            "three of them",
            Case { actors: &[MAIL, "https://a.example/c", "https://b.example/c"], ..GOOD },
            false,
            &["two at most"],
        ),
        (
            "through a bad one",
            Case { actors: &[MAIL, "https://evil.example/client"], ..GOOD },
            false,
            &["never through evil"],
        ),
        ("reading", access, true, &[reads]),
        ("writing", Case { issued: Issued::AccessToken, scope: "get put", ..GOOD }, false, &[]),
        ("impersonation by the wrong one", Case { actors: &[], ..GOOD }, false, &[]),
        (
            "impersonation",
            Case { client: "console", actors: &[], ..GOOD },
            true,
            &["the console is trusted"],
        ),
        (
            "impersonation of root",
            Case { client: "console", actors: &[], subject: "root", ..GOOD },
            false,
            &[],
        ),
        (
            "the console as actor",
            Case { client: "console", actors: &["console"], ..GOOD },
            false,
            &[],
        ),
    ];
    for (name, case, permitted, rules) in rows {
        let (got, by) = assess(case);
        assert_eq!(got, *permitted, "{name}");
        assert_eq!(by, *rules, "{name}");
    }
}
