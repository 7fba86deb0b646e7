//! Why a caller is given no token.

use countersign_fetch::FetchError;
use countersign_jwt::SignError;
use countersign_resolver::ServerMetadataError;
use countersign_types::wire::ErrorCode;
use countersign_types::{Wire, WireError};
use http::StatusCode;
use oauth2::RequestTokenError;

use crate::token_endpoint::TokenError;

/// Why a caller is given no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InternalTokenError {
    /// There is no such session, or no more.
    #[error("the session has ended")]
    Session,
    /// The server's metadata cannot be had.
    #[error("the security token service cannot be found")]
    Metadata(#[from] ServerMetadataError),
    /// The server issued nothing.
    #[error("the security token service issued nothing")]
    Refused(#[source] Box<TokenError<FetchError>>),
    /// The server could not be reached.
    #[error("the security token service did not answer")]
    Fetch(#[source] FetchError),
    /// The server's answer is of no use.
    #[error("the answer of the security token service is of no use: {0}")]
    Answer(&'static str),
    /// The server has not answered in the time that there was. It is still being asked.
    #[error("the security token service has not answered yet")]
    Unanswered,
    /// The runtime that the request was made on has ended.
    #[error("the request was cut off")]
    Stopped,
    /// The API's key did not sign.
    #[error("the client could not prove itself")]
    Sign(#[from] SignError),
}

impl InternalTokenError {
    /// Whether the server refuses what was brought to it. Its other errors are about the API's own
    /// registration.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        let RequestTokenError::ServerResponse(said) = error.as_ref() else { return false };
        matches!(said.error.as_str(), "invalid_request" | "invalid_grant")
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Metadata(error) => error.is_temporary(),
            Self::Fetch(error) => error.is_temporary(),
            Self::Refused(error) => match error.as_ref() {
                RequestTokenError::Request(error) => error.is_temporary(),
                RequestTokenError::ServerResponse(said) => said.error == "temporarily_unavailable",
                _ => false,
            },
            _ => false,
        }
    }
}

/// What the caller is told: that the token is not accepted ([RFC 6750 §3.1]), or that the failure
/// is the API's.
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
impl WireError for InternalTokenError {
    fn wire(&self) -> Wire {
        if self.is_temporary() {
            return Wire::new(
                ErrorCode::TEMPORARILY_UNAVAILABLE,
                StatusCode::SERVICE_UNAVAILABLE,
                "no token can be issued at the moment",
            );
        }
        let description = match self {
            Self::Session => "the session has ended",
            refused if refused.is_refusal() => "the token is not accepted",
            _ => {
                return Wire::new(
                    ErrorCode::SERVER_ERROR,
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "no token can be issued",
                );
            }
        };
        Wire::new(ErrorCode::INVALID_TOKEN, StatusCode::UNAUTHORIZED, description)
            .with_challenge("Bearer error=\"invalid_token\"")
    }
}
