//! Carries a person's identity and claims from one domain to another that has never heard of it.
//!
//! Alice has an account at `alice.example`; Bob's organisation keeps something at `bob.example`.
//! Nobody registered anybody, no key was exchanged, and yet Bob's authorization server can tell
//! that it is Alice who asks, because her own provider says so: for this ticket, this server and
//! this resource, and for nothing else. Under it are User-Managed Access (UMA) 2.0 and OAuth 2.0
//! Token Exchange; what ties them together is the ticket-bound claims profile, `docs/PROFILE.md` in
//! the repository.
//!
//! This crate is the front door: a tour, and the crates behind it under one name. The programs
//! (`sts`, `uma-server`, `resource-server`, and the command line with its `demo`) are made of the
//! same crates.
//!
//! # The idea in thirty lines
//!
//! A resource server answers a request with a *permission ticket*. The client hashes it, has its
//! user's provider sign a *claims token* that contains the hash, and pushes both to the
//! authorization server that issued the ticket. The provider never sees the ticket; the
//! authorization server sees that the token was made for it.
//!
//! ```
//! use countersign::claims_token::{ClaimsToken, Expected, VerifiedEmail, check};
//! use countersign::jwt::{Algorithm, KeySet, SigningKey};
//! use countersign::permission_ticket::TicketChallenge;
//! use countersign::types::secret::TicketHandle;
//! use countersign::types::{EmailAddress, Issuer, ResourceIdentifier, Timestamp};
//!
//! let now = Timestamp::from_unix(1_800_000_000);
//! let alices_provider = Issuer::parse("https://sts.alice.example")?;
//! let bobs_server = Issuer::parse("https://uma.bob.example")?;
//! let bobs_resources = ResourceIdentifier::parse("https://rs.bob.example")?;
//!
//! // Alice's client got this from Bob's resource server, and shows its provider the hash only.
//! let ticket = TicketHandle::new("016f84e8-f9b9-11e0-bd6f-0021cc6004de");
//! let challenge = TicketChallenge::of(&ticket);
//! assert_eq!(challenge.to_string(), "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c");
//!
//! // Alice's provider countersigns.
//! let key = SigningKey::generate(Algorithm::Es256, None)?;
//! let token = ClaimsToken {
//!     iss: alices_provider.clone(),
//!     sub: "248289761001".to_owned(),
//!     email: VerifiedEmail::of_own_account(EmailAddress::parse("alice@alice.example")?),
//!     ticket_challenge: challenge,
//!     aud: bobs_server.clone(),
//!     resource: bobs_resources.clone(),
//!     iat: now,
//!     exp: now.after(ClaimsToken::LIFETIME),
//!     jti: "b2c5f6a0".to_owned(),
//!     client_id: None,
//!     act: None,
//!     amr: vec!["pwd".to_owned()],
//!     user_claims: Default::default(),
//! }
//! .mint(&key)?;
//!
//! // Bob's server: first all that needs no key, then discovery, then the signature.
//! let own = [bobs_resources];
//! let checked = check(&token, &Expected::new(&bobs_server, &ticket, &own, now))?;
//! assert_eq!(checked.email().domain(), "alice.example"); // where to ask who speaks for Alice
//! let discovered = alices_provider; // by WebFinger and OpenID discovery
//! let keys = KeySet::from_keys(vec![key.public().clone()])?; // from its `jwks_uri`
//! let alice = checked.verify(&keys, &discovered)?;
//! assert_eq!(alice.subject(), "248289761001");
//!
//! // The same token with another ticket, at another server, for another resource server: nothing.
//! let stolen = TicketHandle::new("another ticket");
//! assert!(check(&token, &Expected::new(&bobs_server, &stolen, &own, now)).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which part is yours
//!
//! | you have | feature | start at | whole program |
//! |---|---|---|---|
//! | an application whose users want in elsewhere | `client` | [`client::Client`] | `examples/embed-client` |
//! | an API that strangers may be let into | `resource` | [`resource::UmaLayer`] | `examples/embed-resource-server` |
//! | an API whose callers have access tokens, or act for somebody | `resource` | [`resource::ProtectLayer`] | `examples/protect-axum` |
//! | an API with a page in the browser, whose people sign in elsewhere | `client`, `resource` | [`client::InternalTokens`] | `examples/results-service` |
//! | a service that acts for a person elsewhere | `client` | [`client::IdentityPropagator`] | `examples/identity-propagation` |
//! | owners with a policy about who gets in | `uma` | [`uma::app()`] | `examples/embed-authorization-server` |
//! | users whose identity others should believe | `sts` | [`sts::app()`] | program `sts` |
//!
//! All four are on by default, so that this page shows everything. A program usually plays one
//! part; name its feature and leave the others' servers and database out:
//!
//! ```toml
//! countersign = { version = "0.1", default-features = false, features = ["client"] }
//! ```
//!
//! ## A client
//!
//! It is an HTTP client that knows what to do with a UMA challenge. It has to be somebody at its
//! person's provider, and somebody at the authorization server it is sent to: by a registration
//! there, or (`with_identity_elsewhere`) by one name wherever it has none.
//!
//! ```
//! use std::error::Error;
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use countersign::adapters::fetch::Fetch;
//! use countersign::adapters::host::Seams;
//! use countersign::client::{Client, Registration, Subject};
//! use countersign::client_auth::Proof;
//! use countersign::types::secret::ClientSecret;
//! use countersign::types::{ClientId, Issuer};
//!
//! /// In a program: `HttpFetch::new(&FetchConfig::default())` and `Seams::system()`; and a `Subject`
//! /// with the access token of whoever signed in, or an implementation of `SubjectToken`.
//! async fn rs_api(
//!     fetch: Arc<dyn Fetch>,
//!     Seams { clock, random }: Seams,
//!     alice: Subject,
//!     secret: &str,
//! ) -> Result<http::Response<Bytes>, Box<dyn Error>> {
//!     let known_at = |issuer| -> Result<Registration, Box<dyn Error>> {
//!         Ok(Registration {
//!             issuer: Issuer::parse(issuer)?,
//!             client_id: ClientId::parse("rqp-client")?,
//!             proof: Proof::SecretBasic(ClientSecret::new(secret)),
//!         })
//!     };
//!     let provider = known_at("https://sts.alice.example")?;
//!     let client = Client::builder(fetch, clock, random, provider, Arc::new(alice))
//!         .with_registration(known_at("https://uma.bob.example")?)
//!         .build();
//!
//!     let request = http::Request::get("https://rs.bob.example/rs-api").body(Bytes::new())?;
//!     Ok(client.request(request).await?)
//! }
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # use countersign_testkit::{Deployment, names};
//! # let world = Deployment::builder().start().await;
//! # let response = rs_api(world.http(), world.seams(), world.alice().await, names::RQP_SECRET).await?;
//! # assert_eq!(response.status(), 200);
//! # Ok::<(), Box<dyn Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! ## An API whose callers have access tokens
//!
//! A tower layer in front of the service you have. Nothing is served that the table does not name,
//! and a handler finds who is calling; everybody else was answered before.
//!
//! ```no_run
//! use std::error::Error;
//! use std::sync::Arc;
//!
//! use axum::routing::get;
//! use axum::{Extension, Router};
//! use countersign::adapters::fetch::{FetchConfig, HttpFetch};
//! use countersign::adapters::host::Seams;
//! use countersign::resource::{AccessTokens, ProtectLayer, Routes, VerifiedCaller};
//! use countersign::types::{Issuer, ResourceIdentifier};
//!
//! async fn deliveries(Extension(caller): Extension<VerifiedCaller>) -> String {
//!     format!("3 deliveries for {}", caller.subject().unwrap_or("a client of its own"))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn Error>> {
//!     let api = Router::new()
//!         .route("/health", get(async || "well"))
//!         .route("/deliveries", get(deliveries).post(async || "delivered"));
//!
//!     let here = ResourceIdentifier::parse("https://api.bob.example")?; // `aud` of the tokens
//!     let issuer = Issuer::parse("https://sts.bob.example")?;
//!     let fetch = Arc::new(HttpFetch::new(&FetchConfig::default())?);
//!     let tokens = AccessTokens::new(here, issuer, fetch, Seams::system().clock);
//!     let routes = Routes::new()
//!         .open("GET /health")
//!         .identified("GET /deliveries")
//!         .require("POST /deliveries", "deliveries.write");
//!     let api = api.layer(ProtectLayer::new(tokens, routes.build()?)?);
//!
//!     // Behind a proxy that speaks TLS; `adapters::host::serve` speaks it itself.
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     Ok(axum::serve(listener, api).await?)
//! }
//! ```
//!
//! ## An API that strangers may be let into
//!
//! The layer [`resource::UmaLayer`] answers them with a permission ticket of the authorization
//! server that protects it ([`resource::ResourceServer`]); which path is which resource is yours to
//! say.
//!
//! ```
//! use countersign::resource::layer::{Access, Rules};
//! use countersign::resource::path::StrictPath;
//! use countersign::types::ScopeSet;
//! use http::Method;
//!
//! struct Paths;
//!
//! impl Rules for Paths {
//!     fn access(&self, method: &Method, path: &StrictPath) -> Access {
//!         match (path.as_str(), method) {
//!             ("/health", _) => Access::Open,
//!             ("/rs-api", &Method::GET) => match ScopeSet::parse("get") {
//!                 Ok(scopes) => Access::Protected { resource: "RS API".to_owned(), scopes },
//!                 Err(_) => Access::NotFound,
//!             },
//!             _ => Access::NotFound,
//!         }
//!     }
//! }
//! ```
//!
//! ## An authorization server
//!
//! Who gets in is decided behind one trait; what it is not told to permit is denied. The page of
//! [`uma`] has the rest: the router, its clients, its store, and how it finds people's providers.
//!
//! ```
//! use countersign::protocol::uma::Protection;
//! use countersign::protocol::uma::policy::{
//!     Decision, Policy, PolicyRequest, RequiredClaim, Revision, Ruling,
//! };
//! use countersign::types::Timestamp;
//!
//! /// Everyone at `alice.example` may read.
//! struct Neighbours;
//!
//! impl Policy for Neighbours {
//!     fn assess(&self, request: &PolicyRequest<'_>) -> Ruling {
//!         let decision = match request.person {
//!             None => Decision::NeedClaims(vec![RequiredClaim::email()]),
//!             Some(person) if request.scope != "get" || person.email.domain() != "alice.example" => {
//!                 Decision::Deny
//!             }
//!             Some(_) => Decision::Permit,
//!         };
//!         decision.into()
//!     }
//!
//!     // Another one whenever the rule above changes: then tokens given under it are looked at anew.
//!     fn revision(&self, _: &Protection, _: Timestamp) -> Revision {
//!         Revision::of("neighbours, 2026-11")
//!     }
//! }
//! ```
//!
//! ## An identity provider
//!
//! A router with an OpenID provider and its security token service. Its people, its clients and its
//! keys are yours to bring, each behind a trait.
//!
//! ```
//! use std::sync::Arc;
//!
//! use countersign::adapters::host::Seams;
//! use countersign::adapters::store::MemoryEngine;
//! use countersign::jwt::{Algorithm, SigningKey, SigningRing};
//! use countersign::protocol::token_exchange::{ByRegistration, ServerPolicy};
//! use countersign::sts::{LogAudit, Parts, Settings, StaticClients, StaticUsers, Sts, app};
//! use countersign::types::{Issuer, Lifetime, ScopeSet};
//!
//! let Seams { clock, random } = Seams::system();
//! let keys = [Algorithm::Es256, Algorithm::Rs256].map(|alg| SigningKey::generate(alg, None));
//! let sts = Sts::new(Parts {
//!     settings: Settings {
//!         name: "alice.example".into(),
//!         email_domains: ["alice.example".to_owned()].into(),
//!         scopes: ScopeSet::parse("openid email claims-provider")?,
//!         session_lifetime: Lifetime::from_secs(36_000),
//!         access_token_lifetime: Lifetime::from_secs(300),
//!         id_token_lifetime: Lifetime::from_secs(300),
//!         refresh_token_lifetime: Lifetime::from_secs(30 * 86_400),
//!         refresh_token_idle: Lifetime::from_secs(7 * 86_400),
//!     },
//!     delegation: Arc::new(ByRegistration),
//!     policy: ServerPolicy::new(Issuer::parse("https://sts.alice.example")?),
//!     keys: SigningRing::from_keys(keys.into_iter().collect::<Result<_, _>>()?)?,
//!     clients: Arc::new(StaticClients::default()),
//!     users: Arc::new(StaticUsers::default()),
//!     engine: Arc::new(MemoryEngine::new()), // in a program, the SQLite engine of the same crate
//!     clock,
//!     random,
//!     audit: Arc::new(LogAudit),
//! })?;
//! let router = app(Arc::new(sts)); // to be served at https://sts.alice.example
//! # drop(router);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## An owner who is asked
//!
//! What is not decided beforehand, a policy leaves to the owner
//! ([`AskOwner`](protocol::uma::policy::Decision::AskOwner)). The client hears that it waits
//! ([`client::ClientError::Submitted`]) and goes on with [`client::Client::resume`]; the owner
//! decides by what is in [`uma::owner`], or in a browser on the pages of [`uma::console`], and what
//! they permit for good is one of their [`uma::shares`]. `countersign demo 003` shows it with the
//! programs: a letter into the inbox of `resource-server`, and a claims provider of its own
//! ([`sts::claims::provider`]) in front of a server that only signs people in.
//!
//! # How it is built
//!
//! The protocol decides and never waits: [`protocol`] and what it stands on have no clock, socket,
//! file or runtime, so that every decision can be tested as a function. A check returns a type that
//! only that check can make (verified claims, an authenticated client, a verified address), so that
//! what was not checked does not fit where it would be used. What the outside is needed for comes
//! through small traits; [`adapters`] implements them for a server on tokio.
//!
//! | layer | |
//! |---|---|
//! | [`types`] | the nouns every specification shares, parsed once and redacted by default |
//! | [`jwt`] | keys, and an unverified token turned into verified claims under a stated policy |
//! | [`permission_ticket`], [`client_auth`], [`metadata`], [`claims_token`], [`identity_propagation`] | the protocol's small parts |
//! | [`protocol`] | UMA, token exchange, OpenID Connect: requests to decisions to responses |
//! | [`adapters`] | fetching, storing, finding foreign keys and issuers, serving |
//! | [`client`], [`resource`], [`sts`], [`uma`] | the four roles |
//!
//! # What is left out
//!
//! Signing people in at a foreign provider (`countersign-login`) and the programs. Policies in
//! Cedar take the feature `cedar`. What no crate here does yet is listed in `docs/ARCHITECTURE.md`.

pub use countersign_claims_token as claims_token;
pub use countersign_client_auth as client_auth;
pub use countersign_identity_propagation as identity_propagation;
pub use countersign_jwt as jwt;
pub use countersign_metadata as metadata;
pub use countersign_permission_ticket as permission_ticket;
pub use countersign_types as types;

#[cfg(feature = "client")]
pub use countersign_client as client;
#[cfg(feature = "resource")]
pub use countersign_resource as resource;
#[cfg(feature = "sts")]
pub use countersign_sts_service as sts;
#[cfg(feature = "uma")]
pub use countersign_uma_service as uma;

/// The protocols themselves, without any I/O: values in, decision out.
pub mod protocol {
    #[cfg(feature = "sts")]
    pub use countersign_oidc as oidc;
    #[cfg(feature = "sts")]
    pub use countersign_token_exchange as token_exchange;
    #[cfg(feature = "uma")]
    pub use countersign_uma as uma;
}

/// The outside, behind the traits the rest is written against.
pub mod adapters {
    #[cfg(feature = "cedar")]
    pub use countersign_cedar as cedar;
    #[cfg(any(feature = "client", feature = "resource", feature = "sts", feature = "uma"))]
    pub use countersign_fetch as fetch;
    #[cfg(any(feature = "client", feature = "resource", feature = "sts", feature = "uma"))]
    pub use countersign_host as host;
    #[cfg(any(feature = "client", feature = "resource", feature = "uma"))]
    pub use countersign_resolver as resolver;
    #[cfg(any(feature = "sts", feature = "uma"))]
    pub use countersign_store as store;
}
