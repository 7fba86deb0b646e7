//! The identity token: a person's provider says, to one relying party, for whom a client acts.
//!
//! Its issuer mints it ([`IdentityToken`]), the client that asked for it checks that it got what it
//! asked for ([`check_received`]), and the relying party checks everything ([`check`]).

use countersign_claims_token::VerifiedEmail;
use countersign_jwt::act::ActorChain;
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{Checked, Claims, KeySet, Policy, Sign, SignError, Typ, Unverified, sign};
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, Lifetime, ResourceIdentifier, Timestamp};
use serde_json::{Map, Value, json};

pub use self::error::IdentityTokenError;
use crate::ALGORITHMS;

mod error;

/// The `typ` of an identity token. [RFC 8725
/// §3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)
pub const TYP: &str = "identity-propagation+jwt";

/// The longest life, `exp` minus `iat`, of an identity token that is accepted.
pub const MAX_LIFETIME: Lifetime = Lifetime::from_secs(600);

/// The difference between two clocks that is put up with.
pub const LEEWAY: Lifetime = Lifetime::from_secs(60);

/// An identity token about to be signed.
#[derive(Clone, Debug)]
pub struct IdentityToken {
    /// The identity provider that speaks.
    pub iss: Issuer,
    /// The person, by verified e-mail address.
    pub sub: VerifiedEmail,
    /// The relying party: the only audience.
    pub aud: ResourceIdentifier,
    /// When it is issued, and valid from.
    pub iat: Timestamp,
    /// When it ends.
    pub exp: Timestamp,
    /// Its unique identifier.
    pub jti: String,
    /// Who acts for the person, and who did before.
    pub act: ActorChain,
    /// The client it is issued to. [RFC 8693
    /// §4.3](https://www.rfc-editor.org/rfc/rfc8693#section-4.3)
    pub client_id: ClientId,
    /// The key that the client has to prove beside it.
    pub cnf: Option<Confirmation>,
}

impl IdentityToken {
    /// How long an identity token lives unless configured otherwise.
    pub const LIFETIME: Lifetime = Lifetime::from_secs(300);

    /// Signs the token.
    ///
    /// # Errors
    /// Whatever the key reports.
    pub fn mint(&self, key: &dyn Sign) -> Result<AccessToken, SignError> {
        sign(TYP, key, &self.payload()).map(AccessToken::new)
    }

    fn payload(&self) -> Map<String, Value> {
        let claims = [
            ("iss", json!(self.iss)),
            ("sub", json!(self.sub.address())),
            ("aud", json!(self.aud)),
            ("exp", json!(self.exp)),
            ("nbf", json!(self.iat)),
            ("iat", json!(self.iat)),
            ("jti", json!(self.jti)),
            ("act", self.act.to_claim()),
            ("client_id", json!(self.client_id)),
        ];
        let cnf = self.cnf.map(|cnf| ("cnf", cnf.to_claim()));
        claims.into_iter().chain(cnf).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Does every check of an identity token that needs no key. No request leaves a relying party for
/// the sake of a token that does not pass.
///
/// # Errors
/// Any [`IdentityTokenError`] but those of [`check_received`], `Issuer` and `Signature`.
pub fn check(
    token: &AccessToken,
    audience: &ResourceIdentifier,
    now: Timestamp,
) -> Result<CheckedIdentityToken, IdentityTokenError> {
    let policy = policy(audience);
    let token = Unverified::parse(token.expose())?.check(&policy, now)?;
    let common = Common::read(token.claims())?;
    Ok(CheckedIdentityToken { token, common })
}

/// An identity token for this relying party, whose signature nobody has verified yet: it says where
/// to look for the keys, and nothing else.
#[derive(Debug)]
pub struct CheckedIdentityToken {
    token: Checked,
    common: Common,
}

impl CheckedIdentityToken {
    /// The issuer that the token claims to be from.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.common.iss
    }

    /// The address whose domain decides who the issuer must be.
    #[must_use]
    pub const fn email(&self) -> &EmailAddress {
        &self.common.sub
    }

    /// The client that acts now.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.common.actor
    }

    /// The key it claims to be signed with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.token.header().kid()
    }

    /// The key that has to be proved beside the token. What is demanded follows this, never what
    /// happens to be presented.
    #[must_use]
    pub const fn confirmation(&self) -> Option<&Confirmation> {
        self.common.cnf.as_ref()
    }

    /// Verifies the signature with the keys of the issuer that is `entitled` to speak for the
    /// address: found from the address, not from the token.
    ///
    /// # Errors
    /// [`IdentityTokenError::Issuer`], [`IdentityTokenError::Signature`].
    pub fn verify(
        self,
        keys: &KeySet,
        entitled: &Issuer,
    ) -> Result<VerifiedIdentityToken, IdentityTokenError> {
        if self.common.iss != *entitled {
            return Err(IdentityTokenError::Issuer);
        }
        let claims = self.token.verify(keys)?.into_claims();
        Ok(VerifiedIdentityToken { common: self.common, claims })
    }
}

/// What the person's identity provider says to this relying party. Whether the bearer is the client
/// that it names is another question: see [`presentation`](crate::presentation).
#[derive(Debug)]
pub struct VerifiedIdentityToken {
    common: Common,
    claims: Claims,
}

impl VerifiedIdentityToken {
    /// The identity provider.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.common.iss
    }

    /// The person.
    #[must_use]
    pub const fn email(&self) -> &EmailAddress {
        &self.common.sub
    }

    /// The client that acts now: the only actor a decision may rest on.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.common.actor
    }

    /// The client that acts now, and those that acted before it.
    #[must_use]
    pub const fn act(&self) -> &ActorChain {
        &self.common.act
    }

    /// The key that the client has to prove beside the token.
    #[must_use]
    pub const fn confirmation(&self) -> Option<&Confirmation> {
        self.common.cnf.as_ref()
    }

    /// The token's identifier, if it has one.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.claims.str("jti").ok().flatten()
    }

    /// When the token ends.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.common.exp
    }

    /// Every claim of the token.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// What a client expects of the identity token that it asked its own security token service for.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedByClient<'a> {
    /// The service that was asked.
    pub issuer: &'a Issuer,
    /// The relying party it is for: the resource identifier that covers the URL to be called.
    pub audience: &'a ResourceIdentifier,
    /// The person of this session.
    pub person: &'a EmailAddress,
    /// The client itself.
    pub client_id: &'a ClientId,
    /// The key that the client proved to the service, if it proved one.
    pub confirmation: Option<Confirmation>,
    /// The time of the check.
    pub now: Timestamp,
}

/// Checks what a client got from its own security token service before it shows it to anybody: a
/// dishonest one could answer with the stolen token of another person.
///
/// The signature is not verified: the token came over TLS from the service itself, and the relying
/// party will verify it.
///
/// # Errors
/// Any [`IdentityTokenError`] but `Signature`.
pub fn check_received(
    token: &AccessToken,
    expected: &ExpectedByClient<'_>,
) -> Result<(), IdentityTokenError> {
    let token = check(token, expected.audience, expected.now)?;
    if token.common.iss != *expected.issuer {
        return Err(IdentityTokenError::Issuer);
    }
    if token.common.sub != *expected.person {
        return Err(IdentityTokenError::Person);
    }
    if token.common.actor != *expected.client_id {
        return Err(IdentityTokenError::Client);
    }
    if token.common.cnf != expected.confirmation {
        return Err(IdentityTokenError::Confirmation);
    }
    Ok(())
}

/// The claims that both readers need, in their types.
#[derive(Debug)]
struct Common {
    iss: Issuer,
    sub: EmailAddress,
    exp: Timestamp,
    act: ActorChain,
    /// The outermost actor, as the client it is.
    actor: ClientId,
    cnf: Option<Confirmation>,
}

impl Common {
    fn read(claims: &Claims) -> Result<Self, IdentityTokenError> {
        let iss = Issuer::parse(claims.issuer()?).map_err(IdentityTokenError::IssuerForm)?;
        let sub = EmailAddress::parse(claims.subject()?).map_err(IdentityTokenError::Subject)?;
        // A relying party that reads `email` must not meet another person than in `sub`.
        if let Some(email) = claims.str("email")? {
            let same = EmailAddress::parse(email).is_ok_and(|email| email == sub);
            if !same || claims.bool("email_verified")? == Some(false) {
                return Err(IdentityTokenError::Ambiguous);
            }
        }
        let claim = claims.get("act").ok_or(IdentityTokenError::NoActor)?;
        let act = ActorChain::from_claim(claim).map_err(IdentityTokenError::Act)?;
        // Only a URL means the same client to the issuer and to the relying party.
        let actor = ClientId::parse(&act.current().sub)
            .ok()
            .filter(ClientId::is_url)
            .ok_or(IdentityTokenError::ActorForm)?;
        let named = [claims.str("client_id")?, act.current().client_id.as_deref()];
        if named.into_iter().flatten().any(|named| named != actor.as_str()) {
            return Err(IdentityTokenError::Client);
        }
        let cnf = Confirmation::of(claims).map_err(|_| IdentityTokenError::Confirmation)?;
        Ok(Self { iss, sub, exp: claims.required_timestamp("exp")?, act, actor, cnf })
    }
}

fn policy(audience: &ResourceIdentifier) -> Policy<'_> {
    Policy::new(Typ::Is(TYP))
        .algorithms(ALGORITHMS)
        .audience_sole(audience.as_str())
        .max_lifetime(MAX_LIFETIME)
        .leeway(LEEWAY)
        // With the other times, so that a record of the checks keeps to their order.
        .require("nbf")
        .require("iss")
        .require("sub")
}

#[cfg(test)]
mod tests;
