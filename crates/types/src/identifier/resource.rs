//! Resource identifiers, and what lies at or below a URL.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::{EndpointUrl, IdentifierError, absolute_https, is_plain};

/// A protected resource's resource identifier: an `https` URL without fragment.
/// [RFC 9728 §1.2](https://www.rfc-editor.org/rfc/rfc9728#section-1.2),
/// [RFC 8707 §2](https://www.rfc-editor.org/rfc/rfc8707#section-2)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceIdentifier(Arc<str>);
text_identifier!(ResourceIdentifier);

impl ResourceIdentifier {
    /// Parses a resource identifier.
    ///
    /// # Errors
    /// Any [`IdentifierError`] but `Query` and `Character`.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if !is_plain(text) && absolute_https(text)?.fragment().is_some() {
            return Err(IdentifierError::Fragment);
        }
        Ok(Self(text.into()))
    }

    /// The origin of a URL, which identifies a resource server that publishes no metadata.
    #[must_use]
    pub fn origin_of(url: &EndpointUrl) -> Self {
        Self(url.as_url().origin().ascii_serialization().into())
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
/// is refused, which a capital letter, a spelt-out port, a dot behind the host or a longer path
/// must not escape. Nothing is ever allowed by this comparison.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
