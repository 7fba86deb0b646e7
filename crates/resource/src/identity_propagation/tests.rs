use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use bytes::Bytes;
use countersign_client_auth::dpop::{self, DpopError, Target};
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{FetchError, Request};
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_types::WireError as _;
use countersign_types::random::Random;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::pretend_issuer::changed;

mod bound;
mod records;

const NOW: i64 = 1_800_000_000;
const RP: &str = "https://rp.bob.example";
const STS: &str = "https://sts.alice.example";
const EVIL_STS: &str = "https://sts.evil.example";
const CLIENT: &str = "https://mail.example/client";
const OTHER: &str = "https://other.example/client";

/// Documents by URL, without their query.
struct World {
    pages: Mutex<BTreeMap<String, Value>>,
    log: Mutex<Vec<String>>,
    /// URLs that are answered so instead.
    failing: Mutex<BTreeMap<String, fn() -> FetchError>>,
    now: AtomicI64,
    sts: SigningKey,
    client: SigningKey,
    other: SigningKey,
    random: Counting,
}

/// Another value at every call.
#[derive(Default)]
struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, Ordering::SeqCst));
    }
}

impl World {
    fn new() -> Arc<Self> {
        let key = || SigningKey::generate(Algorithm::Es256, None).unwrap();
        let world = Self {
            pages: Mutex::default(),
            log: Mutex::default(),
            failing: Mutex::default(),
            now: AtomicI64::new(NOW),
            sts: key(),
            client: key(),
            other: key(),
            random: Counting::default(),
        };
        world.names("alice.example", STS);
        world.names("evil.example", EVIL_STS);
        for sts in [STS, EVIL_STS] {
            let jwks_uri = format!("{sts}/jwks");
            let metadata = json!({"issuer": sts, "jwks_uri": jwks_uri});
            world.publish(&format!("{sts}/.well-known/openid-configuration"), metadata);
            world.publish(&jwks_uri, set(&world.sts));
        }
        world.publish(CLIENT, document(CLIENT, &world.client));
        world.publish(OTHER, document(OTHER, &world.other));
        Arc::new(world)
    }

    fn publish(&self, url: &str, page: Value) {
        self.pages.lock().unwrap().insert(url.to_owned(), page);
    }

    fn names(&self, domain: &str, issuer: &str) {
        let link = json!({"rel": "http://openid.net/specs/connect/1.0/issuer", "href": issuer});
        self.publish(&format!("https://{domain}/.well-known/webfinger"), json!({"links": [link]}));
    }

    fn relying_party(self: &Arc<Self>, domains: Domains) -> IdentityPropagation {
        let used = Arc::new(MemoryProofs::new(self.clone()));
        let rp = ResourceIdentifier::parse(RP).unwrap();
        IdentityPropagation::new(rp, domains, self.clone(), self.clone(), used)
    }

    fn identity(&self, changes: &Value) -> String {
        let claims = json!({
            "iss": STS, "sub": "alice@alice.example", "aud": RP, "exp": NOW + 300, "nbf": NOW,
            "iat": NOW, "jti": "1", "client_id": CLIENT, "act": {"sub": CLIENT},
        });
        sign("identity-propagation+jwt", &self.sts, &changed(claims, changes)).unwrap()
    }

    fn proof(&self, typ: &str, key: &SigningKey, token: &str, changes: &Value) -> String {
        let ath = AccessToken::new(token).digest().to_base64url();
        let jti = self.log.lock().unwrap().len().to_string();
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": RP, "jti": jti, "iat": NOW, "exp": NOW + 60,
            "ath": ath,
        });
        sign(typ, key, &changed(claims, changes)).unwrap()
    }

    fn good_proof(&self, token: &str) -> String {
        self.proof("client-proof+jwt", &self.client, token, &json!({}))
    }

    /// A DPoP proof for a letter.
    fn key_proof(&self, key: &SigningKey, token: &str) -> AccessToken {
        let url = EndpointUrl::parse(&format!("{RP}/letters")).unwrap();
        let target = Target { method: &http::Method::GET, url: &url };
        let (token, random) = (AccessToken::new(token), &self.random);
        dpop::proof(key, target, Some(&token), None, self.now(), random).unwrap()
    }

    fn fetched(&self, part: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|url| url.contains(part)).count()
    }
}

fn set(key: &SigningKey) -> Value {
    KeySet::from_keys(vec![key.public().clone()]).unwrap().to_json()
}

fn document(client: &str, key: &SigningKey) -> Value {
    json!({
        "client_id": client, "client_name": "A service",
        "token_endpoint_auth_method": "private_key_jwt", "jwks": set(key),
    })
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.now.load(Ordering::SeqCst))
    }
}

impl Fetch for World {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let mut url = request.url.as_url().clone();
        url.set_query(None);
        self.log.lock().unwrap().push(url.to_string());
        let page = self.pages.lock().unwrap().get(url.as_str()).cloned();
        let failure = self.failing.lock().unwrap().get(url.as_str()).map(|failure| failure());
        Box::pin(async move {
            if let Some(failure) = failure {
                return Err(failure);
            }
            let page = page.ok_or(FetchError::Status(StatusCode::NOT_FOUND))?;
            Ok(Response::new(Bytes::from(page.to_string())))
        })
    }
}

async fn verify(
    rp: &IdentityPropagation,
    token: &str,
    proof: Option<&str>,
) -> Result<VerifiedCaller, IdentityError> {
    let proof = proof.map(AccessToken::new);
    rp.verify(&AccessToken::new(token), proof.as_ref()).await
}

#[track_caller]
fn refused(name: &str, outcome: Result<VerifiedCaller, IdentityError>) -> IdentityError {
    let error = outcome.err().unwrap_or_else(|| panic!("{name}: accepted"));
    let wire = error.wire();
    assert_eq!((wire.status.as_u16(), wire.code.as_str()), (401, "invalid_token"), "{name}");
    error
}

#[tokio::test]
async fn f004_1_the_person_and_whoever_acts_for_them() {
    let world = World::new();
    let rp = world.relying_party(Domains::any());
    let act = json!({"sub": CLIENT, "act": {"sub": "https://first.example/app"}});
    let token = world.identity(&json!({"act": act}));
    let caller = verify(&rp, &token, Some(&world.good_proof(&token))).await.unwrap();
    assert_eq!(caller.issuer().as_str(), STS);
    assert_eq!(caller.subject(), Some("alice@alice.example"));
    assert_eq!(caller.client_id(), Some(CLIENT));
    let actors = caller.actors().unwrap();
    assert_eq!((actors.current().sub.as_str(), actors.prior().len()), (CLIENT, 1));
    assert!(!caller.is_client() && caller.scopes().is_empty());
    assert_eq!(caller.token_id(), Some("1"));
    assert_eq!(caller.expires(), Some(Timestamp::from_unix(NOW + 300)));
}

#[tokio::test]
async fn party_2_identity_tokens_that_prove_nothing() {
    let world = World::new();
    let rp = world.relying_party(Domains::any());
    let forged = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let rows = [
        ("expired", json!({"exp": NOW - 60, "iat": NOW - 300, "nbf": NOW - 300})),
        ("not yet valid", json!({"nbf": NOW + 61})),
        ("lives too long", json!({"exp": NOW + 601})),
        ("for another", json!({"aud": "https://rp.eve.example"})),
        ("for two", json!({"aud": [RP, "https://rp.eve.example"]})),
        ("an issuer that does not speak for the domain", json!({"iss": EVIL_STS})),
        ("a person of a domain with another issuer", json!({"sub": "alice@evil.example"})),
        ("a person of a domain that names nobody", json!({"sub": "a@silent.example"})),
        ("a person without a domain", json!({"sub": "alice"})),
        ("nobody acts", json!({"act": null})),
        ("bound to a key", json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})),
    ];
    for (name, changes) in rows {
        let token = world.identity(&changes);
        refused(name, verify(&rp, &token, Some(&world.good_proof(&token))).await);
    }
    let claims = world.identity(&json!({}));
    let claims = countersign_jwt::Unverified::parse(&claims).unwrap().claims().as_map().clone();
    for (name, typ, key) in [
        ("a forged signature", "identity-propagation+jwt", &forged),
        ("an access token", "at+jwt", &world.sts),
        ("an ID token", "JWT", &world.sts),
        ("PARTY-8 a claims token", "uma-claims+jwt", &world.sts),
    ] {
        let token = sign(typ, key, &claims).unwrap();
        refused(name, verify(&rp, &token, Some(&world.good_proof(&token))).await);
    }
    let token = world.identity(&json!({}));
    assert!(verify(&rp, &token, Some(&world.good_proof(&token))).await.is_ok());
}

#[tokio::test]
async fn party_3_party_4_client_proofs_that_prove_nothing() {
    let world = World::new();
    let rp = world.relying_party(Domains::any());
    let token = world.identity(&json!({}));
    refused("no proof", verify(&rp, &token, None).await);
    refused("no JWT", verify(&rp, &token, Some("garbage")).await);
    for typ in ["client-authentication+jwt", "actor+jwt", "JWT", "dpop+jwt"] {
        let proof = world.proof(typ, &world.client, &token, &json!({}));
        refused(typ, verify(&rp, &token, Some(&proof)).await);
    }
    let rows = [
        ("for another", json!({"aud": "https://rp.eve.example"})),
        ("for the issuer", json!({"aud": STS})),
        ("without ath", json!({"ath": null})),
        ("with another's ath", json!({"ath": AccessToken::new("x").digest().to_base64url()})),
        ("without jti", json!({"jti": null})),
        ("expired", json!({"iat": NOW - 121, "exp": NOW - 61})),
        ("lives too long", json!({"exp": NOW + 61})),
        ("of another subject", json!({"sub": OTHER})),
        ("of another issuer", json!({"iss": OTHER})),
    ];
    for (name, changes) in rows {
        let proof = world.proof("client-proof+jwt", &world.client, &token, &changes);
        refused(name, verify(&rp, &token, Some(&proof)).await);
    }
    let proof = world.good_proof(&token);
    assert!(verify(&rp, &token, Some(&proof)).await.is_ok());
    refused("shown again", verify(&rp, &token, Some(&proof)).await);
}

#[tokio::test]
async fn party_5_a_stolen_identity_token_with_another_clients_proof() {
    let world = World::new();
    let rp = world.relying_party(Domains::any());
    let token = world.identity(&json!({}));
    let own = json!({"iss": OTHER, "sub": OTHER});
    let proof = world.proof("client-proof+jwt", &world.other, &token, &own);
    refused("its own name", verify(&rp, &token, Some(&proof)).await);
    let proof = world.proof("client-proof+jwt", &world.other, &token, &json!({}));
    refused("its own key", verify(&rp, &token, Some(&proof)).await);
}

#[tokio::test]
async fn o11_a_forged_proof_does_not_use_up_the_genuine_one() {
    let world = World::new();
    let rp = world.relying_party(Domains::any());
    let token = world.identity(&json!({}));
    let jti = json!({"jti": "victim"});
    let forged = world.proof("client-proof+jwt", &world.other, &token, &jti);
    refused("forged", verify(&rp, &token, Some(&forged)).await);
    let genuine = world.proof("client-proof+jwt", &world.client, &token, &jti);
    assert!(verify(&rp, &token, Some(&genuine)).await.is_ok());
}

#[tokio::test]
async fn nothing_is_fetched_for_what_can_be_refused_without() {
    let world = World::new();
    let rp = world.relying_party(Domains::any().without("evil.example").unwrap());
    let token = world.identity(&json!({"aud": "https://rp.eve.example"}));
    refused("audience", verify(&rp, &token, Some(&world.good_proof(&token))).await);
    let token = world.identity(&json!({}));
    refused("proof", verify(&rp, &token, Some("garbage")).await);
    let token = world.identity(&json!({"sub": "a@evil.example", "iss": EVIL_STS}));
    let error = verify(&rp, &token, Some(&world.good_proof(&token))).await;
    assert!(matches!(refused("domain", error), IdentityError::Domain { .. }));
    assert_eq!(world.fetched("https://"), 0);

    let token = world.identity(&json!({"iss": EVIL_STS}));
    let error = verify(&rp, &token, Some(&world.good_proof(&token))).await;
    assert!(matches!(refused("issuer", error), IdentityError::NotEntitled { .. }));
    assert_eq!((world.fetched("/jwks"), world.fetched("mail.example")), (0, 0));

    // The client's URL is the issuer's word, not a stranger's.
    let stranger = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let claims = world.identity(&json!({}));
    let claims = countersign_jwt::Unverified::parse(&claims).unwrap().claims().as_map().clone();
    let token = sign("identity-propagation+jwt", &stranger, &claims).unwrap();
    refused("signature", verify(&rp, &token, Some(&world.good_proof(&token))).await);
    assert_eq!((world.fetched("/jwks"), world.fetched("mail.example")), (1, 0));
}

#[tokio::test]
async fn what_was_found_is_found_once() {
    let world = World::new();
    let rp = world.relying_party(Domains::any());
    let token = world.identity(&json!({}));
    for number in 0..3 {
        let jti = json!({"jti": number.to_string()});
        let proof = world.proof("client-proof+jwt", &world.client, &token, &jti);
        assert!(verify(&rp, &token, Some(&proof)).await.is_ok());
    }
    for part in ["webfinger", "openid-configuration", "/jwks", "mail.example"] {
        assert_eq!(world.fetched(part), 1, "{part}");
    }
}

#[tokio::test]
async fn each_domain_has_its_policy() {
    let world = World::new();
    let token = world.identity(&json!({}));
    let only = |domains: &[&str]| world.relying_party(Domains::only(domains).unwrap());
    let proof = world.good_proof(&token);
    refused("not listed", verify(&only(&["carol.example"]), &token, Some(&proof)).await);
    refused("below it", verify(&only(&["mail.alice.example"]), &token, Some(&proof)).await);
    assert!(verify(&only(&["Alice.Example"]), &token, Some(&proof)).await.is_ok());

    let named = |issuer: &str| {
        let issuer = Issuer::parse(issuer).unwrap();
        world.relying_party(Domains::only([""; 0]).unwrap().with("alice.example", issuer).unwrap())
    };
    assert!(verify(&named(STS), &token, Some(&proof)).await.is_ok());
    refused("another is named", verify(&named(EVIL_STS), &token, Some(&proof)).await);
    let before = world.fetched("webfinger");
    assert!(verify(&named(STS), &token, Some(&proof)).await.is_ok());
    assert_eq!(world.fetched("webfinger"), before, "the domain is not asked");
}

#[tokio::test]
async fn a_memory_that_fails_is_ours_to_answer_for() {
    struct Broken;
    impl UsedProofs for Broken {
        fn insert_new(
            &self,
            _: countersign_types::digest::Digest,
            _: Timestamp,
        ) -> BoxFuture<'_, Result<Seen, ProofsError>> {
            Box::pin(async { Err(ProofsError::new("no space left")) })
        }
    }
    let world = World::new();
    let identifier = ResourceIdentifier::parse(RP).unwrap();
    let rp = IdentityPropagation::new(
        identifier,
        Domains::any(),
        world.clone(),
        world.clone(),
        Arc::new(Broken),
    );
    let token = world.identity(&json!({}));
    let error = verify(&rp, &token, Some(&world.good_proof(&token))).await.unwrap_err();
    assert_eq!(error.wire().status, 503);
}

/// A service that says who reached it.
#[derive(Clone)]
struct Inner;

impl tower_service::Service<http::Request<()>> for Inner {
    type Response = Response<Vec<u8>>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Response<Vec<u8>>, std::convert::Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), std::convert::Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<()>) -> Self::Future {
        assert!(!request.headers().contains_key(CLIENT_PROOF));
        let caller = request.extensions().get::<VerifiedCaller>().unwrap();
        let subject = caller.subject().unwrap_or_default();
        std::future::ready(Ok(Response::new(subject.as_bytes().to_vec())))
    }
}

#[tokio::test]
async fn party_1_behind_the_layer() {
    use tower_layer::Layer as _;
    use tower_service::Service as _;

    let world = World::new();
    let routes = crate::Routes::new().identified("GET /letters").build().unwrap();
    let layer = crate::ProtectLayer::new(world.relying_party(Domains::any()), routes).unwrap();
    let token = world.identity(&json!({}));
    let (bearer, proof) = (format!("Bearer {token}"), world.good_proof(&token));
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, Option<&'a str>);
    let rows: [Row<'_>; 5] = [
        ("nothing", &[], 401, None),
        ("a proof alone", &[("client-assertion", &proof)], 401, None),
        ("a token alone", &[("authorization", &bearer)], 401, Some("invalid_token")),
        (
            "two proofs",
            &[
                ("authorization", &bearer),
                ("client-assertion", &proof),
                ("client-assertion", &proof),
            ],
            400,
            Some("invalid_request"),
        ),
        ("both", &[("authorization", &bearer), ("client-assertion", &proof)], 200, None),
    ];
    for (name, headers, status, error) in rows {
        let mut request = http::Request::get("/letters");
        for (header, value) in headers {
            request = request.header(*header, *value);
        }
        let response = layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        let Some(header) = response.headers().get("www-authenticate") else {
            assert_eq!(response.body(), b"alice@alice.example", "{name}");
            continue;
        };
        let challenge = countersign_types::auth_param::parse(header.to_str().unwrap()).unwrap();
        assert!(challenge[0].is("Bearer"));
        assert_eq!(challenge[0].param("error"), error, "{name}");
        assert_eq!(challenge[0].param("resource_metadata"), Some(layer.metadata_url()));
    }

    let scoped = crate::Routes::new().require("GET /letters", "letters.read").build().unwrap();
    let layer = crate::ProtectLayer::new(world.relying_party(Domains::any()), scoped);
    assert!(layer.is_err(), "an identity token has no scopes to ask for");
}

#[tokio::test]
async fn made_up_addresses_flood_no_domain() {
    let world = World::new();
    let rp = world.relying_party(Domains::any());
    let stranger = SigningKey::generate(Algorithm::Es256, None).unwrap();
    for number in 0..310 {
        let sub = json!({"sub": format!("x{number}@victim.example")});
        let token = world.identity(&sub);
        let proof = world.proof("client-proof+jwt", &stranger, &token, &json!({}));
        let error = verify(&rp, &token, Some(&proof)).await.unwrap_err();
        assert_eq!(error.wire().status, if number < 300 { 401 } else { 503 }, "{number}");
    }
    assert_eq!(world.fetched("victim.example/.well-known/webfinger"), 300);
}

/// A7: where an issuer takes clients of hosts, so can those that believe it.
#[tokio::test]
async fn a_client_of_a_host_is_taken_where_that_is_configured() {
    const HOST: &str = "https://mail.example";
    let world = World::new();
    world.publish(&format!("{HOST}/"), document(HOST, &world.client));
    let token = world.identity(&json!({"client_id": HOST, "act": {"sub": HOST}}));
    let own = json!({"iss": HOST, "sub": HOST});
    let proof = world.proof("client-proof+jwt", &world.client, &token, &own);
    let strict = world.relying_party(Domains::any());
    refused("not configured", verify(&strict, &token, Some(&proof)).await);
    let config = ClientDocumentsConfig::default().with_host_only(true);
    let rp = world.relying_party(Domains::any()).with_client_documents(&config);
    assert_eq!(verify(&rp, &token, Some(&proof)).await.unwrap().client_id(), Some(HOST));
}
