//! Reads request bodies: a form where OAuth says form, JSON where UMA says JSON, nothing else.

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use countersign_types::wire::ErrorCode;
use countersign_types::{Wire, WireError};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// The longest body that is read.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// Why a request was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the content type is not application/x-www-form-urlencoded")]
    NotAForm,
    #[error("the content type is not application/json")]
    NotJson,
    #[error("parameters in the query")]
    Query,
    #[error("the body is longer than {0} octets")]
    TooLarge(usize),
    #[error("the body ended early")]
    Incomplete(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the method is not supported")]
    Method,
    #[error("the path is no endpoint's")]
    Path,
}

impl WireError for RequestError {
    fn wire(&self) -> Wire {
        let (status, description) = match self {
            Self::Path => {
                return Wire::new(ErrorCode::NOT_FOUND, StatusCode::NOT_FOUND, "no such endpoint");
            }
            Self::NotAForm => {
                (StatusCode::BAD_REQUEST, "the request must be application/x-www-form-urlencoded")
            }
            Self::NotJson => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the request must be application/json")
            }
            Self::Query => (StatusCode::BAD_REQUEST, "parameters belong in the body"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "the request is too large"),
            Self::Incomplete(_) => (StatusCode::BAD_REQUEST, "the request ended early"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "the method is not supported here"),
        };
        Wire::new(ErrorCode::INVALID_REQUEST, status, description)
    }
}

/// Reads a form. Parameters in the query are refused, not merged. [RFC 6749 §3.2, Appendix B]
///
/// [RFC 6749 §3.2, Appendix B]: https://www.rfc-editor.org/rfc/rfc6749#section-3.2
pub(crate) async fn form(request: Request) -> Result<(HeaderMap, Bytes), RequestError> {
    form_at_most(MAX_BODY, request).await
}

/// Reads a form of so many octets at most.
pub(crate) async fn form_at_most(
    most: usize,
    request: Request,
) -> Result<(HeaderMap, Bytes), RequestError> {
    let (head, body) = request.into_parts();
    if head.uri.query().is_some() {
        return Err(RequestError::Query);
    }
    if !has_type(&head.headers, "application/x-www-form-urlencoded") {
        return Err(RequestError::NotAForm);
    }
    Ok((head.headers, read(body, most).await?))
}

/// Reads JSON.
pub(crate) async fn json(headers: &HeaderMap, body: Body) -> Result<Bytes, RequestError> {
    if !has_type(headers, "application/json") {
        return Err(RequestError::NotJson);
    }
    read(body, MAX_BODY).await
}

async fn read(body: Body, most: usize) -> Result<Bytes, RequestError> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(RequestError::TooLarge(most)),
        Err(error) => Err(RequestError::Incomplete(error)),
    }
}

/// Whether there is one `Content-Type` and it is this type, parameters aside.
fn has_type(headers: &HeaderMap, expected: &str) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(expected)
}
