//! The checks of a presentation in their order, and which of them failed.

use countersign_client_auth::dpop::DpopError;
use countersign_jwt::ClaimError;

use crate::client_proof::ProofError;
use crate::identity_token::IdentityTokenError;

/// The checks of a presentation in their order.
///
/// A failed check says that those before it passed, which is what a decision log prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The identity token is a JWS of the right `typ` and `alg`, and `iss`, `sub` and `jti` are
    /// texts if they are there.
    TokenType,
    /// Its `aud` is this relying party alone.
    Audience,
    /// Its `exp`, `nbf` and `iat` hold now, and its life is short.
    Lifetime,
    /// Its `iss` is an issuer and its `sub` an address, which `email` does not contradict.
    Subject,
    /// Its `act` names a client by URL, and `client_id` no other.
    Actor,
    /// If it is bound to a key by `cnf`, and only then, there is a DPoP proof, of that key, for
    /// this request and this token.
    Binding,
    /// There is a client proof, of the right `typ`, by the actor, for this relying party, now.
    Proof,
    /// The proof's `ath` is the hash of the identity token.
    Ath,
    /// `iss` is the issuer that is entitled to the address.
    Issuer,
    /// The issuer signed the identity token.
    IssuerSignature,
    /// The client signed the proof.
    ClientSignature,
    /// No proof was ever seen before.
    Once,
}

impl Step {
    /// Every step in order.
    pub const ALL: &'static [Self] = &[
        Self::TokenType,
        Self::Audience,
        Self::Lifetime,
        Self::Subject,
        Self::Actor,
        Self::Binding,
        Self::Proof,
        Self::Ath,
        Self::Issuer,
        Self::IssuerSignature,
        Self::ClientSignature,
        Self::Once,
    ];

    /// What it checks, in the words of the claims.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenType => "typ and alg are those of an identity token",
            Self::Audience => "aud is this relying party alone",
            Self::Lifetime => "exp, nbf and iat hold now",
            Self::Subject => "iss is an issuer and sub an e-mail address",
            Self::Actor => "act.sub is a client's URL",
            Self::Binding => "the key that cnf names, if any, is proved",
            Self::Proof => "the client proof is the actor's, for this relying party, now",
            Self::Ath => "ath = base64url(SHA-256(identity_token))",
            Self::Issuer => "iss is entitled to the e-mail domain",
            Self::IssuerSignature => "the issuer's signature",
            Self::ClientSignature => "the client's signature, by the keys it publishes",
            Self::Once => "each proof is new",
        }
    }

    /// The specification that demands it.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::TokenType => "RFC 8725 §3.1, §3.11",
            Self::Audience => "RFC 8725 §3.9",
            Self::Lifetime => "RFC 7519 §4.1.4-4.1.6",
            Self::Subject => "RFC 8725 §3.8",
            Self::Actor => "RFC 8693 §4.1, §4.3",
            Self::Binding => "RFC 7800 §3.1, RFC 9449 §4.3, §7.1",
            Self::Proof => "RFC 7523 §3, RFC 8725 §3.12",
            Self::Ath => "RFC 9449 §4.2",
            Self::Issuer => "OpenID Connect Discovery §2, §4.3",
            Self::IssuerSignature | Self::ClientSignature => "RFC 7515 §5.2",
            Self::Once => "RFC 7523 §3, RFC 9449 §11.1",
        }
    }
}

/// Why a presentation was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresentationError {
    /// The identity token is refused.
    #[error("the identity token is refused")]
    Identity(#[from] IdentityTokenError),
    /// The identity token is bound to a key, and came as if it were not.
    #[error("the identity token asks for a proof of its key")]
    Bound,
    /// The identity token is bound to no key, and came as if it were.
    #[error("the identity token is bound to no key")]
    Unbound,
    /// The proof of the key is refused.
    #[error("the proof of the key is refused")]
    KeyProof(#[from] DpopError),
    /// The key that was proved is not the one that the identity token is bound to.
    #[error("the identity token is bound to another key")]
    Key,
    /// There is no client proof.
    #[error("there is no client proof")]
    ProofMissing,
    /// The client proof is refused.
    #[error("the client proof is refused")]
    Proof(#[from] ProofError),
}

impl PresentationError {
    /// The step that failed; those before it in [`Step::ALL`] passed.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Identity(error) => identity_step(error),
            Self::KeyProof(DpopError::Replayed) => Step::Once,
            Self::Bound | Self::Unbound | Self::KeyProof(_) | Self::Key => Step::Binding,
            Self::ProofMissing => Step::Proof,
            Self::Proof(ProofError::Ath) => Step::Ath,
            Self::Proof(ProofError::Signature(_)) => Step::ClientSignature,
            Self::Proof(ProofError::Replayed) => Step::Once,
            Self::Proof(ProofError::Malformed(_) | ProofError::Claim(_)) => Step::Proof,
        }
    }
}

fn identity_step(error: &IdentityTokenError) -> Step {
    match error {
        IdentityTokenError::Malformed(_) => Step::TokenType,
        IdentityTokenError::Claim(error) => claim_step(error),
        IdentityTokenError::IssuerForm(_)
        | IdentityTokenError::Subject(_)
        | IdentityTokenError::Ambiguous
        | IdentityTokenError::Person => Step::Subject,
        IdentityTokenError::NoActor
        | IdentityTokenError::Act(_)
        | IdentityTokenError::ActorForm
        | IdentityTokenError::Client => Step::Actor,
        IdentityTokenError::Confirmation => Step::Binding,
        IdentityTokenError::Issuer => Step::Issuer,
        IdentityTokenError::Signature(_) => Step::IssuerSignature,
    }
}

/// In the order of the checks: what a policy asks of the types of claims comes before `aud` and the
/// times, what it requires to be there after them, and what the claims say last.
fn claim_step(error: &ClaimError) -> Step {
    match error {
        ClaimError::Typ
        | ClaimError::Algorithm(_)
        | ClaimError::WrongType("iss" | "sub" | "jti") => Step::TokenType,
        ClaimError::Audience | ClaimError::Missing("aud") | ClaimError::WrongType("aud") => {
            Step::Audience
        }
        ClaimError::Issuer
        | ClaimError::Subject
        | ClaimError::Missing("iss" | "sub")
        | ClaimError::WrongType("email" | "email_verified") => Step::Subject,
        ClaimError::WrongType("client_id") => Step::Actor,
        ClaimError::Missing(_)
        | ClaimError::WrongType(_)
        | ClaimError::Expired
        | ClaimError::NotYetValid
        | ClaimError::IssuedInFuture
        | ClaimError::LifetimeTooLong
        | ClaimError::TooOld => Step::Lifetime,
        // A claim error of a later day: the first step claims that nothing else passed.
        _ => Step::TokenType,
    }
}
