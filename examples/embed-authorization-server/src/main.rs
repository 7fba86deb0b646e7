//! How do I decide, in code of my own, who gets in?
//!
//! ```console
//! $ cargo run -q -p countersign-example-embed-authorization-server
//! policy: 248289761001 of https://sts.alice.example (alice@alice.example), scope get at RS API: yes
//! RS API:     200 OK
//! policy: 248289761001 of https://sts.alice.example (alice@alice.example), scope get at Department API: no
//! Department: refused by the owner's policy
//! ```
//!
//! The UMA authorization server is a router over a few seams. The one to write is [`Policy`]; it is
//! asked when everything else has been checked, and what it does not permit is denied.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use countersign::adapters::host::server::{Transport, serve};
use countersign::adapters::resolver::{IssuerConfig, IssuerResolver, KeysConfig, RemoteKeys};
use countersign::adapters::store::SqliteEngine;
use countersign::client::{Client as Application, ClientError, Registration};
use countersign::client_auth::{Credentials, Method, Proof, RegisteredClient, SecretDigest};
use countersign::protocol::uma::policy::{
    Decision, Policy, PolicyRequest, RequiredClaim, Revision, Ruling,
};
use countersign::protocol::uma::protection::{
    OwnerId, Protection, ResourceParameter, ResourceServer,
};
use countersign::types::secret::ClientSecret;
use countersign::types::{ClientId, Issuer, ResourceIdentifier, ScopeSet, Timestamp};
use countersign::uma::discovery::NetworkDiscovery;
use countersign::uma::{Client, LogAudit, Seams, StaticClients, Uma, UmaConfig, app};
use countersign_testkit::{Deployment, Party, names};

/// Neighbours may read the API, if they came themselves.
struct Neighbours;

impl Policy for Neighbours {
    fn assess(&self, request: &PolicyRequest<'_>) -> Ruling {
        let Some(person) = request.person else {
            return Decision::NeedClaims(vec![RequiredClaim::email()]).into();
        };
        let resource = request.resource.name().unwrap_or_default();
        let yes = resource == "RS API"
            && request.scope == "get"
            && person.present
            && person.email.domain() == "alice.example";
        let (sub, iss, email) = (&person.sub, &person.iss, person.email.as_str());
        let answer = if yes { "yes" } else { "no" };
        println!(
            "policy: {sub} of {iss} ({email}), scope {} at {resource}: {answer}",
            request.scope
        );
        if yes { Decision::Permit.into() } else { Decision::Deny.into() }
    }

    // Another one whenever the rule changes: then tokens given under it are looked at anew.
    fn revision(&self, _: &Protection, _: Timestamp) -> Revision {
        Revision::of("neighbours, 2026-11")
    }
}

/// Who is registered: Bob's resource server, and an application.
fn clients() -> Result<StaticClients, Box<dyn Error>> {
    let registered = |id: &str, secret: &str| -> Result<RegisteredClient, Box<dyn Error>> {
        let digest = SecretDigest::of(&ClientSecret::new(secret));
        let credentials = Credentials::Secret(digest, vec![Method::ClientSecretBasic]);
        Ok(RegisteredClient { id: ClientId::parse(id)?, credentials })
    };
    let bob = Protection::new(OwnerId::parse("bob")?, ClientId::parse(names::RS_CLIENT)?);
    let resource_server = Client {
        registered: registered(names::RS_CLIENT, names::RS_SECRET)?,
        uma_grant: None,
        resource_server: Some(ResourceServer {
            protection: bob,
            resource_identifiers: vec![ResourceIdentifier::parse(names::RS)?],
            resource_parameter: ResourceParameter::Required,
        }),
    };
    let application = Client {
        registered: registered(names::RQP_CLIENT, names::RQP_SECRET)?,
        uma_grant: Some(ScopeSet::empty()),
        resource_server: None,
    };
    Ok([resource_server, application].into_iter().collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Everybody else, on loopback, with a place kept free for this server.
    let mut world = Deployment::builder().without(Party::UmaServer).start().await;
    let (listener, tls) = world.take_place(Party::UmaServer);
    let (fetch, seams) = (world.http(), world.seams());
    let clock = || Arc::clone(&seams.clock);

    let issuers = IssuerResolver::new(Arc::clone(&fetch), clock(), &IssuerConfig::default());
    let keys = RemoteKeys::new(Arc::clone(&fetch), clock(), &KeysConfig::default());
    let uma = Uma::new(
        UmaConfig::new(Issuer::parse(names::UMA)?),
        Seams {
            engine: Arc::new(SqliteEngine::open(&world.directory().join("embedded.db"), clock())?),
            clients: Arc::new(clients()?),
            policy: Arc::new(Neighbours),
            discovery: Arc::new(NetworkDiscovery::new(issuers, keys)),
            audit: Arc::new(LogAudit),
            clock: clock(),
            random: Arc::clone(&seams.random),
        },
    )?;
    let router = app(Arc::new(uma));
    tokio::spawn(serve(listener, Transport::tls(&tls)?, router, std::future::pending()));

    // Alice asks for two of Bob's resources.
    let at = |issuer: &str| -> Result<Registration, Box<dyn Error>> {
        Ok(Registration {
            issuer: Issuer::parse(issuer)?,
            client_id: ClientId::parse(names::RQP_CLIENT)?,
            proof: Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
        })
    };
    let alice = Arc::new(world.alice().await);
    let application =
        Application::builder(fetch, clock(), seams.random.clone(), at(names::STS)?, alice)
            .with_registration(at(names::UMA)?)
            .build();
    let get = |url: &str| http::Request::get(url).body(Bytes::new());
    let answer = application.request(get(names::RS_API)?).await?;
    println!("RS API:     {}", answer.status());
    match application.request(get(names::DEPARTMENT_API)?).await {
        Err(ClientError::Denied { .. }) => println!("Department: refused by the owner's policy"),
        other => return Err(format!("expected a refusal: {other:?}").into()),
    }
    Ok(())
}
