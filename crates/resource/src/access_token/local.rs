//! Self-contained access tokens, verified here. [RFC 9068 §4]
//!
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

use std::sync::Arc;

use countersign_claims_token::VerifiedEmail;
use countersign_fetch::Fetch;
use countersign_jwt::act::ActorChain;
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{Claims, KeySet, Policy, Typ, Unverified};
use countersign_resolver::IssuerCache;
use countersign_types::digest::Digest;
use countersign_types::secret::AccessToken;
use countersign_types::{Clock, Issuer, ResourceIdentifier, ScopeSet, Timestamp};

use super::AccessTokenError;
use super::seen::{RestsOn, Seen, Shared, Times, Verified};
use crate::caller::{Content, VerifiedCaller};
use crate::decide::LEEWAY;
use crate::introspect::Permission;
use crate::revocation::{NoRevocations, Revocations};

/// The `typ` of an access token. [RFC 9068
/// §2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)
const TYP: Typ<'static> = Typ::Is("at+jwt");

/// The claims that an access token has to have beside `iss` and `aud`, which are compared, and
/// `exp`, which is always required. [RFC 9068
/// §2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)
const REQUIRED: [&str; 4] = ["sub", "client_id", "iat", "jti"];

/// Octets of verified tokens that are remembered: 16 MiB, some ten thousand tokens.
const MEMORY: u64 = 16 * 1024 * 1024;

/// Verifies self-contained access tokens (`at+jwt`) of issuers that are trusted, with the keys they
/// publish: type, algorithm, issuer, audience, times, the claims of [RFC 9068 §2.2], signature.
///
/// ```no_run
/// # async fn tour(token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use countersign_fetch::{FetchConfig, HttpFetch};
/// use countersign_resource::AccessTokens;
/// use countersign_types::{Issuer, ResourceIdentifier, secret::AccessToken};
/// # struct Fixed;
/// # impl countersign_types::Clock for Fixed {
/// #     fn now(&self) -> countersign_types::Timestamp { countersign_types::Timestamp::from_unix(0) }
/// # }
/// # let clock = Arc::new(Fixed);
/// let api = ResourceIdentifier::parse("https://api.bob.example")?;
/// let issuer = Issuer::parse("https://sts.alice.example")?;
/// let fetch = Arc::new(HttpFetch::new(&FetchConfig::default())?);
/// let tokens = AccessTokens::new(api, issuer, fetch, clock);
/// let caller = tokens.verify(&AccessToken::new(token)).await?;
/// println!("{:?} with {}", caller.subject(), caller.scopes());
/// # Ok(())
/// # }
/// ```
///
/// [RFC 9068 §2.2]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2
pub struct AccessTokens {
    identifier: ResourceIdentifier,
    issuers: Vec<IssuerCache>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    revocations: Arc<dyn Revocations>,
    seen: Seen,
    scopes: Shared,
}

impl AccessTokens {
    /// Takes tokens of one issuer that name `identifier` as their audience.
    #[must_use]
    pub fn new(
        identifier: ResourceIdentifier,
        issuer: Issuer,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            identifier,
            issuers: vec![IssuerCache::new(issuer, Arc::clone(&fetch), Arc::clone(&clock))],
            fetch,
            clock,
            revocations: Arc::new(NoRevocations),
            seen: Seen::new(MEMORY),
            scopes: Shared::default(),
        }
    }

    /// Takes tokens of this issuer, too.
    #[must_use]
    pub fn also_of(mut self, issuer: Issuer) -> Self {
        let (fetch, clock) = (Arc::clone(&self.fetch), Arc::clone(&self.clock));
        self.issuers.push(IssuerCache::new(issuer, fetch, clock));
        self
    }

    /// Asks these at every request.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Arc<dyn Revocations>) -> Self {
        self.revocations = revocations;
        self
    }

    /// Remembers so many octets of verified tokens; with zero, every token is verified at every
    /// use.
    #[must_use]
    pub fn with_memory(mut self, octets: u64) -> Self {
        self.seen = Seen::new(octets);
        self
    }

    /// This server, as tokens name it in `aud`.
    #[must_use]
    pub const fn identifier(&self) -> &ResourceIdentifier {
        &self.identifier
    }

    /// The issuers whose tokens are taken.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter().map(IssuerCache::issuer)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says who calls with a token that needs no other proof. The token is untrusted.
    ///
    /// # Errors
    /// Any [`AccessTokenError`]; a token that is bound to a key is refused.
    pub async fn verify(&self, token: &AccessToken) -> Result<VerifiedCaller, AccessTokenError> {
        let caller = self.named(token).await?;
        if caller.confirmation().is_some() {
            return Err(AccessTokenError::Bound);
        }
        Ok(caller)
    }

    /// The caller of a token that was verified before and needs no other proof, if nothing has to
    /// be asked or refused: by its octets alone, which nobody has looked at yet.
    pub(crate) fn known(&self, token: &[u8]) -> Option<VerifiedCaller> {
        let caller = self.seen_before(&Digest::of(token), self.clock.now())?;
        let is_bound = caller.confirmation().is_some();
        (!is_bound && !self.revocations.is_revoked(&caller)).then_some(caller)
    }

    /// Says whom a token names; if it is bound to a key, it has to be proved yet.
    pub(crate) async fn named(
        &self,
        token: &AccessToken,
    ) -> Result<VerifiedCaller, AccessTokenError> {
        let now = self.clock.now();
        let digest = token.digest();
        let caller = match self.seen_before(&digest, now) {
            Some(caller) => caller,
            // Boxed: whoever was seen before has no use for its room.
            None => Box::pin(self.looked_into(token, digest, now)).await?,
        };
        if self.revocations.is_revoked(&caller) {
            return Err(AccessTokenError::Revoked);
        }
        Ok(caller)
    }

    /// The caller of a token that was verified before, if all that rests on is known to hold still.
    fn seen_before(&self, digest: &Digest, now: Timestamp) -> Option<VerifiedCaller> {
        let verified = self.seen.get(digest)?;
        let RestsOn::Keys { issuer, keys, lacking } = &verified.rests_on else { return None };
        let trusted = self.issuers.get(*issuer)?;
        let holds = trusted.is_current(keys, lacking.as_deref(), now) && verified.times.hold(now);
        holds.then(|| verified.caller.clone())
    }

    /// The caller of a token that is new, or rests on what has to be asked for again.
    async fn looked_into(
        &self,
        token: &AccessToken,
        digest: Digest,
        now: Timestamp,
    ) -> Result<VerifiedCaller, AccessTokenError> {
        if let Some(verified) = self.seen.get(&digest)
            && let RestsOn::Keys { issuer, keys, lacking } = &verified.rests_on
            && let Some(trusted) = self.issuers.get(*issuer)
        {
            let current = self.keys_of(trusted, lacking.as_deref()).await?;
            if Arc::ptr_eq(keys, &current) && verified.times.hold(now) {
                return Ok(verified.caller.clone());
            }
            self.seen.forget(&digest);
        }
        self.verify_new(token, digest, now).await
    }

    async fn verify_new(
        &self,
        token: &AccessToken,
        digest: Digest,
        now: Timestamp,
    ) -> Result<VerifiedCaller, AccessTokenError> {
        let unverified = Unverified::parse(token.expose())?;
        let (issuer, trusted) = self.trusted(unverified.claims().issuer()?)?;
        let checked = unverified.check(&self.policy(trusted.issuer()), now)?;
        if Confirmation::of(checked.claims()).is_err() {
            return Err(AccessTokenError::Bound);
        }
        let kid = checked.header().kid().map(str::to_owned);
        let keys = self.keys_of(trusted, kid.as_deref()).await?;
        let claims = checked.verify(&keys)?.into_claims();
        let times = Times {
            issued: claims.timestamp("iat")?,
            not_before: claims.timestamp("nbf")?,
            expires: claims.timestamp("exp")?,
        };
        let size = token.expose().len();
        let caller = caller_of(claims, trusted.issuer().clone(), &times, size, &self.scopes)?;
        let lacking = kid.filter(|kid| !keys.contains_kid(kid));
        let rests_on = RestsOn::Keys { issuer, keys, lacking };
        self.seen.keep(digest, Arc::new(Verified { caller: caller.clone(), times, rests_on }));
        Ok(caller)
    }

    fn policy<'a>(&'a self, issuer: &'a Issuer) -> Policy<'a> {
        let policy = Policy::new(TYP)
            .issuer(issuer.as_str())
            .audience_includes(self.identifier.as_str())
            .leeway(LEEWAY);
        REQUIRED.into_iter().fold(policy, Policy::require)
    }

    /// An issuer, and which one it is.
    fn trusted(&self, issuer: &str) -> Result<(usize, &IssuerCache), AccessTokenError> {
        let mut known = self.issuers.iter().enumerate();
        let known = known.find(|(_, trusted)| trusted.issuer().as_str() == issuer);
        known.ok_or(AccessTokenError::Issuer)
    }

    /// The key set that an issuer publishes now, as far as its caches know.
    async fn keys_of(
        &self,
        trusted: &IssuerCache,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, AccessTokenError> {
        let metadata = trusted.metadata().await?;
        let url = metadata.jwks_uri.as_ref().ok_or(AccessTokenError::NotPublished("jwks_uri"))?;
        Ok(trusted.keys_with(url, kid).await?)
    }
}

/// Reads the claims of a token that is accepted.
pub(super) fn caller_of(
    claims: Claims,
    issuer: Issuer,
    times: &Times,
    size: usize,
    scopes_of_others: &Shared,
) -> Result<VerifiedCaller, AccessTokenError> {
    let text = |name| Ok::<_, AccessTokenError>(claims.str(name)?.map(str::to_owned));
    let scopes = ScopeSet::parse(claims.str("scope")?.unwrap_or_default())?;
    let actors = claims.get("act").map(ActorChain::from_claim).transpose()?;
    let permissions = claims.get("permissions").map(|value| {
        serde_json::from_value::<Vec<Permission>>(value.clone())
            .map_err(|_| countersign_jwt::ClaimError::WrongType("permissions"))
    });
    let confirmation = Confirmation::of(&claims).map_err(|_| AccessTokenError::Bound)?;
    let content = Content {
        confirmation,
        subject: text("sub")?,
        email: VerifiedEmail::from_claims(&claims).ok().map(|email| email.address().clone()),
        client_id: text("client_id")?,
        token_id: text("jti")?,
        permissions: permissions.transpose()?.unwrap_or_default(),
        expires: times.expires,
        issuer,
        actors,
        scopes: scopes_of_others.or_this(scopes),
        claims,
        size,
    };
    Ok(VerifiedCaller::new(content))
}

#[cfg(test)]
mod tests;
