//! Signs a person in at an OpenID provider.
//!
//! | module | what it is | specification |
//! |---|---|---|
//! | [`upstream`] | a relying party: authorization code, PKCE, `state`, `nonce`, `iss`, the ID token's checks | [OpenID Core §3.1], [RFC 7636], [RFC 9207], [RFC 9700 §2.1] |
//! | [`under_way`] | the logins that people have begun at a server, while they are away | |
//! | [`loopback`] | where a browser brings the answer to a native application | [RFC 8252 §7.3] |
//! | [`headless`] | signs in without a browser, for scripts and tests | |
//!
//! A login is two pure halves with a person in between: [`RelyingParty::begin`] makes the URL the
//! person visits and what must be remembered meanwhile; [`RelyingParty::finish`] takes what came
//! back. Between them stands a browser and a [`Loopback`] receiver, or [`headless::sign_in`].
//!
//! ```
//! use std::error::Error;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use countersign_fetch::Fetch;
//! use countersign_login::{Loopback, Registration, RelyingParty, Tokens};
//! use countersign_types::random::Random;
//! use countersign_types::{ClientId, EndpointUrl, Issuer, ScopeSet, Timestamp};
//!
//! async fn login(
//!     fetch: Arc<dyn Fetch>, // in a program: `HttpFetch::new(&FetchConfig::default())`
//!     random: &dyn Random,
//!     now: Timestamp,
//!     open_browser: impl FnOnce(EndpointUrl, &Loopback),
//! ) -> Result<Tokens, Box<dyn Error>> {
//!     let issuer = Issuer::parse("https://sts.alice.example")?;
//!     let registration = Registration::public(ClientId::parse("rqp-public")?);
//!     let party = RelyingParty::discover(fetch, &issuer, registration).await?;
//!
//!     let receiver = Loopback::bind().await?;
//!     let scope = ScopeSet::parse("openid email claims-provider")?;
//!     let (url, pending) = party.begin(receiver.redirect_uri(), &scope, random)?;
//!     open_browser(url, &receiver);
//!     let answer = receiver.receive(&pending, Duration::from_secs(300)).await?;
//!     Ok(party.finish(pending, &answer, now, random).await?)
//! }
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # use countersign_login::{Credentials, headless};
//! # use countersign_testkit::{Deployment, names};
//! # use tokio::io::AsyncWriteExt as _;
//! # let world = Deployment::builder().start().await;
//! # let seams = world.seams();
//! # let fetch = world.http();
//! # let open_browser = |url: EndpointUrl, receiver: &Loopback| {
//! #     let redirect_uri = receiver.redirect_uri().clone();
//! #     tokio::spawn(async move {
//! #         let alice = Credentials {
//! #             username: "alice".to_owned(),
//! #             password: countersign_types::secret::Password::new(names::ALICE_PASSWORD),
//! #         };
//! #         let answer = headless::sign_in(fetch.as_ref(), &url, &redirect_uri, &alice).await.unwrap();
//! #         let address = redirect_uri.as_str().trim_start_matches("http://");
//! #         let (authority, path) = address.split_once('/').unwrap();
//! #         let mut browser = tokio::net::TcpStream::connect(authority).await.unwrap();
//! #         let request = format!("GET /{path}?{answer} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
//! #         browser.write_all(request.as_bytes()).await.unwrap();
//! #     });
//! # };
//! # let tokens = login(world.http(), seams.random.as_ref(), seams.clock.now(), open_browser).await?;
//! # assert_eq!(tokens.identity.subject, names::ALICE_SUB);
//! # Ok::<(), Box<dyn Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn Error>>(())
//! ```
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
//! audience, the `azp` of an ID token, if it is there, names this client, an access token's hash is
//! compared if it is there.
//!
//! An ID token signed with Ed25519 names its algorithm `EdDSA` here: `openidconnect` knows the name
//! of RFC 8037 and not yet `Ed25519` of [RFC 9864], which is refused.
//!
//! [OpenID Core §3.1]: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
//! [RFC 7636]: https://www.rfc-editor.org/rfc/rfc7636
//! [RFC 8252 §7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
//! [RFC 9207]: https://www.rfc-editor.org/rfc/rfc9207
//! [RFC 9700 §2.1]: https://www.rfc-editor.org/rfc/rfc9700#section-2.1
//! [RFC 9864]: https://www.rfc-editor.org/rfc/rfc9864

pub mod headless;
pub mod loopback;
pub mod under_way;
pub mod upstream;

pub use headless::Credentials;
pub use loopback::Loopback;
pub use under_way::Logins;
pub use upstream::{
    Identity, LoginError, Pending, Redeemed, Registration, RelyingParty, Tokens, Wishes,
};
