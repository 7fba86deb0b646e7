//! An e-mail address whose issuer says it verified it. [OpenID Connect Core §5.1]
//!
//! [OpenID Connect Core §5.1]: https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims

use countersign_jwt::{ClaimError, Claims};
use countersign_types::EmailAddress;

/// A verified e-mail address: evidence that claims said `email_verified: true`, or that the
/// account it belongs to is our own and its address was verified.
///
/// One unverified address is a full impersonation of whoever owns it, so there is no switch that
/// skips this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEmail(EmailAddress);

/// Why claims carry no verified e-mail address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmailClaimError {
    /// A claim of the wrong type.
    #[error("an e-mail claim of the wrong type")]
    Type(#[source] ClaimError),
    /// Neither `email` nor `email_address`.
    #[error("no e-mail address")]
    Missing,
    /// `email` and `email_address` name two addresses.
    #[error("two different e-mail addresses")]
    Ambiguous,
    /// Not an address in a form that has one spelling only.
    #[error("not an e-mail address")]
    Malformed(#[source] countersign_types::email::EmailError),
    /// `email_verified` is absent or not true.
    #[error("the e-mail address is not verified")]
    Unverified,
}

impl VerifiedEmail {
    /// Takes the address out of claims: `email`, or its former name `email_address`, and
    /// `email_verified` true.
    ///
    /// # Errors
    /// Any [`EmailClaimError`].
    pub fn from_claims(claims: &Claims) -> Result<Self, EmailClaimError> {
        let read = |name| match claims.str(name).map_err(EmailClaimError::Type)? {
            Some(text) => EmailAddress::parse(text).map(Some).map_err(EmailClaimError::Malformed),
            None => Ok(None),
        };
        let email = match (read("email")?, read("email_address")?) {
            (Some(email), Some(alias)) if email != alias => return Err(EmailClaimError::Ambiguous),
            (Some(email), _) | (None, Some(email)) => email,
            (None, None) => return Err(EmailClaimError::Missing),
        };
        match claims.bool("email_verified").map_err(EmailClaimError::Type)? {
            Some(true) => Ok(Self(email)),
            Some(false) | None => Err(EmailClaimError::Unverified),
        }
    }

    /// The address of an account that this deployment keeps itself and whose address it verified.
    #[must_use]
    pub const fn of_own_account(address: EmailAddress) -> Self {
        Self(address)
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> &EmailAddress {
        &self.0
    }
}
