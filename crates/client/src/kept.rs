//! The tokens a client keeps: by person, authorization server and resource server, and for no one
//! else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, Issuer, ResourceIdentifier, Timestamp};

use crate::subject::Person;

/// So many addresses and keys are remembered; beyond that the client begins to learn anew.
const MAX_ADDRESSES: usize = 256;

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
    tokens: BTreeMap<(Person, Servers), Tokens>,
    // Which servers an address turned out to belong to. Only the address itself counts, never one
    // below it: another resource server may live there.
    addresses: BTreeMap<String, Servers>,
}

impl Kept {
    /// Whether a token was issued for that address, whoever the person was.
    pub(crate) fn knows(&self, url: &EndpointUrl) -> bool {
        self.lock().addresses.contains_key(&address(url))
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
        // Whoever names another resource server each time fills the one map and not the other.
        if inner.addresses.len() >= MAX_ADDRESSES || inner.tokens.len() >= MAX_ADDRESSES {
            inner.addresses.clear();
            inner.tokens.clear();
        }
        inner.addresses.insert(address(url), servers.clone());
        inner.tokens.insert((person.clone(), servers), tokens);
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
    fn addresses_do_not_pile_up() {
        let kept = Kept::default();
        for n in 0..=MAX_ADDRESSES {
            let address = url(&format!("https://rs.example/{n}"));
            kept.keep(&alice(), servers("https://rs.example"), &address, tokens("one", None));
        }
        assert!(kept.lock().addresses.len() <= MAX_ADDRESSES);
        for n in 0..=MAX_ADDRESSES {
            let resource = format!("https://rs.example/{n}");
            kept.keep(
                &alice(),
                servers(&resource),
                &url("https://rs.example/0"),
                tokens("one", None),
            );
        }
        assert!(kept.lock().tokens.len() <= MAX_ADDRESSES);
    }
}
