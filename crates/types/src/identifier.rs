//! Issuers, endpoints, resource identifiers, client ids and redirect URIs.
//!
//! An identifier keeps the text it was received as and is compared code point by code point, never
//! as a normalised URL ([RFC 8414 §3.3], [RFC 9207 §2.4]): a trailing slash, a port or a letter's
//! case makes another identifier. Copies share their text: one is copied more often than it is read
//! from a message.
//!
//! [RFC 8414 §3.3]: https://www.rfc-editor.org/rfc/rfc8414#section-3.3
//! [RFC 9207 §2.4]: https://www.rfc-editor.org/rfc/rfc9207#section-2.4

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::host_name;

/// A URL or identifier longer than this is refused.
pub const MAX_LENGTH: usize = 2048;

/// Why a text is not the identifier it should be.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentifierError {
    /// Not an absolute URL, or one with blanks, controls or characters outside ASCII.
    #[error("not an absolute URL")]
    NotAUrl,
    /// The scheme is not `https`.
    #[error("the scheme is not https")]
    Scheme,
    /// A user name or password stands before the host.
    #[error("user information in the URL")]
    UserInfo,
    /// A query where none may be.
    #[error("a query in the URL")]
    Query,
    /// A fragment where none may be.
    #[error("a fragment in the URL")]
    Fragment,
    /// Empty, or longer than [`MAX_LENGTH`].
    #[error("empty or too long")]
    Length,
    /// A character outside the identifier's grammar.
    #[error("a character that is not allowed")]
    Character,
}

macro_rules! text_identifier {
    ($name:ident) => {
        impl $name {
            /// The text as it was received.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::deserialize(deserializer, Self::parse)
            }
        }
    };
}

// Behind the macro, which they use.
mod redirect_uri;
mod resource;

pub use self::redirect_uri::RedirectUri;
pub use self::resource::{ResourceIdentifier, is_at_or_below};

/// An authorization server's or OpenID provider's issuer identifier: an `https` URL without query
/// or fragment. [RFC 8414 §2](https://www.rfc-editor.org/rfc/rfc8414#section-2)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer(Arc<str>);
text_identifier!(Issuer);

impl Issuer {
    /// Parses an issuer identifier.
    ///
    /// # Errors
    /// Any [`IdentifierError`] but `Character`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if !is_plain(text) {
            let url = absolute_https(text)?;
            if url.query().is_some() {
                return Err(IdentifierError::Query);
            }
            if url.fragment().is_some() {
                return Err(IdentifierError::Fragment);
            }
        }
        Ok(Self(text.into()))
    }

    /// The host name or address.
    #[must_use]
    pub fn host(&self) -> String {
        host_of(&self.0)
    }
}

/// A URL that something is sent to: `https`, no user information, no fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointUrl(Arc<Url>);

impl EndpointUrl {
    /// Parses an endpoint's URL.
    ///
    /// # Errors
    /// Any [`IdentifierError`] but `Query` and `Character`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let url = absolute_https(text)?;
        if url.fragment().is_some() {
            return Err(IdentifierError::Fragment);
        }
        Ok(Self(url.into()))
    }

    /// The URL.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EndpointUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EndpointUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer, Self::parse)
    }
}

/// A client identifier: visible ASCII. [RFC 6749 §2.2, Appendix A.1]
///
/// [RFC 6749 §2.2, Appendix A.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.2
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);
text_identifier!(ClientId);

impl ClientId {
    /// Parses a client identifier of 1 to 2048 characters `%x20-7E`.
    ///
    /// # Errors
    /// [`IdentifierError::Length`], [`IdentifierError::Character`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(IdentifierError::Length);
        }
        if !text.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
            return Err(IdentifierError::Character);
        }
        Ok(Self(text.into()))
    }

    /// Whether it is an `https` URL, and so means the same client everywhere. Other client
    /// identifiers are local to one authorization server and never compared across two.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.0.starts_with("https://") && (is_plain(&self.0) || absolute_https(&self.0).is_ok())
    }
}

/// Whether a text is an `https` URL of the kind that nearly all identifiers are, a host name and a
/// path of unreserved characters ([RFC 3986 §2.3]): one that is not worth a URL parser's time.
///
/// [RFC 3986 §2.3]: https://www.rfc-editor.org/rfc/rfc3986#section-2.3
fn is_plain(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let rest = rest.as_bytes();
    let (host, path) = rest.split_at(rest.iter().position(|o| *o == b'/').unwrap_or(rest.len()));
    let unreserved = |o: &u8| o.is_ascii_alphanumeric() || matches!(o, b'-' | b'.' | b'_' | b'~');
    text.len() <= MAX_LENGTH
        && host_name::is_plain(host)
        && path.iter().all(|octet| *octet == b'/' || unreserved(octet))
}

fn absolute(text: &str) -> Result<Url, IdentifierError> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return Err(IdentifierError::Length);
    }
    // The URL parser drops tabs and line breaks, trims blanks and turns `\` into `/`: what it
    // would repair is refused.
    let is_kept =
        |octet| matches!(octet, 0x21..=0x7e) && !matches!(octet, b'\\' | b'"' | b'<' | b'>');
    if !text.bytes().all(is_kept) {
        return Err(IdentifierError::NotAUrl);
    }
    let url = Url::parse(text).map_err(|_| IdentifierError::NotAUrl)?;
    // An empty authority is repaired, too: the first segment of the path would become the host.
    let authority = authority(text, url.scheme());
    if !url.has_host() || authority.is_empty() {
        return Err(IdentifierError::NotAUrl);
    }
    if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
        return Err(IdentifierError::UserInfo);
    }
    Ok(url)
}

fn absolute_https(text: &str) -> Result<Url, IdentifierError> {
    let url = absolute(text)?;
    if url.scheme() != "https" || !text.starts_with("https://") {
        return Err(IdentifierError::Scheme);
    }
    Ok(url)
}

/// What stands between `://` behind the scheme and the next delimiter; nothing where no `://`
/// stands there.
fn authority<'a>(text: &'a str, scheme: &str) -> &'a str {
    let rest = text.get(scheme.len()..).and_then(|rest| rest.strip_prefix("://")).unwrap_or("");
    rest.split(['/', '?', '#']).next().unwrap_or("")
}

fn host_of(text: &str) -> String {
    Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, why: IdentifierError) {
        assert_eq!(Issuer::parse(text), Err(why), "{text:?}");
    }

    #[test]
    fn an_issuer_keeps_its_spelling() {
        for text in ["https://as.example", "https://as.example/", "https://as.example/tenant/1"] {
            assert_eq!(Issuer::parse(text).unwrap().as_str(), text);
        }
        assert_ne!(Issuer::parse("https://a.example"), Issuer::parse("https://a.example/"));
    }

    #[test]
    fn an_issuer_is_https_without_query_fragment_or_user() {
        refused("http://as.example", IdentifierError::Scheme);
        refused("HTTPS://as.example", IdentifierError::Scheme);
        refused("ftp://as.example", IdentifierError::Scheme);
        refused("https://as.example?x", IdentifierError::Query);
        refused("https://as.example#x", IdentifierError::Fragment);
        refused("https://me@as.example", IdentifierError::UserInfo);
        refused("https://@as.example", IdentifierError::UserInfo);
        refused("https:as.example", IdentifierError::NotAUrl);
        refused("https:///as.example", IdentifierError::NotAUrl);
        refused("https:////as.example", IdentifierError::NotAUrl);
        refused("as.example", IdentifierError::NotAUrl);
        refused("https://as.example\\evil", IdentifierError::NotAUrl);
        refused("https://as.example\t", IdentifierError::NotAUrl);
        refused(" https://as.example", IdentifierError::NotAUrl);
        refused("https://äs.example", IdentifierError::NotAUrl);
        refused("", IdentifierError::Length);
        refused(&format!("https://as.example/{}", "x".repeat(MAX_LENGTH)), IdentifierError::Length);
    }

    #[test]
    fn a_url_whose_slashes_come_later_is_not_repaired() {
        for text in ["https:as.example/a://b", "https:/as.example?to=a://b", "https:://as.example"]
        {
            assert_eq!(RedirectUri::parse(text), Err(IdentifierError::NotAUrl), "{text}");
            refused(text, IdentifierError::NotAUrl);
        }
    }

    #[test]
    fn what_is_plain_and_what_is_not() {
        for text in
            ["https://as.example", "https://as.example/", "https://as.example/a/~1/../b_c.d-e"]
        {
            assert!(is_plain(text), "{text}");
        }
        for rest in [
            "",
            "/",
            "as.example:443",
            "me@as.example",
            "as.example?",
            "as.example#",
            "as.example/%41",
            "[::1]",
        ] {
            assert!(!is_plain(&format!("https://{rest}")), "{rest}");
        }
        assert!(!is_plain("http://as.example") && !is_plain("https:as.example"));
        assert!(!is_plain(&format!("https://as.example/{}", "x".repeat(MAX_LENGTH))));
    }

    proptest::proptest! {
        /// Whoever reads every URL by the library alone reads the same.
        #[test]
        fn the_library_takes_what_is_plain(text in "https://[a-z0-9.-]{1,12}(/[a-zA-Z0-9._~/%?:-]{0,12})?") {
            if is_plain(&text) {
                let url = absolute_https(&text).unwrap();
                proptest::prop_assert!(url.query().is_none() && url.fragment().is_none());
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = (Issuer::parse(&text), RedirectUri::parse(&text), ClientId::parse(&text));
        }
    }
}
