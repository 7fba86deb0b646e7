//! The errors of the claims endpoint. (PROFILE §5.6) [RFC 6750 §3.1]
//!
//! [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1

use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_claims_token::MintError;
use countersign_store::StoreError;
use countersign_token_exchange::{ExchangeError, ForeignError, Step};
use countersign_types::params::ParamsError;
use countersign_types::wire::ErrorCode;
use countersign_types::{Wire, WireError};
use http::StatusCode;

use super::bearer::NoToken;
use super::directory::DirectoryError;
use crate::error::TokenError;
use crate::foreign::IssuerError;

/// Why nothing is issued.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClaimsError {
    #[error("no access token, or two")]
    NoToken(NoToken),
    #[error("the request body was not taken")]
    Body(#[from] BytesRejection),
    #[error("parameters in the query")]
    Query,
    #[error("the request is malformed")]
    Params(#[from] ParamsError),
    #[error("no claims token")]
    Exchange(#[from] ExchangeError),
    #[error("the user directory could not be asked")]
    Directory(#[source] IssuerError),
    #[error("the server that issued the token could not be asked")]
    Issuer(#[from] IssuerError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the claims token was not minted")]
    Mint(#[from] MintError),
}

impl From<NoToken> for ClaimsError {
    fn from(error: NoToken) -> Self {
        Self::NoToken(error)
    }
}

impl From<ForeignError> for ClaimsError {
    fn from(error: ForeignError) -> Self {
        Self::Exchange(error.into())
    }
}

impl From<DirectoryError> for ClaimsError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Store(error) => Self::Store(error),
            DirectoryError::Unavailable(error) | DirectoryError::Unclear(error) => {
                Self::Directory(error)
            }
        }
    }
}

impl From<TokenError> for ClaimsError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Exchange(error) => Self::Exchange(error),
            TokenError::Store(error) => Self::Store(error),
            TokenError::Issuer(error) => Self::Issuer(error),
            // INVARIANT: establishing a subject reads a token and asks the store, and nothing else.
            _ => Self::Exchange(ExchangeError::NotAPerson),
        }
    }
}

impl ClaimsError {
    /// The step of the decision that failed; none if nothing was decided.
    pub(super) const fn step(&self) -> Option<Step> {
        match self {
            Self::Exchange(error) => Some(error.step()),
            Self::Body(_) | Self::Query | Self::Params(_) => Some(Step::Request),
            _ => None,
        }
    }

    /// The answer, with its line in the log.
    pub(super) fn answer(&self) -> Response {
        let cause = self as &dyn std::error::Error;
        let wire = self.wire();
        if wire.status.is_server_error() {
            tracing::error!(error = cause, "claims request failed");
        } else {
            tracing::info!(error = cause, code = %wire.code, "claims request refused");
        }
        wire.response().map(Body::from)
    }
}

const INVALID_TOKEN: Wire =
    Wire::new(ErrorCode::INVALID_TOKEN, StatusCode::UNAUTHORIZED, "the access token is not valid")
        .with_challenge("Bearer error=\"invalid_token\"");

/// One answer for a token without the scope, for a client that is not registered for the endpoint,
/// and for a client that names a person whom it may not name or who does not exist.
const INSUFFICIENT_SCOPE: Wire = Wire::new(
    ErrorCode::INSUFFICIENT_SCOPE,
    StatusCode::FORBIDDEN,
    "the access token does not allow this",
)
.with_challenge("Bearer error=\"insufficient_scope\", scope=\"claims-provider\"");

impl WireError for ClaimsError {
    fn wire(&self) -> Wire {
        let bad = |status, description| Wire::new(ErrorCode::INVALID_REQUEST, status, description);
        match self {
            // RFC 6750 §3.1: without credentials no error code in the challenge.
            Self::NoToken(NoToken::Missing) => Wire::new(
                ErrorCode::INVALID_TOKEN,
                StatusCode::UNAUTHORIZED,
                "an access token is needed",
            )
            .with_challenge("Bearer scope=\"claims-provider\""),
            Self::NoToken(NoToken::Repeated) => {
                bad(StatusCode::BAD_REQUEST, "one access token, in the Authorization header")
                    .with_challenge("Bearer error=\"invalid_request\"")
            }
            Self::Body(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                bad(error.status(), "the request body is too large")
            }
            Self::Body(_) => bad(StatusCode::BAD_REQUEST, "the request body cannot be read"),
            Self::Query => {
                bad(StatusCode::BAD_REQUEST, "parameters belong in the body of the request")
            }
            Self::Params(ParamsError::NotAForm) => {
                bad(StatusCode::BAD_REQUEST, "the request is neither a form nor a JSON object")
            }
            Self::Params(error) => error.wire(),
            Self::Exchange(
                ExchangeError::SubjectToken(_)
                | ExchangeError::ForeignToken(_)
                | ExchangeError::SubjectClient(_),
            ) => INVALID_TOKEN,
            Self::Exchange(
                ExchangeError::Consent
                | ExchangeError::Client(_)
                | ExchangeError::PublicClient(_)
                | ExchangeError::Impersonation(_)
                | ExchangeError::Delegation { named: true, .. },
            ) => INSUFFICIENT_SCOPE,
            Self::Exchange(error) => error.wire(),
            // Nothing was said about the token, nor about the person.
            Self::Directory(_) | Self::Issuer(_) => Wire::unavailable(),
            Self::Store(error) => error.wire(),
            Self::Mint(_) => Wire::server_error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::ClientId;

    use super::*;

    /// STS-8: a rule about somebody whom a client names, and nobody.
    #[test]
    fn sts_8_a_refused_delegation_is_nobody() {
        let wire = |error: ExchangeError| ClaimsError::from(error).wire();
        let delegation = |named| {
            let rules = vec!["a rule".to_owned()];
            wire(ExchangeError::Delegation { rules, explained: false, named })
        };
        let nobody = wire(ExchangeError::Impersonation(ClientId::parse("agent").unwrap()));
        assert_eq!(delegation(true), nobody);
        assert_eq!(delegation(false).status, StatusCode::BAD_REQUEST, "of a person's own token");
    }
}
