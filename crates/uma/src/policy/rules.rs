//! Policy as a list of rules from configuration. What no rule permits is denied.

use std::collections::{BTreeMap, BTreeSet};

use countersign_types::email::canonical_domain;
use countersign_types::{ClientId, EmailAddress, Issuer, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Decision, Policy, PolicyRequest, Reason, RequiredClaim, Revision, Ruling};
use crate::person::Person;
use crate::protection::Protection;

/// Stands for every resource, or every e-mail domain, where a rule says so in as many words.
pub const ANY: &str = "*";

/// A rule as configuration spells it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// The name of a resource, or `*` for all of this owner at this resource server.
    pub resource: String,
    /// The scopes that the rule permits.
    pub scopes: ScopeSet,
    /// The e-mail addresses of the people it permits them to.
    #[serde(default)]
    pub emails: BTreeSet<EmailAddress>,
    /// The domains of their e-mail addresses, or `*`.
    #[serde(default)]
    pub domains: BTreeSet<String>,
    /// Their identity providers.
    #[serde(default)]
    pub issuers: BTreeSet<Issuer>,
    /// Claims they have: equal to the value, or a list with the value in it.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
    /// The clients through which they may come; empty for every client.
    #[serde(default)]
    pub clients: BTreeSet<ClientId>,
    /// Whether they must have signed in themselves.
    #[serde(default)]
    pub present: bool,
    /// Whether the owner is asked first.
    #[serde(default)]
    pub ask: bool,
}

/// A rule: permits its scopes at its resources to the people it describes.
///
/// A person fits who has one of the addresses or domains (if any is given), one of the issuers (if
/// any), and all of the claims.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "RuleConfig")]
pub struct Rule(RuleConfig);

/// Why a rule is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// The resource's name is empty.
    #[error("a rule names its resource, or * for all")]
    Resource,
    /// No scope.
    #[error("a rule permits at least one scope")]
    Scopes,
    /// Nobody is described, which must not come to mean everybody.
    #[error("a rule says who: emails, domains, issuers or claims (domains = [\"*\"] for anyone)")]
    Nobody,
    /// Not a domain name.
    #[error("{0:?} is not a domain name")]
    Domain(String),
}

impl TryFrom<RuleConfig> for Rule {
    type Error = RuleError;

    fn try_from(mut config: RuleConfig) -> Result<Self, RuleError> {
        if config.resource.is_empty() {
            return Err(RuleError::Resource);
        }
        if config.scopes.is_empty() {
            return Err(RuleError::Scopes);
        }
        let nobody = config.emails.is_empty()
            && config.domains.is_empty()
            && config.issuers.is_empty()
            && config.claims.is_empty();
        if nobody {
            return Err(RuleError::Nobody);
        }
        let canonical = |domain: String| match canonical_domain(&domain) {
            _ if domain == ANY => Ok(domain),
            Some(canonical) => Ok(canonical),
            None => Err(RuleError::Domain(domain)),
        };
        config.domains = config.domains.into_iter().map(canonical).collect::<Result<_, _>>()?;
        Ok(Self(config))
    }
}

/// What one rule says of a person.
enum Fit<'a> {
    Fits,
    Lacks(Vec<RequiredClaim>),
    /// This claim of theirs is another.
    Differs(&'a str),
    Unfit,
}

impl Rule {
    /// Whether the owner is asked first about those whom the rule describes.
    #[must_use]
    pub const fn asks(&self) -> bool {
        self.0.ask
    }

    /// Whether the rule speaks of this resource, scope and client.
    fn applies(&self, request: &PolicyRequest<'_>) -> bool {
        let Self(rule) = self;
        let resource = rule.resource == ANY || request.resource.name() == Some(&*rule.resource);
        let client = rule.clients.is_empty() || rule.clients.contains(request.client);
        resource && client && rule.scopes.contains(request.scope)
    }

    fn fit(&self, person: Option<&Person>) -> Fit<'_> {
        let Self(rule) = self;
        let named = |name: &String| {
            RequiredClaim::named(name.clone()).with_issuers(rule.issuers.iter().cloned())
        };
        let Some(person) = person else {
            let email = RequiredClaim::email().with_issuers(rule.issuers.iter().cloned());
            return Fit::Lacks([email].into_iter().chain(rule.claims.keys().map(named)).collect());
        };
        let issuer = rule.issuers.is_empty() || rule.issuers.contains(&person.iss);
        if !issuer || !self.knows(&person.email) || (rule.present && !person.present) {
            return Fit::Unfit;
        }
        let mut lacking = Vec::new();
        for (name, wanted) in &rule.claims {
            match person.claims.get(name) {
                None => lacking.push(named(name)),
                Some(value) if holds(value, wanted) => {}
                Some(_) => return Fit::Differs(name),
            }
        }
        if lacking.is_empty() { Fit::Fits } else { Fit::Lacks(lacking) }
    }

    fn knows(&self, email: &EmailAddress) -> bool {
        let Self(rule) = self;
        let anyone = rule.emails.is_empty() && rule.domains.is_empty();
        anyone
            || rule.emails.contains(email)
            || rule.domains.contains(email.domain())
            || rule.domains.contains(ANY)
    }
}

/// What a rule is called: its place among its owner's.
fn name(index: usize) -> Reason {
    Reason::Policy(format!("rule {}", index.saturating_add(1)))
}

fn holds(value: &Value, wanted: &Value) -> bool {
    value == wanted || value.as_array().is_some_and(|values| values.contains(wanted))
}

/// The rules of every owner at every resource server.
#[derive(Clone, Debug, Default)]
pub struct Rules(BTreeMap<Protection, Owned>);

/// One owner's rules for one resource server.
#[derive(Clone, Debug)]
struct Owned {
    rules: Vec<Rule>,
    revision: Revision,
}

impl Owned {
    fn new(rules: Vec<Rule>) -> Self {
        // INVARIANT: a rule is made of text, lists and JSON, so there is always JSON for it.
        let revision = Revision::of(serde_json::to_vec(&rules).unwrap_or_default());
        Self { rules, revision }
    }
}

impl Rules {
    /// No rule: everything is denied.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an owner's rules for what a resource server holds for them. They say nothing about
    /// anybody else's resources, whatever those are called.
    #[must_use]
    pub fn with(mut self, protection: Protection, rules: impl IntoIterator<Item = Rule>) -> Self {
        let known = self.0.remove(&protection).map(|owned| owned.rules);
        let rules = known.into_iter().flatten().chain(rules).collect();
        self.0.insert(protection, Owned::new(rules));
        self
    }

    fn of(&self, protection: &Protection) -> &[Rule] {
        self.0.get(protection).map_or(&[], |owned| &owned.rules)
    }
}

impl Policy for Rules {
    fn assess(&self, request: &PolicyRequest<'_>) -> Ruling {
        let rules = self.of(request.protection).iter().enumerate();
        let (mut needed, mut asks, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for (index, rule) in rules.filter(|(_, rule)| rule.applies(request)) {
            match rule.fit(request.person) {
                Fit::Fits if rule.asks() => asks.push(name(index)),
                Fit::Fits => {
                    return Ruling { decision: Decision::Permit, why: vec![name(index)] };
                }
                Fit::Lacks(claims) => {
                    for claim in claims {
                        RequiredClaim::join(&mut needed, claim);
                    }
                }
                Fit::Differs(claim) => wrong.push(Reason::Wrong(claim.to_owned())),
                Fit::Unfit => {}
            }
        }
        // Whoever could do with more claims had the chance to push them: all are named at first.
        if !asks.is_empty() {
            return Ruling { decision: Decision::AskOwner, why: asks };
        }
        let missing = needed.iter().map(|claim| Reason::Missing(claim.name.clone()));
        let why = missing.chain(wrong).collect();
        let decision =
            if needed.is_empty() { Decision::Deny } else { Decision::NeedClaims(needed) };
        Ruling { decision, why }
    }

    /// A digest of the rules: the same over restarts, and another as soon as one of them is.
    fn revision(&self, protection: &Protection, _: Timestamp) -> Revision {
        let none = || Owned::new(Vec::new()).revision;
        self.0.get(protection).map_or_else(none, |owned| owned.revision)
    }

    /// The claims that some rule names.
    fn claims(&self, protection: &Protection) -> BTreeSet<String> {
        self.of(protection).iter().flat_map(|Rule(rule)| rule.claims.keys().cloned()).collect()
    }
}

#[cfg(test)]
mod tests;
