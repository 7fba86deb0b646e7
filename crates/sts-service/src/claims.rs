//! The claims endpoint: claims tokens for whoever holds an access token with the scope
//! `claims-provider`. (PROFILE §5.6)
//!
//! It is a front of its own before the decision that the token endpoint's exchange takes, too. What
//! stands here is what the endpoint of an OpenID provider and that of a claims provider of its own
//! have in common.

mod bearer;
pub(crate) mod directory;
mod endpoint;
mod error;
mod issue;
pub mod provider;
pub(crate) mod scim;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use countersign_claims_token::ClaimsToken;
use countersign_jwt::json;
use countersign_token_exchange::request::{self, REPEATABLE};
use countersign_token_exchange::{ExchangeRequest, Grant, GrantedClaims};
use countersign_types::params::ParamsError;
use countersign_types::secret::AccessToken;
use countersign_types::{Issuer, Params};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

pub use self::directory::{Directory, DirectoryError};
pub(crate) use self::endpoint::post;
use self::error::ClaimsError;
pub use self::scim::QUERY_USERS;
use crate::audit::ExchangeRecord;
use crate::client_request::is_form;

/// The claims token of a grant.
pub(crate) fn token(
    issuer: &Issuer,
    grant: &Grant,
    granted: &GrantedClaims,
    jti: &str,
) -> ClaimsToken {
    ClaimsToken {
        iss: issuer.clone(),
        sub: grant.subject.clone(),
        email: granted.email.clone(),
        ticket_challenge: granted.ticket_challenge.clone(),
        aud: granted.audience.clone(),
        resource: granted.resource.clone(),
        iat: grant.issued_at,
        exp: grant.expires,
        jti: jti.to_owned(),
        client_id: Some(grant.client_id.clone()),
        act: grant.act.clone(),
        amr: grant.amr.clone(),
        user_claims: granted.user_claims.clone(),
    }
}

/// Whom a claims token is about, whoever's the subject token was.
pub(crate) fn name_whom_it_is_about(record: &mut ExchangeRecord, grant: &Grant) {
    if let countersign_token_exchange::Product::ClaimsToken(granted) = &grant.product {
        record.subject = Some(grant.subject.clone());
        record.email = Some(granted.email.address().clone());
    }
}

/// The request in a body, by the holder of `token`; what it asks for goes into the record.
fn asked(
    (query, headers): (Option<&str>, &HeaderMap),
    body: Result<Bytes, BytesRejection>,
    token: AccessToken,
    record: &mut ExchangeRecord,
) -> Result<ExchangeRequest, ClaimsError> {
    let request = request::of_holder(&parameters(query, headers, body)?, token)?;
    record.audiences.clone_from(&request.audiences);
    record.resources.clone_from(&request.resources);
    Ok(request)
}

/// The parameters of a request, from a form or from a JSON object of texts.
fn parameters(
    query: Option<&str>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Params, ClaimsError> {
    let body = body?;
    // What is in a URL is logged and kept.
    if query.is_some_and(|query| !query.is_empty()) {
        return Err(ClaimsError::Query);
    }
    if is_form(headers) {
        return Ok(Params::parse(&body, REPEATABLE)?);
    }
    if !is_json(headers) {
        return Err(ParamsError::NotAForm.into());
    }
    let members = json::parse_object(&body).map_err(|_| ParamsError::NotAForm)?;
    let mut form = Serializer::new(String::new());
    for (name, value) in &members {
        match value {
            Value::String(text) => {
                form.append_pair(name, text);
            }
            _ => return Err(ParamsError::Malformed("a member that is no text").into()),
        }
    }
    let form = Zeroizing::new(form.finish());
    Ok(Params::parse(form.as_bytes(), REPEATABLE)?)
}

/// Whether the body says that it is JSON. [RFC 8259
/// §11](https://www.rfc-editor.org/rfc/rfc8259#section-11)
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = values.next().and_then(|value| value.to_str().ok()) else { return false };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    values.next().is_none() && media_type.eq_ignore_ascii_case("application/json")
}
