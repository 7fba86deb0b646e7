//! A fair share of what is scarce for every domain, so that one that hangs leaves room for others.
//!
//! A place is taken by host name. A name may take at most a part of what the names above it may:
//! `bob.example` a quarter of everything, `uma.bob.example` an eighth, what is below it a
//! sixteenth. So whoever answers for a domain cannot use up more by inventing names in it, and
//! under a suffix where domains of many owners live (`co.uk`) one of them cannot use up the part of
//! all. Who registers domains by the dozen can; then the deadline of each request is what is left.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Divisors of the whole for names of two, three, and four or more labels.
const PARTS: [usize; 3] = [4, 8, 16];
/// An address has no domain; it gets what a host gets.
const ADDRESS: usize = 8;

/// A number of places, and who holds them.
pub(crate) struct Shares {
    total: usize,
    whole: Arc<Semaphore>,
    // Names that somebody holds a place of, or waits for one: no others, so that it stays small.
    names: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place. It is given back when this is dropped.
pub(crate) struct Share {
    permits: Vec<OwnedSemaphorePermit>,
    names: Vec<String>,
    of: Arc<Shares>,
}

impl Shares {
    /// So many places.
    pub(crate) fn new(total: usize) -> Arc<Self> {
        let whole = Arc::new(Semaphore::new(total));
        Arc::new(Self { total, whole, names: Mutex::default() })
    }

    /// Takes a place for `host`, waiting until there is one.
    pub(crate) async fn take(self: &Arc<Self>, host: &str) -> Share {
        let mut share = Share { permits: Vec::new(), names: Vec::new(), of: Arc::clone(self) };
        // From the narrow to the wide: whoever waits for a place of its own domain holds none that
        // others could use.
        for (name, places) in self.parts(host) {
            let of_name = Arc::clone(
                self.lock().entry(name.clone()).or_insert_with(|| Arc::new(Semaphore::new(places))),
            );
            share.names.push(name);
            share.permits.extend(of_name.acquire_owned().await.ok());
        }
        share.permits.extend(Arc::clone(&self.whole).acquire_owned().await.ok());
        share
    }

    /// The names that `host` counts for, the narrowest first, and how much each may take.
    fn parts(&self, host: &str) -> Vec<(String, usize)> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let places = |part: usize| (self.total / part).max(1);
        if host.parse::<IpAddr>().is_ok() {
            return vec![(host, places(ADDRESS))];
        }
        let dots: Vec<usize> = host.rmatch_indices('.').map(|(at, _)| at).collect();
        let suffix = |labels: usize| match dots.get(labels - 1) {
            Some(at) => host.get(at + 1..).unwrap_or_default().to_owned(),
            None => host.clone(),
        };
        let labels = (dots.len() + 1).clamp(2, PARTS.len() + 1);
        let wide_first = (2..=labels).zip(PARTS);
        let mut parts: Vec<_> =
            wide_first.map(|(labels, part)| (suffix(labels), places(part))).collect();
        parts.reverse();
        parts
    }

    // No code panics while it holds this lock, and the map is whole after every statement.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Semaphore>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.permits.clear();
        let mut names = self.of.lock();
        for name in &self.names {
            // Whoever holds a place of the name, or waits for one, holds its semaphore, too.
            if names.get(name).is_some_and(|of_name| Arc::strong_count(of_name) == 1) {
                names.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A place, if there is one at once.
    fn try_take(shares: &Arc<Shares>, host: &str) -> Option<Share> {
        match pin!(shares.take(host)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(share) => Some(share),
            Poll::Pending => None,
        }
    }

    /// Takes all there is for hosts `{n}{suffix}`.
    fn exhaust(shares: &Arc<Shares>, suffix: &str) -> Vec<Share> {
        (0..1000).map_while(|n| try_take(shares, &format!("h{n}{suffix}"))).collect()
    }

    #[test]
    fn a_name_takes_a_part_of_what_the_one_above_may() {
        for (suffix, places) in [
            (".example", 64), // h0.example, h1.example: all different domains
            (".bob.example", 16),
            (".a.bob.example", 8),
            (".b.a.bob.example", 4),
            (".c.b.a.bob.example", 4),
        ] {
            let shares = Shares::new(64);
            let held = exhaust(&shares, suffix);
            assert_eq!(held.len(), places, "{suffix}");
        }
        for (host, places) in
            [("bob.example", 16), ("BOB.example.", 16), ("uma.bob.example", 8), ("192.0.2.1", 8)]
        {
            let shares = Shares::new(64);
            let held: Vec<Share> = (0..1000).map_while(|_| try_take(&shares, host)).collect();
            assert_eq!(held.len(), places, "{host}");
        }
    }

    #[test]
    fn a_domain_that_has_its_share_leaves_the_others_theirs() {
        let shares = Shares::new(64);
        let evil = exhaust(&shares, ".evil.co.uk");
        assert_eq!(evil.len(), 8);
        assert!(try_take(&shares, "evil.co.uk").is_none());
        assert!(try_take(&shares, "good.co.uk").is_some());
        assert!(try_take(&shares, "good.example").is_some());
    }

    #[test]
    fn places_come_back_and_names_are_forgotten() {
        let shares = Shares::new(64);
        let mut held = exhaust(&shares, ".a.bob.example");
        // One that waits in vain and goes away leaves nothing behind.
        assert!(try_take(&shares, "x.a.bob.example").is_none());
        held.pop();
        assert!(try_take(&shares, "x.a.bob.example").is_some());
        drop(held);
        assert!(shares.lock().is_empty());
        assert_eq!(shares.whole.available_permits(), 64);
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_place_that_becomes_free() {
        let shares = Shares::new(16);
        let held = exhaust(&shares, ".evil.example");
        let waiting = tokio::spawn({
            let shares = Arc::clone(&shares);
            async move { shares.take("x.evil.example").await.permits.len() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.unwrap(), 3);
    }
}
