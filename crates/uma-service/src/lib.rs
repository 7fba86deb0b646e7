//! A UMA authorization server, as a router.
//!
//! `countersign-uma` decides; this crate parses requests, gathers what a decision needs from the
//! store, the clients and the network, and responds.
//!
//! | endpoint | path below the issuer | specification |
//! |---|---|---|
//! | metadata | `/.well-known/uma2-configuration`, `/.well-known/oauth-authorization-server` | [UG §2], [UF §2], [RFC 8414 §3] |
//! | token | `/token` | [UG §3.3.1], [UG §3.6], [RFC 6749 §4.4] |
//! | authorization, where resource servers ask people | `/authorize` | [RFC 6749 §3.1], [UF §1.3] |
//! | introspection | `/introspect` | [UF §5.1], [RFC 7662 §2] |
//! | revocation | `/revoke` | [UG §3.7], [RFC 7009 §2] |
//! | permission | `/permission` | [UF §4] |
//! | resource registration | `/resources`, `/resources/{_id}` | [UF §3.2] |
//! | keys, where owners are told what waits for them | `/jwks` | [RFC 7517 §5] |
//!
//! Where policy asks the resource owner, requests wait for them; [`owner`] has what they are asked,
//! and what they do about it, [`console`] the pages on which they do, and [`webhooks`] how they are
//! told. What they permit beforehand is in [`shares`].
//!
//! What holds for every request: the clock is read once; a ticket is spent in one atomic step that
//! is durable before anything is answered; an RPT is durable before it leaves; a failing store is
//! 503 and never a statement about a token; no response with a token or about one is cached.
//!
//! ```
//! use std::sync::Arc;
//!
//! use countersign_fetch::{Fetch, FetchConfig, HttpFetch};
//! use countersign_resolver::{IssuerConfig, IssuerResolver, KeysConfig, RemoteKeys};
//! use countersign_store::MemoryEngine;
//! use countersign_types::Issuer;
//! use countersign_uma::policy::rules::Rules;
//! use countersign_uma_service::discovery::NetworkDiscovery;
//! use countersign_uma_service::{LogAudit, Seams, StaticClients, Uma, UmaConfig, app};
//! # use countersign_types::{Clock, Timestamp, random::Random};
//! # struct Fixed;
//! # impl Clock for Fixed { fn now(&self) -> Timestamp { Timestamp::from_unix(0) } }
//! # impl Random for Fixed { fn fill(&self, out: &mut [u8]) { out.fill(7) } }
//! # let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(Fixed), Arc::new(Fixed));
//!
//! // Clock and randomness are those of `countersign_host::Seams::system()`.
//! let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new(&FetchConfig::default())?);
//! let discovery = NetworkDiscovery::new(
//!     IssuerResolver::new(fetch.clone(), clock.clone(), &IssuerConfig::default()),
//!     RemoteKeys::new(fetch, clock.clone(), &KeysConfig::default()),
//! );
//! let uma = Uma::new(
//!     UmaConfig::new(Issuer::parse("https://uma.bob.example")?),
//!     Seams {
//!         engine: Arc::new(MemoryEngine::new()), // in a program, the SQLite engine of the same crate
//!         clients: Arc::new(StaticClients::default()), // who is registered
//!         policy: Arc::new(Rules::new()),              // who gets in: so far, nobody
//!         discovery: Arc::new(discovery),
//!         audit: Arc::new(LogAudit),
//!         clock,
//!         random,
//!     },
//! )?;
//! let router: axum::Router = app(Arc::new(uma)); // to be served at https://uma.bob.example
//! # drop(router);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where a rule asks, requests wait, and the owner decides on the pages of the console:
//!
//! ```
//! # use std::sync::Arc;
//! # use countersign_resolver::{IssuerConfig, IssuerResolver, KeysConfig, RemoteKeys};
//! # use countersign_store::MemoryEngine;
//! # use countersign_types::{Clock, Timestamp, random::Random};
//! # use countersign_uma_service::discovery::NetworkDiscovery;
//! # use countersign_uma_service::{LogAudit, Seams, StaticClients, Uma, UmaConfig, app};
//! use countersign_fetch::{FetchConfig, HttpFetch};
//! use countersign_login::Registration;
//! use countersign_types::secret::ClientSecret;
//! use countersign_types::{ClientId, EmailAddress, Issuer, ScopeSet};
//! use countersign_uma::Protection;
//! use countersign_uma::policy::rules::{ANY, RuleConfig, Rules};
//! use countersign_uma::protection::OwnerId;
//! use countersign_uma_service::console::{ConsoleSetup, OwnerIdentity, ProviderSetup, Who};
//! # struct Fixed;
//! # impl Clock for Fixed { fn now(&self) -> Timestamp { Timestamp::from_unix(0) } }
//! # impl Random for Fixed { fn fill(&self, out: &mut [u8]) { out.fill(7) } }
//! # let fetch = Arc::new(HttpFetch::new(&FetchConfig::default())?);
//! # let config = UmaConfig::new(Issuer::parse("https://uma.bob.example")?);
//! # let seams = Seams {
//! #     engine: Arc::new(MemoryEngine::new()),
//! #     clients: Arc::new(StaticClients::default()),
//! #     policy: Arc::new(Rules::new()),
//! #     discovery: Arc::new(NetworkDiscovery::new(
//! #         IssuerResolver::new(fetch.clone(), Arc::new(Fixed), &IssuerConfig::default()),
//! #         RemoteKeys::new(fetch.clone(), Arc::new(Fixed), &KeysConfig::default()),
//! #     )),
//! #     audit: Arc::new(LogAudit),
//! #     clock: Arc::new(Fixed),
//! #     random: Arc::new(Fixed),
//! # };
//!
//! let (bob, inbox) = (OwnerId::parse("bob")?, ClientId::parse("inbox")?);
//! let asking = RuleConfig {
//!     resource: ANY.to_owned(),
//!     scopes: ScopeSet::parse("message:create")?,
//!     domains: ["alice.example".to_owned()].into(),
//!     ask: true,
//!     ..RuleConfig::default()
//! };
//! let at_the_inbox = Protection::new(bob.clone(), inbox.clone());
//! let policy = Rules::new().with(at_the_inbox, [asking.try_into()?]);
//! let his_provider = Issuer::parse("https://id.bob.example")?;
//! let console = ConsoleSetup::new(
//!     "Bob's UMA server".to_owned(),
//!     ProviderSetup {
//!         issuer: his_provider.clone(),
//!         name: "Bob's provider".to_owned(),
//!         // Registered there with `console::redirect_uri`.
//!         registration: Registration::confidential(
//!             ClientId::parse("uma-server")?,
//!             ClientSecret::new("what the provider gave out"),
//!         ),
//!         scope: ScopeSet::parse("email")?,
//!     },
//!     vec![OwnerIdentity {
//!         owner: bob,
//!         issuer: his_provider,
//!         who: Who::Email(EmailAddress::parse("bob@bob.example")?),
//!     }],
//!     vec![inbox],
//! );
//! // `config` and the other seams are as above.
//! let uma = Uma::new(config, Seams { policy: Arc::new(policy), ..seams })?
//!     .with_console(console, Arc::new(HttpFetch::new(&FetchConfig::default())?))?;
//! let router: axum::Router = app(Arc::new(uma));
//! # drop(router);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Serving: listening, TLS, time limits and the shutdown are `countersign-host`'s. Claims
//! interaction and PCTs are not offered, and the metadata does not say they are.
//!
//! # Deviations
//!
//! * The token endpoint takes `resource` and the ticket-bound claims token; see `countersign-uma`.
//! * A resource server that asks for too much gets 429, which the specifications do not mention.
//!
//! [UG §2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.2
//! [UG §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.1
//! [UG §3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.6
//! [UG §3.7]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.7
//! [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3
//! [UF §2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.2
//! [UF §3.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2
//! [UF §4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4
//! [UF §5.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.5.1
//! [RFC 6749 §3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-3.1
//! [RFC 6749 §4.4]: https://www.rfc-editor.org/rfc/rfc6749#section-4.4
//! [RFC 7009 §2]: https://www.rfc-editor.org/rfc/rfc7009#section-2
//! [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5
//! [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3

pub mod app;
pub mod audit;
mod body;
pub mod clients;
pub mod console;
pub mod discovery;
mod failure;
mod holds;
pub mod limits;
mod moments;
pub mod owner;
mod pat;
mod revocations;
mod routes;
pub mod shares;
mod turned_away;
pub mod url_clients;
pub mod webhooks;

pub use app::{Seams, Uma, UmaConfig, app};
pub use audit::{Audit, LogAudit};
pub use clients::{Client, Clients, StaticClients};
pub use discovery::Discovery;
pub use limits::Limits;
pub use owner::OwnerError;
pub use shares::ShareError;
pub use url_clients::{UrlClientTerms, UrlClients};
pub use webhooks::{Webhook, WebhookSetup};
