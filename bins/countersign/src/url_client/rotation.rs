//! Which key of a client does what, since when: values and moments, no files.

use countersign_types::{Lifetime, Timestamp};
use serde::{Deserialize, Serialize};

/// A key stays published for so long after it signed: what it signed lives for five minutes at
/// most, clocks differ by one, and whoever reads the document keeps it for five.
pub(super) const RETAIN: Lifetime = Lifetime::from_secs(900);

/// A key and its moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyState {
    pub(crate) kid: String,
    /// Since when it is in the document.
    published: Timestamp,
    /// Since when it signs, or signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signs: Option<Timestamp>,
    /// Since when it signs no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<Timestamp>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is published, and will sign.
    Next,
    /// It signs.
    Current,
    /// It is published while what it signed is alive.
    Retired,
}

impl KeyState {
    pub(crate) const fn role(&self) -> Role {
        match (self.signs, self.retired) {
            (None, _) => Role::Next,
            (Some(_), None) => Role::Current,
            (Some(_), Some(_)) => Role::Retired,
        }
    }

    /// What it does, for people.
    pub(crate) fn says(&self) -> String {
        match (self.signs, self.retired) {
            (None, _) => format!("published {}, to sign next", self.published),
            (Some(signs), None) => format!("signs since {}", signs),
            (Some(_), Some(retired)) => {
                let over = retired.after(RETAIN);
                format!("signs no more, published until {}", over)
            }
        }
    }
}

/// A client's keys: one signs, at most one will, others did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Rotation(Vec<KeyState>);

/// Why a key does not take its next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RotationError {
    #[error("too early: key {kid} was published at {}, and signs from {} on at the earliest",
        .published, .until)]
    TooEarly { kid: String, published: Timestamp, until: Timestamp },
    #[error("key {0} is announced already")]
    Announced(String),
    #[error("no key is announced")]
    NotAnnounced,
    #[error("of its keys, {0}")]
    Inconsistent(&'static str),
}

impl Rotation {
    /// One key, which signs at once.
    pub(super) fn first(kid: String, now: Timestamp) -> Self {
        Self(vec![KeyState { kid, published: now, signs: Some(now), retired: None }])
    }

    pub(crate) fn keys(&self) -> &[KeyState] {
        &self.0
    }

    /// The key that is published and does not sign yet, and the moment from which it may.
    pub(crate) fn next(&self, announce: Lifetime) -> Option<(&str, Timestamp)> {
        let next = self.0.iter().find(|key| key.role() == Role::Next)?;
        Some((&next.kid, next.published.after(announce)))
    }

    /// What was read is a state that the steps below lead to.
    pub(super) fn check(&self) -> Result<(), RotationError> {
        let count = |role| self.0.iter().filter(|key| key.role() == role).count();
        if count(Role::Current) != 1 {
            return Err(RotationError::Inconsistent("exactly one has to sign"));
        }
        if count(Role::Next) > 1 {
            return Err(RotationError::Inconsistent("two are to sign next"));
        }
        // A name is a file's, too.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.0.iter().any(|key| key.kid.is_empty() || !key.kid.chars().all(plain)) {
            return Err(RotationError::Inconsistent("one has a kid that is no thumbprint"));
        }
        Ok(())
    }

    /// Adds a key that is published from now on; gives the moment from which it may sign.
    pub(super) fn announce(
        &mut self,
        kid: String,
        now: Timestamp,
        announce: Lifetime,
    ) -> Result<Timestamp, RotationError> {
        if let Some((waiting, _)) = self.next(announce) {
            return Err(RotationError::Announced(waiting.to_owned()));
        }
        self.0.push(KeyState { kid, published: now, signs: None, retired: None });
        Ok(now.after(announce))
    }

    /// Has the announced key sign, if it was announced for long enough.
    pub(super) fn sign_with_next(
        &mut self,
        now: Timestamp,
        announce: Lifetime,
    ) -> Result<&str, RotationError> {
        let Some(next) = self.0.iter().position(|key| key.role() == Role::Next) else {
            return Err(RotationError::NotAnnounced);
        };
        if let Some((kid, until)) = self.next(announce).filter(|(_, until)| now < *until) {
            let kid = kid.to_owned();
            let published = self.0.get(next).map_or(now, |key| key.published);
            return Err(RotationError::TooEarly { kid, published, until });
        }
        for (index, key) in self.0.iter_mut().enumerate() {
            if index == next {
                key.signs = Some(now);
            } else {
                key.retired.get_or_insert(now);
            }
        }
        self.0.get(next).map(|key| key.kid.as_str()).ok_or(RotationError::NotAnnounced)
    }

    /// Takes out the keys of which nothing is alive any more.
    pub(super) fn forget(&mut self, now: Timestamp) -> Vec<String> {
        let is_over = |key: &KeyState| key.retired.is_some_and(|at| at.after(RETAIN) <= now);
        let over = self.0.iter().filter(|key| is_over(key)).map(|key| key.kid.clone()).collect();
        self.0.retain(|key| !is_over(key));
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCE: Lifetime = Lifetime::from_secs(600);

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + seconds)
    }

    fn roles(rotation: &Rotation) -> Vec<(&str, Role)> {
        rotation.keys().iter().map(|key| (key.kid.as_str(), key.role())).collect()
    }

    #[test]
    fn a_key_is_published_then_signs_then_goes() {
        let mut keys = Rotation::first("a".to_owned(), at(0));
        assert_eq!(keys.sign_with_next(at(0), ANNOUNCE), Err(RotationError::NotAnnounced));
        assert_eq!(keys.announce("b".to_owned(), at(10), ANNOUNCE), Ok(at(610)));
        assert_eq!(roles(&keys), [("a", Role::Current), ("b", Role::Next)]);
        let twice = keys.announce("c".to_owned(), at(700), ANNOUNCE);
        assert_eq!(twice, Err(RotationError::Announced("b".to_owned())));
        let early = keys.sign_with_next(at(609), ANNOUNCE).unwrap_err();
        assert!(matches!(early, RotationError::TooEarly { until, .. } if until == at(610)));
        assert_eq!(keys.sign_with_next(at(610), ANNOUNCE), Ok("b"));
        assert_eq!(roles(&keys), [("a", Role::Retired), ("b", Role::Current)]);
        assert!(keys.forget(at(610 + 899)).is_empty());
        assert_eq!(keys.forget(at(610 + 900)), ["a"]);
        assert_eq!(roles(&keys), [("b", Role::Current)]);
        assert_eq!(keys.check(), Ok(()));
    }

    #[test]
    fn a_state_that_no_step_leads_to_is_refused() {
        let key = |kid: &str, signs, retired| KeyState {
            kid: kid.to_owned(),
            published: at(0),
            signs,
            retired,
        };
        for keys in [
            vec![],
            vec![key("a", None, None)],
            vec![key("a", Some(at(0)), None), key("b", Some(at(0)), None)],
            vec![key("a", Some(at(0)), None), key("b", None, None), key("c", None, None)],
            vec![key("../a", Some(at(0)), None)],
            vec![key("", Some(at(0)), None)],
        ] {
            assert!(Rotation(keys.clone()).check().is_err(), "{keys:?}");
        }
    }
}
