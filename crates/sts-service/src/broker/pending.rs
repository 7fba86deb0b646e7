//! The logins that are under way: what was asked, and what the answer is compared with.
//!
//! They are in memory, for minutes, found by the `state` together with the secret of the browser that
//! began, and taken out by the first answer. Their number and size are bounded. When there is no room,
//! the oldest goes of the source that takes most of it: whoever begins many pushes out their own, and
//! nobody needs to be counted before that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_login::Pending;
use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use crate::form_token::{self, Purpose};

/// They take so many octets at most.
const OCTETS: usize = 32 << 20;

/// What each takes beside what was asked for: more than there is of it, with its places in the table.
const EACH: usize = 2 << 10;

/// A login that a person has begun.
pub(super) struct Begun {
    /// At which provider.
    pub(super) alias: String,
    /// What for.
    pub(super) purpose: Purpose,
    pub(super) pending: Pending,
}

/// The logins that are under way.
#[derive(Default)]
pub(super) struct Logins(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// By number, in the order in which they began.
    begun: BTreeMap<u64, Kept>,
    numbers: HashMap<Digest, u64>,
    sources: HashMap<Digest, Share>,
    /// Each source with what it takes, the largest last.
    largest: BTreeSet<(usize, Digest)>,
    octets: usize,
    next: u64,
}

struct Kept {
    key: Digest,
    begun: Begun,
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

impl Logins {
    /// Keeps a login that a source has begun under a key of fresh randomness.
    pub(super) fn begin(&self, key: Digest, source: Option<&str>, begun: Begun, now: Timestamp) {
        let size = begun.purpose.size() + EACH;
        let source = Digest::of(source.unwrap_or_default().as_bytes());
        let mut table = self.table();
        table.make_room(size, now);
        table.insert(Kept { key, begun, source, expires: now.after(form_token::LIFETIME), size });
    }

    /// Takes a login out, if its time is not over: no second answer finds it.
    pub(super) fn take(&self, key: &Digest, now: Timestamp) -> Option<Begun> {
        let mut table = self.table();
        let number = *table.numbers.get(key)?;
        let kept = table.remove(number)?;
        (now < kept.expires).then_some(kept.begun)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn insert(&mut self, kept: Kept) {
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

    fn remove(&mut self, number: u64) -> Option<Kept> {
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
    use std::sync::LazyLock;

    use countersign_login::{Registration, RelyingParty};
    use countersign_metadata::ServerMetadata;
    use countersign_types::{ClientId, EndpointUrl, Issuer, Lifetime, RedirectUri, ScopeSet};

    use super::*;
    use crate::form_token::Asked;

    struct Nothing;

    impl countersign_types::random::Random for Nothing {
        fn fill(&self, out: &mut [u8]) {
            out.fill(1);
        }
    }

    impl countersign_fetch::Fetch for Nothing {
        fn fetch(
            &self,
            _: countersign_fetch::Request,
        ) -> countersign_fetch::request::BoxFuture<
            '_,
            Result<http::Response<bytes::Bytes>, countersign_fetch::FetchError>,
        > {
            Box::pin(async { Err(countersign_fetch::FetchError::Timeout) })
        }
    }

    static PARTY: LazyLock<RelyingParty> = LazyLock::new(|| {
        let issuer = Issuer::parse("https://idp.example").unwrap();
        let mut metadata = ServerMetadata::new(issuer);
        metadata.authorization_endpoint = EndpointUrl::parse("https://idp.example/a").ok();
        metadata.token_endpoint = EndpointUrl::parse("https://idp.example/t").ok();
        let registration = Registration::public(ClientId::parse("broker").unwrap());
        let (fetch, metadata) = (std::sync::Arc::new(Nothing), std::sync::Arc::new(metadata));
        RelyingParty::new(fetch, metadata, registration).unwrap()
    });

    fn begun(state: usize) -> Begun {
        let redirect_uri = RedirectUri::parse("https://sts.example/cb").unwrap();
        let (_, pending) = PARTY.begin(&redirect_uri, &ScopeSet::empty(), &Nothing).unwrap();
        let mut asked = Asked::for_tests();
        asked.request.state = Some("s".repeat(state));
        Begun { alias: "idp".to_owned(), purpose: Purpose::Client(asked), pending }
    }

    fn key(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    const NOW: Timestamp = Timestamp::from_unix(0);

    /// Begins one after the other, each with a `state` of this length.
    fn begin(logins: &Logins, numbers: std::ops::Range<usize>, source: &str, state: usize) {
        for number in numbers {
            logins.begin(key(number), Some(source), begun(state), NOW);
        }
    }

    #[test]
    fn an_answer_takes_its_login_and_no_second_one_does() {
        let logins = Logins::default();
        begin(&logins, 1..3, "192.0.2.1", 1);
        assert!(logins.take(&key(3), NOW).is_none());
        assert!(logins.take(&key(1), NOW.after(Lifetime::from_secs(599))).is_some());
        assert!(logins.take(&key(1), NOW).is_none());
        assert!(logins.take(&key(2), NOW.after(form_token::LIFETIME)).is_none(), "too late");
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
        logins.begin(key(40), None, begun(1), NOW.after(form_token::LIFETIME));
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
}
