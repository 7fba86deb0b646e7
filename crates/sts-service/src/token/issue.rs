//! What a client gets on a person's grant: an access token, an ID token, a refresh token.
//! [RFC 6749 §5.1], [OpenID Connect Core §3.1.3.3, §12.2]
//!
//! [RFC 6749 §5.1]: https://www.rfc-editor.org/rfc/rfc6749#section-5.1
//! [OpenID Connect Core §3.1.3.3, §12.2]: https://openid.net/specs/openid-connect-core-1_0.html#TokenResponse

use countersign_jwt::cnf::Confirmation;
use countersign_oidc::refresh::Successor;
use countersign_oidc::{Grant, IdToken};
use countersign_token_exchange::policy::CLAIMS_PROVIDER;
use countersign_token_exchange::trusted_issuer::ROLES;
use countersign_types::wire::json_response;
use countersign_types::{ScopeSet, Timestamp, random};
use http::StatusCode;
use serde_json::{Map, json};

use super::{Asker, TokenResponse};
use crate::access_token::{AccessTokenClaims, token_type};
use crate::app::Sts;
use crate::error::TokenError;
use crate::exchange;
use crate::users::User;

/// What is issued.
pub(super) struct Issued<'a> {
    /// On which grant.
    pub(super) grant: &'a Grant,
    /// What the access token allows.
    pub(super) scope: &'a ScopeSet,
    /// Whom it is for.
    pub(super) audience: Vec<String>,
    /// The client's nonce. [OpenID Connect Core §12.2]: none in a refreshed ID token.
    ///
    /// [OpenID Connect Core §12.2]: https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse
    pub(super) nonce: Option<String>,
    /// The refresh token, if there is a new one.
    pub(super) refresh_token: Option<Successor>,
    /// The key that was proved: the access token is bound to it.
    pub(super) proved: Option<Confirmation>,
}

/// The token response.
pub(super) async fn tokens(
    sts: &Sts,
    user: &User,
    asker: Asker<'_>,
    issued: Issued<'_>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let Issued { grant, scope, audience, nonce, refresh_token, proved } = issued;
    let registered = asker.registered;
    let (sign_in, keys) = (&grant.sign_in, sts.keys());
    // INVARIANT: nothing outlives its grant, so that a grant that is not kept any more is an end.
    let expires = now.after(sts.settings.access_token_lifetime).min(grant.expires);
    let speaks = scope.contains(CLAIMS_PROVIDER);
    let email = user.email.as_ref().map(|email| email.address());
    let by_policy = registered.exchange.email_in_access_token;
    let email = email.filter(|_| speaks || by_policy || scope.contains("email"));
    let mut user_claims = if speaks { exchange::released(sts, user) } else { Map::new() };
    user_claims.extend(user.roles().map(|roles| (ROLES.to_owned(), roles.clone())));
    let access_token = AccessTokenClaims {
        iss: sts.issuer(),
        sub: &user.subject,
        aud: &audience,
        client_id: asker.id(),
        iat: now,
        exp: expires,
        jti: &random::identifier(sts.random.as_ref()),
        scope,
        auth_time: sign_in.auth_time,
        amr: &sign_in.amr,
        email,
        email_verified: email.map(|_| true),
        act: None,
        derived_from: &[],
        grant_id: Some(&grant.id),
        cnf: proved,
        user_claims,
    }
    .issue(sts, registered)
    .await?;

    let mut body = Map::new();
    let mut member = |name: &str, value| body.insert(name.to_owned(), value);
    member("access_token", json!(access_token.expose()));
    member("token_type", json!(token_type(proved)));
    member("expires_in", json!(expires.since(now).as_secs()));
    member("scope", json!(scope.to_string()));
    member("session_state", json!(sign_in.sid));
    if let Some(Successor { token, expires, .. }) = &refresh_token {
        member("refresh_token", json!(token.expose()));
        member("refresh_expires_in", json!(expires.since(now).as_secs()));
    }
    if scope.contains("openid") {
        let email = email.filter(|_| scope.contains("email"));
        let id_token = IdToken {
            iss: sts.issuer().clone(),
            sub: user.subject.clone(),
            aud: asker.id().clone(),
            exp: now.after(sts.settings.id_token_lifetime),
            iat: now,
            auth_time: sign_in.auth_time,
            sid: sign_in.sid.clone(),
            acr: sign_in.acr.clone(),
            nonce,
            amr: sign_in.amr.clone(),
            email: email.cloned(),
            email_verified: email.map(|_| true),
            name: user.name.clone().filter(|_| scope.contains("profile")),
        };
        let key = keys.for_id_token(registered.id_token_algorithm);
        member("id_token", json!(id_token.mint(key, &access_token)?));
    }
    let refreshable = refresh_token.is_some();
    tracing::info!(client_id = %asker.id(), subject = %user.subject, %scope, refreshable, "tokens issued");
    Ok(json_response(StatusCode::OK, &body))
}
