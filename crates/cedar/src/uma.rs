//! Who may reach what at a UMA authorization server: what owners share, and the rules of
//! administrators, in Cedar.
//!
//! ```cedar
//! @id("research reads the manuals")
//! permit (principal in Domain::"alice.example", action, resource in Owner::"bob")
//! when {
//!     context.scope == Scope::"get" && resource has type && resource.type == "manual" &&
//!     principal.hasTag("department") && principal.getTag("department").contains("research")
//! };
//!
//! @id("the department is wanted for the manuals")
//! @need_info("department")
//! permit (principal in Domain::"alice.example", action, resource in Owner::"bob")
//! when { context.scope == Scope::"get" && resource has type && resource.type == "manual" };
//!
//! @id("strangers are asked about")
//! @ask
//! permit (principal, action, resource in ResourceServer::"rs-bob")
//! when { context.scope == Scope::"message:create" && principal.present };
//!
//! @id("not by that provider")
//! forbid (principal in Issuer::"https://sts.mallory.example", action, resource);
//! ```
//!
//! An owner's [`Share`] is a link of a template: the audience says with whom, the offer says what.
//! It is made when it is needed, out of those shares that can say anything of the question, and
//! nothing is parsed for it.
//!
//! | what holds | answer |
//! |---|---|
//! | any `forbid`, or a rule that cannot be evaluated | denied |
//! | a `permit` | permitted |
//! | a `permit` with `@ask` | the owner is asked |
//! | a `permit` with `@need_info`, of whose claims one is missing | these claims are needed |
//! | nothing | denied |
//!
//! What a rule says of itself (`@description("what research may read")`) stands beside its name
//! wherever an owner or the log is told that it decided.
//!
//! The first row that fits decides. Rules of the configuration
//! ([`Rules`](countersign_uma::policy::rules::Rules)) have their say beside those of files, and
//! what is forbidden here they do not permit. Nobody is permitted anything before claims about them
//! are verified.

mod facts;
mod rules;
mod says;
mod shares;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use cedar_policy::{Authorizer, Entities, PolicySet, Request};
use countersign_types::{EmailAddress, Timestamp};
use countersign_uma::policy::rules::Rules as ConfiguredRules;
use countersign_uma::policy::{
    Decision, Policy, PolicyRequest, Reason, RequiredClaim, Revision, Ruling, Share, Shares,
};
use countersign_uma::{Person, Protection};

use self::facts::{Facts, Names, together};
pub use self::rules::Rules;
use self::says::Said;
use self::shares::Templates;
use crate::files::{PolicyFiles, RuleSet as _};
use crate::policies::PolicyError;

/// What rules may speak of.
pub const SCHEMA: &str = include_str!("../schemas/uma.cedarschema");

/// Decides by what owners share, by the rules of files, and by those of the configuration.
///
/// Before an owner's shares are [loaded](Shares::load) everything of theirs is denied.
#[derive(Debug)]
pub struct CedarUma {
    names: Names,
    templates: Templates,
    files: Arc<PolicyFiles<Rules>>,
    configured: ConfiguredRules,
    shares: RwLock<Shares>,
}

impl CedarUma {
    /// Rules that were opened with [`SCHEMA`], beside those of the configuration.
    ///
    /// # Errors
    /// [`PolicyError`] if the templates of this crate are not what they should be.
    pub fn new(
        files: Arc<PolicyFiles<Rules>>,
        configured: ConfiguredRules,
    ) -> Result<Self, PolicyError> {
        let names = Names::new()?;
        let shares = RwLock::new(Shares::new());
        Ok(Self { names, templates: Templates::parse()?, files, configured, shares })
    }

    /// A holder that panicked left every share as it was before or after a change.
    fn known(&self) -> RwLockReadGuard<'_, Shares> {
        self.shares.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For each question the shares that can say anything of it; `None` as long as they are not
    /// loaded.
    fn shares_about(
        &self,
        asked: &[PolicyRequest<'_>],
        person: &Person,
    ) -> Option<Vec<Vec<Arc<Share>>>> {
        let known = self.known();
        let about = |one: &PolicyRequest<'_>| {
            known.about(one.protection, one.resource_id, one.scope, person, one.now)
        };
        let is_loaded = asked.iter().all(|one| known.is_loaded(one.protection));
        is_loaded.then(|| asked.iter().map(about).collect())
    }

    /// What shares and the rules of files say of a person, for each question that is [asked
    /// together](together).
    fn say(
        &self,
        rules: &Rules,
        asked: &[PolicyRequest<'_>],
        person: &Person,
        shares: &[Vec<Arc<Share>>],
    ) -> Vec<Said> {
        let among: HashSet<_> = shares.iter().flatten().map(|share| share.terms.who()).collect();
        if among.is_empty() && rules.is_empty() {
            return vec![Said::default(); asked.len()];
        }
        // The index found the shares for this person; whether they count is decided by Cedar.
        let facts = Facts::new(&self.names, asked, person, among.into_iter(), rules.claims());
        let otherwise = otherwise(rules, person);
        let otherwise = otherwise.iter().map(|(other, narrow)| {
            let nobody = std::iter::empty();
            let facts = Facts::new(&self.names, asked, other, nobody, rules.claims())?;
            Ok((facts, *narrow))
        });
        let (facts, otherwise) = match (facts, otherwise.collect::<Result<Vec<_>, String>>()) {
            (Ok(facts), Ok(otherwise)) => (facts, otherwise),
            (Err(error), _) | (_, Err(error)) => return vec![Said::failed(error); asked.len()],
        };
        let say = |(one, shares): (&PolicyRequest<'_>, &Vec<Arc<Share>>)| {
            self.say_one(rules, &facts, one, shares, |said| {
                for (other, narrow) in &otherwise {
                    narrow(said, self.say_one(rules, other, one, &[], |_| ()));
                }
            })
        };
        asked.iter().zip(shares).map(say).collect()
    }

    /// What is said to one question: by those rules of files that can fit, as far as they are not
    /// narrowed, and by these shares.
    fn say_one(
        &self,
        rules: &Rules,
        facts: &Facts<'_>,
        asked: &PolicyRequest<'_>,
        shares: &[Arc<Share>],
        narrow: impl FnOnce(&mut Said),
    ) -> Said {
        let mut said = Said::default();
        let resources = self.names.resources(asked);
        let mut slices = rules.slices(&facts.people, &resources).peekable();
        let request = if slices.peek().is_none() && shares.is_empty() {
            None
        } else {
            match facts.request(asked) {
                Ok(request) => Some(request),
                Err(error) => return Said::failed(error),
            }
        };
        let has = |claim: &str| facts.has(claim);
        if let Some(request) = &request {
            for slice in slices {
                hold(slice, request, facts.entities(), &mut said, |said, id| {
                    if let Some(says) = rules.says(id) {
                        said.add(AsRef::<str>::as_ref(id).to_owned(), says, has);
                    }
                });
            }
        }
        narrow(&mut said);
        if let Some(request) = request.filter(|_| !shares.is_empty()) {
            match self.templates.link(&self.names, asked.protection, shares, asked.scope) {
                Ok(links) => hold(&links, &request, facts.entities(), &mut said, |said, id| {
                    if let Some(says) = self.templates.says(&links, id) {
                        said.add(AsRef::<str>::as_ref(id).to_owned(), says, has);
                    }
                }),
                Err(error) => said.errors.push(error),
            }
        }
        said
    }

    /// The answers to what is [asked together](together).
    fn rule(&self, rules: &Rules, asked: &[PolicyRequest<'_>]) -> Vec<Ruling> {
        let Some(PolicyRequest { protection, person, .. }) = asked.first().copied() else {
            return Vec::new();
        };
        // What is not loaded may be what forbids.
        let not_loaded = || {
            let why = vec![Reason::Failed("what the owner shares is not loaded".to_owned())];
            vec![Ruling { decision: Decision::Deny, why }; asked.len()]
        };
        let Some(person) = person else {
            if !self.known().is_loaded(protection) {
                return not_loaded();
            }
            return asked.iter().map(|one| self.say_of_nobody(rules, one)).collect();
        };
        let Some(shares) = self.shares_about(asked, person) else { return not_loaded() };
        let said = self.say(rules, asked, person, &shares).into_iter();
        let ruling = |(said, one): (Said, &PolicyRequest<'_>)| {
            for error in &said.errors {
                tracing::error!(owner = %protection.owner, error, "no policy decision");
            }
            let is_forbidden = !said.forbids.is_empty() || !said.errors.is_empty();
            let (decision, why) = said.ruling();
            let own = Ruling { decision, why };
            if is_forbidden { own } else { either(self.configured.assess(one), own) }
        };
        said.zip(asked).map(ruling).collect()
    }

    /// What is said of nobody in particular: more is needed where anybody might be let in.
    fn say_of_nobody(&self, rules: &Rules, asked: &PolicyRequest<'_>) -> Ruling {
        let PolicyRequest { protection, resource_id, scope, .. } = *asked;
        let resources = self.names.resources(asked);
        let configured = self.configured.assess(asked);
        if !self.known().speak_of(protection, resource_id, scope) && !rules.speak_of(&resources) {
            return configured;
        }
        let mut needed = vec![RequiredClaim::email()];
        if let Decision::NeedClaims(claims) = configured.decision {
            for claim in claims {
                RequiredClaim::join(&mut needed, claim);
            }
        }
        let why = needed.iter().map(|claim| Reason::Missing(claim.name.clone())).collect();
        Ruling { decision: Decision::NeedClaims(needed), why }
    }
}

/// What the rules of files say of the person is narrowed by what they would say of them otherwise.
/// What their provider says and is not heard about may be true or not: it lets nobody in, and
/// nobody off. And whoever is kept out by an address is so by small and by large letters.
fn otherwise(rules: &Rules, person: &Person) -> Vec<(Person, Narrow)> {
    let mut others: Vec<(Person, Narrow)> = Vec::new();
    if rules.is_empty() {
        return others;
    }
    if rules.claims().iter().any(|claim| person.unheard.contains_key(claim)) {
        others.push((with_unheard(person), Said::narrow));
    }
    if let Some(email) = in_small_letters(&person.email) {
        let all = others.iter().map(|(other, _)| other.clone()).chain([person.clone()]);
        let spelled = all.map(|other| Person { email: email.clone(), ..other });
        let spelled: Vec<_> = spelled.map(|other| (other, Said::forbid as Narrow)).collect();
        others.extend(spelled);
    }
    others
}

/// How what is said of a person becomes less.
type Narrow = fn(&mut Said, Said);

/// The person with all that their provider says, heard or not.
fn with_unheard(person: &Person) -> Person {
    let mut all = person.clone();
    all.claims.extend(std::mem::take(&mut all.unheard));
    all
}

/// The address in small letters, if it is another then.
fn in_small_letters(address: &EmailAddress) -> Option<EmailAddress> {
    let text = address.as_str();
    let is_other = text.bytes().any(|b| b.is_ascii_uppercase());
    is_other.then(|| EmailAddress::parse(&text.to_ascii_lowercase()).ok()).flatten()
}

/// Has a set of rules evaluated, and tells which of them hold.
fn hold(
    rules: &PolicySet,
    request: &Request,
    entities: &Entities,
    said: &mut Said,
    mut holds: impl FnMut(&mut Said, &cedar_policy::PolicyId),
) {
    // Where something forbids, the rest of the same set is not named: it makes no difference.
    let response = Authorizer::new().is_authorized(request, rules, entities);
    for id in response.diagnostics().reason() {
        holds(said, id);
    }
    // A rule that cannot be evaluated is left out by Cedar; one that forbids must not be.
    said.errors.extend(response.diagnostics().errors().map(ToString::to_string));
}

impl Policy for CedarUma {
    fn assess(&self, asked: &PolicyRequest<'_>) -> Ruling {
        let ruling = self.assess_all(std::slice::from_ref(asked)).pop();
        ruling.unwrap_or_else(|| Decision::Deny.into())
    }

    /// By the rules of one moment, with what they are told of the person and the resources made
    /// once.
    fn assess_all(&self, asked: &[PolicyRequest<'_>]) -> Vec<Ruling> {
        let rules = self.files.current();
        together(asked).flat_map(|part| self.rule(&rules, part)).collect()
    }

    fn revision(&self, protection: &Protection, now: Timestamp) -> Revision {
        let (rules, digest) = self.files.current_with_digest();
        let configured = self.configured.revision(protection, now);
        let shares = {
            let known = self.known();
            let is_any = known.count(protection) > 0 || !known.is_loaded(protection);
            is_any.then(|| match known.is_loaded(protection) {
                true => known.revision(protection, now),
                false => Revision::of("not loaded"),
            })
        };
        let files = (!rules.is_empty()).then(|| Revision::of(digest.as_bytes()));
        Revision::joined([Some(configured), shares, files])
    }

    fn is_timed(&self, protection: &Protection) -> bool {
        let rules = self.files.current();
        rules.is_timed() && rules.is_timed_at(&self.names.places(protection))
    }

    fn claims(&self, protection: &Protection) -> BTreeSet<String> {
        let mut claims = self.configured.claims(protection);
        claims.extend(self.files.current().claims().iter().cloned());
        claims.extend(self.known().claims(protection).map(str::to_owned));
        claims
    }

    fn describe(&self, policy: &str) -> Option<String> {
        self.files.current().description(policy).map(str::to_owned)
    }

    fn shares(&self) -> Option<&RwLock<Shares>> {
        Some(&self.shares)
    }
}

/// What either permits is permitted; whom the owner is asked about is not asked for more.
fn either(one: Ruling, other: Ruling) -> Ruling {
    const fn rank(decision: &Decision) -> u8 {
        match decision {
            Decision::Permit => 3,
            Decision::AskOwner => 2,
            Decision::NeedClaims(_) => 1,
            _ => 0,
        }
    }
    match (one, other) {
        (one, other) if rank(&one.decision) > rank(&other.decision) => one,
        (one, other) if rank(&one.decision) < rank(&other.decision) => other,
        (mut one, other) => {
            if let (Decision::NeedClaims(needed), Decision::NeedClaims(more)) =
                (&mut one.decision, other.decision)
            {
                for claim in more {
                    RequiredClaim::join(needed, claim);
                }
            }
            for reason in other.why {
                if !one.why.contains(&reason) {
                    one.why.push(reason);
                }
            }
            one
        }
    }
}

#[cfg(test)]
mod tests;
