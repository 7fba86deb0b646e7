//! The Pbench-Server of the drawing: an API that takes the broker's tokens, and asks the broker about
//! each, so that one that was revoked is refused at once.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use countersign_resource::{IntrospectedTokens, ProtectLayer, Routes, VerifiedCaller};
use countersign_types::ResourceIdentifier;
use countersign_types::wire::json_response;
use http::StatusCode;
use serde_json::{Value, json};

use super::SERVER;
use super::world::{API, BROKER, DASHBOARD, World};
use crate::demo::servers::Failure;
use crate::demo::story::Step;
use crate::demo::teller::Teller;

pub(super) const ENDPOINTS: &str = "/api/v1/endpoints";
pub(super) const RESULTS: &str = "/api/v1/results";
/// What a caller of [`RESULTS`] has to be.
const ROLE: &str = "curator";

pub(super) fn router(world: &World) -> Result<Router, Failure> {
    let routes = Routes::new().role(&format!("POST {RESULTS}"), ROLE).build()?;
    let tokens = IntrospectedTokens::new(
        ResourceIdentifier::parse(API)?,
        world.introspector()?,
        world.servers.fetch(),
        world.servers.clock(),
        world.servers.random(),
    );
    let restricted = Router::new()
        .route(RESULTS, post(results))
        .with_state(world.servers.teller())
        .layer(ProtectLayer::new(tokens, routes)?);
    Ok(Router::new().route(ENDPOINTS, get(endpoints)).merge(restricted))
}

/// A21: the drawing's optional client_secret is never there.
async fn endpoints() -> Response {
    let document = json!({ "openid": { "issuer": BROKER, "client_id": DASHBOARD } });
    json_response(StatusCode::OK, &document).map(Body::from)
}

/// The restricted endpoint.
async fn results(
    State(teller): State<Arc<Teller>>,
    Extension(caller): Extension<VerifiedCaller>,
) -> Response {
    let words = "Validation and identity extraction from the Pbench token";
    let step = Step::new(None, SERVER, SERVER, words)
        .detail("sub", caller.subject().unwrap_or_default())
        .detail("roles", caller.roles().collect::<Vec<_>>().join(" "));
    if !teller.is_silent() {
        teller.step(step);
    }
    let email = caller.email().map_or("", |email| email.as_str());
    json_response(StatusCode::OK, &data(email)).map(Body::from)
}

/// What is there for a curator.
pub(super) fn data(email: &str) -> Value {
    json!({ "results": ["fio", "uperf", "linpack"], "curator": email })
}
