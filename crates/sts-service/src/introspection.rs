//! Token introspection for resource servers. [RFC 7662 §2]
//!
//! [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_oidc::introspection::{self, Asker};
use countersign_types::wire::json_response;
use http::{HeaderMap, StatusCode};

use crate::app::Sts;
use crate::client_request;
use crate::error::TokenError;
use crate::live::{IssuedToken, PRIVATE};

pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answered = respond(&sts, query.as_deref(), &headers, body).await;
    client_request::answer(answered, "introspection request")
}

async fn respond(
    sts: &Sts,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<http::Response<Vec<u8>>, TokenError> {
    let now = sts.clock.now();
    let params = client_request::parameters(query, headers, body, &[])?;
    let token = introspection::parse(&params)?;
    let (client, registered) = client_request::authenticate(sts, headers, &params, now).await?;
    // RFC 7662 §2.1: whoever cannot prove who it is scans for tokens.
    if !client.is_confidential() {
        return Err(TokenError::UnauthorizedClient(client.id().clone()));
    }
    let asker = Asker { client_id: client.id(), audiences: &registered.introspects };
    let answer = match IssuedToken::find(sts, &token, now).await? {
        Some(token) if token.is_live(sts, now).await? => {
            introspection::active(asker, token.claims.as_map(), PRIVATE)
        }
        _ => introspection::inactive(),
    };
    Ok(json_response(StatusCode::OK, &answer))
}
