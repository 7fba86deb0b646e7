//! Which issuer may say what of whose people, where an administrator limits it.
//!
//! Without a word here, the issuer that a mail domain names speaks for the domain's people, and all
//! it says of them counts. An [`IssuerRule`] can only narrow that, with one exception that it has
//! to ask for: of a [hosted](IssuerRule::hosted) domain the administrator says who speaks for it,
//! and the domain itself is not asked.

use std::collections::BTreeSet;

use countersign_types::{EmailAddress, Issuer};
use serde::{Deserialize, Serialize};

use crate::person::Person;
use crate::policy::Revision;
use crate::policy::shares::MailDomain;

/// What one issuer may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerRule {
    /// The issuer.
    pub issuer: Issuer,
    /// The mail domains it may speak for. It speaks for no other, and no issuer that no rule names
    /// for one of them speaks for that. Empty for whichever domains name it.
    #[serde(default)]
    pub domains: BTreeSet<MailDomain>,
    /// Whether it speaks for them without their being asked.
    #[serde(default)]
    pub hosted: bool,
    /// The claims that it is heard about, beside issuer, subject, address and presence; all of them
    /// if there is no such list. By another one nobody is let in, and nobody let off: policy that
    /// keeps somebody out goes by it all the same ([`Person::unheard`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<BTreeSet<String>>,
}

/// Why there are no such rules.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuersError {
    /// Every domain would be hosted.
    #[error("an issuer is host of the domains that are named")]
    HostOfAll,
    /// Two rules for one issuer, of which neither would say it all.
    #[error("{0} has a rule already")]
    Twice(Issuer),
    /// Another rule speaks of a domain that is hosted.
    #[error("{0} is hosted, and nobody else speaks for it")]
    Hosted(MailDomain),
}

/// Rules about issuers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuers {
    rules: Vec<IssuerRule>,
    only_these: bool,
}

impl Issuers {
    /// No rules.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { rules: Vec::new(), only_these: false }
    }

    /// These rules. With `only_these`, an issuer that none of them names is heard about nobody.
    ///
    /// # Errors
    /// [`IssuersError`].
    pub fn new(rules: Vec<IssuerRule>, only_these: bool) -> Result<Self, IssuersError> {
        for (index, rule) in rules.iter().enumerate() {
            if rule.hosted && rule.domains.is_empty() {
                return Err(IssuersError::HostOfAll);
            }
            for other in rules.iter().skip(index.saturating_add(1)) {
                if other.issuer == rule.issuer {
                    return Err(IssuersError::Twice(rule.issuer.clone()));
                }
                if let Some(both) = rule.domains.intersection(&other.domains).next()
                    && (rule.hosted || other.hosted)
                {
                    return Err(IssuersError::Hosted(both.clone()));
                }
            }
        }
        Ok(Self { rules, only_these })
    }

    fn rule(&self, issuer: &Issuer) -> Option<&IssuerRule> {
        self.rules.iter().find(|rule| rule.issuer == *issuer)
    }

    /// Whether this issuer may say anything of who has this address.
    #[must_use]
    pub fn admit(&self, issuer: &Issuer, email: &EmailAddress) -> bool {
        let domain = email.domain();
        match self.rule(issuer) {
            Some(rule) if !rule.domains.is_empty() => rule.domains.contains(domain),
            Some(_) => !self.is_taken(domain),
            None => !self.only_these && !self.is_taken(domain),
        }
    }

    /// Whether there are rules about who speaks for this domain.
    fn is_taken(&self, domain: &str) -> bool {
        self.rules.iter().any(|rule| rule.domains.contains(domain))
    }

    /// Who speaks for this address without its domain being asked.
    #[must_use]
    pub fn host(&self, email: &EmailAddress) -> Option<&Issuer> {
        let mut hosts = self.rules.iter().filter(|rule| rule.hosted);
        let host = hosts.find(|rule| rule.domains.contains(email.domain()));
        host.map(|rule| &rule.issuer)
    }

    /// The person, with those of the claims about which their issuer is heard, and the others set
    /// aside ([`Person::unheard`]).
    #[must_use]
    pub fn heard(&self, mut person: Person) -> Person {
        // Another rule may have set them aside, or none.
        person.claims.append(&mut person.unheard);
        if let Some(claims) = self.rule(&person.iss).and_then(|rule| rule.claims.as_ref()) {
            let (heard, unheard) = std::mem::take(&mut person.claims)
                .into_iter()
                .partition(|(n, _)| claims.contains(n));
            (person.claims, person.unheard) = (heard, unheard);
        }
        person
    }

    /// Another value for other rules; `None` if there are none.
    pub(crate) fn revision(&self) -> Option<Revision> {
        // INVARIANT: a rule is made of text, so there is always JSON for it.
        let text = || serde_json::to_vec(&(&self.rules, self.only_these)).unwrap_or_default();
        let is_any = self.only_these || !self.rules.is_empty();
        is_any.then(|| Revision::of(text()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuers(rules: serde_json::Value, only_these: bool) -> Result<Issuers, IssuersError> {
        Issuers::new(serde_json::from_value(rules).unwrap(), only_these)
    }

    #[track_caller]
    fn admits(issuers: &Issuers, issuer: &str, email: &str) -> bool {
        issuers.admit(&Issuer::parse(issuer).unwrap(), &EmailAddress::parse(email).unwrap())
    }

    #[test]
    fn who_may_speak_for_whom() {
        let rules = json!([
            {"issuer": "https://a.example", "domains": ["A.example", "b.example"]},
            {"issuer": "https://second.example", "domains": ["b.example"]},
            {"issuer": "https://any.example", "claims": []},
            {"issuer": "https://host.example", "domains": ["hosted.example"], "hosted": true},
        ]);
        for only_these in [false, true] {
            let issuers = issuers(rules.clone(), only_these).unwrap();
            for (issuer, email, may) in [
                ("https://a.example", "x@a.example", true),
                ("https://a.example", "x@b.example", true),
                ("https://a.example", "x@c.example", false),
                ("https://a.example", "x@sub.a.example", false),
                ("https://a.example/", "x@a.example", false),
                ("https://second.example", "x@b.example", true),
                ("https://second.example", "x@a.example", false),
                ("https://any.example", "x@c.example", true),
                ("https://any.example", "x@a.example", false),
                ("https://host.example", "x@hosted.example", true),
                ("https://hosted.example", "x@hosted.example", false),
                ("https://other.example", "x@c.example", !only_these),
                ("https://other.example", "x@a.example", false),
            ] {
                assert_eq!(admits(&issuers, issuer, email), may, "{issuer} {email} {only_these}");
            }
            let host = |email: &str| issuers.host(&EmailAddress::parse(email).unwrap());
            assert_eq!(host("x@hosted.example").unwrap().as_str(), "https://host.example");
            assert_eq!(host("x@a.example"), None);
        }
        assert!(admits(&Issuers::default(), "https://x.example", "x@x.example"));
        assert!(!admits(&issuers(json!([]), true).unwrap(), "https://x.example", "x@x.example"));
    }

    #[test]
    fn rules_that_contradict_each_other_are_refused() {
        let host = |name: &str| json!({"issuer": name, "domains": ["a.example"], "hosted": true});
        let one = json!({"issuer": "https://a.example", "domains": ["a.example"]});
        for (rules, why) in [
            (json!([{"issuer": "https://a.example", "hosted": true}]), "domains that are named"),
            (json!([one, one]), "a rule already"),
            (json!([host("https://h.example"), one]), "nobody else"),
            (json!([one, host("https://h.example")]), "nobody else"),
        ] {
            let error = issuers(rules.clone(), false).unwrap_err().to_string();
            assert!(error.contains(why), "{rules}: {error}");
        }
    }

    #[test]
    fn revisions_are_of_the_rules() {
        let one = json!([{"issuer": "https://a.example", "claims": ["team"]}]);
        let revision = |rules, only| issuers(rules, only).unwrap().revision();
        assert_eq!(revision(one.clone(), false), revision(one.clone(), false));
        assert_ne!(revision(one.clone(), false), revision(one, true));
        assert_eq!(Issuers::default().revision(), None);
    }
}
