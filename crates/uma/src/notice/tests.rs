use countersign_jwt::{Algorithm, ClaimError, KeySet, SigningKey, VerifyError, jws};
use countersign_types::Lifetime;
use countersign_types::scope::MAX_SCOPES;
use serde_json::{Value, json};

use super::*;
use crate::case::{OwnerDecision, Question, Verdict};

const AUDIENCE: &str = "https://hooks.bob.example/uma";
const PAGE: &str = "https://uma.bob.example/console/people/p/q";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn issuer() -> Issuer {
    Issuer::parse("https://uma.bob.example").unwrap()
}

fn bob() -> Protection {
    Protection::new(OwnerId::parse("bob").unwrap(), ClientId::parse("rs").unwrap())
}

fn alice() -> Person {
    Person {
        iss: Issuer::parse("https://sts.alice.example").unwrap(),
        sub: "a1".to_owned(),
        email: EmailAddress::parse("alice@alice.example").unwrap(),
        present: true,
        claims: serde_json::Map::new(),
        unheard: serde_json::Map::new(),
        vouching: crate::person::Vouching::default(),
    }
}

fn permissions(scopes: &[&str]) -> Vec<Permission> {
    let permission = |(index, scope): (usize, &&str)| Permission {
        resource_id: ResourceId::parse(&format!("r{index}")).unwrap(),
        resource_scopes: ScopeSet::parse(scope).unwrap(),
    };
    scopes.iter().enumerate().map(permission).collect()
}

fn asked(scopes: &[&str]) -> Case {
    let question = Question {
        person: alice(),
        client: ClientId::parse("app").unwrap(),
        permissions: permissions(scopes),
        why: Vec::new(),
        lifetime: Lifetime::from_secs(100),
    };
    Case::ask(None, &question, at(10)).0.unwrap()
}

fn notice_of(case: &Case) -> Notice {
    let name = |id: &ResourceId| (id.as_str() == "r0").then(|| "RS API".to_owned());
    Notice::of(case, &bob(), name, "n-1".to_owned()).unwrap()
}

fn decide(case: Case, verdict: Verdict) -> Case {
    let decision = OwnerDecision {
        client: ClientId::parse("app").unwrap(),
        present: true,
        permissions: permissions(&["get"]),
        verdict,
        seen: case.revision(),
        by: "bob".to_owned(),
    };
    Case::decide(Some(case), &decision, at(11)).unwrap()
}

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Es256, Some(kid)).unwrap()
}

fn keys(key: &SigningKey) -> KeySet {
    KeySet::from_keys(vec![key.public().clone()]).unwrap()
}

fn stated(notice: &Notice, key: &SigningKey, person: Option<&Person>) -> String {
    let issuer = issuer();
    let statement = Statement {
        issuer: &issuer,
        audience: AUDIENCE,
        page: Some(PAGE),
        requesting_party: person,
    };
    sign(notice, statement, key).unwrap()
}

#[test]
fn a_notice_says_what_waits_and_nothing_of_who_asks() {
    let (key, notice) = (key("k"), notice_of(&asked(&["get", "put"])));
    let token = stated(&notice, &key, None);
    let payload = UnverifiedPayload::of(&token);
    let event = json!({
        "owner": "bob", "resource_server": "rs", "page": PAGE,
        "permissions": [
            {"resource_id": "r0", "resource_scopes": ["get"], "name": "RS API"},
            {"resource_id": "r1", "resource_scopes": ["put"]},
        ],
    });
    let expected = json!({
        "iss": "https://uma.bob.example", "aud": AUDIENCE, "iat": 10, "jti": "n-1",
        "events": {REQUEST_SUBMITTED: event},
    });
    assert_eq!(payload.0, expected);

    let received = verify(&token, &keys(&key), &issuer(), AUDIENCE, at(10)).unwrap();
    assert_eq!((received.jti.as_str(), received.at), ("n-1", at(10)));
    assert_eq!((received.owner.as_str(), received.page.as_deref()), ("bob", Some(PAGE)));
    assert_eq!(received.permissions.len(), 2);
    assert_eq!(received.requesting_party, None);

    let token = stated(&notice, &key, Some(&alice()));
    let party = verify(&token, &keys(&key), &issuer(), AUDIENCE, at(10)).unwrap().requesting_party;
    let party = party.unwrap();
    assert_eq!(party.email.as_str(), "alice@alice.example");
    assert_eq!(party.iss.as_str(), "https://sts.alice.example");
}

struct UnverifiedPayload(Value);

impl UnverifiedPayload {
    fn of(token: &str) -> Self {
        let unverified = countersign_jwt::Unverified::parse(token).unwrap();
        Self(unverified.claims().as_map().clone().into())
    }
}

#[test]
fn a_notice_is_of_a_question_and_has_all_that_waits() {
    let case = asked(&["get"]);
    for verdict in [
        Verdict::Approve,
        Verdict::Deny,
        Verdict::Reopen,
        Verdict::AskMore(["department".to_owned()].into()),
    ] {
        let decided = decide(case.clone(), verdict);
        let none = Notice::of(&decided, &bob(), |_| None, "n-2".to_owned());
        assert_eq!(none, None, "what the owner said is no news to them");
    }
    // Another client asks for more: what waited before is said after it, what was answered is not.
    let ask = |case: &Case, scopes: &[&str]| {
        let question = Question {
            person: alice(),
            client: ClientId::parse("other").unwrap(),
            permissions: permissions(scopes),
            why: Vec::new(),
            lifetime: Lifetime::from_secs(100),
        };
        notice_of(&Case::ask(Some(case.clone()), &question, at(12)).0.unwrap()).shown
    };
    let said = |shown: Vec<Shown>| -> Vec<(String, String)> {
        let said = |one: Shown| (one.resource_id.to_string(), one.resource_scopes.to_string());
        shown.into_iter().map(said).collect()
    };
    let pair = |id: &str, scopes: &str| (id.to_owned(), scopes.to_owned());
    assert_eq!(said(ask(&case, &["put"])), [pair("r0", "get put")]);
    let two = asked(&["get", "delete"]);
    assert_eq!(said(ask(&two, &["put"])), [pair("r0", "get put"), pair("r1", "delete")]);
    assert_eq!(
        said(ask(&decide(two, Verdict::Deny), &["put"])),
        [pair("r0", "put"), pair("r1", "delete")]
    );
}

/// However many clients ask one by one, a notice that was kept is read.
#[test]
fn of_a_resource_a_notice_names_64_scopes_the_last_question_among_them() {
    let ask = |case, number: usize| {
        let question = Question {
            person: alice(),
            client: ClientId::parse("app").unwrap(),
            permissions: permissions(&[&format!("scope-{number:02}")]),
            why: Vec::new(),
            lifetime: Lifetime::from_secs(100),
        };
        Case::ask(case, &question, at(10)).0
    };
    let notice = notice_of(&(0..=MAX_SCOPES).fold(None, ask).unwrap());
    let kept = serde_json::to_value(&notice).unwrap();
    assert_eq!(serde_json::from_value::<Notice>(kept).unwrap(), notice);
    let scopes = &notice.shown[0].resource_scopes;
    assert!(scopes.len() == MAX_SCOPES && scopes.contains("scope-64"));
}

#[test]
fn a_notice_of_much_fits_into_a_token() {
    let many: Vec<String> = (0..32).map(|n| format!("{n}-{}", "s".repeat(200))).collect();
    let case = asked(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let notice = notice_of(&case);
    assert!(!notice.shown.is_empty() && notice.shown.len() < 32, "{}", notice.shown.len());
    let key = key("k");
    let received =
        verify(&stated(&notice, &key, Some(&alice())), &keys(&key), &issuer(), AUDIENCE, at(10));
    assert_eq!(received.unwrap().permissions, notice.shown);
}

#[test]
fn only_a_notice_of_this_issuer_for_this_receiver_is_one() {
    let key = key("k");
    let good = UnverifiedPayload::of(&stated(&notice_of(&asked(&["get"])), &key, None)).0;
    let with = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        claims
    };
    let check = |typ: &str, claims: &Value| {
        let token = jws::sign(typ, &key, claims).unwrap();
        verify(&token, &keys(&key), &issuer(), AUDIENCE, at(10))
    };
    assert!(check(TYP, &good).is_ok());
    assert!(check("Application/SecEvent+JWT", &good).is_ok());
    assert!(check(TYP, &with("aud", json!(["other", AUDIENCE]))).is_ok());
    for (claims, error, code) in [
        (with("iss", json!("https://uma.eve.example")), NoticeError::Issuer, "invalid_issuer"),
        (with("aud", json!("https://eve.example")), NoticeError::Audience, "invalid_audience"),
        (with("iat", json!(71)), ClaimError::IssuedInFuture.into(), "access_denied"),
        (with("iat", Value::Null), ClaimError::WrongType("iat").into(), "invalid_request"),
        (with("jti", json!("")), ClaimError::WrongType("jti").into(), "invalid_request"),
        (with("events", json!({})), NoticeError::Event, "invalid_request"),
        (with("events", json!({REQUEST_SUBMITTED: {}})), NoticeError::Event, "invalid_request"),
        (with("events", json!([])), ClaimError::WrongType("events").into(), "invalid_request"),
    ] {
        let refused = check(TYP, &claims).unwrap_err();
        assert_eq!((refused.code(), &refused), (code, &error), "{claims}");
    }
    for typ in ["JWT", "at+jwt", "uma-claims+jwt", "logout+jwt"] {
        assert_eq!(check(typ, &good), Err(NoticeError::Typ), "{typ}");
    }
    let refused = verify("no token", &keys(&key), &issuer(), AUDIENCE, at(10)).unwrap_err();
    assert!(matches!(refused, NoticeError::Malformed(_)));

    // Another's signature, under our key's name and under another one.
    for kid in ["k", "other"] {
        let token = stated(&notice_of(&asked(&["get"])), &self::key(kid), None);
        let refused = verify(&token, &keys(&key), &issuer(), AUDIENCE, at(10)).unwrap_err();
        assert_eq!(refused.code(), "invalid_key");
        let expected = if kid == "k" { VerifyError::Signature } else { VerifyError::UnknownKey };
        assert_eq!(refused, NoticeError::Signature(expected));
    }
}
