//! What a relying party checks of an identity token and the client proof beside it.
//!
//! ```text
//! (identity token, client proof) --check--> CheckedPresentation --verify(keys)--> Presented --if_new--> PropagatedIdentity
//! ```
//!
//! Everything that either can be refused for without a key comes first: nobody makes a relying
//! party fetch a URL by sending it a made-up token. Then the caller finds the issuer that is
//! entitled to the address and the keys that the client publishes, and only what both signed, and
//! what was never seen before, becomes a [`PropagatedIdentity`].

use countersign_client_auth::dpop::ProvedKey;
use countersign_jwt::act::ActorChain;
use countersign_jwt::{ClaimError, Claims, KeySet};
use countersign_types::digest::Digest;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, ResourceIdentifier, Timestamp};

use crate::client_proof::{self, CheckedProof, PresentedProof, ProofError};
use crate::identity_token::{
    self, CheckedIdentityToken, IdentityTokenError, VerifiedIdentityToken,
};

/// The checks of a presentation in their order.
///
/// A failed check says that those before it passed, which is what a decision log prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The identity token is a JWS of the right `typ` and `alg`, and `iss`, `sub` and `jti` are texts if
    /// they are there.
    TokenType,
    /// Its `aud` is this relying party alone.
    Audience,
    /// Its `exp`, `nbf` and `iat` hold now, and its life is short.
    Lifetime,
    /// Its `iss` is an issuer and its `sub` an address, which `email` does not contradict.
    Subject,
    /// Its `act` names a client by URL, and `client_id` no other.
    Actor,
    /// It asks for the kind of proof that is there.
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
    /// The proof was never seen before.
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
            Self::Binding => "the proof is of the kind that the token asks for",
            Self::Proof => "the client proof is the actor's, for this relying party, now",
            Self::Ath => "ath = base64url(SHA-256(identity_token))",
            Self::Issuer => "iss is entitled to the e-mail domain",
            Self::IssuerSignature => "the issuer's signature",
            Self::ClientSignature => "the client's signature, by the keys it publishes",
            Self::Once => "the client proof is new",
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
            Self::Binding => "RFC 7800 §3.1",
            Self::Proof => "RFC 7523 §3, RFC 8725 §3.12",
            Self::Ath => "RFC 9449 §4.2",
            Self::Issuer => "OpenID Connect Discovery §2, §4.3",
            Self::IssuerSignature | Self::ClientSignature => "RFC 7515 §5.2",
            Self::Once => "RFC 7523 §3",
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
    /// The identity token is bound to a key, which a client proof does not prove.
    #[error("the identity token asks for a proof of its key")]
    Bound,
    /// The identity token is bound to no key, and came as if it were.
    #[error("the identity token is bound to no key")]
    Unbound,
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
            Self::Bound | Self::Unbound | Self::Key => Step::Binding,
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

/// Does every check that needs no key.
///
/// `audience` is the relying party's own resource identifier. A token that is bound to a key is
/// refused here with [`PresentationError::Bound`]: it is for whoever verifies the proof of that key
/// to take it, by [`identity_token::check`].
///
/// # Errors
/// Any [`PresentationError`] but those of an entitled issuer, a signature and a replay.
pub fn check(
    identity_token: &AccessToken,
    client_proof: Option<&AccessToken>,
    audience: &ResourceIdentifier,
    now: Timestamp,
) -> Result<CheckedPresentation, PresentationError> {
    let identity = identity_token::check(identity_token, audience, now)?;
    if identity.confirmation().is_some() {
        return Err(PresentationError::Bound);
    }
    let proof = client_proof.ok_or(PresentationError::ProofMissing)?;
    let proof = client_proof::check(proof, identity.client(), audience, identity_token, now)?;
    Ok(CheckedPresentation { identity, proof })
}

/// The outcome for an identity token that is bound to a key, given the key that was proved beside it
/// ([RFC 9449 §7.1]): the proof stands for the client's own, since its issuer bound the token to a key
/// of the client that it names.
///
/// # Errors
/// [`PresentationError::Unbound`], [`PresentationError::Key`].
///
/// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
pub fn bound(
    identity: VerifiedIdentityToken,
    proved: ProvedKey,
) -> Result<PropagatedIdentity, PresentationError> {
    match identity.confirmation() {
        None => Err(PresentationError::Unbound),
        Some(bound) if *bound != proved.confirmation() => Err(PresentationError::Key),
        Some(_) => Ok(PropagatedIdentity(identity)),
    }
}

/// A presentation that wants nothing but keys: whose they have to be, it says itself.
#[derive(Debug)]
pub struct CheckedPresentation {
    identity: CheckedIdentityToken,
    proof: CheckedProof,
}

impl CheckedPresentation {
    /// The issuer that the identity token claims to be from.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        self.identity.issuer()
    }

    /// The address whose domain decides who the issuer must be.
    #[must_use]
    pub const fn email(&self) -> &EmailAddress {
        self.identity.email()
    }

    /// The client whose published keys the proof has to verify with.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        self.identity.client()
    }

    /// The key that the identity token claims to be signed with.
    #[must_use]
    pub fn issuer_key_id(&self) -> Option<&str> {
        self.identity.key_id()
    }

    /// The key that the client proof claims to be signed with.
    #[must_use]
    pub fn client_key_id(&self) -> Option<&str> {
        self.proof.key_id()
    }

    /// Verifies both signatures: with the keys of the issuer that is `entitled` to the address, and
    /// with those that the client publishes.
    ///
    /// # Errors
    /// [`IdentityTokenError::Issuer`], [`IdentityTokenError::Signature`], [`ProofError::Signature`].
    pub fn verify(
        self,
        entitled: &Issuer,
        issuer_keys: &KeySet,
        client_keys: &KeySet,
    ) -> Result<Presented, PresentationError> {
        self.verify_issuer(entitled, issuer_keys)?.verify_client(client_keys)
    }

    /// Verifies the signature of the issuer that is `entitled` to the address. Whoever has to fetch
    /// the client's keys does this first: then it is the issuer, and not just anybody, who named the
    /// URL that is fetched.
    ///
    /// # Errors
    /// [`IdentityTokenError::Issuer`], [`IdentityTokenError::Signature`].
    pub fn verify_issuer(
        self,
        entitled: &Issuer,
        issuer_keys: &KeySet,
    ) -> Result<VouchedPresentation, PresentationError> {
        let identity = self.identity.verify(issuer_keys, entitled)?;
        Ok(VouchedPresentation { identity, proof: self.proof })
    }
}

/// A presentation whose identity token the entitled issuer signed; the client has proved nothing yet.
#[derive(Debug)]
pub struct VouchedPresentation {
    identity: VerifiedIdentityToken,
    proof: CheckedProof,
}

impl VouchedPresentation {
    /// The client whose published keys the proof has to verify with.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        self.identity.client()
    }

    /// The key that the client proof claims to be signed with.
    #[must_use]
    pub fn client_key_id(&self) -> Option<&str> {
        self.proof.key_id()
    }

    /// Verifies the client's signature with the keys that it publishes.
    ///
    /// # Errors
    /// [`ProofError::Signature`].
    pub fn verify_client(self, client_keys: &KeySet) -> Result<Presented, PresentationError> {
        let proof = self.proof.verify(client_keys)?;
        Ok(Presented { identity: self.identity, proof })
    }
}

/// A presentation that both parties signed; whether its proof was used before is not known yet.
#[derive(Debug)]
#[must_use = "nobody is identified before the proof is known to be new"]
pub struct Presented {
    identity: VerifiedIdentityToken,
    proof: PresentedProof,
}

impl Presented {
    /// What must be new, and until when it is to be remembered.
    #[must_use]
    pub const fn once(&self) -> (Digest, Timestamp) {
        self.proof.once()
    }

    /// The outcome, given whether the store saw [`Presented::once`] for the first time.
    ///
    /// # Errors
    /// [`ProofError::Replayed`].
    pub fn if_new(self, new: bool) -> Result<PropagatedIdentity, PresentationError> {
        let _proof = self.proof.if_new(new)?;
        Ok(PropagatedIdentity(self.identity))
    }
}

/// A person whose provider vouches for them, and a client that proved that it acts for them. Only
/// the whole of the checks makes one.
#[derive(Debug)]
pub struct PropagatedIdentity(VerifiedIdentityToken);

impl PropagatedIdentity {
    /// The identity provider.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        self.0.issuer()
    }

    /// The person.
    #[must_use]
    pub const fn email(&self) -> &EmailAddress {
        self.0.email()
    }

    /// The client that calls: the only actor a decision may rest on.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        self.0.client()
    }

    /// The client that calls, and those that acted before it.
    #[must_use]
    pub const fn act(&self) -> &ActorChain {
        self.0.act()
    }

    /// When the identity token ends.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.0.expires()
    }

    /// Every claim of the identity token.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        self.0.claims()
    }
}

#[cfg(test)]
mod tests;
