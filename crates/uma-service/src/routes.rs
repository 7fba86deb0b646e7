//! Parse, gather, decide, respond: one module per endpoint.

pub(crate) mod introspection;
mod mandate;
pub(crate) mod metadata;
pub(crate) mod permission;
mod refresh;
pub(crate) mod resources;
pub(crate) mod revocation;
pub(crate) mod token;

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use countersign_types::wire::json_response;
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

pub(crate) use self::introspection::introspect;
pub(crate) use self::mandate::MandateToken;
pub(crate) use self::metadata::{jwks, metadata};
pub(crate) use self::permission::permission;
pub(crate) use self::revocation::revoke;
pub(crate) use self::token::token;
use crate::app::Uma;
use crate::body::RequestError;
use crate::failure::Failure;

/// Answers every method but those of `methods` with 405. [RFC 9110 §15.5.6]
///
/// [RFC 9110 §15.5.6]: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
pub(crate) fn only(allow: &'static str, methods: MethodRouter<Arc<Uma>>) -> MethodRouter<Arc<Uma>> {
    methods.fallback(move || async move { allowing(allow, RequestError::Method.into()) })
}

/// Answers a path that is no endpoint's.
pub(crate) async fn not_found() -> Response {
    Failure::from(RequestError::Path).into_response()
}

/// The failure, with the methods that would have done.
pub(crate) fn allowing(allow: &'static str, failure: Failure) -> Response {
    let mut response = failure.into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// A JSON response that is not to be stored.
pub(crate) fn json<T: Serialize + ?Sized>(status: StatusCode, body: &T) -> Response {
    json_response(status, body).map(Body::from)
}
