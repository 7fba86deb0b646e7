//! A set before any of its keys is read.

use std::collections::HashMap;

use serde_json::Value;

use super::{KeySetError, MAX_SET, SkipReason, SkippedKey};
use crate::json;
use crate::jwk::{KeyError, is_private};
use crate::wiped::Wiped;

/// The keys of a set as they stand in its text. What can be said of a set without reading its keys
/// is said here, for every reader of sets: that it does not mix secret keys with public ones, and
/// which of its keys have a twin.
///
/// ```
/// use countersign_jwt::jwks::RawKeySet;
///
/// let set = RawKeySet::parse(br#"{"keys":[{"kty":"EC","kid":"a"},{"kty":"RSA","kid":"a"}]}"#)?;
/// assert!(set.iter().all(|key| key.has_twin()));
/// assert!(set.check_kids().is_err());
/// # Ok::<(), countersign_jwt::jwks::KeySetError>(())
/// ```
pub struct RawKeySet {
    keys: Vec<Wiped>,
    twins: Vec<bool>,
}

impl RawKeySet {
    /// Reads a text.
    ///
    /// # Errors
    /// [`KeySetError::TooLong`], [`KeySetError::Json`], [`KeySetError::NoKeys`], and
    /// [`KeySetError::Mixed`] if some keys of the set, but not all, hold private or symmetric
    /// material ([RFC 7517 §9.2]).
    ///
    /// [RFC 7517 §9.2]: https://www.rfc-editor.org/rfc/rfc7517#section-9.2
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > MAX_SET {
            return Err(KeySetError::TooLong);
        }
        let keys: Vec<Wiped> = match json::parse_object(text)?.remove("keys") {
            Some(Value::Array(keys)) => keys.into_iter().map(Wiped::new).collect(),
            _ => return Err(KeySetError::NoKeys),
        };
        if keys.iter().any(|jwk| is_secret(jwk)) && keys.iter().any(|jwk| is_public(jwk)) {
            return Err(KeySetError::Mixed);
        }
        let mut counts: HashMap<&str, usize> = HashMap::with_capacity(keys.len());
        for kid in keys.iter().filter_map(|jwk| kid(jwk)) {
            *counts.entry(kid).or_default() += 1;
        }
        let has_twin =
            |jwk: &Wiped| kid(jwk).and_then(|kid| counts.get(kid)).is_some_and(|count| *count > 1);
        let twins = keys.iter().map(has_twin).collect();
        Ok(Self { keys, twins })
    }

    /// For sets that are read strictly: no two keys are of one `kid`, whatever else they are.
    ///
    /// # Errors
    /// [`KeySetError::DuplicateKid`].
    pub fn check_kids(&self) -> Result<(), KeySetError> {
        let twin = self.iter().find(RawKey::has_twin).and_then(|key| key.kid());
        twin.map_or(Ok(()), |kid| Err(KeySetError::DuplicateKid(kid.to_owned())))
    }

    /// Reads every key, strictly.
    pub(crate) fn read_all<K>(
        &self,
        read: impl Fn(&Value) -> Result<K, KeyError>,
    ) -> Result<Vec<K>, KeySetError> {
        self.check_kids()?;
        let numbered = |(index, key): (usize, RawKey<'_>)| {
            read(key.jwk).map_err(|reason| KeySetError::Key { index, reason })
        };
        self.iter().enumerate().map(numbered).collect()
    }

    /// Reads the keys that can be read and have no twin, and says why the others were left out.
    pub(crate) fn read_some<K>(
        &self,
        read: impl Fn(&Value) -> Result<K, KeyError>,
    ) -> (Vec<K>, Vec<SkippedKey>) {
        let (mut keys, mut skipped) = (Vec::with_capacity(self.len()), Vec::new());
        for (index, key) in self.iter().enumerate() {
            let outcome = match read(key.jwk) {
                Ok(_) if key.has_twin => Err(SkipReason::DuplicateKid),
                outcome => outcome.map_err(SkipReason::Key),
            };
            match outcome {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let kid = key.kid().map(str::to_owned);
                    skipped.push(SkippedKey { index, kid, reason });
                }
            }
        }
        (keys, skipped)
    }

    /// The keys, in their order.
    pub fn iter(&self) -> impl Iterator<Item = RawKey<'_>> {
        self.keys.iter().zip(&self.twins).map(|(jwk, twin)| RawKey { jwk, has_twin: *twin })
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl std::fmt::Debug for RawKeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawKeySet").field("keys", &self.len()).finish()
    }
}

/// A key of a set that was not read yet.
#[derive(Clone, Copy)]
pub struct RawKey<'a> {
    jwk: &'a Value,
    has_twin: bool,
}

impl<'a> RawKey<'a> {
    /// A key that stands in no set, and so has no twin.
    #[must_use]
    pub const fn alone(jwk: &'a Value) -> Self {
        Self { jwk, has_twin: false }
    }

    /// Its JSON, which need not be an object.
    #[must_use]
    pub const fn jwk(&self) -> &'a Value {
        self.jwk
    }

    /// Its `kid`, if that is a text; untrusted.
    #[must_use]
    pub fn kid(&self) -> Option<&'a str> {
        kid(self.jwk)
    }

    /// Whether it holds private or symmetric material.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        is_secret(self.jwk)
    }

    /// Its public half: the same without its private members.
    #[must_use]
    pub fn public_half(&self) -> Value {
        match self.jwk {
            Value::Object(members) => {
                let public = members.iter().filter(|(name, _)| !is_private(name));
                Value::Object(public.map(|(name, it)| (name.clone(), it.clone())).collect())
            }
            other => other.clone(),
        }
    }

    /// The same without `key_ops`: to judge the numbers of a key that is reserved for what its
    /// other half does.
    #[must_use]
    pub fn without_key_ops(&self) -> Wiped {
        let mut jwk = Wiped::new(self.jwk.clone());
        if let Some(members) = jwk.as_object_mut() {
            members.remove("key_ops");
        }
        jwk
    }

    /// Whether another key of the set has the same `kid`. Nobody can say which of the two is meant,
    /// so a strict reader refuses the set and a tolerant one leaves out both.
    #[must_use]
    pub const fn has_twin(&self) -> bool {
        self.has_twin
    }
}

fn is_secret(jwk: &Value) -> bool {
    jwk.as_object().is_some_and(|members| members.keys().any(|name| is_private(name)))
}

/// A shared key without its `k` is of neither kind.
fn is_public(jwk: &Value) -> bool {
    !is_secret(jwk) && jwk.get("kty").and_then(Value::as_str) != Some("oct")
}

fn kid(jwk: &Value) -> Option<&str> {
    jwk.get("kid").and_then(Value::as_str)
}
