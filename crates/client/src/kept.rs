//! The tokens a client keeps: by person, authorization server and resource server, and for no one
//! else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, Issuer, ResourceIdentifier, Timestamp};

use crate::subject::Person;

/// So many addresses, tokens and approvals are remembered each; of more, the oldest is forgotten.
pub(crate) const MAX: usize = 256;

/// The authorization server that issues an RPT or PCT and the resource server it is issued for.
pub(crate) type Servers = (Issuer, ResourceIdentifier);

/// What was issued for one person and one pair of servers.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) rpt: AccessToken,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) pct: Option<AccessToken>,
}

#[derive(Default)]
pub(crate) struct Kept(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    tokens: Latest<(Person, Servers), Tokens>,
    // Which servers an address turned out to belong to. Only the address itself counts, never one
    // below it: another resource server may live there.
    addresses: Latest<String, Servers>,
}

/// What was inserted last, of each key.
pub(crate) struct Latest<K, V> {
    values: BTreeMap<K, (u64, V)>,
    insertions: u64,
}

impl Kept {
    /// Whether a token was issued for that address, whoever the person was.
    pub(crate) fn knows(&self, url: &EndpointUrl) -> bool {
        self.lock().addresses.get(&address(url)).is_some()
    }

    /// The RPT to send to `url` at once, if that address was asked before for this person.
    pub(crate) fn rpt(
        &self,
        person: &Person,
        url: &EndpointUrl,
        now: Timestamp,
    ) -> Option<AccessToken> {
        let inner = self.lock();
        let servers = inner.addresses.get(&address(url))?.clone();
        let tokens = inner.tokens.get(&(person.clone(), servers))?;
        let live = tokens.expires.is_none_or(|expires| now < expires);
        live.then(|| tokens.rpt.clone())
    }

    /// The PCT to send along.
    pub(crate) fn pct(&self, person: &Person, servers: &Servers) -> Option<AccessToken> {
        self.lock().tokens.get(&(person.clone(), servers.clone()))?.pct.clone()
    }

    pub(crate) fn keep(
        &self,
        person: &Person,
        servers: Servers,
        url: &EndpointUrl,
        tokens: Tokens,
    ) {
        let mut inner = self.lock();
        inner.addresses.insert(address(url), servers.clone());
        inner.tokens.insert((person.clone(), servers), tokens);
    }

    // The maps are whole after every statement, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Default for Latest<K, V> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), insertions: 0 }
    }
}

impl<K: Ord + Clone, V> Latest<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.insertions += 1;
        self.values.insert(key, (self.insertions, value));
        if self.values.len() > MAX {
            let oldest = self.values.iter().min_by_key(|(_, (inserted, _))| *inserted);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|key| self.values.remove(&key));
        }
    }
}

/// A URL without its query.
fn address(url: &EndpointUrl) -> String {
    url.as_str().split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EndpointUrl {
        EndpointUrl::parse(text).unwrap()
    }

    fn alice() -> Person {
        Person::Subject("alice".to_owned())
    }

    fn servers(resource: &str) -> Servers {
        let issuer = Issuer::parse("https://uma.example").unwrap();
        (issuer, ResourceIdentifier::parse(resource).unwrap())
    }

    fn tokens(rpt: &str, expires: Option<i64>) -> Tokens {
        Tokens {
            rpt: AccessToken::new(rpt),
            expires: expires.map(Timestamp::from_unix),
            pct: Some(AccessToken::new("pct")),
        }
    }

    #[track_caller]
    fn check(kept: &Kept, address: &str, now: i64, expected: Option<&str>) {
        let rpt = kept.rpt(&alice(), &url(address), Timestamp::from_unix(now));
        assert_eq!(rpt.as_ref().map(AccessToken::expose), expected, "{address} at {now}");
    }

    #[test]
    fn an_rpt_goes_back_to_its_own_address_only() {
        let kept = Kept::default();
        kept.keep(
            &alice(),
            servers("https://rs.example"),
            &url("https://rs.example/a"),
            tokens("one", Some(100)),
        );
        check(&kept, "https://rs.example/a", 99, Some("one"));
        check(&kept, "https://rs.example/a?page=2", 99, Some("one"));
        for other in [
            "https://rs.example/a/b",
            "https://rs.example/",
            "https://rs.example:8443/a",
            "https://rs.example.evil.example/a",
        ] {
            check(&kept, other, 99, None);
        }
    }

    #[test]
    fn an_expired_rpt_stays_here_and_its_pct_serves() {
        let kept = Kept::default();
        kept.keep(
            &alice(),
            servers("https://rs.example"),
            &url("https://rs.example/a"),
            tokens("one", Some(100)),
        );
        check(&kept, "https://rs.example/a", 100, None);
        assert!(kept.pct(&alice(), &servers("https://rs.example")).is_some());
        assert!(kept.pct(&alice(), &servers("https://other.example")).is_none());
        let carol = Person::Subject("carol".to_owned());
        assert!(kept.pct(&carol, &servers("https://rs.example")).is_none());
    }

    #[test]
    fn the_oldest_makes_room_and_nobody_else() {
        let kept = Kept::default();
        let (at, bob) = (url("https://rs.example/bob"), Person::Subject("bob".to_owned()));
        let rpt_of_bob = || kept.rpt(&bob, &at, Timestamp::from_unix(0));
        // Whoever names another resource server each time fills the one map and not the other.
        let flood = |n: usize, names_another: bool| {
            let resource = if names_another { n } else { 0 };
            let address = url(&format!("https://rs.example/{n}"));
            let servers = servers(&format!("https://rs.example/{resource}"));
            kept.keep(&alice(), servers, &address, tokens("one", None));
        };
        for names_another in [false, true] {
            (0..MAX).for_each(|n| flood(n, names_another));
            kept.keep(&bob, servers("https://rs.example/bob"), &at, tokens("two", None));
            assert!(rpt_of_bob().is_some());
            (0..MAX - 1).for_each(|n| flood(n, names_another));
            assert!(rpt_of_bob().is_some(), "it is not the oldest");
            flood(MAX, names_another);
            assert!(rpt_of_bob().is_none(), "it is");
            let inner = kept.lock();
            assert!(inner.addresses.values.len() <= MAX && inner.tokens.values.len() <= MAX);
        }
        let pct = kept.pct(&bob, &servers("https://rs.example/bob"));
        assert!(pct.is_none(), "of tokens, the oldest as well");
    }
}
