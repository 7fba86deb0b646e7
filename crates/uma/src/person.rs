//! The requesting party, as a verified claims token describes them.

use std::collections::BTreeSet;

use countersign_claims_token::claims::RESERVED;
use countersign_claims_token::read::VerifiedClaims;
use countersign_types::{EmailAddress, Issuer, Timestamp};
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
    /// What it says as well, and is not [heard](crate::issuers::Issuers::heard) about. Policy lets
    /// in whom it lets in with and without it, and keeps out whom it keeps out with it or without.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub unheard: Map<String, Value>,
    /// What the owner is shown of how it comes to that. No policy goes by it.
    #[serde(default, skip_serializing_if = "Vouching::is_unknown")]
    pub vouching: Vouching,
}

/// How an identity provider came to vouch for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vouching {
    /// By what it speaks for their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_by: Option<NamedBy>,
    /// When its word was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Timestamp>,
    /// When it says that they signed in. [OpenID Core §2]
    ///
    /// [OpenID Core §2]: https://openid.net/specs/openid-connect-core-1_0.html#IDToken
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// By which methods it says that they did. [RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
}

impl Vouching {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// What a verified claims token says of the person's signing in.
    fn from_verified(verified: &VerifiedClaims) -> Self {
        let claims = verified.claims();
        let methods = claims.strings("amr").unwrap_or_default();
        Self {
            auth_time: claims.timestamp("auth_time").unwrap_or_default(),
            amr: methods.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        }
    }
}

/// By what an identity provider speaks for the people of a mail domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NamedBy {
    /// The domain's WebFinger names it.
    WebFinger,
    /// It is the domain itself, which says so in a document at a well-known place.
    WellKnown,
    /// The administrator says so, and the domain is not asked.
    Administrator,
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
            unheard: Map::new(),
            vouching: Vouching::from_verified(verified),
        }
    }

    /// The person as policy looks at them, with none of the claims but those that are `wanted`.
    #[must_use]
    pub fn with_only(&self, wanted: &BTreeSet<String>) -> Self {
        let only = |claims: &Map<String, Value>| {
            let claims = claims.iter().filter(|(name, _)| wanted.contains(*name));
            claims.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        Self {
            iss: self.iss.clone(),
            sub: self.sub.clone(),
            email: self.email.clone(),
            present: self.present,
            claims: only(&self.claims),
            unheard: only(&self.unheard),
            vouching: Vouching::default(),
        }
    }

    /// Whether both are the same person: issuer, subject and address are equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.iss == other.iss && self.sub == other.sub && self.email == other.email
    }
}
