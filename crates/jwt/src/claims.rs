//! Typed access to the claims of a token. [RFC 7519 §4]
//!
//! A claim of the wrong type is an error, never an absence: a reader that treats `"exp": "soon"`
//! as no `exp` accepts the token for ever.
//!
//! [RFC 7519 §4]: https://www.rfc-editor.org/rfc/rfc7519#section-4

use std::sync::OnceLock;

use countersign_types::Timestamp;
use serde_json::{Map, Value};

use crate::object::{Entry, Object};

/// 9999-12-31T23:59:59Z: what lies beyond is no date anybody meant.
const LAST_DATE: i64 = 253_402_300_799;

/// The claims of a token. Where they come from decides what they are worth: those of
/// [`Unverified`](crate::Unverified) and [`Checked`](crate::Checked) are an assertion by whoever
/// sent them.
#[derive(Clone)]
pub struct Claims(Source);

#[derive(Clone)]
enum Source {
    /// As received, and as a map once somebody asks for one.
    Received(Object, OnceLock<Map<String, Value>>),
    Given(Map<String, Value>),
}

impl Claims {
    /// Claims out of an object that is at hand already.
    #[must_use]
    pub const fn from_map(members: Map<String, Value>) -> Self {
        Self(Source::Given(members))
    }

    pub(crate) const fn received(object: Object) -> Self {
        Self(Source::Received(object, OnceLock::new()))
    }

    #[inline]
    fn entry(&self, name: &str) -> Option<Entry<'_>> {
        match &self.0 {
            Source::Received(object, _) => object.get(name),
            Source::Given(members) => members.get(name).map(Entry::of),
        }
    }

    /// Whether a claim is there and not `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        !matches!(self.entry(name), None | Some(Entry::Null))
    }

    /// A string claim.
    ///
    /// # Errors
    /// [`ClaimError::WrongType`] if it is something else, `null` included.
    pub fn str(&self, name: &'static str) -> Result<Option<&str>, ClaimError> {
        match self.entry(name) {
            None => Ok(None),
            Some(Entry::Text(text)) => Ok(Some(text)),
            Some(_) => Err(ClaimError::WrongType(name)),
        }
    }

    /// A string claim that has to be there, and not empty.
    ///
    /// # Errors
    /// [`ClaimError::Missing`], [`ClaimError::WrongType`].
    pub fn required_str(&self, name: &'static str) -> Result<&str, ClaimError> {
        match self.str(name)? {
            None => Err(ClaimError::Missing(name)),
            Some("") => Err(ClaimError::WrongType(name)),
            Some(text) => Ok(text),
        }
    }

    /// A NumericDate, a fraction cut off. [RFC 7519
    /// §2](https://www.rfc-editor.org/rfc/rfc7519#section-2)
    ///
    /// # Errors
    /// [`ClaimError::WrongType`] if it is no number, negative or beyond the year 9999.
    pub fn timestamp(&self, name: &'static str) -> Result<Option<Timestamp>, ClaimError> {
        let number = match self.entry(name) {
            None => return Ok(None),
            Some(Entry::Number(number)) => number,
            Some(_) => return Err(ClaimError::WrongType(name)),
        };
        // The cast saturates, and so stays out of range where the number is.
        let cut = |number: f64| if number.is_sign_negative() { -1 } else { number as i64 };
        let seconds = number.as_i64().or_else(|| number.as_f64().map(cut)).unwrap_or(-1);
        if !(0..=LAST_DATE).contains(&seconds) {
            return Err(ClaimError::WrongType(name));
        }
        Ok(Some(Timestamp::from_unix(seconds)))
    }

    /// A NumericDate that has to be there.
    ///
    /// # Errors
    /// [`ClaimError::Missing`], and as [`timestamp`](Self::timestamp).
    pub fn required_timestamp(&self, name: &'static str) -> Result<Timestamp, ClaimError> {
        self.timestamp(name)?.ok_or(ClaimError::Missing(name))
    }

    /// A boolean claim.
    ///
    /// # Errors
    /// [`ClaimError::WrongType`].
    pub fn bool(&self, name: &'static str) -> Result<Option<bool>, ClaimError> {
        match self.entry(name) {
            None => Ok(None),
            Some(Entry::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(ClaimError::WrongType(name)),
        }
    }

    /// A claim that is an object.
    ///
    /// # Errors
    /// [`ClaimError::WrongType`].
    pub fn object(&self, name: &'static str) -> Result<Option<&Map<String, Value>>, ClaimError> {
        match self.entry(name) {
            None => Ok(None),
            Some(entry) => match entry.tree() {
                Some(Value::Object(members)) => Ok(Some(members)),
                _ => Err(ClaimError::WrongType(name)),
            },
        }
    }

    /// A claim that is a string or an array of strings: `aud`, `resource`. Absent is empty.
    ///
    /// # Errors
    /// [`ClaimError::WrongType`], for an empty array and an empty string too.
    pub fn strings(&self, name: &'static str) -> Result<Vec<&str>, ClaimError> {
        let wrong = || ClaimError::WrongType(name);
        let values = match self.entry(name) {
            None => return Ok(Vec::new()),
            Some(Entry::Text(text)) => vec![text],
            Some(Entry::Nested(nested)) => nested.strings().ok_or_else(wrong)?,
            Some(_) => return Err(wrong()),
        };
        if values.is_empty() || values.contains(&"") { Err(wrong()) } else { Ok(values) }
    }

    /// `aud`. [RFC 7519 §4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)
    ///
    /// # Errors
    /// As [`strings`](Self::strings).
    pub fn audience(&self) -> Result<Vec<&str>, ClaimError> {
        self.strings("aud")
    }

    /// Whether `aud`, which has to be there, is `expected` alone.
    pub(crate) fn audience_is(&self, expected: &str) -> Result<bool, ClaimError> {
        match self.entry("aud") {
            None => Err(ClaimError::Missing("aud")),
            Some(Entry::Text(text)) if !text.is_empty() => Ok(text == expected),
            Some(_) => Ok(self.audience()? == [expected]),
        }
    }

    /// Whether `aud`, which has to be there, is or has `expected`.
    pub(crate) fn audience_has(&self, expected: &str) -> Result<bool, ClaimError> {
        let audience = self.audience()?;
        if audience.is_empty() {
            return Err(ClaimError::Missing("aud"));
        }
        Ok(audience.contains(&expected))
    }

    /// `iss`. [RFC 7519 §4.1.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.1)
    ///
    /// # Errors
    /// [`ClaimError::Missing`], [`ClaimError::WrongType`].
    pub fn issuer(&self) -> Result<&str, ClaimError> {
        self.required_str("iss")
    }

    /// `sub`. [RFC 7519 §4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)
    ///
    /// # Errors
    /// [`ClaimError::Missing`], [`ClaimError::WrongType`].
    pub fn subject(&self) -> Result<&str, ClaimError> {
        self.required_str("sub")
    }

    /// `jti`. [RFC 7519 §4.1.7](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.7)
    ///
    /// # Errors
    /// [`ClaimError::Missing`], [`ClaimError::WrongType`].
    pub fn jwt_id(&self) -> Result<&str, ClaimError> {
        self.required_str("jti")
    }

    /// A claim as it stands.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self.entry(name)? {
            Entry::Nested(nested) => nested.tree(),
            _ => self.as_map().get(name),
        }
    }

    /// All claims.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        match &self.0 {
            Source::Received(object, map) => map.get_or_init(|| object.to_map()),
            Source::Given(members) => members,
        }
    }

    /// The claims of wanted names.
    #[must_use]
    pub fn select(&self, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
        match &self.0 {
            Source::Received(object, _) => object.select(wanted),
            Source::Given(members) => {
                let members = members.iter().filter(|(name, _)| wanted(name));
                members.map(|(name, value)| (name.clone(), value.clone())).collect()
            }
        }
    }

    /// All claims, taken out.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        match self.0 {
            Source::Received(object, map) => map.into_inner().unwrap_or_else(|| object.to_map()),
            Source::Given(members) => members,
        }
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self::from_map(Map::new())
    }
}

impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        self.as_map() == other.as_map()
    }
}

/// Shows which claims there are; what they say is personal data.
impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.as_map().keys()).finish()
    }
}

/// Which claim, or member of the header, does not meet the policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// `typ` is not the one this token has to have, or is absent.
    #[error("the token is of another type")]
    Typ,
    /// An algorithm that the policy does not allow here.
    #[error("algorithm {0} is not allowed")]
    Algorithm(&'static str),
    /// A claim that has to be there is not.
    #[error("claim {0} is missing")]
    Missing(&'static str),
    /// A claim of the wrong type, or out of range.
    #[error("claim {0} is malformed")]
    WrongType(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` lies in the future.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// The token is valid for longer than anyone should ask for.
    #[error("the token is valid for too long")]
    LifetimeTooLong,
    /// The token was issued too long ago.
    #[error("the token is too old")]
    TooOld,
    /// Another issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// Another audience, or more than the one.
    #[error("the token is for another audience")]
    Audience,
    /// Another subject.
    #[error("the token is about another subject")]
    Subject,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        Claims::received(Object::parse(value.to_string().into_bytes()).unwrap())
    }

    #[test]
    fn received_and_given_claims_are_alike() {
        let value = json!({ "a": "b", "c": 1, "d": { "e": [] }, "f": null, "g": "\n" });
        let received = claims(value.clone());
        let given = Claims::from_map(value.as_object().unwrap().clone());
        assert_eq!(received, given);
        for name in ["a", "c", "d", "f", "g", "h"] {
            assert_eq!(received.get(name), given.get(name), "{name}");
            assert_eq!(received.get(name), value.get(name), "{name}");
            assert_eq!(received.has(name), given.has(name), "{name}");
        }
        assert!(!received.has("f"), "null is not there");
        assert_eq!(received.str("g"), Ok(Some("\n")));
        let wanted = |name: &str| ["b", "d", "g"].contains(&name);
        assert_eq!(Value::Object(received.select(wanted)), json!({ "d": { "e": [] }, "g": "\n" }));
        assert_eq!(received.select(wanted), given.select(wanted));
        assert_eq!(received.clone().into_map(), given.into_map());
        assert_eq!(received.as_map(), &received.clone().into_map());
    }

    #[test]
    fn dates() {
        let good =
            [("0", 0), ("1", 1), ("1763660000", 1_763_660_000), ("1763660000.9", 1_763_660_000)];
        let good = good.into_iter().chain([("1.7e9", 1_700_000_000), ("253402300799", LAST_DATE)]);
        let good =
            good.chain([("1.5", 1), ("0.0", 0), ("1e-300", 0), ("253402300799.9", LAST_DATE)]);
        for (text, seconds) in good {
            let claims = claims(json!({ "exp": serde_json::from_str::<Value>(text).unwrap() }));
            assert_eq!(claims.timestamp("exp"), Ok(Some(Timestamp::from_unix(seconds))), "{text}");
        }
        let bad = [
            "-1",
            "-0",
            "-0.0",
            "-0.5",
            "1e15",
            "123456789012345678901234567890",
            "-1e-300",
            "253402300800",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "1e300",
            "-1e300",
            "\"9999999999\"",
            "null",
            "true",
            "{}",
            "[1]",
        ];
        for text in bad {
            let claims = claims(json!({ "exp": serde_json::from_str::<Value>(text).unwrap() }));
            assert_eq!(claims.timestamp("exp"), Err(ClaimError::WrongType("exp")), "{text}");
        }
        assert_eq!(claims(json!({})).timestamp("exp"), Ok(None));
    }

    #[test]
    fn a_wrong_type_is_never_an_absence() {
        for value in [json!(null), json!(7), json!(true), json!(["a"]), json!({"a": 1})] {
            let claims = claims(json!({ "iss": value, "b": "x", "o": "x" }));
            assert_eq!(claims.str("iss"), Err(ClaimError::WrongType("iss")), "{value}");
            assert_eq!(claims.issuer(), Err(ClaimError::WrongType("iss")));
            assert_eq!(claims.bool("b"), Err(ClaimError::WrongType("b")));
            assert_eq!(claims.object("o"), Err(ClaimError::WrongType("o")));
        }
        assert_eq!(claims(json!({ "iss": "" })).issuer(), Err(ClaimError::WrongType("iss")));
        assert_eq!(claims(json!({})).issuer(), Err(ClaimError::Missing("iss")));
    }

    #[test]
    fn audiences() {
        assert_eq!(claims(json!({ "aud": "a" })).audience(), Ok(vec!["a"]));
        assert_eq!(claims(json!({ "aud": ["a", "b"] })).audience(), Ok(vec!["a", "b"]));
        assert_eq!(claims(json!({})).audience(), Ok(vec![]));
        for value in
            [json!(7), json!(null), json!([]), json!(""), json!(["a", 7]), json!(["a", ""])]
        {
            let claims = claims(json!({ "aud": value }));
            assert_eq!(claims.audience(), Err(ClaimError::WrongType("aud")), "{value}");
        }
    }
}
