//! RPTs by refresh token: no assessment is made. [UG §3.6] PATs of people are module `mandate`'s.
//!
//! [UG §3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.6

use std::sync::Arc;

use axum::response::Response;
use countersign_client_auth::AuthenticatedClient;
use countersign_store::finish;
use countersign_types::secret::RefreshToken;
use countersign_types::{Params, Timestamp};
use countersign_uma::refresh::{self, Grant, GrantId};
use countersign_uma::{GrantError, Rpt, grant};
use http::{HeaderMap, StatusCode};

use super::json;
use super::token::{authenticate, no_proof};
use crate::app::Uma;
use crate::failure::Failure;
use crate::pat::{Refreshable, StoredToken};

/// [RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)
pub(crate) async fn refresh(
    uma: &Arc<Uma>,
    headers: &HeaderMap,
    params: &Params,
    now: Timestamp,
) -> Result<Response, Failure> {
    if uma.refresh_lifetime.is_none() && !uma.asks_people() {
        return Err(GrantError::GrantType.into());
    }
    no_proof(headers)?;
    let request = refresh::parse(params)?;
    let (client, registration) = authenticate(uma, headers, params, now).await?;
    if registration.uma_grant.is_none() && registration.resource_server.is_none() {
        return Err(GrantError::Client.into());
    }
    let grant = match uma.refresh_tokens.find(&request.token, now).await? {
        Some(Refreshable::Pat(token)) => {
            let (scope, token) = (request.scope.as_ref(), &token);
            return Box::pin(super::mandate::refresh(uma, client, scope, token, now)).await;
        }
        Some(Refreshable::Rpt(grant)) => {
            (!uma.is_revoked(&grant.rpt, now).await?).then_some(*grant)
        }
        None => None,
    };
    if registration.uma_grant.is_none() {
        return Err(GrantError::Client.into());
    }
    if uma.refresh_lifetime.is_none() {
        return Err(GrantError::GrantType.into());
    }
    let rpt = refresh::decide(&request, grant, &client, now, uma.settings.rpt_lifetime)?;
    // A ticket is good for one RPT, a refresh token for any number. They have a quota of their own,
    // so that nobody with a refresh token takes the tickets that all others need.
    uma.refresh_quota.take(&rpt.protection.resource_server, client.id(), now)?;
    let token = uma.tokens.generate(&*uma.seams.random, now);
    let response = json(StatusCode::OK, &grant::respond(&rpt, &token, now));
    let uma = Arc::clone(uma);
    // Apart from the request, so that the log says so of whatever is kept.
    finish(async move {
        let protection = rpt.protection.clone();
        let subject = rpt.person.as_ref().map(|person| person.sub.clone());
        let expires = rpt.expires;
        uma.tokens.insert(&token, &StoredToken::Rpt(Box::new(rpt)), expires).await?;
        tracing::info!(
            target: "countersign::audit",
            client_id = %client.id(),
            resource_server = %protection.resource_server,
            owner = %protection.owner,
            subject = subject.as_deref(),
            "a requesting party token was refreshed",
        );
        Ok::<_, Failure>(())
    })
    .await?;
    Ok(response)
}

/// A refresh token to go with an RPT, where this server gives any and the client has not had its
/// share of them; durable before it leaves, and before the RPT is kept that counts only while it is
/// there. RFC 6749 §5.1 has it optional: without one, the client comes back with a ticket.
pub(crate) async fn grant_with(
    uma: &Uma,
    rpt: &mut Rpt,
    client: &AuthenticatedClient,
    now: Timestamp,
) -> Result<Option<RefreshToken>, Failure> {
    let lifetime = uma.refresh_lifetime.filter(|_| client.is_confidential());
    let Some(lifetime) = lifetime else { return Ok(None) };
    if uma.grant_quota.take(&rpt.protection.resource_server, client.id(), now).is_err() {
        return Ok(None);
    }
    let token = RefreshToken::generate(&*uma.seams.random);
    rpt.grant = Some(GrantId::of(&token));
    let expires = now.after(lifetime);
    let grant = Grant { rpt: rpt.clone(), expires };
    uma.refresh_tokens.insert(&token, &grant.into(), expires).await?;
    uma.holds.granted(token.digest());
    Ok(Some(token))
}

/// Whether an RPT still counts for its person, and the grant that it came of is still there, if it
/// came of one.
pub(crate) async fn grant_stands(uma: &Uma, rpt: &Rpt, now: Timestamp) -> Result<bool, Failure> {
    let Some(grant) = &rpt.grant else { return Ok(!uma.is_revoked(rpt, now).await?) };
    let Some(digest) = grant.digest() else { return Ok(false) };
    match uma.refresh_tokens.find_by(&digest, now).await? {
        // What was refreshed is no younger than what it came of.
        Some(Refreshable::Rpt(grant)) => Ok(!uma.is_revoked(&grant.rpt, now).await?),
        Some(Refreshable::Pat(_)) | None => Ok(false),
    }
}
