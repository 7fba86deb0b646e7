//! What a relying party checks of an identity token and the proofs beside it.
//!
//! ```text
//! (identity token, proofs) --check--> CheckedPresentation --verify(keys)--> Presented --if_new--> PropagatedIdentity
//! ```
//!
//! A client proof is beside every identity token. Beside one that is bound to a key (`cnf`) there
//! is the DPoP proof of that key as well, never in its place: the issuer chooses `cnf`, and only
//! the keys that a client publishes say that it is this client.
//!
//! Everything that either can be refused for without a key comes first: nobody makes a relying
//! party fetch a URL by sending it a made-up token. Then the caller finds the issuer that is
//! entitled to the address and the keys that the client publishes, and only what both signed, and
//! what was never seen before, becomes a [`PropagatedIdentity`].

mod step;

use countersign_client_auth::dpop::{self, DpopError, ProvedKey};
use countersign_jwt::act::ActorChain;
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{Claims, KeySet};
use countersign_types::digest::Digest;
use countersign_types::replay::Seen;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, ResourceIdentifier, Timestamp};

pub use self::step::{PresentationError, Step};
use crate::client_proof::{self, CheckedProof, PresentedProof};
use crate::identity_token::{self, CheckedIdentityToken, VerifiedIdentityToken};

/// What a request brings beside an identity token. What is demanded of it, the token says.
#[derive(Debug)]
pub struct Proofs<'a> {
    /// The client proof, untrusted.
    pub client: Option<&'a AccessToken>,
    /// The DPoP proof, as it was judged for this request and this token ([`dpop::verify`]); `None`
    /// where the token came as a bearer token.
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
    /// [`IdentityTokenError::Issuer`], [`IdentityTokenError::Signature`],
    /// [`ProofError::Signature`].
    ///
    /// [`IdentityTokenError::Issuer`]: crate::identity_token::IdentityTokenError::Issuer
    /// [`IdentityTokenError::Signature`]: crate::identity_token::IdentityTokenError::Signature
    /// [`ProofError::Signature`]: crate::client_proof::ProofError::Signature
    pub fn verify(
        self,
        entitled: &Issuer,
        issuer_keys: &KeySet,
        client_keys: &KeySet,
    ) -> Result<Presented, PresentationError> {
        self.verify_issuer(entitled, issuer_keys)?.verify_client(client_keys)
    }

    /// Verifies the signature of the issuer that is `entitled` to the address. Whoever has to fetch
    /// the client's keys does this first: then it is the issuer, and not just anybody, who named
    /// the URL that is fetched.
    ///
    /// # Errors
    /// [`IdentityTokenError::Issuer`], [`IdentityTokenError::Signature`].
    ///
    /// [`IdentityTokenError::Issuer`]: crate::identity_token::IdentityTokenError::Issuer
    /// [`IdentityTokenError::Signature`]: crate::identity_token::IdentityTokenError::Signature
    pub fn verify_issuer(
        self,
        entitled: &Issuer,
        issuer_keys: &KeySet,
    ) -> Result<VouchedPresentation, PresentationError> {
        let identity = self.identity.verify(issuer_keys, entitled)?;
        Ok(VouchedPresentation { identity, key: self.key, proof: self.proof })
    }
}

/// A presentation whose identity token the entitled issuer signed; the client has proved nothing
/// yet.
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
    ///
    /// [`ProofError::Signature`]: crate::client_proof::ProofError::Signature
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

    /// The outcome, given what the store says of [`Presented::once`], and the key that
    /// [`Presented::key_proof`] proved, if there is one.
    ///
    /// # Errors
    /// [`PresentationError::Bound`], [`PresentationError::Unbound`], [`PresentationError::Key`],
    /// [`ProofError::Replayed`].
    ///
    /// [`ProofError::Replayed`]: crate::client_proof::ProofError::Replayed
    pub fn if_new(
        self,
        seen: Seen,
        proved: Option<ProvedKey>,
    ) -> Result<PropagatedIdentity, PresentationError> {
        match (self.identity.confirmation(), proved) {
            (None, None) => {}
            (None, Some(_)) => return Err(PresentationError::Unbound),
            (Some(_), None) => return Err(PresentationError::Bound),
            (Some(bound), Some(proved)) if *bound == proved.confirmation() => {}
            (Some(_), Some(_)) => return Err(PresentationError::Key),
        }
        let _proof = self.proof.if_new(seen)?;
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
