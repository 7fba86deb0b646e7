//! Decides an OAuth 2.0 token exchange request. [RFC 8693]
//!
//! | module | what it holds | specification |
//! |---|---|---|
//! | [`request`] | what a client asks for; every token type is understood or refused | [RFC 8693 §2.1, §3] |
//! | [`requester`] | who asks: a client that proved itself, or whoever holds the token | |
//! | [`subject`] | what a subject token of this server proves | [RFC 9068 §4] |
//! | [`foreign`] | what a subject token of another issuer proves | [RFC 7662 §2.2], [RFC 9068 §4], [OpenID Connect Core §3.1.3.7] |
//! | [`trusted_issuer`] | which issuers are believed, and how far | |
//! | [`policy`] | what the server and each client's registration allow | |
//! | [`people`] | whom a claims token is about, and whom a client may name by address alone | |
//! | [`delegation`] | the policy seam: who may act for whom | [RFC 8693 §1.1] |
//! | [`mod@decide`] | the decision, from evidence | [RFC 8693 §2.1, §4.1, §4.4] |
//! | [`renewal`] | what may be granted again when the subject token has ended | [RFC 8693 §2.2.1] |
//! | [`response`] | the success response | [RFC 8693 §2.2.1] |
//! | [`error`] | the error table, and the steps a decision log prints | [RFC 8693 §2.2.2] |
//!
//! `requested_token_type` `…:jwt` stands for several products, and what the request carries decides
//! which one is meant: with `ticket_challenge` it is a claims token, bound to a UMA permission
//! ticket (see `countersign-claims-token`); with an actor token an identity token for a relying
//! party (see `countersign-identity-propagation`, which verifies the actor token, too); with
//! neither what is configured for the target.
//!
//! What is granted is what was asked for as far as the subject token, the client's registration and
//! the server's policy all allow it; one function computes scope, audience and lifetime for every
//! product. Nothing here waits, reads a clock or opens a socket.
//!
//! ```
//! use countersign_token_exchange::request::{REPEATABLE, Wanted, parse};
//! use countersign_types::Params;
//!
//! let form = b"subject_token=eyJ...&subject_token_type=urn:ietf:params:oauth:token-type:access_token\
//!     &requested_token_type=urn:ietf:params:oauth:token-type:jwt\
//!     &audience=https://uma.bob.example&resource=https://rs.bob.example\
//!     &ticket_challenge=Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c";
//! let request = parse(&Params::parse(form, REPEATABLE)?)?;
//! assert_eq!(request.wanted, Wanted::ClaimsToken);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! SAML assertions and refresh tokens as subject tokens, claims and identity tokens on another
//! issuer's word. Each is refused with its own error.
//!
//! # Deviations
//!
//! A request without any target is refused with `invalid_target`; [RFC 8693 §2.1] would let the
//! server choose one.
//!
//! `subject_token_type` `…:access_token` says that this server issued the token (§3); beside the
//! parameter `subject_issuer`, which is Keycloak's, it says that another did.
//!
//! [OpenID Connect Core §3.1.3.7]: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//! [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
//! [RFC 8693]: https://www.rfc-editor.org/rfc/rfc8693
//! [RFC 8693 §2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1
//! [RFC 8693 §2.1, §3]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1
//! [RFC 8693 §1.1]: https://www.rfc-editor.org/rfc/rfc8693#section-1.1
//! [RFC 8693 §2.1, §4.1, §4.4]: https://www.rfc-editor.org/rfc/rfc8693#section-4
//! [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1
//! [RFC 8693 §2.2.2]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

pub mod decide;
pub mod delegation;
pub mod error;
pub mod foreign;
mod narrow;
pub mod people;
pub mod policy;
pub mod renewal;
pub mod request;
pub mod requester;
pub mod response;
pub mod subject;
pub mod trusted_issuer;

pub use decide::{Facts, Grant, GrantedClaims, Product, decide};
pub use delegation::{ByRegistration, Delegation, DelegationPolicy, Verdict};
pub use error::{ExchangeError, Step};
pub use foreign::ForeignError;
pub use people::{Account, DirectoryPerson, NamedPeople};
pub use policy::{ClientPolicy, ExchangePolicy, ServerPolicy};
pub use request::ExchangeRequest;
pub use requester::Requester;
pub use response::{refuse, respond};
pub use trusted_issuer::TrustedIssuer;
