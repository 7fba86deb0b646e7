//! What resource owners share, with whom, and under which conditions. [UG §1.3], [UG §5.6]
//!
//! A [`Share`] is one sentence of an owner: these scopes, at this resource or at everything they
//! have at a resource server, for these people, perhaps until some time, perhaps only after asking.
//! It is made and taken back while the server runs. [`Shares`] has all of them, and finds those
//! that a question can depend on without looking at the others.
//!
//! What a share means is decided by the [`Policy`](super::Policy) that goes by it; this module says
//! what there is. A share that forbids wins over every other, and over what the owner approved.
//!
//! [UG §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.1.3
//! [UG §5.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.5.6

mod index;

use countersign_types::email::canonical_domain;
use countersign_types::random::{self, Random};
use countersign_types::{EmailAddress, Issuer, ScopeSet, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use self::index::{Indexed, MAX_ALIKE, Shares, in_order};
use crate::person::Person;
use crate::resource::ResourceId;

/// The longest name of a claim and the longest value, in octets.
pub const MAX_CLAIM: usize = 256;

/// So many accounts a share that keeps somebody out knows them by. A provider that has more for one
/// address could as well have another address for each.
pub const MAX_ACCOUNTS: usize = 64;

/// The identifier of a share: ours, and never a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ShareId(String);

impl ShareId {
    /// A fresh identifier of 128 random bits.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self(random::identifier(random))
    }

    /// Parses an identifier as [`Display`](std::fmt::Display) writes it: 1 to 64 characters of
    /// base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_id = matches!(text.len(), 1..=64) && text.bytes().all(allowed);
        is_id.then(|| Self(text.to_owned()))
    }

    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ShareId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ShareId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a share's identifier"))
    }
}

/// A mail domain in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MailDomain(String);

impl MailDomain {
    /// Parses a domain name of two labels or more, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        canonical_domain(text).map(Self)
    }

    /// The domain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for MailDomain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MailDomain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MailDomain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a domain name"))
    }
}

/// One thing that an owner shares. It serialises for the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What it is called.
    pub id: ShareId,
    /// What it says.
    pub terms: Terms,
    /// Since when.
    pub since: Timestamp,
    /// Who made it, as the caller names them.
    pub by: String,
}

/// What is shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// One resource.
    Resource(ResourceId),
    /// Every resource that the owner has at the resource server, those to come among them.
    Everything,
}

/// With whom. Addresses and claims are those of a verified claims token, so that the provider which
/// speaks for a mail domain vouches for all that is said of its people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Who has this address.
    Person(EmailAddress),
    /// Who has an address at this domain.
    Domain(MailDomain),
    /// Those of a domain whose claim is this value, or a list with the value in it. Without a
    /// domain anybody's provider could say it of them.
    Group {
        /// The claim's name.
        claim: String,
        /// The value.
        value: String,
        /// The domain.
        domain: MailDomain,
    },
    /// Who has a verified address.
    Anyone,
}

/// What becomes of those whom a share describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// They may.
    Permit,
    /// The owner is asked first.
    Ask,
    /// They may not, whatever else says so.
    Forbid,
}

/// What a share says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    what: What,
    scopes: ScopeSet,
    who: Who,
    effect: Effect,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<Account>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<Issuer>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    present: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// Whom an issuer knows by a subject, whatever their address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    issuer: Issuer,
    subject: String,
}

/// Why there is no such share.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TermsError {
    /// No scope is shared.
    #[error("a share is of at least one scope")]
    Scopes,
    /// The claim or its value is empty or too long.
    #[error("a claim has a name and a value of at most {MAX_CLAIM} octets")]
    Claim,
}

impl Terms {
    /// Shares these scopes.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn new(what: What, scopes: ScopeSet, who: Who, effect: Effect) -> Result<Self, TermsError> {
        if scopes.is_empty() {
            return Err(TermsError::Scopes);
        }
        if let Who::Group { claim, value, .. } = &who
            && ![claim, value].iter().all(|text| matches!(text.len(), 1..=MAX_CLAIM))
        {
            return Err(TermsError::Claim);
        }
        let (accounts, issuer, until) = (Vec::new(), None, None);
        Ok(Self { what, scopes, who, effect, accounts, issuer, present: false, until })
    }

    /// Keeps this person out, whatever they would do: who has their address, and whom their issuer
    /// knows as the same, whatever address it says they have. It is of every scope, of those to
    /// come as well.
    #[must_use]
    pub fn keeping_out(person: &Person, what: What) -> Self {
        let (who, effect) = (Who::Person(person.email.clone()), Effect::Forbid);
        let (scopes, accounts, issuer, until) = (ScopeSet::default(), Vec::new(), None, None);
        let terms = Self { what, scopes, who, effect, accounts, issuer, present: false, until };
        terms.with_account(person)
    }

    /// The same terms where they [keep out by address](Self::keeps_out_by_address) who turned out
    /// to be this person: from now on by issuer and subject, too. Any other terms are left as they
    /// are, and so are those that know [`MAX_ACCOUNTS`].
    #[must_use]
    pub fn with_account(mut self, person: &Person) -> Self {
        let is_new = self.keeps_out_by_address(&person.email) && !self.knows(person);
        if is_new && self.has_room() {
            let account = Account { issuer: person.iss.clone(), subject: person.sub.clone() };
            self.accounts.push(account);
        }
        self
    }

    /// Only for whom this issuer vouches, whichever else may speak for their domain later.
    #[must_use]
    pub fn with_issuer(self, issuer: Issuer) -> Self {
        Self { issuer: Some(issuer), ..self }
    }

    /// Only for people who signed in themselves: no agent in their place.
    #[must_use]
    pub fn with_present(self) -> Self {
        Self { present: true, ..self }
    }

    /// Until this moment.
    #[must_use]
    pub fn with_until(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }

    /// What is shared.
    #[must_use]
    pub const fn what(&self) -> &What {
        &self.what
    }

    /// The scopes. There are none where it is of [every scope](Self::is_of_every_scope).
    #[must_use]
    pub const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// Whether it is of every scope that there is or will be, as what [keeps
    /// out](Self::keeping_out) is.
    #[must_use]
    pub fn is_of_every_scope(&self) -> bool {
        // INVARIANT: nothing else has no scope.
        self.scopes.is_empty() && self.effect == Effect::Forbid
    }

    /// Whether it says anything of this scope.
    #[must_use]
    pub fn covers(&self, scope: &str) -> bool {
        self.is_of_every_scope() || self.scopes.contains(scope)
    }

    /// Whom it keeps out by issuer and subject, whatever their address.
    pub fn accounts(&self) -> impl Iterator<Item = (&Issuer, &str)> {
        self.accounts.iter().map(|account| (&account.issuer, &*account.subject))
    }

    /// Whether it keeps out who has this address. Small and large letters make no difference, since
    /// they make none to most providers.
    #[must_use]
    pub fn keeps_out_by_address(&self, address: &EmailAddress) -> bool {
        let is_it = |email: &EmailAddress| email.as_str().eq_ignore_ascii_case(address.as_str());
        self.effect == Effect::Forbid && matches!(&self.who, Who::Person(email) if is_it(email))
    }

    /// Whether it keeps this person out, by their address or as whom their issuer knows.
    #[must_use]
    pub fn keeps_out(&self, person: &Person) -> bool {
        self.keeps_out_by_address(&person.email) || self.knows(person)
    }

    /// Whether this person is one of the [accounts](Self::accounts).
    #[must_use]
    pub fn knows(&self, person: &Person) -> bool {
        self.accounts().any(|account| account == (&person.iss, &*person.sub))
    }

    /// Whether it can know one account more.
    pub(super) const fn has_room(&self) -> bool {
        self.accounts.len() < MAX_ACCOUNTS
    }

    /// With whom.
    #[must_use]
    pub const fn who(&self) -> &Who {
        &self.who
    }

    /// What becomes of them.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// Who has to vouch for them; whoever speaks for their domain if none.
    #[must_use]
    pub const fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Whether it is for people who are present and for no agent of theirs.
    #[must_use]
    pub const fn present(&self) -> bool {
        self.present
    }

    /// When it ends.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether it still counts.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Those values of a claim that a group can be: the text itself, or the texts of a list.
pub fn values<'a>(claims: &'a Map<String, Value>, claim: &str) -> impl Iterator<Item = &'a str> {
    let value = claims.get(claim);
    let one = value.and_then(Value::as_str);
    let many = value.and_then(Value::as_array).into_iter().flatten();
    one.into_iter().chain(many.filter_map(Value::as_str))
}
