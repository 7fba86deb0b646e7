//! How much one resource server may have this server store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::{ClientId, Lifetime, Timestamp};
use countersign_uma::Protection;

/// What one resource server may have stored at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Registered resources.
    pub resources: usize,
    /// Permission tickets obtained within the lifetime of one. Each is good for at most one RPT.
    pub tickets: u32,
    /// PATs obtained within the lifetime of one.
    pub pats: u32,
    /// RPTs that can be refreshed, obtained within the life of a refresh token. Beyond that, RPTs
    /// come without one.
    pub grants: u32,
    /// How many of them one client may obtain.
    pub grants_of_a_client: u32,
    /// RPTs obtained by refresh tokens within the life of an RPT.
    pub refreshes: u32,
    /// How many of them one client may obtain.
    pub refreshes_of_a_client: u32,
    /// People about whom something waits for its owner's answer.
    pub cases: usize,
    /// How many of them may have their addresses in one mail domain: its last two labels count.
    pub cases_of_a_domain: usize,
    /// Shares of its owner.
    pub shares: usize,
    /// Notices that one owner is sent within an hour. People of one mail domain, whose last two
    /// labels count, never get more of them than they leave to everybody else.
    pub notices: u32,
    /// How many of these notices are about one person.
    pub notices_of_a_person: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            resources: 10_000,
            tickets: 500_000,
            pats: 10_000,
            grants: 500_000,
            grants_of_a_client: 50_000,
            refreshes: 500_000,
            refreshes_of_a_client: 50_000,
            cases: 10_000,
            cases_of_a_domain: 1_000,
            shares: 200_000,
            notices: 60,
            notices_of_a_person: 6,
        }
    }
}

/// A client has had its share of this window.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the resource server has had its share for the next {} s", retry_after.as_secs())]
pub(crate) struct Exhausted {
    /// When the next window begins.
    pub(crate) retry_after: Lifetime,
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

    /// Counts one more for `client`, which is registered.
    ///
    /// # Errors
    /// [`Exhausted`] if it has had its share.
    pub(crate) fn take(&self, client: &ClientId, now: Timestamp) -> Result<(), Exhausted> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, count) = counts.entry(client.clone()).or_insert((now, 0));
        // A clock that was set back starts a new window too.
        if now < *start || now >= start.after(self.window) {
            (*start, *count) = (now, 0);
        }
        if *count >= self.limit {
            return Err(Exhausted { retry_after: start.after(self.window).since(now) });
        }
        *count += 1;
        Ok(())
    }
}

/// Counts what clients obtain at each of a closed set of resource servers, in windows of the life
/// of the thing: all of them together, and each by itself. Of clients that are known by a URL there
/// may be any number; nothing is kept of those of a window that is over.
#[derive(Debug)]
pub(crate) struct SharedQuota {
    limit: u32,
    of_a_client: u32,
    window: Lifetime,
    counts: Mutex<HashMap<ClientId, Shares>>,
}

/// What was obtained at one resource server in a window.
#[derive(Debug)]
struct Shares {
    start: Timestamp,
    all: u32,
    clients: HashMap<ClientId, u32>,
}

impl Shares {
    fn new(start: Timestamp) -> Self {
        Self { start, all: 0, clients: HashMap::new() }
    }
}

impl SharedQuota {
    pub(crate) fn new(limit: u32, of_a_client: u32, window: Lifetime) -> Self {
        Self { limit, of_a_client, window, counts: Mutex::default() }
    }

    /// Counts one more for `client` at `resource_server`, which is registered.
    ///
    /// # Errors
    /// [`Exhausted`] if either had its share; that is not counted.
    pub(crate) fn take(
        &self,
        resource_server: &ClientId,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<(), Exhausted> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let shares = counts.entry(resource_server.clone()).or_insert_with(|| Shares::new(now));
        let end = shares.start.after(self.window);
        // A clock that was set back starts a new window too.
        if now < shares.start || now >= end {
            *shares = Shares::new(now);
        }
        let theirs = shares.clients.get(client).copied().unwrap_or(0);
        if shares.all >= self.limit || theirs >= self.of_a_client {
            return Err(Exhausted { retry_after: end.since(now) });
        }
        shares.all += 1;
        shares.clients.insert(client.clone(), theirs + 1);
        Ok(())
    }
}

/// How many resources there are under a PAT, as far as this process knows. What another process
/// deleted meanwhile is noticed when the limit seems reached.
#[derive(Debug)]
pub(crate) struct ResourceCounts {
    limit: usize,
    counts: Mutex<HashMap<Protection, usize>>,
}

impl ResourceCounts {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, counts: Mutex::new(HashMap::new()) }
    }

    /// Takes a place for one more resource, before it is registered: requests that run at the same
    /// time do not share the last one. `false` if no place is known to be left; then they have to
    /// be counted.
    pub(crate) fn reserve(&self, protection: &Protection) -> bool {
        let mut counts = self.lock();
        let Some(count) = counts.get_mut(protection).filter(|count| **count < self.limit) else {
            return false;
        };
        *count += 1;
        true
    }

    /// Takes note of a count, and takes a place if one is left.
    pub(crate) fn reserve_of(&self, protection: &Protection, counted: usize) -> bool {
        self.lock().insert(protection.clone(), counted);
        self.reserve(protection)
    }

    /// Gives a place back: the resource was not registered, or is no more.
    pub(crate) fn release(&self, protection: &Protection) {
        if let Some(count) = self.lock().get_mut(protection) {
            *count = count.saturating_sub(1);
        }
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Protection, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(quota.take(&a, at(100)).is_ok() && quota.take(&a, at(105)).is_ok());
        let exhausted = Exhausted { retry_after: Lifetime::from_secs(1) };
        assert_eq!(quota.take(&a, at(109)), Err(exhausted));
        assert!(quota.take(&b, at(109)).is_ok());
        assert!(quota.take(&a, at(110)).is_ok());
        assert!(quota.take(&a, at(50)).is_ok(), "the clock was set back");
    }

    #[test]
    fn each_client_has_its_share_of_that_of_a_resource_server() {
        let quota = SharedQuota::new(3, 2, Lifetime::from_secs(10));
        let [rs, rs2, a, b] = ["rs", "rs2", "a", "b"].map(|id| ClientId::parse(id).unwrap());
        let at = Timestamp::from_unix;
        assert!(quota.take(&rs, &a, at(100)).is_ok() && quota.take(&rs, &a, at(101)).is_ok());
        let exhausted = |seconds| Err(Exhausted { retry_after: Lifetime::from_secs(seconds) });
        assert_eq!(quota.take(&rs, &a, at(102)), exhausted(8));
        assert!(quota.take(&rs, &b, at(102)).is_ok(), "what was refused is not counted");
        assert_eq!(quota.take(&rs, &b, at(109)), exhausted(1), "the resource server's");
        assert!(quota.take(&rs2, &a, at(109)).is_ok());
        assert!(quota.take(&rs, &b, at(110)).is_ok());
        assert_eq!(quota.counts.lock().unwrap()[&rs].clients.len(), 1);
        assert!(quota.take(&rs, &a, at(50)).is_ok(), "the clock was set back");
    }

    #[test]
    fn a_place_is_taken_once() {
        let counts = ResourceCounts::new(2);
        let owner = countersign_uma::protection::OwnerId::parse("bob").unwrap();
        let bob = Protection::new(owner, ClientId::parse("rs").unwrap());
        assert!(!counts.reserve(&bob), "nothing is known yet");
        assert!(counts.reserve_of(&bob, 1));
        assert!(!counts.reserve(&bob) && !counts.reserve_of(&bob, 2));
        counts.release(&bob);
        assert!(counts.reserve(&bob));
    }
}
