//! The errors of the user query. [RFC 7644 §3.12]
//!
//! [RFC 7644 §3.12]: https://www.rfc-editor.org/rfc/rfc7644#section-3.12

use countersign_store::StoreError;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::scim;
use crate::claims::bearer::NoToken;

const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Why nobody is told of.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    #[error("no access token, or two")]
    NoToken(NoToken),
    #[error("the access token is not good here")]
    Token,
    #[error("the access token lacks the scope query-users, or is a person's")]
    Scope,
    #[error("the filter is not emails.value eq and one address")]
    Filter,
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<NoToken> for QueryError {
    fn from(error: NoToken) -> Self {
        Self::NoToken(error)
    }
}

impl QueryError {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::NoToken(NoToken::Missing) | Self::Token => StatusCode::UNAUTHORIZED,
            Self::NoToken(NoToken::Repeated) | Self::Filter => StatusCode::BAD_REQUEST,
            Self::Scope => StatusCode::FORBIDDEN,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// RFC 6750 §3.1.
    const fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::NoToken(NoToken::Missing) => Some("Bearer scope=\"query-users\""),
            Self::NoToken(NoToken::Repeated) => Some("Bearer error=\"invalid_request\""),
            Self::Token => Some("Bearer error=\"invalid_token\""),
            Self::Scope => Some("Bearer error=\"insufficient_scope\", scope=\"query-users\""),
            Self::Filter | Self::Store(_) => None,
        }
    }

    const fn detail(&self) -> &'static str {
        match self {
            Self::NoToken(_) => "one access token, in the Authorization header",
            Self::Token => "the access token is not valid",
            Self::Scope => "the access token does not allow this",
            Self::Filter => "the one filter that is understood is emails.value eq \"ADDRESS\"",
            Self::Store(_) => "the accounts cannot be read",
        }
    }

    pub(super) fn response(&self) -> http::Response<Vec<u8>> {
        let status = self.status();
        let mut body = json!({
            "schemas": [SCHEMA],
            "status": status.as_str(),
            "detail": self.detail(),
        });
        if let (Self::Filter, Some(members)) = (self, body.as_object_mut()) {
            members.insert("scimType".to_owned(), json!("invalidFilter"));
        }
        let mut response = scim(status, &body);
        if let Some(challenge) = self.challenge() {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
