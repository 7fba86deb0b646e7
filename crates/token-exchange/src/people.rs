//! The person that a claims token is about, and whom a client may name by address alone.
//!
//! With a person's own access token, the person is there and lets the client speak. With a token of
//! its own a client names somebody by `email_address`: whoever is listed for it, and nobody else.
//! What it gets says that the client acts, so that nobody takes the person for present.

use std::collections::BTreeSet;

use countersign_claims_token::VerifiedEmail;
use countersign_types::EmailAddress;
use serde_json::{Map, Value};

use crate::decide::Facts;
use crate::error::ExchangeError;
use crate::policy::ClientPolicy;
use crate::request::ExchangeRequest;
use crate::subject::Subject;

/// The claim of an account that lists groups.
pub const GROUPS: &str = "groups";

/// The people that a client may name without them. The default names nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedPeople {
    /// These.
    pub addresses: BTreeSet<EmailAddress>,
    /// Those with an address of one of these domains, in canonical form.
    pub domains: BTreeSet<String>,
    /// Those whose account lists one of these in [`GROUPS`].
    pub groups: BTreeSet<String>,
}

impl NamedPeople {
    /// Whether somebody of this address might be one of them. About others nobody need be asked, so
    /// that nothing that whoever is asked says or does can tell who exists.
    #[must_use]
    pub fn may_include(&self, address: &EmailAddress) -> bool {
        self.addresses.contains(address)
            || self.domains.contains(address.domain())
            || !self.groups.is_empty()
    }

    /// Whether somebody is one of them.
    #[must_use]
    pub fn include(&self, person: &DirectoryPerson) -> bool {
        let address = person.email.address();
        let mut groups = person.claims.get(GROUPS).and_then(Value::as_array).into_iter().flatten();
        self.addresses.contains(address)
            || self.domains.contains(address.domain())
            || groups.any(|group| group.as_str().is_some_and(|name| self.groups.contains(name)))
    }
}

/// Somebody whom the user directory has under an address that it verified.
#[derive(Clone, Debug)]
pub struct DirectoryPerson {
    /// Who it is, in the name space of whoever issues the claims token.
    pub subject: String,
    /// The address.
    pub email: VerifiedEmail,
    /// What the directory says about them.
    pub claims: Map<String, Value>,
}

/// Whom the user directory has under the address of a request.
#[derive(Clone, Copy, Debug, Default)]
pub enum Account<'a> {
    /// It was not asked: what the subject token says of its person is the issuer's own word.
    #[default]
    NotAsked,
    /// Nobody.
    Unknown,
    /// This person.
    Known(&'a DirectoryPerson),
}

/// The address that a client names somebody by, if it might name them: whom the user directory has
/// under it is what the decision needs.
#[must_use]
pub fn named(
    request: &ExchangeRequest,
    subject: &Subject,
    client: &ClientPolicy,
) -> Option<EmailAddress> {
    let people = client.people.as_ref().filter(|_| subject.is_client())?;
    let address = EmailAddress::parse(request.email_address.as_deref()?).ok()?;
    people.may_include(&address).then_some(address)
}

/// The person that a claims token is about.
pub(crate) struct About {
    pub(crate) subject: String,
    pub(crate) email: VerifiedEmail,
    pub(crate) claims: Map<String, Value>,
}

impl About {
    fn of(person: &DirectoryPerson) -> Self {
        let DirectoryPerson { subject, email, claims } = person.clone();
        Self { subject, email, claims }
    }
}

/// Whom a claims token for this request would be about.
pub(crate) fn about(request: &ExchangeRequest, facts: &Facts<'_>) -> Result<About, ExchangeError> {
    let subject = facts.subject;
    if subject.is_client() {
        return named_person(request, facts);
    }
    let email = person(request, subject)?;
    match facts.account {
        Account::NotAsked => {
            let (subject, claims) = (subject.subject().to_owned(), subject.claims().as_map());
            Ok(About { subject, email, claims: claims.clone() })
        }
        Account::Known(known) if known.email == email && known.subject == subject.subject() => {
            Ok(About::of(known))
        }
        Account::Known(_) | Account::Unknown => Err(ExchangeError::NotAPerson),
    }
}

/// The person that a client names. Who does not exist and who is not listed are refused alike.
fn named_person(request: &ExchangeRequest, facts: &Facts<'_>) -> Result<About, ExchangeError> {
    let client = facts.client.id();
    let refused = || ExchangeError::Impersonation(client.clone());
    let people = facts.policy.client.people.as_ref().ok_or_else(refused)?;
    let address = request.email_address.as_deref().ok_or(ExchangeError::NotAPerson)?;
    let address = EmailAddress::parse(address).map_err(|_| refused())?;
    match facts.account {
        Account::Known(person)
            if *person.email.address() == address
                && people.include(person)
                && facts.subject.is_issued_to(client) =>
        {
            Ok(About::of(person))
        }
        Account::Known(_) | Account::Unknown | Account::NotAsked => Err(refused()),
    }
}

/// The person of the subject token, by verified e-mail address. A client that got a token for
/// itself is nobody's person.
pub(crate) fn person(
    request: &ExchangeRequest,
    subject: &Subject,
) -> Result<VerifiedEmail, ExchangeError> {
    if subject.is_client() {
        return Err(ExchangeError::NotAPerson);
    }
    let email = VerifiedEmail::from_claims(subject.claims()).map_err(ExchangeError::Email)?;
    match request.email_address.as_deref().map(EmailAddress::parse) {
        None => Ok(email),
        Some(Ok(asked)) if asked == *email.address() => Ok(email),
        Some(_) => Err(ExchangeError::OtherEmail),
    }
}

#[cfg(test)]
mod tests;
