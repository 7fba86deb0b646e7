//! Access tokens: who is calling with one. [RFC 6750], [RFC 9068 §4], [RFC 7662]
//!
//! Two ways to know what a token says. A *self-contained* one (`at+jwt`) is verified here, with the
//! keys that its issuer publishes. Any other is shown to its issuer, which says what it is worth
//! ([`IntrospectedTokens`]). Either way the token names this server as its audience: one that was
//! given to a client for another server opens nothing here.
//!
//! What was verified once is remembered by the SHA-256 of the token, so that a request with a known
//! token costs no signature. What can change meanwhile is asked at every request: the time, the
//! issuer's key set, and the [`Revocations`] of this server.
//!
//! [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

mod error;
mod introspected;
mod local;
mod seen;

pub use error::AccessTokenError;
pub use introspected::{IntrospectedTokens, Introspector};
pub use local::AccessTokens;

#[cfg(doc)]
use crate::revocation::Revocations;
