//! How much one resource server may have this server store.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_types::{ClientId, Lifetime, Timestamp};
use countersign_uma::Protection;

/// What one resource server may have stored at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Registered resources.
    pub resources: usize,
    /// Permission tickets obtained within the life of one. Each is good for at most one RPT.
    pub tickets: u32,
    /// PATs obtained within the life of one.
    pub pats: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resources: 10_000, tickets: 500_000, pats: 10_000 }
    }
}

/// Counts what each of a closed set of clients obtains, in windows of the life of the thing. What
/// is live at a time is at most twice the limit.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: u32,
    window: Lifetime,
    counts: Mutex<HashMap<ClientId, (Timestamp, u32)>>,
}

impl Quota {
    pub(crate) fn new(limit: u32, window: Lifetime) -> Self {
        Self { limit, window, counts: Mutex::new(HashMap::new()) }
    }

    /// Counts one more for `client`, which is registered; `false` if it has had its share.
    pub(crate) fn take(&self, client: &ClientId, now: Timestamp) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, count) = counts.entry(client.clone()).or_insert((now, 0));
        // A clock that was set back starts a new window too.
        if now < *start || now >= start.after(self.window) {
            (*start, *count) = (now, 0);
        }
        if *count >= self.limit {
            return false;
        }
        *count += 1;
        true
    }
}

/// How many resources there are under a PAT, as far as this process knows. What others deleted
/// meanwhile is noticed when the limit seems reached.
#[derive(Debug)]
pub(crate) struct ResourceCounts {
    limit: usize,
    counts: Mutex<HashMap<Protection, usize>>,
}

impl ResourceCounts {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, counts: Mutex::new(HashMap::new()) }
    }

    /// Whether one more may be registered for certain. If not, they have to be counted.
    pub(crate) fn has_room(&self, protection: &Protection) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(protection).is_some_and(|count| *count < self.limit)
    }

    /// Takes note of a count, and says whether one more may be registered.
    pub(crate) fn counted(&self, protection: &Protection, count: usize) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.insert(protection.clone(), count);
        count < self.limit
    }

    /// One more is registered.
    pub(crate) fn registered(&self, protection: &Protection) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(protection) {
            *count += 1;
        }
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_share_in_each_window() {
        let quota = Quota::new(2, Lifetime::from_secs(10));
        let (a, b) = (ClientId::parse("a").unwrap(), ClientId::parse("b").unwrap());
        let at = Timestamp::from_unix;
        assert!(quota.take(&a, at(100)) && quota.take(&a, at(105)));
        assert!(!quota.take(&a, at(109)));
        assert!(quota.take(&b, at(109)));
        assert!(quota.take(&a, at(110)));
        assert!(quota.take(&a, at(50)), "the clock was set back");
    }
}
