//! From a text to verified claims, in states that only the one before can make.
//!
//! ```text
//! &str --parse--> Unverified --check(policy)--> Checked --verify(keys)--> Verified
//! ```
//!
//! The claims are checked before the signature: often they say whose keys to fetch, and a token
//! that could not be accepted anyway is not worth a fetch. What [`Unverified`] and [`Checked`] say
//! is still only what the sender claims.

use countersign_types::Timestamp;

use crate::alg::{BadSignature, Verify};
use crate::claims::{ClaimError, Claims};
use crate::jwks::{KeySet, MAX_CANDIDATES};
use crate::jws::{self, Header, Malformed, Parts, Signed};
use crate::policy::Policy;

/// A token that can be read. Nothing about it is known to be true.
pub struct Unverified(Box<Parts>);

impl Unverified {
    /// Reads a token from untrusted text.
    ///
    /// # Errors
    /// The [`Malformed`] that says why it cannot be one.
    pub fn parse(token: &str) -> Result<Self, Malformed> {
        jws::read(token).map(Box::new).map(Self)
    }

    /// The header. Untrusted.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The claims. Untrusted: good for choosing a policy and keys, and for nothing else.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Checks header and claims against `policy` at the moment `now`.
    ///
    /// # Errors
    /// The first [`ClaimError`].
    pub fn check(self, policy: &Policy<'_>, now: Timestamp) -> Result<Checked, ClaimError> {
        policy.check(&self.0.header, &self.0.claims, now)?;
        Ok(Checked(self.0))
    }
}

/// A token whose claims meet a policy. Its signature has not been looked at.
pub struct Checked(Box<Parts>);

impl Checked {
    /// The header. Untrusted, but within the policy.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The claims. Untrusted, but within the policy.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Verifies the signature with a key of the set: that of the `kid` the token names, or, if it
    /// names none, each of its algorithm up to [`MAX_CANDIDATES`].
    ///
    /// # Errors
    /// [`VerifyError::UnknownKey`] if the set has no such key, [`VerifyError::Signature`],
    /// [`VerifyError::TooManyKeys`].
    pub fn verify(self, keys: &KeySet) -> Result<Verified, VerifyError> {
        verify_by_set(&self.0.header, keys, &self.0.signed)?;
        Ok(Verified(self.0))
    }

    /// Verifies the signature with this key.
    ///
    /// # Errors
    /// [`VerifyError::UnknownKey`] if the key is for another algorithm or the token names another
    /// `kid`, [`VerifyError::Signature`].
    pub fn verify_with(self, key: &dyn Verify) -> Result<Verified, VerifyError> {
        verify_with_key(&self.0.header, key, &self.0.signed)?;
        Ok(Verified(self.0))
    }
}

/// Whether a key of the set made the signature: one of the `kid` that the header names, or, if it
/// names none, one of its algorithm. A key that makes signatures of another length did not.
pub(crate) fn verify_by_set(
    header: &Header,
    keys: &KeySet,
    signed: &Signed,
) -> Result<(), VerifyError> {
    let (input, signature) = signed.parts();
    let mut outcome = VerifyError::UnknownKey;
    let mut tried = 0;
    for key in keys.candidates(header.algorithm(), header.kid()) {
        outcome = VerifyError::Signature;
        if key.signature_len() != signature.len() {
            continue;
        }
        if tried == MAX_CANDIDATES {
            return Err(VerifyError::TooManyKeys);
        }
        tried += 1;
        if key.verify(input, signature).is_ok() {
            return Ok(());
        }
    }
    Err(outcome)
}

/// Whether this key, which is for the header's algorithm and has no other `kid`, made the
/// signature.
pub(crate) fn verify_with_key(
    header: &Header,
    key: &dyn Verify,
    signed: &Signed,
) -> Result<(), VerifyError> {
    let (input, signature) = signed.parts();
    let named = header.kid();
    let other_kid = named.is_some() && key.key_id().is_some() && named != key.key_id();
    if key.algorithm() != header.algorithm() || other_kid {
        return Err(VerifyError::UnknownKey);
    }
    key.verify(input, signature).map_err(|BadSignature| VerifyError::Signature)
}

/// A token that met a policy and was signed by a key the caller chose. Nothing else makes one.
pub struct Verified(Box<Parts>);

impl Verified {
    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The claims: what the holder of the key says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The claims, taken out.
    #[must_use]
    pub fn into_claims(self) -> Claims {
        self.0.claims
    }
}

macro_rules! debug_without_content {
    ($($state:ident)*) => {$(
        // Claims are personal data and a token is a credential: neither belongs into a log by
        // accident.
        impl std::fmt::Debug for $state {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($state))
                    .field("header", &self.0.header)
                    .finish_non_exhaustive()
            }
        }
    )*};
}

debug_without_content! { Unverified Checked Verified }

/// Why a signature was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no key that could have made it; a fresh copy of the set may have one.
    #[error("no key of that kid and algorithm")]
    UnknownKey,
    /// It is not of the key.
    #[error("bad signature")]
    Signature,
    /// The token names no `kid`, and is of none of the
    /// [`MAX_CANDIDATES`] keys that were tried. Others were not.
    #[error("the token names no kid, and more keys could have made it than are tried")]
    TooManyKeys,
    /// `key_ops` reserve the key, a shared one, for making MACs. [RFC 7517
    /// §4.3](https://www.rfc-editor.org/rfc/rfc7517#section-4.3)
    #[error("the key is not for verifying")]
    Use,
}

/// Why a token was not accepted, for those who go from text to claims in one step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It cannot be read.
    #[error("malformed token")]
    Malformed(#[from] Malformed),
    /// It does not meet the policy.
    #[error("the claims do not meet the policy")]
    Claim(#[from] ClaimError),
    /// Its signature was not accepted.
    #[error("the signature was not accepted")]
    Verify(#[from] VerifyError),
}

/// Parses, checks and verifies in one step, for a caller who has the keys at hand.
///
/// # Errors
/// The [`TokenError`] of the step that failed.
pub fn verify(
    token: &str,
    policy: &Policy<'_>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Verified, TokenError> {
    Ok(Unverified::parse(token)?.check(policy, now)?.verify(keys)?)
}
