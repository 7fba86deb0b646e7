//! The requesting party, as a verified claims token describes them.

use std::collections::BTreeSet;

use countersign_claims_token::claims::RESERVED;
use countersign_claims_token::read::VerifiedClaims;
use countersign_types::{EmailAddress, Issuer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A person whom an identity provider vouches for.
///
/// In a running server one comes from a claims token whose signature was verified with the keys of
/// the issuer that the e-mail address's domain names. Accounts and processes know a person by
/// issuer, subject and address together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The identity provider.
    pub iss: Issuer,
    /// The person, in its name space.
    pub sub: String,
    /// The verified e-mail address.
    pub email: EmailAddress,
    /// Whether the person signed in and nobody acts in their place.
    pub present: bool,
    /// What else the provider says of them.
    pub claims: Map<String, Value>,
}

impl Person {
    /// The person that a verified claims token speaks of.
    #[must_use]
    pub fn from_verified(verified: &VerifiedClaims) -> Self {
        let about_the_person = |name: &str| !RESERVED.contains(&name);
        Self {
            iss: verified.issuer().clone(),
            sub: verified.subject().to_owned(),
            email: verified.email().clone(),
            present: verified.is_present(),
            claims: verified.claims().select(about_the_person),
        }
    }

    /// The person, with none of the claims but those that are `wanted`.
    #[must_use]
    pub fn with_only(&self, wanted: &BTreeSet<String>) -> Self {
        let claims = self.claims.iter().filter(|(name, _)| wanted.contains(*name));
        Self {
            iss: self.iss.clone(),
            sub: self.sub.clone(),
            email: self.email.clone(),
            present: self.present,
            claims: claims.map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    /// Whether both are the same person: issuer, subject and address are equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.iss == other.iss && self.sub == other.sub && self.email == other.email
    }
}
