//! What is ours, where everybody is, and what the foreign parties are told of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use countersign_client_auth::Proof;
use countersign_fetch::Fetch;
use countersign_host::Seams;
use countersign_host::server::{Transport, serve};
use countersign_jwt::{Algorithm, KeySet, Sign, SigningKey};
use countersign_metadata::{ClientIdUrl, ClientKeys, ClientMetadata};
use countersign_resource::identity_propagation::{Domains, MemoryProofs};
use countersign_resource::{
    AccessTokens, IdentityPropagation, IntrospectedTokens, Introspector, Mode, ProtectLayer,
    Routes, VerifiedCaller,
};
use countersign_testkit::{Deployment, Party, keys, names};
use countersign_types::{ClientId, Issuer, RedirectUri, ResourceIdentifier};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::{Failure, alice, bob};

/// The foreign provider.
pub(crate) const PROVIDER: &str = "https://op.carol.example";
/// Takes the foreign provider's self-contained tokens.
pub(crate) const API: &str = "https://api.bob.example";
/// Asks the foreign provider what its tokens are worth.
pub(crate) const ASKING_API: &str = "https://asking.bob.example";
/// Our client, by its document.
pub(crate) const CLIENT: &str = "https://ours.services.example/client";
/// Where it receives authorization responses.
pub(crate) const REDIRECT_URI: &str = "https://ours.services.example/callback";
/// Takes identity tokens.
const PARTY: &str = "https://party.bob.example";

/// Hosts of ours, and hosts whose places foreign parties take.
const OURS: [&str; 4] =
    ["party.bob.example", "api.bob.example", "asking.bob.example", "ours.services.example"];
const FOREIGN: [&str; 6] = [
    "python.services.example",
    "node.services.example",
    "op.carol.example",
    "idp.university.example",
    "idp.college.example",
    "keycloak.example",
];

/// Everything of ours, running.
pub(crate) struct World {
    pub(crate) http: Arc<dyn Fetch>,
    pub(crate) seams: Seams,
    /// The key of our client.
    pub(crate) key: Arc<SigningKey>,
    /// Where the foreign parties' programs are.
    pub(crate) scripts: PathBuf,
    /// The file that each of them reads.
    pub(crate) description: PathBuf,
    _deployment: Deployment,
}

impl World {
    pub(crate) async fn start(scripts: &Path) -> Result<Self, Failure> {
        let seams = Seams::system();
        let builder = Deployment::builder().with_seams(seams.clone());
        let builder = builder.with(Party::Sts, alice::configure);
        let builder = builder.with(Party::UmaServer, bob::configure);
        let hosts = OURS.into_iter().chain(FOREIGN);
        let mut deployment =
            hosts.fold(builder, |builder, host| builder.with_host(host)).start().await;
        let http = deployment.http();
        let key = Arc::new(SigningKey::generate(Algorithm::Es256, None)?);

        let party = IdentityPropagation::new(
            ResourceIdentifier::parse(PARTY)?,
            Domains::any(),
            Arc::clone(&http),
            Arc::clone(&seams.clock),
            Arc::new(MemoryProofs::new(Arc::clone(&seams.clock))),
        );
        let issuer = Issuer::parse(PROVIDER)?;
        let own = ResourceIdentifier::parse(API)?;
        let local =
            AccessTokens::new(own, issuer.clone(), Arc::clone(&http), Arc::clone(&seams.clock));
        let introspector = Introspector {
            issuer,
            client_id: ClientId::parse(CLIENT)?,
            proof: Proof::PrivateKeyJwt(Arc::clone(&key) as Arc<dyn Sign>),
        };
        let (clock, random) = (Arc::clone(&seams.clock), Arc::clone(&seams.random));
        let own = ResourceIdentifier::parse(ASKING_API)?;
        let asking = IntrospectedTokens::new(own, introspector, Arc::clone(&http), clock, random);
        for (host, router) in OURS.into_iter().zip([
            letters(party.into(), "")?,
            letters(local.into(), "letters.read")?,
            letters(asking.into(), "letters.read")?,
            document(&key)?,
        ]) {
            let (listener, tls) = deployment.take_host(host);
            let transport = Transport::tls(&tls)?;
            tokio::spawn(serve(listener, transport, router, std::future::pending()));
        }

        let description = deployment.directory().join("world.json");
        let mut certificates = Map::new();
        for host in FOREIGN {
            // The foreign party listens where this listener did.
            let (listener, tls) = deployment.take_host(host);
            let port = listener.local_addr()?.port();
            let place = json!({ "port": port, "certificate": tls.certificate, "key": tls.key });
            certificates.insert(host.to_owned(), place);
        }
        let told = json!({
            "connect_to": deployment.connect_to(), "roots": deployment.roots(),
            "places": certificates, "sts": names::STS, "party": PARTY, "owners_server": names::UMA, "person": names::ALICE,
            "subject_token": deployment.alice().await.access_token.expose(),
            "apis": { "jwt": API, "opaque": ASKING_API }, "subject": names::ALICE_SUB,
            "username": "alice", "password": names::ALICE_PASSWORD,
            // What the provider's configuration names by files.
            "client_key": serde_json::from_str::<Value>(keys::ES256_B)?,
            "secrets": {
                "python-app": names::PLAIN_SECRET, "letters-api": names::OTHER_SECRET,
                "results-api": names::RQP_SECRET, "sts.alice.example": names::RQP_SECRET,
                "keycloak": names::RS_SECRET, "rqp-client": names::RQP_SECRET,
                "python-rs": names::OTHER_RS_SECRET, "rust-rs": names::PLAIN_SECRET,
            },
        });
        std::fs::write(&description, told.to_string())?;
        let scripts = scripts.to_owned();
        Ok(Self { http, seams, key, scripts, description, _deployment: deployment })
    }
}

/// An API that says who is calling, and through whom.
fn letters(mode: Mode, scope: &str) -> Result<Router, Failure> {
    let read = async |Extension(caller): Extension<VerifiedCaller>| {
        let through = caller.actors().map(|actors| actors.current().sub.as_str());
        let through = through.or(caller.client_id()).unwrap_or("nobody");
        format!("{} through {through}", caller.subject().unwrap_or("nobody"))
    };
    let written = async || (StatusCode::CREATED, [("location", "/letters/1")]);
    let routes = Routes::new().require("GET /letters", scope).require("POST /letters", scope);
    let layer = ProtectLayer::new(mode, routes.build()?)?;
    Ok(Router::new().route("/letters", get(read).post(written)).layer(layer))
}

/// What our client publishes at its own URL.
fn document(key: &SigningKey) -> Result<Router, Failure> {
    let keys = ClientKeys::Jwks(KeySet::from_keys(vec![key.public().clone()])?);
    let mut metadata = ClientMetadata::new(&ClientIdUrl::of(&ClientId::parse(CLIENT)?)?, keys);
    metadata.redirect_uris = vec![RedirectUri::parse(REDIRECT_URI)?];
    metadata.grant_types = ["authorization_code", "client_credentials"].map(str::to_owned).to_vec();
    let document = metadata.to_json()?.to_string();
    let answer = async move || ([(CONTENT_TYPE, "application/json")], document);
    Ok(Router::new().route("/client", get(answer)))
}
