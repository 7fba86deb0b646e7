//! How do I put my API behind somebody's UMA authorization server?
//!
//! ```console
//! $ cargo run -q -p countersign-example-embed-resource-server
//! stranger: 401 Unauthorized, UMA challenge of https://uma.bob.example
//! health:   200 OK
//! alice:    200 OK, 3 deliveries, through rqp-client
//! ```
//!
//! An axum router gets one layer. The layer asks for tokens, introspects them, and hands out
//! permission tickets; which path is which resource is said in [`Deliveries`].

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use countersign::adapters::fetch::{Limits, Request};
use countersign::adapters::host::server::{Transport, serve};
use countersign::adapters::resolver::{MetadataConfig, ServerMetadataCache};
use countersign::client::{Client, Registration};
use countersign::client_auth::Proof;
use countersign::resource::server::{Identity, Seams};
use countersign::resource::{
    Access, Caller, MemoryRegistrations, ResourceDescription, ResourceServer, Rules, StrictPath,
    UmaLayer,
};
use countersign::types::secret::ClientSecret;
use countersign::types::{ClientId, EndpointUrl, Issuer, ResourceIdentifier, ScopeSet};
use countersign_testkit::{Deployment, Party, names};
use http::Method;
use http::header::WWW_AUTHENTICATE;

/// What needs which scope at which resource.
struct Deliveries {
    read: ScopeSet,
}

impl Rules for Deliveries {
    fn access(&self, method: &Method, path: &StrictPath) -> Access {
        match (path.as_str(), method) {
            ("/health", &Method::GET) => Access::Open,
            ("/rs-api", &Method::GET) => {
                Access::Protected { resource: "RS API".to_owned(), scopes: self.read.clone() }
            }
            ("/health" | "/rs-api", _) => Access::MethodNotAllowed(vec![Method::GET]),
            _ => Access::NotFound,
        }
    }
}

/// A handler sees who was let in.
async fn deliveries(Extension(caller): Extension<Caller>) -> String {
    format!("3 deliveries, through {}", caller.client_id().unwrap_or("somebody's client"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Everybody else, on loopback, with a place kept free for this server.
    let mut world = Deployment::builder().without(Party::ResourceServer).start().await;
    let (listener, tls) = world.take_place(Party::ResourceServer);
    let (fetch, seams) = (world.http(), world.seams());

    // Who this server is, and who protects it.
    let identity = Identity {
        identifier: ResourceIdentifier::parse(names::RS)?,
        realm: "Bob's deliveries".to_owned(),
        authorization_server: Issuer::parse(names::UMA)?,
        client_id: ClientId::parse(names::RS_CLIENT)?,
        proof: Proof::SecretBasic(ClientSecret::new(names::RS_SECRET)),
    };
    let read = ScopeSet::parse("get")?;
    let (clock, metadata) = (Arc::clone(&seams.clock), MetadataConfig::default());
    let parts = Seams {
        fetch: Arc::clone(&fetch),
        metadata: Arc::new(ServerMetadataCache::new(Arc::clone(&fetch), clock, &metadata)),
        clock: Arc::clone(&seams.clock),
        random: Arc::clone(&seams.random),
        // In earnest, keep them in a store: policies hang on the identifiers.
        registrations: Arc::new(MemoryRegistrations::default()),
    };
    let resources = [ResourceDescription::new("RS API", read.clone())];
    let server = Arc::new(ResourceServer::new(identity, resources, parts));

    // The API that was there before, and the layer.
    let api = Router::new()
        .route("/health", get(async || "well"))
        .route("/rs-api", get(deliveries))
        .layer(UmaLayer::new(server, Arc::new(Deliveries { read })));
    tokio::spawn(serve(listener, Transport::tls(&tls)?, api, std::future::pending()));

    // A stranger, a health check, and Alice.
    let get = |url: &str| {
        Ok::<_, Box<dyn Error>>(Request::get(EndpointUrl::parse(url)?, Limits::resource()))
    };
    let answer = fetch.fetch(get(names::RS_API)?).await?;
    let challenge = answer.headers()[WWW_AUTHENTICATE].to_str()?;
    assert!(challenge.starts_with("UMA ") && challenge.contains(names::UMA));
    println!("stranger: {}, UMA challenge of {}", answer.status(), names::UMA);
    let answer = fetch.fetch(get(&format!("{}/health", names::RS))?).await?;
    println!("health:   {}", answer.status());

    let at = |issuer: &str| -> Result<Registration, Box<dyn Error>> {
        Ok(Registration {
            issuer: Issuer::parse(issuer)?,
            client_id: ClientId::parse(names::RQP_CLIENT)?,
            proof: Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
        })
    };
    let alice = Arc::new(world.alice().await);
    let client = Client::builder(fetch, seams.clock, seams.random, at(names::STS)?, alice)
        .with_registration(at(names::UMA)?)
        .build();
    let answer = client.request(http::Request::get(names::RS_API).body(Bytes::new())?).await?;
    println!("alice:    {}, {}", answer.status(), String::from_utf8_lossy(answer.body()));
    if answer.status().is_success() { Ok(()) } else { Err("Alice was not let in".into()) }
}
