//! Answers to requests that no endpoint takes: JSON for programs, a page for people.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use countersign_types::Wire;
use countersign_types::wire::ErrorCode;
use http::StatusCode;

use crate::app::Sts;
use crate::pages;
use crate::texts::Say;

/// There is nothing at this path.
pub(crate) async fn no_such_endpoint() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is no such endpoint")
}

/// There is something at this path, for other methods. `Allow` is added on the way out.
pub(crate) async fn method_not_allowed() -> Response {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "the endpoint does not take this method")
}

/// The same where people come by.
pub(crate) async fn page(State(sts): State<Arc<Sts>>) -> Response {
    let explanation: Say = |t| t.malformed;
    pages::problem(StatusCode::METHOD_NOT_ALLOWED, explanation, &sts.endpoints.stylesheet)
}

fn refuse(status: StatusCode, description: &'static str) -> Response {
    Wire::new(ErrorCode::INVALID_REQUEST, status, description).response().map(Body::from)
}
