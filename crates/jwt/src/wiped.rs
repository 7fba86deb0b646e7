//! JSON that is wiped when it is let go, for keys on their way in and out.

use std::ops::{Deref, DerefMut};

#[cfg(feature = "josekit")]
use josekit::jwk::Jwk;
use serde_json::{Map, Value};
use zeroize::Zeroize as _;
#[cfg(feature = "josekit")]
use zeroize::Zeroizing;

/// JSON that may hold private numbers: every text in it is overwritten when it is let go.
///
/// ```
/// use countersign_jwt::jwk::Wiped;
/// use countersign_jwt::{Algorithm, SigningKey};
///
/// let kept = SigningKey::generate(Algorithm::Ed25519, None)?.to_jwk()?;
/// let jwk = Wiped::new(serde_json::from_str(&kept)?);
/// let key = SigningKey::from_jwk(&jwk)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Wiped(Value);

impl Wiped {
    /// Takes a value into keeping.
    #[must_use]
    pub const fn new(value: Value) -> Self {
        Self(value)
    }
}

impl From<Map<String, Value>> for Wiped {
    fn from(members: Map<String, Value>) -> Self {
        Self(Value::Object(members))
    }
}

impl std::fmt::Debug for Wiped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wiped(…)")
    }
}

impl Deref for Wiped {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// The longest private key as JSON, one of RSA with 8192 bits, takes 6.5 KiB: as it is written, no
/// buffer is outgrown and left behind.
#[cfg(feature = "josekit")]
const MAX_TEXT: usize = 8 * 1024;

#[cfg(feature = "josekit")]
impl Wiped {
    /// The same object with a member more, if there is a text for it.
    pub(crate) fn with(mut self, name: &str, text: Option<&str>) -> Self {
        if let (Some(members), Some(text)) = (self.0.as_object_mut(), text) {
            members.insert(name.to_owned(), text.into());
        }
        self
    }

    /// The value as text.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_TEXT));
        // Neither a value nor the memory it is written to refuses.
        let _ = serde_json::to_writer(&mut *text, &self.0);
        Zeroizing::new(String::from_utf8(std::mem::take(&mut *text)).unwrap_or_default())
    }

    /// A copy as josekit wants it. `None` if it takes no such members.
    pub(crate) fn to_josekit(&self) -> Option<Lent> {
        Jwk::from_map(self.0.as_object()?.clone()).ok().map(Lent)
    }
}

/// A key in the hands of josekit, wiped when it is let go. What josekit makes of it on the way to
/// OpenSSL is beyond reach; OpenSSL wipes its own.
#[cfg(feature = "josekit")]
pub(crate) struct Lent(pub(crate) Jwk);

#[cfg(feature = "josekit")]
impl Lent {
    /// The members, taken back.
    pub(crate) fn into_members(mut self) -> Map<String, Value> {
        self.take()
    }

    fn take(&mut self) -> Map<String, Value> {
        std::mem::replace(&mut self.0, Jwk::new("")).into()
    }
}

#[cfg(feature = "josekit")]
impl Drop for Lent {
    fn drop(&mut self) {
        drop(Wiped::from(self.take()));
    }
}

/// The reader bounds how deep values nest.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_text_is_left() {
        let mut value = json!({ "d": "secret", "oth": [{ "r": "secret" }, "secret"], "n": 1 });
        wipe(&mut value);
        assert_eq!(value, json!({ "d": "", "oth": [{ "r": "" }, ""], "n": 1 }));
    }
}
