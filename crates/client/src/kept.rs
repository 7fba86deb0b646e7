//! The tokens a client keeps: by authorization server and resource server, and for no one else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, Issuer, ResourceIdentifier, Timestamp};

/// So many addresses and keys are remembered; beyond that the client begins to learn anew.
const MAX_ADDRESSES: usize = 256;

/// An RPT or PCT belongs to the authorization server that issued it and the resource server it was
/// issued for.
pub(crate) type Key = (Issuer, ResourceIdentifier);

/// What was issued for one key.
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
    tokens: BTreeMap<Key, Tokens>,
    // Which key an address turned out to belong to. Only the address itself counts, never one
    // below it: another resource server may live there.
    addresses: BTreeMap<String, Key>,
}

impl Kept {
    /// The RPT to send to `url` at once, if that address was asked before.
    pub(crate) fn rpt(&self, url: &EndpointUrl, now: Timestamp) -> Option<AccessToken> {
        let inner = self.lock();
        let tokens = inner.tokens.get(inner.addresses.get(&address(url))?)?;
        let live = tokens.expires.is_none_or(|expires| now < expires);
        live.then(|| tokens.rpt.clone())
    }

    /// The PCT to send along.
    pub(crate) fn pct(&self, key: &Key) -> Option<AccessToken> {
        self.lock().tokens.get(key)?.pct.clone()
    }

    pub(crate) fn keep(&self, key: Key, url: &EndpointUrl, tokens: Tokens) {
        let mut inner = self.lock();
        // A server that names another key each time fills the one map and not the other.
        if inner.addresses.len() >= MAX_ADDRESSES || inner.tokens.len() >= MAX_ADDRESSES {
            inner.addresses.clear();
            inner.tokens.clear();
        }
        inner.addresses.insert(address(url), key.clone());
        inner.tokens.insert(key, tokens);
    }

    // The maps are whole after every statement, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn key(resource: &str) -> Key {
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
        let rpt = kept.rpt(&url(address), Timestamp::from_unix(now));
        assert_eq!(rpt.as_ref().map(AccessToken::expose), expected, "{address} at {now}");
    }

    #[test]
    fn an_rpt_goes_back_to_its_own_address_only() {
        let kept = Kept::default();
        kept.keep(
            key("https://rs.example"),
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
            key("https://rs.example"),
            &url("https://rs.example/a"),
            tokens("one", Some(100)),
        );
        check(&kept, "https://rs.example/a", 100, None);
        assert!(kept.pct(&key("https://rs.example")).is_some());
        assert!(kept.pct(&key("https://other.example")).is_none());
    }

    #[test]
    fn addresses_do_not_pile_up() {
        let kept = Kept::default();
        for n in 0..=MAX_ADDRESSES {
            let address = url(&format!("https://rs.example/{n}"));
            kept.keep(key("https://rs.example"), &address, tokens("one", None));
        }
        assert!(kept.lock().addresses.len() <= MAX_ADDRESSES);
        for n in 0..=MAX_ADDRESSES {
            let resource = format!("https://rs.example/{n}");
            kept.keep(key(&resource), &url("https://rs.example/0"), tokens("one", None));
        }
        assert!(kept.lock().tokens.len() <= MAX_ADDRESSES);
    }
}
