//! The errors of the endpoints that clients call by themselves. [RFC 6749 §5.2]
//!
//! [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2

use axum::extract::rejection::BytesRejection;
use countersign_claims_token::MintError;
use countersign_client_auth::ClientAuthError;
use countersign_client_auth::dpop::DpopError;
use countersign_jwt::SignError;
use countersign_oidc::{RedeemError, RefreshError};
use countersign_store::StoreError;
use countersign_token_exchange::ExchangeError;
use countersign_types::params::ParamsError;
use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Wire, WireError};
use http::StatusCode;

use crate::foreign::IssuerError;

/// Why a client's request was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the request body was not taken")]
    Body(#[from] BytesRejection),
    #[error("the request is malformed")]
    Params(#[from] ParamsError),
    #[error("parameters in the query")]
    Query,
    #[error("the client was not authenticated")]
    ClientAuth(#[from] ClientAuthError),
    #[error("the DPoP proof was not accepted")]
    Dpop(#[from] DpopError),
    #[error("the grant type is not supported")]
    UnsupportedGrantType,
    #[error("client {0} may not use this grant")]
    UnauthorizedClient(ClientId),
    #[error("the token was issued to another client")]
    OtherClient,
    #[error("the scope is malformed or not allowed")]
    Scope,
    #[error("the target is malformed or not allowed")]
    Target,
    #[error("the authorization code was not redeemed")]
    Redeem(#[from] RedeemError),
    #[error("nothing was refreshed")]
    Refresh(#[from] RefreshError),
    #[error("the token was not exchanged")]
    Exchange(#[from] ExchangeError),
    #[error("the issuer of the subject token could not be asked")]
    Issuer(#[from] IssuerError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("a token was not signed")]
    Sign(#[from] SignError),
    #[error("a claims token was not minted")]
    Mint(#[from] MintError),
}

impl TokenError {
    /// Whether the fault is ours, or lies between us and whom we ask.
    pub(crate) const fn is_internal(&self) -> bool {
        matches!(self, Self::Issuer(_) | Self::Store(_) | Self::Sign(_) | Self::Mint(_))
    }

    /// The error response.
    pub(crate) fn response(&self) -> http::Response<Vec<u8>> {
        match self {
            Self::Exchange(error) => countersign_token_exchange::refuse(error),
            other => other.wire().response(),
        }
    }
}

impl WireError for TokenError {
    fn wire(&self) -> Wire {
        let bad = |code, description| Wire::new(code, StatusCode::BAD_REQUEST, description);
        match self {
            Self::Body(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let description = "the request body is too large";
                Wire::new(ErrorCode::INVALID_REQUEST, error.status(), description)
            }
            Self::Body(_) => bad(ErrorCode::INVALID_REQUEST, "the request body cannot be read"),
            Self::Params(error) => error.wire(),
            Self::Query => {
                bad(ErrorCode::INVALID_REQUEST, "parameters belong in the body of the request")
            }
            Self::ClientAuth(error) => error.wire(),
            Self::Dpop(error) => error.wire(),
            Self::UnsupportedGrantType => {
                bad(ErrorCode::UNSUPPORTED_GRANT_TYPE, "the grant type is not supported")
            }
            Self::UnauthorizedClient(_) => {
                bad(ErrorCode::UNAUTHORIZED_CLIENT, "the client may not use this grant")
            }
            // RFC 7009 §2.1, with the code that RFC 6749 §5.2 has for it.
            Self::OtherClient => {
                bad(ErrorCode::INVALID_GRANT, "the token was issued to another client")
            }
            Self::Scope => bad(ErrorCode::INVALID_SCOPE, "the scope exceeds what may be granted"),
            Self::Target => bad(ErrorCode::INVALID_TARGET, "the target is not allowed"),
            Self::Redeem(error) => error.wire(),
            Self::Refresh(error) => error.wire(),
            Self::Exchange(error) => error.wire(),
            // Nothing was said about the token.
            Self::Issuer(_) => Wire::unavailable(),
            Self::Store(error) => error.wire(),
            Self::Sign(_) | Self::Mint(_) => Wire::server_error(),
        }
    }
}
