//! One spelling for every path, fixed before anything is decided about it.
//!
//! A rule for `/albums/private` is worth nothing if `/albums//private`, `/albums/%70rivate` or
//! `/albums/x/..;/private` reach the same handler. So a path that has more than one spelling is
//! refused, and the rest is decoded once. [RFC 3986 §6.2.2]
//!
//! [RFC 3986 §6.2.2]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// A longer path is refused.
pub const MAX_LENGTH: usize = 2048;

/// A request path in its only spelling, decoded.
///
/// ```
/// use countersign_resource::path::StrictPath;
/// assert_eq!(StrictPath::parse("/albums/summer%20trip")?.as_str(), "/albums/summer trip");
/// for trick in ["/albums//x", "/albums/../x", "/albums/%2e%2e/x", "/albums%2fx", "/albums/..;/x"] {
///     assert!(StrictPath::parse(trick).is_err());
/// }
/// # Ok::<(), countersign_resource::path::PathError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrictPath(String);

/// Why a path was refused: 400.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// Not an absolute path: `*`, an authority, nothing.
    #[error("not an absolute path")]
    NotAbsolute,
    /// `//`, or a segment `.` or `..`.
    #[error("an empty or a dot segment")]
    Segment,
    /// A percent-encoding of what needs none, of `/`, `\`, `%`, `;` or a control character, or not
    /// of UTF-8.
    #[error("an encoding that gives a path a second spelling")]
    Encoding,
    /// A character that no path holds unencoded, or `;`, which some servers cut at.
    #[error("a character that is not allowed")]
    Character,
    /// Longer than [`MAX_LENGTH`].
    #[error("too long")]
    Length,
}

impl StrictPath {
    /// Parses the path of a request target.
    ///
    /// # Errors
    /// Every [`PathError`].
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        if raw.len() > MAX_LENGTH {
            return Err(PathError::Length);
        }
        let Some(relative) = raw.strip_prefix('/') else { return Err(PathError::NotAbsolute) };
        let mut segments = relative.as_bytes().split(|octet| *octet == b'/').peekable();
        let mut is_escaped = false;
        while let Some(segment) = segments.next() {
            // A path may end in a slash; inside it a segment has a name.
            let nameless = segment.is_empty() && segments.peek().is_some();
            if nameless || matches!(segment, b"." | b"..") {
                return Err(PathError::Segment);
            }
            is_escaped |= check_segment(segment)?;
        }
        if !is_escaped {
            return Ok(Self(raw.to_owned()));
        }
        let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| PathError::Encoding)?;
        // C1 controls and their like appear only now.
        if decoded.chars().any(char::is_control) {
            return Err(PathError::Encoding);
        }
        Ok(Self(decoded.into_owned()))
    }

    /// The path, decoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as it is sent on: encoded where it has to be, and nowhere else.
    ///
    /// ```
    /// use countersign_resource::path::StrictPath;
    /// assert_eq!(StrictPath::parse("/albums/%c3%a4%3F%3a")?.to_encoded(), "/albums/%C3%A4%3F:");
    /// # Ok::<(), countersign_resource::path::PathError>(())
    /// ```
    #[must_use]
    pub fn to_encoded(&self) -> String {
        Self::encode(&self.0)
    }

    /// Whether this is how the path is sent on.
    pub(crate) fn is_encoded(&self, raw: &str) -> bool {
        Cow::from(utf8_percent_encode(&self.0, ENCODED)) == raw
    }

    /// Encodes what no path holds as it is ([RFC 3986 §3.3]), except `%`, which no strict path has.
    ///
    /// [RFC 3986 §3.3]: https://www.rfc-editor.org/rfc/rfc3986#section-3.3
    pub(crate) fn encode(decoded: &str) -> String {
        utf8_percent_encode(decoded, ENCODED).to_string()
    }
}

/// What no path holds as it is, except what a strict path refuses encoded, too: `%`, `;` and `\`
/// stay, so that they are refused and not hidden.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Whether some of a segment that may be there is escaped.
fn check_segment(segment: &[u8]) -> Result<bool, PathError> {
    let mut is_escaped = false;
    let mut bytes = segment.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            is_escaped = true;
            let octet = hex(bytes.next()).zip(hex(bytes.next()));
            let octet = octet.map(|(high, low)| high * 16 + low).ok_or(PathError::Encoding)?;
            if is_unreserved(octet)
                || octet < b' '
                || matches!(octet, b'/' | b'\\' | b'%' | b';' | 0x7f)
            {
                return Err(PathError::Encoding);
            }
        } else if !is_unreserved(byte) && !is_delimiter(byte) {
            return Err(PathError::Character);
        }
    }
    Ok(is_escaped)
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What else a segment holds as it is, by RFC 3986 §3.3, without `;`.
const fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
    )
}

fn hex(digit: Option<u8>) -> Option<u8> {
    char::from(digit?).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(raw: &str, why: PathError) {
        assert_eq!(StrictPath::parse(raw), Err(why), "{raw:?}");
    }

    #[test]
    fn plain_paths_stay_as_they_are() {
        for raw in ["/", "/rs-api", "/a/b/", "/a.b/..c/...", "/a:b@c/(d)", "/~user"] {
            assert_eq!(StrictPath::parse(raw).unwrap().as_str(), raw);
        }
        assert_eq!(StrictPath::parse("/%C3%A4").unwrap(), StrictPath::parse("/%c3%a4").unwrap());
    }

    #[test]
    fn second_spellings_are_refused() {
        for raw in ["//", "//a", "/a//b", "/a//", "/.", "/..", "/a/../b", "/a/./b", "/a/.."] {
            refused(raw, PathError::Segment);
        }
        for raw in [
            "/%2e",
            "/%2E%2e/a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/%61",
            "/%7e",
            "/a%00",
            "/a%0d%0a",
            "/a%252fb",
            "/a%3bb",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%ff",
            "/a%c2%85",
            "/a%7f",
            "/a%+1",
        ] {
            refused(raw, PathError::Encoding);
        }
        for raw in ["/a;b", "/..;/b", "/a\\b", "/a b", "/ä", "/a|b", "/a\"", "/a\u{0}", "/a#b"] {
            refused(raw, PathError::Character);
        }
        for raw in ["", "*", "a", "https://rs.example/a"] {
            refused(raw, PathError::NotAbsolute);
        }
        refused(&format!("/{}", "a".repeat(MAX_LENGTH)), PathError::Length);
    }

    proptest::proptest! {
        #[test]
        fn what_is_sent_on_is_the_path_that_was_judged(raw in "/([a-z:=]|%3[Ffa]|%c3%A4|%20|%5B){0,9}") {
            if let Ok(path) = StrictPath::parse(&raw) {
                let again = StrictPath::parse(&path.to_encoded()).unwrap();
                proptest::prop_assert_eq!(again.to_encoded(), path.to_encoded());
                proptest::prop_assert_eq!(again, path);
            }
        }

        #[test]
        fn what_is_accepted_has_no_dot_or_empty_segment(raw in "/[a./%25ef;\\\\]{0,16}") {
            if let Ok(path) = StrictPath::parse(&raw) {
                proptest::prop_assert!(!path.as_str().contains("//"));
                proptest::prop_assert!(path.as_str().split('/').all(|s| s != "." && s != ".."));
            }
        }

        #[test]
        fn two_texts_that_mean_one_path_differ_in_the_case_of_hex_digits_only(
            a in "/[ab./%2efEF]{0,10}", b in "/[ab./%2efEF]{0,10}",
        ) {
            if let (Ok(x), Ok(y)) = (StrictPath::parse(&a), StrictPath::parse(&b)) {
                proptest::prop_assert!(x != y || a.eq_ignore_ascii_case(&b));
            }
        }
    }
}
