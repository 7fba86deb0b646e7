//! Families of URLs, for policies that speak of many parties at once.

use serde::{Deserialize, Deserializer};

use crate::identifier::is_at_or_below;
use crate::{EndpointUrl, ResourceIdentifier};

/// A URL or a family of URLs, of targets or of clients: a URL, `https://*.domain` with an optional
/// port and path, or `*`.
///
/// ```
/// use countersign_types::UrlPattern;
/// let pattern = UrlPattern::parse("https://*.bob.example")?;
/// assert!(pattern.matches("https://uma.bob.example"));
/// assert!(!pattern.matches("https://bob.example"));
/// assert!(!pattern.matches("https://uma.bob.example.evil.example"));
/// assert!(!pattern.matches("https://evil.example/x.bob.example"));
/// # Ok::<(), countersign_types::url_pattern::UrlPatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Exact(String),
    Subdomains { suffix: String, path: String },
}

/// A text is no pattern of URLs.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a URL, https://*.domain or *")]
pub struct UrlPatternError;

impl UrlPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`UrlPatternError`].
    pub fn parse(text: &str) -> Result<Self, UrlPatternError> {
        if text == "*" {
            return Ok(Self(Pattern::Any));
        }
        if !text.contains('*') {
            ResourceIdentifier::parse(text).map_err(|_| UrlPatternError)?;
            return Ok(Self(Pattern::Exact(text.to_owned())));
        }
        let rest = text.strip_prefix("https://*.").ok_or(UrlPatternError)?;
        let (domain, path) = split_path(rest);
        // What the star stands for must be a label of this very URL.
        ResourceIdentifier::parse(&format!("https://{rest}")).map_err(|_| UrlPatternError)?;
        if rest.contains('*') || !domain.contains('.') {
            return Err(UrlPatternError);
        }
        Ok(Self(Pattern::Subdomains { suffix: format!(".{domain}"), path: path.to_owned() }))
    }

    /// Whether `target`, an `https` URL, is meant.
    #[must_use]
    pub fn matches(&self, target: &str) -> bool {
        match &self.0 {
            Pattern::Any => true,
            Pattern::Exact(exact) => exact == target,
            Pattern::Subdomains { suffix, path } => {
                let Some(rest) = target.strip_prefix("https://") else { return false };
                let (authority, target_path) = split_path(rest);
                let labels = authority.strip_suffix(suffix.as_str()).unwrap_or_default();
                let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
                !labels.is_empty() && labels.bytes().all(is_name) && target_path == path
            }
        }
    }

    /// Whether `target` is meant where the pattern stands for what is refused: in every spelling of
    /// the URL, and below it, too. What [`matches`](Self::matches) is denied as well.
    ///
    /// ```
    /// use countersign_types::UrlPattern;
    /// let pattern = UrlPattern::parse("https://*.evil.example")?;
    /// assert!(pattern.denies("https://AS.Evil.example:443/tenant"));
    /// assert!(!pattern.denies("https://evil.example"));
    /// # Ok::<(), countersign_types::url_pattern::UrlPatternError>(())
    /// ```
    #[must_use]
    pub fn denies(&self, target: &str) -> bool {
        match &self.0 {
            Pattern::Any => true,
            Pattern::Exact(exact) => is_at_or_below(target, exact),
            Pattern::Subdomains { suffix, path } => {
                let domain = suffix.split_once(':').map_or(suffix.as_str(), |(name, _)| name);
                let domain = domain.to_ascii_lowercase();
                let host = host_of(target);
                let labels = host.trim_end_matches('.').strip_suffix(&domain).unwrap_or_default();
                !labels.is_empty()
                    && is_at_or_below(target, &format!("https://{labels}{suffix}{path}"))
            }
        }
    }
}

impl std::str::FromStr for UrlPattern {
    type Err = UrlPatternError;

    fn from_str(text: &str) -> Result<Self, UrlPatternError> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for UrlPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The host of a URL, in lower case.
fn host_of(target: &str) -> String {
    let url = EndpointUrl::parse(target).ok();
    url.and_then(|url| url.as_url().host_str().map(str::to_owned)).unwrap_or_default()
}

fn split_path(rest: &str) -> (&str, &str) {
    rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, target: &str, expected: bool) {
        let pattern = UrlPattern::parse(pattern).unwrap();
        assert_eq!(pattern.matches(target), expected, "{pattern:?} {target}");
    }

    #[test]
    fn a_pattern_matches_whole_urls() {
        check("*", "https://any.example", true);
        check("https://uma.bob.example", "https://uma.bob.example", true);
        check("https://uma.bob.example", "https://uma.bob.example/", false);
        check("https://*.bob.example", "https://a.b.bob.example", true);
        check("https://*.bob.example", "https://.bob.example", false);
        check("https://*.bob.example", "https://xbob.example", false);
        check("https://*.bob.example", "https://uma.bob.example/tenant", false);
        check("https://*.bob.example/t", "https://uma.bob.example/t", true);
        check("https://*.bob.example", "https://uma.bob.example:8443", false);
        check("https://*.bob.example:8443", "https://uma.bob.example:8443", true);
        check("https://*.bob.example", "https://evil.example?.bob.example", false);
        check("https://*.bob.example", "https://evil.example#.bob.example", false);
        check("https://*.bob.example", "https://evil.example\\.bob.example", false);
        check("https://*.bob.example", "https://me@uma.bob.example", false);
        check("https://*.bob.example", "http://uma.bob.example", false);
    }

    #[test]
    fn no_spelling_escapes_a_denial() {
        for (pattern, denied) in [
            ("*", "https://any.example"),
            ("https://uma.evil.example", "https://UMA.evil.example/"),
            ("https://uma.evil.example", "https://uma.evil.example.:443/tenant?x"),
            ("https://*.evil.example", "https://a.b.EVIL.example"),
            ("https://*.Evil.example", "https://uma.evil.example/tenant"),
            ("https://*.evil.example", "https://uma.evil.example."),
            ("https://*.evil.example", "https://uma.evil.example?x"),
            ("https://*.evil.example:8443/t", "https://uma.evil.example:8443/t/1"),
        ] {
            assert!(UrlPattern::parse(pattern).unwrap().denies(denied), "{pattern} {denied}");
        }
        for (pattern, other) in [
            ("https://uma.evil.example/t", "https://uma.evil.example"),
            ("https://*.evil.example", "https://evil.example"),
            ("https://*.evil.example", "https://notevil.example"),
            ("https://*.evil.example", "https://uma.evil.example:8443"),
            ("https://*.evil.example", "https://good.example?.evil.example"),
        ] {
            assert!(!UrlPattern::parse(pattern).unwrap().denies(other), "{pattern} {other}");
        }
    }

    #[test]
    fn a_star_stands_for_labels_only() {
        for text in [
            "",
            "**",
            "https://*",
            "https://*.example",
            "https://uma.*.example",
            "http://*.b.example",
            "https://*.*.example",
            "bob",
            "https://*.bob.example#x",
            "https://*bob.example",
        ] {
            assert_eq!(UrlPattern::parse(text), Err(UrlPatternError), "{text}");
        }
    }
}
