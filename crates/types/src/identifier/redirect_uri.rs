//! Redirection URIs.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Host;

use super::{IdentifierError, absolute};

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
pub struct RedirectUri(Arc<str>);
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
        Ok(Self(text.into()))
    }

    /// Whether a presented URI is this one: octet by octet, save that the port of a loopback
    /// address literal may be any. [RFC 8252 §7.3]
    ///
    /// [RFC 8252 §7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        if *self.0 == *presented {
            return true;
        }
        match (loopback_without_port(&self.0), loopback_without_port(presented)) {
            (Some(registered), Some(presented)) => registered == presented,
            _ => false,
        }
    }
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

    proptest::proptest! {
        #[test]
        fn a_redirect_uri_matches_itself(text in "https://[a-z]{1,9}\\.example(/[a-z0-9]{0,9}){0,3}(\\?[a-z]=[a-z])?") {
            let uri = RedirectUri::parse(&text).unwrap();
            proptest::prop_assert!(uri.matches(&text));
            let longer = format!("{text}/");
            proptest::prop_assert!(!uri.matches(&longer));
        }
    }
}
