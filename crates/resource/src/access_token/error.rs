//! Why a token is not accepted.

use countersign_jwt::act::ActError;
use countersign_jwt::{ClaimError, Malformed, VerifyError};
use countersign_resolver::{KeysError, ServerMetadataError};
use countersign_types::scope::ScopeError;
use countersign_types::wire::ErrorCode;
use countersign_types::{Wire, WireError};
use http::StatusCode;

use crate::error::ConversationError;
use crate::introspect::IntrospectionError;

/// Why a token is not accepted. The caller is told `invalid_token` and nothing more
/// ([RFC 6750 §3.1]), or that this server cannot tell; the operator sees this.
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenError {
    /// It is no JWT.
    #[error("the token is malformed")]
    Malformed(#[from] Malformed),
    /// An issuer whose word does not count here.
    #[error("the token is of an issuer that is not trusted")]
    Issuer,
    /// A claim is missing, malformed or not what it has to be.
    #[error("the claims are not accepted")]
    Claim(#[from] ClaimError),
    /// Its `scope` is none.
    #[error("the scope is malformed")]
    Scope(#[from] ScopeError),
    /// Its `act` is none.
    #[error("the actor is malformed")]
    Actor(#[from] ActError),
    /// The signature is not the issuer's.
    #[error("the signature was not accepted")]
    Signature(#[from] VerifyError),
    /// It is bound to a key (`cnf`), and was sent as if whoever holds it may use it.
    #[error("the token is bound to a key and was sent without a proof of it")]
    Bound,
    /// Its issuer does not stand by it.
    #[error("the token is not active")]
    Inactive,
    /// It is for another resource server, or names none.
    #[error("the token is for another resource server")]
    Audience,
    /// Its own times exclude now.
    #[error("the token is outside its time")]
    Time,
    /// It is no bearer token.
    #[error("the token is of another type")]
    TokenType,
    /// This server no longer accepts it.
    #[error("the token was revoked here")]
    Revoked,
    /// The issuer's metadata cannot be had.
    #[error("no metadata of the issuer")]
    Metadata(#[from] ServerMetadataError),
    /// The issuer publishes no keys, or no introspection endpoint.
    #[error("the issuer publishes no {0}")]
    NotPublished(&'static str),
    /// The issuer's keys cannot be had.
    #[error("no keys of the issuer")]
    Keys(#[from] KeysError),
    /// The issuer was asked and did not answer.
    #[error("the issuer did not say what the token is worth")]
    Conversation(#[from] ConversationError),
    /// The issuer's answer cannot be read.
    #[error("the introspection response cannot be read")]
    Introspection(#[from] IntrospectionError),
}

impl AccessTokenError {
    /// Whether nothing is known about the token, because somebody else did not answer.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        match self {
            Self::Metadata(_)
            | Self::NotPublished(_)
            | Self::Keys(_)
            | Self::Conversation(_)
            | Self::Introspection(_) => true,
            Self::Malformed(_)
            | Self::Issuer
            | Self::Claim(_)
            | Self::Scope(_)
            | Self::Actor(_)
            | Self::Signature(_)
            | Self::Bound
            | Self::Inactive
            | Self::Audience
            | Self::Time
            | Self::TokenType
            | Self::Revoked => false,
        }
    }
}

impl WireError for AccessTokenError {
    fn wire(&self) -> Wire {
        if self.is_unavailable() {
            return Wire::unavailable();
        }
        Wire::new(
            ErrorCode::INVALID_TOKEN,
            StatusCode::UNAUTHORIZED,
            "the access token is not accepted here",
        )
    }
}
