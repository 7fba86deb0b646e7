//! Form and query parameters, read once by the rules of OAuth. [RFC 6749 §3.1, §3.2]
//!
//! A parameter without a value is absent, an unknown one is ignored, a repeated one is refused
//! unless its specification lets it repeat (`resource`, RFC 8707 §2; `audience`, RFC 8693 §2.1).
//!
//! [RFC 6749 §3.1, §3.2]: https://www.rfc-editor.org/rfc/rfc6749#section-3.1

use std::borrow::Cow;

use http::StatusCode;
use zeroize::Zeroizing;

use crate::wire::{ErrorCode, Wire, WireError};

/// More parameters than this in one message are refused.
pub const MAX_PARAMS: usize = 64;

/// The parameters of one message. `Debug` shows their names only.
///
/// ```
/// use countersign_types::Params;
/// let params = Params::parse(b"grant_type=client_credentials&scope=", &[])?;
/// assert_eq!(params.require("grant_type")?, "client_credentials");
/// assert_eq!(params.get("scope"), None);
/// assert!(Params::parse(b"scope=a&scope=b", &[]).is_err());
/// # Ok::<(), countersign_types::params::ParamsError>(())
/// ```
pub struct Params(Vec<(String, Zeroizing<String>)>);

/// Why parameters were refused: `invalid_request`, [RFC 6749 §5.2].
///
/// [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamsError {
    /// A parameter that may not repeat was sent twice.
    #[error("parameter {0} is repeated")]
    Repeated(String),
    /// A required parameter is absent or empty.
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter's value is outside its grammar.
    #[error("parameter {0} is malformed")]
    Malformed(&'static str),
    /// More than [`MAX_PARAMS`] parameters, or text that is not UTF-8.
    #[error("not a form")]
    NotAForm,
}

impl WireError for ParamsError {
    fn wire(&self) -> Wire {
        let description = match self {
            Self::Repeated(_) => "a parameter is repeated",
            Self::Missing(_) => "a required parameter is missing",
            Self::Malformed(_) => "a parameter is malformed",
            Self::NotAForm => "the request is not a form",
        };
        Wire::new(ErrorCode::INVALID_REQUEST, StatusCode::BAD_REQUEST, description)
    }
}

impl Params {
    /// Reads `application/x-www-form-urlencoded` text: a request body or a query.
    ///
    /// # Errors
    /// [`ParamsError::Repeated`] for a second value of a name not in `repeatable`;
    /// [`ParamsError::NotAForm`] for bytes that are not UTF-8 after decoding, or too many of them.
    pub fn parse(form: &[u8], repeatable: &[&str]) -> Result<Self, ParamsError> {
        let form = std::str::from_utf8(form).map_err(|_| ParamsError::NotAForm)?;
        let mut params: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (count, pair) in form.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count == MAX_PARAMS {
                return Err(ParamsError::NotAForm);
            }
            let (name, value) = decode(pair)?;
            // A repeated parameter is refused even where one of the values is empty.
            let repeated = params.iter().any(|(known, _)| *known == name);
            if repeated && !repeatable.contains(&name.as_ref()) {
                return Err(ParamsError::Repeated(name.into_owned()));
            }
            params.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Self(params))
    }

    /// The first value of `name`, if it is there and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of `name` that are not empty, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// [`ParamsError::Missing`] if it is absent or empty.
    pub fn require(&self, name: &'static str) -> Result<&str, ParamsError> {
        self.get(name).ok_or(ParamsError::Missing(name))
    }
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// One parameter. Tokens and tickets, the longest of them, have nothing to decode.
fn decode(pair: &str) -> Result<(Cow<'_, str>, Cow<'_, str>), ParamsError> {
    if !pair.as_bytes().contains(&b'%') && !pair.as_bytes().contains(&b'+') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        return Ok((name.into(), value.into()));
    }
    if !percent_decodes_to_utf8(pair.as_bytes()) {
        return Err(ParamsError::NotAForm);
    }
    form_urlencoded::parse(pair.as_bytes()).next().ok_or(ParamsError::NotAForm)
}

/// `form_urlencoded` replaces what is not UTF-8; two parameters that differ on the wire must not
/// become equal here, so such text is refused beforehand.
fn percent_decodes_to_utf8(form: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(form.len());
    let mut bytes = form.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut ahead = bytes.clone();
        let pair = (ahead.next().and_then(hex), ahead.next().and_then(hex));
        if let (Some(high), Some(low)) = pair {
            decoded.push(high * 16 + low);
            bytes = ahead;
        } else {
            decoded.push(byte);
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_refused_unless_allowed() {
        assert_eq!(
            Params::parse(b"a=1&a=2", &[]).unwrap_err(),
            ParamsError::Repeated("a".to_owned())
        );
        assert_eq!(
            Params::parse(b"a=1&a=", &[]).unwrap_err(),
            ParamsError::Repeated("a".to_owned())
        );
        let params = Params::parse(b"resource=x&b=1&resource=y", &["resource"]).unwrap();
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn names_are_compared_after_decoding() {
        assert!(Params::parse(b"sc%6fpe=a&scope=b", &[]).is_err());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(Params::parse(b"a=%ff", &[]).unwrap_err(), ParamsError::NotAForm);
        assert_eq!(Params::parse(b"a=\xff", &[]).unwrap_err(), ParamsError::NotAForm);
    }

    #[test]
    fn every_escape_is_judged_by_what_it_stands_for() {
        for form in
            ["a=%7f%00", "a=%", "a=%4", "a=%zz%20", "a=%c3%a4", "a=\u{e4}%20", "a=%C3%A4+%e2%82%ac"]
        {
            assert!(Params::parse(form.as_bytes(), &[]).is_ok(), "{form}");
        }
        for form in ["a=%80", "a=%20%c3", "a=%C3&b=%a4", "a=%f8%88%80%80%80", "a=%ed%a0%80"] {
            let refused = Params::parse(form.as_bytes(), &[]).unwrap_err();
            assert_eq!(refused, ParamsError::NotAForm, "{form}");
        }
    }

    #[test]
    fn debug_hides_values() {
        let params = Params::parse(b"client_secret=hunter2", &[]).unwrap();
        assert_eq!(format!("{params:?}"), "[\"client_secret\"]");
    }

    proptest::proptest! {
        /// Whoever reads forms by the library alone reads the same.
        #[test]
        fn the_library_reads_the_same(form in "[ab=&%+2c3Aé\u{0}]{0,40}") {
            let expected: Vec<_> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
            let names: Vec<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
            if let Ok(params) = Params::parse(form.as_bytes(), &names) {
                let found: Vec<_> =
                    params.0.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
                proptest::prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = Params::parse(&bytes, &["resource"]);
        }
    }
}
