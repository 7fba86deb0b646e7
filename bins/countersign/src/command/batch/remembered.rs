//! The keys of the last question, since drivers ask many things of one key, and importing a key
//! costs more than using it.

use zeroize::Zeroizing;

use super::question::Given;
use super::refused::Refused;

/// What was last read, and out of which text.
pub(super) struct Remembered<K> {
    last: Option<Last<K>>,
}

struct Last<K> {
    is_set: bool,
    /// With the private members of the keys, if there are any.
    text: Zeroizing<String>,
    algorithm: String,
    keys: K,
}

impl<K> Remembered<K> {
    pub(super) const fn nothing() -> Self {
        Self { last: None }
    }

    /// The keys of this text for a token of this algorithm; read anew unless they are the last.
    pub(super) fn keys(
        &mut self,
        given: Given<'_>,
        algorithm: &str,
        read: impl FnOnce() -> Result<K, Refused>,
    ) -> Result<&K, Refused> {
        let (Given::One(text) | Given::Set(text)) = given;
        let is_set = matches!(given, Given::Set(_));
        let same = |last: &Last<K>| {
            last.is_set == is_set && last.text.as_str() == text && last.algorithm == algorithm
        };
        let last = match self.last.take().filter(same) {
            Some(last) => last,
            None => Last {
                is_set,
                text: Zeroizing::new(text.to_owned()),
                algorithm: algorithm.to_owned(),
                keys: read()?,
            },
        };
        Ok(&self.last.insert(last).keys)
    }
}
