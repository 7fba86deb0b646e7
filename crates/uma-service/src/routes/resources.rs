//! The resource registration endpoint. [UF §3.2]
//!
//! [UF §3.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use countersign_store::{StoreError, finish};
use countersign_types::Timestamp;
use countersign_uma::Protection;
use countersign_uma::resource::{self, ResourceDescription, ResourceError, ResourceId};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::{allowing, json};
use crate::app::{Uma, registrant};
use crate::failure::Failure;
use crate::{body, pat};

/// The resource that the path names, unless no resource is called that, which only somebody with a
/// PAT is told.
type Named = Result<Path<ResourceId>, PathRejection>;

/// [UF
/// §3.2.5](https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2.5)
pub(crate) async fn list(State(uma): State<Arc<Uma>>, headers: HeaderMap) -> Response {
    let now = uma.seams.clock.now();
    try_list(&uma, &headers, now).await.unwrap_or_else(Failure::into_response)
}

/// [UF
/// §3.2.1](https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2.1)
pub(crate) async fn create(State(uma): State<Arc<Uma>>, request: Request) -> Response {
    let now = uma.seams.clock.now();
    try_create(&uma, request, now).await.unwrap_or_else(Failure::into_response)
}

/// [UF
/// §3.2.2](https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2.2)
pub(crate) async fn read(State(uma): State<Arc<Uma>>, id: Named, headers: HeaderMap) -> Response {
    let now = uma.seams.clock.now();
    try_read(&uma, id, &headers, now).await.unwrap_or_else(Failure::into_response)
}

/// [UF
/// §3.2.3](https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2.3)
pub(crate) async fn replace(State(uma): State<Arc<Uma>>, id: Named, request: Request) -> Response {
    let now = uma.seams.clock.now();
    try_replace(&uma, id, request, now).await.unwrap_or_else(Failure::into_response)
}

/// [UF
/// §3.2.4](https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2.4)
pub(crate) async fn delete(State(uma): State<Arc<Uma>>, id: Named, headers: HeaderMap) -> Response {
    let now = uma.seams.clock.now();
    try_delete(&uma, id, &headers, now).await.unwrap_or_else(Failure::into_response)
}

/// Any other method on the collection: 405 `unsupported_method_type`.
pub(crate) async fn method_of_the_list() -> Response {
    allowing("GET, HEAD, POST", ResourceError::Method.into())
}

/// Any other method on a resource: 405 `unsupported_method_type`.
pub(crate) async fn method_of_a_resource() -> Response {
    allowing("GET, HEAD, PUT, DELETE", ResourceError::Method.into())
}

/// Says where the owner sets who may reach the resource, if there is a page for it. [UF §3.2]
///
/// [UF §3.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2
fn with_page(uma: &Uma, protection: &Protection, id: &ResourceId, response: Value) -> Value {
    match &uma.console {
        Some(console) => {
            resource::with_policy_page(response, &console.resource_page(protection, id.as_str()))
        }
        None => response,
    }
}

async fn try_list(uma: &Uma, headers: &HeaderMap, now: Timestamp) -> Result<Response, Failure> {
    let protection = pat::authorize(uma, headers, now).await?;
    let resources = uma.resources.list(&registrant(&protection)).await?;
    let ids: Value = resources.into_iter().map(|(id, _)| id).collect();
    Ok(json(StatusCode::OK, &ids))
}

async fn try_create(uma: &Uma, request: Request, now: Timestamp) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let protection = pat::authorize(uma, &head.headers, now).await?;
    let description = ResourceDescription::parse(&body::json(&head.headers, body).await?)?;
    let registrant = registrant(&protection);
    let counts = &uma.resource_counts;
    if !counts.reserve(&protection) {
        let count = uma.resources.count(&registrant).await?;
        if !counts.reserve_of(&protection, count) {
            return Err(ResourceError::Limit(counts.limit()).into());
        }
    }
    let id = ResourceId::generate(&*uma.seams.random);
    if let Err(error) = uma.resources.create(&registrant, id.as_str(), &description).await {
        counts.release(&protection);
        return Err(error.into());
    }

    let body = with_page(uma, &protection, &id, resource::registered(&id));
    let mut response = json(StatusCode::CREATED, &body);
    // Built from configuration, never from the request's Host.
    let location = format!("{}/{id}", uma.endpoints.resources);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn try_read(
    uma: &Uma,
    id: Named,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, Failure> {
    let protection = pat::authorize(uma, headers, now).await?;
    let Path(id) = id.map_err(|_| ResourceError::NotFound)?;
    let found = uma.resources.read(&registrant(&protection), id.as_str()).await?;
    let description = found.ok_or(ResourceError::NotFound)?;
    Ok(json(StatusCode::OK, &with_page(uma, &protection, &id, description.respond(&id))))
}

async fn try_replace(
    uma: &Uma,
    id: Named,
    request: Request,
    now: Timestamp,
) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let protection = pat::authorize(uma, &head.headers, now).await?;
    let Path(id) = id.map_err(|_| ResourceError::NotFound)?;
    let description = ResourceDescription::parse(&body::json(&head.headers, body).await?)?;
    let registrant = registrant(&protection);
    if !uma.resources.replace(&registrant, id.as_str(), &description).await? {
        return Err(ResourceError::NotFound.into());
    }
    Ok(json(StatusCode::OK, &with_page(uma, &protection, &id, resource::registered(&id))))
}

async fn try_delete(
    uma: &Arc<Uma>,
    id: Named,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, Failure> {
    let protection = pat::authorize(uma, headers, now).await?;
    let Path(id) = id.map_err(|_| ResourceError::NotFound)?;
    let uma = Arc::clone(uma);
    if !finish(async move { remove(&uma, &protection, &id, now).await }).await? {
        return Err(ResourceError::NotFound.into());
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Removes a resource with what is shared of it alone; `false` if there is no such resource. What
/// is shared goes even then: the store may have failed before all of it was gone.
async fn remove(
    uma: &Uma,
    protection: &Protection,
    id: &ResourceId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let was_there = uma.resources.remove(&registrant(protection), id.as_str()).await?;
    if was_there {
        uma.resource_counts.release(protection);
    }
    uma.unshare_resource(protection, id, now).await?;
    Ok(was_there)
}
