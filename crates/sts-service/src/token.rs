//! The token endpoint. [RFC 6749 §3.2, §4.1.3, §4.4, §5]
//!
//! [RFC 6749 §3.2, §4.1.3, §4.4, §5]: https://www.rfc-editor.org/rfc/rfc6749#section-3.2

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_client_auth::dpop::{self, Expected, Target};
use countersign_client_auth::{self as client_auth, AuthenticatedClient, Authentication};
use countersign_jwt::cnf::Confirmation;
use countersign_oidc::code::{self, Redeemed};
use countersign_oidc::{IdToken, RedeemError};
use countersign_store::Taken;
use countersign_token_exchange::policy::CLAIMS_PROVIDER;
use countersign_token_exchange::request;
use countersign_types::params::ParamsError;
use countersign_types::wire::json_response;
use countersign_types::{
    ClientId, Lifetime, Params, ResourceIdentifier, ScopeSet, Timestamp, WireError as _, random,
};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, json};

use crate::access_token::{AccessTokenClaims, token_type};
use crate::app::Sts;
use crate::clients::Client;
use crate::error::TokenError;
use crate::exchange;
use crate::users::User;

pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// Scopes that speak of a person. A client alone is none.
const PERSONAL: &[&str] = &["openid", "profile", "email", CLAIMS_PROVIDER];

/// A revocation is remembered so much longer than the token lives.
const SKEW: Lifetime = Lifetime::from_secs(60);

pub(crate) type TokenResponse = http::Response<Vec<u8>>;

pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answered = match body {
        Ok(body) => respond(&sts, query.as_deref(), &headers, &body).await,
        Err(rejection) => Err(rejection.into()),
    };
    let response = answered.unwrap_or_else(|error| {
        let cause = &error as &dyn std::error::Error;
        if error.is_internal() {
            tracing::error!(error = cause, "token request failed");
        } else {
            tracing::info!(error = cause, code = %error.wire().code, "token request refused");
        }
        error.response()
    });
    response.map(Body::from)
}

async fn respond(
    sts: &Sts,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<TokenResponse, TokenError> {
    let now = sts.clock.now();
    // RFC 6749 §2.3.1, §3.2: parameters come in the body alone.
    if query.is_some_and(|query| !query.is_empty()) {
        return Err(TokenError::Query);
    }
    if !is_form(headers) {
        return Err(ParamsError::NotAForm.into());
    }
    let params = Params::parse(body, request::REPEATABLE)?;
    let grant_type = params.require("grant_type")?;
    let (client, registered) = authenticate(sts, headers, &params, now).await?;
    let proved = proved_key(sts, headers, now).await?;
    match grant_type {
        code::GRANT_TYPE => {
            authorization_code(sts, &params, &client, &registered, proved, now).await
        }
        CLIENT_CREDENTIALS => client_credentials(sts, &params, &client, &registered, proved, now),
        request::GRANT_TYPE => {
            exchange::exchange(sts, &params, &client, &registered, proved, now).await
        }
        _ => Err(TokenError::UnsupportedGrantType),
    }
}

/// Whether the body says that it is a form. [RFC 6749 Appendix B]
///
/// [RFC 6749 Appendix B]: https://www.rfc-editor.org/rfc/rfc6749#appendix-B
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = values.next().and_then(|value| value.to_str().ok()) else { return false };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    values.next().is_none() && media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn authenticate(
    sts: &Sts,
    headers: &HeaderMap,
    params: &Params,
    now: Timestamp,
) -> Result<(AuthenticatedClient, Arc<Client>), TokenError> {
    let credentials = client_auth::parse(headers, params)?.check(sts.issuer(), now)?;
    let known = sts.clients.find_presenting(&credentials).await?;
    let registered = known.as_ref().map(|client| &client.registered);
    let client = match client_auth::authenticate(credentials, registered)? {
        Authentication::Done(client) => client,
        Authentication::OnceOnly(check) => {
            let new = sts.replay.insert_new(check.key(), check.expires()).await?;
            check.confirm(new)?
        }
    };
    // INVARIANT: who authenticated is registered.
    let known = known.ok_or_else(|| TokenError::UnauthorizedClient(client.id().clone()))?;
    Ok((client, known))
}

/// The key that the request proves, if it proves one: what is issued is bound to it. [RFC 9449 §5]
///
/// [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5
async fn proved_key(
    sts: &Sts,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Confirmation>, TokenError> {
    let Some(proof) = dpop::presented(headers)? else { return Ok(None) };
    let target = Target { method: &Method::POST, url: &sts.endpoints.token };
    let presented = dpop::verify(&proof, &Expected { target, token: None, nonces: None, now })?;
    let (key, until) = presented.once();
    let new = sts.replay.insert_new(key, until).await?;
    Ok(Some(presented.if_new(new)?.confirmation()))
}

/// Redeems an authorization code. A code shown again revokes what it gave. [RFC 6749 §4.1.2]
///
/// [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
async fn authorization_code(
    sts: &Sts,
    params: &Params,
    client: &AuthenticatedClient,
    registered: &Client,
    proved: Option<Confirmation>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    if !registered.authorization_code {
        return Err(TokenError::UnauthorizedClient(client.id().clone()));
    }
    let redemption = code::parse(params)?;
    let grant = match sts.codes.take(&redemption.code, client.id(), now).await? {
        Taken::First(grant) => grant,
        Taken::Again(grant) => {
            let remembered = grant.access_token_expires.after(SKEW);
            sts.revoked.revoke(&grant.access_token_id, remembered).await?;
            tracing::warn!(
                client_id = %client.id(),
                subject = %grant.subject,
                "an authorization code was shown again: its access token is revoked",
            );
            return Err(RedeemError::Replayed.into());
        }
        Taken::Bound | Taken::Absent => return Err(RedeemError::Unknown.into()),
    };
    let redeemed = code::redeem(grant, &redemption, client.id(), now)?;
    let user = sts.users.by_subject(&redeemed.subject).await?.ok_or(RedeemError::Unknown)?;
    tokens(sts, &redeemed, &user, (client.id(), registered), proved, now)
}

fn tokens(
    sts: &Sts,
    redeemed: &Redeemed,
    user: &User,
    (client_id, registered): (&ClientId, &Client),
    proved: Option<Confirmation>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let (scope, keys) = (&redeemed.scope, sts.keys());
    let expires = now.after(sts.settings.access_token_lifetime).min(redeemed.access_token_expires);
    let audience = [sts.issuer().as_str().to_owned()];
    let speaks = scope.contains(CLAIMS_PROVIDER);
    let email = user.email.as_ref().map(|email| email.address());
    let by_policy = registered.exchange.email_in_access_token;
    let email = email.filter(|_| speaks || by_policy || scope.contains("email"));
    let access_token = AccessTokenClaims {
        iss: sts.issuer(),
        sub: &user.subject,
        aud: &audience,
        client_id,
        iat: now,
        exp: expires,
        jti: &redeemed.access_token_id,
        scope,
        auth_time: Some(redeemed.auth_time),
        amr: &redeemed.amr,
        email,
        email_verified: email.map(|_| true),
        act: None,
        origin_jti: None,
        cnf: proved,
        user_claims: if speaks { exchange::released(sts, user) } else { Map::new() },
    }
    .mint(keys.es256())?;

    let mut body = json!({
        "access_token": access_token.expose(),
        "token_type": token_type(proved),
        "expires_in": expires.since(now).as_secs(),
        "scope": scope.to_string(),
    });
    if scope.contains("openid") {
        let email = email.filter(|_| scope.contains("email"));
        let id_token = IdToken {
            iss: sts.issuer().clone(),
            sub: user.subject.clone(),
            aud: client_id.clone(),
            exp: now.after(sts.settings.id_token_lifetime),
            iat: now,
            auth_time: redeemed.auth_time,
            nonce: redeemed.nonce.clone(),
            amr: redeemed.amr.clone(),
            email: email.cloned(),
            email_verified: email.map(|_| true),
            name: user.name.clone().filter(|_| scope.contains("profile")),
        };
        let key = keys.for_id_token(registered.id_token_algorithm);
        let id_token = id_token.mint(key, &access_token)?;
        if let Some(members) = body.as_object_mut() {
            members.insert("id_token".to_owned(), json!(id_token));
        }
    }
    tracing::info!(%client_id, subject = %user.subject, %scope, "authorization code redeemed");
    Ok(json_response(StatusCode::OK, &body))
}

/// Issues an access token to a client for itself. [RFC 6749 §4.4]
///
/// [RFC 6749 §4.4]: https://www.rfc-editor.org/rfc/rfc6749#section-4.4
fn client_credentials(
    sts: &Sts,
    params: &Params,
    client: &AuthenticatedClient,
    registered: &Client,
    proved: Option<Confirmation>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    // RFC 6749 §4.4: the grant MUST only be used by confidential clients.
    if !registered.client_credentials || !client.is_confidential() {
        return Err(TokenError::UnauthorizedClient(client.id().clone()));
    }
    let own = registered.scopes.iter().filter(|scope| !PERSONAL.contains(&scope.as_str()));
    let own = ScopeSet::from_tokens(own).map_err(|_| TokenError::Scope)?;
    let scope = match params.get("scope") {
        Some(text) => ScopeSet::parse(text).map_err(|_| TokenError::Scope)?,
        None => own.clone(),
    };
    if !scope.is_subset(&own) {
        return Err(TokenError::Scope);
    }
    let audience = own_audience(sts, params, registered)?;
    let expires = now.after(sts.settings.access_token_lifetime);
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
        origin_jti: None,
        cnf: proved,
        user_claims: Map::new(),
    }
    .mint(sts.keys().es256())?;
    let body = json!({
        "access_token": access_token.expose(),
        "token_type": token_type(proved),
        "expires_in": expires.since(now).as_secs(),
        "scope": scope.to_string(),
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// The resources a client asks for by itself, or this server. [RFC 8707 §2.2]
///
/// [RFC 8707 §2.2]: https://www.rfc-editor.org/rfc/rfc8707#section-2.2
fn own_audience(
    sts: &Sts,
    params: &Params,
    registered: &Client,
) -> Result<Vec<String>, TokenError> {
    let mut audience = Vec::new();
    for resource in params.all("resource") {
        let resource = ResourceIdentifier::parse(resource).map_err(|_| TokenError::Target)?;
        let allowed = &registered.exchange.access_token_audiences;
        if !allowed.iter().any(|pattern| pattern.matches(resource.as_str())) {
            return Err(TokenError::Target);
        }
        if !audience.iter().any(|known| known == resource.as_str()) {
            audience.push(resource.as_str().to_owned());
        }
    }
    if audience.is_empty() {
        audience.push(sts.issuer().as_str().to_owned());
    }
    Ok(audience)
}
