//! Everything a requesting party's application needs to get in at a UMA-protected resource.
//!
//! [`Client::request`] takes an HTTP request and returns the resource server's answer. In between,
//! and only if the resource server asks for it, it does what the ticket-bound claims profile
//! (`docs/PROFILE.md`) wants of a client: it reads the challenge, finds out whom it is talking to,
//! computes the ticket challenge, has its own provider's security token service make a claims token
//! for this ticket and this server, checks what it got, pushes it, and asks again with the
//! requesting party token.
//!
//! | module | what it implements |
//! |---|---|
//! | [`Client`] | the conversation: [UMA Grant §3], profile §5, §6 |
//! | [`challenge`] | `WWW-Authenticate: UMA` as a client reads it ([UMA Grant §3.2.1]) |
//! | [`exchange`] | token exchange for the `oauth2` crate's client ([RFC 8693 §2]) |
//! | [`grant`] | the UMA grant for the `oauth2` crate's client, its answers told apart ([UMA Grant §3.3]) |
//! | [`retry`] | with how many tickets, and with which, a request goes round |
//! | [`subject`] | the seams: whose access token, and who approves a new audience |
//! | [`propagation`] | a service acts for a person at a relying party, without UMA ([RFC 8693 §2.1]), by a client proof, and with tokens that are bound to a key if they are to be ([RFC 9449 §5, §7.1, §8, §9]) |
//! | [`internal_tokens`] | an API gives its callers tokens of its own server for those of another, and keeps the refresh tokens ([RFC 8693 §2.2.1], [RFC 7009 §2]) |
//! | [`observe`] | what happens on the way, for whoever wants to show it |
//!
//! ```
//! use std::error::Error;
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use countersign_client::{Client, Registration, Subject};
//! use countersign_client_auth::Proof;
//! use countersign_fetch::Fetch;
//! use countersign_types::random::Random;
//! use countersign_types::secret::ClientSecret;
//! use countersign_types::{ClientId, Clock, Issuer};
//!
//! async fn rs_api(
//!     fetch: Arc<dyn Fetch>, // in a program: `HttpFetch::new(&FetchConfig::default())`
//!     clock: Arc<dyn Clock>,
//!     random: Arc<dyn Random>,
//!     alice: Subject, // an access token of her provider, and who signed in
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
//! # let (seams, alice) = (world.seams(), world.alice().await);
//! # let secret = names::RQP_SECRET;
//! # let response = rs_api(world.http(), seams.clock, seams.random, alice, secret).await?;
//! # assert_eq!(response.status(), 200);
//! # Ok::<(), Box<dyn Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! # When the owner is asked first
//!
//! [`ClientError::Submitted`] is no end: its [`Pending`] goes back to [`Client::resume`] after the
//! seconds it names, with the same request, until the owner has decided. It is kept in memory
//! alone. A program that was restarted asks anew, and the owner is not asked about the same person
//! twice.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use countersign_client::{Client, ClientError};
//!
//! async fn leave(
//!     client: &Client,
//!     letter: http::Request<Bytes>,
//! ) -> Result<http::Response<Bytes>, ClientError> {
//!     let mut answer = client.request(letter.clone()).await;
//!     // No longer than this program has patience for.
//!     for _ in 0..720 {
//!         let Err(ClientError::Submitted(pending)) = answer else { break };
//!         let seconds = pending.interval.unwrap_or(5).max(1);
//!         tokio::time::sleep(Duration::from_secs(seconds.into())).await;
//!         answer = client.resume(*pending, letter.clone()).await;
//!     }
//!     answer
//! }
//! ```
//!
//! # A claims provider, and a client that acts alone
//!
//! Where the person's provider exchanges no tokens, [`ClientBuilder::with_claims_provider`] has the
//! claims token come from the provider of the person's domain, for the same access token. A client
//! that acts while nobody is there names the person ([`ClientBuilder::naming`]) with an access
//! token of its own ([`OwnAccess`]); the claims token says that it acts.
//!
//! # What a client never does
//!
//! - It sends a requesting party token to no other address than the one it was issued for, and
//!   keeps it by person, authorization server and resource server.
//! - It shows its own security token service the ticket's digest and never the ticket.
//! - It follows no redirect: a token would go along.
//! - It goes on with no ticket it has seen before, and with no more than a few.
//! - It speaks to no authorization server whose metadata names another issuer than the challenge
//!   did, and sends nobody to a page that this metadata does not name.
//! - It shows a client secret to no server it was not agreed with.
//!
//! # What is left out
//!
//! Signing in and refreshing the person's access token (`countersign-login` and the application,
//! behind [`SubjectToken`]); interactive claims gathering, whose page is only reported; proof of
//! possession (DPoP) for any token but the identity tokens of [`propagation`]: an RPT is a bearer
//! token.
//!
//! # Deviations
//!
//! A token endpoint may answer `201`; Keycloak's `access_denied` with UMA's code in the description
//! is understood; `resource` goes along with every UMA grant, an unregistered use of the parameter
//! of [RFC 8707 §2].
//!
//! [RFC 8693 §2]: https://www.rfc-editor.org/rfc/rfc8693#section-2
//! [RFC 8693 §2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1
//! [RFC 7009 §2]: https://www.rfc-editor.org/rfc/rfc7009#section-2
//! [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1
//! [RFC 9449 §5, §7.1, §8, §9]: https://www.rfc-editor.org/rfc/rfc9449#section-5
//! [RFC 8707 §2]: https://www.rfc-editor.org/rfc/rfc8707#section-2
//! [UMA Grant §3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#authorization-process
//! [UMA Grant §3.2.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#permission-success-to-client
//! [UMA Grant §3.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#seek-authorization

mod builder;
pub mod challenge;
mod discover;
mod error;
pub mod exchange;
mod flow;
pub mod grant;
pub mod internal_tokens;
mod kept;
pub mod observe;
mod own_access;
pub mod propagation;
pub mod retry;
pub mod subject;
pub mod token_endpoint;

pub use builder::{Client, ClientBuilder};
pub use challenge::UmaChallenge;
pub use error::{ClientError, Pending, Said};
pub use internal_tokens::InternalTokens;
pub use observe::{Event, Observer};
pub use own_access::OwnAccess;
pub use propagation::{ActingClient, ActorForm, IdentityPropagator, PropagationError};
pub use subject::{ApproveAudience, NewAudience, Person, Registration, Subject, SubjectToken};
