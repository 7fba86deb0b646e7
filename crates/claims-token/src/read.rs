//! What the authorization server, and before it the client, checks in a claims token.

mod step;

use countersign_jwt::act::ActorChain;
use countersign_jwt::{Algorithm, Checked, ClaimError, Claims, KeySet, Policy, Typ, Unverified};
use countersign_permission_ticket::TicketChallenge;
use countersign_types::secret::TicketHandle;
use countersign_types::{ClientId, EmailAddress, Issuer, Lifetime, ResourceIdentifier, Timestamp};

pub use self::step::{ClaimsTokenError, Step};
use crate::claims::TYP;
use crate::email::VerifiedEmail;

/// The signature algorithms that a claims token may have.
pub const ALGORITHMS: &[Algorithm] =
    &[Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519, Algorithm::Ps256, Algorithm::Rs256];

/// The longest life, `exp` minus `iat`, of a claims token that is accepted.
pub const MAX_LIFETIME: Lifetime = Lifetime::from_secs(300);

/// What the authorization server expects of a pushed claims token.
#[derive(Debug)]
pub struct Expected<'a> {
    audience: &'a Issuer,
    ticket: &'a TicketHandle,
    resources: &'a [ResourceIdentifier],
    now: Timestamp,
    client: Option<&'a ClientId>,
    max_lifetime: Lifetime,
}

impl<'a> Expected<'a> {
    /// A token for this server (`audience`), bound to `ticket`, the newest one of its process, and
    /// to one of `resources`, the identifiers of the resource server that obtained the ticket.
    #[must_use]
    pub const fn new(
        audience: &'a Issuer,
        ticket: &'a TicketHandle,
        resources: &'a [ResourceIdentifier],
        now: Timestamp,
    ) -> Self {
        Self { audience, ticket, resources, now, client: None, max_lifetime: MAX_LIFETIME }
    }

    /// Compares a `client_id` in the token with the client that pushes it.
    #[must_use]
    pub const fn with_client(mut self, client: &'a ClientId) -> Self {
        self.client = Some(client);
        self
    }

    /// Accepts another longest life than [`MAX_LIFETIME`].
    #[must_use]
    pub const fn with_max_lifetime(mut self, max_lifetime: Lifetime) -> Self {
        self.max_lifetime = max_lifetime;
        self
    }
}

/// Does every check that needs no key. No request leaves the server before they passed.
///
/// # Errors
/// Any [`ClaimsTokenError`] but `Person`, `DiscoveredIssuer` and `Signature`.
pub fn check(token: &str, expected: &Expected<'_>) -> Result<CheckedClaims, ClaimsTokenError> {
    let token = Unverified::parse(token)?;
    let resource = token.claims().str("resource")?.ok_or(ClaimsTokenError::ResourceMissing)?;
    if !expected.resources.iter().any(|own| own.as_str() == resource) {
        return Err(ClaimsTokenError::Resource);
    }
    let challenge = compare_challenge(token.claims(), &TicketChallenge::of(expected.ticket));
    let policy = policy(expected.audience, expected.max_lifetime);
    let token = ordered(token.check(&policy, expected.now), challenge)?;

    let common = Common::read(token.claims())?;
    // A local identifier is never compared: it means another client here.
    if let (Some(named), Some(client)) = (&common.client_id, expected.client)
        && named.is_url()
        && named != client
    {
        return Err(ClaimsTokenError::Client);
    }
    Ok(CheckedClaims { token, common })
}

/// A claims token that is bound to this ticket, server and resource server, and whose signature
/// nobody has verified yet: it says where to look for the keys, and nothing else.
#[derive(Debug)]
pub struct CheckedClaims {
    token: Checked,
    common: Common,
}

impl CheckedClaims {
    /// The issuer that the token claims to be from.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.common.iss
    }

    /// The address whose domain decides who the issuer must be.
    #[must_use]
    pub const fn email(&self) -> &EmailAddress {
        self.common.email.address()
    }

    /// The key it claims to be signed with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.token.header().kid()
    }

    /// Verifies the signature with the keys of the issuer that was `discovered` from the e-mail
    /// address.
    ///
    /// # Errors
    /// [`ClaimsTokenError::DiscoveredIssuer`], [`ClaimsTokenError::Signature`].
    pub fn verify(
        self,
        keys: &KeySet,
        discovered: &Issuer,
    ) -> Result<VerifiedClaims, ClaimsTokenError> {
        if self.common.iss != *discovered {
            return Err(ClaimsTokenError::DiscoveredIssuer);
        }
        let claims = self.token.verify(keys)?.into_claims();
        Ok(VerifiedClaims { common: self.common, claims })
    }
}

/// What the person's identity provider says about the person who holds the ticket.
#[derive(Debug)]
pub struct VerifiedClaims {
    common: Common,
    claims: Claims,
}

impl VerifiedClaims {
    /// The identity provider.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.common.iss
    }

    /// The person, in the issuer's name space. Accounts are keyed by issuer and subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        // INVARIANT: it is there, as `Common::read` found out.
        self.claims.subject().unwrap_or_default()
    }

    /// The person's verified e-mail address.
    #[must_use]
    pub const fn email(&self) -> &EmailAddress {
        self.common.email.address()
    }

    /// The token's identifier, unique for its issuer.
    #[must_use]
    pub fn jwt_id(&self) -> &str {
        // INVARIANT: as with the subject.
        self.claims.jwt_id().unwrap_or_default()
    }

    /// When the token ends.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.common.exp
    }

    /// Who acts for the person.
    #[must_use]
    pub const fn act(&self) -> Option<&ActorChain> {
        self.common.act.as_ref()
    }

    /// Whether the person signed in and nobody acts in their place.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.common.act.is_none()
    }

    /// Every claim of the token, for a policy to look at.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// The person of the client's session, as its identity provider named them.
#[derive(Clone, Copy, Debug)]
pub enum ExpectedPerson<'a> {
    /// By the subject of the ID token.
    Subject(&'a str),
    /// By e-mail address.
    Email(&'a EmailAddress),
    /// By both.
    SubjectAndEmail(&'a str, &'a EmailAddress),
}

/// What a client expects of the claims token that it asked its own STS for.
#[derive(Debug)]
pub struct ExpectedByClient<'a> {
    /// The STS that was asked.
    pub issuer: &'a Issuer,
    /// The `audience` that was asked for.
    pub audience: &'a Issuer,
    /// The `resource` that was asked for.
    pub resource: &'a ResourceIdentifier,
    /// The challenge that was sent.
    pub ticket_challenge: &'a TicketChallenge,
    /// The person of this session.
    pub person: ExpectedPerson<'a>,
    /// The client itself, as the STS knows it.
    pub client_id: &'a ClientId,
    /// The time of the check.
    pub now: Timestamp,
}

/// Checks what a client got from its own STS before it pushes it anywhere: a dishonest STS could
/// answer with a token of another person or for another place.
///
/// The signature is not verified: the token came over TLS from the STS itself, and the
/// authorization server will verify it.
///
/// # Errors
/// Any [`ClaimsTokenError`] but `DiscoveredIssuer` and `Signature`.
pub fn check_received(
    token: &str,
    expected: &ExpectedByClient<'_>,
) -> Result<(), ClaimsTokenError> {
    let token = Unverified::parse(token)?;
    if token.claims().str("resource")? != Some(expected.resource.as_str()) {
        return Err(ClaimsTokenError::Resource);
    }
    let challenge = compare_challenge(token.claims(), expected.ticket_challenge);
    let policy = policy(expected.audience, MAX_LIFETIME).issuer(expected.issuer.as_str());
    let token = ordered(token.check(&policy, expected.now), challenge)?;
    let common = Common::read(token.claims())?;
    let subject = token.claims().subject()?;
    let same_subject = |sub: &str| subject == sub;
    let same_email = |email: &EmailAddress| common.email.address() == email;
    let same_person = match expected.person {
        ExpectedPerson::Subject(sub) => same_subject(sub),
        ExpectedPerson::Email(email) => same_email(email),
        ExpectedPerson::SubjectAndEmail(sub, email) => same_subject(sub) && same_email(email),
    };
    if !same_person {
        return Err(ClaimsTokenError::Person);
    }
    if common.client_id.as_ref().is_some_and(|named| named != expected.client_id) {
        return Err(ClaimsTokenError::Client);
    }
    if common.act.as_ref().is_some_and(|act| act.current().sub != expected.client_id.as_str()) {
        return Err(ClaimsTokenError::Act(None));
    }
    Ok(())
}

/// The claims that both readers need, in their types; `sub` and `jti` are text, and stay where they
/// are.
#[derive(Debug)]
struct Common {
    iss: Issuer,
    email: VerifiedEmail,
    exp: Timestamp,
    client_id: Option<ClientId>,
    act: Option<ActorChain>,
}

impl Common {
    fn read(claims: &Claims) -> Result<Self, ClaimsTokenError> {
        let iss =
            Issuer::parse(claims.required_str("iss")?).map_err(ClaimsTokenError::IssuerForm)?;
        let email = VerifiedEmail::from_claims(claims)?;
        let client_id = match claims.str("client_id")? {
            Some(text) => Some(ClientId::parse(text).map_err(|_| ClaimsTokenError::Client)?),
            None => None,
        };
        let act = match claims.get("act") {
            Some(claim) => {
                Some(ActorChain::from_claim(claim).map_err(|e| ClaimsTokenError::Act(Some(e)))?)
            }
            None => None,
        };
        claims.subject()?;
        claims.jwt_id()?;
        let exp = claims.timestamp("exp")?.ok_or(ClaimError::Missing("exp"))?;
        Ok(Self { iss, email, exp, client_id, act })
    }
}

fn policy(audience: &Issuer, max_lifetime: Lifetime) -> Policy<'_> {
    Policy::new(Typ::Is(TYP))
        .algorithms(ALGORITHMS)
        .audience_sole(audience.as_str())
        .max_lifetime(max_lifetime)
        .require("iss")
        .require("sub")
        .require("iat")
        .require("jti")
}

/// Compares the challenge, under its name, its older name or both, in constant time.
fn compare_challenge(claims: &Claims, expected: &TicketChallenge) -> Result<(), ClaimsTokenError> {
    let text = |name| claims.str(name).map_err(|_| ClaimsTokenError::ChallengeForm(None));
    let challenge = TicketChallenge::one_of(text("ticket_challenge")?, text("ticket_digest")?)
        .map_err(|error| ClaimsTokenError::ChallengeForm(Some(error)))?
        .ok_or(ClaimsTokenError::ChallengeForm(None))?;
    if challenge.ct_eq(expected) { Ok(()) } else { Err(ClaimsTokenError::Challenge) }
}

/// Reports the earlier of two failures: the type of the token is checked before its challenge,
/// and the challenge before the other claims.
fn ordered(
    checked: Result<Checked, ClaimError>,
    challenge: Result<(), ClaimsTokenError>,
) -> Result<Checked, ClaimsTokenError> {
    match (checked, challenge) {
        (Err(error @ (ClaimError::Typ | ClaimError::Algorithm(_))), _) => Err(error.into()),
        (_, Err(error)) => Err(error),
        (Err(error), Ok(())) => Err(error.into()),
        (Ok(checked), Ok(())) => Ok(checked),
    }
}

#[cfg(test)]
mod tests;
