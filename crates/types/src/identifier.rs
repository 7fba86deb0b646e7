//! Issuers, endpoints, resource identifiers, client ids and redirect URIs.
//!
//! An identifier keeps the text it was received as and is compared code point by code point, never
//! as a normalised URL ([RFC 8414 §3.3], [RFC 9207 §2.4]): a trailing slash, a port or a letter's
//! case makes another identifier.
//!
//! [RFC 8414 §3.3]: https://www.rfc-editor.org/rfc/rfc8414#section-3.3
//! [RFC 9207 §2.4]: https://www.rfc-editor.org/rfc/rfc9207#section-2.4

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

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
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// An authorization server's or OpenID provider's issuer identifier: an `https` URL without query
/// or fragment. [RFC 8414 §2](https://www.rfc-editor.org/rfc/rfc8414#section-2)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer(String);
text_identifier!(Issuer);

impl Issuer {
    /// Parses an issuer identifier.
    ///
    /// # Errors
    /// Any [`IdentifierError`] but `Character`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let url = absolute_https(text)?;
        if url.query().is_some() {
            return Err(IdentifierError::Query);
        }
        if url.fragment().is_some() {
            return Err(IdentifierError::Fragment);
        }
        Ok(Self(text.to_owned()))
    }

    /// The host name or address.
    #[must_use]
    pub fn host(&self) -> String {
        host_of(&self.0)
    }
}

/// A URL that something is sent to: `https`, no user information, no fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointUrl(Url);

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
        Ok(Self(url))
    }

    /// The URL.
    #[must_use]
    pub const fn as_url(&self) -> &Url {
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
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A protected resource's resource identifier: an `https` URL without fragment.
/// [RFC 9728 §1.2](https://www.rfc-editor.org/rfc/rfc9728#section-1.2),
/// [RFC 8707 §2](https://www.rfc-editor.org/rfc/rfc8707#section-2)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceIdentifier(String);
text_identifier!(ResourceIdentifier);

impl ResourceIdentifier {
    /// Parses a resource identifier.
    ///
    /// # Errors
    /// Any [`IdentifierError`] but `Query` and `Character`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let url = absolute_https(text)?;
        if url.fragment().is_some() {
            return Err(IdentifierError::Fragment);
        }
        Ok(Self(text.to_owned()))
    }

    /// The origin of a URL, which identifies a resource server that publishes no metadata.
    #[must_use]
    pub fn origin_of(url: &EndpointUrl) -> Self {
        Self(url.as_url().origin().ascii_serialization())
    }

    /// Whether this identifier covers `url`: equal to it, or a prefix of it on the same origin that
    /// ends at a segment of its path. [RFC 9728 §3.3]
    ///
    /// ```
    /// use countersign_types::{EndpointUrl, ResourceIdentifier};
    /// let api = ResourceIdentifier::parse("https://rs.example/api")?;
    /// assert!(api.covers(&EndpointUrl::parse("https://rs.example/api/albums?page=2")?));
    /// assert!(!api.covers(&EndpointUrl::parse("https://rs.example/apis")?));
    /// assert!(!api.covers(&EndpointUrl::parse("https://rs.example:8443/api")?));
    /// # Ok::<(), countersign_types::identifier::IdentifierError>(())
    /// ```
    ///
    /// [RFC 9728 §3.3]: https://www.rfc-editor.org/rfc/rfc9728#section-3.3
    #[must_use]
    pub fn covers(&self, url: &EndpointUrl) -> bool {
        let Ok(own) = Url::parse(&self.0) else { return false };
        let called = url.as_url();
        if own.origin() != called.origin() {
            return false;
        }
        if own.query().is_some() {
            return own.path() == called.path() && own.query() == called.query();
        }
        is_path_prefix(own.path(), called.path())
    }
}

/// Whether `url` is `place` in any spelling, or lies below it on the same origin: for lists of what
/// is refused, which a capital letter, a spelt-out port, a dot behind the host or a longer path must
/// not escape. Nothing is ever allowed by this comparison.
///
/// ```
/// use countersign_types::identifier::is_at_or_below;
/// assert!(is_at_or_below("https://AS.Evil.example.:443/tenant", "https://as.evil.example"));
/// assert!(!is_at_or_below("https://as.evil.example", "https://as.evil.example/tenant"));
/// ```
#[must_use]
pub fn is_at_or_below(url: &str, place: &str) -> bool {
    let (Ok(url), Ok(place)) = (Url::parse(url), Url::parse(place)) else { return false };
    let host = |url: &Url| url.host_str().map(|host| host.trim_end_matches('.').to_owned());
    url.scheme() == place.scheme()
        && host(&url) == host(&place)
        && url.port_or_known_default() == place.port_or_known_default()
        && is_path_prefix(place.path(), url.path())
}

/// Whether `prefix` is `path`, or a prefix of it that ends at a segment.
fn is_path_prefix(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix.trim_end_matches('/')) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// A client identifier: visible ASCII. [RFC 6749 §2.2, Appendix A.1]
///
/// [RFC 6749 §2.2, Appendix A.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.2
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);
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
        Ok(Self(text.to_owned()))
    }

    /// Whether it is an `https` URL, and so means the same client everywhere. Other client
    /// identifiers are local to one authorization server and never compared across two.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.0.starts_with("https://") && absolute_https(&self.0).is_ok()
    }
}

/// A registered redirection URI, matched exactly.
/// [RFC 6749 §3.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2)
///
/// ```
/// use countersign_types::RedirectUri;
/// let native = RedirectUri::parse("http://127.0.0.1/callback")?;
/// assert!(native.matches("http://127.0.0.1:49152/callback"));
/// assert!(!native.matches("http://127.0.0.1:49152/callback/"));
/// let web = RedirectUri::parse("https://app.example/callback")?;
/// assert!(!web.matches("https://app.example:443/callback"));
/// # Ok::<(), countersign_types::identifier::IdentifierError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedirectUri(String);
text_identifier!(RedirectUri);

impl RedirectUri {
    /// Parses a redirection URI: `https`, or `http` on a loopback address literal
    /// ([RFC 8252 §7.3]), without fragment or user information.
    ///
    /// # Errors
    /// Any [`IdentifierError`] but `Query` and `Character`.
    ///
    /// [RFC 8252 §7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let url = absolute(text)?;
        if url.fragment().is_some() {
            return Err(IdentifierError::Fragment);
        }
        if url.scheme() != "https" && loopback_without_port(text).is_none() {
            return Err(IdentifierError::Scheme);
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether a presented URI is this one: octet by octet, save that the port of a loopback
    /// address literal may be any. [RFC 8252 §7.3]
    ///
    /// [RFC 8252 §7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        if self.0 == presented {
            return true;
        }
        match (loopback_without_port(&self.0), loopback_without_port(presented)) {
            (Some(registered), Some(presented)) => registered == presented,
            _ => false,
        }
    }
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

/// What stands between `://` behind the scheme and the next delimiter; nothing where no `://` stands there.
fn authority<'a>(text: &'a str, scheme: &str) -> &'a str {
    let rest = text.get(scheme.len()..).and_then(|rest| rest.strip_prefix("://")).unwrap_or("");
    rest.split(['/', '?', '#']).next().unwrap_or("")
}

fn host_of(text: &str) -> String {
    Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// For `http` on a loopback address literal: the host, and everything after the port.
fn loopback_without_port(text: &str) -> Option<(Host<String>, &str)> {
    let rest = text.strip_prefix("http://")?;
    let url = absolute(text).ok()?;
    let host = match url.host()? {
        Host::Ipv4(address) if address.octets() == [127, 0, 0, 1] => Host::Ipv4(address),
        Host::Ipv6(address) if address.is_loopback() => Host::Ipv6(address),
        _ => return None,
    };
    // Only the two canonical spellings of the host count.
    let after_host = rest.strip_prefix("127.0.0.1").or_else(|| rest.strip_prefix("[::1]"))?;
    let tail = match after_host.strip_prefix(':') {
        Some(port_and_tail) => {
            let digits = port_and_tail.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            port_and_tail.get(digits..)?
        }
        None => after_host,
    };
    Some((host, tail))
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
    fn loopback_redirects_vary_in_port_only() {
        let registered = RedirectUri::parse("http://127.0.0.1/cb").unwrap();
        assert!(registered.matches("http://127.0.0.1:1/cb"));
        assert!(RedirectUri::parse("http://[::1]/cb").unwrap().matches("http://[::1]:65535/cb"));
        for other in [
            "http://127.0.0.1:1/cb?x",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "http://127.1:1/cb",
            "http://localhost:1/cb",
            "http://[::1]:1/cb",
            "https://127.0.0.1:1/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1.evil.example/cb",
        ] {
            assert!(!registered.matches(other), "{other}");
        }
        assert_eq!(RedirectUri::parse("http://app.example/cb"), Err(IdentifierError::Scheme));
        assert_eq!(RedirectUri::parse("javascript://x/%0aalert(1)"), Err(IdentifierError::Scheme));
    }

    #[test]
    fn no_spelling_escapes_a_refusal() {
        let place = "https://as.evil.example/a";
        for url in [
            "https://as.evil.example/a",
            "https://as.evil.example/a/",
            "https://as.evil.example/a/b?c",
            "https://AS.evil.EXAMPLE/a",
            "https://as.evil.example:443/a",
            "https://as.evil.example./a",
            "https://as.evil.example/x/../a",
            "https://as.evil.example/x/%2E%2e/a",
        ] {
            assert!(is_at_or_below(url, place), "{url}");
            assert!(is_at_or_below(url, "https://AS.EVIL.EXAMPLE.:443/"), "{url}");
        }
        for url in [
            "https://as.evil.example",
            "https://as.evil.example/ab",
            "https://as.evil.example/A",
            "https://as.evil.example:8443/a",
            "https://xas.evil.example/a",
            "http://as.evil.example/a",
            "not a URL",
        ] {
            assert!(!is_at_or_below(url, place), "{url}");
        }
    }

    #[test]
    fn the_origin_identifies_a_server_without_metadata() {
        let url = EndpointUrl::parse("https://rs.example:8443/albums/1?x=y").unwrap();
        assert_eq!(ResourceIdentifier::origin_of(&url).as_str(), "https://rs.example:8443");
        let url = EndpointUrl::parse("https://rs.example:443/").unwrap();
        assert_eq!(ResourceIdentifier::origin_of(&url).as_str(), "https://rs.example");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = (Issuer::parse(&text), RedirectUri::parse(&text), ClientId::parse(&text));
        }

        #[test]
        fn a_redirect_uri_matches_itself(text in "https://[a-z]{1,9}\\.example(/[a-z0-9]{0,9}){0,3}(\\?[a-z]=[a-z])?") {
            let uri = RedirectUri::parse(&text).unwrap();
            proptest::prop_assert!(uri.matches(&text));
            let longer = format!("{text}/");
            proptest::prop_assert!(!uri.matches(&longer));
        }
    }
}
