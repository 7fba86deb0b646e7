//! Branch B by table: each row changes one thing of a request that is granted.

use countersign_types::secret::AccessToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Params, WireError as _};
use serde_json::json;

use super::*;
use crate::decide::tests::{CHALLENGE, NOW, RS, UMA, claims, client_policy, server, subject_of};
use crate::decide::{Grant, GrantedClaims, Product, decide};
use crate::delegation::{Delegation, DelegationPolicy, Verdict};
use crate::policy::ExchangePolicy;
use crate::request::{self, REPEATABLE};
use crate::requester::Requester;

const AGENT: &str = "agent";
const ALICE: &str = "alice@alice.example";

#[derive(Debug)]
struct OnlyFor(&'static str);

impl DelegationPolicy for OnlyFor {
    fn assess(&self, asked: &Delegation<'_>) -> Verdict {
        let acts = asked.act.is_some_and(|act| act.current().sub == AGENT);
        let is_named = asked.email.is_some_and(|email| email.as_str() == ALICE);
        Verdict { permitted: acts && is_named && asked.subject == self.0, rules: Vec::new() }
    }
}

struct Case {
    form: Vec<(&'static str, &'static str)>,
    token: Map<String, Value>,
    known: Option<DirectoryPerson>,
    asked: bool,
    policy: ClientPolicy,
    delegation: OnlyFor,
}

fn person_at(address: &str) -> DirectoryPerson {
    let claims = json!({ "groups": ["staff"], "salary": 1 });
    DirectoryPerson {
        subject: "alice".to_owned(),
        email: VerifiedEmail::of_own_account(EmailAddress::parse(address).unwrap()),
        claims: claims.as_object().unwrap().clone(),
    }
}

impl Case {
    fn good() -> Self {
        let mut token = claims();
        for name in ["email", "email_verified", "amr", "groups", "salary"] {
            token.remove(name);
        }
        token.insert("sub".to_owned(), json!(AGENT));
        token.insert("client_id".to_owned(), json!(AGENT));
        token.insert("scope".to_owned(), json!("claims-provider"));
        let people =
            NamedPeople { domains: ["alice.example".to_owned()].into(), ..Default::default() };
        Self {
            form: vec![
                ("ticket_digest", CHALLENGE),
                ("audience", UMA),
                ("resource", RS),
                ("email_address", ALICE),
            ],
            token,
            known: Some(person_at(ALICE)),
            asked: true,
            policy: ClientPolicy { claims_endpoint: true, people: Some(people), ..client_policy() },
            delegation: OnlyFor("alice"),
        }
    }

    fn decide(&self) -> Result<Grant, ExchangeError> {
        let form: Vec<_> =
            self.form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let params = Params::parse(form.join("&").as_bytes(), REPEATABLE).unwrap();
        let request = request::of_holder(&params, AccessToken::new("a token"))?;
        let id = ClientId::parse(AGENT).unwrap();
        let account = match &self.known {
            Some(person) => Account::Known(person),
            None if self.asked => Account::Unknown,
            None => Account::NotAsked,
        };
        decide(
            &request,
            &Facts {
                client: Requester::Holder { id: &id, is_confidential: true },
                subject: &subject_of(&self.token),
                actor: None,
                account,
                proved: None,
                policy: ExchangePolicy {
                    server: &server(),
                    client: &self.policy,
                    delegation: &self.delegation,
                },
                now: NOW,
            },
        )
    }
}

#[test]
fn what_a_client_gets_about_a_person_it_names_says_that_the_client_acts() {
    let grant = Case::good().decide().unwrap();
    assert_eq!(grant.subject, "alice");
    assert!(grant.amr.is_empty());
    let act = grant.act.expect("an actor");
    assert_eq!(act.to_claim(), json!({ "sub": AGENT, "client_id": AGENT }));
    let Product::ClaimsToken(GrantedClaims { email, user_claims, .. }) = grant.product else {
        panic!("not a claims token")
    };
    assert_eq!(email.address().as_str(), ALICE);
    assert_eq!(Value::Object(user_claims), json!({ "groups": ["staff"] }), "listed claims only");
}

/// STS-8: what differs from case to case does not show in the answer.
#[test]
fn who_does_not_exist_and_who_is_not_listed_are_refused_alike() {
    type Change = fn(&mut Case);
    let rows: &[(&str, Change)] = &[
        ("no list", |c| c.policy.people = None),
        ("an empty list", |c| c.policy.people = Some(NamedPeople::default())),
        ("another domain", |c| {
            c.policy.people.as_mut().unwrap().domains = ["other.example".to_owned()].into();
        }),
        ("a parent domain", |c| {
            c.policy.people.as_mut().unwrap().domains = ["example".to_owned()].into();
        }),
        ("nobody of this address", |c| c.known = None),
        ("the directory was not asked", |c| (c.known, c.asked) = (None, false)),
        ("somebody else was found", |c| c.known = Some(person_at("eve@alice.example"))),
        ("no address at all", |c| c.form[3].1 = "alice"),
        ("a token that another client got for itself", |c| {
            c.token.extend(["sub", "client_id"].map(|name| (name.to_owned(), json!("other"))));
            c.policy.subjects_of = [ClientId::parse("other").unwrap()].into();
        }),
    ];
    let mut answers = Vec::new();
    for (name, change) in rows {
        let mut case = Case::good();
        change(&mut case);
        let error = case.decide().expect_err(name);
        assert!(matches!(error, ExchangeError::Impersonation(_)), "{name}: {error}");
        let wire = error.wire();
        answers.push((error.to_string(), wire.code.as_str().to_owned(), wire.description));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let mut nobody = Case::good();
    nobody.form.truncate(3);
    let nobody = nobody.decide().unwrap_err();
    assert!(matches!(nobody, ExchangeError::NotAPerson), "nobody was named: {nobody}");
}

/// STS-8: neither what else is asked for nor the delegation policy tells whether somebody exists.
#[test]
fn sts_8_targets_and_delegation_tell_nobody_who_exists() {
    type Change = fn(&mut Case);
    let rows: &[(&str, Change)] = &[
        ("another audience", |c| c.form[1].1 = "https://uma.elsewhere.example"),
        ("a resource that is denied", |c| c.form[2].1 = "https://rs.denied.example"),
        ("no resource", |c| c.form.retain(|(name, _)| *name != "resource")),
        ("a rule", |c| c.delegation = OnlyFor("somebody else")),
    ];
    for (name, change) in rows {
        let answer = |exists: bool| {
            let mut case = Case::good();
            change(&mut case);
            case.known = case.known.filter(|_| exists);
            let wire = case.decide().expect_err(name).wire();
            (wire.code.as_str().to_owned(), wire.description)
        };
        assert_eq!(answer(true), answer(false), "{name}");
    }
    let mut case = Case::good();
    case.delegation = OnlyFor("somebody else");
    let refused = case.decide().unwrap_err();
    let expected =
        matches!(refused, ExchangeError::Delegation { named: true, explained: false, .. });
    assert!(expected, "who operates it is told: {refused:?}");
}

#[test]
fn people_are_listed_by_address_by_domain_or_by_group() {
    let alice = person_at(ALICE);
    let of = |text: &str| BTreeSet::from([text.to_owned()]);
    for (people, expected) in [
        (
            NamedPeople {
                addresses: [EmailAddress::parse(ALICE).unwrap()].into(),
                ..Default::default()
            },
            true,
        ),
        (
            NamedPeople {
                addresses: [EmailAddress::parse("Alice@alice.example").unwrap()].into(),
                ..Default::default()
            },
            false,
        ),
        (NamedPeople { domains: of("alice.example"), ..Default::default() }, true),
        (NamedPeople { groups: of("staff"), ..Default::default() }, true),
        (NamedPeople { groups: of("Staff"), ..Default::default() }, false),
        (NamedPeople { groups: of(""), ..Default::default() }, false),
        (NamedPeople::default(), false),
    ] {
        assert_eq!(people.include(&alice), expected, "{people:?}");
    }
}

#[track_caller]
fn check(name: &str, change: impl FnOnce(&mut Case), expected: ErrorCode) {
    let mut case = Case::good();
    change(&mut case);
    assert_eq!(case.decide().map(drop).unwrap_err().wire().code, expected, "{name}");
}

#[test]
fn everything_else_holds_for_it_as_for_any_claims_token() {
    let invalid_request = || ErrorCode::INVALID_REQUEST;
    check("nobody is named", |c| c.form.truncate(3), invalid_request());
    check("no consent", |c| drop(c.token.insert("scope".into(), json!("get"))), invalid_request());
    check(
        "another client's token",
        |c| drop(c.token.insert("client_id".into(), json!("b"))),
        invalid_request(),
    );
    check(
        "not for its holder",
        |c| c.policy.claims_endpoint = false,
        ErrorCode::UNAUTHORIZED_CLIENT,
    );
    check(
        "another audience",
        |c| c.form[1].1 = "https://uma.other.example",
        ErrorCode::INVALID_TARGET,
    );
    check("no challenge", |c| c.form[0].0 = "ignored", invalid_request());
    check("two challenges", |c| c.form.push(("ticket_challenge", "x")), invalid_request());
    check("a subject token", |c| c.form.push(("subject_token", "x")), invalid_request());
    check("the delegation policy", |c| c.delegation = OnlyFor("bob"), invalid_request());
}

/// STS-8: about whom no list could have, nobody is asked, so that no answer and no failure tells of
/// them.
#[test]
fn the_directory_is_asked_about_those_alone_whom_a_list_could_have() {
    let asked = |people: Option<NamedPeople>, address: &str| {
        let mut case = Case::good();
        case.policy.people = people;
        let form = format!("ticket_digest={CHALLENGE}&email_address={address}");
        let params = Params::parse(form.as_bytes(), REPEATABLE).unwrap();
        let request = request::of_holder(&params, AccessToken::new("a token")).unwrap();
        named(&request, &subject_of(&case.token), &case.policy).is_some()
    };
    let of = |text: &str| BTreeSet::from([text.to_owned()]);
    let alice = || NamedPeople {
        addresses: [EmailAddress::parse(ALICE).unwrap()].into(),
        ..NamedPeople::default()
    };
    assert!(asked(Some(alice()), ALICE));
    for other in ["ALICE@alice.example", "carol@alice.example", "alice@bob.example", "alice"] {
        assert!(!asked(Some(alice()), other), "{other}");
    }
    assert!(!asked(None, ALICE) && !asked(Some(NamedPeople::default()), ALICE));
    let domains = NamedPeople { domains: of("alice.example"), ..NamedPeople::default() };
    assert!(asked(Some(domains.clone()), "carol@alice.example"));
    assert!(!asked(Some(domains), "carol@bob.example"));
    let groups = NamedPeople { groups: of("staff"), ..NamedPeople::default() };
    assert!(asked(Some(groups), "carol@bob.example"));
    // A person who is there is not looked for by an address.
    let params = format!("ticket_digest={CHALLENGE}&email_address={ALICE}");
    let params = Params::parse(params.as_bytes(), REPEATABLE).unwrap();
    let request = request::of_holder(&params, AccessToken::new("a token")).unwrap();
    let policy = ClientPolicy { people: Some(alice()), ..client_policy() };
    assert_eq!(named(&request, &subject_of(&claims()), &policy), None);
}

/// STS-7, and the same person in the directory as in the token.
#[test]
fn with_a_persons_token_the_person_is_the_tokens() {
    let with = |change: fn(&mut Case)| {
        let mut case = Case::good();
        case.token = claims();
        case.token.insert("client_id".into(), json!(AGENT));
        case.policy.people = None;
        change(&mut case);
        case.decide()
    };
    let grant = with(|_| ()).unwrap();
    assert_eq!((grant.subject.as_str(), grant.act), ("alice", None));
    assert_eq!(grant.amr, ["pwd"]);
    assert!(with(|c| c.form.truncate(3)).is_ok(), "the address need not be sent");
    assert!(with(|c| c.known = None).is_err(), "gone from the directory");
    assert!(
        with(|c| (c.known, c.asked) = (None, false)).is_ok(),
        "an issuer with its own accounts"
    );
    for asked in
        [|c: &mut Case| c.form[3].1 = "bob@alice.example", |c: &mut Case| c.form[3].1 = "alice"]
    {
        let other = with(asked).unwrap_err();
        assert!(matches!(other, ExchangeError::OtherEmail), "{other}");
    }
    for known in [
        |c: &mut Case| c.known.as_mut().unwrap().subject = "bob".to_owned(),
        |c: &mut Case| c.known = Some(person_at("alice@new.example")),
    ] {
        let another = with(known).unwrap_err();
        assert!(matches!(another, ExchangeError::NotAPerson), "{another}");
    }
    // What the directory says of them is said, and not what it said when the token was issued.
    let grant = with(|c| {
        c.known.as_mut().unwrap().claims.insert("groups".to_owned(), json!(["guests"]));
    });
    let Product::ClaimsToken(GrantedClaims { user_claims, .. }) = grant.unwrap().product else {
        panic!("not a claims token")
    };
    assert_eq!(Value::Object(user_claims), json!({ "groups": ["guests"] }));
}
