//! Why a client was not authenticated, and what it is told.

use countersign_jwt::{ClaimError, Malformed, VerifyError};
use countersign_types::wire::ErrorCode;
use countersign_types::{Wire, WireError};
use http::StatusCode;

pub(super) const CHALLENGE: &str = "Basic realm=\"client\", charset=\"UTF-8\"";

/// Why a client was not authenticated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientAuthError {
    /// More than one method in one request.
    #[error("more than one client authentication method")]
    TwoMethods,
    /// `client_assertion` without its type or the reverse, or a secret without `client_id`.
    #[error("a part of the client's credentials is missing")]
    Incomplete,
    /// No client authentication and no `client_id`.
    #[error("no client authentication")]
    Missing,
    /// The `Authorization` header is not well-formed `Basic`.
    #[error("the Authorization header is not Basic credentials")]
    Header,
    /// A client identifier outside its grammar.
    #[error("not a client identifier")]
    ClientId,
    /// `client_id` names another client than the credentials do.
    #[error("client_id differs from the client of the credentials")]
    ClientIdDiffers,
    /// A `client_assertion_type` other than JWT.
    #[error("the client assertion type is not supported")]
    AssertionType,
    /// Unknown client, wrong secret, or a method it is not registered for.
    #[error("the client is unknown, its secret wrong, or its method not allowed")]
    Failed,
    /// The assertion is not a JWT.
    #[error("the client assertion is malformed")]
    Malformed(#[source] Malformed),
    /// The assertion claims something else than it must.
    #[error("the client assertion's claims are refused")]
    Claims(#[source] ClaimError),
    /// The assertion is not signed by one of the client's keys.
    #[error("the client assertion's signature is refused")]
    Signature(#[source] VerifyError),
    /// The assertion was used before.
    #[error("the client assertion was used before")]
    Replayed,
}

impl WireError for ClientAuthError {
    fn wire(&self) -> Wire {
        let invalid_request = |description| {
            Wire::new(ErrorCode::INVALID_REQUEST, StatusCode::BAD_REQUEST, description)
        };
        match self {
            Self::TwoMethods => {
                invalid_request("the request uses more than one client authentication method")
            }
            Self::Incomplete => invalid_request("a part of the client's credentials is missing"),
            // RFC 6749 §5.2. One description for all, so that the answer tells nobody which
            // clients exist.
            Self::Missing
            | Self::Header
            | Self::ClientId
            | Self::ClientIdDiffers
            | Self::AssertionType
            | Self::Failed
            | Self::Malformed(_)
            | Self::Claims(_)
            | Self::Signature(_)
            | Self::Replayed => Wire::new(
                ErrorCode::INVALID_CLIENT,
                StatusCode::UNAUTHORIZED,
                "client authentication failed",
            )
            .with_challenge(CHALLENGE),
        }
    }
}
