//! Who it is, by the provider's word. [OpenID Connect Core §5.3]
//!
//! [OpenID Connect Core §5.3]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo

use std::sync::Arc;

use bytes::Bytes;
use countersign::adapters::fetch::{Fetch, FetchError, Limits, Request};
use countersign::adapters::resolver::{IssuerCache, ServerMetadataError};
use countersign::types::secret::AccessToken;
use countersign::types::wire::ErrorCode;
use countersign::types::{Wire, WireError};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Response, StatusCode};
use serde::{Deserialize, Serialize};

/// What is passed on to the dashboard.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct UserInfo {
    #[serde(skip_serializing)]
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserInfoError {
    #[error("the provider cannot be found")]
    Metadata(#[from] ServerMetadataError),
    #[error("the provider did not answer")]
    Fetch(#[from] FetchError),
    #[error("the provider publishes no UserInfo endpoint")]
    NoEndpoint,
    #[error("the provider does not take its own token any more")]
    Refused,
    #[error("the provider answered {0}")]
    Status(StatusCode),
    #[error("what it says is no UserInfo response")]
    Malformed,
    /// §5.3.2: then the claims must not be used.
    #[error("it is about somebody else")]
    AnotherSubject,
}

impl WireError for UserInfoError {
    fn wire(&self) -> Wire {
        match self {
            Self::Refused | Self::AnotherSubject => Wire::new(
                ErrorCode::INVALID_TOKEN,
                StatusCode::UNAUTHORIZED,
                "the token is not accepted",
            )
            .with_challenge("Bearer error=\"invalid_token\""),
            _ => Wire::new(
                ErrorCode::TEMPORARILY_UNAVAILABLE,
                StatusCode::SERVICE_UNAVAILABLE,
                "the provider cannot be asked at the moment",
            ),
        }
    }
}

/// Asks about the person of a token that was verified before.
pub(crate) async fn ask(
    fetch: &Arc<dyn Fetch>,
    provider: &IssuerCache,
    token: &AccessToken,
    subject: &str,
) -> Result<UserInfo, UserInfoError> {
    let metadata = provider.metadata().await?;
    let endpoint = metadata.userinfo_endpoint.clone().ok_or(UserInfoError::NoEndpoint)?;
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
    let mut bearer = bearer.map_err(|_| UserInfoError::Refused)?;
    bearer.set_sensitive(true);
    let request = Request::new(Method::POST, endpoint, Limits::resource());
    let answer = fetch.fetch(request.with_header(AUTHORIZATION, bearer)).await?;
    read(&answer, subject)
}

/// A token that is not taken any more is refused as RFC 6750 has it, with 401 or 403. Any other
/// status says nothing about the token.
fn read(answer: &Response<Bytes>, subject: &str) -> Result<UserInfo, UserInfoError> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(UserInfoError::Refused),
        status => return Err(UserInfoError::Status(status)),
    }
    let info = serde_json::from_slice::<UserInfo>(answer.body());
    let info = info.map_err(|_| UserInfoError::Malformed)?;
    if info.sub != subject {
        return Err(UserInfoError::AnotherSubject);
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: StatusCode, body: &'static str) -> Result<UserInfo, UserInfoError> {
        let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
        *answer.status_mut() = status;
        read(&answer, "a1")
    }

    #[test]
    fn f000_9_a_provider_that_is_down_says_nothing_about_the_token() {
        let of = |status| told(status, "").unwrap_err().wire().status;
        for down in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::TOO_MANY_REQUESTS] {
            assert_eq!(of(down), StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(of(StatusCode::SERVICE_UNAVAILABLE), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(of(StatusCode::UNAUTHORIZED), StatusCode::UNAUTHORIZED);
        assert_eq!(of(StatusCode::FORBIDDEN), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn it_is_about_the_person_of_the_token() {
        assert!(told(StatusCode::OK, r#"{"sub":"a1"}"#).is_ok());
        let another = told(StatusCode::OK, r#"{"sub":"e1"}"#).unwrap_err();
        assert!(matches!(another, UserInfoError::AnotherSubject));
        assert_eq!(another.wire().status, StatusCode::UNAUTHORIZED);
        assert!(matches!(told(StatusCode::OK, "{}"), Err(UserInfoError::Malformed)));
    }
}
