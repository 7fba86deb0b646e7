//! An OpenID provider with a security token service, as a router.
//!
//! | route (under the issuer) | what answers | specification |
//! |---|---|---|
//! | `/.well-known/openid-configuration`, `/.well-known/oauth-authorization-server` | metadata | [OpenID Connect Discovery §4], [RFC 8414 §3] |
//! | `/jwks` | public keys | [RFC 7517 §5] |
//! | `/.well-known/webfinger` (at the e-mail domains) | who speaks for an address | [RFC 7033] |
//! | `/authorize`, `/login`, `/consent` | the authorization code grant with PKCE, pages to sign in and to allow | [RFC 6749 §4.1], [RFC 7636], [RFC 9207] |
//! | `/login/upstream`, `/login/callback/ALIAS`, `/login/link` | signing in through other OpenID providers | [OpenID Connect Core §3.1], [RFC 9700 §4.4] |
//! | `/token` | `authorization_code`, `refresh_token`, `client_credentials`, token exchange | [RFC 6749 §3.2, §6], [RFC 8693] |
//! | `/userinfo` | claims about the person | [OpenID Connect Core §5.3] |
//! | `/account` | where a person is signed in, what they allowed and the providers that their account is linked to, to be ended | |
//! | `/logout` | the end of a session | [OpenID Connect RP-Initiated Logout §2] |
//! | `/claims` | claims tokens for whoever holds an access token (PROFILE §5.6) | |
//! | `/scim/v2/Users` | who has an address, for a claims provider in front of this one | [RFC 7644 §3.4.2] |
//! | `/introspect` | what resource servers are told of an access token | [RFC 7662 §2] |
//! | `/revoke` | the end of a token, or of a grant | [RFC 7009 §2] |
//!
//! Each endpoint parses with a pure crate (`countersign-oidc`, `countersign-token-exchange`),
//! gathers what the decision needs by waiting for a seam, decides with the pure crate again, and
//! responds. [`Clients`], [`Users`], [`Audit`], the store's `Engine`, the clock and randomness are
//! the seams.
//!
//! A token exchange with `ticket_challenge` gives a claims token: the person's verified address and
//! the listed claims, bound to one UMA permission ticket, one authorization server and one resource
//! server. The service never learns the ticket, only its hash. One with an `actor_token` gives an
//! identity token: the person's verified address for one relying party, in the hands of one client.
//! A token of an issuer that is trusted ([`TrustedIssuers`]) gives an access token: the person
//! under a name of this service, with the roles and claims that the issuer is believed.
//!
//! ```
//! use std::sync::Arc;
//!
//! use countersign_jwt::{Algorithm, SigningKey, SigningRing};
//! use countersign_store::MemoryEngine;
//! use countersign_sts_service::{LogAudit, Parts, Settings, StaticClients, StaticUsers, Sts, app};
//! use countersign_token_exchange::{ByRegistration, ServerPolicy};
//! use countersign_types::{Clock, Issuer, Lifetime, ScopeSet, Timestamp, random::Random};
//! # struct Fixed;
//! # impl Clock for Fixed { fn now(&self) -> Timestamp { Timestamp::from_unix(1_800_000_000) } }
//! # impl Random for Fixed { fn fill(&self, out: &mut [u8]) { out.fill(7) } }
//!
//! let keys = vec![
//!     SigningKey::generate(Algorithm::Es256, None)?,
//!     SigningKey::generate(Algorithm::Rs256, None)?,
//! ];
//! let sts = Sts::new(Parts {
//!     settings: Settings {
//!         name: "alice.example".into(),
//!         email_domains: ["alice.example".to_owned()].into(),
//!         scopes: ScopeSet::parse("openid email profile claims-provider")?,
//!         session_lifetime: Lifetime::from_secs(36_000),
//!         access_token_lifetime: Lifetime::from_secs(300),
//!         id_token_lifetime: Lifetime::from_secs(300),
//!         refresh_token_lifetime: Lifetime::from_secs(30 * 86_400),
//!         refresh_token_idle: Lifetime::from_secs(7 * 86_400),
//!     },
//!     delegation: Arc::new(ByRegistration),
//!     policy: ServerPolicy::new(Issuer::parse("https://sts.alice.example")?),
//!     keys: SigningRing::from_keys(keys)?,
//!     clients: Arc::new(StaticClients::default()),
//!     users: Arc::new(StaticUsers::default()),
//!     engine: Arc::new(MemoryEngine::new()),
//!     clock: Arc::new(Fixed), // countersign_host::SystemClock
//!     random: Arc::new(Fixed), // countersign_host::SystemRandom
//!     audit: Arc::new(LogAudit),
//! })?;
//! let router = app(Arc::new(sts)); // to be served at https://sts.alice.example
//! # drop(router);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For a domain whose OpenID provider gives no claims tokens, a claims provider
//! ([`claims::provider`]) is a router of its own:
//!
//! ```
//! # use std::sync::Arc;
//! # use countersign_types::{Clock, Timestamp, random::Random};
//! use countersign_client_auth::Proof;
//! use countersign_fetch::{Fetch, FetchConfig, HttpFetch};
//! use countersign_jwt::{Algorithm, SigningKey, SigningRing};
//! use countersign_sts_service::claims::QUERY_USERS;
//! use countersign_sts_service::claims::provider::{
//!     ClaimsProvider, OwnToken, Parts, ProviderClient, SubjectAttribute, UserQuery, app,
//! };
//! use countersign_sts_service::{IssuerSetup, LogAudit};
//! use countersign_token_exchange::{ByRegistration, ClientPolicy, ServerPolicy, TrustedIssuer};
//! use countersign_types::secret::ClientSecret;
//! use countersign_types::{ClientId, EndpointUrl, Issuer, ScopeSet, UrlPattern};
//! # struct Fixed;
//! # impl Clock for Fixed { fn now(&self) -> Timestamp { Timestamp::from_unix(1_800_000_000) } }
//! # impl Random for Fixed { fn fill(&self, out: &mut [u8]) { out.fill(7) } }
//! # let (clock, random) = (Arc::new(Fixed), Arc::new(Fixed));
//!
//! let authn_server = Issuer::parse("https://id.alice.example")?;
//! let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new(&FetchConfig::default())?);
//! let its_own = (
//!     ClientId::parse("claims-provider")?,
//!     Proof::SecretBasic(ClientSecret::new("what the server gave out")),
//! );
//! let scope = ScopeSet::parse(QUERY_USERS)?;
//! let users = UserQuery {
//!     endpoint: EndpointUrl::parse("https://id.alice.example/scim/v2/Users")?,
//!     subject: SubjectAttribute::Id,
//!     claims: Vec::new(),
//!     token: OwnToken::new(
//!         authn_server.clone(), its_own, scope, fetch.clone(), clock.clone(), random.clone(),
//!     ),
//!     fetch: fetch.clone(),
//! };
//! let application = ProviderClient {
//!     policy: ClientPolicy {
//!         may_exchange: true,
//!         claims_endpoint: true,
//!         claims_token_audiences: vec![UrlPattern::parse("https://uma.bob.example")?],
//!         ..ClientPolicy::default()
//!     },
//!     is_confidential: true,
//! };
//! let provider = ClaimsProvider::new(Parts {
//!     policy: ServerPolicy::new(Issuer::parse("https://alice.example")?),
//!     authn_server: IssuerSetup::new(TrustedIssuer::new("authn-server", authn_server)),
//!     audiences: Vec::new(),
//!     clients: [(ClientId::parse("application")?, application)].into(),
//!     delegation: Arc::new(ByRegistration),
//!     directory: Arc::new(users),
//!     keys: SigningRing::from_keys(vec![SigningKey::generate(Algorithm::Es256, None)?])?,
//!     fetch,
//!     clock,
//!     random,
//!     audit: Arc::new(LogAudit),
//! })?;
//! let router = app(Arc::new(provider)); // to be served at https://alice.example
//! # drop(router);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Logout at other clients, dynamic registration: the metadata lists what is there.
//!
//! # Deviations
//!
//! WebFinger answers for every address of a configured domain alike, so that it does not tell who
//! has an account. PKCE is demanded of every client.
//!
//! [RFC 6749 §3.2, §6]: https://www.rfc-editor.org/rfc/rfc6749#section-3.2
//! [RFC 6749 §4.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1
//! [RFC 7009 §2]: https://www.rfc-editor.org/rfc/rfc7009#section-2
//! [RFC 7033]: https://www.rfc-editor.org/rfc/rfc7033
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5
//! [RFC 7636]: https://www.rfc-editor.org/rfc/rfc7636
//! [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2
//! [RFC 7644 §3.4.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2
//! [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3
//! [RFC 8693]: https://www.rfc-editor.org/rfc/rfc8693
//! [RFC 9207]: https://www.rfc-editor.org/rfc/rfc9207
//! [OpenID Connect Core §3.1]: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
//! [RFC 9700 §4.4]: https://www.rfc-editor.org/rfc/rfc9700#section-4.4
//! [OpenID Connect Core §5.3]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
//! [OpenID Connect RP-Initiated Logout §2]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout
//! [OpenID Connect Discovery §4]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig

mod access_token;
mod account;
pub mod app;
mod attempts;
pub mod audit;
mod authorize;
pub mod broker;
mod browser;
pub mod claims;
mod client_request;
pub mod clients;
mod consent;
mod cors;
mod discovery;
mod elsewhere;
mod error;
mod exchange;
pub mod foreign;
mod form_token;
mod forms;
mod hint;
mod introspection;
mod keys;
mod live;
mod logout;
mod onward;
mod pages;
pub mod passwords;
mod posted;
pub mod proxies;
mod revocation;
mod sessions;
mod texts;
mod token;
pub mod url_clients;
mod userinfo;
pub mod users;

pub use app::{Parts, Settings, SetupError, Sts, app};
pub use audit::{Audit, ExchangeRecord, LogAudit};
pub use broker::{ImportedAccount, ImportedAccounts, UpstreamSetup, Upstreams};
pub use clients::{Client, Clients, StaticClients};
pub use foreign::{IssuerKeys, IssuerSetup, TrustedIssuers};
pub use passwords::PasswordHash;
pub use proxies::ProxyAddresses;
pub use url_clients::{UrlClientTerms, UrlClients};
pub use users::{Origin, StaticUsers, User, Users};
