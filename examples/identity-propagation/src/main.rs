//! How does a person's identity get through a chain of services, and who sees all of the chain?
//!
//! ```console
//! $ cargo run -q -p countersign-example-identity-propagation
//! alice's application asks trips.example
//!   trips.example asks stays.example, for alice@alice.example
//!     stays.example asks hotel.example, for alice@alice.example through trips.example
//!       hotel.example serves alice@alice.example through stays.example through trips.example
//! 200 OK: room 12
//! what stays.example showed, without stays.example: 401 Unauthorized
//! trips.example, past stays.example: 401 Unauthorized
//! ```
//!
//! `trips.example` and `stays.example` trust Alice's provider, and each exchanges the token it was
//! called with there: the access token that results says who acts. `hotel.example` has heard of
//! nobody. It finds the provider by Alice's address and the keys of `stays.example` at its URL.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod world;

use std::error::Error;
use std::slice;
use std::sync::{Arc, mpsc};

use axum::routing::{MethodRouter, get};
use axum::{Extension, Router};
use bytes::Bytes;
use countersign::adapters::fetch::{Fetch, Limits, Request, http_client};
use countersign::adapters::host::Seams;
use countersign::claims_token::VerifiedEmail;
use countersign::client::exchange::{ExchangeToken as _, GRANT_TYPE};
use countersign::client::propagation::PropagationEvent;
use countersign::client::subject::NoSession;
use countersign::client::{ActingClient, IdentityPropagator, Person, Subject};
use countersign::client_auth::Proof;
use countersign::jwt::{Algorithm, KeySet, SigningKey};
use countersign::metadata::{ClientIdUrl, ClientKeys, ClientMetadata};
use countersign::resource::identity_propagation::{Domains, MemoryProofs};
use countersign::resource::{
    AccessTokens, IdentityPropagation, Mode, ProtectLayer, Routes, VerifiedCaller,
};
use countersign::types::secret::{AccessToken, ClientSecret};
use countersign::types::{ClientId, EndpointUrl, Issuer, ResourceIdentifier, TokenType};
use countersign_testkit::names;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use oauth2::basic::BasicClient;
use oauth2::{TokenResponse as _, TokenUrl};

type Failure = Box<dyn Error + Send + Sync>;

/// A service is known by one URL, as a client and as a resource server.
const TRIPS: &str = "https://trips.example/api";
const STAYS: &str = "https://stays.example/api";
const HOTEL: &str = "https://hotel.example";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Alice's provider, on loopback, and three origins for the services.
    let mut world = world::start().await;
    let (fetch, seams) = (world.http(), world.seams());
    let (shown, was_shown) = mpsc::channel();
    world::open(&mut world, "trips.example", trips(&fetch, &seams)?)?;
    world::open(&mut world, "stays.example", stays(&fetch, &seams, shown)?)?;
    world::open(&mut world, "hotel.example", hotel(&fetch, &seams)?)?;

    println!("alice's application asks trips.example");
    let alice = world.alice().await.access_token;
    let secret = Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET));
    let token = exchange(&fetch, &seams, (names::RQP_CLIENT, &secret), &alice, TRIPS).await?;
    let (status, body) = ask(&fetch, &format!("{TRIPS}/plan"), &token).await?;
    println!("{status}: {body}");

    let identity_token = was_shown.recv()?;
    let (status, _) = ask(&fetch, &format!("{HOTEL}/room"), &identity_token).await?;
    println!("what stays.example showed, without stays.example: {status}");
    let (status, _) = ask(&fetch, &format!("{HOTEL}/room"), &token).await?;
    println!("trips.example, past stays.example: {status}");
    Ok(())
}

/// Service A: called with an access token, it exchanges it for one that `stays.example` takes.
fn trips(fetch: &Arc<dyn Fetch>, seams: &Seams) -> Result<Router, Failure> {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256, None)?);
    let proof = Proof::PrivateKeyJwt(Arc::clone(&key) as _);
    let (http, own) = (Arc::clone(fetch), seams.clone());
    let plan = async move |Extension(caller), Extension(token): Extension<AccessToken>| {
        println!("  trips.example asks stays.example, for {}", who(&caller));
        let delegated = exchange(&http, &own, (TRIPS, &proof), &token, STAYS).await;
        let answer = ask(&http, &format!("{STAYS}/room"), &delegated.map_err(failed)?).await;
        Ok::<_, (StatusCode, String)>(answer.map_err(failed)?.1)
    };
    let api = Router::new().route("/api/plan", get(plan)).route("/api", document(TRIPS, &key)?);
    let routes = Routes::new().open("GET /api").identified("GET /api/plan");
    let tokens = access_tokens(TRIPS, fetch, seams)?;
    Ok(api.layer(ProtectLayer::new(tokens, routes.build()?)?.with_token()))
}

/// Service B: it carries who called, and through whom, across a border.
fn stays(
    fetch: &Arc<dyn Fetch>,
    seams: &Seams,
    shown: mpsc::Sender<AccessToken>,
) -> Result<Router, Failure> {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256, None)?);
    let client = ActingClient { client_id: ClientId::parse(STAYS)?, key: Arc::clone(&key) as _ };
    let Seams { clock, random } = seams.clone();
    let provider = Issuer::parse(names::STS)?;
    let propagator = IdentityPropagator::new(
        Arc::clone(fetch),
        clock,
        random,
        client,
        provider,
        Arc::new(NoSession),
    )
    .with_observer(Arc::new(move |event: &PropagationEvent<'_>| {
        if let PropagationEvent::IdentityToken { identity_token } = event {
            drop(shown.send((*identity_token).clone())); // nobody listens to the next ones
        }
    }));
    let propagator = Arc::new(propagator);
    let room = async move |Extension(caller): Extension<VerifiedCaller>,
                           Extension(access_token)| {
        println!("    stays.example asks hotel.example, for {}", who(&caller));
        let email = VerifiedEmail::from_claims(caller.claims()).map_err(failed)?;
        let person = Person::Email(email.address().clone());
        let request = http::Request::get(format!("{HOTEL}/room")).body(Bytes::new());
        let subject = Subject { access_token, person };
        let answer = propagator.request_for(&subject, request.map_err(failed)?).await;
        let body = answer.map_err(failed)?.into_body();
        Ok::<_, (StatusCode, String)>(String::from_utf8_lossy(&body).into_owned())
    };
    let api = Router::new().route("/api/room", get(room)).route("/api", document(STAYS, &key)?);
    let routes = Routes::new().open("GET /api").identified("GET /api/room");
    let tokens = access_tokens(STAYS, fetch, seams)?;
    Ok(api.layer(ProtectLayer::new(tokens, routes.build()?)?.with_token()))
}

/// Service C: it takes people of every domain, and here only those for whom `stays.example` acts.
/// Who acted before is shown and decides nothing (RFC 8693 §4.1).
fn hotel(fetch: &Arc<dyn Fetch>, seams: &Seams) -> Result<Router, Failure> {
    let proofs = Arc::new(MemoryProofs::new(Arc::clone(&seams.clock)));
    let (own, clock) = (ResourceIdentifier::parse(HOTEL)?, Arc::clone(&seams.clock));
    let party = IdentityPropagation::new(own, Domains::any(), Arc::clone(fetch), clock, proofs);
    let room = async |Extension(caller): Extension<VerifiedCaller>| {
        if caller.actors().is_none_or(|actors| actors.current().sub != STAYS) {
            return Err((StatusCode::FORBIDDEN, "only for guests of stays.example"));
        }
        println!("      hotel.example serves {}", who(&caller));
        Ok("room 12")
    };
    let layer = ProtectLayer::new(party, Routes::new().identified("GET /room").build()?)?;
    Ok(Router::new().route("/room", get(room)).layer(layer))
}

/// Access tokens of Alice's provider, for a service that trusts it.
fn access_tokens(own: &str, fetch: &Arc<dyn Fetch>, seams: &Seams) -> Result<Mode, Failure> {
    let (own, issuer) = (ResourceIdentifier::parse(own)?, Issuer::parse(names::STS)?);
    Ok(AccessTokens::new(own, issuer, Arc::clone(fetch), Arc::clone(&seams.clock)).into())
}

/// What a service publishes at its own URL: the keys that it is known by.
fn document(url: &str, key: &SigningKey) -> Result<MethodRouter, Failure> {
    let keys = ClientKeys::Jwks(KeySet::from_keys(vec![key.public().clone()])?);
    let id = ClientIdUrl::of(&ClientId::parse(url)?)?;
    let mut metadata = ClientMetadata::new(&id, keys);
    metadata.grant_types = vec![GRANT_TYPE.to_owned()];
    let document = metadata.to_json()?.to_string();
    Ok(get(async move || ([(CONTENT_TYPE, "application/json")], document)))
}

/// An access token for the next service, which may exchange it at the provider in its turn. Without
/// an actor token, it is the client that acts from here on. RFC 8693 §2.1
async fn exchange(
    fetch: &Arc<dyn Fetch>,
    Seams { clock, random }: &Seams,
    (client, proof): (&str, &Proof),
    token: &AccessToken,
    next: &str,
) -> Result<AccessToken, Failure> {
    let (id, issuer) = (ClientId::parse(client)?, Issuer::parse(names::STS)?);
    let (next, provider) =
        (ResourceIdentifier::parse(next)?, ResourceIdentifier::parse(names::STS)?);
    let response = BasicClient::new(oauth2::ClientId::new(client.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{}/token", names::STS))?)
        .exchange_token(token, &TokenType::ACCESS_TOKEN)
        .set_requested_token_type(&TokenType::ACCESS_TOKEN)
        .add_resource(&next)
        .add_resource(&provider)
        .authenticated_by(proof.present(&id, &issuer, clock.now(), random.as_ref())?)
        .request_async(&http_client(Arc::clone(fetch), Limits::token_endpoint()))
        .await?;
    Ok(AccessToken::new(response.access_token().secret()))
}

async fn ask(
    fetch: &Arc<dyn Fetch>,
    url: &str,
    token: &AccessToken,
) -> Result<(StatusCode, String), Failure> {
    let request = Request::get(EndpointUrl::parse(url)?, Limits::resource());
    let bearer = format!("Bearer {}", token.expose()).try_into()?;
    let answer = fetch.fetch(request.with_header(AUTHORIZATION, bearer)).await?;
    Ok((answer.status(), String::from_utf8_lossy(answer.body()).into_owned()))
}

/// The person, and everybody who acts.
fn who(caller: &VerifiedCaller) -> String {
    let person = caller.claims().str("email").ok().flatten().or(caller.subject());
    let actors = caller.actors().map(|actors| [slice::from_ref(actors.current()), actors.prior()]);
    let through = actors.iter().flatten().copied().flatten();
    through.fold(person.unwrap_or("nobody").to_owned(), |text, actor| {
        let host = actor.sub.trim_start_matches("https://").trim_end_matches("/api");
        format!("{text} through {host}")
    })
}

fn failed(error: impl Into<Failure>) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, error.into().to_string())
}
