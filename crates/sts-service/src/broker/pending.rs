//! The logins that are under way: what was asked, and what the answer is compared with.
//!
//! They are in memory, for minutes, found by the `state` together with the secret of the browser that
//! began, and taken out by the first answer. Their number and size are bounded: who begins more of them
//! than there is room for pushes out the oldest, never the new.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_login::Pending;
use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use crate::form_token::{self, Purpose};

/// So many logins are under way at a time.
const MOST: usize = 1 << 14;

/// They take so many octets at most, but for a constant for each.
const OCTETS: usize = 32 << 20;

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
    begun: HashMap<Digest, Kept>,
    /// In the order in which they began; some may have been taken.
    order: VecDeque<(Digest, Timestamp)>,
    octets: usize,
}

struct Kept {
    begun: Begun,
    expires: Timestamp,
    size: usize,
}

impl Logins {
    /// Keeps a login under a key of fresh randomness.
    pub(super) fn begin(&self, key: Digest, begun: Begun, now: Timestamp) {
        let size = begun.purpose.size();
        let mut table = self.table();
        table.make_room(size, now);
        let expires = now.after(form_token::LIFETIME);
        table.octets += size;
        table.order.push_back((key, expires));
        table.begun.insert(key, Kept { begun, expires, size });
    }

    /// Takes a login out, if its time is not over: no second answer finds it.
    pub(super) fn take(&self, key: &Digest, now: Timestamp) -> Option<Begun> {
        let kept = self.table().remove(key)?;
        (now < kept.expires).then_some(kept.begun)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, key: &Digest) -> Option<Kept> {
        let kept = self.begun.remove(key)?;
        self.octets -= kept.size;
        Some(kept)
    }

    fn make_room(&mut self, size: usize, now: Timestamp) {
        while let Some((oldest, expires)) = self.order.front().copied() {
            let is_full = self.order.len() >= MOST || self.octets + size > OCTETS;
            if !is_full && now < expires {
                break;
            }
            self.order.pop_front();
            self.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
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

    fn begun(state: usize) -> Begun {
        let issuer = Issuer::parse("https://idp.example").unwrap();
        let mut metadata = ServerMetadata::new(issuer);
        metadata.authorization_endpoint = EndpointUrl::parse("https://idp.example/a").ok();
        metadata.token_endpoint = EndpointUrl::parse("https://idp.example/t").ok();
        let registration = Registration::public(ClientId::parse("broker").unwrap());
        let (fetch, metadata) = (std::sync::Arc::new(Nothing), std::sync::Arc::new(metadata));
        let party = RelyingParty::new(fetch, metadata, registration).unwrap();
        let redirect_uri = RedirectUri::parse("https://sts.example/cb").unwrap();
        let (_, pending) = party.begin(&redirect_uri, &ScopeSet::empty(), &Nothing).unwrap();
        let mut asked = Asked::for_tests();
        asked.request.state = Some("s".repeat(state));
        Begun { alias: "idp".to_owned(), purpose: Purpose::Client(asked), pending }
    }

    fn key(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn an_answer_takes_its_login_and_no_second_one_does() {
        let logins = Logins::default();
        let now = Timestamp::from_unix(0);
        logins.begin(key(1), begun(1), now);
        logins.begin(key(2), begun(1), now);
        assert!(logins.take(&key(3), now).is_none());
        assert!(logins.take(&key(1), now.after(Lifetime::from_secs(599))).is_some());
        assert!(logins.take(&key(1), now).is_none());
        assert!(logins.take(&key(2), now.after(form_token::LIFETIME)).is_none(), "too late");
        assert_eq!(logins.table().octets, 0);
    }

    #[test]
    fn what_is_under_way_is_bounded_and_the_oldest_go_first() {
        let now = Timestamp::from_unix(0);
        let logins = Logins::default();
        for number in 0..40 {
            logins.begin(key(number), begun(1 << 20), now);
        }
        assert!(logins.table().octets <= OCTETS);
        assert!(logins.take(&key(0), now).is_none() && logins.take(&key(39), now).is_some());

        let logins = Logins::default();
        let mut one = Some(begun(1));
        for number in 0..=MOST {
            let next = logins.take(&key(number.wrapping_sub(1)), now).or_else(|| one.take());
            logins.begin(key(number), next.unwrap(), now);
        }
        let table = logins.table();
        assert!(table.order.len() <= MOST && table.begun.len() == 1, "what was taken counts, too");
        drop(table);
        logins.begin(key(MOST + 1), begun(1), now.after(form_token::LIFETIME));
        assert_eq!(logins.table().order.len(), 1, "what is over is gone");
    }
}
