//! Shares of one thing, by the people whom they are about.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use countersign_types::{EmailAddress, Issuer};

use crate::person::Person;
use crate::policy::shares::{Effect, MailDomain, Share, Who, values};

/// Shares with groups: by the claim, and by its value.
type ByClaim = HashMap<String, HashMap<String, Vec<Arc<Share>>>>;

/// Shares of one thing.
#[derive(Debug, Default)]
pub(super) struct ByWho {
    people: HashMap<EmailAddress, Vec<Arc<Share>>>,
    /// Of these, and of those who are kept out otherwise: by their address in small letters, since
    /// most providers make no difference, and by issuer and subject.
    pub(super) forbidden: HashMap<String, Vec<Arc<Share>>>,
    pub(super) accounts: HashMap<Issuer, HashMap<String, Vec<Arc<Share>>>>,
    domains: HashMap<MailDomain, Vec<Arc<Share>>>,
    pub(super) groups: HashMap<MailDomain, ByClaim>,
    anyone: Vec<Arc<Share>>,
    /// How many shares permit a scope, at once or after asking.
    scopes: BTreeMap<String, usize>,
}

impl ByWho {
    /// Those of the same people.
    fn alike(&mut self, who: &Who) -> &mut Vec<Arc<Share>> {
        match who {
            Who::Person(email) => self.people.entry(email.clone()).or_default(),
            Who::Domain(domain) => self.domains.entry(domain.clone()).or_default(),
            Who::Group { claim, value, domain } => {
                let claims = self.groups.entry(domain.clone()).or_default();
                claims.entry(claim.clone()).or_default().entry(value.clone()).or_default()
            }
            Who::Anyone => &mut self.anyone,
        }
    }

    /// Drops what holds nothing.
    fn tidy(&mut self, who: &Who) {
        match who {
            Who::Person(email) if self.people.get(email).is_some_and(Vec::is_empty) => {
                self.people.remove(email);
            }
            Who::Domain(domain) if self.domains.get(domain).is_some_and(Vec::is_empty) => {
                self.domains.remove(domain);
            }
            Who::Group { claim, value, domain } => {
                let Some(claims) = self.groups.get_mut(domain) else { return };
                if let Some(values) = claims.get_mut(claim) {
                    values.retain(|known, shares| known != value || !shares.is_empty());
                    if values.is_empty() {
                        claims.remove(claim);
                    }
                }
                if claims.is_empty() {
                    self.groups.remove(domain);
                }
            }
            _ => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { people, domains, groups, anyone, .. } = self;
        people.is_empty() && domains.is_empty() && groups.is_empty() && anyone.is_empty()
    }

    pub(super) fn put(&mut self, share: &Arc<Share>) {
        for scope in opened(share) {
            *self.scopes.entry(scope.clone()).or_default() += 1;
        }
        if let Some(address) = forbidden(share) {
            self.forbidden.entry(address).or_default().push(Arc::clone(share));
        }
        for (issuer, subject) in share.terms.accounts() {
            let subjects = self.accounts.entry(issuer.clone()).or_default();
            subjects.entry(subject.to_owned()).or_default().push(Arc::clone(share));
        }
        self.alike(share.terms.who()).push(Arc::clone(share));
    }

    pub(super) fn remove(&mut self, share: &Share) {
        for scope in opened(share) {
            less(&mut self.scopes, scope);
        }
        let stays = |known: &Arc<Share>| known.id != share.id;
        if let Some(address) = forbidden(share)
            && let Some(shares) = self.forbidden.get_mut(&address)
        {
            shares.retain(stays);
            if shares.is_empty() {
                self.forbidden.remove(&address);
            }
        }
        for (issuer, subject) in share.terms.accounts() {
            let Some(subjects) = self.accounts.get_mut(issuer) else { continue };
            subjects.get_mut(subject).into_iter().for_each(|shares| shares.retain(stays));
            subjects.retain(|_, shares| !shares.is_empty());
            if subjects.is_empty() {
                self.accounts.remove(issuer);
            }
        }
        self.alike(share.terms.who()).retain(stays);
        self.tidy(share.terms.who());
    }

    /// How many there are of the same people.
    pub(super) fn count(&self, who: &Who) -> usize {
        let alike = match who {
            Who::Person(email) => self.people.get(email),
            Who::Domain(domain) => self.domains.get(domain),
            Who::Group { claim, value, domain } => {
                let claims = self.groups.get(domain).and_then(|claims| claims.get(claim));
                claims.and_then(|values| values.get(value))
            }
            Who::Anyone => Some(&self.anyone),
        };
        alike.map_or(0, Vec::len)
    }

    /// Whether anybody may have a scope, at once or after asking.
    pub(super) fn opens(&self, scope: &str) -> bool {
        self.scopes.contains_key(scope)
    }

    /// Those that keep a person out by their address.
    pub(super) fn keeping_out(&self, person: &Person) -> impl Iterator<Item = &Arc<Share>> {
        let address = || person.email.as_str().to_ascii_lowercase();
        let any = (!self.forbidden.is_empty()).then(address);
        any.and_then(|address| self.forbidden.get(&address)).into_iter().flatten()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Share>> {
        let groups = self.groups.values().flat_map(HashMap::values).flat_map(HashMap::values);
        let alike = self.people.values().chain(self.domains.values()).chain(groups);
        alike.flatten().chain(&self.anyone)
    }

    /// Those that may describe this person.
    pub(super) fn of<'a>(&'a self, person: &'a Person) -> impl Iterator<Item = &'a Arc<Share>> {
        let domain = person.email.domain();
        let of_domain = || self.groups.get(domain).into_iter().flatten();
        let groups = of_domain().flat_map(|(claim, by_value)| {
            values(&person.claims, claim).filter_map(|value| by_value.get(value)).flatten()
        });
        // What the issuer is not heard about lets nobody in, and keeps out all the same.
        let unheard = of_domain().flat_map(|(claim, by_value)| {
            values(&person.unheard, claim).filter_map(|value| by_value.get(value)).flatten()
        });
        let unheard = unheard.filter(|share| share.terms.effect() == Effect::Forbid);
        let people = self.people.get(&person.email).into_iter().flatten();
        let domains = self.domains.get(domain).into_iter().flatten();
        let forbidden = self.forbidden.get(&person.email.as_str().to_ascii_lowercase());
        let account = self.accounts.get(&person.iss).and_then(|of| of.get(&person.sub));
        let kept_out = forbidden.into_iter().chain(account).flatten();
        people.chain(domains).chain(groups).chain(unheard).chain(&self.anyone).chain(kept_out)
    }
}

/// The address of whom a share keeps out, in small letters.
fn forbidden(share: &Share) -> Option<String> {
    match share.terms.who() {
        Who::Person(email) if share.terms.effect() == Effect::Forbid => {
            Some(email.as_str().to_ascii_lowercase())
        }
        _ => None,
    }
}

/// The scopes that somebody may have by a share.
fn opened(share: &Share) -> impl Iterator<Item = &String> {
    share.terms.scopes().iter().filter(|_| share.terms.effect() != Effect::Forbid)
}

/// Counts one less.
pub(super) fn less(counts: &mut BTreeMap<String, usize>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}
