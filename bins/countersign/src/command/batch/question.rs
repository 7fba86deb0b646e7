//! A line of input.

use std::borrow::Cow;

use countersign_jwt::json;
use countersign_jwt::jwk::Wiped;
use countersign_jwt::jwks::{KeySetError, MAX_SET, RawKeySet};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::refused::Refused;

/// What is asked. The parts stay text, so that each is read by the rules for its kind.
#[derive(Deserialize)]
pub(crate) struct Question<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    jwk: Option<&'a RawValue>,
    #[serde(borrow, default)]
    jwks: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
}

/// The keys of a question as they stand in its line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given<'a> {
    One(&'a str),
    Set(&'a str),
}

impl<'a> Question<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(line).map_err(|_| Refused::bad_line("not UTF-8"))?;
        if !text.trim_ascii_start().starts_with('{') {
            return Err(Refused::bad_line("not a JSON object"));
        }
        serde_json::from_str(text).map_err(|_| Refused::bad_line("not a JSON object"))
    }

    /// `id` as it stood in the line, but for carriage returns between its parts, which become
    /// spaces: some readers of the answers would take one for the end of a line. Within a string,
    /// JSON allows none.
    pub(super) fn id(&self) -> Cow<'a, RawValue> {
        let id = self.id.unwrap_or(RawValue::NULL);
        let spaced = || RawValue::from_string(id.get().replace('\r', " ")).ok();
        match id.get().contains('\r').then(spaced).flatten() {
            Some(spaced) => Cow::Owned(spaced),
            None => Cow::Borrowed(id),
        }
    }

    pub(super) fn token(&self) -> Result<Cow<'a, str>, Refused> {
        let token = self.token.ok_or(Refused::bad_line("token is missing"))?;
        // Borrowed, unless escapes are written in it.
        serde_json::from_str::<Text<'a>>(token.get())
            .map(|text| text.0)
            .map_err(|_| Refused::bad_line("token is not a string"))
    }

    pub(super) fn keys(&self) -> Result<Given<'a>, Refused> {
        let given = match (self.jwk, self.jwks) {
            (Some(jwk), None) => Given::One(jwk.get()),
            (None, Some(jwks)) => Given::Set(jwks.get()),
            (None, None) => return Err(Refused::bad_line("jwk or jwks is missing")),
            (Some(_), Some(_)) => return Err(Refused::bad_line("jwk and jwks exclude each other")),
        };
        Ok(given)
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A key by itself. Nothing is known of it but that its text has one reading.
pub(super) fn parse_key(text: &str) -> Result<Wiped, Refused> {
    if text.len() > MAX_SET {
        return Err(Refused::of(&KeySetError::TooLong));
    }
    let members = json::parse_object(text.as_bytes()).map_err(|error| Refused::of(&error))?;
    Ok(members.into())
}

/// The keys of a set. Nothing is known of them but what shows in all together.
pub(super) fn parse_set(text: &str) -> Result<RawKeySet, Refused> {
    RawKeySet::parse(text.as_bytes()).map_err(|error| Refused::of(&error))
}
