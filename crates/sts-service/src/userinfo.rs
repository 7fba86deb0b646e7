//! The UserInfo endpoint. [OpenID Connect Core §5.3], [RFC 6750 §2.1, §3]
//!
//! [OpenID Connect Core §5.3]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
//! [RFC 6750 §2.1, §3]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_client_auth::dpop::{self, DpopError, Expected, Target};
use countersign_jwt::cnf::Confirmation;
use countersign_oidc::userinfo::{self, Person};
use countersign_store::StoreError;
use countersign_types::secret::AccessToken;
use countersign_types::wire::{ErrorCode, json_response};
use countersign_types::{Timestamp, Wire, WireError};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use url::form_urlencoded;

use crate::app::Sts;
use crate::client_request::is_form;
use crate::live::IssuedToken;

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
enum UserInfoError {
    #[error("no access token")]
    Missing,
    #[error("more than one access token, or one outside the header")]
    Request,
    #[error("the access token is not good here")]
    Token,
    #[error("the access token is bound to a key")]
    Dpop(#[from] DpopError),
    #[error("the access token lacks the scope openid")]
    Scope,
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl WireError for UserInfoError {
    fn wire(&self) -> Wire {
        let unauthorized =
            |code, description| Wire::new(code, StatusCode::UNAUTHORIZED, description);
        match self {
            // RFC 6750 §3.1: without credentials no error code.
            Self::Missing => unauthorized(ErrorCode::INVALID_TOKEN, "an access token is needed")
                .with_challenge("Bearer scope=\"openid\""),
            Self::Request => Wire::new(
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "one access token, in the Authorization header",
            )
            .with_challenge("Bearer error=\"invalid_request\""),
            Self::Token => unauthorized(ErrorCode::INVALID_TOKEN, "the access token is not valid")
                .with_challenge("Bearer error=\"invalid_token\""),
            Self::Dpop(_) => {
                unauthorized(ErrorCode::INVALID_DPOP_PROOF, "the DPoP proof is missing or refused")
                    .with_challenge("DPoP error=\"invalid_dpop_proof\"")
            }
            Self::Scope => Wire::new(
                ErrorCode::INSUFFICIENT_SCOPE,
                StatusCode::FORBIDDEN,
                "the access token lacks the scope openid",
            )
            .with_challenge("Bearer error=\"insufficient_scope\", scope=\"openid\""),
            Self::Store(error) => error.wire(),
        }
    }
}

/// By GET.
pub(crate) async fn get(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer(&sts, &Method::GET, query.as_deref(), &headers, &[]).await
}

/// By POST.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match body {
        Ok(body) => answer(&sts, &Method::POST, query.as_deref(), &headers, &body).await,
        Err(_) => UserInfoError::Request.wire().response().map(Body::from),
    }
}

async fn answer(
    sts: &Sts,
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let form = if is_form(headers) { body } else { &[] };
    let told = respond(sts, method, [query.unwrap_or_default().as_bytes(), form], headers).await;
    let response = told.unwrap_or_else(|error| {
        let cause = &error as &dyn std::error::Error;
        match &error {
            UserInfoError::Store(_) => tracing::error!(error = cause, "UserInfo failed"),
            _ => tracing::info!(error = cause, "UserInfo refused"),
        }
        error.wire().response()
    });
    response.map(Body::from)
}

async fn respond(
    sts: &Sts,
    method: &Method,
    parameters: [&[u8]; 2],
    headers: &HeaderMap,
) -> Result<http::Response<Vec<u8>>, UserInfoError> {
    let now = sts.clock.now();
    let mut names = parameters.into_iter().flat_map(form_urlencoded::parse);
    // RFC 6750 §2.2, §2.3: what is in a URL or a form is logged, kept and sent on.
    if names.any(|(name, _)| name == "access_token") {
        return Err(UserInfoError::Request);
    }
    let (scheme, token) = credentials(headers)?;
    let issued = IssuedToken::find(sts, &token, now).await?.ok_or(UserInfoError::Token)?;
    let for_us = issued.claims.audience().is_ok_and(|all| all.contains(&sts.issuer().as_str()));
    if !for_us || issued.subject == issued.client_id.as_str() {
        return Err(UserInfoError::Token);
    }
    let bound = Confirmation::of(&issued.claims).map_err(|_| UserInfoError::Token)?;
    match (scheme, bound) {
        (Scheme::Bearer, None) => {}
        (Scheme::Dpop, Some(bound)) => proved(sts, method, headers, (&token, bound), now).await?,
        // RFC 9449 §7.1, §7.2: the scheme follows from the token.
        _ => return Err(UserInfoError::Token),
    }
    if !issued.is_live(sts, now).await? {
        return Err(UserInfoError::Token);
    }
    if !issued.scope.contains("openid") {
        return Err(UserInfoError::Scope);
    }
    let user = sts.user(&issued.subject).await?.ok_or(UserInfoError::Token)?;
    let person = Person {
        subject: &user.subject,
        username: &user.username,
        name: user.name.as_deref(),
        email: user.email.as_ref().map(|email| email.address()),
    };
    Ok(json_response(StatusCode::OK, &userinfo::claims(person, &issued.scope)))
}

#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    Dpop,
}

/// The token of the `Authorization` header. [RFC 6750 §2.1], [RFC 9449 §7.1]
///
/// [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
/// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
fn credentials(headers: &HeaderMap) -> Result<(Scheme, AccessToken), UserInfoError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(UserInfoError::Missing)?;
    if values.next().is_some() {
        return Err(UserInfoError::Request);
    }
    let text = value.to_str().map_err(|_| UserInfoError::Missing)?;
    let (scheme, token) = text.split_once(' ').ok_or(UserInfoError::Missing)?;
    let scheme = match scheme {
        bearer if bearer.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        dpop if dpop.eq_ignore_ascii_case(dpop::SCHEME) => Scheme::Dpop,
        _ => return Err(UserInfoError::Missing),
    };
    Ok((scheme, AccessToken::new(token.trim_start_matches(' '))))
}

/// A bound token takes the proof of its key, made for this request. [RFC 9449 §7.1]
///
/// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
async fn proved(
    sts: &Sts,
    method: &Method,
    headers: &HeaderMap,
    (token, bound): (&AccessToken, Confirmation),
    now: Timestamp,
) -> Result<(), UserInfoError> {
    let proof = dpop::presented(headers)?.ok_or(DpopError::Missing)?;
    let target = Target { method, url: &sts.endpoints.userinfo };
    let expected = Expected { target, token: Some(token), nonces: None, now };
    let presented = dpop::verify(&proof, &expected)?;
    if !presented.is_of(bound) {
        return Err(UserInfoError::Token);
    }
    let (key, until) = presented.once();
    let seen = sts.replay.insert_new(key, until).await?;
    presented.if_new(seen)?;
    Ok(())
}
