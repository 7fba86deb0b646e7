//! Which person is which owner.

use countersign_types::{EmailAddress, Issuer};
use countersign_uma::protection::OwnerId;
use serde::{Deserialize, Serialize};

/// One person who acts for one owner. An owner may have several, and a person may be several
/// owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerIdentity {
    /// The owner.
    pub owner: OwnerId,
    /// The provider at which they sign in.
    pub issuer: Issuer,
    /// Who they are there.
    pub who: Who,
}

/// How a provider names a person. Names that people choose for themselves do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By the identifier that it never gives to another person. [OpenID Core §5.7]
    ///
    /// [OpenID Core §5.7]: https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
    Subject(String),
    /// By an address that it has verified.
    Email(EmailAddress),
}

/// Somebody who signed in, as far as the provider is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) issuer: Issuer,
    pub(super) subject: String,
    /// The address, if the provider has verified it.
    pub(super) email: Option<EmailAddress>,
}

impl Identity {
    /// For people to see: who decides, in a history.
    pub(super) fn label(&self) -> &str {
        self.email.as_ref().map_or(&self.subject, EmailAddress::as_str)
    }

    /// For a store and a log: nobody else is called that.
    pub(super) fn key(&self) -> String {
        // INVARIANT: an issuer identifier has no space.
        format!("{} {}", self.issuer, self.subject)
    }
}

/// Who is which owner.
pub(super) struct Owners(Vec<OwnerIdentity>);

impl Owners {
    pub(super) const fn new(owners: Vec<OwnerIdentity>) -> Self {
        Self(owners)
    }

    /// Every owner that a person is, in the order of the configuration.
    pub(super) fn of(&self, identity: &Identity) -> Vec<OwnerId> {
        let mut owners = Vec::new();
        for entry in &self.0 {
            let is_it = entry.issuer == identity.issuer
                && match &entry.who {
                    Who::Subject(subject) => *subject == identity.subject,
                    Who::Email(email) => identity.email.as_ref() == Some(email),
                };
            if is_it && !owners.contains(&entry.owner) {
                owners.push(entry.owner.clone());
            }
        }
        owners
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(owner: &str, issuer: &str, who: Who) -> OwnerIdentity {
        let (owner, issuer) = (OwnerId::parse(owner).unwrap(), Issuer::parse(issuer).unwrap());
        OwnerIdentity { owner, issuer, who }
    }

    const OWN: &str = "https://idp.bob.example";

    #[track_caller]
    fn owners(issuer: &str, subject: &str, email: Option<&str>) -> Vec<String> {
        let address = |text| EmailAddress::parse(text).unwrap();
        let all = Owners::new(vec![
            entry("bob", OWN, Who::Subject("b1".into())),
            entry("records", OWN, Who::Email(address("bob@bob.example"))),
            entry("bob", OWN, Who::Email(address("bob@bob.example"))),
            entry("olga", OWN, Who::Subject("bob@bob.example".into())),
        ]);
        let identity = Identity {
            issuer: Issuer::parse(issuer).unwrap(),
            subject: subject.to_owned(),
            email: email.map(address),
        };
        all.of(&identity).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_person_is_whom_the_provider_says_and_nobody_by_a_name() {
        assert_eq!(owners(OWN, "b1", None), ["bob"]);
        assert_eq!(owners(OWN, "b1", Some("bob@bob.example")), ["bob", "records"]);
        assert_eq!(owners(OWN, "b2", Some("bob@bob.example")), ["records", "bob"]);
        assert_eq!(owners(OWN, "bob@bob.example", None), ["olga"], "a subject is no address");
        for (issuer, subject, email) in [
            (OWN, "bob", None),
            (OWN, "B1", None),
            (OWN, "b2", Some("bob@bob.example.evil.example")),
            ("https://idp.bob.example/", "b1", Some("bob@bob.example")),
            ("https://idp.evil.example", "b1", Some("bob@bob.example")),
        ] {
            assert_eq!(owners(issuer, subject, email), [""; 0], "{issuer} {subject} {email:?}");
        }
    }
}
