//! Proves which OAuth client is calling; mints what a client proves itself with.
//!
//! | module | what it implements |
//! |---|---|
//! | [`method`] | `token_endpoint_auth_method` names ([RFC 7591 §2], [OpenID Connect Core §9]) |
//! | [`authenticate`](mod@authenticate) | reading and judging a client's credentials: [RFC 6749 §2.3, §3.2.1], [RFC 7521 §4.2], [RFC 7523 §3] with the tighter rules of its revision (rfc7523bis) |
//! | [`assertion`](mod@assertion) | minting and judging a client assertion |
//! | [`dpop`] | the proof of a key that tokens are bound to, made and judged ([RFC 9449 §4]) |
//! | [`present`] | the client's side: a proof as header or parameters |
//!
//! Authentication takes four steps, because the registration in the middle and the replay check
//! at the end have to wait for a store or for somebody else's server:
//!
//! 1. [`parse`] reads the one method the request uses. Two methods are an `invalid_request`.
//! 2. [`Presented::check`] judges all that needs no registration. What fails here is worth no
//!    search.
//! 3. [`authenticate()`] judges it against the [`RegisteredClient`], or against none. An unknown
//!    client and a wrong secret get the same answer for the same work.
//! 4. A client assertion is good once: [`Authentication::OnceOnly`] is settled by inserting its
//!    [`ReplayCheck::key`] into a store, after the signature was verified, so that nobody can burn
//!    the `jti` of another's assertion.
//!
//! Only this makes an [`AuthenticatedClient`].
//!
//! ```
//! use countersign_client_auth::{Authentication, Credentials, Proof, RegisteredClient, SecretDigest};
//! use countersign_client_auth::{authenticate, parse};
//! use countersign_types::{ClientId, Issuer, Params, Timestamp, secret::ClientSecret};
//! # struct Zero;
//! # impl countersign_types::random::Random for Zero {
//! #     fn fill(&self, out: &mut [u8]) { out.fill(0) }
//! # }
//!
//! let issuer = Issuer::parse("https://uma.bob.example")?;
//! let now = Timestamp::from_unix(1_800_000_000);
//! let client = RegisteredClient {
//!     id: ClientId::parse("rqp-client")?,
//!     credentials: Credentials::secret(SecretDigest::of(&ClientSecret::new("correct horse"))),
//! };
//!
//! // The client's side.
//! let proof = Proof::SecretBasic(ClientSecret::new("correct horse"));
//! let presentation = proof.present(&client.id, &issuer, now, &Zero)?;
//!
//! // The server's side.
//! let mut headers = http::HeaderMap::new();
//! headers.extend(presentation.authorization.map(|value| (http::header::AUTHORIZATION, value)));
//! let presented = parse(&headers, &Params::parse(b"grant_type=client_credentials", &[])?)?;
//! let credentials = presented.check(&issuer, now)?;
//! let registered = Some(&client).filter(|known| known.id == *credentials.client_id());
//! match authenticate(credentials, registered)? {
//!     Authentication::Done(client) => assert!(client.is_confidential()),
//!     Authentication::OnceOnly(_) => unreachable!("a secret may be shown again"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! `client_secret_jwt` (a shared secret in a signature), mutual TLS ([RFC 8705]), and finding the
//! registration or a client's remote keys, which is the service's part.
//!
//! # Deviations
//!
//! - A client assertion's audience is the issuer alone; the token endpoint's URL, which RFC 7523 §3
//!   allowed, is refused as rfc7523bis demands.
//! - `exp` and `jti` are required and an assertion may live for 300 seconds at most.
//! - Every 401 carries a `Basic` challenge, as [RFC 9110 §15.5.2] demands, also where the client
//!   did not use the header.
//!
//! [OpenID Connect Core §9]: https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication
//! [RFC 6749 §2.3, §3.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3
//! [RFC 7521 §4.2]: https://www.rfc-editor.org/rfc/rfc7521#section-4.2
//! [RFC 7523 §3]: https://www.rfc-editor.org/rfc/rfc7523#section-3
//! [RFC 9449 §4]: https://www.rfc-editor.org/rfc/rfc9449#section-4
//! [RFC 7591 §2]: https://www.rfc-editor.org/rfc/rfc7591#section-2
//! [RFC 8705]: https://www.rfc-editor.org/rfc/rfc8705
//! [RFC 9110 §15.5.2]: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2

pub mod assertion;
pub mod authenticate;
pub mod dpop;
pub mod method;
pub mod present;

pub use assertion::assertion;
pub use authenticate::{
    AuthenticatedClient, Authentication, CheckedCredentials, ClientAuthError, Credentials,
    GuessableSecret, Presented, RegisteredClient, ReplayCheck, SecretDigest, authenticate, parse,
};
pub use method::Method;
pub use present::{Presentation, Proof};
