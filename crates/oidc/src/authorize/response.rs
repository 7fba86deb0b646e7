//! The answers to an authorization request: URLs that carry a code or an error to the client.
//! [RFC 6749 §4.1.2, §4.1.2.1], [RFC 9207 §2]
//!
//! [RFC 6749 §4.1.2, §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
//! [RFC 9207 §2]: https://www.rfc-editor.org/rfc/rfc9207#section-2

use countersign_types::Issuer;
use countersign_types::wire::ErrorCode;
use url::Url;

use super::AuthorizationRequest;

/// An error that the client receives. [RFC 6749 §4.1.2.1]
///
/// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) code: ErrorCode,
    pub(super) description: &'static str,
}

impl ErrorResponse {
    /// The error.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The URL that carries it to the client. [RFC 6749 §4.1.2.1], [RFC 9207 §2]
    ///
    /// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
    /// [RFC 9207 §2]: https://www.rfc-editor.org/rfc/rfc9207#section-2
    #[must_use]
    pub fn location(&self, issuer: &Issuer) -> String {
        location(
            &self.redirect_uri,
            &[
                ("error", Some(self.code.as_str())),
                ("error_description", Some(self.description)),
                ("state", self.state.as_deref()),
                ("iss", Some(issuer.as_str())),
            ],
        )
    }
}

impl AuthorizationRequest {
    /// The URL that carries a code to the client. [RFC 6749 §4.1.2], [RFC 9207 §2]
    ///
    /// [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
    /// [RFC 9207 §2]: https://www.rfc-editor.org/rfc/rfc9207#section-2
    #[must_use]
    pub fn success_location(&self, code: &str, issuer: &Issuer) -> String {
        location(
            &self.redirect_uri,
            &[
                ("code", Some(code)),
                ("state", self.state.as_deref()),
                ("iss", Some(issuer.as_str())),
            ],
        )
    }

    /// The answer when the person says no. [RFC 6749 §4.1.2.1]
    ///
    /// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
    #[must_use]
    pub fn denied(&self) -> ErrorResponse {
        self.refused(ErrorCode::ACCESS_DENIED, "the person did not allow this")
    }

    /// The answer when somebody else signed in than an `id_token_hint` means.
    /// [OpenID Connect Core §3.1.2.1]
    ///
    /// [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
    #[must_use]
    pub fn not_expected(&self) -> ErrorResponse {
        self.refused(ErrorCode::LOGIN_REQUIRED, "somebody else signed in")
    }

    /// The answer where something that the request wishes cannot be had: to leave it out would be
    /// to do something else than was asked for. [RFC 6749 §4.1.2.1]
    ///
    /// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
    #[must_use]
    pub fn not_offered(&self) -> ErrorResponse {
        self.refused(ErrorCode::INVALID_REQUEST, "a parameter asks for what is not offered here")
    }

    /// An error that the client receives. [RFC 6749 §4.1.2.1]
    ///
    /// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
    pub(crate) fn refused(&self, code: ErrorCode, description: &'static str) -> ErrorResponse {
        let (redirect_uri, state) = (self.redirect_uri.clone(), self.state.clone());
        ErrorResponse { redirect_uri, state, code, description }
    }
}

/// Appends parameters to a redirect URI and keeps the query it has. [RFC 6749 §3.1.2]
///
/// [RFC 6749 §3.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2
pub(crate) fn location(redirect_uri: &str, parameters: &[(&str, Option<&str>)]) -> String {
    // INVARIANT: the redirect URI matched a registered one, so it is a URL without fragment.
    let Ok(mut url) = Url::parse(redirect_uri) else { return redirect_uri.to_owned() };
    let mut present =
        parameters.iter().filter_map(|(name, value)| Some((name, (*value)?))).peekable();
    // An empty query is another URI than none.
    if present.peek().is_some() {
        url.query_pairs_mut().extend_pairs(present);
    }
    url.into()
}
