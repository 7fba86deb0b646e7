//! Token revocation. [RFC 7009 §2]
//!
//! A refresh token stands for what the person allowed: revoking it ends that, with every token that
//! came of it. Revoking an access token ends it and every token that was exchanged out
//! of it, directly or through others.
//!
//! [RFC 7009 §2]: https://www.rfc-editor.org/rfc/rfc7009#section-2

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_store::finish;
use countersign_types::secret::{AccessToken, RefreshToken};
use countersign_types::{ClientId, Lifetime, Timestamp};
use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue};

use crate::app::Sts;
use crate::client_request;
use crate::error::TokenError;
use crate::foreign::renewal;
use crate::live::IssuedToken;

/// A revocation is remembered so much longer than the token lives.
const SKEW: Lifetime = Lifetime::from_secs(60);

pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answered = respond(&sts, query.as_deref(), &headers, body).await;
    client_request::answer(answered, "revocation request")
}

async fn respond(
    sts: &Arc<Sts>,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<http::Response<Vec<u8>>, TokenError> {
    let now = sts.clock.now();
    let params = client_request::parameters(query, headers, body, &[])?;
    let token = params.require("token")?;
    let (client, _) = client_request::authenticate(sts, headers, &params, now).await?;
    // `token_type_hint` saves a search where there is one. [RFC 7009 §2.1]
    if !revoke_grant(sts, &RefreshToken::new(token), client.id(), now).await? {
        revoke_access_token(sts, &AccessToken::new(token), client.id(), now).await?;
    }
    let mut response = http::Response::new(Vec::new());
    for (name, value) in [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Ends the grant of a refresh token; `false` if it is none.
async fn revoke_grant(
    sts: &Arc<Sts>,
    token: &RefreshToken,
    client: &ClientId,
    now: Timestamp,
) -> Result<bool, TokenError> {
    let Some(record) = sts.refresh_tokens.find(token, now).await? else { return Ok(false) };
    let holder = renewal::holder(sts, &record.subject, &record.grant_id, now).await?;
    let Some(holder) = holder else { return Ok(true) };
    if holder != *client {
        return Err(TokenError::OtherClient);
    }
    let sts = Arc::clone(sts);
    finish(async move {
        sts.grants.remove(&record.subject, &record.grant_id).await?;
        tracing::info!(
            target: "countersign::audit",
            client_id = %holder,
            subject = %record.subject,
            "a client revoked what it was allowed",
        );
        Ok(true)
    })
    .await
}

async fn revoke_access_token(
    sts: &Arc<Sts>,
    token: &AccessToken,
    client: &ClientId,
    now: Timestamp,
) -> Result<(), TokenError> {
    // RFC 7009 §2.2: an unknown token is an end that was reached already.
    let Some(token) = IssuedToken::find(sts, token, now).await? else { return Ok(()) };
    if token.client_id != *client {
        return Err(TokenError::OtherClient);
    }
    let sts = Arc::clone(sts);
    finish(async move {
        sts.revoked.revoke(&token.jti, token.expires.after(SKEW)).await?;
        tracing::info!(
            target: "countersign::audit",
            client_id = %token.client_id,
            subject = %token.subject,
            jti = %token.jti,
            "a client revoked an access token",
        );
        Ok(())
    })
    .await
}
