//! A clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_types::{Clock, Timestamp};

/// A clock that stands still until it is moved. Clones show the same time.
///
/// ```
/// use countersign_testkit::FixedClock;
/// use countersign_types::Clock as _;
///
/// let clock = FixedClock::default();
/// let before = clock.now();
/// clock.clone().advance(60);
/// assert_eq!(clock.now().since(before).as_secs(), 60);
/// ```
#[derive(Clone, Debug)]
pub struct FixedClock(Arc<AtomicI64>);

impl FixedClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_unix())))
    }

    /// Moves it forward by so many seconds, or back.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_unix(), Ordering::SeqCst);
    }
}

/// 2027-01-15T08:00:00Z.
impl Default for FixedClock {
    fn default() -> Self {
        Self::at(Timestamp::from_unix(1_800_000_000))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }
}
