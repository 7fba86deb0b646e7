//! PATs of people: by an authorization code, and by a refresh token. [UF §1.3], [RFC 6749 §4.1.3]
//!
//! The resource server authenticates, so that its refresh token stays the same for as long as the
//! person lets it ([RFC 9700 §2.2.2]).
//!
//! [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3
//! [RFC 6749 §4.1.3]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3
//! [RFC 9700 §2.2.2]: https://www.rfc-editor.org/rfc/rfc9700#section-2.2.2

use std::sync::Arc;

use axum::response::Response;
use countersign_client_auth::AuthenticatedClient;
use countersign_oidc::code::Redemption;
use countersign_oidc::{RedeemError, code};
use countersign_store::{Taken, finish};
use countersign_types::secret::RefreshToken;
use countersign_types::{Params, ScopeSet, Timestamp};
use countersign_uma::protection::{self, OwnerId, Pat, PatError, SCOPE};
use countersign_uma::refresh::RefreshError;
use countersign_uma::{GrantError, Protection};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::json;
use super::token::{authenticate, no_proof};
use crate::app::Uma;
use crate::console::Mandate;
use crate::failure::Failure;
use crate::pat::StoredToken;

/// Which mandate a refresh token is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MandateToken {
    pub(crate) mandate: String,
    pub(crate) protection: Protection,
}

/// Redeems a code. One that is shown again ends what the person allowed. [RFC 6749 §4.1.2]
///
/// [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
pub(super) async fn authorization_code(
    uma: &Arc<Uma>,
    headers: &HeaderMap,
    params: &Params,
    now: Timestamp,
) -> Result<Response, Failure> {
    let Some(console) = &uma.console else { return Err(GrantError::GrantType.into()) };
    no_proof(headers)?;
    let redemption = code::parse(params)?;
    let (client, registration) = authenticate(uma, headers, params, now).await?;
    let may_ask = registration.resource_server.is_some() && console.asks_people(client.id());
    if !may_ask || !client.is_confidential() {
        return Err(PatError::NotAResourceServer.into());
    }
    // Before the code is spent: whoever is told to come again later can.
    uma.pat_quota.take(client.id(), now)?;
    let uma = Arc::clone(uma);
    finish(async move { redeem(&uma, &client, &redemption, now).await }).await
}

/// Takes the code. The caller sees to it that this runs to its end.
async fn redeem(
    uma: &Uma,
    client: &AuthenticatedClient,
    redemption: &Redemption,
    now: Timestamp,
) -> Result<Response, Failure> {
    let console = uma.console.as_ref().ok_or(GrantError::GrantType)?;
    let kept = match uma.codes.take(&redemption.code, client.id(), now).await? {
        Taken::First(kept) => kept,
        Taken::Again(kept) => {
            console.end_mandate(&kept.subject, &kept.grant_id).await?;
            tracing::warn!(
                target: "countersign::audit",
                client_id = %client.id(),
                owner = %kept.subject,
                mandate = %kept.grant_id,
                "an authorization code was shown again: what it gave is revoked",
            );
            return Err(RedeemError::Replayed.into());
        }
        Taken::Bound | Taken::Absent => return Err(RedeemError::Unknown.into()),
    };
    let redeemed = code::redeem(kept, redemption, client.id(), None, now)?;
    let owner = OwnerId::parse(&redeemed.subject).map_err(|_| RedeemError::Unknown)?;
    let protection = Protection::new(owner, client.id().clone());
    let mandate = console.mandate(&protection, &redeemed.grant_id, now).await?;
    let mandate = mandate.ok_or(RedeemError::Unknown)?;
    if !console.redeem_mandate(&mandate, now).await? {
        return Err(RedeemError::Unknown.into());
    }
    let refresh_token = RefreshToken::generate(&*uma.seams.random);
    let kept = MandateToken { mandate: mandate.id.clone(), protection };
    let expires = now.after(crate::console::MANDATE_LIFETIME);
    uma.refresh_tokens.insert(&refresh_token, &kept.into(), expires).await?;
    issue(uma, client, &mandate, Some(&refresh_token), now).await
}

/// A PAT for a refresh token, which stays the same.
pub(super) async fn refresh(
    uma: &Arc<Uma>,
    client: AuthenticatedClient,
    scope: Option<&ScopeSet>,
    token: &MandateToken,
    now: Timestamp,
) -> Result<Response, Failure> {
    let MandateToken { mandate, protection } = token;
    let console = uma.console.as_ref().ok_or(RefreshError::Unknown)?;
    if protection.resource_server != *client.id() || !client.is_confidential() {
        return Err(RefreshError::OtherClient.into());
    }
    if scope.is_some_and(|scope| scope.len() != 1 || !scope.contains(SCOPE)) {
        return Err(RefreshError::Scope(None).into());
    }
    let mandate = console.mandate(protection, mandate, now).await?;
    let mandate = mandate.ok_or(RefreshError::Unknown)?;
    uma.pat_quota.take(client.id(), now)?;
    let uma = Arc::clone(uma);
    finish(async move { issue(&uma, &client, &mandate, None, now).await }).await
}

/// Issues a PAT, and says so in the log. The caller sees to it that this runs to its end.
async fn issue(
    uma: &Uma,
    client: &AuthenticatedClient,
    mandate: &Mandate,
    refresh_token: Option<&RefreshToken>,
    now: Timestamp,
) -> Result<Response, Failure> {
    let pat = Pat {
        protection: mandate.protection.clone(),
        expires: now.after(uma.pat_lifetime),
        mandate: Some(mandate.id.clone()),
    };
    let token = uma.tokens.generate(&*uma.seams.random, now);
    let mut response = protection::respond(&pat, token.expose(), now);
    if let (Some(members), Some(token)) = (response.as_object_mut(), refresh_token) {
        members.insert("refresh_token".to_owned(), token.expose().into());
    }
    let expires = pat.expires;
    uma.tokens.insert(&token, &StoredToken::Pat(pat), expires).await?;
    tracing::info!(
        target: "countersign::audit",
        client_id = %client.id(),
        owner = %mandate.protection.owner,
        mandate = %mandate.id,
        first = refresh_token.is_some(),
        "a resource server got a token to protect something in an owner's name",
    );
    Ok(json(StatusCode::OK, &response))
}
