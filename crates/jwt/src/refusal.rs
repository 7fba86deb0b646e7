//! The closed list of codes by which refusals of keys, key sets and tokens are told to a machine.
//!
//! Every error of this crate that refuses something has one of these codes, and the `countersign`
//! program answers with them. Names of claims and members are in the error's text, never in a
//! code. The list may grow with a release; a code never changes its meaning.

use crate::alg::BadSignature;
use crate::claims::ClaimError;
#[cfg(feature = "josekit")]
use crate::convert::ConvertError;
use crate::json::JsonError;
#[cfg(feature = "josekit")]
use crate::jwe::{self, DecryptError, NestedError};
use crate::jwk::KeyError;
use crate::jwks::{KeySetError, SkipReason};
use crate::jws::Malformed;
use crate::own_key::OwnKeyError;
use crate::verify::{TokenError, VerifyError};

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)*) => {
        /// Why something was refused, as a code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Refusal {$(
            #[doc = concat!("`", $code, "`: ")]
            $(#[doc = $doc])+
            $name,
        )*}

        impl Refusal {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code, in snake case.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {$(Self::$name => $code,)*}
            }
        }
    };
}

refusals! {
    /// not UTF-8, not JSON, or JSON that holds NUL.
    NotJson = "not_json",
    /// JSON, but not an object.
    NotAnObject = "not_an_object",
    /// a member occurs twice in one object.
    DuplicateMember = "duplicate_member",
    /// JSON nested too deeply.
    TooDeep = "too_deep",
    /// the token is longer than any that is read.
    TooLong = "too_long",
    /// not the compact serialization.
    NotCompact = "not_compact",
    /// a part of a token is not canonical base64url.
    NotBase64url = "not_base64url",
    /// a member of the header is missing, of the wrong type or too long.
    MalformedHeader = "malformed_header",
    /// a member of the header that changes how the rest is to be read.
    UnsupportedHeader = "unsupported_header",
    /// an algorithm outside the allow-list, of a token or of a key.
    UnsupportedAlgorithm = "unsupported_algorithm",
    /// a member of a key is missing.
    MissingMember = "missing_member",
    /// a member of a key has the wrong type, length or encoding.
    MalformedMember = "malformed_member",
    /// a key type or curve outside the allow-list, or a key of more than two primes.
    UnsupportedKey = "unsupported_key",
    /// `alg` of a key does not fit its type or curve.
    AlgorithmMismatch = "algorithm_mismatch",
    /// `use` or `key_ops` reserve the key for something else.
    KeyUse = "key_use",
    /// private or symmetric material where a public key is expected.
    PrivateKey = "private_key",
    /// a key that protects nothing.
    WeakKey = "weak_key",
    /// numbers that make no key: a point off the curve, halves that do not belong together.
    InvalidKey = "invalid_key",
    /// not PEM, not DER, or no key in it.
    NotAKey = "not_a_key",
    /// the engine or the device failed; nothing was found wrong.
    Engine = "engine",
    /// the key set is longer than any that is read.
    KeySetTooLong = "key_set_too_long",
    /// no member `keys`, or not an array.
    NotAKeySet = "not_a_key_set",
    /// a key set that mixes secret and public keys.
    MixedKeySet = "mixed_key_set",
    /// two keys of a set have one `kid`.
    DuplicateKid = "duplicate_kid",
    /// no key of that `kid` and algorithm.
    UnknownKey = "unknown_key",
    /// the token names no `kid`, and more keys could have made it than are tried.
    TooManyKeys = "too_many_keys",
    /// the signature or MAC is not of the key.
    BadSignature = "bad_signature",
    /// a part of an encrypted token has not the length that its algorithm gives it.
    WrongLength = "wrong_length",
    /// the ephemeral key is no point that can be agreed with.
    EphemeralKey = "ephemeral_key",
    /// it does not decrypt; why is not said.
    DecryptionFailed = "decryption_failed",
    /// what was decrypted is not announced as a signed token, or is encrypted again.
    NotNested = "not_nested",
    /// an algorithm that the policy does not allow.
    AlgorithmNotAllowed = "algorithm_not_allowed",
    /// `typ` is another one, or absent.
    WrongType = "wrong_type",
    /// a claim that has to be there is not.
    MissingClaim = "missing_claim",
    /// a claim of the wrong type, or out of range.
    MalformedClaim = "malformed_claim",
    /// `exp` has passed.
    Expired = "expired",
    /// `nbf` has not come.
    NotYetValid = "not_yet_valid",
    /// `iat` lies in the future.
    IssuedInFuture = "issued_in_future",
    /// valid for longer than the policy allows.
    LifetimeTooLong = "lifetime_too_long",
    /// issued longer ago than the policy allows.
    TooOld = "too_old",
    /// another issuer.
    WrongIssuer = "wrong_issuer",
    /// another audience, or more than the one.
    WrongAudience = "wrong_audience",
    /// another subject.
    WrongSubject = "wrong_subject",
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

macro_rules! codes {
    ($($(#[$attribute:meta])* $error:ty: |$it:ident| $refusal:expr;)*) => {$(
        $(#[$attribute])*
        impl From<&$error> for Refusal {
            fn from($it: &$error) -> Self {
                $refusal
            }
        }
    )*};
}

codes! {
    JsonError: |error| match error {
        JsonError::Encoding | JsonError::Syntax | JsonError::Nul => Self::NotJson,
        JsonError::DuplicateMember => Self::DuplicateMember,
        JsonError::TooDeep => Self::TooDeep,
        JsonError::NotAnObject => Self::NotAnObject,
    };
    Malformed: |error| match error {
        Malformed::TooLong => Self::TooLong,
        Malformed::Compact => Self::NotCompact,
        Malformed::Base64 => Self::NotBase64url,
        Malformed::Header(error) | Malformed::Payload(error) => error.into(),
        Malformed::Member(_) => Self::MalformedHeader,
        Malformed::Algorithm => Self::UnsupportedAlgorithm,
        Malformed::Extension(_) => Self::UnsupportedHeader,
    };
    KeyError: |error| match error {
        KeyError::Json(error) => error.into(),
        KeyError::Missing(_) => Self::MissingMember,
        KeyError::Malformed(_) => Self::MalformedMember,
        KeyError::Unsupported("alg") => Self::UnsupportedAlgorithm,
        KeyError::Unsupported(_) => Self::UnsupportedKey,
        KeyError::AlgorithmMismatch => Self::AlgorithmMismatch,
        KeyError::Use => Self::KeyUse,
        KeyError::Private => Self::PrivateKey,
        KeyError::Weak(_) => Self::WeakKey,
        KeyError::Invalid => Self::InvalidKey,
        KeyError::Generation => Self::Engine,
    };
    #[cfg(feature = "josekit")]
    ConvertError: |error| match error {
        ConvertError::Format => Self::NotAKey,
        ConvertError::Key(error) => error.into(),
    };
    #[cfg(feature = "josekit")]
    jwe::Malformed: |error| match error {
        jwe::Malformed::TooLong => Self::TooLong,
        jwe::Malformed::Compact => Self::NotCompact,
        jwe::Malformed::Base64 => Self::NotBase64url,
        jwe::Malformed::Header(error) => error.into(),
        jwe::Malformed::Member(_) => Self::MalformedHeader,
        jwe::Malformed::Algorithm(_) => Self::UnsupportedAlgorithm,
        jwe::Malformed::Extension(_) => Self::UnsupportedHeader,
        jwe::Malformed::EphemeralKey => Self::EphemeralKey,
        jwe::Malformed::Length(_) => Self::WrongLength,
    };
    #[cfg(feature = "josekit")]
    DecryptError: |error| match error {
        DecryptError::UnknownKey => Self::UnknownKey,
        DecryptError::Failed => Self::DecryptionFailed,
    };
    #[cfg(feature = "josekit")]
    NestedError: |error| match error {
        NestedError::ContentType | NestedError::Encrypted => Self::NotNested,
        NestedError::Malformed(error) => error.into(),
    };
    KeySetError: |error| match error {
        KeySetError::TooLong => Self::KeySetTooLong,
        KeySetError::Json(error) => error.into(),
        KeySetError::NoKeys => Self::NotAKeySet,
        KeySetError::Mixed => Self::MixedKeySet,
        KeySetError::Key { reason, .. } => reason.into(),
        KeySetError::DuplicateKid(_) => Self::DuplicateKid,
    };
    SkipReason: |error| match error {
        SkipReason::Key(error) => error.into(),
        SkipReason::DuplicateKid => Self::DuplicateKid,
    };
    VerifyError: |error| match error {
        VerifyError::UnknownKey => Self::UnknownKey,
        VerifyError::Signature => Self::BadSignature,
        VerifyError::TooManyKeys => Self::TooManyKeys,
        VerifyError::Use => Self::KeyUse,
    };
    BadSignature: |_error| Self::BadSignature;
    ClaimError: |error| match error {
        ClaimError::Typ => Self::WrongType,
        ClaimError::Algorithm(_) => Self::AlgorithmNotAllowed,
        ClaimError::Missing(_) => Self::MissingClaim,
        ClaimError::WrongType(_) => Self::MalformedClaim,
        ClaimError::Expired => Self::Expired,
        ClaimError::NotYetValid => Self::NotYetValid,
        ClaimError::IssuedInFuture => Self::IssuedInFuture,
        ClaimError::LifetimeTooLong => Self::LifetimeTooLong,
        ClaimError::TooOld => Self::TooOld,
        ClaimError::Issuer => Self::WrongIssuer,
        ClaimError::Audience => Self::WrongAudience,
        ClaimError::Subject => Self::WrongSubject,
    };
    TokenError: |error| match error {
        TokenError::Malformed(error) => error.into(),
        TokenError::Claim(error) => error.into(),
        TokenError::Verify(error) => error.into(),
    };
    OwnKeyError: |error| match error {
        OwnKeyError::Malformed(error) => error.into(),
        OwnKeyError::Typ => Self::WrongType,
        OwnKeyError::Algorithm(_) => Self::AlgorithmNotAllowed,
        OwnKeyError::Key(error) => error.into(),
        OwnKeyError::Signature(error) => error.into(),
    };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_code_is_snake_case_and_its_own() {
        let codes: HashSet<&str> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        for code in codes {
            assert!(
                code.bytes().all(|octet| octet.is_ascii_lowercase() || b"_64".contains(&octet))
            );
        }
    }

    #[test]
    fn an_error_inside_another_keeps_its_code() {
        let twice = JsonError::DuplicateMember;
        let key = KeyError::Json(twice);
        let set = KeySetError::Key { index: 0, reason: key.clone() };
        let token = TokenError::Malformed(Malformed::Header(twice));
        let refusals = [Refusal::from(&key), (&set).into(), (&token).into(), (&twice).into()];
        assert_eq!(refusals, [Refusal::DuplicateMember; 4]);
    }
}
