//! The client's own statement that it acts. [RFC 8693 §2.1, §4.1]
//!
//! An actor token is a JWT that a client with keys of its own signs about itself and shows to the
//! security token service. It comes in two forms, told apart by `aud`:
//!
//! | form | `aud` | `typ` | the target |
//! |---|---|---|---|
//! | for the target | the relying party, alone | `actor+jwt`, or absent | `aud` |
//! | for the issuer | the security token service, alone | `actor+jwt` | `resource` or `audience` of the request |
//!
//! The first is how the flow draws it. The second says who the token is for in the sense of
//! [RFC 7519 §4.1.3], and is what is minted unless the first is asked for.
//!
//! [RFC 7519 §4.1.3]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3
//! [RFC 8693 §2.1, §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1

use countersign_client_auth::AuthenticatedClient;
use countersign_jwt::act::Actor;
use countersign_jwt::{
    ClaimError, KeySet, Malformed, Policy, Sign, SignError, Typ, Unverified, VerifyError, sign,
};
use countersign_types::digest::Digest;
use countersign_types::random::{self, Random};
use countersign_types::replay::Seen;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Issuer, Lifetime, ResourceIdentifier, Timestamp};
use serde::Serialize;

use crate::ALGORITHMS;

/// The `typ` of an actor token.
pub const TYP: &str = "actor+jwt";

/// How long the actor tokens minted here live.
pub const LIFETIME: Lifetime = Lifetime::from_secs(60);

/// The longest life of an actor token that is accepted.
pub const MAX_LIFETIME: Lifetime = Lifetime::from_secs(300);

const LEEWAY: Lifetime = Lifetime::from_secs(60);

/// Whom an actor token is made out to.
#[derive(Clone, Copy, Debug)]
pub enum MadeOutTo<'a> {
    /// The security token service, under the issuer the client trusts it by. The target goes into
    /// the request.
    Issuer(&'a Issuer),
    /// The relying party that the identity token shall be for.
    Target(&'a ResourceIdentifier),
}

impl MadeOutTo<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Issuer(issuer) => issuer.as_str(),
            Self::Target(target) => target.as_str(),
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: Timestamp,
    nbf: Timestamp,
    exp: Timestamp,
    jti: String,
}

/// Mints an actor token, good once and for 60 seconds.
///
/// # Errors
/// Whatever the key reports.
pub fn actor_token(
    key: &dyn Sign,
    client: &ClientId,
    made_out_to: MadeOutTo<'_>,
    now: Timestamp,
    random: &dyn Random,
) -> Result<AccessToken, SignError> {
    let claims = Claims {
        iss: client.as_str(),
        sub: client.as_str(),
        aud: made_out_to.as_str(),
        iat: now,
        nbf: now,
        exp: now.after(LIFETIME),
        jti: random::identifier(random),
    };
    sign(TYP, key, &claims).map(AccessToken::new)
}

/// The forms of actor token that a client may present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActorAudience {
    /// Either form.
    #[default]
    Either,
    /// Only the one for the target.
    Target,
    /// Only the one for the issuer.
    Issuer,
}

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
    /// `aud` is not exactly one absolute URL.
    #[error("aud is not exactly one URL")]
    Audience,
    /// A form that this client may not use.
    #[error("aud is of a form that the client may not use")]
    Form,
    /// The client did not sign it.
    #[error("the signature did not verify")]
    Signature(#[from] VerifyError),
    /// It was presented before.
    #[error("the actor token was used before")]
    Replayed,
}

/// An actor token that verified; whether it was used before is not known yet.
#[derive(Debug)]
#[must_use = "nobody acts before it is known that the token is new"]
pub struct PresentedActor {
    actor: VerifiedActor,
    jti: Option<Digest>,
    expires: Timestamp,
}

/// A client that proved that it acts.
#[derive(Debug)]
pub struct VerifiedActor {
    actor: Actor,
    target: Option<ResourceIdentifier>,
}

/// What a security token service expects of an actor token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The client that presents it: it speaks of nobody else.
    pub client: &'a AuthenticatedClient,
    /// The service itself.
    pub issuer: &'a Issuer,
    /// The forms the client may use.
    pub forms: ActorAudience,
    /// The time of the check.
    pub now: Timestamp,
}

/// The key that an actor token claims to be signed with. Untrusted.
///
/// # Errors
/// [`ActorError::Malformed`].
pub fn key_id(token: &AccessToken) -> Result<Option<String>, ActorError> {
    Ok(Unverified::parse(token.expose())?.header().kid().map(str::to_owned))
}

/// Verifies an actor token with the keys of the client that presents it.
///
/// # Errors
/// Any [`ActorError`] but `Replayed`.
pub fn verify(
    token: &AccessToken,
    keys: &KeySet,
    expected: &Expected<'_>,
) -> Result<PresentedActor, ActorError> {
    let token = Unverified::parse(token.expose())?;
    let audience = match token.claims().audience()?.as_slice() {
        [only] => (*only).to_owned(),
        _ => return Err(ActorError::Audience),
    };
    let target = if audience == expected.issuer.as_str() {
        None
    } else {
        Some(ResourceIdentifier::parse(&audience).map_err(|_| ActorError::Audience)?)
    };
    let allowed = match expected.forms {
        ActorAudience::Either => true,
        ActorAudience::Target => target.is_some(),
        ActorAudience::Issuer => target.is_none(),
    };
    if !allowed {
        return Err(ActorError::Form);
    }
    let client_id = expected.client.id().as_str();
    // A client assertion for this server, which may lack `typ`, has this server's issuer as `aud`,
    // too: only the form that it cannot be mistaken for may lack it as well.
    let typ = if target.is_some() { Typ::IsOrAbsent(TYP) } else { Typ::Is(TYP) };
    let policy = Policy::new(typ)
        .algorithms(ALGORITHMS)
        .issuer(client_id)
        .subject(client_id)
        .audience_sole(&audience)
        .require("nbf")
        .max_lifetime(MAX_LIFETIME)
        .leeway(LEEWAY);
    let token = token.check(&policy, expected.now)?.verify(keys)?;
    let claims = token.claims();
    let expires = claims.required_timestamp("exp")?;
    let jti = claims.str("jti")?;
    let actor =
        Actor { sub: client_id.to_owned(), iss: None, client_id: Some(client_id.to_owned()) };
    Ok(PresentedActor {
        actor: VerifiedActor { actor, target },
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

    /// The actor, given what the store says of [`PresentedActor::once`].
    ///
    /// # Errors
    /// [`ActorError::Replayed`].
    pub fn if_new(self, seen: Seen) -> Result<VerifiedActor, ActorError> {
        match seen {
            Seen::First => Ok(self.actor),
            Seen::Again => Err(ActorError::Replayed),
        }
    }
}

impl VerifiedActor {
    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The relying party that the token is made out to; none if it is made out to the issuer.
    #[must_use]
    pub const fn target(&self) -> Option<&ResourceIdentifier> {
        self.target.as_ref()
    }
}

#[cfg(test)]
mod tests;
