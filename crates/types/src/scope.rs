//! Scope tokens and ordered sets of them. [RFC 6749 §3.3]
//!
//! [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3

use std::collections::BTreeSet;
use std::collections::btree_set;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// More scopes than this in one set are refused.
pub const MAX_SCOPES: usize = 64;
/// A scope token is at most so many characters.
pub const MAX_SCOPE_LENGTH: usize = 256;

/// An ordered set of scope tokens, compared octet by octet. [RFC 6749 §3.3]
///
/// ```
/// use countersign_types::ScopeSet;
/// let asked = ScopeSet::parse("put get get")?;
/// assert_eq!(asked.to_string(), "get put");
/// assert!(ScopeSet::parse("get")?.is_subset(&asked));
/// assert!(!ScopeSet::parse("GET")?.is_subset(&asked));
/// # Ok::<(), countersign_types::scope::ScopeError>(())
/// ```
///
/// [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeSet(BTreeSet<String>);

/// Why a text is no scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopeError {
    /// A character outside `%x21 / %x23-5B / %x5D-7E`, an empty token or one that is too long.
    #[error("not a scope token")]
    Token,
    /// More than [`MAX_SCOPES`] tokens.
    #[error("more than {MAX_SCOPES} scopes")]
    TooMany,
}

impl ScopeSet {
    /// The empty set.
    #[must_use]
    pub const fn empty() -> Self {
        Self(BTreeSet::new())
    }

    /// Parses a list of scope tokens, each separated from the next by one space. The empty text
    /// is the empty set.
    ///
    /// # Errors
    /// [`ScopeError::Token`] for any other character, a leading, trailing or doubled space;
    /// [`ScopeError::TooMany`].
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Ok(Self::empty());
        }
        Self::from_tokens(text.split(' '))
    }

    /// A set of the given tokens.
    ///
    /// # Errors
    /// As [`ScopeSet::parse`].
    pub fn from_tokens<I>(tokens: I) -> Result<Self, ScopeError>
    where
        I: IntoIterator,
        I::Item: AsRef<str> + Into<String>,
    {
        let mut set = Self::empty();
        tokens.into_iter().try_for_each(|token| set.insert(token))?;
        Ok(set)
    }

    /// Adds a token, if it is not in it.
    ///
    /// # Errors
    /// As [`ScopeSet::parse`]; the set is then as it was.
    pub fn insert(&mut self, token: impl AsRef<str> + Into<String>) -> Result<(), ScopeError> {
        if !is_token(token.as_ref()) {
            return Err(ScopeError::Token);
        }
        if self.len() == MAX_SCOPES && !self.contains(token.as_ref()) {
            return Err(ScopeError::TooMany);
        }
        self.0.insert(token.into());
        Ok(())
    }

    /// Whether there is no scope in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many scopes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `token` is in it, octet by octet.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether every scope of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What both sets hold.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What either set holds.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The tokens in order.
    pub fn iter(&self) -> btree_set::Iter<'_, String> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ScopeSet {
    type Item = &'a String;
    type IntoIter = btree_set::Iter<'a, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The tokens in order, joined by single spaces.
impl std::fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, token) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

/// As an array of tokens, UMA's and configuration's form. OAuth's space-separated form is
/// `to_string` and [`ScopeSet::parse`].
impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Tokens)
    }
}

struct Tokens;

impl<'de> Visitor<'de> for Tokens {
    type Value = ScopeSet;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tokens: A) -> Result<ScopeSet, A::Error> {
        let mut set = ScopeSet::empty();
        while let Some(token) = tokens.next_element::<String>()? {
            set.insert(token).map_err(A::Error::custom)?;
        }
        Ok(set)
    }
}

fn is_token(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= MAX_SCOPE_LENGTH
        && token.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_grammar_refuses() {
        for bad in [" get", "get ", "get  put", "g\"et", "g\\et", "gét", "g\tet", "\u{7f}"] {
            assert_eq!(ScopeSet::parse(bad), Err(ScopeError::Token), "{bad:?}");
        }
        let many = (0..=MAX_SCOPES).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(ScopeSet::parse(&many), Err(ScopeError::TooMany));
        assert_eq!(ScopeSet::parse(&"x".repeat(MAX_SCOPE_LENGTH + 1)), Err(ScopeError::Token));
    }

    #[test]
    fn what_cannot_be_added_leaves_a_set_as_it_was() {
        let mut set = ScopeSet::from_tokens((1..MAX_SCOPES).map(|n| format!("s{n}"))).unwrap();
        for bad in ["", "a b", "g\"et", &"x".repeat(MAX_SCOPE_LENGTH + 1)] {
            let before = set.clone();
            assert_eq!(set.insert(bad), Err(ScopeError::Token), "{bad:?}");
            assert_eq!(set, before, "{bad:?}");
        }
        assert_eq!(set.insert("last"), Ok(()));
        assert!(set.len() == MAX_SCOPES && set.contains("last"));
        let full = set.clone();
        assert_eq!(set.insert("more"), Err(ScopeError::TooMany));
        assert_eq!(set, full);
        assert_eq!(set.insert("s1"), Ok(()), "it is in it");
        assert_eq!(set, full);
    }

    proptest::proptest! {
        #[test]
        fn parse_after_render_is_identity(tokens in proptest::collection::vec("[!#-\\[\\]-~]{1,12}", 0..12)) {
            let set = ScopeSet::from_tokens(&tokens).unwrap();
            proptest::prop_assert_eq!(ScopeSet::parse(&set.to_string()).unwrap(), set);
        }

        #[test]
        fn intersection_is_a_subset_of_both(a in "[a-e]( [a-e]){0,5}", b in "[a-e]( [a-e]){0,5}") {
            let (a, b) = (ScopeSet::parse(&a).unwrap(), ScopeSet::parse(&b).unwrap());
            let both = a.intersection(&b);
            proptest::prop_assert!(both.is_subset(&a) && both.is_subset(&b));
        }
    }
}
