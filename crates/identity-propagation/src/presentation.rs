//! What a relying party checks of an identity token and the proofs beside it.
//!
//! ```text
//! (identity token, proofs) --check--> CheckedPresentation --verify(keys)--> Presented --if_new--> PropagatedIdentity
//! ```
//!
//! A client proof is beside every identity token. Beside one that is bound to a key (`cnf`) there is the
//! DPoP proof of that key as well, never in its place: the issuer chooses `cnf`, and only the keys
//! that a client publishes say that it is this client.
//!
//! Everything that either can be refused for without a key comes first: nobody makes a relying
//! party fetch a URL by sending it a made-up token. Then the caller finds the issuer that is
//! entitled to the address and the keys that the client publishes, and only what both signed, and
//! what was never seen before, becomes a [`PropagatedIdentity`].

use countersign_client_auth::dpop::{self, DpopError, ProvedKey};
use countersign_jwt::act::ActorChain;
use countersign_jwt::cnf::Confirmation;
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
    /// If it is bound to a key by `cnf`, and only then, there is a DPoP proof, of that key, for this
    /// request and this token.
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

/// What a request brings beside an identity token. What is demanded of it, the token says.
#[derive(Debug)]
pub struct Proofs<'a> {
    /// The client proof, untrusted.
    pub client: Option<&'a AccessToken>,
    /// The DPoP proof, as it was judged for this request and this token ([`dpop::verify`]); `None` where
    /// the token came as a bearer token.
    pub key: Option<Result<dpop::Presented, DpopError>>,
}

impl<'a> From<Option<&'a AccessToken>> for Proofs<'a> {
    /// What there is beside a bearer token: a client proof alone.
    fn from(client: Option<&'a AccessToken>) -> Self {
        Self { client, key: None }
    }
}

/// Does every check that needs no key but that of a DPoP proof, which brings its own.
///
/// `audience` is the relying party's own resource identifier.
///
/// # Errors
/// Any [`PresentationError`] but those of an entitled issuer, a signature and a replay.
pub fn check<'a>(
    identity_token: &AccessToken,
    proofs: impl Into<Proofs<'a>>,
    audience: &ResourceIdentifier,
    now: Timestamp,
) -> Result<CheckedPresentation, PresentationError> {
    let Proofs { client, key } = proofs.into();
    let identity = identity_token::check(identity_token, audience, now)?;
    let key = binding(identity.confirmation(), key)?;
    let proof = client.ok_or(PresentationError::ProofMissing)?;
    let proof = client_proof::check(proof, identity.client(), audience, identity_token, now)?;
    Ok(CheckedPresentation { identity, key, proof })
}

/// The proof of the key that a token is bound to, if it is bound to one. [RFC 9449 §7.1]
///
/// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
fn binding(
    bound: Option<&Confirmation>,
    shown: Option<Result<dpop::Presented, DpopError>>,
) -> Result<Option<dpop::Presented>, PresentationError> {
    match (bound, shown) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(PresentationError::Unbound),
        (Some(_), None) => Err(PresentationError::Bound),
        (Some(bound), Some(shown)) => {
            let shown = shown?;
            if shown.is_of(*bound) { Ok(Some(shown)) } else { Err(PresentationError::Key) }
        }
    }
}

/// A presentation that wants nothing but keys: whose they have to be, it says itself.
#[derive(Debug)]
pub struct CheckedPresentation {
    identity: CheckedIdentityToken,
    key: Option<dpop::Presented>,
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
        Ok(VouchedPresentation { identity, key: self.key, proof: self.proof })
    }
}

/// A presentation whose identity token the entitled issuer signed; the client has proved nothing yet.
#[derive(Debug)]
pub struct VouchedPresentation {
    identity: VerifiedIdentityToken,
    key: Option<dpop::Presented>,
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
        Ok(Presented { identity: self.identity, key: self.key, proof })
    }
}

/// A presentation that both parties signed; whether its proofs were used before is not known yet.
///
/// What was used is marked in one order: first the [proof of the key](Self::key_proof), if there is
/// one, then the [client proof](Self::once). So of two that share a proof, however close, one gets
/// through.
#[derive(Debug)]
#[must_use = "nobody is identified before the proofs are known to be new"]
pub struct Presented {
    identity: VerifiedIdentityToken,
    key: Option<dpop::Presented>,
    proof: PresentedProof,
}

impl Presented {
    /// The proof of the key that the identity token is bound to, which must be new; `None` if it is
    /// bound to none.
    #[must_use]
    pub const fn key_proof(&self) -> Option<dpop::Presented> {
        self.key
    }

    /// The client proof: what must be new, and until when it is to be remembered.
    #[must_use]
    pub const fn once(&self) -> (Digest, Timestamp) {
        self.proof.once()
    }

    /// The outcome, given whether the store saw [`Presented::once`] for the first time, and the key that
    /// [`Presented::key_proof`] proved, if there is one.
    ///
    /// # Errors
    /// [`PresentationError::Bound`], [`PresentationError::Unbound`], [`PresentationError::Key`],
    /// [`ProofError::Replayed`].
    pub fn if_new(
        self,
        new: bool,
        proved: Option<ProvedKey>,
    ) -> Result<PropagatedIdentity, PresentationError> {
        match (self.identity.confirmation(), proved) {
            (None, None) => {}
            (None, Some(_)) => return Err(PresentationError::Unbound),
            (Some(_), None) => return Err(PresentationError::Bound),
            (Some(bound), Some(proved)) if *bound == proved.confirmation() => {}
            (Some(_), Some(_)) => return Err(PresentationError::Key),
        }
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

    /// The key that the identity token is bound to, which was proved as well.
    #[must_use]
    pub const fn confirmation(&self) -> Option<&Confirmation> {
        self.0.confirmation()
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
