use countersign_types::{ClientId, EmailAddress, Issuer, ScopeSet};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::policy::shares::{Effect, MAX_ACCOUNTS, MailDomain, TermsError, values};
use crate::protection::OwnerId;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn bob() -> Protection {
    Protection::new(OwnerId::parse("bob").unwrap(), ClientId::parse("rs").unwrap())
}

fn id(text: &str) -> ResourceId {
    ResourceId::parse(text).unwrap()
}

fn domain(text: &str) -> MailDomain {
    MailDomain::parse(text).unwrap()
}

fn person(email: &str, claims: serde_json::Value) -> Person {
    Person {
        iss: Issuer::parse("https://sts.example").unwrap(),
        sub: "1".to_owned(),
        email: EmailAddress::parse(email).unwrap(),
        present: true,
        claims: claims.as_object().unwrap().clone(),
        unheard: serde_json::Map::new(),
        vouching: crate::person::Vouching::default(),
    }
}

fn terms(what: What, scopes: &str, who: Who, effect: Effect) -> Terms {
    Terms::new(what, ScopeSet::parse(scopes).unwrap(), who, effect).unwrap()
}

fn share(id: &str, terms: Terms) -> Share {
    Share { id: ShareId::parse(id).unwrap(), terms, since: at(0), by: "bob".to_owned() }
}

fn group(claim: &str, value: &str, of: &str) -> Who {
    Who::Group { claim: claim.to_owned(), value: value.to_owned(), domain: domain(of) }
}

fn of(shares: impl IntoIterator<Item = Share>) -> Shares {
    let mut all = Shares::new();
    assert!(all.load(bob(), shares.into_iter().collect()).is_none());
    all
}

/// Which shares a question has to look at.
#[track_caller]
fn check(shares: &Shares, resource: &str, scope: &str, person: &Person, now: i64) -> String {
    let about = shares.about(&bob(), &id(resource), scope, person, at(now));
    let mut ids: Vec<_> = about.iter().map(|share| share.id.as_str()).collect();
    ids.sort_unstable();
    ids.join(" ")
}

#[test]
fn a_question_finds_what_speaks_of_it_and_nothing_else() {
    let (r1, all) = (|| What::Resource(id("r1")), || What::Everything);
    let alice = || Who::Person(EmailAddress::parse("alice@a.example").unwrap());
    let shares = of([
        share("person", terms(r1(), "get put", alice(), Effect::Permit)),
        share("everything", terms(all(), "get", alice(), Effect::Ask)),
        share("other-resource", terms(What::Resource(id("r2")), "get", alice(), Effect::Permit)),
        share("domain", terms(r1(), "get", Who::Domain(domain("A.example")), Effect::Permit)),
        share("other-domain", terms(r1(), "get", Who::Domain(domain("b.example")), Effect::Permit)),
        share("group", terms(all(), "get", group("team", "x", "a.example"), Effect::Permit)),
        share(
            "group-elsewhere",
            terms(all(), "get", group("team", "x", "b.example"), Effect::Permit),
        ),
        share("anyone", terms(all(), "get", Who::Anyone, Effect::Forbid).with_until(at(100))),
    ]);
    let plain = person("alice@a.example", json!({}));
    assert_eq!(check(&shares, "r1", "get", &plain, 0), "anyone domain everything person");
    assert_eq!(check(&shares, "r1", "get", &plain, 100), "domain everything person");
    assert_eq!(check(&shares, "r1", "put", &plain, 0), "person");
    assert_eq!(check(&shares, "r3", "get", &plain, 0), "anyone everything");
    assert_eq!(check(&shares, "r1", "create", &plain, 0), "");
    for (claims, is_in) in [
        (json!({"team": "x"}), true),
        (json!({"team": ["y", "x"]}), true),
        (json!({"team": ["x", "x"]}), true),
        (json!({"team": "xx"}), false),
        (json!({"team": {"x": "x"}}), false),
        (json!({"teams": "x"}), false),
    ] {
        let found = check(&shares, "r3", "get", &person("al@a.example", claims.clone()), 100);
        assert_eq!(found, if is_in { "group" } else { "" }, "{claims}");
        // What another domain's provider says counts for that domain alone.
        let found = check(&shares, "r3", "get", &person("al@b.example", claims.clone()), 100);
        assert_eq!(found, if is_in { "group-elsewhere" } else { "" }, "{claims}");
    }
    // The names of owner and resource server are part of the key.
    let carol = Protection::new(OwnerId::parse("carol").unwrap(), ClientId::parse("rs").unwrap());
    assert!(shares.about(&carol, &id("r1"), "get", &plain, at(0)).is_empty());
    assert!(shares.claims(&bob()).eq(["team"]) && shares.claims(&carol).next().is_none());
    let of_r1: BTreeSet<_> = shares.of_resource(&bob(), &id("r1")).into_iter().collect();
    assert!(of_r1.iter().map(ShareId::as_str).eq(["domain", "other-domain", "person"]));
    assert!(shares.of_resource(&carol, &id("r1")).is_empty());
    assert!(shares.speak_of(&bob(), &id("r9"), "get") && shares.speak_of(&bob(), &id("r1"), "put"));
    assert!(
        !shares.speak_of(&bob(), &id("r9"), "put") && !shares.speak_of(&carol, &id("r1"), "get")
    );
}

/// Who is kept out is so by another spelling of their address, and by another address of theirs;
/// who is let in is so by the one that was written.
#[test]
fn who_is_kept_out_comes_back_by_no_other_address() {
    let alice = person("alice@a.example", json!({}));
    let out = Terms::keeping_out(&alice, What::Everything);
    let eve = Who::Person(EmailAddress::parse("Eve@a.example").unwrap());
    let mut shares = of([
        share("out", out),
        share("eve-out", terms(What::Everything, "get", eve.clone(), Effect::Forbid)),
        share("eve", terms(What::Everything, "get", eve, Effect::Permit)),
    ]);
    let with = |email: &str, sub: &str| Person { sub: sub.to_owned(), ..person(email, json!({})) };
    for (email, sub, found) in [
        ("alice@a.example", "1", "out"),
        ("alice@a.example", "2", "out"),
        ("Alice@a.example", "2", "out"),
        ("alice+2@a.example", "1", "out"),
        ("alice+2@a.example", "2", ""),
        ("Eve@a.example", "3", "eve eve-out"),
        ("eve@a.example", "3", "eve-out"),
    ] {
        assert_eq!(check(&shares, "r1", "get", &with(email, sub), 0), found, "{email} {sub}");
    }
    assert_eq!(check(&shares, "r1", "a scope to come", &alice, 0), "out");
    let elsewhere =
        Person { iss: Issuer::parse("https://b.example").unwrap(), ..with("x@b.example", "1") };
    assert_eq!(check(&shares, "r1", "get", &elsewhere, 0), "");
    for id in ["out", "eve-out", "eve"] {
        shares.remove(&bob(), &ShareId::parse(id).unwrap());
    }
    let everything = &shares.0[&bob()].everything;
    assert!(
        everything.is_empty() && everything.forbidden.is_empty() && everything.accounts.is_empty()
    );
}

/// An address that is kept out becomes a person, once it is known who has it: and that is another
/// revision.
#[test]
fn who_is_kept_out_by_an_address_is_recognised() {
    let eve = || Who::Person(EmailAddress::parse("Eve@a.example").unwrap());
    let forbid = || terms(What::Resource(id("r1")), "get", eve(), Effect::Forbid);
    let mut shares = of([
        share("no", forbid()),
        share("yes", terms(What::Everything, "get", eve(), Effect::Permit)),
    ]);
    let with = |email: &str, sub: &str| Person { sub: sub.to_owned(), ..person(email, json!({})) };
    let came = with("eve@a.example", "7");
    let unaware = |shares: &Shares, resource: &str, person: &Person| {
        let ids = shares.unaware(&bob(), [&id(resource)].into_iter(), person);
        ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(unaware(&shares, "r1", &came), "no");
    assert_eq!(unaware(&shares, "r2", &came), "");
    assert_eq!(unaware(&shares, "r1", &with("al@a.example", "7")), "");
    let before = shares.revision(&bob(), at(0));
    shares.put(&bob(), share("no", forbid().with_account(&came)));
    assert_ne!(shares.revision(&bob(), at(0)), before);
    assert_eq!(unaware(&shares, "r1", &came), "");
    assert_eq!(check(&shares, "r1", "get", &with("other@a.example", "7"), 0), "no");
    assert_eq!(check(&shares, "r1", "get", &with("other@a.example", "8"), 0), "");
    // There is room for so many, and whoever is let in by an address is nobody else.
    let full = (0..MAX_ACCOUNTS + 9).fold(forbid(), |terms, number| {
        terms.with_account(&with("eve@a.example", &number.to_string()))
    });
    assert_eq!(full.accounts().count(), MAX_ACCOUNTS);
    shares.put(&bob(), share("no", full));
    assert_eq!(unaware(&shares, "r1", &with("eve@a.example", "last")), "");
    for unfit in [
        terms(What::Everything, "get", eve(), Effect::Permit),
        terms(What::Everything, "get", Who::Anyone, Effect::Forbid),
    ] {
        assert_eq!(unfit.clone().with_account(&came), unfit);
    }
    assert_eq!(forbid().with_account(&with("al@a.example", "7")), forbid());
}

/// A claim that the issuer is not heard about lets nobody in, and keeps out all the same.
#[test]
fn a_claim_that_is_not_heard_still_forbids() {
    let team = || group("team", "x", "a.example");
    let shares = of([
        share("in", terms(What::Everything, "get", team(), Effect::Permit)),
        share("ask", terms(What::Everything, "get", team(), Effect::Ask)),
        share("out", terms(What::Everything, "get", team(), Effect::Forbid)),
    ]);
    let mut alice = person("alice@a.example", json!({"team": ["y", "x"]}));
    assert_eq!(check(&shares, "r1", "get", &alice, 0), "ask in out");
    std::mem::swap(&mut alice.claims, &mut alice.unheard);
    assert_eq!(check(&shares, "r1", "get", &alice, 0), "out");
}

#[test]
fn what_only_forbids_opens_nothing() {
    let shares = of([share("no", terms(What::Everything, "get", Who::Anyone, Effect::Forbid))]);
    assert!(!shares.speak_of(&bob(), &id("r1"), "get"));
}

#[test]
fn a_revision_is_of_the_shares_that_count() {
    let anyone = || terms(What::Everything, "get", Who::Anyone, Effect::Permit);
    let one = || share("a", anyone());
    let two = || share("b", anyone().with_until(at(100)));
    let revision = |shares: &Shares, now| shares.revision(&bob(), at(now));
    let both = of([one(), two()]);
    assert_eq!(revision(&both, 0), revision(&of([two(), one()]), 99), "whatever the order");
    assert_ne!(revision(&both, 0), revision(&of([one()]), 0));
    assert_eq!(
        revision(&both, 100),
        revision(&of([one()]), 0),
        "what is over is as if it were gone"
    );
    assert_eq!(revision(&of([]), 0), revision(&Shares::new(), 0));
    let mut changed = both;
    changed.remove(&bob(), &ShareId::parse("a").unwrap());
    assert_eq!(revision(&changed, 0), revision(&of([two()]), 0));
    changed.end(&bob(), at(99));
    assert_eq!(changed.count(&bob()), 1);
    changed.end(&bob(), at(100));
    assert_eq!((changed.count(&bob()), revision(&changed, 0)), (0, revision(&of([]), 0)));
    assert!(changed.list(&bob(), at(0)).is_empty());
}

#[test]
fn terms_that_say_nothing_are_refused() {
    let new = |scopes: &str, who| {
        Terms::new(What::Everything, ScopeSet::parse(scopes).unwrap(), who, Effect::Permit)
    };
    assert_eq!(new("", Who::Anyone), Err(TermsError::Scopes));
    for (claim, value) in [("", "x"), ("x", ""), (&*"x".repeat(257), "x"), ("x", &"x".repeat(257))]
    {
        assert_eq!(new("get", group(claim, value, "a.example")), Err(TermsError::Claim));
    }
    assert_eq!(MailDomain::parse("localhost"), None);
    for bad in ["", "a b", "a/b", &"x".repeat(65)] {
        assert_eq!(ShareId::parse(bad), None, "{bad}");
    }
}

fn any_who() -> impl Strategy<Value = Who> {
    prop_oneof![
        "[ab]".prop_map(|name| {
            Who::Person(EmailAddress::parse(&format!("{name}@{name}.example")).unwrap())
        }),
        "[ab]".prop_map(|name| Who::Domain(domain(&format!("{name}.example")))),
        ("[tu]", "[xy]", "[ab]")
            .prop_map(|(claim, value, of)| { group(&claim, &value, &format!("{of}.example")) }),
        Just(Who::Anyone),
    ]
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let what =
        prop_oneof!["r[12]".prop_map(|name| What::Resource(id(&name))), Just(What::Everything)];
    let effect = prop_oneof![Just(Effect::Permit), Just(Effect::Ask), Just(Effect::Forbid)];
    let scopes = prop_oneof![Just("get"), Just("put"), Just("get put")];
    (what, scopes, any_who(), effect)
        .prop_map(|(what, scopes, who, effect)| terms(what, scopes, who, effect))
}

/// Whether terms can say anything of the question, without an index.
fn speaks(terms: &Terms, resource: &str, scope: &str, person: &Person) -> bool {
    let of = |domain: &MailDomain| domain.as_str() == person.email.domain();
    let what = *terms.what() == What::Everything || *terms.what() == What::Resource(id(resource));
    what && terms.covers(scope)
        && match terms.who() {
            Who::Person(email) => *email == person.email,
            Who::Domain(domain) => of(domain),
            Who::Group { claim, value, domain } => {
                of(domain) && values(&person.claims, claim).any(|is| is == value)
            }
            Who::Anyone => true,
        }
}

proptest! {
    /// Whatever came and went: the index finds what a look at every share finds, once each.
    #[test]
    fn the_index_is_what_is_there(
        all in prop::collection::vec((any_terms(), any::<bool>()), 0..24),
        resource in "r[123]", scope in prop_oneof![Just("get"), Just("put")],
        name in "[abc]", team in "[xy]",
    ) {
        let mut shares = of([]);
        for (number, (terms, _)) in all.iter().enumerate() {
            shares.put(&bob(), share(&format!("s{number:02}"), terms.clone()));
        }
        for (number, _) in all.iter().enumerate().filter(|(_, (_, stays))| !stays) {
            shares.remove(&bob(), &ShareId::parse(&format!("s{number:02}")).unwrap());
        }
        let person = person(&format!("{name}@{name}.example"), json!({"t": team, "u": ["x", "y"]}));
        let stay = all.iter().enumerate().filter(|(_, (_, stays))| *stays);
        let speak = stay.clone().filter(|(_, (terms, _))| speaks(terms, &resource, scope, &person));
        let expected: Vec<_> = speak.map(|(number, _)| format!("s{number:02}")).collect();
        prop_assert_eq!(check(&shares, &resource, scope, &person, 0), expected.join(" "));
        let whole = of(stay.map(|(number, (terms, _))| share(&format!("s{number:02}"), terms.clone())));
        prop_assert_eq!(shares.revision(&bob(), at(0)), whole.revision(&bob(), at(0)));
        prop_assert_eq!(shares.list(&bob(), at(0)), whole.list(&bob(), at(0)));
        prop_assert_eq!(shares.count(&bob()), all.iter().filter(|(_, stays)| *stays).count());
        prop_assert!(shares.claims(&bob()).eq(whole.claims(&bob())));
        // Nothing is left of what went.
        let owned = (&shares.0[&bob()], &whole.0[&bob()]);
        prop_assert!(owned.0.resources.keys().all(|id| owned.1.resources.contains_key(id)));
        prop_assert!(owned.0.everything.groups.keys().all(|d| owned.1.everything.groups.contains_key(d)));
    }
}
