//! The user query: SCIM 2.0, as far as it answers one question. [RFC 7644 §3.4.2], [RFC 7643 §4.1,
//! §4.3]
//!
//! `GET /scim/v2/Users?filter=emails.value eq "alice@alice.example"` tells a client with the scope
//! `query-users` who has exactly this verified address, with the claims that may leave the
//! provider. No other filter is understood, nobody can be listed, and nothing can be changed. Who
//! does not exist, who is disabled and whose address was not verified are alike: a list without
//! anybody.
//!
//! [RFC 7643 §4.1, §4.3]: https://www.rfc-editor.org/rfc/rfc7643#section-4.1
//! [RFC 7644 §3.4.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2

mod error;
pub(super) mod query;
pub(crate) mod user;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_jwt::cnf::Confirmation;
use countersign_token_exchange::subject::ORIGIN_JTI;
use countersign_types::wire::json_response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use self::error::QueryError;
use super::bearer;
use super::directory::own_account;
use crate::app::Sts;
use crate::exchange::released_of;
use crate::live::IssuedToken;

/// The scope of a client that may ask who has an address: of the client itself, and of no person.
pub const QUERY_USERS: &str = "query-users";

/// The media type. [RFC 7644 §3.1](https://www.rfc-editor.org/rfc/rfc7644#section-3.1)
pub(crate) const MEDIA_TYPE: &str = "application/scim+json";

pub(crate) async fn get(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let told = respond(&sts, query.as_deref(), &headers).await;
    told.unwrap_or_else(|error| {
        let cause = &error as &dyn std::error::Error;
        if error.status().is_server_error() {
            tracing::error!(error = cause, "user query failed");
        } else {
            tracing::info!(error = cause, "user query refused");
        }
        error.response()
    })
    .map(Body::from)
}

async fn respond(
    sts: &Sts,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<http::Response<Vec<u8>>, QueryError> {
    let now = sts.clock.now();
    let token = bearer::token(headers)?;
    let issued = IssuedToken::find(sts, &token, now).await?.ok_or(QueryError::Token)?;
    // Whoever else the token is for holds it as well, and whoever acts in it is not who was let
    // ask.
    let is_own = !issued.claims.has("act") && !issued.claims.has(ORIGIN_JTI);
    let for_us = issued.claims.audience().is_ok_and(|all| all == [sts.issuer().as_str()]) && is_own;
    let is_bearer = matches!(Confirmation::of(&issued.claims), Ok(None));
    if !for_us || !is_bearer || !issued.is_live(sts, now).await? {
        return Err(QueryError::Token);
    }
    // A person's consent is none for asking about others.
    if issued.subject != issued.client_id.as_str() || !issued.scope.contains(QUERY_USERS) {
        return Err(QueryError::Scope);
    }
    let address = query::address(query)?;
    let found = own_account(sts, &address).await?;
    let users = found.map(|mut person| {
        person.claims = released_of(sts, &person.claims);
        user::render(&person)
    });
    tracing::info!(client_id = %issued.client_id, found = users.is_some(), "user query answered");
    Ok(scim(StatusCode::OK, &user::list(users)))
}

fn scim(status: StatusCode, body: &Value) -> http::Response<Vec<u8>> {
    let mut response = json_response(status, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}
