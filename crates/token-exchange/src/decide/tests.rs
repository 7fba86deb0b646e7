//! Decisions by table, and what holds for every one of them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use countersign_client_auth::{
    AuthenticatedClient, Authentication, Credentials, Proof, RegisteredClient, SecretDigest,
    authenticate,
};
use countersign_jwt::{Algorithm, KeySet, SigningKey, sign};
use countersign_types::secret::{AccessToken, ClientSecret};
use countersign_types::wire::ErrorCode;
use countersign_types::{Lifetime, Params, UrlPattern, WireError as _};
use proptest::prelude::{Strategy, prop, prop_assert, prop_assume, proptest};
use serde_json::json;

use super::*;
use crate::delegation::ByRegistration;
use crate::policy::{ClientPolicy, RegisteredTarget, ServerPolicy};
use crate::request::{self, REPEATABLE};
use crate::subject::{self, TokenState};

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
pub(crate) const STS: &str = "https://sts.alice.example";
pub(crate) const UMA: &str = "https://uma.bob.example";
pub(crate) const RS: &str = "https://rs.bob.example";
pub(crate) const CHALLENGE: &str = "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c";

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256, None).unwrap());

pub(crate) struct Zero;

impl countersign_types::random::Random for Zero {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0);
    }
}

pub(crate) fn client(id: &str, confidential: bool) -> AuthenticatedClient {
    let id = ClientId::parse(id).unwrap();
    let secret = ClientSecret::new("a secret of the client");
    let (credentials, proof) = if confidential {
        (Credentials::secret(SecretDigest::of(&secret)), Proof::SecretBasic(secret))
    } else {
        (Credentials::Public, Proof::None)
    };
    let issuer = Issuer::parse(STS).unwrap();
    let presentation = proof.present(&id, &issuer, NOW, &Zero).unwrap();
    let mut headers = http::HeaderMap::new();
    headers.extend(presentation.authorization.map(|value| (http::header::AUTHORIZATION, value)));
    let form = presentation
        .params
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str()))
        .collect::<Vec<_>>()
        .join("&");
    let params = Params::parse(form.as_bytes(), &[]).unwrap();
    let presented = countersign_client_auth::parse(&headers, &params).unwrap();
    let registered = RegisteredClient { id, credentials };
    match authenticate(presented.check(&issuer, NOW).unwrap(), Some(&registered)).unwrap() {
        Authentication::Done(client) => client,
        Authentication::OnceOnly(_) => panic!("not a client assertion"),
    }
}

pub(crate) fn claims() -> Map<String, Value> {
    let claims = json!({
        "iss": STS, "sub": "alice", "aud": STS, "client_id": "app", "jti": "1",
        "iat": NOW.as_unix(), "exp": NOW.as_unix() + 300,
        "scope": "openid email claims-provider get",
        "email": "alice@alice.example", "email_verified": true,
        "amr": ["pwd"], "groups": ["staff"], "salary": 1,
    });
    claims.as_object().unwrap().clone()
}

pub(crate) fn subject_of(claims: &Map<String, Value>) -> Subject {
    let token = AccessToken::new(sign(subject::TYP, &*KEY, claims).unwrap());
    let keys = KeySet::from_keys(vec![KEY.public().clone()]).unwrap();
    let issuer = Issuer::parse(STS).unwrap();
    subject::verify(&token, &keys, &issuer, None, NOW)
        .unwrap()
        .unless_revoked(TokenState::Active)
        .unwrap()
}

pub(crate) fn server() -> ServerPolicy {
    ServerPolicy {
        public_clients: true,
        targets: vec![RegisteredTarget {
            name: "RS API".into(),
            audience: Issuer::parse(UMA).unwrap(),
            resource: ResourceIdentifier::parse(RS).unwrap(),
            jwt_profile: Some(JwtProfile::AccessToken),
        }],
        denied: vec![UrlPattern::parse("https://*.denied.example").unwrap()],
        user_claims: BTreeSet::from(["groups".to_owned(), "iss".to_owned()]),
        ..ServerPolicy::new(Issuer::parse(STS).unwrap())
    }
}

pub(crate) fn client_policy() -> ClientPolicy {
    ClientPolicy {
        may_exchange: true,
        claims_token_audiences: vec![UrlPattern::parse("https://*.bob.example").unwrap()],
        access_token_audiences: vec![UrlPattern::parse(RS).unwrap()],
        scopes: ScopeSet::parse("get put openid email claims-provider").unwrap(),
        ..ClientPolicy::default()
    }
}

pub(super) fn request(fields: &[(&str, &str)]) -> ExchangeRequest {
    let mut form = String::from(
        "subject_token=s&subject_token_type=urn:ietf:params:oauth:token-type:access_token",
    );
    for (name, value) in fields {
        form.push_str(&format!("&{name}={}", value.replace('#', "%23").replace(' ', "+")));
    }
    request::parse(&Params::parse(form.as_bytes(), REPEATABLE).unwrap()).unwrap()
}

fn claims_token_request() -> ExchangeRequest {
    request(&[("ticket_challenge", CHALLENGE), ("audience", UMA), ("resource", RS)])
}

/// What a decision depends on, each part to be changed by a row.
struct Case {
    request: ExchangeRequest,
    claims: Map<String, Value>,
    client: (&'static str, bool),
    server: ServerPolicy,
    policy: ClientPolicy,
}

impl Case {
    fn good() -> Self {
        Self {
            request: claims_token_request(),
            claims: claims(),
            client: ("app", true),
            server: server(),
            policy: client_policy(),
        }
    }

    fn decide(&self) -> Result<Grant, ExchangeError> {
        let facts = Facts {
            client: Requester::Client(&client(self.client.0, self.client.1)),
            subject: &subject_of(&self.claims),
            actor: None,
            account: Account::NotAsked,
            proved: None,
            policy: ExchangePolicy {
                server: &self.server,
                client: &self.policy,
                delegation: &ByRegistration,
            },
            now: NOW,
        };
        decide(&self.request, &facts)
    }
}

#[track_caller]
fn check(name: &str, change: impl FnOnce(&mut Case), expected: Result<(), ErrorCode>) {
    let mut case = Case::good();
    change(&mut case);
    let got = case.decide().map(drop);
    if let Err(error) = &got {
        assert!(countersign_types::wire::is_description(error.wire().description), "{name}");
    }
    assert_eq!(got.map_err(|error| error.wire().code), expected, "{name}");
}

fn targets(fields: &'static [(&'static str, &'static str)]) -> impl FnOnce(&mut Case) {
    move |case| {
        let mut all = vec![("ticket_challenge", CHALLENGE)];
        all.extend_from_slice(fields);
        case.request = request(&all);
    }
}

fn claim(name: &'static str, value: Value) -> impl FnOnce(&mut Case) {
    move |case| {
        case.claims.insert(name.to_owned(), value);
    }
}

#[test]
fn a_claims_token_is_granted_for_what_was_asked() {
    let grant = Case::good().decide().unwrap();
    assert_eq!(grant.subject, "alice");
    assert_eq!(grant.expires, NOW.after(Lifetime::from_secs(120)));
    assert_eq!(grant.amr, ["pwd"]);
    assert_eq!(grant.act, None);
    let Product::ClaimsToken(GrantedClaims { audience, resource, email, user_claims, .. }) =
        grant.product
    else {
        panic!("not a claims token")
    };
    assert_eq!((audience.as_str(), resource.as_str()), (UMA, RS));
    assert_eq!(email.address().as_str(), "alice@alice.example");
    assert_eq!(Value::Object(user_claims), json!({ "groups": ["staff"] }), "listed claims only");
}

#[test]
fn whose_token_a_client_may_exchange() {
    let invalid_request = Err(ErrorCode::INVALID_REQUEST);
    check("own", |_| {}, Ok(()));
    check("another client's", |c| c.client.0 = "other", invalid_request);
    check(
        "addressed to the client",
        |c| {
            c.client.0 = "other";
            c.claims.insert("aud".into(), json!([STS, "other"]));
        },
        Ok(()),
    );
    check(
        "named by may_act",
        |c| {
            c.client.0 = "other";
            c.claims.insert("may_act".into(), json!({ "sub": "other" }));
        },
        Ok(()),
    );
    check(
        "addressed, but may_act names another",
        |c| {
            c.client.0 = "other";
            c.claims.insert("aud".into(), json!([STS, "other"]));
            c.claims.insert("may_act".into(), json!({ "sub": "third" }));
        },
        invalid_request,
    );
    check(
        "a configured pair",
        |c| {
            c.client.0 = "other";
            c.policy.subjects_of.insert(ClientId::parse("app").unwrap());
        },
        Ok(()),
    );
}

#[test]
fn which_client_may_exchange_at_all() {
    let unauthorized = Err(ErrorCode::UNAUTHORIZED_CLIENT);
    check("grant not allowed", |c| c.policy.may_exchange = false, unauthorized);
    check("public", |c| c.client.1 = false, Ok(()));
    check(
        "public where confidential is wanted",
        |c| {
            c.client.1 = false;
            c.server.public_clients = false;
        },
        unauthorized,
    );
}

#[test]
fn who_the_person_is() {
    let invalid_request = Err(ErrorCode::INVALID_REQUEST);
    check("no consent", claim("scope", json!("openid email")), invalid_request);
    check("consent in another case", claim("scope", json!("Claims-Provider")), invalid_request);
    check("no e-mail", claim("email", Value::Null), invalid_request);
    check("unverified", claim("email_verified", json!(false)), invalid_request);
    check("unverified by type", claim("email_verified", json!("true")), invalid_request);
    check("two addresses", claim("email_address", json!("b@alice.example")), invalid_request);
    check("a client's own token", claim("sub", json!("app")), invalid_request);
    check(
        "another e-mail address",
        targets(&[("audience", UMA), ("resource", RS), ("email_address", "bob@alice.example")]),
        invalid_request,
    );
    check(
        "the same e-mail address",
        targets(&[("audience", UMA), ("resource", RS), ("email_address", "alice@alice.example")]),
        Ok(()),
    );
}

#[test]
fn one_audience_and_one_resource() {
    let invalid_target = Err(ErrorCode::INVALID_TARGET);
    check("name as resource", targets(&[("resource", "RS API")]), Ok(()));
    check("name as audience", targets(&[("audience", "RS API")]), Ok(()));
    check("name as both", targets(&[("audience", "RS API"), ("resource", "RS API")]), Ok(()));
    check("name and its audience", targets(&[("audience", UMA), ("resource", "RS API")]), Ok(()));
    check("no audience", targets(&[("resource", RS)]), invalid_target);
    check("no resource", targets(&[("audience", UMA)]), invalid_target);
    check("neither", targets(&[]), invalid_target);
    check(
        "two audiences",
        targets(&[("audience", UMA), ("audience", UMA), ("resource", RS)]),
        invalid_target,
    );
    check(
        "two resources",
        targets(&[("audience", UMA), ("resource", RS), ("resource", RS)]),
        invalid_target,
    );
    check(
        "unregistered name",
        targets(&[("audience", UMA), ("resource", "Other API")]),
        invalid_target,
    );
    check(
        "fragment",
        targets(&[("audience", UMA), ("resource", "https://rs.bob.example#x")]),
        invalid_target,
    );
    check(
        "http",
        targets(&[("audience", UMA), ("resource", "http://rs.bob.example")]),
        invalid_target,
    );
    check(
        "name and another audience",
        targets(&[("audience", "https://x.bob.example"), ("resource", "RS API")]),
        invalid_target,
    );
    check(
        "audience not allowed to the client",
        targets(&[("audience", "https://uma.evil.example"), ("resource", RS)]),
        invalid_target,
    );
    check(
        "resource denied",
        targets(&[("audience", UMA), ("resource", "https://rs.denied.example")]),
        invalid_target,
    );
    check(
        "resource denied, in other letters",
        targets(&[("audience", UMA), ("resource", "https://rs.DENIED.example:443/x")]),
        invalid_target,
    );
    check(
        "audience denied to all",
        |c| c.server.denied.push(UrlPattern::parse(UMA).unwrap()),
        invalid_target,
    );
    check(
        "the name gives no way around the client's list",
        |c| {
            c.policy.claims_token_audiences.clear();
            c.request = request(&[("ticket_challenge", CHALLENGE), ("resource", "RS API")]);
        },
        invalid_target,
    );
}

/// Whoever the token is for has it as well, and a public client proves nothing that they could not.
#[test]
fn a_public_client_takes_no_token_that_somebody_else_holds() {
    let api = "https://api.alice.example";
    let access_token = || request(&[("resource", RS), ("scope", "get")]);
    for (name, aud, is_confidential, expected) in [
        ("for this server", json!(STS), false, true),
        ("for this server, in a list", json!([STS]), false, true),
        ("for an API, too", json!([STS, api]), false, false),
        ("for itself, too", json!([STS, "app"]), false, false),
        ("of a client that proves itself", json!([STS, api]), true, true),
    ] {
        for wanted in [claims_token_request(), access_token()] {
            let mut case = Case::good();
            (case.client.1, case.request) = (is_confidential, wanted);
            case.claims.insert("aud".into(), aud.clone());
            match case.decide() {
                Ok(_) => assert!(expected, "{name}"),
                Err(ExchangeError::SubjectClient(_)) => assert!(!expected, "{name}"),
                Err(other) => panic!("{name}: {other}"),
            }
        }
    }
    // Nor one that names it, nor one of a client that it is a pair with.
    let mut case = Case::good();
    case.client = ("other", false);
    case.claims.insert("aud".into(), json!([STS, api]));
    case.claims.insert("may_act".into(), json!({ "sub": "other" }));
    case.policy.subjects_of.insert(ClientId::parse("app").unwrap());
    assert!(matches!(case.decide(), Err(ExchangeError::SubjectClient(_))));
}

#[test]
fn a_claims_token_carries_no_scope() {
    let scoped = [("audience", UMA), ("resource", RS), ("scope", "get")];
    let mut all = vec![("ticket_challenge", CHALLENGE)];
    all.extend_from_slice(&scoped);
    check("scope", |c| c.request = request(&all), Err(ErrorCode::INVALID_SCOPE));
}

#[test]
fn what_a_jwt_is_without_a_challenge() {
    const JWT: (&str, &str) = ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt");
    let invalid_request = Err(ErrorCode::INVALID_REQUEST);
    let profiled = |c: &mut Case| c.request = request(&[JWT, ("resource", "RS API")]);
    check("profile of the target", profiled, Ok(()));
    let unknown = |c: &mut Case| c.request = request(&[JWT, ("resource", RS)]);
    check("no profile", unknown, invalid_request);
    check("no target", |c| c.request = request(&[JWT]), invalid_request);
    check(
        "identity token",
        |c| {
            let actor = [("actor_token", "a"), ("actor_token_type", JWT.1)];
            c.request = request(&[JWT, actor[0], actor[1], ("resource", RS)]);
        },
        invalid_request,
    );
}

#[test]
fn an_access_token_is_a_narrower_one_that_names_who_acts() {
    let mut case = Case::good();
    case.request = request(&[("resource", RS), ("scope", "get")]);
    let grant = case.decide().unwrap();
    assert_eq!(grant.act.unwrap().current().sub, "app");
    let Product::AccessToken { audiences, scope, .. } = grant.product else {
        panic!("no access token")
    };
    assert_eq!(audiences, [RS]);
    assert_eq!(scope.to_string(), "get");

    case.policy.may_impersonate = true;
    assert_eq!(case.decide().unwrap().act, None);

    for scope in ["put", "get put", "*", "GET"] {
        case.request = request(&[("resource", RS), ("scope", scope)]);
        assert_eq!(case.decide().unwrap_err().wire().code, ErrorCode::INVALID_SCOPE, "{scope}");
    }
    for fields in [
        &[][..],
        &[("resource", UMA)],
        &[("resource", STS)],
        &[("resource", RS), ("resource", "https://other.example")],
        &[("audience", "Other API")],
    ] {
        case.request = request(fields);
        assert_eq!(case.decide().unwrap_err().wire().code, ErrorCode::INVALID_TARGET, "{fields:?}");
    }
    case.policy.access_token_audiences = vec![UrlPattern::parse("*").unwrap()];
    case.request = request(&[("resource", STS)]);
    assert!(matches!(case.decide(), Err(ExchangeError::ResourceDenied(_))), "this server itself");
}

#[test]
fn actors_are_nested_and_kept_on_every_path() {
    let mut case = Case::good();
    case.claims.insert("act".into(), json!({ "sub": "first" }));
    let kept = case.decide().unwrap();
    assert_eq!(kept.act.unwrap().to_claim(), json!({ "sub": "first" }));
    assert!(kept.amr.is_empty(), "nobody knows the person to be present");

    case.client.0 = "other";
    case.policy.subjects_of.insert(ClientId::parse("app").unwrap());
    let nested = json!({ "sub": "other", "client_id": "other", "act": { "sub": "first" } });
    assert_eq!(case.decide().unwrap().act.unwrap().to_claim(), nested);
    case.request = request(&[("resource", RS)]);
    assert_eq!(case.decide().unwrap().act.unwrap().to_claim(), nested);

    let deep = (0..5).fold(Value::Null, |inner, n| match inner {
        Value::Null => json!({ "sub": n.to_string() }),
        inner => json!({ "sub": n.to_string(), "act": inner }),
    });
    case.claims.insert("act".into(), deep);
    assert!(matches!(case.decide(), Err(ExchangeError::Act(_))));
}

#[test]
fn a_subject_token_is_a_live_access_token_of_this_server() {
    let keys = KeySet::from_keys(vec![KEY.public().clone()]).unwrap();
    let issuer = Issuer::parse(STS).unwrap();
    let verify = |typ: &str, change: &[(&str, Value)]| {
        let mut claims = Value::Object(claims());
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        let token = AccessToken::new(sign(typ, &*KEY, &claims).unwrap());
        subject::verify(&token, &keys, &issuer, None, NOW)
    };
    assert!(verify("at+jwt", &[]).is_ok());
    assert!(verify("at+jwt", &[]).unwrap().unless_revoked(TokenState::Revoked).is_err());
    for (name, result) in [
        ("id token", verify("JWT", &[])),
        ("claims token", verify("uma-claims+jwt", &[])),
        ("expired", verify("at+jwt", &[("exp", json!(NOW.as_unix()))])),
        ("foreign issuer", verify("at+jwt", &[("iss", json!("https://other.example"))])),
        ("another audience", verify("at+jwt", &[("aud", json!(RS))])),
        ("no client", verify("at+jwt", &[("client_id", Value::Null)])),
        ("no jti", verify("at+jwt", &[("jti", Value::Null)])),
        ("act a text", verify("at+jwt", &[("act", json!("x"))])),
    ] {
        assert!(result.is_err(), "{name}");
    }
    let other = SigningKey::generate(Algorithm::Es256, KEY.public().kid()).unwrap();
    let forged = AccessToken::new(sign("at+jwt", &other, &claims()).unwrap());
    assert!(subject::verify(&forged, &keys, &issuer, None, NOW).is_err());
    assert!(subject::verify(&AccessToken::new("opaque"), &keys, &issuer, None, NOW).is_err());
}

#[test]
fn a_grant_ends_with_its_subject_token() {
    let mut case = Case::good();
    case.claims.insert("exp".into(), json!(NOW.as_unix() + 30));
    assert_eq!(case.decide().unwrap().expires, NOW.after(Lifetime::from_secs(30)));
}

fn some_scope() -> impl Strategy<Value = ScopeSet> {
    prop::collection::btree_set(prop::sample::select(vec!["a", "b", "c", "d"]), 1..4)
        .prop_map(|tokens| ScopeSet::from_tokens(tokens).unwrap())
}

proptest! {
    #[test]
    fn granted_is_within_asked_and_allowed(
        asked in some_scope(), held in some_scope(), allowed in some_scope(),
        more in some_scope(), life in 1_u32..1000, cap in 1_u32..1000,
    ) {
        let mut case = Case::good();
        case.claims.insert("scope".into(), json!(held.to_string()));
        case.claims.insert("exp".into(), json!(NOW.as_unix() + i64::from(life)));
        case.policy.scopes = allowed.clone();
        case.server.access_token_lifetime = Lifetime::from_secs(cap);
        let ask = |scope: &ScopeSet| request(&[("resource", RS), ("scope", &scope.to_string())]);
        case.request = ask(&asked);
        let decided = case.decide();
        prop_assert!(decided.is_ok() == asked.is_subset(&held.intersection(&allowed)));
        if let Ok(grant) = &decided {
            let Product::AccessToken { scope, audiences, .. } = &grant.product else {
                return Err(proptest::test_runner::TestCaseError::fail("no access token"));
            };
            prop_assert!(scope.is_subset(&asked) && scope.is_subset(&held));
            prop_assert!(scope.is_subset(&allowed));
            prop_assert!(audiences.iter().all(|audience| audience == RS));
            prop_assert!(grant.expires <= NOW.after(Lifetime::from_secs(life.min(cap))));
            prop_assert!(grant.expires > NOW);
        }

        // Asking for more never helps.
        prop_assume!(decided.is_err());
        case.request = ask(&asked.union(&more));
        prop_assert!(case.decide().is_err());
        case.request.resources.push("https://other.example".into());
        prop_assert!(case.decide().is_err());
    }
}
