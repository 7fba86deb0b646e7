//! What is permitted, and why.

mod administrators;
mod slices;

use countersign_types::{ClientId, EmailAddress, Issuer, ScopeSet};
use countersign_uma::policy::rules::Rule;
use countersign_uma::policy::shares::{Effect, Indexed, MailDomain, ShareId, Terms, What, Who};
use countersign_uma::policy::{Decision, Share};
use countersign_uma::protection::OwnerId;
use countersign_uma::resource::{ResourceDescription, ResourceId};
use serde_json::{Value, json};

use super::*;
use crate::policies::Source;

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn protection(owner: &str, resource_server: &str) -> Protection {
    let owner = OwnerId::parse(owner).unwrap();
    Protection::new(owner, ClientId::parse(resource_server).unwrap())
}

fn bob() -> Protection {
    protection("bob", "rs")
}

fn rules(text: &str) -> Result<Rules, PolicyError> {
    Rules::parse(SCHEMA, &[Source::new("a.cedar", text)])
}

fn policy(text: &str) -> CedarUma {
    configured(text, json!([]))
}

fn configured(text: &str, configured: Value) -> CedarUma {
    let files = Arc::new(PolicyFiles::of(SCHEMA, rules(text).unwrap()));
    let configured: Vec<Rule> = serde_json::from_value(configured).unwrap();
    let policy = CedarUma::new(files, ConfiguredRules::new().with(bob(), configured)).unwrap();
    for other in [bob(), protection("carol", "rs"), protection("bob", "rs2")] {
        drop(policy.shares.write().unwrap().load(other, Indexed::default()));
    }
    policy
}

fn person(email: &str, claims: Value) -> Person {
    let domain = email.split_once('@').unwrap().1;
    Person {
        iss: Issuer::parse(&format!("https://sts.{domain}")).unwrap(),
        sub: "1".to_owned(),
        email: EmailAddress::parse(email).unwrap(),
        present: claims.get("absent").is_none(),
        claims: claims.as_object().unwrap().clone(),
        unheard: serde_json::Map::new(),
        vouching: countersign_uma::person::Vouching::default(),
    }
}

fn alice() -> Person {
    person("alice@a.example", json!({}))
}

/// A question, of which a test changes what it is about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    owner: &'a str,
    server: &'a str,
    resource: &'a str,
    scope: &'a str,
    client: &'a str,
    person: Option<&'a Person>,
    now: i64,
}

impl<'a> Asked<'a> {
    fn by(person: &'a Person) -> Self {
        Self {
            owner: "bob",
            server: "rs",
            resource: "r1",
            scope: "get",
            client: "app",
            person: Some(person),
            now: NOW,
        }
    }
}

#[track_caller]
fn ruling(policy: &CedarUma, asked: Asked<'_>) -> Ruling {
    let description =
        json!({"resource_scopes": ["get", "put"], "name": "Manual", "type": "manual"});
    let description = ResourceDescription::parse(description.to_string().as_bytes()).unwrap();
    policy.assess(&PolicyRequest {
        protection: &protection(asked.owner, asked.server),
        resource_id: &ResourceId::parse(asked.resource).unwrap(),
        resource: &description,
        scope: asked.scope,
        person: asked.person,
        client: &ClientId::parse(asked.client).unwrap(),
        now: at(asked.now),
    })
}

/// The answer in a word, and why.
#[track_caller]
fn check(policy: &CedarUma, asked: Asked<'_>) -> (&'static str, String) {
    let Ruling { decision, why } = ruling(policy, asked);
    let why: Vec<_> = why.iter().map(ToString::to_string).collect();
    (word(&decision), why.join(", "))
}

const fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Permit => "permit",
        Decision::AskOwner => "ask",
        Decision::NeedClaims(_) => "need",
        _ => "deny",
    }
}

#[track_caller]
fn decide(policy: &CedarUma, asked: Asked<'_>) -> &'static str {
    check(policy, asked).0
}

fn terms(what: What, scopes: &str, who: Who, effect: Effect) -> Terms {
    Terms::new(what, ScopeSet::parse(scopes).unwrap(), who, effect).unwrap()
}

fn with_alice(effect: Effect) -> Terms {
    terms(
        What::Resource(ResourceId::parse("r1").unwrap()),
        "get",
        Who::Person(alice().email),
        effect,
    )
}

/// Bob shares this, each under its place as its name.
fn share(policy: &CedarUma, shared: impl IntoIterator<Item = Terms>) {
    let shares = shared.into_iter().enumerate().map(|(number, terms)| Share {
        id: ShareId::parse(&format!("s{number}")).unwrap(),
        terms,
        since: at(0),
        by: "bob".to_owned(),
    });
    drop(policy.shares.write().unwrap().load(bob(), shares.collect()));
}

fn shared(terms: impl IntoIterator<Item = Terms>) -> CedarUma {
    let policy = policy("");
    share(&policy, terms);
    policy
}

#[test]
fn silence_is_denial() {
    let alice = alice();
    let nobody = Asked { person: None, ..Asked::by(&alice) };
    for policy in [policy(""), shared([])] {
        assert_eq!(check(&policy, Asked::by(&alice)), ("deny", String::new()));
        assert_eq!(check(&policy, nobody), ("deny", String::new()));
    }
    // What only forbids opens nothing, not even to more claims.
    let forbids = policy(r#"@id("no") forbid (principal, action, resource);"#);
    share(&forbids, [with_alice(Effect::Forbid)]);
    assert_eq!(decide(&forbids, nobody), "deny");
}

/// Among what is not loaded there may be what forbids.
#[test]
fn before_an_owners_shares_are_known_everything_is_denied() {
    let policy = policy(r#"@id("all") permit (principal, action, resource);"#);
    let alice = alice();
    assert_eq!(decide(&policy, Asked::by(&alice)), "permit");
    let before = policy.revision(&bob(), at(NOW));
    policy.shares.write().unwrap().unload(&bob());
    for person in [Some(&alice), None] {
        let (word, why) = check(&policy, Asked { person, ..Asked::by(&alice) });
        assert_eq!(word, "deny");
        assert!(why.contains("not loaded"), "{why}");
    }
    assert_ne!(policy.revision(&bob(), at(NOW)), before);
}

#[test]
fn nobody_is_permitted_anything_before_claims_about_them_are_verified() {
    let all = policy(r#"@id("all") permit (principal, action, resource);"#);
    let alice = alice();
    let nobody = Asked { person: None, ..Asked::by(&alice) };
    assert_eq!(check(&all, nobody), ("need", "claim \"email\" is missing".to_owned()));
    assert_eq!(check(&all, Asked::by(&alice)), ("permit", "by \"all\"".to_owned()));
    let one = shared([with_alice(Effect::Permit)]);
    assert_eq!(decide(&one, nobody), "need");
    assert_eq!(decide(&one, Asked { resource: "r2", ..nobody }), "deny");
    assert_eq!(decide(&one, Asked { scope: "put", ..nobody }), "deny");
    assert_eq!(decide(&one, Asked { owner: "carol", ..nobody }), "deny");
}

#[test]
fn a_share_permits_what_it_says_and_nothing_else() {
    let policy = shared([with_alice(Effect::Permit).with_until(at(NOW + 10))]);
    let alice = alice();
    let asked = Asked::by(&alice);
    assert_eq!(check(&policy, asked), ("permit", "by \"share s0\"".to_owned()));
    for (name, other) in [
        ("owner", Asked { owner: "carol", ..asked }),
        ("resource server", Asked { server: "rs2", ..asked }),
        ("resource", Asked { resource: "r2", ..asked }),
        ("scope", Asked { scope: "put", ..asked }),
        ("time", Asked { now: NOW + 10, ..asked }),
    ] {
        assert_eq!(decide(&policy, other), "deny", "{name}");
    }
    for email in ["Alice@a.example", "alice@b.example", "alice@x.a.example", "bob@a.example"] {
        assert_eq!(decide(&policy, Asked::by(&person(email, json!({})))), "deny", "{email}");
    }
}

#[test]
fn with_whom_a_share_is() {
    let group = |claim: &str, value: &str| Who::Group {
        claim: claim.to_owned(),
        value: value.to_owned(),
        domain: MailDomain::parse("a.example").unwrap(),
    };
    let domain = || Who::Domain(MailDomain::parse("A.EXAMPLE").unwrap());
    let of = |who| terms(What::Everything, "get", who, Effect::Permit);
    let agent = person("alice@a.example", json!({"absent": true, "team": "x"}));
    let twice = person("twice@a.example", json!({"team": ["x", "x"]}));
    let (a, b) = (
        person("al@a.example", json!({"team": ["x"]})),
        person("al@b.example", json!({"team": "x"})),
    );
    let sts = |of: &str| Issuer::parse(&format!("https://sts.{of}.example")).unwrap();
    for (name, terms, expected) in [
        ("domain", of(domain()), "ag a tw"),
        ("group", of(group("team", "x")), "ag a tw"),
        ("another group", of(group("team", "[\"x\"]")), ""),
        ("anyone", of(Who::Anyone), "ag a tw b"),
        ("who is present", of(Who::Anyone).with_present(), "a tw b"),
        ("by this issuer", of(Who::Anyone).with_issuer(sts("b")), "b"),
        ("by another issuer", of(domain()).with_issuer(sts("b")), ""),
    ] {
        let policy = shared([terms]);
        let people = [("ag", &agent), ("a", &a), ("tw", &twice), ("b", &b)];
        let may =
            people.iter().filter(|(_, person)| decide(&policy, Asked::by(person)) == "permit");
        let may: Vec<_> = may.map(|(name, _)| *name).collect();
        assert_eq!(may.join(" "), expected, "{name}");
    }
}

#[test]
fn what_forbids_has_the_last_word() {
    let alice = alice();
    let asked = Asked::by(&alice);
    let permit = || with_alice(Effect::Permit);
    let policy = shared([permit(), with_alice(Effect::Ask)]);
    assert_eq!(check(&policy, asked), ("permit", "by \"share s0\"".to_owned()));
    share(&policy, [with_alice(Effect::Ask)]);
    assert_eq!(check(&policy, asked), ("ask", "by \"share s0\"".to_owned()));
    share(&policy, [permit(), terms(What::Everything, "get", Who::Anyone, Effect::Forbid)]);
    assert_eq!(check(&policy, asked), ("deny", "by \"share s1\"".to_owned()));
    // A rule of an administrator over a share, a share over a rule of a file and of the
    // configuration.
    let text = r#"@id("mallory") forbid (principal in Domain::"a.example", action, resource in Owner::"bob");"#;
    let everyone = json!([{"resource": "*", "scopes": ["get"], "domains": ["*"]}]);
    let policy = configured(text, everyone.clone());
    share(&policy, [permit()]);
    assert_eq!(check(&policy, asked), ("deny", "by \"mallory\"".to_owned()));
    let policy = configured(r#"@id("all") permit (principal, action, resource);"#, everyone);
    assert_eq!(decide(&policy, asked), "permit");
    share(&policy, [with_alice(Effect::Forbid)]);
    assert_eq!(check(&policy, asked), ("deny", "by \"share s0\"".to_owned()));
}

/// What an issuer is not heard about lets nobody in, and nobody off: a rule that forbids goes by
/// it, and by its absence as well.
#[test]
fn a_claim_that_is_not_heard_forbids_and_permits_nothing() {
    let text = r#"@id("all") permit (principal, action, resource) when { !principal.hasTag("guest") };
                  @id("research") permit (principal, action, resource)
                  when { principal.hasTag("team") && principal.getTag("team").contains("research") };
                  @id("interns") forbid (principal, action, resource in Owner::"bob")
                  when { principal.hasTag("team") && principal.getTag("team").contains("interns") };
                  @id("cleared alone") forbid (principal, action, resource)
                  unless { principal.hasTag("cleared") };"#;
    let policy = policy(text);
    let guest = json!({"guest": true, "cleared": true});
    let said = |heard: Value, unheard: Value| {
        let mut alice = person("alice@a.example", heard);
        alice.unheard = unheard.as_object().unwrap().clone();
        check(&policy, Asked::by(&alice))
    };
    let with = |claims: &Value, more: Value| {
        let mut all = claims.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    for (heard, unheard, decision, why) in [
        (json!({"cleared": true}), json!({}), "permit", "by \"all\""),
        (json!({"cleared": true}), json!({"team": "interns"}), "deny", "by \"interns\""),
        (json!({"cleared": true}), json!({"team": "research"}), "permit", "by \"all\""),
        (json!({"cleared": true}), json!({"guest": true}), "deny", ""),
        (with(&guest, json!({"team": "research"})), json!({}), "permit", "by \"research\""),
        (guest.clone(), json!({"team": "research"}), "deny", ""),
        (json!({}), json!({"cleared": true}), "deny", "by \"cleared alone\""),
        (
            json!({}),
            json!({"cleared": true, "team": "interns"}),
            "deny",
            "by \"cleared alone\", by \"interns\"",
        ),
    ] {
        assert_eq!(
            said(heard.clone(), unheard.clone()),
            (decision, why.to_owned()),
            "{heard} {unheard}"
        );
    }
}

/// An address that is kept out is so by small and by large letters, in the head of a rule and in
/// what it says; whoever is let in is so by the one that was written.
#[test]
fn an_address_that_is_kept_out_has_no_other_spelling() {
    let policy = policy(
        r#"@id("eve") forbid (principal in Address::"eve@a.example", action, resource);
           @id("mal") forbid (principal, action, resource) when { principal.email == "mal@a.example" };
           @id("al") permit (principal in Address::"al@a.example", action, resource);
           @id("b") permit (principal in Domain::"b.example", action, resource);
           @id("a") permit (principal in Domain::"a.example", action, resource)
           unless { principal in Address::"al@a.example" || principal in Address::"Al@a.example" };"#,
    );
    for (email, decision, why) in [
        ("eve@a.example", "deny", "by \"eve\""),
        ("Eve@a.example", "deny", "by \"eve\""),
        ("MAL@a.example", "deny", "by \"mal\""),
        ("al@a.example", "permit", "by \"al\""),
        ("Al@a.example", "deny", ""),
        ("Dave@a.example", "permit", "by \"a\""),
        ("Eve@b.example", "permit", "by \"b\""),
    ] {
        let person = person(email, json!({}));
        assert_eq!(check(&policy, Asked::by(&person)), (decision, why.to_owned()), "{email}");
    }
}

/// Whatever is asked in one go, each question is answered as if it came alone: about other people,
/// at other moments, before other owners, and where a resource is described in two ways.
#[test]
fn questions_that_come_together_are_answered_as_one_by_one() {
    let policy = policy(
        r#"@id("manuals") permit (principal in Domain::"a.example", action, resource)
           when { resource has type && resource.type == "manual" && context.client == Client::"app" };
           @id("early") permit (principal, action, resource in Owner::"carol")
           when { context.time < datetime("2027-01-15T08:00:00Z") };"#,
    );
    share(&policy, [terms(What::Everything, "put", Who::Anyone, Effect::Ask)]);
    let described = |kind: &str| {
        let text = json!({"resource_scopes": ["get", "put"], "type": kind}).to_string();
        ResourceDescription::parse(text.as_bytes()).unwrap()
    };
    let (manual, map) = (described("manual"), described("map"));
    let ids = ["r1", "r2"].map(|id| ResourceId::parse(id).unwrap());
    let (app, mail) = (ClientId::parse("app").unwrap(), ClientId::parse("mail").unwrap());
    let (alice, eve) = (alice(), person("eve@e.example", json!({})));
    let (bob, carol) = (bob(), protection("carol", "rs"));
    let first = PolicyRequest {
        protection: &bob,
        resource_id: &ids[0],
        resource: &manual,
        scope: "get",
        person: Some(&alice),
        client: &app,
        now: at(NOW),
    };
    let asked = [
        first,
        PolicyRequest { scope: "put", ..first },
        PolicyRequest { resource_id: &ids[1], ..first },
        PolicyRequest { resource_id: &ids[1], resource: &map, ..first },
        PolicyRequest { resource: &map, ..first },
        PolicyRequest { person: Some(&eve), ..first },
        PolicyRequest { person: None, ..first },
        PolicyRequest { protection: &carol, client: &mail, ..first },
        PolicyRequest { protection: &carol, client: &mail, now: at(NOW - 1), ..first },
        PolicyRequest { client: &mail, scope: "put", ..first },
        first,
    ];
    let together = policy.assess_all(&asked);
    let alone: Vec<_> = asked.iter().map(|one| policy.assess(one)).collect();
    assert_eq!(together, alone);
    let words: Vec<_> = together.iter().map(|ruling| word(&ruling.decision)).collect();
    let expected = "permit permit permit deny deny deny need deny permit ask permit";
    assert_eq!(words.join(" "), expected);
    assert_eq!(policy.assess_all(&[]), []);
}

#[test]
fn claims_are_sets_of_texts() {
    let policy = policy(
        r#"@id("x") permit (principal, action, resource)
           when { principal.hasTag("c") && principal.getTag("c").contains("1") };
           @id("none of them") forbid (principal, action, resource)
           unless { principal.hasTag("c") };"#,
    );
    for (claims, expected) in [
        (json!({"c": "1"}), "permit"),
        (json!({"c": 1}), "permit"),
        (json!({"c": [true, 1]}), "permit"),
        (json!({"c": {"1": 1}}), "deny"),
        (json!({"c": [["1"]]}), "deny"),
        (json!({"c": {"__entity": {"type": "Domain", "id": "1"}}}), "deny"),
        (json!({"c": null}), "deny"),
    ] {
        let Ruling { decision, why } =
            ruling(&policy, Asked::by(&person("a@a.example", claims.clone())));
        let word = if decision == Decision::Permit { "permit" } else { "deny" };
        assert_eq!(word, expected, "{claims}");
        assert!(
            !why.contains(&Reason::Policy("none of them".to_owned())),
            "the tag is there: {claims}"
        );
    }
}

#[test]
fn a_revision_is_another_as_soon_as_an_answer_may_be() {
    let policy = shared([]);
    let before = policy.revision(&bob(), at(NOW));
    assert_eq!(before, policy.revision(&bob(), at(NOW + 1)), "nothing goes by the time");
    share(&policy, [with_alice(Effect::Permit).with_until(at(NOW + 10))]);
    let during = policy.revision(&bob(), at(NOW));
    assert_ne!(before, during);
    assert_ne!(policy.revision(&bob(), at(NOW + 10)), during);
    assert_eq!(
        policy.revision(&protection("carol", "rs"), at(NOW)),
        before,
        "another owner's stands"
    );
}

/// What rules are validated against is what is asked: the entities of a question fit the schema.
#[test]
fn a_question_fits_the_schema() {
    let policy = policy("");
    let person = person("a@a.example", json!({"team": ["x", 1, null], "o": {}, "n": 1.5, "e": ""}));
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(SCHEMA).unwrap();
    let description =
        ResourceDescription::parse(br#"{"resource_scopes":["get"],"name":"x"}"#).unwrap();
    let asked = PolicyRequest {
        protection: &bob(),
        resource_id: &ResourceId::parse("r1").unwrap(),
        resource: &description,
        scope: "get",
        person: Some(&person),
        client: &ClientId::parse("app").unwrap(),
        now: at(NOW),
    };
    let claims = ["team", "o", "n", "e", "x"].map(str::to_owned).into();
    let asked = [asked, PolicyRequest { scope: "put", ..asked }];
    let among = [Who::Anyone];
    let facts = Facts::new(&policy.names, &asked, &person, among.iter(), &claims).unwrap();
    let request = facts.request(&asked[0]).unwrap();
    Entities::from_entities(facts.entities().clone(), Some(&schema)).unwrap();
    Request::new(
        request.principal().unwrap().clone(),
        request.action().unwrap().clone(),
        request.resource().unwrap().clone(),
        request.context().unwrap().clone(),
        Some(&schema),
    )
    .unwrap();
}
