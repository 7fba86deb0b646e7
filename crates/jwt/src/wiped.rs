//! JSON that is wiped when it is let go, for keys on their way in and out.

use std::ops::{Deref, DerefMut};

use serde_json::Value;
use zeroize::Zeroize as _;

/// A value every text of which is overwritten at the end.
#[derive(Clone)]
pub(crate) struct Wiped(Value);

impl Wiped {
    pub(crate) const fn new(value: Value) -> Self {
        Self(value)
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
