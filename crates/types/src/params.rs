//! Form and query parameters, read once by the rules of OAuth. [RFC 6749 §3.1, §3.2]
//!
//! A parameter without a value is absent, an unknown one is ignored, a repeated one is refused
//! unless its specification lets it repeat (`resource`, RFC 8707 §2; `audience`, RFC 8693 §2.1).
//!
//! [RFC 6749 §3.1, §3.2]: https://www.rfc-editor.org/rfc/rfc6749#section-3.1

use std::ops::Range;

use http::StatusCode;
use memchr::{memchr, memchr2};

use crate::secret::{wipe, wipe_octets};
use crate::wire::{ErrorCode, Wire, WireError};

/// More parameters than this in one message are refused, unless its reader says otherwise.
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
pub struct Params {
    /// Names and values one after the other, decoded. It never grows: no copy of a secret is left.
    text: String,
    pairs: Vec<Pair>,
}

impl Drop for Params {
    fn drop(&mut self) {
        wipe(&mut self.text);
    }
}

/// Where a parameter stands in the text.
struct Pair {
    name: Range<usize>,
    value: Range<usize>,
}

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
    /// More parameters than its reader takes, or text that is not UTF-8.
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
    /// [`ParamsError::NotAForm`] for bytes that are not UTF-8 after decoding, or more than
    /// [`MAX_PARAMS`] parameters.
    pub fn parse(form: &[u8], repeatable: &[&str]) -> Result<Self, ParamsError> {
        Self::parse_at_most(MAX_PARAMS, form, repeatable)
    }

    /// The same, for a form that has up to `most` parameters. Each is compared with all before it.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse), with `most` in the place of [`MAX_PARAMS`].
    pub fn parse_at_most(
        most: usize,
        form: &[u8],
        repeatable: &[&str],
    ) -> Result<Self, ParamsError> {
        std::str::from_utf8(form).map_err(|_| ParamsError::NotAForm)?;
        let mut decoded = Decoded::of_at_most(form.len());
        let mut pairs: Vec<Pair> = Vec::with_capacity(16);
        for (count, pair) in pieces(form).filter(|pair| !pair.is_empty()).enumerate() {
            if count == most {
                return Err(ParamsError::NotAForm);
            }
            let (name, value) = cut(pair, b'=');
            let name = decoded.append(name)?;
            let value = decoded.append(value.unwrap_or_default())?;
            // A repeated parameter is refused even where one of the values is empty.
            let same = |known: &Pair| decoded.piece(&known.name) == decoded.piece(&name);
            if pairs.iter().any(same) {
                let name = String::from_utf8_lossy(decoded.piece(&name));
                if !repeatable.contains(&&*name) {
                    return Err(ParamsError::Repeated(name.into_owned()));
                }
            }
            pairs.push(Pair { name, value });
        }
        Ok(Self { text: decoded.into_text()?, pairs })
    }

    fn piece(&self, place: &Range<usize>) -> &str {
        self.text.get(place.clone()).unwrap_or_default()
    }

    /// Names of other lengths, and those are most, are told apart by that alone.
    fn is_named(&self, pair: &Pair, name: &str) -> bool {
        pair.name.len() == name.len() && self.piece(&pair.name) == name
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|pair| (self.piece(&pair.name), self.piece(&pair.value)))
    }

    /// The first value of `name`, if it is there and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of `name` that are not empty, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |pair| !pair.value.is_empty() && self.is_named(pair, name))
            .map(|pair| self.piece(&pair.value))
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
        f.debug_list().entries(self.pairs().map(|(name, _)| name)).finish()
    }
}

/// What is decoded of a form: room for all of it, which is wiped.
struct Decoded(Vec<u8>);

impl Drop for Decoded {
    fn drop(&mut self) {
        wipe_octets(&mut self.0);
    }
}

impl Decoded {
    /// Nothing gets longer by being decoded, so that it never grows, and no copy of a secret is
    /// left.
    fn of_at_most(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }

    /// Undoes the form encoding of a name or a value, and says where it stands then. As the URL
    /// standard has it, a `%` that no two digits follow stands for itself.
    fn append(&mut self, encoded: &[u8]) -> Result<Range<usize>, ParamsError> {
        let Self(octets) = self;
        let start = octets.len();
        // Tokens and tickets, the longest of them, have nothing to decode.
        let plain = memchr2(b'%', b'+', encoded).unwrap_or(encoded.len());
        let (plain, coded) = encoded.split_at(plain);
        octets.extend_from_slice(plain);
        let mut rest = coded;
        while let [first, behind @ ..] = rest {
            let code = match rest {
                [b'%', high, low, behind @ ..] => {
                    octet_of(*high, *low).map(|octet| (octet, behind))
                }
                _ => None,
            };
            let itself = if *first == b'+' { b' ' } else { *first };
            let (octet, behind) = code.unwrap_or((itself, behind));
            octets.push(octet);
            rest = behind;
        }
        let place = start..octets.len();
        // Two parameters that differ on the wire must not become equal here, so what is not
        // UTF-8 is refused and not replaced.
        if !coded.is_empty() && std::str::from_utf8(self.piece(&place)).is_err() {
            return Err(ParamsError::NotAForm);
        }
        Ok(place)
    }

    fn piece(&self, place: &Range<usize>) -> &[u8] {
        self.0.get(place.clone()).unwrap_or_default()
    }

    /// All of it, each piece of which is text.
    fn into_text(mut self) -> Result<String, ParamsError> {
        String::from_utf8(std::mem::take(&mut self.0)).map_err(|error| {
            self.0 = error.into_bytes();
            ParamsError::NotAForm
        })
    }
}

/// What stands between the `&` of a form.
fn pieces(form: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(form);
    std::iter::from_fn(move || {
        let (piece, behind) = cut(rest?, b'&');
        rest = behind;
        Some(piece)
    })
}

/// What stands before the first such octet, and what behind it.
fn cut(text: &[u8], octet: u8) -> (&[u8], Option<&[u8]>) {
    match memchr(octet, text).and_then(|at| text.split_at_checked(at)) {
        Some((before, behind)) => (before, behind.get(1..)),
        None => (text, None),
    }
}

/// The octet that two hexadecimal digits stand for.
const fn octet_of(high: u8, low: u8) -> Option<u8> {
    match (hex(high), hex(low)) {
        (Some(high), Some(low)) => Some(high * 16 + low),
        _ => None,
    }
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
    fn there_are_so_many_and_no_more() {
        let form = |count| vec!["a=1"; count].join("&");
        for most in [1, MAX_PARAMS, 300] {
            let read = |count| Params::parse_at_most(most, form(count).as_bytes(), &["a"]);
            assert_eq!(read(most).unwrap().all("a").count(), most);
            assert_eq!(read(most + 1).unwrap_err(), ParamsError::NotAForm, "{most}");
        }
        assert!(Params::parse(form(MAX_PARAMS).as_bytes(), &["a"]).is_ok());
        assert!(Params::parse(form(MAX_PARAMS + 1).as_bytes(), &["a"]).is_err());
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
        for form in
            ["a=%80", "a=%20%c3", "a=%C3&b=%a4", "=%c3&=%a4", "a=%f8%88%80%80%80", "a=%ed%a0%80"]
        {
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
                    params.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                proptest::prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = Params::parse(&bytes, &["resource"]);
        }
    }
}
