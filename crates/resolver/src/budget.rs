//! How much strangers may have asked about one domain, or at one host.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_types::{Clock, Lifetime, Timestamp};
use moka::policy::EvictionPolicy;

/// How long questions are counted together.
const WINDOW: Lifetime = Lifetime::from_secs(60);
/// So many domains are counted at a time, the ones last asked about.
const MAX_DOMAINS: u64 = 10_000;

/// Counts questions about each domain, in windows of [`WINDOW`].
pub(crate) struct Budget {
    windows: moka::sync::Cache<String, Arc<Mutex<Window>>>,
    share: NonZeroU32,
    clock: Arc<dyn Clock>,
}

struct Window {
    start: Timestamp,
    used: u32,
}

impl Window {
    /// A clock that was set back ends a window, too.
    fn has_ended(&self, now: Timestamp) -> bool {
        now < self.start || now >= self.start.after(WINDOW)
    }
}

impl Budget {
    /// So many questions about one domain within a [`WINDOW`].
    pub(crate) fn new(share: NonZeroU32, clock: Arc<dyn Clock>) -> Self {
        let windows = moka::sync::Cache::builder()
            .max_capacity(MAX_DOMAINS)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { windows, share, clock }
    }

    /// Counts one more question; `false` if there have been enough.
    pub(crate) fn take(&self, domain: &str) -> bool {
        let now = self.clock.now();
        let fresh = || Window { start: now, used: 0 };
        let window = self.windows.get_with_by_ref(domain, || Arc::new(Mutex::new(fresh())));
        // No code panics while it holds this lock.
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.has_ended(now) {
            *window = fresh();
        }
        let is_left = window.used < self.share.get();
        window.used = window.used.saturating_add(1);
        is_left
    }
}
