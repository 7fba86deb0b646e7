//! Which domains' people are taken, and whose word counts for them.

use std::collections::{BTreeMap, BTreeSet};

use countersign_types::Issuer;

/// Whose word counts for the addresses of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entitled<'a> {
    /// The issuer that the domain itself names, for the address.
    Discovered,
    /// This one, whatever the domain says.
    Only(&'a Issuer),
}

/// The domains whose people are taken. There is no default: say [`any`](Self::any) or name them.
///
/// ```
/// use countersign_resource::identity_propagation::{Domains, Entitled};
/// use countersign_types::Issuer;
///
/// let partner = Issuer::parse("https://login.partner.example")?;
/// let domains = Domains::only(["alice.example"]).with("partner.example", partner.clone());
/// assert_eq!(domains.entitled("alice.example"), Some(Entitled::Discovered));
/// assert_eq!(domains.entitled("partner.example"), Some(Entitled::Only(&partner)));
/// assert_eq!(domains.entitled("mail.alice.example"), None);
/// assert_eq!(Domains::any().without("evil.example").entitled("evil.example"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Domains {
    any: bool,
    named: BTreeMap<String, Option<Issuer>>,
    refused: BTreeSet<String>,
}

impl Domains {
    /// Every domain: whoever it names speaks for its addresses.
    #[must_use]
    pub const fn any() -> Self {
        Self { any: true, named: BTreeMap::new(), refused: BTreeSet::new() }
    }

    /// These domains and no others: whoever each names speaks for its addresses. A sub-domain is
    /// another domain.
    #[must_use]
    pub fn only<I>(domains: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let named = domains.into_iter().map(|domain| (folded(domain.as_ref()), None)).collect();
        Self { any: false, named, refused: BTreeSet::new() }
    }

    /// This domain, too, whose people this issuer speaks for; the domain is not asked.
    #[must_use]
    pub fn with(mut self, domain: &str, issuer: Issuer) -> Self {
        self.named.insert(folded(domain), Some(issuer));
        self
    }

    /// Not this domain, whatever else is said of it.
    #[must_use]
    pub fn without(mut self, domain: &str) -> Self {
        self.refused.insert(folded(domain));
        self
    }

    /// Whose word counts for the addresses of a domain; `None` if nobody's.
    #[must_use]
    pub fn entitled(&self, domain: &str) -> Option<Entitled<'_>> {
        let domain = folded(domain);
        if self.refused.contains(&domain) {
            return None;
        }
        match self.named.get(&domain) {
            Some(Some(issuer)) => Some(Entitled::Only(issuer)),
            Some(None) => Some(Entitled::Discovered),
            None => self.any.then_some(Entitled::Discovered),
        }
    }
}

/// Domains are compared as addresses have them: in lower case.
fn folded(domain: &str) -> String {
    domain.to_ascii_lowercase()
}
