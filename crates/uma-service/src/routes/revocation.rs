//! Token revocation by the client that has the token. [UG §3.7], [RFC 7009 §2]
//!
//! Revoking a refresh token ends every RPT that came of it; revoking an RPT or a PAT ends that one
//! token. Introspection knows of it at once.
//!
//! [UG §3.7]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.7
//! [RFC 7009 §2]: https://www.rfc-editor.org/rfc/rfc7009#section-2

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use countersign_store::finish;
use countersign_types::secret::{AccessToken, RefreshToken};
use countersign_types::{ClientId, Params, Timestamp};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, PRAGMA};

use super::token::authenticate;
use crate::app::Uma;
use crate::body;
use crate::failure::{Failure, OtherClient};
use crate::pat::{Refreshable, StoredToken};
use crate::routes::MandateToken;

/// [RFC 7009 §2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1)
pub(crate) async fn revoke(State(uma): State<Arc<Uma>>, request: Request) -> Response {
    let now = uma.seams.clock.now();
    respond(&uma, request, now).await.unwrap_or_else(Failure::into_response)
}

async fn respond(uma: &Arc<Uma>, request: Request, now: Timestamp) -> Result<Response, Failure> {
    let (headers, form) = body::form(request).await?;
    let params = Params::parse(&form, &[])?;
    let token = params.require("token")?;
    let (client, _) = authenticate(uma, &headers, &params, now).await?;
    let (uma, client) = (Arc::clone(uma), client.id().clone());
    let (refresh_token, access_token) = (RefreshToken::new(token), AccessToken::new(token));
    finish(async move {
        // `token_type_hint` would save one of two readings. [RFC 7009 §2.1]
        if !revoke_grant(&uma, &refresh_token, &client, now).await? {
            revoke_token(&uma, &access_token, &client, now).await?;
        }
        Ok::<_, Failure>(())
    })
    .await?;
    let mut response = Response::new(Body::empty());
    for (name, value) in [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Ends the grant of a refresh token; `false` if it is none.
async fn revoke_grant(
    uma: &Uma,
    token: &RefreshToken,
    client: &ClientId,
    now: Timestamp,
) -> Result<bool, Failure> {
    let holder = match uma.refresh_tokens.find(token, now).await? {
        None => return Ok(false),
        Some(Refreshable::Rpt(grant)) => grant.rpt.client,
        Some(Refreshable::Pat(MandateToken { mandate, protection })) => {
            if let Some(console) =
                uma.console.as_ref().filter(|_| protection.resource_server == *client)
            {
                console.end_mandate(protection.owner.as_str(), &mandate).await?;
            }
            protection.resource_server
        }
    };
    if holder != *client {
        return Err(OtherClient.into());
    }
    uma.refresh_tokens.remove(token).await?;
    revoked("a refresh token, with what came of it", client);
    Ok(true)
}

/// Ends an access token. An unknown one is an end that was reached already ([RFC 7009 §2.2]).
///
/// [RFC 7009 §2.2]: https://www.rfc-editor.org/rfc/rfc7009#section-2.2
async fn revoke_token(
    uma: &Uma,
    token: &AccessToken,
    client: &ClientId,
    now: Timestamp,
) -> Result<(), Failure> {
    let (holder, what) = match uma.tokens.find(token, now).await? {
        None => return Ok(()),
        Some(StoredToken::Rpt(rpt)) => (rpt.client, "a requesting party token"),
        Some(StoredToken::Pat(pat)) => (pat.protection.resource_server, "a PAT"),
    };
    if holder != *client {
        return Err(OtherClient.into());
    }
    uma.tokens.revoke(token).await?;
    revoked(what, client);
    Ok(())
}

fn revoked(what: &'static str, client: &ClientId) {
    tracing::info!(target: "countersign::audit", client_id = %client, what, "a client revoked");
}
