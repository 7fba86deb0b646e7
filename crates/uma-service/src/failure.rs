//! What can go wrong with a request, and the response it gets.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use countersign_client_auth::ClientAuthError;
use countersign_oidc::RedeemError;
use countersign_store::StoreError;
use countersign_types::params::ParamsError;
use countersign_types::wire::{ErrorCode, causes};
use countersign_types::{Wire, WireError};
use countersign_uma::GrantError;
use countersign_uma::permission::PermissionError;
use countersign_uma::protection::PatError;
use countersign_uma::refresh::RefreshError;
use countersign_uma::resource::ResourceError;
use http::StatusCode;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, header};

use crate::body::RequestError;
use crate::limits::Exhausted;
use crate::pat::BearerError;

/// A client wants to revoke what is not its own.
#[derive(Debug, thiserror::Error)]
#[error("the token was issued to another client")]
pub(crate) struct OtherClient;

/// A request that failed, in the terms of the operation that refused it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the request could not be read")]
    Body(#[from] RequestError),
    #[error("the parameters were refused")]
    Params(#[from] ParamsError),
    #[error("no PAT")]
    Bearer(#[from] BearerError),
    #[error("the client was not authenticated")]
    Client(#[from] ClientAuthError),
    #[error("the grant was refused")]
    Grant(#[from] GrantError),
    #[error("nothing was refreshed")]
    Refresh(#[from] RefreshError),
    #[error("no code was redeemed")]
    Redeem(#[from] RedeemError),
    #[error("nothing was revoked")]
    Revocation(#[from] OtherClient),
    #[error("no PAT was issued")]
    Pat(#[from] PatError),
    #[error("the permission request was refused")]
    Permission(#[from] PermissionError),
    #[error("the resource request was refused")]
    Resource(#[from] ResourceError),
    #[error("the quota is used up")]
    Quota(#[from] Exhausted),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the assessment ended in a way this service has no answer for")]
    Unanswerable,
}

impl WireError for Failure {
    fn wire(&self) -> Wire {
        match self {
            Self::Body(error) => error.wire(),
            Self::Params(error) => error.wire(),
            Self::Bearer(error) => error.wire(),
            Self::Client(error) => error.wire(),
            Self::Grant(error) => error.wire(),
            Self::Refresh(error) => error.wire(),
            Self::Redeem(error) => error.wire(),
            // RFC 7009 §2.1, with the code that RFC 6749 §5.2 has for it.
            Self::Revocation(OtherClient) => Wire::new(
                ErrorCode::INVALID_GRANT,
                StatusCode::BAD_REQUEST,
                "the token was issued to another client",
            ),
            Self::Pat(error) => error.wire(),
            Self::Permission(error) => error.wire(),
            Self::Resource(error) => error.wire(),
            Self::Quota(_) => Wire::new(
                ErrorCode::TEMPORARILY_UNAVAILABLE,
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests of this resource server",
            ),
            Self::Store(error) => error.wire(),
            Self::Unanswerable => Wire::server_error(),
        }
    }
}

/// Logs the failure with its causes, once, and answers it.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let wire = self.wire();
        let cause = causes(&self);
        if wire.status.is_server_error() {
            tracing::error!(code = %wire.code, %cause, "request failed");
        } else {
            tracing::info!(code = %wire.code, %cause, "request refused");
        }
        // RFC 6750 §3.1: no error code for a request without credentials.
        if matches!(self, Self::Bearer(BearerError::Missing)) {
            return bare_challenge();
        }
        let mut response = wire.response().map(Body::from);
        if let Self::Quota(Exhausted { retry_after }) = self {
            response.headers_mut().insert(RETRY_AFTER, retry_after.as_secs().into());
        }
        response
    }
}

fn bare_challenge() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
