//! Accepts or challenges a caller of a protected resource.
//!
//! | module | what it implements |
//! |---|---|
//! | [`path`] | one spelling for every path, before anything is decided ([RFC 3986 §6.2.2]) |
//! | [`protect`] | the layer in front of an API, one for every way to prove who is calling ([RFC 6750 §3], [RFC 9728 §3, §5.1]) |
//! | [`proxy`] | the layer in front of anything that speaks HTTP ([RFC 9110 §7.6]) |
//! | [`routes`] | which method and path needs what; nothing is served that is not named |
//! | [`policy`] | what this server decides by itself: who may do what, when; with the feature `cedar`, in Cedar |
//! | [`access_token`] | access tokens, verified here ([RFC 9068 §4]) or by asking their issuer ([RFC 7662]) |
//! | [`identity_propagation`] | a person of another domain and the service that acts for them, by identity token and client proof |
//! | [`dpop`] | tokens that are bound to a key, and the proof of it ([RFC 9449 §7, §9]) |
//! | [`caller`] | who is calling, established: what a handler finds |
//! | [`revocation`] | what this server no longer accepts, whoever signed it |
//! | [`bearer`] | the token of a request, from the header alone ([RFC 6750 §2.1, §3.1]) |
//! | [`introspect`] | what the authorization server says about a token ([RFC 7662 §2.2], UMA 2.0 Federated Authorization §5.1.1) |
//! | [`mod@decide`] | whether a token suffices; pure (UMA 2.0 Grant §3.5) |
//! | [`challenge`] | the answer to a caller without sufficient authorization (UMA 2.0 Grant §3.2) |
//! | [`registration`] | resource descriptions, and the memory of their identifiers (UMA 2.0 Federated Authorization §3) |
//! | [`server`] | the conversation with the authorization server: PAT, registration, permission tickets, introspection (UMA 2.0 Federated Authorization §1.3, §3-5), and this server's own metadata ([RFC 9728]) |
//! | [`limit`] | how many permission tickets one source is given, and how many tokens it may have asked about in vain |
//! | [`layer`] | UMA as a tower layer with rules of its own |
//!
//! # Bearer tokens
//!
//! An API takes a few lines: [`ProtectLayer`] with the issuer of its tokens and a table of what
//! needs which scope. The handler gets a [`VerifiedCaller`]; everybody else is answered before.
//!
//! ```
//! # use std::sync::Arc;
//! # use countersign_fetch::{FetchConfig, HttpFetch};
//! # use countersign_resource::{AccessTokens, ProtectLayer, Routes};
//! # use countersign_types::{Issuer, ResourceIdentifier};
//! # struct Fixed;
//! # impl countersign_types::Clock for Fixed {
//! #     fn now(&self) -> countersign_types::Timestamp { countersign_types::Timestamp::from_unix(0) }
//! # }
//! # let (clock, fetch) = (Arc::new(Fixed), Arc::new(HttpFetch::new(&FetchConfig::default())?));
//! let api = ResourceIdentifier::parse("https://api.bob.example")?;
//! let issuer = Issuer::parse("https://sts.bob.example")?;
//! let routes = Routes::new().open("GET /health").require("GET /albums/{id}", "albums.read");
//! let tokens = AccessTokens::new(api, issuer, fetch, clock);
//! let layer = ProtectLayer::new(tokens, routes.build()?)?; // axum: router.layer(layer)
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without axum, the service behind the layer is any tower service, and hyper serves the two:
//!
//! ```
//! # use std::{convert::Infallible, sync::Arc};
//! # use countersign_fetch::{FetchConfig, HttpFetch};
//! # use countersign_resource::{AccessTokens, ProtectLayer, Routes, VerifiedCaller};
//! # use countersign_types::{Issuer, ResourceIdentifier};
//! # use tokio::io::{AsyncRead, AsyncWrite, AsyncReadExt as _, AsyncWriteExt as _};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use hyper::{body::Incoming, server::conn::http1};
//! use hyper_util::{rt::TokioIo, service::TowerToHyperService};
//! use tower_layer::Layer as _;
//! # struct Fixed;
//! # impl countersign_types::Clock for Fixed {
//! #     fn now(&self) -> countersign_types::Timestamp { countersign_types::Timestamp::from_unix(0) }
//! # }
//!
//! /// For every connection that a listener accepts.
//! async fn serve<T>(connection: T, layer: ProtectLayer) -> hyper::Result<()>
//! where
//!     T: AsyncRead + AsyncWrite + Unpin,
//! {
//!     let albums = tower::service_fn(|request: Request<Incoming>| async move {
//!         let caller = request.extensions().get::<VerifiedCaller>();
//!         let text = caller.and_then(VerifiedCaller::subject).unwrap_or("nobody").to_owned();
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(text)))
//!     });
//!     let service = TowerToHyperService::new(layer.layer(albums));
//!     http1::Builder::new().serve_connection(TokioIo::new(connection), service).await
//! }
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # let (clock, fetch) = (Arc::new(Fixed), Arc::new(HttpFetch::new(&FetchConfig::default())?));
//! # let api = ResourceIdentifier::parse("https://api.bob.example")?;
//! # let issuer = Issuer::parse("https://sts.bob.example")?;
//! # let routes = Routes::new().open("GET /health").require("GET /albums/{id}", "albums.read");
//! # let layer = ProtectLayer::new(AccessTokens::new(api, issuer, fetch, clock), routes.build()?)?;
//! # for (path, status) in [("/health", "200 OK"), ("/albums/7", "401 Unauthorized"), ("/", "404 Not Found")] {
//! #     let (mut caller, connection) = tokio::io::duplex(4096);
//! #     let serving = tokio::spawn(serve(connection, layer.clone()));
//! #     let request = format!("GET {path} HTTP/1.1\r\nhost: api.bob.example\r\nconnection: close\r\n\r\n");
//! #     caller.write_all(request.as_bytes()).await?;
//! #     let mut answer = String::new();
//! #     caller.read_to_string(&mut answer).await?;
//! #     assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
//! #     serving.await??;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # UMA
//!
//! A caller whose token is missing, not active, of another server, or insufficient gets the same
//! answer: 401 and a challenge with a new permission ticket. If the authorization server cannot be
//! asked, it is 403 with a `Warning` and without a ticket; if this server's own rules refuse
//! someone whom the authorization server let in, it is 403.
//!
//! ```
//! use countersign_resource::decide::{Expected, RequiredPermission, decide};
//! use countersign_resource::introspect::Introspection;
//! use countersign_types::{Issuer, ResourceIdentifier, ScopeSet, Timestamp};
//!
//! // What the authorization server answers about a token (`ResourceServer::introspect`).
//! let introspection = Introspection::parse(
//!     br#"{"active": true, "aud": "https://rs.bob.example", "sub": "alice",
//!          "permissions": [{"resource_id": "KX3A", "resource_scopes": ["get"]}]}"#,
//! )?;
//! // What the request needs, and for whom this server takes tokens.
//! let required =
//!     RequiredPermission { resource_id: "KX3A".to_owned(), scopes: ScopeSet::parse("get")? };
//! let expected = Expected {
//!     issuer: &Issuer::parse("https://uma.bob.example")?,
//!     audience: &ResourceIdentifier::parse("https://rs.bob.example")?,
//! };
//! let caller = decide(&introspection, &required, expected, Timestamp::from_unix(1_800_000_000))?;
//! assert_eq!(caller.subject(), Some("alice"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where the owner has to be asked first, nothing changes here: the caller has its ticket, waits
//! with the authorization server, and comes back with a token. A resource that takes what others
//! leave, as the inbox of the program `resource-server`, gives each method a scope of its own in
//! its [`Rules`]:
//!
//! ```
//! use countersign_resource::{Access, Rules, StrictPath};
//! use countersign_types::ScopeSet;
//! use http::Method;
//!
//! struct Incoming;
//!
//! impl Rules for Incoming {
//!     fn access(&self, method: &Method, path: &StrictPath) -> Access {
//!         let scope = match (path.as_str(), method) {
//!             ("/incoming", &Method::POST) => "message:create",
//!             ("/incoming", &Method::GET) => "message:view",
//!             _ => return Access::NotFound,
//!         };
//!         match ScopeSet::parse(scope) {
//!             Ok(scopes) => Access::Protected { resource: "Bob's Incoming".to_owned(), scopes },
//!             Err(_) => Access::NotFound,
//!         }
//!     }
//! }
//! ```
//!
//! # What is left out
//!
//! - RPTs validated without asking: each is introspected at every use, so that a revocation bites
//!   at once.
//! - Encrypted access tokens, and RPTs that are bound to a key (`cnf`): they are refused. So are
//!   access tokens that are bound to one, unless [`Mode::with_dpop`] says where used proofs are
//!   noted.
//! - PATs that a person grants (UMA 2.0 Federated Authorization §1.3 leaves the grant open): the
//!   PAT comes from the client credentials grant, for resources whose owner is an organisation.
//! - A token in the request body ([RFC 6750 §2.2]): it is not looked for.
//!
//! # Deviations
//!
//! - A token in the query is refused ([RFC 9700 §4.3.2]), although RFC 6750 §2.3 describes it.
//! - A source that is given too many permission tickets gets 429 ([RFC 6585 §4]), which UMA does
//!   not mention, where the embedder sets such a limit; so does one whose tokens turn out to be
//!   none too often, where tokens are introspected.
//! - The introspection response must carry `aud` with this server's resource identifier, which
//!   RFC 7662 §2.2 leaves optional: without it a token for one resource server would open another.
//!
//! [RFC 3986 §6.2.2]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2
//! [RFC 6585 §4]: https://www.rfc-editor.org/rfc/rfc6585#section-4
//! [RFC 6750 §2.1, §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
//! [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
//! [RFC 6750 §2.2]: https://www.rfc-editor.org/rfc/rfc6750#section-2.2
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4
//! [RFC 9728 §3, §5.1]: https://www.rfc-editor.org/rfc/rfc9728#section-5.1
//! [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
//! [RFC 9110 §7.6]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6
//! [RFC 9700 §4.3.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2
//! [RFC 9449 §7, §9]: https://www.rfc-editor.org/rfc/rfc9449#section-7
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

pub mod access_token;
mod attempt;
pub mod bearer;
pub mod caller;
pub mod challenge;
mod claimed;
pub mod decide;
pub mod dpop;
pub mod error;
mod gate;
pub mod identity_propagation;
pub mod introspect;
pub mod layer;
pub mod limit;
pub mod path;
pub mod policy;
#[cfg(test)]
mod pretend;
#[cfg(test)]
mod pretend_issuer;
pub mod protect;
mod protection;
pub mod proxy;
pub mod registration;
pub mod revocation;
pub mod routes;
pub mod server;

pub use access_token::{AccessTokens, IntrospectedTokens, Introspector};
pub use caller::VerifiedCaller;
pub use challenge::UmaChallenge;
pub use decide::{Caller, decide};
pub use dpop::Dpop;
pub use error::ConversationError;
pub use identity_propagation::IdentityPropagation;
pub use introspect::Introspection;
pub use layer::{Access, Rules, Uma, UmaLayer};
pub use limit::{GuessLimit, TicketLimit};
pub use path::StrictPath;
pub use policy::AccessPolicy;
pub use protect::{Mode, ProtectLayer};
pub use proxy::Proxy;
pub use registration::{MemoryRegistrations, RegistrationStore, ResourceDescription};
pub use revocation::Revocations;
pub use routes::Routes;
pub use server::{Authorization, Identity, ResourceServer, Seams};
