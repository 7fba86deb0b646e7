//! Who acts: actor tokens, identity tokens, chains, and the delegation policy.

use std::sync::{LazyLock, Mutex};

use countersign_identity_propagation::actor_token::Expected;
use countersign_identity_propagation::{ActorAudience, MadeOutTo, actor_token};
use countersign_jwt::{Algorithm, KeySet, SigningKey};
use countersign_types::replay::Seen;
use countersign_types::secret::AccessToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{EmailAddress, Lifetime, UrlPattern, WireError as _};
use serde_json::json;

use super::tests::{
    CHALLENGE, NOW, RS, STS, UMA, Zero, claims, client, client_policy, request, server, subject_of,
};
use super::*;
use crate::delegation::{ByRegistration, DelegationPolicy, Verdict};
use crate::policy::{ClientPolicy, ServerPolicy};
use crate::subject;

const MAIL: &str = "https://mail.example/client";
const RP: &str = "https://rp.bob.example/api";
const JWT: (&str, &str) = ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt");

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256, None).unwrap());

/// What an actor token is made out to.
#[derive(Clone, Copy)]
enum To {
    Issuer,
    Target(&'static str),
}

struct Case {
    fields: Vec<(&'static str, &'static str)>,
    claims: Map<String, Value>,
    client: &'static str,
    actor: Option<To>,
    server: ServerPolicy,
    policy: ClientPolicy,
    delegation: &'static dyn DelegationPolicy,
}

impl Case {
    /// The drawing's form: the actor token is made out to the relying party.
    fn drawn() -> Self {
        let mut claims = claims();
        claims.insert("client_id".into(), json!(MAIL));
        Self {
            fields: vec![JWT],
            claims,
            client: MAIL,
            actor: Some(To::Target(RP)),
            server: server(),
            policy: ClientPolicy {
                may_act: true,
                identity_token_audiences: vec![
                    UrlPattern::parse("https://*.bob.example/api").unwrap(),
                ],
                ..client_policy()
            },
            delegation: &ByRegistration,
        }
    }

    /// The strict form: made out to the issuer, the relying party in `resource`.
    fn strict() -> Self {
        Self { fields: vec![JWT, ("resource", RP)], actor: Some(To::Issuer), ..Self::drawn() }
    }

    fn decide(&self) -> Result<Grant, ExchangeError> {
        let client = client(self.client, true);
        let issuer = Issuer::parse(STS).unwrap();
        let actor = self.actor.map(|to| {
            let target;
            let to = match to {
                To::Issuer => MadeOutTo::Issuer(&issuer),
                To::Target(text) => {
                    target = ResourceIdentifier::parse(text).unwrap();
                    MadeOutTo::Target(&target)
                }
            };
            let token = actor_token(&*KEY, client.id(), to, NOW, &Zero).unwrap();
            let keys = KeySet::from_keys(vec![KEY.public().clone()]).unwrap();
            let forms = ActorAudience::Either;
            let expected = Expected { client: &client, issuer: &issuer, forms, now: NOW };
            actor_token::verify(&token, &keys, &expected).unwrap().if_new(Seen::First).unwrap()
        });
        let mut fields = self.fields.clone();
        if actor.is_some() {
            fields.extend([("actor_token", "a"), ("actor_token_type", JWT.1)]);
        }
        let facts = Facts {
            client: Requester::Client(&client),
            subject: &subject_of(&self.claims),
            actor: actor.as_ref(),
            account: Account::NotAsked,
            proved: None,
            policy: ExchangePolicy {
                server: &self.server,
                client: &self.policy,
                delegation: self.delegation,
            },
            now: NOW,
        };
        decide(&request(&fields), &facts)
    }
}

#[track_caller]
fn check(name: &str, mut case: Case, change: impl FnOnce(&mut Case), expected: Option<ErrorCode>) {
    change(&mut case);
    assert_eq!(case.decide().err().map(|error| error.wire().code), expected, "{name}");
}

#[test]
fn an_identity_token_is_granted_in_both_forms() {
    for case in [Case::drawn(), Case::strict()] {
        let grant = case.decide().unwrap();
        assert_eq!(grant.expires, NOW.after(Lifetime::from_secs(300)));
        assert_eq!(grant.client_id.as_str(), MAIL);
        let Product::IdentityToken { audience, email, act } = grant.product else {
            panic!("no identity token")
        };
        assert_eq!(audience.as_str(), RP);
        assert_eq!(email.address().as_str(), "alice@alice.example");
        assert_eq!(act.to_claim(), json!({ "sub": MAIL, "client_id": MAIL }));
    }
}

#[test]
fn the_target_is_one_and_allowed() {
    let target = Some(ErrorCode::INVALID_TARGET);
    let request = Some(ErrorCode::INVALID_REQUEST);
    let fields = |fields: &'static [(&'static str, &'static str)]| {
        move |case: &mut Case| {
            case.fields = std::iter::once(JWT).chain(fields.iter().copied()).collect();
        }
    };
    let to = |to| move |case: &mut Case| case.actor = Some(to);
    const OTHER: &str = "https://other.bob.example/api";
    check("resource agrees", Case::drawn(), fields(&[("resource", RP)]), None);
    check("audience agrees", Case::drawn(), fields(&[("audience", RP)]), None);
    check("both agree", Case::strict(), fields(&[("resource", RP), ("audience", RP)]), None);
    check("audience instead of resource", Case::strict(), fields(&[("audience", RP)]), None);
    check(
        "a registered name",
        Case::strict(),
        |case| {
            case.fields = vec![JWT, ("resource", "RS API")];
            case.policy.identity_token_audiences = vec![UrlPattern::parse(RS).unwrap()];
        },
        None,
    );
    check("nothing names it", Case::strict(), fields(&[]), request);
    check("resource differs", Case::drawn(), fields(&[("resource", OTHER)]), target);
    check("audience differs", Case::drawn(), fields(&[("audience", OTHER)]), target);
    let two = fields(&[("resource", RP), ("resource", OTHER)]);
    check("two targets", Case::strict(), two, target);
    let two = fields(&[("resource", RP), ("audience", OTHER)]);
    check("resource and audience differ", Case::strict(), two, target);
    check(
        "a fragment",
        Case::strict(),
        fields(&[("resource", "https://rp.bob.example/api#x")]),
        target,
    );
    check("an unknown name", Case::strict(), fields(&[("resource", "RP API")]), target);
    check(
        "not permitted, as drawn",
        Case::drawn(),
        to(To::Target("https://rp.evil.example/api")),
        target,
    );
    check(
        "not permitted",
        Case::strict(),
        fields(&[("resource", "https://rp.evil.example/api")]),
        target,
    );
    check(
        "denied to all",
        Case::strict(),
        |case| {
            case.server.denied.push(UrlPattern::parse(RP).unwrap());
        },
        target,
    );
    check(
        "this server itself",
        Case::strict(),
        |case| {
            case.fields = vec![JWT, ("resource", STS)];
            case.policy.identity_token_audiences = vec![UrlPattern::parse("*").unwrap()];
        },
        target,
    );
    check(
        "a scope",
        Case::strict(),
        fields(&[("resource", RP), ("scope", "get")]),
        Some(ErrorCode::INVALID_SCOPE),
    );
}

#[test]
fn who_may_have_an_identity_token() {
    let request = Some(ErrorCode::INVALID_REQUEST);
    let claim = |name: &'static str, value: Value| {
        move |case: &mut Case| drop(case.claims.insert(name.to_owned(), value))
    };
    check("not allowed to act", Case::strict(), |case| case.policy.may_act = false, request);
    check(
        "no URL",
        Case::strict(),
        |case| {
            case.client = "app";
            case.claims.insert("client_id".into(), json!("app"));
        },
        request,
    );
    check("another client's token", Case::strict(), claim("client_id", json!("other")), request);
    check("no address", Case::strict(), claim("email", Value::Null), request);
    check("unverified", Case::strict(), claim("email_verified", json!(false)), request);
    check("a client's own token", Case::strict(), claim("sub", json!(MAIL)), request);
    check(
        "may_act names another",
        Case::strict(),
        claim("may_act", json!({ "sub": "https://other.example/client" })),
        request,
    );
    check("may_act names it", Case::strict(), claim("may_act", json!({ "sub": MAIL })), None);
    check(
        "another e-mail address",
        Case::strict(),
        |case| {
            case.fields.push(("email_address", "bob@alice.example"));
        },
        request,
    );
    check("without claims-provider", Case::strict(), claim("scope", json!("openid")), None);
}

#[test]
fn an_actor_acts_at_its_target_for_every_product() {
    let challenge = [("ticket_challenge", CHALLENGE), ("audience", UMA), ("resource", RS)];
    for (to, expected) in [
        (To::Issuer, None),
        (To::Target(RS), None),
        (To::Target(UMA), None),
        (To::Target(RP), Some(ErrorCode::INVALID_TARGET)),
    ] {
        check(
            "claims token",
            Case::drawn(),
            |case| {
                case.fields = challenge.to_vec();
                case.actor = Some(to);
            },
            expected,
        );
    }
    let mut case = Case::drawn();
    case.fields = Vec::new();
    case.actor = Some(To::Target(RS));
    let grant = case.decide().unwrap();
    assert_eq!(grant.act.unwrap().current().sub, MAIL);
    let Product::AccessToken { audiences, derived_from, email, .. } = grant.product else {
        panic!("no access token")
    };
    assert_eq!(audiences, [RS], "the actor token names the target");
    assert_eq!((derived_from, email), (vec!["1".to_owned()], None));
    check(
        "access token elsewhere",
        Case::drawn(),
        |case| {
            case.fields = vec![("resource", RS)];
        },
        Some(ErrorCode::INVALID_TARGET),
    );
}

#[test]
fn an_address_is_in_an_access_token_by_policy() {
    let mut case = Case::strict();
    case.fields = vec![("resource", RS)];
    case.policy.email_in_access_token = true;
    let email = |case: &Case| match case.decide().unwrap().product {
        Product::AccessToken { email, .. } => email,
        _ => panic!("no access token"),
    };
    assert_eq!(email(&case).unwrap().address().as_str(), "alice@alice.example");
    case.claims.insert("email_verified".into(), json!(false));
    assert_eq!(email(&case), None);
}

#[test]
fn former_actors_stay_and_the_current_one_is_not_repeated() {
    let first = json!({ "sub": "https://first.example/client" });
    let mine = json!({ "sub": MAIL, "client_id": MAIL });
    let nested = json!({ "sub": MAIL, "client_id": MAIL, "act": first });
    let both = |act: &Value, actor: bool| {
        let mut results = Vec::new();
        for fields in [vec![JWT, ("resource", RP)], vec![("resource", RS)]] {
            let mut case = Case::strict();
            case.claims.insert("act".into(), act.clone());
            case.actor = actor.then_some(To::Issuer);
            if actor || fields[0] != JWT {
                case.fields = fields;
                results.push(case.decide().unwrap().act.unwrap().to_claim());
            }
        }
        results
    };
    assert_eq!(both(&first, true), [nested.clone(), nested.clone()]);
    assert_eq!(both(&mine, true), [mine.clone(), mine.clone()], "acts already");
    assert_eq!(both(&nested, true), [nested.clone(), nested.clone()], "acts already");
    assert_eq!(both(&first, false), [first], "kept without an actor");
    assert_eq!(both(&nested, false), [nested], "kept without an actor");
}

#[test]
fn chains_have_an_end() {
    let chain = |depth: usize, name: &str| {
        let act = (0..depth).fold(Value::Null, |inner, n| match inner {
            Value::Null => json!({ "sub": format!("{name}{n}") }),
            inner => json!({ "sub": format!("{name}{n}"), "act": inner }),
        });
        move |case: &mut Case| drop(case.claims.insert("act".to_owned(), act))
    };
    let request = Some(ErrorCode::INVALID_REQUEST);
    check("four before", Case::strict(), chain(4, "x"), None);
    check("five before", Case::strict(), chain(5, "x"), request);
    check(
        "two before, two at most",
        Case::strict(),
        |case| {
            chain(2, "x")(case);
            case.server.max_actors = 2;
        },
        request,
    );
    let long = "x".repeat(2000);
    check("long names", Case::strict(), chain(2, &long), request);
}

#[test]
fn an_onward_token_is_for_this_server_too_and_remembers_where_it_came_from() {
    let onward = |change: fn(&mut Case)| {
        let mut case = Case::strict();
        case.actor = None;
        case.fields = vec![("resource", RS), ("audience", STS)];
        case.policy.may_delegate_onward = true;
        change(&mut case);
        case.decide().map(|grant| match grant.product {
            Product::AccessToken { audiences, derived_from, .. } => (audiences, derived_from),
            _ => panic!("no access token"),
        })
    };
    let (audiences, lineage) = onward(|_| {}).unwrap();
    assert_eq!(audiences, [RS, STS]);
    assert_eq!(lineage, ["1"]);
    let (_, lineage) = onward(|case| {
        case.claims.insert("jti".into(), json!("2"));
        case.claims.insert(subject::ORIGIN_JTI.into(), json!("1"));
    })
    .unwrap();
    assert_eq!(lineage, ["1", "2"], "where the chain began, and each step since");
    let chain = |length: usize| json!(vec!["x"; length]);
    let of = |length: usize| {
        let mut case = Case::strict();
        case.actor = None;
        case.fields = vec![("resource", RS)];
        case.claims.insert(subject::ORIGIN_JTI.into(), chain(length));
        case.decide().map(drop)
    };
    assert!(of(subject::MAX_EXCHANGES - 1).is_ok());
    assert_eq!(of(subject::MAX_EXCHANGES).unwrap_err().wire().code, ErrorCode::INVALID_REQUEST);
    for change in [
        (|case: &mut Case| case.policy.may_delegate_onward = false) as fn(&mut Case),
        |case| case.fields = vec![("resource", STS)],
        |case| case.policy.access_token_audiences.clear(),
    ] {
        assert_eq!(onward(change).unwrap_err().wire().code, ErrorCode::INVALID_TARGET);
    }
}

/// Writes down what it is asked, and permits by a rule, or refuses.
#[derive(Debug)]
struct Asked {
    permitted: bool,
    questions: Mutex<Vec<String>>,
}

impl DelegationPolicy for Asked {
    fn assess(&self, asked: &Delegation<'_>) -> Verdict {
        self.questions.lock().unwrap().push(format!(
            "{} {} {:?} {} {:?} {}",
            asked.client,
            asked.email.map_or("-", EmailAddress::as_str),
            asked.act.map(|act| act.current().sub.clone()),
            asked.issued.as_str(),
            asked.targets,
            asked.scope,
        ));
        Verdict { permitted: self.permitted, rules: vec!["the rule".to_owned()] }
    }
}

#[test]
fn the_delegation_policy_has_the_last_word_wherever_somebody_acts() {
    let asked = |permitted| -> &'static Asked {
        Box::leak(Box::new(Asked { permitted, questions: Mutex::default() }))
    };
    let refusing = asked(false);
    let mut case = Case::strict();
    case.delegation = refusing;
    let error = case.decide().unwrap_err();
    assert!(matches!(&error, ExchangeError::Delegation { rules, .. } if rules == &["the rule"]));
    assert_eq!(error.wire().code, ErrorCode::INVALID_REQUEST);
    assert!(!error.wire().description.contains("rule"), "the peer learns no rule");
    case.fields = vec![("resource", RS), ("scope", "get")];
    assert!(case.decide().is_err());
    case.actor = None;
    case.policy.may_impersonate = true;
    assert!(case.decide().is_err(), "who takes the subject's place is asked about, too");
    case.fields = vec![("ticket_challenge", CHALLENGE), ("audience", UMA), ("resource", RS)];
    assert!(case.decide().is_ok(), "the person is there and agreed");
    let alice = "alice@alice.example";
    assert_eq!(
        *refusing.questions.lock().unwrap(),
        [
            format!("{MAIL} {alice} Some({MAIL:?}) identity_token [{RP:?}] "),
            format!("{MAIL} {alice} Some({MAIL:?}) access_token [{RS:?}] get"),
            format!("{MAIL} {alice} None access_token [{RS:?}] get"),
        ]
    );

    let permitting = asked(true);
    let case = Case { delegation: permitting, ..Case::strict() };
    assert_eq!(case.decide().unwrap().rules, ["the rule"]);
    // What the registrations refuse, it is never asked about.
    let case = Case { delegation: permitting, fields: vec![JWT], ..Case::strict() };
    assert!(case.decide().is_err());
    assert_eq!(permitting.questions.lock().unwrap().len(), 1);
}

/// The names of rules leave this server towards the clients that the configuration names.
#[test]
fn who_is_told_which_rule_decided() {
    let asked = |permitted| -> &'static Asked {
        Box::leak(Box::new(Asked { permitted, questions: Mutex::default() }))
    };
    let body = |response: http::Response<Vec<u8>>| -> serde_json::Value {
        serde_json::from_slice(response.body()).unwrap()
    };
    let other = "https://other.example/client";
    for (told, rules) in [(MAIL, Some(json!(["the rule"]))), (other, None)] {
        let explain_to = [ClientId::parse(told).unwrap()].into();
        let server = ServerPolicy { explain_to, ..server() };
        let case = Case { delegation: asked(true), server: server.clone(), ..Case::strict() };
        let granted = body(crate::respond(&case.decide().unwrap(), &AccessToken::new("t")));
        assert_eq!(granted.get(crate::response::DELEGATION_RULES), rules.as_ref(), "{told}");
        let case = Case { delegation: asked(false), server: server.clone(), ..Case::strict() };
        let error = case.decide().unwrap_err();
        let refused = crate::refuse(&error);
        assert_eq!(refused.status(), error.wire().status);
        assert_eq!(refused.headers()["cache-control"], "no-store");
        let refused = body(refused);
        assert_eq!(refused["error"], "invalid_request");
        assert_eq!(refused.get(crate::response::DELEGATION_RULES), rules.as_ref(), "{told}");
        // Nothing but a rule's word is explained.
        let case = Case { fields: vec![JWT], server: server.clone(), ..Case::strict() };
        let refused = body(crate::refuse(&case.decide().unwrap_err()));
        assert_eq!(refused.get(crate::response::DELEGATION_RULES), None, "{told}");
        // Where the registrations alone decide, there is no rule.
        let granted = Case { server, ..Case::strict() }.decide().unwrap();
        let granted = body(crate::respond(&granted, &AccessToken::new("t")));
        assert_eq!(granted.get(crate::response::DELEGATION_RULES), None, "{told}");
    }
}
