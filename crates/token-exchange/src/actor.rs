//! The client's own statement that it acts: what an actor token proves. [RFC 8693 §2.1, §4.1]
//!
//! An actor token is a JWT of type `actor+jwt` that the authenticated client signed about itself.
//! Its audience is this server alone, with the target in `resource` or `audience`, or exactly that
//! one target. `nbf` is required beside `exp`, so that both ends of its life are the client's word.
//!
//! [RFC 8693 §2.1, §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1

use countersign_client_auth::AuthenticatedClient;
use countersign_jwt::act::Actor;
use countersign_jwt::{ClaimError, KeySet, Malformed, Policy, Typ, Unverified, VerifyError};
use countersign_types::digest::Digest;
use countersign_types::secret::AccessToken;
use countersign_types::{Issuer, Lifetime, Timestamp};

/// The `typ` of an actor token.
pub const TYP: &str = "actor+jwt";

/// The longest life of an actor token that is accepted.
pub const MAX_LIFETIME: Lifetime = Lifetime::from_secs(300);

const LEEWAY: Lifetime = Lifetime::from_secs(60);

/// Why an actor token was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActorError {
    /// Not a signed JWT.
    #[error("not a signed JWT")]
    Malformed(#[from] Malformed),
    /// A claim or the header is not that of an actor token of this client.
    #[error("a claim is refused")]
    Claim(#[from] ClaimError),
    /// `aud` has not exactly one value.
    #[error("aud has not exactly one value")]
    Audience,
    /// `aud` is neither this server nor a target of the request.
    #[error("aud is another target than the request's")]
    Target,
    /// The client did not sign it.
    #[error("the signature did not verify")]
    Signature(#[from] VerifyError),
    /// It was presented before.
    #[error("the actor token was used before")]
    Replayed,
}

/// An actor token that verified; whether it was used before is not known yet.
#[derive(Debug)]
pub struct PresentedActor {
    actor: Actor,
    jti: Option<Digest>,
    expires: Timestamp,
}

/// A client that proved that it acts.
#[derive(Debug)]
pub struct VerifiedActor(Actor);

/// Verifies an actor token with the keys of the client that presents it. `targets` are the
/// `resource` and `audience` values of the request.
///
/// # Errors
/// Any [`ActorError`] but `Replayed`.
pub fn verify(
    token: &AccessToken,
    client: &AuthenticatedClient,
    keys: &KeySet,
    issuer: &Issuer,
    targets: &[&str],
    now: Timestamp,
) -> Result<PresentedActor, ActorError> {
    let token = Unverified::parse(token.expose())?;
    let audience = match token.claims().audience()?.as_slice() {
        [only] => (*only).to_owned(),
        _ => return Err(ActorError::Audience),
    };
    let client_id = client.id().as_str();
    let policy = Policy::new(Typ::Is(TYP))
        .algorithms(countersign_claims_token::read::ALGORITHMS)
        .issuer(client_id)
        .subject(client_id)
        .audience_sole(&audience)
        .require("nbf")
        .max_lifetime(MAX_LIFETIME)
        .leeway(LEEWAY);
    let token = token.check(&policy, now)?;
    let token = token.verify(keys)?;
    if audience != issuer.as_str() && !targets.contains(&audience.as_str()) {
        return Err(ActorError::Target);
    }
    let claims = token.claims();
    let expires = claims.timestamp("exp")?.ok_or(ClaimError::Missing("exp"))?;
    let jti = claims.str("jti")?;
    let actor =
        Actor { sub: client_id.to_owned(), iss: None, client_id: Some(client_id.to_owned()) };
    Ok(PresentedActor {
        actor,
        jti: jti
            .map(|jti| Digest::of_parts(&[b"actor_token", client_id.as_bytes(), jti.as_bytes()])),
        expires: expires.after(LEEWAY),
    })
}

impl PresentedActor {
    /// What must be new, and until when it is to be remembered. A token without `jti` may be used
    /// until it ends.
    #[must_use]
    pub fn once(&self) -> Option<(Digest, Timestamp)> {
        self.jti.map(|jti| (jti, self.expires))
    }

    /// The actor, given whether the store saw [`PresentedActor::once`] for the first time.
    ///
    /// # Errors
    /// [`ActorError::Replayed`].
    pub fn if_new(self, new: bool) -> Result<VerifiedActor, ActorError> {
        if new { Ok(VerifiedActor(self.actor)) } else { Err(ActorError::Replayed) }
    }
}

impl VerifiedActor {
    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.0
    }
}
