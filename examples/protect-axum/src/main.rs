//! How do I put an API that I already have behind access tokens?
//!
//! ```console
//! $ cargo run -q -p countersign-example-protect-axum
//! stranger:          401 Unauthorized, more at https://rs.bob.example/.well-known/oauth-protected-resource
//! health:            200 OK, well
//! alice:             200 OK, 3 deliveries for 248289761001 through rqp-client
//! alice, to deliver: 403 Forbidden, needs deliveries.write
//! ```
//!
//! The API is [`api`]; what is added to it stands in [`protected`], and in the one handler that
//! wants to know who is calling. Nothing is served that the table does not name.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use countersign::adapters::fetch::{Fetch, Limits, Request};
use countersign::adapters::host::server::{Transport, serve};
use countersign::client_auth::Proof;
use countersign::resource::{AccessTokens, ProtectLayer, Routes, VerifiedCaller};
use countersign::types::auth_param;
use countersign::types::secret::ClientSecret;
use countersign::types::{ClientId, Clock, EndpointUrl, Issuer, ResourceIdentifier};
use countersign_testkit::{Deployment, Party, names};
use http::Method;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use toml::{Table, toml};

/// The API as it was, but for the caller in one handler.
fn api() -> Router {
    Router::new()
        .route("/health", get(async || "well"))
        .route("/deliveries", get(deliveries).post(async || "delivered"))
}

async fn deliveries(Extension(caller): Extension<VerifiedCaller>) -> String {
    let (who, through) = (caller.subject(), caller.client_id());
    format!("3 deliveries for {} through {}", who.unwrap_or("?"), through.unwrap_or("?"))
}

/// What is added to it. In your program, `fetch` is `HttpFetch::new(&FetchConfig::default())`, and
/// the clock that of `Seams::system()`.
fn protected(
    api: Router,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
) -> Result<Router, Box<dyn Error>> {
    let here = ResourceIdentifier::parse("https://rs.bob.example")?;
    let issuer = Issuer::parse("https://sts.alice.example")?;
    let routes = Routes::new()
        .open("GET /health")
        .identified("GET /deliveries")
        .require("POST /deliveries", "deliveries.write");
    let tokens = AccessTokens::new(here, issuer, fetch, clock);
    Ok(api.layer(ProtectLayer::new(tokens, routes.build()?)?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Alice's provider, on loopback, and a place for the API.
    let mut world = Deployment::builder()
        .without(Party::ResourceServer)
        .with(Party::Sts, may_have_access_tokens)
        .start()
        .await;
    let (listener, tls) = world.take_place(Party::ResourceServer);
    let (fetch, seams) = (world.http(), world.seams());
    let api = protected(api(), Arc::clone(&fetch), seams.clock)?;
    tokio::spawn(serve(listener, Transport::tls(&tls)?, api, std::future::pending()));

    let request = |method: Method, path: &str| {
        let url = EndpointUrl::parse(&format!("{}{path}", names::RS))?;
        Ok::<_, Box<dyn Error>>(Request::new(method, url, Limits::resource()))
    };

    let answer = fetch.fetch(request(Method::GET, "/deliveries")?).await?;
    let more = challenge(answer.headers().get(WWW_AUTHENTICATE), "resource_metadata")?;
    println!("stranger:          {}, more at {more}", answer.status());
    let answer = fetch.fetch(request(Method::GET, "/health")?).await?;
    println!("health:            {}, {}", answer.status(), String::from_utf8_lossy(answer.body()));

    let bearer = HeaderValue::try_from(format!("Bearer {}", access_token(&world).await?))?;
    let as_alice = |method, path| {
        Ok::<_, Box<dyn Error>>(request(method, path)?.with_header(AUTHORIZATION, bearer.clone()))
    };
    let answer = fetch.fetch(as_alice(Method::GET, "/deliveries")?).await?;
    println!("alice:             {}, {}", answer.status(), String::from_utf8_lossy(answer.body()));
    let answer = fetch.fetch(as_alice(Method::POST, "/deliveries")?).await?;
    let needed = challenge(answer.headers().get(WWW_AUTHENTICATE), "scope")?;
    println!("alice, to deliver: {}, needs {needed}", answer.status());
    Ok(())
}

/// Lets Alice's application have access tokens for the API.
fn may_have_access_tokens(sts: &mut Table) {
    let clients = sts.get_mut("clients").and_then(|clients| clients.as_array_mut());
    for client in clients.into_iter().flatten().filter_map(|client| client.as_table_mut()) {
        if client.get("id").and_then(|id| id.as_str()) == Some(names::RQP_CLIENT) {
            let policy = toml! {
                access_token_audiences = ["https://rs.bob.example"]
                impersonate = true
            };
            client.insert("exchange".to_owned(), policy.into());
        }
    }
}

/// An access token for the API in Alice's name, by token exchange (RFC 8693).
async fn access_token(world: &Deployment) -> Result<String, Box<dyn Error>> {
    let alice = world.alice().await;
    let sts = Issuer::parse(names::STS)?;
    let proof = Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET));
    let (seams, client) = (world.seams(), ClientId::parse(names::RQP_CLIENT)?);
    let proof = proof.present(&client, &sts, seams.clock.now(), seams.random.as_ref())?;
    let params = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", alice.access_token.expose()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", names::RS),
    ];
    let url = EndpointUrl::parse(&format!("{}/token", names::STS))?;
    let mut request = Request::post_form(url, &params, Limits::token_endpoint());
    request.headers.extend(proof.authorization.map(|value| (AUTHORIZATION, value)));
    let answer = world.http().fetch(request).await?;
    let answer: serde_json::Value = serde_json::from_slice(answer.body())?;
    let token = answer.get("access_token").and_then(|token| token.as_str());
    Ok(token.ok_or_else(|| answer.to_string())?.to_owned())
}

/// A parameter of the challenge.
fn challenge(header: Option<&HeaderValue>, name: &str) -> Result<String, Box<dyn Error>> {
    let challenges = auth_param::parse(header.ok_or("no challenge")?.to_str()?)?;
    let found = challenges.iter().find_map(|challenge| challenge.param(name));
    Ok(found.ok_or("no such parameter")?.to_owned())
}
