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
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protection::OwnerId;
    use crate::resource::{ResourceDescription, ResourceId};

    fn protection(resource_server: &str) -> Protection {
        let owner = OwnerId::parse("bob").unwrap();
        Protection::new(owner, ClientId::parse(resource_server).unwrap())
    }

    fn rules(rules: Value) -> Rules {
        let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
        Rules::new().with(protection("rs"), rules)
    }

    fn person(iss: &str, email: &str, claims: Value) -> Person {
        Person {
            iss: Issuer::parse(iss).unwrap(),
            sub: "1".to_owned(),
            email: EmailAddress::parse(email).unwrap(),
            present: claims.get("absent").is_none(),
            claims: claims.as_object().unwrap().clone(),
            unheard: serde_json::Map::new(),
            vouching: crate::person::Vouching::default(),
        }
    }

    const NOW: Timestamp = Timestamp::from_unix(0);

    struct Case {
        resource_server: &'static str,
        name: &'static str,
        scope: &'static str,
        client: &'static str,
    }

    const CASE: Case = Case { resource_server: "rs", name: "RS API", scope: "get", client: "app" };

    #[track_caller]
    fn ruling(rules: &Rules, case: &Case, person: Option<&Person>) -> Ruling {
        let description = json!({"resource_scopes": ["get", "put"], "name": case.name});
        let description = ResourceDescription::parse(description.to_string().as_bytes()).unwrap();
        rules.assess(&PolicyRequest {
            protection: &protection(case.resource_server),
            resource_id: &ResourceId::parse("r1").unwrap(),
            resource: &description,
            scope: case.scope,
            person,
            client: &ClientId::parse(case.client).unwrap(),
            now: Timestamp::from_unix(0),
        })
    }

    #[track_caller]
    fn check(rules: &Rules, case: &Case, person: Option<&Person>) -> Decision {
        ruling(rules, case, person).decision
    }

    #[test]
    fn without_rules_everything_is_denied() {
        let alice = person("https://a.example", "alice@a.example", json!({}));
        for rules in [Rules::new(), rules(json!([]))] {
            assert_eq!(check(&rules, &CASE, None), Decision::Deny);
            assert_eq!(check(&rules, &CASE, Some(&alice)), Decision::Deny);
        }
    }

    #[test]
    fn a_rule_permits_what_it_says_and_nothing_else() {
        let rules = rules(json!([{
            "resource": "RS API", "scopes": ["get"], "emails": ["alice@a.example"],
            "issuers": ["https://a.example"], "clients": ["app"],
        }]));
        let alice = person("https://a.example", "alice@a.example", json!({}));
        assert_eq!(check(&rules, &CASE, Some(&alice)), Decision::Permit);
        for (name, case) in [
            ("resource server", Case { resource_server: "other", ..CASE }),
            ("resource", Case { name: "rs api", ..CASE }),
            ("scope", Case { scope: "put", ..CASE }),
            ("client", Case { client: "app2", ..CASE }),
        ] {
            assert_eq!(check(&rules, &case, Some(&alice)), Decision::Deny, "{name}");
            assert_eq!(check(&rules, &case, None), Decision::Deny, "{name}");
        }
        for (iss, email) in [
            ("https://b.example", "alice@a.example"),
            ("https://a.example/", "alice@a.example"),
            ("https://a.example", "Alice@a.example"),
            ("https://a.example", "alice@a.example.evil.example"),
        ] {
            let other = person(iss, email, json!({}));
            assert_eq!(check(&rules, &CASE, Some(&other)), Decision::Deny, "{iss} {email}");
        }
    }

    #[test]
    fn without_a_person_the_claims_are_named() {
        let rules = rules(json!([
            {"resource": "*", "scopes": ["get"], "domains": ["A.example"],
             "issuers": ["https://a.example"], "claims": {"department": "research"}},
            {"resource": "RS API", "scopes": ["get"], "domains": ["b.example"],
             "issuers": ["https://b.example"]},
        ]));
        let Decision::NeedClaims(needed) = check(&rules, &CASE, None) else { panic!() };
        assert_eq!(
            serde_json::to_value(needed).unwrap(),
            json!([
                {"name": "email", "issuer": ["https://a.example", "https://b.example"],
                 "claim_token_format": ["urn:ietf:params:oauth:token-type:jwt"]},
                {"name": "department", "issuer": ["https://a.example"],
                 "claim_token_format": ["urn:ietf:params:oauth:token-type:jwt"]},
            ])
        );
    }

    #[test]
    fn claims_must_hold() {
        let rules = rules(json!([{
            "resource": "*", "scopes": ["get"], "domains": ["*"], "claims": {"roles": "admin"},
        }]));
        let with = |claims| person("https://a.example", "alice@a.example", claims);
        for (claims, permit) in [
            (json!({"roles": "admin"}), true),
            (json!({"roles": ["user", "admin"]}), true),
            (json!({"roles": ["administrator"]}), false),
            (json!({"roles": "admin user"}), false),
            (json!({"roles": null}), false),
        ] {
            let decision = check(&rules, &CASE, Some(&with(claims.clone())));
            let expected = if permit { Decision::Permit } else { Decision::Deny };
            assert_eq!(decision, expected, "{claims}");
        }
        let decision = check(&rules, &CASE, Some(&with(json!({}))));
        assert_eq!(decision, Decision::NeedClaims(vec![RequiredClaim::named("roles")]));
    }

    #[test]
    fn a_rule_can_ask_for_a_person_who_is_present() {
        let rules = rules(json!([{
            "resource": "*", "scopes": ["get"], "domains": ["*"], "present": true,
        }]));
        let alice = person("https://a.example", "alice@a.example", json!({}));
        assert_eq!(check(&rules, &CASE, Some(&alice)), Decision::Permit);
        let agent = person("https://a.example", "alice@a.example", json!({"absent": true}));
        assert_eq!(check(&rules, &CASE, Some(&agent)), Decision::Deny);
    }

    #[test]
    fn a_rule_can_ask_the_owner_first() {
        let rules = rules(json!([
            {"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true},
            {"resource": "*", "scopes": ["get"], "emails": ["alice@a.example"]},
            {"resource": "*", "scopes": ["get"], "domains": ["c.example"], "claims": {"a": 1}},
        ]));
        let alice = person("https://a.example", "alice@a.example", json!({}));
        assert_eq!(check(&rules, &CASE, Some(&alice)), Decision::Permit, "a rule without");
        let bob = person("https://b.example", "bob@b.example", json!({}));
        assert_eq!(check(&rules, &CASE, Some(&bob)), Decision::AskOwner);
        let carol = person("https://c.example", "carol@c.example", json!({}));
        assert_eq!(check(&rules, &CASE, Some(&carol)), Decision::AskOwner, "lacks a claim, too");
        let nobody = check(&rules, &CASE, None);
        assert!(matches!(nobody, Decision::NeedClaims(_)), "nobody is asked about nobody");
        assert_eq!(check(&rules, &Case { scope: "put", ..CASE }, Some(&bob)), Decision::Deny);
    }

    #[test]
    fn a_ruling_says_what_it_rests_on() {
        let rules = rules(json!([
            {"resource": "*", "scopes": ["get"], "domains": ["*"], "claims": {"team": "x", "unit": 1}},
            {"resource": "*", "scopes": ["get"], "domains": ["b.example"], "ask": true},
            {"resource": "*", "scopes": ["get"], "domains": ["c.example"]},
        ]));
        for (email, claims, why) in [
            ("a@a.example", json!({}), "claim \"team\" is missing, claim \"unit\" is missing"),
            ("a@a.example", json!({"team": "y"}), "claim \"team\" is another"),
            ("a@a.example", json!({"team": ["x", "y"], "unit": 1}), "by \"rule 1\""),
            ("b@b.example", json!({}), "by \"rule 2\""),
            ("c@c.example", json!({}), "by \"rule 3\""),
        ] {
            let person = person("https://a.example", email, claims.clone());
            let said = ruling(&rules, &CASE, Some(&person)).why;
            let said: Vec<_> = said.iter().map(ToString::to_string).collect();
            assert_eq!(said.join(", "), why, "{email} {claims}");
        }
    }

    #[test]
    fn a_revision_is_of_the_rules_and_of_no_one_elses() {
        let rule = |email: &str| json!([{"resource": "*", "scopes": ["get"], "emails": [email]}]);
        let one = rules(rule("alice@a.example"));
        let (own, other) = (protection("rs"), protection("rs2"));
        assert_eq!(one.revision(&own, NOW), rules(rule("alice@a.example")).revision(&own, NOW));
        let more: Vec<Rule> = serde_json::from_value(rule("bob@a.example")).unwrap();
        let two = one.clone().with(other.clone(), more.clone());
        assert_eq!(one.revision(&own, NOW), two.revision(&own, NOW));
        assert_ne!(one.revision(&other, NOW), two.revision(&other, NOW));
        for changed in
            [rules(rule("eve@a.example")), rules(json!([])), one.clone().with(own.clone(), more)]
        {
            assert_ne!(one.revision(&own, NOW), changed.revision(&own, NOW));
        }
        assert_eq!(Rules::new().revision(&own, NOW), rules(json!([])).revision(&own, NOW));
    }

    #[test]
    fn the_claims_are_those_that_rules_name() {
        let rules = rules(json!([
            {"resource": "*", "scopes": ["get"], "claims": {"roles": "admin"}},
            {"resource": "*", "scopes": ["put"], "claims": {"roles": "user", "team": "x"}},
        ]));
        assert!(rules.claims(&protection("rs")).iter().eq(["roles", "team"]));
        assert!(rules.claims(&protection("rs2")).is_empty());
    }

    #[test]
    fn a_rule_that_says_nothing_is_refused() {
        for (rule, why) in [
            (json!({"resource": "*", "scopes": ["get"]}), "says who"),
            (json!({"resource": "", "scopes": ["get"], "domains": ["*"]}), "names its resource"),
            (json!({"resource": "*", "scopes": [], "domains": ["*"]}), "at least one scope"),
            (json!({"resource": "*", "scopes": ["get"], "domains": ["localhost"]}), "domain name"),
            (json!({"resource": "*", "scopes": ["get"], "domain": ["a.example"]}), "unknown field"),
        ] {
            let error = serde_json::from_value::<Rule>(rule.clone()).unwrap_err().to_string();
            assert!(error.contains(why), "{rule}: {error}");
        }
    }
}
