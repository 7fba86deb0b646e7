//! The access token of a request, in its header. [RFC 6750 §2.1]
//!
//! [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1

use countersign_types::secret::AccessToken;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Why a request has no access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoToken {
    /// It shows nothing, or something else.
    Missing,
    /// It shows two things.
    Repeated,
}

/// The bearer token of a request.
pub(super) fn token(headers: &HeaderMap) -> Result<AccessToken, NoToken> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(NoToken::Missing)?;
    if values.next().is_some() {
        return Err(NoToken::Repeated);
    }
    let text = value.to_str().map_err(|_| NoToken::Missing)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(AccessToken::new(token.trim_start_matches(' ')))
        }
        _ => Err(NoToken::Missing),
    }
}
