//! Token type identifiers. [RFC 8693 §3](https://www.rfc-editor.org/rfc/rfc8693#section-3)

use std::borrow::Cow;

/// A token type identifier. The registered ones are constants; unknown ones are carried so that
/// they can be refused by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenType(Cow<'static, str>);

impl TokenType {
    /// An OAuth 2.0 access token issued by the given authorization server.
    pub const ACCESS_TOKEN: Self =
        Self::registered("urn:ietf:params:oauth:token-type:access_token");
    /// An OAuth 2.0 refresh token issued by the given authorization server.
    pub const REFRESH_TOKEN: Self =
        Self::registered("urn:ietf:params:oauth:token-type:refresh_token");
    /// An ID Token of OpenID Connect Core §2.
    pub const ID_TOKEN: Self = Self::registered("urn:ietf:params:oauth:token-type:id_token");
    /// A base64url-encoded SAML 1.1 assertion.
    pub const SAML1: Self = Self::registered("urn:ietf:params:oauth:token-type:saml1");
    /// A base64url-encoded SAML 2.0 assertion.
    pub const SAML2: Self = Self::registered("urn:ietf:params:oauth:token-type:saml2");
    /// A JWT.
    pub const JWT: Self = Self::registered("urn:ietf:params:oauth:token-type:jwt");

    const REGISTERED: [Self; 6] = [
        Self::ACCESS_TOKEN,
        Self::REFRESH_TOKEN,
        Self::ID_TOKEN,
        Self::SAML1,
        Self::SAML2,
        Self::JWT,
    ];

    const fn registered(uri: &'static str) -> Self {
        Self(Cow::Borrowed(uri))
    }

    /// The identifier as received.
    #[must_use]
    pub fn new<'a>(uri: impl Into<Cow<'a, str>>) -> Self {
        let uri = uri.into();
        let known = Self::REGISTERED.into_iter().find(|known| known.0 == uri);
        known.unwrap_or_else(|| Self(Cow::Owned(uri.into_owned())))
    }

    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TokenType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_and_registered_compare_by_text() {
        assert_eq!(TokenType::new("urn:ietf:params:oauth:token-type:jwt"), TokenType::JWT);
        assert_ne!(TokenType::new("urn:ietf:params:oauth:token-type:JWT"), TokenType::JWT);
    }
}
