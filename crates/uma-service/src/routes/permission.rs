//! The permission endpoint. [UF §4]
//!
//! [UF §4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use countersign_types::{Timestamp, random};
use countersign_uma::permission;
use http::StatusCode;

use super::json;
use crate::app::Uma;
use crate::failure::Failure;
use crate::{body, pat};

/// [UF
/// §4.1](https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4.1)
pub(crate) async fn permission(State(uma): State<Arc<Uma>>, request: Request) -> Response {
    let now = uma.seams.clock.now();
    respond(&uma, request, now).await.unwrap_or_else(Failure::into_response)
}

async fn respond(uma: &Uma, request: Request, now: Timestamp) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let protection = pat::authorize(uma, &head.headers, now).await?;
    let request = permission::parse(&body::json(&head.headers, body).await?)?;
    let registered = uma.registered(&protection, request.permissions()).await?;
    let random = &*uma.seams.random;
    let id = random::identifier(random);
    let quota_of = protection.resource_server.clone();
    let lifetime = uma.settings.ticket_lifetime;
    let process = request.open(&registered, protection, id, now, lifetime)?;
    uma.ticket_quota.take(&quota_of, now)?;
    let ticket = uma.tickets.issue(random, &process, None, process.expires()).await?;
    Ok(json(StatusCode::CREATED, &permission::respond(&ticket)))
}
