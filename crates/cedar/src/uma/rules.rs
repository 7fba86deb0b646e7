//! The rules of administrators, by what they are about.
//!
//! A rule names whom it is about (`principal in Domain::"a.example"`) and what (`resource in
//! Owner::"bob"`), or leaves either open. A question looks at those alone that its person and its
//! resource can fit, so that it costs the same with a hundred thousand rules about others.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{
    Effect, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint,
};
use countersign_types::{ClientId, EmailAddress, Issuer};
use countersign_uma::policy::shares::MailDomain;
use countersign_uma::protection::OwnerId;
use countersign_uma::resource::ResourceId;
use serde_json::Value;

use super::says::{Says, description};
use crate::files::RuleSet;
use crate::policies::{Policies, PolicyError, Source};

/// Whom and what a rule is about; `None` where it does not say.
type About = (Option<EntityUid>, Option<EntityUid>);

/// Rules that were parsed and validated as a whole.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    slices: HashMap<About, PolicySet>,
    says: HashMap<PolicyId, Says>,
    descriptions: HashMap<PolicyId, String>,
    /// What somebody is let in to, asked about, or asked more for, whoever they are.
    opened: HashMap<Option<EntityUid>, usize>,
    claims: BTreeSet<String>,
    /// What rules that go by the time are about. One about a single resource may be about
    /// anybody's.
    timed: HashSet<Option<EntityUid>>,
}

impl RuleSet for Rules {
    fn parse(schema: &str, sources: &[Source<'_>]) -> Result<Self, PolicyError> {
        let policies = Policies::parse(schema, sources)?;
        let mut rules = Self::default();
        for policy in policies.into_rules() {
            let id = AsRef::<str>::as_ref(policy.id()).to_owned();
            rules.add(policy).map_err(|reason| PolicyError::Unfit { id, reason })?;
        }
        Ok(rules)
    }

    fn len(&self) -> usize {
        self.says.len()
    }
}

impl Rules {
    fn add(&mut self, policy: Policy) -> Result<(), String> {
        let id = policy.id().clone();
        let says = Says::of(&policy, id.as_ref())?;
        if let Some(text) = description(&policy)? {
            self.descriptions.insert(id.clone(), text.to_owned());
        }
        let json = policy.to_json().map_err(|error| error.to_string())?;
        let is_timed = self.read(&json)?;
        let about = about(&policy);
        for entity in [&about.0, &about.1].into_iter().flatten() {
            check_head(entity, policy.effect())?;
        }
        if is_timed {
            let of_all = |it: &EntityUid| it.type_name().to_string() != "Resource";
            self.timed.insert(about.1.clone().filter(of_all));
        }
        if says != Says::Forbid {
            *self.opened.entry(about.1.clone()).or_default() += 1;
        }
        if let Says::Want(claims) = &says {
            self.claims.extend(claims.iter().cloned());
        }
        self.slices.entry(about).or_default().add(policy).map_err(|error| error.to_string())?;
        self.says.insert(id, says);
        Ok(())
    }

    /// Takes note of the claims that a rule depends on. Whether it goes by the time.
    fn read(&mut self, expression: &Value) -> Result<bool, String> {
        let mut is_timed = false;
        match expression {
            Value::Array(members) => {
                for member in members {
                    is_timed |= self.read(member)?;
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    let at = |path| value.pointer(path).and_then(Value::as_str);
                    is_timed |= match name.as_str() {
                        "hasTag" | "getTag" => {
                            let claim = at("/right/Value").ok_or("a claim is named by a text")?;
                            self.claims.insert(claim.to_owned());
                            self.read(value.get("left").unwrap_or(&Value::Null))?
                        }
                        "." if at("/left/Var") == Some("context") => at("/attr") == Some("time"),
                        // Whoever has the whole of it has the time.
                        "Var" => value == "context",
                        _ => self.read(value)?,
                    };
                }
            }
            _ => {}
        }
        Ok(is_timed)
    }

    /// The slices that people with these parents and a resource with those can fit.
    pub(super) fn slices<'a>(
        &'a self,
        people: &'a [EntityUid],
        resources: &'a [EntityUid],
    ) -> impl Iterator<Item = &'a PolicySet> {
        let person = people.iter().cloned().map(Some).chain([None]);
        person.filter(|_| !self.slices.is_empty()).flat_map(move |person| {
            let resource = resources.iter().cloned().map(Some).chain([None]);
            resource.filter_map(move |resource| self.slices.get(&(person.clone(), resource)))
        })
    }

    pub(super) fn says(&self, id: &PolicyId) -> Option<&Says> {
        self.says.get(id)
    }

    /// What a rule says of itself.
    pub(super) fn description(&self, name: &str) -> Option<&str> {
        self.descriptions.get(&PolicyId::new(name)).map(String::as_str)
    }

    /// Whether anybody at all might be let in to such a resource.
    pub(super) fn speak_of(&self, resources: &[EntityUid]) -> bool {
        let mut about = resources.iter().cloned().map(Some).chain([None]);
        about.any(|about| self.opened.contains_key(&about))
    }

    /// Whether any rule has the owner asked.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.says.values().any(|says| *says == Says::Ask)
    }

    /// The claims that rules may depend on.
    pub(super) const fn claims(&self) -> &BTreeSet<String> {
        &self.claims
    }

    /// Whether any answer can be another when time has passed.
    pub(super) fn is_timed(&self) -> bool {
        !self.timed.is_empty()
    }

    /// Whether an answer about what belongs to these can.
    pub(super) fn is_timed_at(&self, places: &[EntityUid]) -> bool {
        let mut about = places.iter().cloned().map(Some).chain([None]);
        about.any(|about| self.timed.contains(&about))
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Policy> {
        self.slices.values().flat_map(PolicySet::policies)
    }
}

/// Refuses what no question is ever about: a rule that forbids would be silent.
fn check_head(entity: &EntityUid, effect: Effect) -> Result<(), String> {
    let id: &str = entity.id().as_ref();
    let has_one_spelling = match entity.type_name().to_string().as_str() {
        "Audience" | "Offer" => return Err(format!("{entity} is no head of a rule")),
        "Domain" => MailDomain::parse(id).is_some_and(|domain| domain.as_str() == id),
        "Address" => EmailAddress::parse(id).is_ok_and(|address| address.as_str() == id),
        "Issuer" => Issuer::parse(id).is_ok_and(|issuer| issuer.as_str() == id),
        "Owner" => OwnerId::parse(id).is_ok(),
        "ResourceServer" => ClientId::parse(id).is_ok(),
        "Resource" => ResourceId::parse(id).is_ok(),
        _ => true,
    };
    if !has_one_spelling {
        return Err(format!("{entity} is not in its one spelling"));
    }
    // Whoever is kept out by an address is so however it is spelled: it is compared in small
    // letters.
    let is_address = entity.type_name().to_string() == "Address";
    if is_address && effect == Effect::Forbid && id.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!("{entity} forbids in small letters alone"));
    }
    Ok(())
}

fn about(policy: &Policy) -> About {
    let person = match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        PrincipalConstraint::In(entity)
        | PrincipalConstraint::Eq(entity)
        | PrincipalConstraint::IsIn(_, entity) => Some(entity),
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        ResourceConstraint::In(entity)
        | ResourceConstraint::Eq(entity)
        | ResourceConstraint::IsIn(_, entity) => Some(entity),
    };
    (person, resource)
}
