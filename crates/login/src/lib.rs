//! Signs a person in at an OpenID provider.
//!
//! | module | what it is | specification |
//! |---|---|---|
//! | [`upstream`] | a relying party: authorization code, PKCE, `state`, `nonce`, `iss`, the ID token's checks | [OpenID Core §3.1], [RFC 7636], [RFC 9207], [RFC 9700 §2.1] |
//! | [`loopback`] | where a browser brings the answer to a native application | [RFC 8252 §7.3] |
//! | [`headless`] | signs in without a browser, for scripts and tests | |
//!
//! A login is two pure halves with a person in between: [`RelyingParty::begin`] makes the URL the
//! person visits and what must be remembered meanwhile; [`RelyingParty::finish`] takes what came
//! back. Between them stands a browser and a [`Loopback`] receiver, or [`headless::sign_in`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use countersign_fetch::{FetchConfig, HttpFetch};
//! use countersign_login::{Loopback, Registration, RelyingParty};
//! use countersign_types::{ClientId, Issuer, ScopeSet};
//! # use countersign_types::Timestamp;
//! # use countersign_types::random::Random;
//! # async fn login(random: &dyn Random, now: Timestamp) -> Result<(), Box<dyn std::error::Error>> {
//! let fetch = Arc::new(HttpFetch::new(&FetchConfig::default())?);
//! let issuer = Issuer::parse("https://sts.alice.example")?;
//! let registration = Registration::public(ClientId::parse("rqp-public")?);
//! let party = RelyingParty::discover(fetch, &issuer, registration).await?;
//!
//! let receiver = Loopback::bind().await?;
//! let scope = ScopeSet::parse("openid email claims-provider")?;
//! let (url, pending) = party.begin(receiver.redirect_uri(), &scope, random)?;
//! println!("visit {url}");
//! let answer = receiver.receive(&pending, Duration::from_secs(300)).await?;
//! let tokens = party.finish(pending, &answer, now).await?;
//! println!("signed in as {}", tokens.identity.subject);
//! # Ok(())
//! # }
//! ```
//!
//! # Deviation
//!
//! An ID token signed with Ed25519 names its algorithm `EdDSA` here: `openidconnect` knows the name
//! of RFC 8037 and not yet `Ed25519` of [RFC 9864], which is refused.
//!
//! [RFC 9864]: https://www.rfc-editor.org/rfc/rfc9864
//!
//! # What is left out
//!
//! Sessions, logout, refreshing and UserInfo; the implicit and hybrid flows, which will not come.
//! Encrypted ID tokens.
//!
//! # Deviations
//!
//! The `openidconnect` crate speaks the protocol, with this project's keys, clock, randomness and
//! HTTP client in place of its own. Where it is silent, this crate is strict: an ID token has one
//! audience, the `azp` of an ID token is ours if it is there, an access token's hash is compared if
//! it is there.
//!
//! [OpenID Core §3.1]: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
//! [RFC 7636]: https://www.rfc-editor.org/rfc/rfc7636
//! [RFC 8252 §7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
//! [RFC 9207]: https://www.rfc-editor.org/rfc/rfc9207
//! [RFC 9700 §2.1]: https://www.rfc-editor.org/rfc/rfc9700#section-2.1

pub mod headless;
pub mod loopback;
pub mod upstream;

pub use headless::Credentials;
pub use loopback::Loopback;
pub use upstream::{Identity, LoginError, Pending, Registration, RelyingParty, Tokens};
