//! The Pbench-Server of the drawing: an API that takes the broker's tokens, and asks the broker
//! about each, so that one that was revoked is refused at once.

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

use super::world::{BROKER, World};
use crate::demo::results::{self, API, ENDPOINTS, RESULTS, ROLE, SERVER};
use crate::demo::servers::Failure;
use crate::demo::story::Step;
use crate::demo::teller::Teller;

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
        .route(RESULTS, post(restricted))
        .with_state(world.servers.teller())
        .layer(ProtectLayer::new(tokens, routes)?);
    Ok(Router::new().route(ENDPOINTS, get(endpoints)).merge(restricted))
}

async fn endpoints() -> Response {
    results::endpoints(BROKER)
}

/// The restricted endpoint.
async fn restricted(
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
    json_response(StatusCode::OK, &results::data(email)).map(Body::from)
}
