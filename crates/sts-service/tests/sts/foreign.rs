//! Flow 000: tokens of another issuer, which is a second service, exchanged by an API's own client.

mod asked;
mod away;
mod network;
mod own;
mod proofs;
mod refreshing;

use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_jwt::{Algorithm, SigningKey, Unverified};
use countersign_store::MemoryEngine;
use countersign_sts_service::foreign::Introspection;
use countersign_sts_service::{IssuerKeys, IssuerSetup, TrustedIssuers};
use countersign_token_exchange::ServerPolicy;
use countersign_token_exchange::trusted_issuer::{
    Accepted, RoleMapping, RoleSource, TrustedIssuer,
};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer, ScopeSet};
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use self::network::{Answer as Says, IDP, INTROSPECTION, JWKS, Network};
use crate::support::*;

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ALIAS: &str = "university";
const THEIR_SCOPE: &str = "openid email profile";

/// The service of an API, and the one where people sign in.
struct Case {
    idp: World,
    world: World,
    network: Arc<Network>,
}

fn trusted() -> IssuerSetup {
    let accepted = Accepted { clients: ["rqp-client".to_owned()].into(), ..Accepted::default() };
    IssuerSetup {
        trusted: TrustedIssuer {
            exchanges: [(ClientId::parse("rqp-client").unwrap(), accepted)].into(),
            email_domains: ["alice.example".to_owned()].into(),
            claims: ["name".to_owned(), "department".to_owned()].into(),
            roles: vec![RoleMapping {
                source: RoleSource::Claim("groups".to_owned()),
                roles: [("staff".to_owned(), "curator".to_owned())].into(),
            }],
            scopes: ScopeSet::parse("get").unwrap(),
            ..TrustedIssuer::new(ALIAS, Issuer::parse(IDP).unwrap())
        },
        keys: IssuerKeys::Published,
        introspection: Some(Introspection {
            client_id: ClientId::parse("internal").unwrap(),
            proof: Proof::SecretBasic(ClientSecret::new("the secret of internal")),
        }),
        user_info: false,
    }
}

impl Case {
    fn new() -> Self {
        Self::with(trusted())
    }

    fn with(setup: IssuerSetup) -> Self {
        Self::on(setup, Arc::new(MemoryEngine::new()))
    }

    fn on(setup: IssuerSetup, engine: Arc<MemoryEngine>) -> Self {
        let idp = World::with(ServerPolicy::new(Issuer::parse(IDP).unwrap()));
        let network = Network::before(idp.router.clone());
        let fetch = network.clone();
        let world = World::trusting(server_policy(), engine, |clock| {
            TrustedIssuers::new([setup], fetch, clock)
        });
        Self { idp, world, network }
    }

    /// With a `rqp-client` whose access tokens are opaque.
    fn opaque() -> Self {
        let idp = World::with(ServerPolicy::new(Issuer::parse(IDP).unwrap()));
        let network = Network::before(idp.router.clone());
        let fetch = network.clone();
        let world = World::whole(
            server_policy(),
            Arc::new(MemoryEngine::new()),
            |clock| TrustedIssuers::new([trusted()], fetch, clock),
            |client| client.opaque_access_tokens = true,
        );
        Self { idp, world, network }
    }

    /// A request that succeeds with a good token, changed.
    async fn exchange(&self, kind: &str, token: &str, change: &[(&str, &str)]) -> Answer {
        let good = [
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", kind),
            ("requested_token_type", ACCESS_TOKEN),
            ("audience", RS),
            ("client_id", "rqp-client"),
            ("client_secret", SECRET),
        ];
        self.world.send(form_request("/token", changed(&good, change))).await
    }

    async fn refuses(&self, name: &str, token: &str, change: &[(&str, &str)], code: &str) {
        check(name, &self.exchange(JWT, token, change).await, (400, code));
    }

    /// The claims of what is issued.
    async fn issues(&self, name: &str, token: &str, change: &[(&str, &str)]) -> Value {
        issued(name, &self.exchange(JWT, token, change).await)
    }
}

#[track_caller]
fn issued(name: &str, answer: &Answer) -> Value {
    assert_eq!(answer.status.as_u16(), 200, "{name}: {}", answer.text);
    let body = answer.json();
    // T14: nothing that outlives the exchange by itself.
    assert_eq!(body.get("refresh_token"), None, "{name}");
    Value::Object(claims(body["access_token"].as_str().unwrap()).as_map().clone())
}

#[track_caller]
fn check(name: &str, answer: &Answer, expected: (u16, &str)) {
    let (status, code) = answer.error();
    assert_eq!((status, code.as_str()), expected, "{name}: {}", answer.text);
    assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
    assert_eq!(answer.json().get("access_token"), None, "{name}");
}

/// The claims of an access token of the other issuer as it mints them, changed; null takes one
/// away.
fn foreign_claims(change: &[(&str, Value)]) -> Value {
    let mut claims = json!({
        "iss": IDP, "sub": "sub-of-alice", "aud": IDP, "client_id": "rqp-client", "jti": "1",
        "iat": NOW, "exp": NOW + 200, "scope": THEIR_SCOPE, "name": "Alice Liddell",
        "email": "alice@alice.example", "email_verified": true, "groups": ["staff", "wheel"],
    });
    for (name, value) in change {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(*name),
            value => claims.as_object_mut().unwrap().insert((*name).to_owned(), value.clone()),
        };
    }
    claims
}

/// The same, signed by the key of the other issuer.
fn foreign_token(change: &[(&str, Value)]) -> String {
    sign("at+jwt", &foreign_claims(change))
}

/// F000-1: what the person was given there, in each form in which it may come.
#[tokio::test]
async fn f000_1_a_token_of_the_other_issuer_gives_one_of_ours() {
    let case = Case::new();
    let code = case.idp.code("alice", &[("scope", THEIR_SCOPE)]).await;
    let given = case.idp.redeem(&code).await.json();
    let text = |name: &str| given[name].as_str().unwrap().to_owned();
    let (access_token, id_token) = (text("access_token"), text("id_token"));
    let opaque = foreign_claims(&[("active", json!(true))]);
    case.network.set(INTROSPECTION, Says::Says(opaque));

    let alias = [("subject_issuer", ALIAS)];
    let mut subjects = Vec::new();
    for (name, kind, token, change) in [
        ("a JWT", JWT, access_token.as_str(), &[][..]),
        ("an ID token", ID_TOKEN, &id_token, &[]),
        ("Keycloak's dialect", ACCESS_TOKEN, &access_token, &alias),
        ("Keycloak's dialect, opaque", ACCESS_TOKEN, "an-opaque-token", &alias),
    ] {
        let answer = case.exchange(kind, token, change).await;
        assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
        let claims = issued(name, &answer);
        let body = answer.json();
        assert_eq!(body["issued_token_type"], ACCESS_TOKEN, "{name}");
        assert_eq!((&body["token_type"], &body["scope"]), (&json!("Bearer"), &json!("get")));
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(STS), &json!(RS)), "{name}");
        assert_eq!(claims["client_id"], "rqp-client", "{name}");
        assert_eq!(claims["act"], json!({ "sub": "rqp-client", "client_id": "rqp-client" }));
        for absent in ["email", "groups", "amr", "auth_time", "nonce", "azp"] {
            assert_eq!(claims.get(absent), None, "{name}: {absent}");
        }
        subjects.push(claims["sub"].as_str().unwrap().to_owned());
        let record = case.world.audit.0.lock().unwrap().last().unwrap().clone();
        let foreign = record.foreign.as_ref().map(|(iss, sub)| (iss.as_str(), sub.as_str()));
        assert_eq!(foreign, Some((IDP, "sub-of-alice")), "{name}");
        assert_eq!(record.subject.as_deref(), subjects.last().map(String::as_str), "{name}");
        assert!(record.checks.iter().all(|check| check.passed), "{name}");
    }
    // One person, by whatever token; and not the account of this name here.
    subjects.dedup();
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert_ne!(subjects[0], "sub-of-alice");
    let log = Log::open().text();
    assert!(!log.contains(&access_token) && !log.contains("an-opaque-token"));
}

/// A31, and what else of it comes through.
#[tokio::test]
async fn roles_are_ours_and_claims_those_that_the_issuer_is_believed() {
    let case = Case::new();
    let claims = case.issues("good", &foreign_token(&[]), &[]).await;
    assert_eq!(claims["roles"], json!(["curator"]), "wheel is nobody's here");
    assert_eq!(claims["name"], "Alice Liddell");
    assert_eq!(claims["exp"], NOW + 200, "T4");
    for (name, change) in [
        ("roles of its own", ("roles", json!(["root"]))),
        ("another meaning", ("origin_jti", json!("x"))),
        ("not believed", ("salary", json!(1))),
    ] {
        let changed = case.issues(name, &foreign_token(&[change]), &[]).await;
        assert_eq!(changed["roles"], json!(["curator"]), "{name}");
        assert_ne!(changed["origin_jti"], "x", "{name}");
        assert_eq!(changed.get("salary"), None, "{name}");
    }
    let none = case.issues("no roles", &foreign_token(&[("groups", Value::Null)]), &[]).await;
    assert_eq!(none.get("roles"), None);
}

/// F000-4 and F000-7.
#[tokio::test]
async fn f000_4_f000_7_whose_token_it_is_has_to_be_said_and_known() {
    let case = Case::new();
    let stranger = foreign_token(&[("iss", json!("https://idp.other.example"))]);
    case.refuses("a stranger's", &stranger, &[], "invalid_request").await;
    let token = foreign_token(&[]);
    for (name, change) in [
        ("an unknown alias", &[("subject_token_type", ACCESS_TOKEN), ("subject_issuer", "x")][..]),
        (
            "an issuer for an alias",
            &[("subject_token_type", ACCESS_TOKEN), ("subject_issuer", IDP)],
        ),
        ("an alias beside a JWT", &[("subject_issuer", ALIAS)]),
        (
            "an alias beside an ID token",
            &[("subject_token_type", ID_TOKEN), ("subject_issuer", ALIAS)],
        ),
        ("said to be ours", &[("subject_token_type", ACCESS_TOKEN)]),
        ("no type", &[("subject_token_type", "")]),
        ("no token", &[("subject_token", "")]),
        ("half an actor", &[("actor_token_type", JWT)]),
    ] {
        case.refuses(name, &token, change, "invalid_request").await;
    }
    // A JWT under the alias of one issuer, and of another by its own word.
    let alias = [("subject_token_type", ACCESS_TOKEN), ("subject_issuer", ALIAS)];
    case.refuses("two issuers", &stranger, &alias, "invalid_request").await;
    let twice = format!("{}&grant_type={EXCHANGE}", changed(&[("grant_type", EXCHANGE)], &[]));
    check("twice", &case.world.send(form_request("/token", twice)).await, (400, "invalid_request"));
    // Where nobody is trusted, nobody's token is.
    let nobody = World::new();
    let good = [
        ("grant_type", EXCHANGE),
        ("subject_token", token.as_str()),
        ("subject_token_type", JWT),
        ("audience", RS),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ];
    check("nobody is trusted", &nobody.token(&good).await, (400, "invalid_request"));
}

/// F000-5 and F000-6.
#[tokio::test]
async fn f000_5_f000_6_who_may_exchange_and_for_what() {
    let case = Case::new();
    let token = foreign_token(&[]);
    for (name, change, code) in [
        ("another API", &[("audience", "https://api.other.example")][..], "invalid_target"),
        ("no target", &[("audience", "")], "invalid_target"),
        ("this server", &[("audience", STS)], "invalid_target"),
        ("one of two", &[("audience", RS), ("audience", "https://x.example")], "invalid_target"),
        ("more scope", &[("scope", "openid")], "invalid_scope"),
        ("its own scope", &[("scope", "profile")], "invalid_scope"),
        ("without the grant", &[("client_id", "idle")], "unauthorized_client"),
        ("public", &[("client_id", "rqp-public"), ("client_secret", "")], "unauthorized_client"),
        ("not a client for this issuer", &[("client_id", "other")], "invalid_request"),
    ] {
        case.refuses(name, &token, change, code).await;
    }
    let answer = case.exchange(JWT, &token, &[("client_secret", "wrong")]).await;
    check("a wrong secret", &answer, (401, "invalid_client"));
    assert_eq!(case.network.count(JWKS), 1, "nobody was asked for a client that may not");
}

/// What needs an account here is not given on another's word.
#[tokio::test]
async fn another_issuers_word_gives_access_tokens_alone() {
    let case = Case::new();
    let token = foreign_token(&[("scope", json!("openid email claims-provider"))]);
    let claims_token = [
        ("requested_token_type", JWT),
        ("audience", UMA),
        ("resource", RS),
        ("ticket_challenge", CHALLENGE),
    ];
    case.refuses("a claims token", &token, &claims_token, "invalid_request").await;
    // What was issued is for the API; for this server, nobody of this name has an account.
    let ours = case.exchange(JWT, &token, &[]).await.json();
    let ours = ours["access_token"].as_str().unwrap();
    let again = [("subject_token_type", ACCESS_TOKEN)];
    case.refuses("once more", ours, &again, "invalid_request").await;
    let mut renewed = Value::Object(claims(ours).as_map().clone());
    renewed["aud"] = json!([STS, RS]);
    case.refuses("for this server", &sign("at+jwt", &renewed), &again, "invalid_request").await;
}

fn token_for(audience: &str) -> String {
    foreign_token(&[("aud", json!(audience))])
}

/// O13, T4: what was issued is known to whom it is for, and ends when it is revoked.
#[tokio::test]
async fn what_was_issued_is_stood_by_until_it_is_revoked() {
    let case = Case::new();
    let answer = case.exchange(JWT, &foreign_token(&[]), &[]).await.json();
    let token = answer["access_token"].as_str().unwrap();
    let as_client =
        |id: &'static str| [("client_id", id), ("client_secret", SECRET), ("token", token)];
    let known = case.world.post("/introspect", &as_client("rs")).await.json();
    assert_eq!((&known["active"], &known["roles"]), (&json!(true), &json!(["curator"])));
    assert!(known.get("origin_jti").is_none(), "{known}");
    assert_eq!(case.world.post("/revoke", &as_client("rqp-client")).await.status.as_u16(), 200);
    let known = case.world.post("/introspect", &as_client("rs")).await.json();
    assert_eq!(known, json!({ "active": false }));
}

/// F000-13, J28: who somebody is goes by issuer and subject, and by nothing that can be chosen.
#[tokio::test]
async fn f000_13_a_name_is_not_a_subject() {
    let case = Case::new();
    let sub = |change: &[(&str, Value)]| {
        let token = foreign_token(change);
        let case = &case;
        async move { case.issues("somebody", &token, &[]).await["sub"].as_str().unwrap().to_owned() }
    };
    let alice = sub(&[("preferred_username", json!("alice"))]).await;
    assert_eq!(alice, sub(&[("preferred_username", json!("other"))]).await);
    let same_name = [("preferred_username", json!("alice")), ("sub", json!("mallory"))];
    assert_ne!(alice, sub(&same_name).await);
    assert_ne!(alice, sub(&[("sub", json!(alice))]).await);
    assert_ne!("sub-of-mallory", sub(&[("sub", json!("sub-of-mallory"))]).await);
}

/// The token that was issued names nobody's key and nobody's type but ours.
#[tokio::test]
async fn what_is_issued_is_a_token_of_this_service() {
    let case = Case::new();
    let answer = case.exchange(JWT, &foreign_token(&[]), &[]).await.json();
    let token = Unverified::parse(answer["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(token.header().typ(), Some("at+jwt"));
    let kid = token.header().kid().unwrap();
    assert!(keys().contains_kid(kid), "{kid}");
    assert_eq!(answer["expires_in"], 200);
}
