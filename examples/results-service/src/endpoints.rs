//! What the dashboard has to know before anybody is signed in: `GET /api/v1/endpoints`.
//!
//! The document is public, so that there is nothing in it that is not: where to sign in, as which
//! client, and whether what was given there is exchanged here. A client secret has no place in it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use countersign::adapters::fetch::Fetch;
use countersign::adapters::host::Seams;
use countersign::adapters::resolver::IssuerCache;
use countersign::types::Wire;
use countersign::types::wire::{ErrorCode, json_response};
use http::StatusCode;
use serde_json::json;

use crate::config::{Config, SignIn};
use crate::token;

/// Where it is.
pub const PATH: &str = "/api/v1/endpoints";

struct Endpoints {
    sign_in: SignIn,
    provider: IssuerCache,
    exchanges: bool,
}

/// The route.
pub fn router(config: &Config, fetch: &Arc<dyn Fetch>, seams: &Seams) -> Router {
    let (fetch, clock) = (Arc::clone(fetch), Arc::clone(&seams.clock));
    let endpoints = Endpoints {
        provider: IssuerCache::new(config.sign_in.issuer.clone(), fetch, clock),
        sign_in: config.sign_in.clone(),
        exchanges: config.exchange.is_some(),
    };
    Router::new().route(PATH, get(endpoints_document)).with_state(Arc::new(endpoints))
}

async fn endpoints_document(State(endpoints): State<Arc<Endpoints>>) -> Response {
    let metadata = match endpoints.provider.metadata().await {
        Ok(metadata) => metadata,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the provider is not found");
            return UNAVAILABLE.response().map(Body::from);
        }
    };
    let SignIn { issuer, client_id, scopes } = &endpoints.sign_in;
    let document = json!({
        "openid": {
            "issuer": issuer,
            "authorization_endpoint": metadata.authorization_endpoint,
            "client_id": client_id,
            "scope": scopes.to_string(),
        },
        "token_exchange": endpoints.exchanges.then_some(token::PATH),
    });
    json_response(StatusCode::OK, &document).map(Body::from)
}

const UNAVAILABLE: Wire = Wire::new(
    ErrorCode::TEMPORARILY_UNAVAILABLE,
    StatusCode::SERVICE_UNAVAILABLE,
    "the provider where people sign in cannot be found at the moment",
);
