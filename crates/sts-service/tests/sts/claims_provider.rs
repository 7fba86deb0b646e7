//! A claims provider of its own, before an AuthN server that folds the case of addresses (PROFILE
//! §5.8).

mod answers;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use countersign_client_auth::Proof;
use countersign_fetch::Fetch;
use countersign_jwt::{Algorithm, SigningKey, SigningRing};
use countersign_sts_service::claims::provider::{
    ClaimsProvider, OwnToken, Parts, ProviderClient, SubjectAttribute, UserQuery, app,
};
use countersign_sts_service::foreign::Introspection;
use countersign_sts_service::{Audit, IssuerKeys, IssuerSetup, SetupError};
use countersign_token_exchange::{
    ByRegistration, ClientPolicy, NamedPeople, ServerPolicy, TrustedIssuer,
};
use countersign_types::random::Random;
use countersign_types::secret::ClientSecret;
use countersign_types::{
    ClientId, Clock, EmailAddress, EndpointUrl, Issuer, ScopeSet, Timestamp, UrlPattern,
};
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use self::server::{Fails, Server};
use crate::support::*;

const PROVIDER: &str = "https://alice.example";
const ALICE: &str = "alice@alice.example";

#[derive(Default)]
struct Later(AtomicI64);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(NOW + self.0.load(Ordering::Relaxed))
    }
}

struct Sevens;

impl Random for Sevens {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

struct Bed {
    router: axum::Router,
    provider: Arc<ClaimsProvider>,
    server: Arc<Server>,
    clock: Arc<Later>,
    records: Arc<Records>,
}

fn ring(algorithms: &[Algorithm]) -> SigningRing {
    let keys = algorithms.iter().map(|algorithm| SigningKey::generate(*algorithm, None).unwrap());
    SigningRing::from_keys(keys.collect()).unwrap()
}

fn bed(people: NamedPeople, fails: Fails) -> Bed {
    bed_with(people, fails, |_| {})
}

fn bed_with(people: NamedPeople, fails: Fails, change: impl FnOnce(&mut Parts)) -> Bed {
    let server = Arc::new(Server::that(fails));
    let later = Arc::new(Later::default());
    let records = Arc::new(Records::default());
    let fetch = Arc::clone(&server) as Arc<dyn Fetch>;
    let clock = Arc::clone(&later) as Arc<dyn Clock>;
    let random = Arc::new(Sevens) as Arc<dyn Random>;
    let (issuer, id) = (Issuer::parse(STS).unwrap(), ClientId::parse("cp").unwrap());
    let proof = Proof::SecretBasic(ClientSecret::new(SECRET));
    let scope = ScopeSet::parse("query-users").unwrap();
    let (f, c, r) = (Arc::clone(&fetch), Arc::clone(&clock), Arc::clone(&random));
    let directory = UserQuery {
        endpoint: EndpointUrl::parse(&format!("{STS}/scim/v2/Users")).unwrap(),
        subject: SubjectAttribute::Id,
        claims: Vec::new(),
        token: OwnToken::new(issuer.clone(), (id.clone(), proof.clone()), scope, f, c, r),
        fetch: Arc::clone(&fetch),
    };
    let policy = ClientPolicy {
        may_exchange: true,
        claims_endpoint: true,
        claims_token_audiences: vec![UrlPattern::parse("*").unwrap()],
        people: Some(people),
        ..ClientPolicy::default()
    };
    let client = ProviderClient { policy, is_confidential: true };
    let mut parts = Parts {
        policy: ServerPolicy {
            public_clients: true,
            ..ServerPolicy::new(Issuer::parse(PROVIDER).unwrap())
        },
        authn_server: IssuerSetup {
            keys: IssuerKeys::Given(Arc::new(keys())),
            introspection: Some(Introspection { client_id: id, proof }),
            ..IssuerSetup::new(TrustedIssuer::new("authn", issuer))
        },
        audiences: Vec::new(),
        clients: [(ClientId::parse("agent").unwrap(), client)].into(),
        delegation: Arc::new(ByRegistration),
        directory: Arc::new(directory),
        keys: ring(&[Algorithm::Es256]),
        fetch,
        clock,
        random,
        audit: Arc::clone(&records) as Arc<dyn Audit>,
    };
    change(&mut parts);
    let provider = Arc::new(ClaimsProvider::new(parts).unwrap());
    Bed { router: app(Arc::clone(&provider)), provider, server, clock: later, records }
}

fn only_alice() -> NamedPeople {
    let addresses = [EmailAddress::parse(ALICE).unwrap()].into();
    NamedPeople { addresses, ..NamedPeople::default() }
}

fn everybody() -> NamedPeople {
    NamedPeople { domains: ["alice.example".to_owned()].into(), ..NamedPeople::default() }
}

fn token(change: &[(&str, Value)]) -> String {
    let mut claims = json!({
        "iss": STS, "sub": "agent", "aud": PROVIDER, "client_id": "agent", "jti": "at-1",
        "iat": NOW, "exp": NOW + 300, "scope": "claims-provider",
    });
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    sign("at+jwt", &claims)
}

impl Bed {
    async fn ask(&self, token: &str, address: &str) -> (u16, String) {
        let mut fields = vec![("ticket_digest", CHALLENGE), ("audience", UMA), ("resource", RS)];
        fields.extend((!address.is_empty()).then_some(("email_address", address)));
        self.send(token, &fields).await
    }

    async fn send(&self, token: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let request = Request::post("/claims")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(encoded(fields))).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn the_directory_is_asked_with_a_token_that_is_fetched_once() {
    let bed = bed(only_alice(), Fails::Nothing);
    for _ in 0..3 {
        let (status, body) = bed.ask(&token(&[]), ALICE).await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let claims = claims(body["claims_token"].as_str().unwrap());
        assert_eq!(claims.get("iss"), Some(&json!(PROVIDER)));
        assert_eq!(claims.get("sub"), Some(&json!("alice")));
        assert!(claims.has("act") && !claims.has("amr"));
    }
    assert_eq!((bed.server.count("/token"), bed.server.count("/scim/v2/Users")), (1, 3));
}

/// STS-8: a directory that folds cases finds CAROL, and one without an identifier for somebody
/// finds them; neither shows.
#[tokio::test]
async fn sts_8_a_directory_that_folds_cases_tells_nobody_who_exists() {
    let bed = bed(only_alice(), Fails::Nothing);
    let mut answers = Vec::new();
    for address in [
        "carol@alice.example",
        "CAROL@alice.example",
        "nobody@alice.example",
        "ALICE@alice.example",
    ] {
        answers.push(bed.ask(&token(&[]), address).await);
    }
    assert_eq!(bed.server.count("/scim/v2/Users"), 0, "about whom no list has nobody is asked");
    let whole = self::bed(everybody(), Fails::Nothing);
    for address in ["CAROL@alice.example", "nobody@alice.example", "bob@alice.example"] {
        answers.push(whole.ask(&token(&[]), address).await);
    }
    assert_eq!(whole.server.count("/scim/v2/Users"), 3);
    assert_eq!(answers[0].0, 403, "{answers:?}");
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

/// STS-9 and whoever else holds the token; a person's token is about that person.
#[tokio::test]
async fn tokens_of_the_authn_server() {
    let bed = bed(everybody(), Fails::Nothing);
    let verified = ("email_verified", json!(true));
    let of = |sub: &str, email: &str| {
        token(&[("sub", json!(sub)), ("email", json!(email)), verified.clone()])
    };
    assert_eq!(bed.ask(&of("alice", ALICE), "").await.0, 200);
    for (name, token, status) in [
        ("for the server alone", token(&[("aud", json!(STS))]), 401),
        ("for another, too", token(&[("aud", json!([PROVIDER, "https://api.example"]))]), 401),
        ("bound to a key", token(&[("cnf", json!({ "jkt": "A".repeat(43) }))]), 401),
        ("of another issuer", token(&[("iss", json!("https://evil.example"))]), 401),
        ("without the scope", token(&[("scope", json!("openid"))]), 403),
        ("of an unknown client", token(&[("client_id", json!("x")), ("sub", json!("x"))]), 403),
        ("of somebody else at this address", of("carol", ALICE), 400),
        ("of somebody who is gone", of("dave", "dave@alice.example"), 400),
        ("of another domain", of("alice", "alice@bob.example"), 400),
    ] {
        let (found, body) = bed.ask(&token, "").await;
        assert_eq!(found, status, "{name}: {body}");
    }
    assert_eq!(bed.ask(&of("alice", ALICE), "carol@alice.example").await.0, 400, "STS-7");
    let both = token(&[("aud", json!([PROVIDER, STS]))]);
    assert_eq!(bed.ask(&both, ALICE).await.0, 200, "the server itself holds every token");
}

/// Whoever is listed and whatever the token says: of another domain it says nothing, and asks
/// nobody.
#[tokio::test]
async fn nobody_is_asked_about_addresses_of_other_domains() {
    let domains = ["bob.example", "x.alice.example", "malice.example"];
    let people =
        NamedPeople { domains: domains.map(str::to_owned).into(), ..NamedPeople::default() };
    let bed = bed(people, Fails::Nothing);
    for domain in domains {
        let email = format!("alice@{domain}");
        assert_eq!(bed.ask(&token(&[]), &email).await.0, 403, "{domain}");
        let verified = ("email_verified", json!(true));
        let alices = token(&[("sub", json!("alice")), ("email", json!(email)), verified]);
        assert_eq!(bed.ask(&alices, "").await.0, 400, "{domain}");
    }
    assert_eq!(bed.server.count("/scim/v2/Users"), 0);
}

#[tokio::test]
async fn a_public_client_is_a_holder_where_policy_lets_it() {
    for (public_clients, is_confidential, status) in
        [(true, false, 200), (false, true, 200), (false, false, 403)]
    {
        let bed = bed_with(only_alice(), Fails::Nothing, |parts| {
            parts.policy.public_clients = public_clients;
            let client = parts.clients.values_mut().next().unwrap();
            client.is_confidential = is_confidential;
        });
        assert_eq!(bed.ask(&token(&[]), ALICE).await.0, status, "{is_confidential}");
    }
}

/// What the server makes tokens out to that are for this provider, by whatever name it knows it.
#[tokio::test]
async fn tokens_are_made_out_to_the_provider_by_any_of_its_names() {
    let bed = bed_with(only_alice(), Fails::Nothing, |parts| {
        parts.audiences = vec!["claims-api".to_owned()];
    });
    for (aud, status) in [
        (json!("claims-api"), 200),
        (json!([PROVIDER, "claims-api"]), 200),
        (json!(["claims-api", "other-api"]), 401),
        (json!("other-api"), 401),
    ] {
        assert_eq!(bed.ask(&token(&[("aud", aud.clone())]), ALICE).await.0, status, "{aud}");
    }
}

/// RFC 6750 §3.1: what the token allows comes before what is asked; what is no request is written
/// down.
#[tokio::test]
async fn a_request_that_is_none_is_refused_and_recorded() {
    let bed = bed(only_alice(), Fails::Nothing);
    assert_eq!(bed.send(&token(&[("scope", json!("openid"))]), &[]).await.0, 403);
    assert!(bed.records.0.lock().unwrap().is_empty());
    assert_eq!(bed.send(&token(&[]), &[]).await.0, 400);
    let record = bed.records.0.lock().unwrap().pop().unwrap();
    assert_eq!((record.client_id.as_str(), record.subject.as_deref()), ("agent", Some("agent")));
    assert!(!record.checks.last().unwrap().passed && record.issued.is_none());
}

/// Whichever of its endpoints it is: those who ask meanwhile do not each wait for it, and then it
/// is asked again.
#[tokio::test]
async fn a_server_that_fails_is_left_alone_for_a_moment() {
    for (fails, tokens, queries) in
        [(Fails::Token, 1, 0), (Fails::Query, 1, 1), (Fails::Taking, 2, 2)]
    {
        let bed = bed(only_alice(), fails);
        for round in 1..=3 {
            for _ in 0..3 {
                assert_eq!(bed.ask(&token(&[]), ALICE).await.0, 503);
            }
            let asked = (bed.server.count("/token"), bed.server.count("/scim/v2/Users"));
            assert_eq!(asked, (tokens * round, queries * round));
            bed.clock.0.fetch_add(5, Ordering::Relaxed);
        }
    }
}

impl Bed {
    fn now_fails(&self, fails: Fails) {
        *self.server.fails.lock().unwrap() = fails;
    }

    /// The status for this opaque token, and how often its server was asked about any.
    async fn shown(&self, token: &str) -> (u16, usize) {
        let (status, _) = self.ask(token, ALICE).await;
        (status, self.server.count("/introspection"))
    }
}

/// RFC 7662 §4: an answer is as old as the question, so that what was taken back is taken back at
/// once.
#[tokio::test]
async fn the_server_is_asked_about_each_use_of_a_token() {
    let bed = bed(only_alice(), Fails::Nothing);
    assert_eq!(bed.shown("a").await, (200, 1));
    assert_eq!(bed.shown("a").await, (200, 2));
    bed.now_fails(Fails::Revoked);
    assert_eq!(bed.shown("a").await, (401, 3));
    assert_eq!(bed.shown("a").await, (401, 4));
}

/// While it cannot be asked nobody gets in, and nobody waits for it but one in five seconds.
#[tokio::test]
async fn a_server_that_says_nothing_of_tokens_is_left_alone_for_a_moment() {
    let statuses = [401, 429, 502, 503, 504].map(Fails::Introspection);
    for fails in statuses.into_iter().chain([Fails::Silent]) {
        let bed = bed(only_alice(), fails);
        for round in 1..=3 {
            for token in ["a", "b", "c"] {
                assert_eq!(bed.shown(token).await, (503, round), "{fails:?}");
            }
            bed.clock.0.fetch_add(5, Ordering::Relaxed);
        }
        bed.now_fails(Fails::Revoked);
        assert_eq!(bed.shown("a").await, (401, 4), "{fails:?}");
        bed.now_fails(Fails::Nothing);
        assert_eq!(bed.shown("b").await, (200, 5), "{fails:?}");
    }
}

/// Anybody may show a token that somebody made up for the server to trip over.
#[tokio::test]
async fn a_token_that_the_server_trips_over_keeps_nobody_else_out() {
    let bed = bed(only_alice(), Fails::Tripped);
    assert_eq!(bed.shown("odd").await, (503, 1));
    assert_eq!(bed.shown("odd").await, (503, 1), "about this one nothing is asked for a moment");
    assert_eq!(bed.shown("a").await, (200, 2));
    bed.clock.0.fetch_add(5, Ordering::Relaxed);
    assert_eq!(bed.shown("odd").await, (503, 3));
}

/// Of what it signs with nothing, nobody is told that it would.
#[tokio::test]
async fn it_has_the_key_that_signs_claims_tokens_and_no_other() {
    let bed = bed(only_alice(), Fails::Nothing);
    let refused =
        |algorithms: &[Algorithm]| bed.provider.replace_keys(ring(algorithms)).unwrap_err();
    assert!(matches!(refused(&[]), SetupError::Key(Algorithm::Es256)));
    assert!(matches!(refused(&[Algorithm::Rs256]), SetupError::Key(Algorithm::Es256)));
    let both = refused(&[Algorithm::Es256, Algorithm::Rs256]);
    assert!(matches!(both, SetupError::IdleKey(Algorithm::Rs256)), "{both}");
    bed.provider.replace_keys(ring(&[Algorithm::Es256])).unwrap();
}
