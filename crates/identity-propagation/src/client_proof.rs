//! The client proof: the bearer of an identity token is the client that acts.
//!
//! A client assertion ([RFC 7523 §3]) proves a client to an authorization server and to nobody
//! else. Towards a relying party the client signs this instead: another `typ`, the relying party as
//! the only audience, and the hash of the very identity token it goes with. Without either, a
//! dishonest security token service could show the actor token that it was given in the client's
//! place.
//!
//! [RFC 7523 §3]: https://www.rfc-editor.org/rfc/rfc7523#section-3

use countersign_jwt::{
    Checked, ClaimError, KeySet, Malformed, Policy, Sign, SignError, Typ, Unverified, VerifyError,
    sign,
};
use countersign_types::digest::Digest;
use countersign_types::random::{self, Random};
use countersign_types::replay::Seen;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Lifetime, ResourceIdentifier, Timestamp};
use serde::Serialize;

use crate::ALGORITHMS;

/// The request header that carries a client proof. An unregistered name of the profile.
pub const HEADER: &str = "client-assertion";

/// The `typ` of a client proof.
pub const TYP: &str = "client-proof+jwt";

/// How long a client proof lives, and may live at most.
pub const LIFETIME: Lifetime = Lifetime::from_secs(60);

/// The difference between two clocks that is put up with.
pub const LEEWAY: Lifetime = Lifetime::from_secs(60);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: Timestamp,
    exp: Timestamp,
    ath: String,
}

/// The hash of a token that goes into its proof: base64url of SHA-256, as in [RFC 9449 §4.2].
///
/// [RFC 9449 §4.2]: https://www.rfc-editor.org/rfc/rfc9449#section-4.2
#[must_use]
pub fn ath(token: &AccessToken) -> String {
    token.digest().to_base64url()
}

/// Mints the proof that goes with `identity_token` to the relying party `audience`, good once and
/// for 60 seconds.
///
/// # Errors
/// Whatever the key reports.
pub fn client_proof(
    key: &dyn Sign,
    client: &ClientId,
    audience: &ResourceIdentifier,
    identity_token: &AccessToken,
    now: Timestamp,
    random: &dyn Random,
) -> Result<AccessToken, SignError> {
    let claims = Claims {
        iss: client.as_str(),
        sub: client.as_str(),
        aud: audience.as_str(),
        jti: random::identifier(random),
        iat: now,
        exp: now.after(LIFETIME),
        ath: ath(identity_token),
    };
    sign(TYP, key, &claims).map(AccessToken::new)
}

/// Why a client proof was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Not a signed JWT.
    #[error("not a signed JWT")]
    Malformed(#[from] Malformed),
    /// A claim or the header is not that of a client proof for this relying party.
    #[error("a claim of the client proof is refused")]
    Claim(#[from] ClaimError),
    /// `ath` is not the hash of the identity token.
    #[error("ath is the hash of another token")]
    Ath,
    /// The client did not sign it.
    #[error("the signature did not verify")]
    Signature(#[from] VerifyError),
    /// It was presented before.
    #[error("the client proof was used before")]
    Replayed,
}

/// Does every check of a client proof that needs no key: it is `client`'s, for `audience`, and goes
/// with `identity_token`.
///
/// # Errors
/// Any [`ProofError`] but `Signature` and `Replayed`.
pub fn check(
    proof: &AccessToken,
    client: &ClientId,
    audience: &ResourceIdentifier,
    identity_token: &AccessToken,
    now: Timestamp,
) -> Result<CheckedProof, ProofError> {
    let policy = Policy::new(Typ::Is(TYP))
        .algorithms(ALGORITHMS)
        .issuer(client.as_str())
        .subject(client.as_str())
        .audience_sole(audience.as_str())
        .require("jti")
        .require("iat")
        .require("ath")
        .max_lifetime(LIFETIME)
        .leeway(LEEWAY);
    let token = Unverified::parse(proof.expose())?.check(&policy, now)?;
    if token.claims().required_str("ath")? != ath(identity_token) {
        return Err(ProofError::Ath);
    }
    let jti = token.claims().jwt_id()?;
    // The kind and the client are part of the key: a jti is unique only within what its issuer
    // signs for one purpose.
    let once = Digest::of_parts(&[b"client-proof", client.as_str().as_bytes(), jti.as_bytes()]);
    let expires = token.claims().required_timestamp("exp")?.after(LEEWAY);
    Ok(CheckedProof { token, once, expires })
}

/// A client proof whose signature nobody has verified yet.
#[derive(Debug)]
pub struct CheckedProof {
    token: Checked,
    once: Digest,
    expires: Timestamp,
}

impl CheckedProof {
    /// The key it claims to be signed with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.token.header().kid()
    }

    /// Verifies the signature with the keys that the client publishes.
    ///
    /// # Errors
    /// [`ProofError::Signature`].
    pub fn verify(self, keys: &KeySet) -> Result<PresentedProof, ProofError> {
        let Self { token, once, expires } = self;
        token.verify(keys)?;
        Ok(PresentedProof { once, expires })
    }
}

/// A client proof that verified; whether it was used before is not known yet.
#[derive(Debug)]
#[must_use = "a proof proves nothing before it is known to be new"]
pub struct PresentedProof {
    once: Digest,
    expires: Timestamp,
}

/// Evidence that the client signed a proof for this very identity token, seen for the first time.
#[derive(Debug)]
pub struct VerifiedProof(());

impl PresentedProof {
    /// What must be new, and until when it is to be remembered.
    #[must_use]
    pub const fn once(&self) -> (Digest, Timestamp) {
        (self.once, self.expires)
    }

    /// The proof, given what the store says of [`PresentedProof::once`].
    ///
    /// # Errors
    /// [`ProofError::Replayed`].
    pub fn if_new(self, seen: Seen) -> Result<VerifiedProof, ProofError> {
        match seen {
            Seen::First => Ok(VerifiedProof(())),
            Seen::Again => Err(ProofError::Replayed),
        }
    }
}

#[cfg(test)]
mod tests;
