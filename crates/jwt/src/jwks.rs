//! Sets of public keys. [RFC 7517 §5]
//!
//! Our own sets and those a client registers are read strictly: one bad key and there is no set. A
//! set that another party publishes is read tolerantly, as [RFC 7517 §5] asks: keys that are not
//! understood are skipped, and so are keys of one `kid`, since nobody can say which is meant. What
//! is judged of a set as a whole is judged by [`RawKeySet`], the same for every kind of key.
//!
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5

mod raw;

use std::collections::HashSet;

pub use raw::{RawKey, RawKeySet};
use serde_json::{Value, json};

use crate::alg::Algorithm;
use crate::json::JsonError;
use crate::jwk::{KeyError, PublicKey};

/// The longest text of a set that is read, in octets.
pub const MAX_SET: usize = 64 * 1024;

/// How many keys one signature is tried with, when a token names no `kid`.
pub const MAX_CANDIDATES: usize = 4;

/// A set of public keys for verifying.
///
/// ```
/// use countersign_jwt::{Algorithm, KeySet, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::Es256, Some("2026-11"))?;
/// let published = KeySet::from_keys(vec![key.public().clone()])?.to_json().to_string();
/// let read = KeySet::parse_own(published.as_bytes())?;
/// assert!(read.contains_kid("2026-11"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// A set of these keys.
    ///
    /// # Errors
    /// [`KeySetError::DuplicateKid`].
    pub fn from_keys(keys: Vec<PublicKey>) -> Result<Self, KeySetError> {
        match first_twin(&keys, PublicKey::kid) {
            Some(kid) => Err(KeySetError::DuplicateKid(kid.to_owned())),
            None => Ok(Self(keys)),
        }
    }

    /// Reads a set we wrote, or one that was given to us by configuration or registration: every
    /// key has to be a public signature key that is understood, no two of one `kid`.
    ///
    /// # Errors
    /// The [`KeySetError`] that says what is wrong, [`KeySetError::Mixed`] foremost ([RFC 7517
    /// §9.2]).
    ///
    /// [RFC 7517 §9.2]: https://www.rfc-editor.org/rfc/rfc7517#section-9.2
    pub fn parse_own(text: &[u8]) -> Result<Self, KeySetError> {
        RawKeySet::parse(text)?.read_all(PublicKey::from_jwk).map(Self)
    }

    /// Reads a set another party publishes, and says which of its keys were left out. A set that
    /// publishes private or symmetric material is refused whole: whoever wrote it does not know
    /// which of its keys are secret ([RFC 7517 §9.2]).
    ///
    /// # Errors
    /// [`KeySetError`] if the text as a whole is no set, [`KeySetError::Mixed`] foremost;
    /// [`KeyError::Private`] within [`KeySetError::Key`] if no key of it is public.
    ///
    /// [RFC 7517 §9.2]: https://www.rfc-editor.org/rfc/rfc7517#section-9.2
    pub fn parse_foreign(text: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        let set = RawKeySet::parse(text)?;
        if let Some(index) = set.iter().position(|key| key.is_secret()) {
            return Err(KeySetError::Key { index, reason: KeyError::Private });
        }
        let (keys, skipped) = set.read_some(PublicKey::from_jwk);
        Ok((Self(keys), skipped))
    }

    /// The keys that a signature of this algorithm may be checked with: those of the `kid` if the
    /// token names one, else all of that algorithm, up to [`MAX_CANDIDATES`]. Verification knows
    /// the signature's length as well, and passes over keys that make none so long.
    pub fn find(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &PublicKey> {
        self.candidates(algorithm, kid).take(MAX_CANDIDATES)
    }

    pub(crate) fn candidates(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &PublicKey> {
        self.0
            .iter()
            .filter(move |key| key.algorithm() == algorithm && (kid.is_none() || key.kid() == kid))
    }

    /// Whether there is a key of this `kid`.
    #[must_use]
    pub fn contains_kid(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid() == Some(kid))
    }

    /// The keys, in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, PublicKey> {
        self.0.iter()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&PublicKey) -> bool) {
        self.0.retain(keep);
    }

    /// The set as it is published.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "keys": self.0.iter().map(PublicKey::to_jwk).collect::<Vec<_>>() })
    }
}

impl<'a> IntoIterator for &'a KeySet {
    type Item = &'a PublicKey;
    type IntoIter = std::slice::Iter<'a, PublicKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The first `kid` that two of the keys have.
pub(crate) fn first_twin<K>(keys: &[K], kid: impl Fn(&K) -> Option<&str>) -> Option<&str> {
    let mut seen = HashSet::with_capacity(keys.len());
    keys.iter().filter_map(kid).find(|kid| !seen.insert(*kid))
}

/// A key of a set that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the set, counted from zero.
    pub index: usize,
    /// Its `kid`, if it has one; untrusted text.
    pub kid: Option<String>,
    /// Why it was left out.
    pub reason: SkipReason,
}

/// Why a key of a set was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is not a key that is understood, or not of the kind that is read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another key has the same `kid`.
    #[error("another key has the same kid")]
    DuplicateKid,
}

/// Why there is no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Longer than [`MAX_SET`].
    #[error("the key set is too long")]
    TooLong,
    /// Not a JSON object with a single reading.
    #[error("the key set is not a JSON object")]
    Json(#[from] JsonError),
    /// No member `keys`, or not an array.
    #[error("the key set has no array keys")]
    NoKeys,
    /// Private or symmetric keys in a set of public ones, or public keys in a set of secrets.
    #[error("the key set mixes secret and public keys")]
    Mixed,
    /// One of the keys of an own set.
    #[error("key number {index} of the set was refused")]
    Key {
        /// Its place in the set, counted from zero.
        index: usize,
        /// What is wrong with it.
        #[source]
        reason: KeyError,
    },
    /// Two keys have this `kid`. [RFC 7517
    /// §4.5](https://www.rfc-editor.org/rfc/rfc7517#section-4.5)
    #[error("two keys have kid {0:?}")]
    DuplicateKid(String),
}
