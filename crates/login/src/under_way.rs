//! The logins that are under way at a server: what each is for, and what the answer is compared
//! with.
//!
//! They are in memory, for minutes, found by the `state` together with the secret of the browser
//! that began, and taken out by the first answer. Their number and size are bounded. When there is
//! no room, the oldest goes of the source that takes most of it: whoever begins many pushes out
//! their own, and nobody needs to be counted before that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::{Lifetime, Timestamp};

/// They take so many octets at most.
const OCTETS: usize = 32 << 20;

/// What each takes beside what it is for: more than there is of it, with its places in the table.
const EACH: usize = 2 << 10;

/// The logins that are under way, each with a `T` of what it is for.
pub struct Logins<T>(Mutex<Table<T>>);

impl<T> Default for Logins<T> {
    fn default() -> Self {
        Self(Mutex::new(Table {
            begun: BTreeMap::new(),
            numbers: HashMap::new(),
            sources: HashMap::new(),
            largest: BTreeSet::new(),
            octets: 0,
            next: 0,
        }))
    }
}

struct Table<T> {
    /// By number, in the order in which they began.
    begun: BTreeMap<u64, Kept<T>>,
    numbers: HashMap<Digest, u64>,
    sources: HashMap<Digest, Share>,
    /// Each source with what it takes, the largest last.
    largest: BTreeSet<(usize, Digest)>,
    octets: usize,
    next: u64,
}

struct Kept<T> {
    key: Digest,
    begun: T,
    source: Digest,
    expires: Timestamp,
    size: usize,
}

/// The logins of one source.
#[derive(Default)]
struct Share {
    numbers: BTreeSet<u64>,
    octets: usize,
}

impl<T> Logins<T> {
    /// Keeps a login that a source has begun under a key of fresh randomness, for so long. `size`
    /// is how much room what it is for takes, in octets.
    pub fn begin(
        &self,
        key: Digest,
        source: Option<&str>,
        (begun, size): (T, usize),
        now: Timestamp,
        lifetime: Lifetime,
    ) {
        let size = size.saturating_add(EACH);
        let source = Digest::of(source.unwrap_or_default().as_bytes());
        let mut table = self.table();
        table.make_room(size, now);
        table.insert(Kept { key, begun, source, expires: now.after(lifetime), size });
    }

    /// Takes a login out, if its time is not over: no second answer finds it.
    pub fn take(&self, key: &Digest, now: Timestamp) -> Option<T> {
        let mut table = self.table();
        let number = *table.numbers.get(key)?;
        let kept = table.remove(number)?;
        (now < kept.expires).then_some(kept.begun)
    }

    fn table(&self) -> MutexGuard<'_, Table<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source that an address belongs to. With IPv6 it is the /64 network, since whoever has one
/// address has all of it.
#[must_use]
pub fn source(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
    }
}

impl<T> Table<T> {
    fn insert(&mut self, kept: Kept<T>) {
        if let Some(former) = self.numbers.get(&kept.key).copied() {
            self.remove(former);
        }
        let number = self.next;
        self.next += 1;
        self.octets += kept.size;
        self.change(kept.source, |share| {
            share.numbers.insert(number);
            share.octets += kept.size;
        });
        self.numbers.insert(kept.key, number);
        self.begun.insert(number, kept);
    }

    fn remove(&mut self, number: u64) -> Option<Kept<T>> {
        let kept = self.begun.remove(&number)?;
        self.octets -= kept.size;
        self.change(kept.source, |share| {
            share.numbers.remove(&number);
            share.octets -= kept.size;
        });
        self.numbers.remove(&kept.key);
        Some(kept)
    }

    /// Changes what a source has, and its place among the others.
    fn change(&mut self, source: Digest, change: impl FnOnce(&mut Share)) {
        let share = self.sources.entry(source).or_default();
        self.largest.remove(&(share.octets, source));
        change(share);
        if share.numbers.is_empty() {
            self.sources.remove(&source);
        } else {
            self.largest.insert((share.octets, source));
        }
    }

    fn make_room(&mut self, size: usize, now: Timestamp) {
        while let Some((oldest, kept)) = self.begun.first_key_value() {
            if now < kept.expires {
                break;
            }
            let oldest = *oldest;
            self.remove(oldest);
        }
        while self.octets + size > OCTETS {
            let largest = self.largest.last().and_then(|(_, source)| self.sources.get(source));
            let Some(oldest) = largest.and_then(|share| share.numbers.first().copied()) else {
                break;
            };
            self.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Lifetime = Lifetime::from_secs(600);

    fn key(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    const NOW: Timestamp = Timestamp::from_unix(0);

    /// Begins one after the other, each for something of this length.
    fn begin(logins: &Logins<usize>, numbers: std::ops::Range<usize>, source: &str, state: usize) {
        for number in numbers {
            logins.begin(key(number), Some(source), (number, state), NOW, LIFETIME);
        }
    }

    #[test]
    fn an_answer_takes_its_login_and_no_second_one_does() {
        let logins = Logins::default();
        begin(&logins, 1..3, "192.0.2.1", 1);
        assert!(logins.take(&key(3), NOW).is_none());
        assert!(logins.take(&key(1), NOW.after(Lifetime::from_secs(599))).is_some());
        assert!(logins.take(&key(1), NOW).is_none());
        assert!(logins.take(&key(2), NOW.after(LIFETIME)).is_none(), "too late");
        let table = logins.table();
        assert_eq!((table.octets, table.numbers.len(), table.begun.len()), (0, 0, 0));
        assert!(table.sources.is_empty() && table.largest.is_empty());
    }

    #[test]
    fn what_is_under_way_is_bounded_and_the_oldest_go_first() {
        let logins = Logins::default();
        begin(&logins, 0..40, "192.0.2.1", 1 << 20);
        assert!(logins.table().octets <= OCTETS);
        assert!(logins.take(&key(0), NOW).is_none() && logins.take(&key(39), NOW).is_some());
        logins.begin(key(40), None, (40, 1), NOW.after(LIFETIME), LIFETIME);
        assert_eq!(logins.table().begun.len(), 1, "what is over is gone");
    }

    #[test]
    fn whoever_begins_many_pushes_out_their_own() {
        let logins = Logins::default();
        begin(&logins, 0..1, "192.0.2.1", 1);
        begin(&logins, 1..20_001, "192.0.2.2", 1);
        assert!(logins.table().octets <= OCTETS);
        assert!(logins.take(&key(1), NOW).is_none() && logins.take(&key(20_000), NOW).is_some());
        // Few of much are no other than many of little.
        begin(&logins, 20_001..20_041, "192.0.2.3", 1 << 20);
        begin(&logins, 20_041..20_141, "192.0.2.4", 1);
        for (number, is_kept) in [(0, true), (20_001, false), (20_040, true), (20_041, true)] {
            assert_eq!(logins.take(&key(number), NOW).is_some(), is_kept, "{number}");
        }
        let table = logins.table();
        let sum: usize = table.begun.values().map(|kept| kept.size).sum();
        assert_eq!(table.octets, sum);
        assert_eq!(table.octets, table.largest.iter().map(|(octets, _)| octets).sum::<usize>());
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_network() {
        let of = |text: &str| source(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
