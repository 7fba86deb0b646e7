//! Which domains' people are taken, and whose word counts for them.

use std::collections::{BTreeMap, BTreeSet};

use countersign_types::Issuer;
use countersign_types::email::canonical_domain;

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
/// let domains = Domains::only(["alice.example"])?.with("partner.example", partner.clone())?;
/// assert_eq!(domains.entitled("alice.example"), Some(Entitled::Discovered));
/// assert_eq!(domains.entitled("partner.example"), Some(Entitled::Only(&partner)));
/// assert_eq!(domains.entitled("mail.alice.example"), None);
/// assert_eq!(Domains::any().without("b\u{fc}cher.example")?.entitled("xn--bcher-kva.example"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Domains {
    any: bool,
    named: BTreeMap<String, Option<Issuer>>,
    refused: BTreeSet<String>,
}

/// A text is no domain that an e-mail address could have, in any spelling.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no domain of an e-mail address")]
pub struct DomainError(String);

impl Domains {
    /// Every domain: whoever it names speaks for its addresses.
    #[must_use]
    pub const fn any() -> Self {
        Self { any: true, named: BTreeMap::new(), refused: BTreeSet::new() }
    }

    /// These domains and no others: whoever each names speaks for its addresses. A sub-domain is
    /// another domain.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn only<I>(domains: I) -> Result<Self, DomainError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let named = domains.into_iter().map(|domain| Ok((canonical(domain.as_ref())?, None)));
        Ok(Self { any: false, named: named.collect::<Result<_, _>>()?, refused: BTreeSet::new() })
    }

    /// This domain, too, whose people this issuer speaks for; the domain is not asked.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn with(mut self, domain: &str, issuer: Issuer) -> Result<Self, DomainError> {
        self.named.insert(canonical(domain)?, Some(issuer));
        Ok(self)
    }

    /// Not this domain, whatever else is said of it.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn without(mut self, domain: &str) -> Result<Self, DomainError> {
        self.refused.insert(canonical(domain)?);
        Ok(self)
    }

    /// Whose word counts for the addresses of a domain; `None` if nobody's.
    #[must_use]
    pub fn entitled(&self, domain: &str) -> Option<Entitled<'_>> {
        let domain = canonical_domain(domain)?;
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

/// Domains are compared as addresses have them: in lower-case A-labels.
fn canonical(domain: &str) -> Result<String, DomainError> {
    canonical_domain(domain).ok_or_else(|| DomainError(domain.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_one_in_every_spelling_or_an_error() {
        let address = "xn--bcher-kva.example";
        for spelling in ["b\u{fc}cher.example", "B\u{dc}CHER.Example", "XN--BCHER-KVA.example"] {
            let issuer = Issuer::parse("https://login.example").unwrap();
            assert_eq!(Domains::any().without(spelling).unwrap().entitled(address), None);
            let only = Domains::only([spelling]).unwrap();
            assert_eq!(only.entitled(address), Some(Entitled::Discovered), "{spelling}");
            let with = Domains::any().with(spelling, issuer.clone()).unwrap();
            assert_eq!(with.entitled(address), Some(Entitled::Only(&issuer)), "{spelling}");
        }
        let issuer = || Issuer::parse("https://login.example").unwrap();
        for none in
            ["evil.example.", ".evil.example", "*.evil.example", "evil", "", "@evil.example"]
        {
            assert!(Domains::any().without(none).is_err(), "{none}");
            assert!(Domains::only([none]).is_err(), "{none}");
            assert!(Domains::any().with(none, issuer()).is_err(), "{none}");
        }
    }
}
