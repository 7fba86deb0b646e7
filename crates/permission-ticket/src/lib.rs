//! The UMA permission ticket and its challenge.
//!
//! | module | what it implements |
//! |---|---|
//! | [`ticket`] | the permission ticket as a value that is opaque to everyone but its issuer ([UMA Federated Authorization §4.2], [UMA Grant §5.5]) |
//! | [`challenge`] | `ticket_challenge`, the value that binds claims to one ticket |
//!
//! A `ticket_challenge` is `base64url(SHA-256(ticket))` without padding: the arithmetic of PKCE's
//! `S256` ([RFC 7636 §4.2]) over the octets of the ticket. A client computes it from the ticket a
//! resource server handed it, has its security token service put it into a claims token, and pushes
//! that token together with the ticket. The authorization server computes it again. The security
//! token service vouches for the person without ever seeing the ticket, and nobody can push the
//! token with another one.
//!
//! ```
//! use countersign_permission_ticket::{TicketChallenge, ticket};
//!
//! let ticket = ticket::parse("016f84e8-f9b9-11e0-bd6f-0021cc6004de")?;
//! let challenge = TicketChallenge::of(&ticket);
//! assert_eq!(challenge.to_string(), "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c");
//!
//! let received = TicketChallenge::parse("Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c")?;
//! assert!(received.ct_eq(&challenge));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Issuing, storing and redeeming tickets (`countersign-store`, `countersign-uma`); the token that
//! carries the challenge (`countersign-claims-token`).
//!
//! # Deviations
//!
//! `ticket_challenge`, its alias `ticket_digest` and `ticket_challenge_method` are unregistered
//! names of the profile described in `docs/PROFILE.md`; its test vectors stand in `tests/vectors`.
//!
//! [RFC 7636 §4.2]: https://www.rfc-editor.org/rfc/rfc7636#section-4.2
//! [UMA Federated Authorization §4.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#permission-success-response
//! [UMA Grant §5.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#permission-ticket-management

pub mod challenge;
pub mod ticket;

pub use challenge::{ChallengeError, METHOD, TicketChallenge};
pub use ticket::TicketError;
