//! A question that looks at its slice is answered as one that looks at every rule and every share.

use countersign_uma::policy::shares::values;
use proptest::prelude::*;

use super::*;

/// Rules over few names, so that they meet: `{p}` and `{r}` stand for whom and what.
const BODIES: [&str; 4] = [
    "permit ({p}, action, {r});",
    "forbid ({p}, action, {r});",
    "@ask permit ({p}, action, {r});",
    "@need_info(\"team\") permit ({p}, action, {r});",
];

const PEOPLE: [&str; 6] = [
    "principal",
    "principal is Person",
    "principal in Domain::\"a.example\"",
    "principal in Address::\"b@b.example\"",
    "principal is Person in Issuer::\"https://sts.b.example\"",
    "principal in Domain::\"c.example\"",
];

const RESOURCES: [&str; 6] = [
    "resource",
    "resource is Resource",
    "resource == Resource::\"r1\"",
    "resource in Owner::\"bob\"",
    "resource is Resource in ResourceServer::\"rs\"",
    "resource in Owner::\"carol\"",
];

const CONDITIONS: [&str; 4] = [
    "",
    "when { context.scope == Scope::\"get\" }",
    "when { principal.present }",
    "unless { principal.hasTag(\"team\") && principal.getTag(\"team\").contains(\"x\") }",
];

fn any_rules() -> impl Strategy<Value = String> {
    let rule = (0..BODIES.len(), 0..PEOPLE.len(), 0..RESOURCES.len(), 0..CONDITIONS.len());
    let rule = rule.prop_map(|(body, person, resource, condition)| {
        let body = BODIES[body].replace("{p}", PEOPLE[person]).replace("{r}", RESOURCES[resource]);
        body.replace(';', &format!(" {};", CONDITIONS[condition]))
    });
    prop::collection::vec(rule, 0..8).prop_map(|rules| {
        let named =
            rules.iter().enumerate().map(|(number, rule)| format!("@id(\"r{number}\") {rule}\n"));
        named.collect()
    })
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let what = prop_oneof![
        "r[12]".prop_map(|id| What::Resource(ResourceId::parse(&id).unwrap())),
        Just(What::Everything),
    ];
    let domain = || "[ab]".prop_map(|name| MailDomain::parse(&format!("{name}.example")).unwrap());
    let who = prop_oneof![
        "[ab]".prop_map(|name| Who::Person(
            EmailAddress::parse(&format!("{name}@{name}.example")).unwrap()
        )),
        domain().prop_map(Who::Domain),
        ("[xy]", domain()).prop_map(|(value, domain)| Who::Group {
            claim: "team".to_owned(),
            value,
            domain
        }),
        Just(Who::Anyone),
    ];
    let effect =
        prop_oneof![3 => Just(Effect::Permit), 2 => Just(Effect::Ask), 1 => Just(Effect::Forbid)];
    let issuer = prop::option::weighted(0.2, "[ab]");
    let until = prop::option::weighted(0.2, prop_oneof![Just(NOW), Just(NOW + 1)]);
    let scopes = prop_oneof![Just("get"), Just("put"), Just("get put")];
    (what, scopes, who, effect, issuer, until, any::<bool>()).prop_map(
        |(what, scopes, who, effect, issuer, until, present)| {
            let mut terms = terms(what, scopes, who, effect);
            if let Some(name) = issuer {
                terms = terms
                    .with_issuer(Issuer::parse(&format!("https://sts.{name}.example")).unwrap());
            }
            if let Some(until) = until {
                terms = terms.with_until(at(until));
            }
            if present { terms.with_present() } else { terms }
        },
    )
}

/// All that an owner can call this person, by whatever group of this claim.
fn audiences(person: &Person, claim: &str) -> Vec<Who> {
    let domain = MailDomain::parse(person.email.domain()).unwrap();
    let groups = values(&person.claims, claim).map(|value| Who::Group {
        claim: claim.to_owned(),
        value: value.to_owned(),
        domain: domain.clone(),
    });
    let others = [Who::Anyone, Who::Person(person.email.clone()), Who::Domain(domain.clone())];
    others.into_iter().chain(groups).collect()
}

/// Everything there is, of every owner, in one set.
fn say_of_all(policy: &CedarUma, asked: &PolicyRequest<'_>, person: &Person) -> Said {
    let rules = policy.files.current();
    let mut all = PolicySet::new();
    for rule in rules.all() {
        all.add(rule.clone()).unwrap();
    }
    let known = policy.shares.read().unwrap();
    let (among, claims) = (audiences(person, "team"), BTreeSet::from(["team".to_owned()]));
    let only = std::slice::from_ref(asked);
    let facts = Facts::new(&policy.names, only, person, among.iter(), &claims).unwrap();
    let (request, entities) = (facts.request(asked).unwrap(), facts.entities());
    let mut said = Said::default();
    let mut each = |set: &PolicySet, links: bool| {
        // One by one, so that what forbids hides nothing.
        for rule in set.policies() {
            let mut one = PolicySet::new();
            if let Some(template) = rule.template_id() {
                one.add_template(set.template(template).unwrap().clone()).unwrap();
                one.link(template.clone(), rule.id().clone(), rule.template_links().unwrap())
                    .unwrap();
            } else {
                one.add(rule.clone()).unwrap();
            }
            hold(&one, &request, entities, &mut said, |said, id| {
                let says = if links { policy.templates.says(&one, id) } else { rules.says(id) };
                let has = |claim: &str| person.claims.contains_key(claim);
                said.add(AsRef::<str>::as_ref(id).to_owned(), says.unwrap(), has);
            });
        }
    };
    each(&all, false);
    for owner in [bob(), protection("carol", "rs")] {
        for scope in ["get", "put"] {
            let live = known.list(&owner, asked.now).into_iter();
            let of_scope = live.filter(|share| share.terms.covers(scope)).map(Arc::new);
            let links =
                policy.templates.link(&policy.names, &owner, &of_scope.collect::<Vec<_>>(), scope);
            each(&links.unwrap(), true);
        }
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_slice_answers_as_the_whole(
        text in any_rules(),
        own in prop::collection::vec(any_terms(), 0..8),
        others in prop::collection::vec(any_terms(), 0..4),
        (name, present, team) in ("[abc]", any::<bool>(), prop::option::of("[xy]")),
    ) {
        let policy = policy(&text);
        share(&policy, own);
        let others = others.into_iter().enumerate().map(|(number, terms)| Share {
            id: ShareId::parse(&format!("o{number}")).unwrap(), terms, since: at(0), by: String::new(),
        });
        drop(policy.shares.write().unwrap().load(protection("carol", "rs"), others.collect()));
        let mut claims = serde_json::Map::new();
        claims.extend(team.map(|team| ("team".to_owned(), json!([team]))));
        let person = Person { present, claims, ..person(&format!("{name}@{name}.example"), json!({})) };
        let description = ResourceDescription::parse(br#"{"resource_scopes":["get","put"]}"#).unwrap();
        let (bob, client) = (bob(), ClientId::parse("app").unwrap());
        let resources = ["r1", "r2"].map(|id| ResourceId::parse(id).unwrap());
        let asked = resources.iter().flat_map(|resource_id| {
            let one = PolicyRequest {
                protection: &bob,
                resource_id,
                resource: &description,
                scope: "get",
                person: Some(&person),
                client: &client,
                now: at(NOW),
            };
            [one, PolicyRequest { scope: "put", ..one }]
        });
        let asked: Vec<_> = asked.collect();
        let shares = policy.shares_about(&asked, &person).unwrap();
        let sliced = policy.say(&policy.files.current(), &asked, &person, &shares);
        let rulings = policy.assess_all(&asked);
        for ((asked, sliced), ruling) in asked.iter().zip(sliced).zip(rulings) {
            let whole = say_of_all(&policy, asked, &person);
            // Each set names what decides in it; that is all there is to compare where something
            // forbids.
            let forbidden = !whole.forbids.is_empty();
            prop_assert_eq!(!sliced.forbids.is_empty(), forbidden);
            let (sliced, whole) = (sliced.ruling(), whole.ruling());
            prop_assert_eq!(&sliced.0, &whole.0);
            prop_assert_eq!(sliced, whole);
            prop_assert_eq!(&ruling, &policy.assess(asked), "alone as with others");
            prop_assert!(!forbidden || ruling.decision == Decision::Deny, "what forbids wins");
            let nobody = policy.assess(&PolicyRequest { person: None, ..*asked });
            prop_assert!(matches!(nobody.decision, Decision::Deny | Decision::NeedClaims(_)));
            // Who is let in after all was told before that claims would help.
            let is_open = matches!(ruling.decision, Decision::Permit | Decision::AskOwner);
            prop_assert!(!is_open || nobody.decision != Decision::Deny);
        }
    }
}
