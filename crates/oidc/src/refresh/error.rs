//! Why nothing was refreshed. [RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)

use countersign_types::params::ParamsError;
use countersign_types::wire::ErrorCode;
use countersign_types::{Wire, WireError};
use http::StatusCode;

/// Why nothing was refreshed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// A parameter is missing.
    #[error("the request is malformed")]
    Params(#[from] ParamsError),
    /// The scope is malformed, or more than was granted. [RFC 6749 §6]
    ///
    /// [RFC 6749 §6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
    #[error("the scope exceeds what was granted")]
    Scope,
    /// The token is unknown, of another client, or its grant has ended.
    #[error("the refresh token is unknown")]
    Unknown,
    /// It was not used for too long.
    #[error("the refresh token was not used for too long")]
    Idle,
    /// It is bound to a key, and the request proves none or another.
    #[error("the refresh token is bound to a key")]
    Key,
    /// It had been replaced: the grant has to end. [RFC 9700 §4.14.2]
    ///
    /// [RFC 9700 §4.14.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2
    #[error("the refresh token was replaced before")]
    Reused,
}

impl WireError for RefreshError {
    fn wire(&self) -> Wire {
        match self {
            Self::Params(error) => error.wire(),
            Self::Scope => Wire::new(
                ErrorCode::INVALID_SCOPE,
                StatusCode::BAD_REQUEST,
                "the scope exceeds what was granted",
            ),
            // One answer for all: which of them it was is nobody's business but the log's.
            Self::Unknown | Self::Idle | Self::Key | Self::Reused => Wire::new(
                ErrorCode::INVALID_GRANT,
                StatusCode::BAD_REQUEST,
                "the refresh token is not valid",
            ),
        }
    }
}
