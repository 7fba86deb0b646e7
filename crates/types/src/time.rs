//! Whole-second timestamps, lifetimes, and the clock as a seam.

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, the NumericDate of [RFC 7519 §2] without a fraction.
///
/// Arithmetic saturates: no input makes it panic or wrap.
///
/// [RFC 7519 §2]: https://www.rfc-editor.org/rfc/rfc7519#section-2
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A timestamp of so many seconds since the epoch.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn as_unix(self) -> i64 {
        self.0
    }

    /// This moment and `lifetime` more.
    #[must_use]
    pub const fn after(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_add(lifetime.0 as i64))
    }

    /// This moment less `lifetime`.
    #[must_use]
    pub const fn before(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_sub(lifetime.0 as i64))
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Lifetime {
        let seconds = self.0.saturating_sub(earlier.0).max(0);
        Lifetime(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

/// A span of whole seconds, up to 136 years.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Lifetime(u32);

impl Lifetime {
    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds)
    }

    /// In seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }
}

/// Tells the time. A service asks once per request and passes the [`Timestamp`] down.
pub trait Clock: Send + Sync {
    /// Now, in whole seconds.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let end = Timestamp::from_unix(i64::MAX);
        assert_eq!(end.after(Lifetime::from_secs(60)), end);
        let start = Timestamp::from_unix(i64::MIN);
        assert_eq!(start.before(Lifetime::from_secs(60)), start);
        assert_eq!(end.since(start), Lifetime::from_secs(u32::MAX));
        assert_eq!(start.since(end), Lifetime::from_secs(0));
    }
}
