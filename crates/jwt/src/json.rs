//! JSON as an identity protocol has to read it: one reading per text, bounded in depth.
//!
//! `serde_json` keeps the last of two members of one name, and another implementation the first; an
//! attacker who knows both puts one value before each ([RFC 8725 §2.6], [RFC 7515 §4]). This reader
//! refuses such a text, escaped twins (`"\u0061ud"` beside `"aud"`) included, at every level. It
//! also refuses what is not UTF-8, a byte order mark, lone surrogates, NUL anywhere, numbers that
//! no 64-bit type holds, and nesting beyond [`MAX_DEPTH`].
//!
//! [RFC 7515 §4]: https://www.rfc-editor.org/rfc/rfc7515#section-4
//! [RFC 8725 §2.6]: https://www.rfc-editor.org/rfc/rfc8725#section-2.6

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

mod write;

pub(crate) use write::{WriteError, write};

/// How deep objects and arrays may nest; the outermost counts as one.
pub const MAX_DEPTH: usize = 16;

/// Why a text was refused. It quotes nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// Not JSON, or a number out of range.
    #[error("not JSON")]
    Syntax,
    /// A member name occurs twice in one object.
    #[error("a member occurs twice")]
    DuplicateMember,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested too deeply")]
    TooDeep,
    /// A string or a member name holds U+0000.
    #[error("a string holds NUL")]
    Nul,
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
}

/// Reads one JSON value.
///
/// # Errors
/// The [`JsonError`] that says what is wrong with the text.
pub fn parse(input: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(input).map_err(|_| JsonError::Encoding)?;
    let fault = Cell::new(JsonError::Syntax);
    read(text, Node::outermost(&fault), &fault)
}

/// Reads one JSON object.
///
/// # Errors
/// As [`parse`], and [`JsonError::NotAnObject`].
pub fn parse_object(input: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match parse(input)? {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Reads the whole of `text` by `seed`, which tells by `fault` which rule ended it.
pub(crate) fn read<'t, S: DeserializeSeed<'t>>(
    text: &'t str,
    seed: S,
    fault: &Cell<JsonError>,
) -> Result<S::Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|_| fault.get())
}

/// A number by which most different names of members differ, made of their ends and lengths.
#[inline]
pub(crate) fn fingerprint(name: &[u8]) -> u32 {
    let ends = if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(23)
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        u64::from(u16::from_le_bytes(*first)) | u64::from(u16::from_le_bytes(*last)) << 16
    } else {
        name.first().map_or(0, |octet| u64::from(*octet))
    };
    let mixed = (ends ^ (name.len() as u64) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

/// One value, inside so many more levels of nesting. Where reading ends on a rule of this module,
/// `fault` says on which.
#[derive(Clone, Copy)]
pub(crate) struct Node<'f> {
    depth: usize,
    fault: &'f Cell<JsonError>,
}

impl<'f> Node<'f> {
    pub(crate) const fn outermost(fault: &'f Cell<JsonError>) -> Self {
        Self { depth: MAX_DEPTH, fault }
    }

    /// The error of whoever reads here, for this fault.
    pub(crate) fn refuse<E: serde::de::Error>(&self, fault: JsonError) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }

    /// The level below.
    pub(crate) fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.refuse(JsonError::TooDeep)),
        }
    }

    /// Checks a string that was written with escapes; one without cannot hold NUL.
    pub(crate) fn check_unescaped<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(self.refuse(JsonError::Nul)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom(JsonError::Syntax))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.check_unescaped(value)?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            self.check_unescaped(&name)?;
            match members.entry(name) {
                Entry::Occupied(_) => return Err(self.refuse(JsonError::DuplicateMember)),
                Entry::Vacant(place) => {
                    place.insert(object.next_value_seed(inner)?);
                }
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn rules() {
        let rows: &[(&[u8], JsonError)] = &[
            (br#"{"alg":"ES256","alg":"none"}"#, JsonError::DuplicateMember),
            (br#"{"aud":"a","\u0061ud":"b"}"#, JsonError::DuplicateMember),
            (br#"{"a":[{"b":{"c":1,"c":1}}]}"#, JsonError::DuplicateMember),
            (b"\xef\xbb\xbf{}", JsonError::Syntax),
            (b"\xff\xfe{\0}\0", JsonError::Encoding),
            (b"{\0}\0", JsonError::Syntax),
            (b"{\"a\":\"\xff\"}", JsonError::Encoding),
            (b"{\"a\":\"\xed\xa0\x80\"}", JsonError::Encoding),
            (br#"{"a":"\ud800"}"#, JsonError::Syntax),
            (br#"{"a":"\udc00\ud800"}"#, JsonError::Syntax),
            (br#"{"a":"x\u0000y"}"#, JsonError::Nul),
            (br#"{"a\u0000":1}"#, JsonError::Nul),
            (b"{\"a\":\"\0\"}", JsonError::Syntax),
            (br#"{"exp":1e400}"#, JsonError::Syntax),
            (br#"{"exp":01}"#, JsonError::Syntax),
            (br#"{"exp":NaN}"#, JsonError::Syntax),
            (br#"{"a":1,}"#, JsonError::Syntax),
            (b"{} {}", JsonError::Syntax),
            (b"{}x", JsonError::Syntax),
            (b"", JsonError::Syntax),
            (b"[]", JsonError::NotAnObject),
            (b"\"{}\"", JsonError::NotAnObject),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_object(text), Err(*expected), "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(parse(nested(100_000).as_bytes()), Err(JsonError::TooDeep));
        let objects = format!("{}1{}", "{\"a\":".repeat(17), "}".repeat(17));
        assert_eq!(parse(objects.as_bytes()), Err(JsonError::TooDeep));
        let empty = format!("{}{}", "[".repeat(17), "]".repeat(17));
        assert_eq!(parse(empty.as_bytes()), Err(JsonError::TooDeep));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[^\\x00]*".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map("[^\\x00]{0,8}", inner, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse(&octets);
        }

        #[test]
        fn what_serde_json_writes_is_read_back(value in value()) {
            prop_assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
        }
    }
}
