//! Access tokens for a client itself. [RFC 6749 §4.4]
//!
//! [RFC 6749 §4.4]: https://www.rfc-editor.org/rfc/rfc6749#section-4.4

use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_token_exchange::policy::CLAIMS_PROVIDER;
use countersign_types::wire::json_response;
use countersign_types::{Params, ResourceIdentifier, ScopeSet, Timestamp, random};
use http::StatusCode;
use serde_json::{Map, json};

use super::{Asker, TokenResponse};
use crate::access_token::{AccessTokenClaims, token_type};
use crate::app::Sts;
use crate::clients::Client;
use crate::error::TokenError;

/// The grant type.
pub(crate) const GRANT_TYPE: &str = "client_credentials";

/// Scopes that speak of a person. A client alone is none, but it may name some by the last.
const PERSONAL: &[&str] = &["openid", "profile", "email", OFFLINE_ACCESS, CLAIMS_PROVIDER];

/// Issues an access token to a client for itself. [RFC 6749 §4.4]
///
/// [RFC 6749 §4.4]: https://www.rfc-editor.org/rfc/rfc6749#section-4.4
pub(super) async fn issue(
    sts: &Sts,
    params: &Params,
    asker: Asker<'_>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let Asker { client, registered, .. } = asker;
    // RFC 6749 §4.4: the grant MUST only be used by confidential clients.
    if !registered.client_credentials || !client.is_confidential() {
        return Err(TokenError::UnauthorizedClient(client.id().clone()));
    }
    let names_people = registered.exchange.people.is_some();
    let is_own =
        |scope: &str| !PERSONAL.contains(&scope) || (names_people && scope == CLAIMS_PROVIDER);
    let own = registered.scopes.iter().filter(|scope| is_own(scope));
    let own = ScopeSet::from_tokens(own).map_err(|_| TokenError::Scope)?;
    let scope = match params.get("scope") {
        Some(text) => ScopeSet::parse(text).map_err(|_| TokenError::Scope)?,
        None => own.clone(),
    };
    if !scope.is_subset(&own) {
        return Err(TokenError::Scope);
    }
    let audience = [own_audience(sts, params, registered)?];
    let expires = now.after(sts.settings.access_token_lifetime);
    let proved = asker.prove(sts).await?;
    let access_token = AccessTokenClaims {
        iss: sts.issuer(),
        // RFC 9068 §2.2: where no resource owner is involved, the client.
        sub: client.id().as_str(),
        aud: &audience,
        client_id: client.id(),
        iat: now,
        exp: expires,
        jti: &random::identifier(sts.random.as_ref()),
        scope: &scope,
        auth_time: None,
        amr: &[],
        email: None,
        email_verified: None,
        act: None,
        derived_from: &[],
        grant_id: None,
        cnf: proved,
        user_claims: Map::new(),
    }
    .issue(sts, registered)
    .await?;
    let body = json!({
        "access_token": access_token.expose(),
        "token_type": token_type(proved),
        "expires_in": expires.since(now).as_secs(),
        "scope": scope.to_string(),
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// The resource that a client asks for by itself, or this server. [RFC 8707 §2]
///
/// Only one: each of several that share a token could use it at the others.
///
/// [RFC 8707 §2]: https://www.rfc-editor.org/rfc/rfc8707#section-2
fn own_audience(sts: &Sts, params: &Params, registered: &Client) -> Result<String, TokenError> {
    let mut resources = params.all("resource");
    let Some(resource) = resources.next() else { return Ok(sts.issuer().as_str().to_owned()) };
    if resources.any(|other| other != resource) {
        return Err(TokenError::Target);
    }
    let resource = ResourceIdentifier::parse(resource).map_err(|_| TokenError::Target)?;
    let allowed = &registered.exchange.access_token_audiences;
    if !allowed.iter().any(|pattern| pattern.matches(resource.as_str()))
        || sts.policy.denies(resource.as_str())
    {
        return Err(TokenError::Target);
    }
    Ok(resource.as_str().to_owned())
}
