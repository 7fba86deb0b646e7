//! Takes the bearer token out of a request: from the header, and from nowhere else.
//! [RFC 6750 §2]
//!
//! [RFC 6750 §2]: https://www.rfc-editor.org/rfc/rfc6750#section-2

use countersign_client_auth::dpop::SCHEME;
use countersign_types::secret::AccessToken;
use countersign_types::{Wire, WireError, wire::ErrorCode};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

/// A longer token is refused.
pub const MAX_LENGTH: usize = 16 * 1024;

/// Why the credentials of a request were refused: 400 `invalid_request`. [RFC 6750 §3.1]
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BearerError {
    /// More than one `Authorization` header.
    #[error("two credentials in one request")]
    TwoCredentials,
    /// `access_token` in the query, where logs and referrers see it. RFC 6750 §2.3 discourages it;
    /// RFC 9700 §4.3.2 forbids it.
    #[error("a token in the query")]
    Query,
    /// The scheme is `Bearer` or `DPoP`, but no `b64token` follows.
    #[error("a malformed token")]
    Malformed,
}

impl WireError for BearerError {
    fn wire(&self) -> Wire {
        let description = match self {
            Self::TwoCredentials => "more than one credential in the request",
            Self::Query => "an access token is accepted in the Authorization header only",
            Self::Malformed => "the token is malformed",
        };
        Wire::new(ErrorCode::INVALID_REQUEST, StatusCode::BAD_REQUEST, description)
            .with_challenge("Bearer error=\"invalid_request\"")
    }
}

/// The bearer token of a request, if it has one. Credentials of another scheme count as none.
///
/// ```
/// use countersign_resource::bearer;
/// let mut request = http::Request::get("/rs-api").body(())?;
/// assert!(bearer::parse(request.headers(), request.uri().query())?.is_none());
/// request.headers_mut().insert("authorization", "Bearer abc".parse()?);
/// let token = bearer::parse(request.headers(), None)?;
/// assert!(token.is_some_and(|token| token.ct_eq("abc")));
/// assert!(bearer::parse(request.headers(), Some("access_token=abc")).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Every [`BearerError`].
pub fn parse(headers: &HeaderMap, query: Option<&str>) -> Result<Option<AccessToken>, BearerError> {
    match credentials(headers, query)? {
        Some(Sent { scheme: Scheme::Bearer, octets }) => checked(octets).map(Some),
        _ => Ok(None),
    }
}

/// Credentials that were refused, and the scheme that they are of if that can be told: it is the
/// challenge of that scheme that tells of the error. [RFC 9449 §7.2]
///
/// [RFC 9449 §7.2]: https://www.rfc-editor.org/rfc/rfc9449#section-7.2
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedCredentials {
    pub(crate) error: BearerError,
    pub(crate) scheme: Option<Scheme>,
}

impl RefusedCredentials {
    /// What is more than one credential is of no scheme.
    pub(crate) const AMBIGUOUS: Self = Self { error: BearerError::TwoCredentials, scheme: None };
}

impl From<BearerError> for RefusedCredentials {
    /// Of a request in which only bearer tokens are looked for.
    fn from(error: BearerError) -> Self {
        Self { error, scheme: Some(Scheme::Bearer) }
    }
}

/// How a token was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    /// [RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)
    Dpop,
}

/// What was sent as a token. Nobody has looked at it yet.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) scheme: Scheme,
    octets: &'a [u8],
}

impl<'a> Sent<'a> {
    /// The octets, to be looked for among tokens that were taken before: if they are there, they
    /// are one.
    pub(crate) const fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// The token, if it is one.
    pub(crate) fn token(self) -> Result<AccessToken, RefusedCredentials> {
        // What is no text is of no scheme.
        let scheme = self.octets.is_ascii().then_some(self.scheme);
        checked(self.octets).map_err(|error| RefusedCredentials { error, scheme })
    }
}

/// The token of a request and how it was sent, where both schemes are understood.
pub(crate) fn sent<'a>(
    headers: &'a HeaderMap,
    query: Option<&str>,
) -> Result<Option<Sent<'a>>, RefusedCredentials> {
    credentials(headers, query).map_err(|error| {
        // In the query alone it is a bearer token (RFC 6750 §2.3).
        let is_bearer = error == BearerError::Query && !headers.contains_key(AUTHORIZATION);
        RefusedCredentials { error, scheme: is_bearer.then_some(Scheme::Bearer) }
    })
}

/// The one `Authorization` of a request, if its scheme is understood.
fn credentials<'a>(
    headers: &'a HeaderMap,
    query: Option<&str>,
) -> Result<Option<Sent<'a>>, BearerError> {
    if has_token(query.unwrap_or_default()) {
        return Err(BearerError::Query);
    }
    let mut credentials = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = credentials.next() else { return Ok(None) };
    if credentials.next().is_some() {
        return Err(BearerError::TwoCredentials);
    }
    let octets = first.as_bytes().trim_ascii_end();
    let end = octets.iter().position(|octet| *octet == b' ').unwrap_or(octets.len());
    let (scheme, mut token) = octets.split_at(end);
    while let [b' ', rest @ ..] = token {
        token = rest;
    }
    let sent = |scheme| Ok(Some(Sent { scheme, octets: token }));
    match scheme {
        _ if scheme.eq_ignore_ascii_case(b"Bearer") => sent(Scheme::Bearer),
        _ if scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) => sent(Scheme::Dpop),
        _ if octets.is_ascii() => Ok(None),
        _ => Err(BearerError::Malformed),
    }
}

/// Whether a parameter of the query is a token.
fn has_token(query: &str) -> bool {
    const NAME: &str = "access_token";
    // No escape makes a name shorter.
    if query.len() < NAME.len() {
        return false;
    }
    if query.contains('%') {
        return form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == NAME);
    }
    // A name without escapes is one as it stands: most queries need not be decoded for that.
    query.split('&').any(|pair| pair.split_once('=').map_or(pair, |(name, _)| name) == NAME)
}

fn checked(octets: &[u8]) -> Result<AccessToken, BearerError> {
    let token = std::str::from_utf8(octets).ok().filter(|token| is_b64token(token));
    token.map(AccessToken::new).ok_or(BearerError::Malformed)
}

/// RFC 6750 §2.1.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    // No `||` and no end before the last octet, so that many are compared at once.
    let allowed = |byte: u8| {
        (byte | 0x20).is_ascii_lowercase()
            | matches!(byte, b'-'..=b'9')
            | (byte == b'+')
            | (byte == b'_')
            | (byte == b'~')
    };
    !body.is_empty()
        && token.len() <= MAX_LENGTH
        && body.bytes().fold(true, |all, byte| all & allowed(byte))
}

#[cfg(test)]
mod tests {
    use countersign_types::wire::is_description;

    use super::*;

    #[track_caller]
    fn check(headers: &[&str], query: Option<&str>, expected: Result<Option<&str>, BearerError>) {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(AUTHORIZATION, value.parse().unwrap());
        }
        let found = parse(&map, query);
        let found = found.as_ref().map(|token| token.as_ref().map(AccessToken::expose));
        assert_eq!(found.map_err(|error| *error), expected, "{headers:?}");
    }

    #[test]
    fn the_header_carries_the_token() {
        check(&[], None, Ok(None));
        check(&["Bearer mF_9.B5f-4.1JqM"], None, Ok(Some("mF_9.B5f-4.1JqM")));
        check(&["bearer  abc=="], Some("page=2"), Ok(Some("abc==")));
        check(&["Basic YTpi"], None, Ok(None));
        check(&["BearerX abc"], None, Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "Bearer",
            "Bearer ",
            "Bearer =",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \"a\"",
            "Bearer a=b",
        ] {
            check(&[text], None, Err(BearerError::Malformed));
        }
        check(
            &[&format!("Bearer {}", "a".repeat(MAX_LENGTH + 1))],
            None,
            Err(BearerError::Malformed),
        );
        check(&["Bearer a", "Bearer a"], None, Err(BearerError::TwoCredentials));
        check(&["Bearer a", "Basic YTpi"], None, Err(BearerError::TwoCredentials));
        check(&[], Some("access_token=a"), Err(BearerError::Query));
        check(&["Bearer a"], Some("x=1&%61ccess_token="), Err(BearerError::Query));
        check(&[], Some("x=1&access_token"), Err(BearerError::Query));
        check(&[], Some("x=access_token&access_tokens=1&+access_token=1"), Ok(None));
    }

    #[test]
    fn rfc_6750_section_2_1_these_octets_and_no_others() {
        for byte in 0..=127u8 {
            let listed = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_b64token(std::str::from_utf8(&[b'a', byte, b'a']).unwrap()), listed);
        }
        assert!(!is_b64token("a\u{e4}a"));
    }

    #[test]
    fn every_error_is_400_invalid_request() {
        for error in [BearerError::TwoCredentials, BearerError::Query, BearerError::Malformed] {
            let wire = error.wire();
            assert_eq!((wire.code, wire.status.as_u16()), (ErrorCode::INVALID_REQUEST, 400));
            assert!(is_description(wire.description));
        }
    }
}
