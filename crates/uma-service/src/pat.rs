//! The PAT at the door of the protection API. [UF §1.3], [RFC 6750 §3.1]
//!
//! [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3
//! [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1

use countersign_types::secret::AccessToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{Timestamp, Wire, WireError};
use countersign_uma::protection::Pat;
use countersign_uma::refresh::Grant;
use countersign_uma::{Protection, Rpt};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::app::Uma;
use crate::failure::Failure;
use crate::routes::MandateToken;

/// What an access token of this server stands for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum StoredToken {
    Pat(Pat),
    Rpt(Box<Rpt>),
}

/// What a refresh token of this server stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Refreshable {
    Rpt(Box<Grant>),
    Pat(MandateToken),
}

impl From<Grant> for Refreshable {
    fn from(grant: Grant) -> Self {
        Self::Rpt(Box::new(grant))
    }
}

impl From<MandateToken> for Refreshable {
    fn from(token: MandateToken) -> Self {
        Self::Pat(token)
    }
}

/// Why a request to the protection API is turned away. [RFC 6750 §3.1]
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
#[derive(Debug, thiserror::Error)]
pub(crate) enum BearerError {
    #[error("no bearer token")]
    Missing,
    #[error("more than one Authorization header")]
    Several,
    #[error("the token is unknown, expired or its resource server no longer registered")]
    Invalid,
    #[error("the token is not a PAT")]
    Scope,
}

impl WireError for BearerError {
    fn wire(&self) -> Wire {
        match self {
            Self::Missing | Self::Invalid => Wire::new(
                ErrorCode::INVALID_TOKEN,
                StatusCode::UNAUTHORIZED,
                "the access token is missing, unknown or expired",
            )
            .with_challenge("Bearer error=\"invalid_token\""),
            Self::Several => Wire::new(
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "more than one access token",
            )
            .with_challenge("Bearer error=\"invalid_request\""),
            Self::Scope => Wire::new(
                ErrorCode::INSUFFICIENT_SCOPE,
                StatusCode::FORBIDDEN,
                "the access token lacks the scope uma_protection",
            )
            .with_challenge("Bearer error=\"insufficient_scope\", scope=\"uma_protection\""),
        }
    }
}

/// Whom the request's PAT speaks for. The resource server must still be registered, for the same
/// owner, or the person still let it speak for them.
pub(crate) async fn authorize(
    uma: &Uma,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Protection, Failure> {
    let token = bearer(headers)?;
    let Pat { protection, mandate, .. } = match uma.tokens.find(&token, now).await? {
        Some(StoredToken::Pat(pat)) if now < pat.expires => pat,
        Some(StoredToken::Rpt(_)) => return Err(BearerError::Scope.into()),
        _ => return Err(BearerError::Invalid.into()),
    };
    let registered = uma.resource_server(&protection.resource_server).await?;
    let stands = match (registered, mandate, &uma.console) {
        (Some(server), None, _) => server.protection == protection,
        (Some(_), Some(id), Some(console)) => {
            Box::pin(console.mandate(&protection, &id, now)).await?.is_some()
        }
        _ => false,
    };
    if stands { Ok(protection) } else { Err(BearerError::Invalid.into()) }
}

/// The token of an `Authorization: Bearer` header. [RFC 6750 §2.1]
///
/// A token in the query or in a form is not read.
///
/// [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
fn bearer(headers: &HeaderMap) -> Result<AccessToken, BearerError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(BearerError::Missing)?;
    if values.next().is_some() {
        return Err(BearerError::Several);
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(BearerError::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(BearerError::Missing);
    }
    Ok(AccessToken::new(token.trim_start_matches(' ')))
}
