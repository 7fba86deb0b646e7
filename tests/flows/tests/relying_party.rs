//! PARTY-1 to PARTY-5 and PARTY-8: a relying party that has heard of nobody, over TLS. The person's
//! provider and the client are scripted hosts, so that both can lie.

use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_host::server::{Transport, serve};
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_resource::identity_propagation::{Domains, MemoryProofs};
use countersign_resource::{IdentityPropagation, ProtectLayer, Routes, VerifiedCaller};
use countersign_testkit::{Deployment, Party, names};
use countersign_types::digest::Digest;
use countersign_types::{EndpointUrl, ResourceIdentifier};
use http::{HeaderName, HeaderValue, Method, Response};
use serde_json::json;

use crate::acting::signed;
use crate::strangers::{CLIENT, OTHER_CLIENT, Strangers};

struct World {
    deployment: Deployment,
    http: Arc<dyn Fetch>,
    now: i64,
    strangers: Strangers,
}

/// Says who is calling, and through whom.
async fn letters(Extension(caller): Extension<VerifiedCaller>) -> String {
    let actors = caller.actors().unwrap();
    format!("{} through {}", caller.subject().unwrap(), actors.current().sub)
}

impl World {
    async fn start() -> Self {
        let mut deployment = Deployment::builder().without(Party::ResourceServer).start().await;
        let strangers = Strangers::publish(&deployment);
        let (listener, tls) = deployment.take_place(Party::ResourceServer);
        let (http, clock) = (deployment.http(), deployment.seams().clock);
        let party = IdentityPropagation::new(
            ResourceIdentifier::parse(names::RS).unwrap(),
            Domains::any(),
            Arc::clone(&http),
            Arc::clone(&clock),
            Arc::new(MemoryProofs::new(Arc::clone(&clock))),
        );
        let routes = Routes::new().identified("GET /letters").identified("POST /letters");
        let layer = ProtectLayer::new(party, routes.build().unwrap()).unwrap();
        let created = async || (http::StatusCode::CREATED, [("location", "/letters/1")]);
        let api = Router::new().route("/letters", get(letters).post(created)).layer(layer);
        let transport = Transport::tls(&tls).unwrap();
        tokio::spawn(serve(listener, transport, api, std::future::pending()));
        let now = clock.now().as_unix();
        Self { deployment, http, now, strangers }
    }

    async fn call(&self, method: Method, token: &str, proof: &str) -> Response<Bytes> {
        let url = EndpointUrl::parse(&format!("{}/letters", names::RS)).unwrap();
        let mut request = Request::new(method, url, Limits::resource());
        let bearer = format!("Bearer {token}");
        let credentials =
            [("authorization", token, bearer.as_str()), ("client-assertion", proof, proof)];
        for (name, _, value) in credentials.into_iter().filter(|(_, given, _)| !given.is_empty()) {
            let value = HeaderValue::from_str(value).unwrap();
            request = request.with_header(HeaderName::from_static(name), value);
        }
        self.http.fetch(request).await.unwrap()
    }

    #[track_caller]
    fn refused(name: &str, response: &Response<Bytes>, error: Option<&str>) {
        assert_eq!(response.status(), 401, "{name}");
        let header = response.headers()["www-authenticate"].to_str().unwrap();
        let challenge = countersign_types::auth_param::parse(header).unwrap().remove(0);
        assert!(challenge.is("Bearer"), "{name}");
        assert_eq!(challenge.param("error"), error, "{name}");
        let metadata = "https://rs.bob.example/.well-known/oauth-protected-resource";
        assert_eq!(challenge.param("resource_metadata"), Some(metadata), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f004_1_a_person_arrives_through_a_service_that_nobody_knew() {
    let world = World::start().await;
    let token = world.strangers.token(&json!({}));
    let proof = world.strangers.proof("client-proof+jwt", &token, &json!({}));
    let response = world.call(Method::GET, &token, &proof).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), "alice@one.example through https://two.example/client");
    let proof = world.strangers.proof("client-proof+jwt", &token, &json!({"jti": "2"}));
    let response = world.call(Method::POST, &token, &proof).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (201, &"/letters/1".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn party_1_to_5_and_8_everybody_else_is_turned_away() {
    let world = World::start().await;
    let invalid = Some("invalid_token");
    World::refused("nothing", &world.call(Method::GET, "", "").await, None);
    for (name, changes) in [
        ("expired", json!({"exp": world.now - 61, "iat": world.now - 300, "nbf": world.now - 300})),
        ("for another", json!({"aud": names::EVIL_RS})),
        ("an issuer the domain does not name", json!({"iss": "https://sts.two.example"})),
        ("through another client", json!({"client_id": names::STS, "act": {"sub": names::STS}})),
    ] {
        let token = world.strangers.token(&changes);
        let proof = world.strangers.proof("client-proof+jwt", &token, &json!({}));
        World::refused(name, &world.call(Method::GET, &token, &proof).await, invalid);
    }
    // Of a person whose domain does not answer nothing is known, and nothing is refused.
    let token = world.strangers.token(&json!({"sub": "alice@evil.example"}));
    let proof = world.strangers.proof("client-proof+jwt", &token, &json!({}));
    let reply = world.call(Method::GET, &token, &proof).await;
    assert_eq!(reply.status(), 503, "a domain that cannot be asked");
    for (name, typ, key) in [
        ("a claims token", "uma-claims+jwt", &world.strangers.sts),
        ("an access token", "at+jwt", &world.strangers.sts),
        ("an ID token", "JWT", &world.strangers.sts),
        ("one the client made itself", "identity-propagation+jwt", &world.strangers.client),
    ] {
        let token = sign(typ, key, &world.strangers.identity(&json!({}))).unwrap();
        let proof = world.strangers.proof("client-proof+jwt", &token, &json!({}));
        World::refused(name, &world.call(Method::GET, &token, &proof).await, invalid);
    }
    let token = world.strangers.token(&json!({}));
    World::refused("no proof", &world.call(Method::GET, &token, "").await, invalid);
    for (name, typ, changes) in [
        ("an actor token", "actor+jwt", json!({})),
        ("a client assertion", "client-authentication+jwt", json!({})),
        ("for another", "client-proof+jwt", json!({"aud": names::EVIL_RS})),
        ("of another token", "client-proof+jwt", json!({"ath": Digest::of(b"x").to_base64url()})),
        ("of no token", "client-proof+jwt", json!({"ath": null})),
        ("in another name", "client-proof+jwt", json!({"iss": names::STS, "sub": names::STS})),
    ] {
        let proof = world.strangers.proof(typ, &token, &changes);
        World::refused(name, &world.call(Method::GET, &token, &proof).await, invalid);
    }
    let untyped = (None, world.strangers.proved(&token, &json!({})));
    let proof = signed(&world.strangers.client, &untyped);
    World::refused("without a type", &world.call(Method::GET, &token, &proof).await, invalid);
    let proof = world.strangers.proof("client-proof+jwt", &token, &json!({}));
    assert_eq!(world.call(Method::GET, &token, &proof).await.status(), 200);
    World::refused("shown again", &world.call(Method::GET, &token, &proof).await, invalid);
}

/// The thief is a client in good order: with a token of its own, the same proof gets it in.
#[tokio::test(flavor = "multi_thread")]
async fn party_5_a_stolen_identity_token_with_the_thiefs_own_proof() {
    let world = World::start().await;
    let stolen = world.strangers.token(&json!({}));
    let proof = world.strangers.others_proof(&stolen);
    World::refused(
        "stolen",
        &world.call(Method::GET, &stolen, &proof).await,
        Some("invalid_token"),
    );
    let own = json!({"client_id": OTHER_CLIENT, "act": {"sub": OTHER_CLIENT}});
    let own = world.strangers.token(&own);
    let proof = world.strangers.others_proof(&own);
    let response = world.call(Method::GET, &own, &proof).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), "alice@one.example through https://three.example/client");
}

/// OpenID Registration §2: a key of an algorithm that the client has not bound itself to proves
/// nothing here either.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_names_its_algorithm_is_nobody_with_a_key_of_another() {
    for (named, status) in [("ES256", 200), ("Ed25519", 401)] {
        let world = World::start().await;
        let other = SigningKey::generate(Algorithm::Ed25519, Some("k2")).unwrap();
        let keys = [world.strangers.client.public().to_jwk(), other.public().to_jwk()];
        let document = json!({
            "client_id": CLIENT, "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": named, "jwks": { "keys": keys },
        });
        Strangers::publish_client(&world.deployment, &document);
        let token = world.strangers.token(&json!({}));
        let proof = world.strangers.proof("client-proof+jwt", &token, &json!({}));
        assert_eq!(world.call(Method::GET, &token, &proof).await.status(), status, "{named}");
    }
}
