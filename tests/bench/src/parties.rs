//! Who is who in the benches, and a UMA server that knows them.

#![allow(clippy::unwrap_used, reason = "a bench stops at once")]

use std::sync::Arc;

use axum::Router;
use countersign_client_auth::{Credentials, RegisteredClient, SecretDigest};
use countersign_host::Seams;
use countersign_jwt::{KeySet, SigningKey};
use countersign_store::Engine;
use countersign_store::engine::BoxFuture;
use countersign_types::secret::ClientSecret;
use countersign_types::{
    ClientId, EmailAddress, EndpointUrl, Issuer, ResourceIdentifier, ScopeSet,
};
use countersign_uma::policy::Policy;
use countersign_uma::protection::{OwnerId, ResourceParameter, ResourceServer};
use countersign_uma::{NamedBy, Protection};
use countersign_uma_service as uma;
use countersign_uma_service::discovery::{DiscoveredIssuer, Discovery, NotDiscovered};

/// Alice's provider.
pub const STS: &str = "https://sts.alice.example";
/// Bob's UMA server.
pub const UMA: &str = "https://uma.bob.example";
/// His resource server, which is the client `rs`.
pub const RS: &str = "https://rs.bob.example";
/// Alice's address.
pub const ALICE: &str = "alice@alice.example";
/// Her client.
pub const CLIENT: &str = "rqp-client";
/// The secret of every client that has one.
pub const SECRET: &str = "a secret of forty-three characters, or more.";

/// A client that has the secret.
///
/// # Panics
/// If `id` is no client identifier.
#[must_use]
pub fn registered(id: &str) -> RegisteredClient {
    let credentials = Credentials::secret(SecretDigest::of(&ClientSecret::new(SECRET)));
    RegisteredClient { id: ClientId::parse(id).unwrap(), credentials }
}

/// Whose resources the resource server protects.
///
/// # Panics
/// Never: the names are good ones.
#[must_use]
pub fn bob() -> Protection {
    Protection::new(OwnerId::parse("bob").unwrap(), ClientId::parse("rs").unwrap())
}

/// Bob's UMA server, which has found already who speaks for every address, and that they sign with
/// `key`.
///
/// # Panics
/// If the key is none to verify with.
pub fn uma(
    key: &SigningKey,
    engine: Arc<dyn Engine>,
    policy: Arc<dyn Policy>,
    seams: &Seams,
) -> Router {
    let clients = [
        uma::Client {
            registered: registered(CLIENT),
            uma_grant: Some(ScopeSet::default()),
            resource_server: None,
        },
        uma::Client {
            registered: registered("rs"),
            uma_grant: None,
            resource_server: Some(ResourceServer {
                protection: bob(),
                resource_identifiers: vec![ResourceIdentifier::parse(RS).unwrap()],
                resource_parameter: ResourceParameter::Required,
            }),
        },
    ];
    let issuer = DiscoveredIssuer {
        issuer: Issuer::parse(STS).unwrap(),
        jwks_uri: EndpointUrl::parse("https://sts.alice.example/jwks").unwrap(),
        named_by: NamedBy::WebFinger,
    };
    let keys = KeySet::from_keys(vec![key.public().clone()]).unwrap();
    let seams = uma::Seams {
        engine,
        clients: Arc::new(uma::StaticClients::from_iter(clients)),
        policy,
        discovery: Arc::new(Found(issuer, Arc::new(keys))),
        audit: Arc::new(uma::LogAudit),
        clock: Arc::clone(&seams.clock),
        random: Arc::clone(&seams.random),
    };
    let config = uma::UmaConfig::new(Issuer::parse(UMA).unwrap());
    uma::app(Arc::new(uma::Uma::new(config, seams).unwrap()))
}

/// The issuer behind every address and its keys, found already: a resolver keeps both.
struct Found(DiscoveredIssuer, Arc<KeySet>);

impl Discovery for Found {
    fn issuer<'a>(
        &'a self,
        _: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<DiscoveredIssuer, NotDiscovered>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn keys<'a>(
        &'a self,
        _: &'a DiscoveredIssuer,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<KeySet>, NotDiscovered>> {
        Box::pin(async { Ok(Arc::clone(&self.1)) })
    }
}
