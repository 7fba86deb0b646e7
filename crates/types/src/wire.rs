//! One table from error to wire. [RFC 6749 §5.2]
//!
//! An operation's error enum implements [`WireError`] by one exhaustive match. Its description is
//! `&'static str`, so a cause cannot leak into it; [`Wire::response`] is the one function that
//! makes an HTTP error response.
//!
//! [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2

use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// A registered error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(&'static str);

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*
            /// Every code there is, for tests that walk an error table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

error_codes! {
    /// RFC 6749 §5.2.
    INVALID_REQUEST = "invalid_request";
    /// RFC 6749 §5.2.
    INVALID_CLIENT = "invalid_client";
    /// RFC 6749 §5.2.
    INVALID_GRANT = "invalid_grant";
    /// RFC 6749 §5.2.
    UNAUTHORIZED_CLIENT = "unauthorized_client";
    /// RFC 6749 §5.2.
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type";
    /// RFC 6749 §5.2.
    INVALID_SCOPE = "invalid_scope";
    /// RFC 6749 §4.1.2.1.
    ACCESS_DENIED = "access_denied";
    /// RFC 6749 §4.1.2.1.
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type";
    /// RFC 6749 §4.1.2.1.
    SERVER_ERROR = "server_error";
    /// RFC 6749 §4.1.2.1.
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable";
    /// RFC 8707 §2, RFC 8693 §2.2.2.
    INVALID_TARGET = "invalid_target";
    /// RFC 6750 §3.1.
    INVALID_TOKEN = "invalid_token";
    /// RFC 6750 §3.1.
    INSUFFICIENT_SCOPE = "insufficient_scope";
    /// RFC 9449 §5, §7.1.
    INVALID_DPOP_PROOF = "invalid_dpop_proof";
    /// RFC 9449 §8, §9.
    USE_DPOP_NONCE = "use_dpop_nonce";
    /// OpenID Connect Core §3.1.2.6.
    LOGIN_REQUIRED = "login_required";
    /// OpenID Connect Core §3.1.2.6.
    CONSENT_REQUIRED = "consent_required";
    /// OpenID Connect Core §3.1.2.6.
    REQUEST_NOT_SUPPORTED = "request_not_supported";
    /// OpenID Connect Core §3.1.2.6.
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported";
    /// UMA 2.0 Grant §3.3.6.
    NEED_INFO = "need_info";
    /// UMA 2.0 Grant §3.3.6.
    REQUEST_DENIED = "request_denied";
    /// UMA 2.0 Grant §3.3.6.
    REQUEST_SUBMITTED = "request_submitted";
    /// UMA 2.0 Federated Authorization §4.3.
    INVALID_RESOURCE_ID = "invalid_resource_id";
    /// UMA 2.0 Federated Authorization §3.2.
    NOT_FOUND = "not_found";
    /// UMA 2.0 Federated Authorization §3.2.
    UNSUPPORTED_METHOD_TYPE = "unsupported_method_type";
}

impl ErrorCode {
    /// The code as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// What the peer is told of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wire {
    /// The `error` member.
    pub code: ErrorCode,
    /// The HTTP status.
    pub status: StatusCode,
    /// The `error_description` member: characters of `%x20-21 / %x23-5B / %x5D-7E`.
    pub description: &'static str,
    /// The `WWW-Authenticate` header, where the status asks for one.
    pub challenge: Option<&'static str>,
}

impl Wire {
    /// An error of this code, status and description.
    #[must_use]
    pub const fn new(code: ErrorCode, status: StatusCode, description: &'static str) -> Self {
        Self { code, status, description, challenge: None }
    }

    /// With a `WWW-Authenticate` header.
    #[must_use]
    pub const fn with_challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Our own failure: 500, and nothing said about the request.
    #[must_use]
    pub const fn server_error() -> Self {
        Self::new(
            ErrorCode::SERVER_ERROR,
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server failed to handle the request",
        )
    }

    /// Our store or network is not available: 503, worth trying again.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self::new(
            ErrorCode::TEMPORARILY_UNAVAILABLE,
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is temporarily unable to handle the request",
        )
    }

    /// The HTTP error response: JSON with `error` and `error_description`, not to be stored.
    #[must_use]
    pub fn response(&self) -> Response<Vec<u8>> {
        let body = serde_json::json!({
            "error": self.code.as_str(),
            "error_description": self.description,
        });
        let mut response = json_response(self.status, &body);
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// An error that a peer is told of. One exhaustive `match` per operation.
pub trait WireError: std::error::Error {
    /// What the peer is told.
    fn wire(&self) -> Wire;
}

/// A JSON response that is not to be stored: every token, introspection and error response.
/// [RFC 6749 §5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)
///
/// `body` has text for the keys of its objects, as all of JSON has: then there is JSON for it.
#[must_use]
pub fn json_response<T: Serialize + ?Sized>(status: StatusCode, body: &T) -> Response<Vec<u8>> {
    json_response_of(status, json_octets(body))
}

/// The body of a [`json_response`].
#[must_use]
pub fn json_octets<T: Serialize + ?Sized>(body: &T) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// The same as [`json_response`], of the [`json_octets`] of its body.
#[must_use]
pub fn json_response_of(status: StatusCode, octets: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(octets);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Whether a description keeps to the characters of [RFC 6749 §5.2]; for tests that walk an
/// error table.
///
/// [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
#[must_use]
pub fn is_description(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// An error and its causes, in one line for the operator. The peer is told none of them.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_character_set_and_unique() {
        for (index, code) in ErrorCode::ALL.iter().enumerate() {
            assert!(is_description(code.as_str()), "{code}");
            assert!(!ErrorCode::ALL[..index].contains(code), "{code} twice");
        }
    }

    #[test]
    fn a_response_is_json_and_not_stored() {
        let wire = Wire::new(ErrorCode::INVALID_CLIENT, StatusCode::UNAUTHORIZED, "who are you")
            .with_challenge("Basic realm=\"token\"");
        let response = wire.response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"token\"");
        assert_eq!(
            response.body(),
            br#"{"error":"invalid_client","error_description":"who are you"}"#
        );
    }

    #[test]
    fn the_operator_is_told_the_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("nothing is kept")]
        struct Unkept(#[source] std::io::Error);

        let error = Unkept(std::io::Error::other(Unkept(std::io::Error::other("it is full"))));
        assert_eq!(causes(&error), "nothing is kept: nothing is kept: it is full");
        assert_eq!(causes(&std::fmt::Error), std::fmt::Error.to_string());
    }
}
