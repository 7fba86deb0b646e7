//! Access tokens that their issuer is asked about. [RFC 7662]
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662

use std::sync::Arc;

use bytes::Bytes;
use countersign_client_auth::Proof;
use countersign_client_auth::dpop::SCHEME;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{Claims, json};
use countersign_resolver::IssuerCache;
use countersign_types::digest::Digest;
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{
    ClientId, Clock, EndpointUrl, Issuer, Lifetime, ResourceIdentifier, Timestamp,
};
use http::header::AUTHORIZATION;
use http::{Response, StatusCode};

use super::AccessTokenError;
use super::local::caller_of;
use super::seen::{RestsOn, Seen, Shared, Times, Verified};
use crate::caller::VerifiedCaller;
use crate::error::ConversationError;
use crate::revocation::{NoRevocations, Revocations};

const ENDPOINT: &str = "introspection_endpoint";

/// Octets of answers that are remembered at most: 16 MiB.
const MEMORY: u64 = 16 * 1024 * 1024;

/// The issuer that this server asks, and how it authenticates there.
#[derive(Clone, Debug)]
pub struct Introspector {
    /// The issuer of the tokens.
    pub issuer: Issuer,
    /// This server's client id there.
    pub client_id: ClientId,
    /// How it proves who it is there. [RFC 7662
    /// §2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)
    pub proof: Proof,
}

/// Asks the issuer of access tokens what they are worth: for opaque ones, and where a revocation
/// has to bite sooner than a token expires.
///
/// An answer counts for one request, unless [`with_max_age`](Self::with_max_age) says that it may
/// be remembered; it never is for longer than the token lives, and never if the token is not
/// active.
pub struct IntrospectedTokens {
    identifier: ResourceIdentifier,
    trusted: IssuerCache,
    client_id: ClientId,
    proof: Proof,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    revocations: Arc<dyn Revocations>,
    max_age: Lifetime,
    seen: Seen,
    scopes: Shared,
}

impl IntrospectedTokens {
    /// Takes the tokens that the issuer stands by and that name `identifier` as their audience.
    #[must_use]
    pub fn new(
        identifier: ResourceIdentifier,
        introspector: Introspector,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let Introspector { issuer, client_id, proof } = introspector;
        Self {
            identifier,
            trusted: IssuerCache::new(issuer, Arc::clone(&fetch), Arc::clone(&clock)),
            client_id,
            proof,
            fetch,
            clock,
            random,
            revocations: Arc::new(NoRevocations),
            max_age: Lifetime::from_secs(0),
            seen: Seen::new(MEMORY),
            scopes: Shared::default(),
        }
    }

    /// Remembers an answer for this long, so that a revocation takes effect that much later. By
    /// default, no answer is remembered.
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Lifetime) -> Self {
        self.max_age = max_age;
        self
    }

    /// Asks these at every request.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Arc<dyn Revocations>) -> Self {
        self.revocations = revocations;
        self
    }

    /// This server, as tokens name it in `aud`.
    #[must_use]
    pub const fn identifier(&self) -> &ResourceIdentifier {
        &self.identifier
    }

    /// The issuer that is asked.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        self.trusted.issuer()
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

    /// Says whom a token names; if it is bound to a key, it has to be proved yet.
    pub(crate) async fn named(
        &self,
        token: &AccessToken,
    ) -> Result<VerifiedCaller, AccessTokenError> {
        let now = self.clock.now();
        let digest = token.digest();
        let caller = match self.remembered(&digest, now) {
            Some(caller) => caller,
            None => self.ask_and_remember(token, digest, now).await?,
        };
        if self.revocations.is_revoked(&caller) {
            return Err(AccessTokenError::Revoked);
        }
        Ok(caller)
    }

    /// The caller of a token whose issuer was asked not long ago.
    fn remembered(&self, digest: &Digest, now: Timestamp) -> Option<VerifiedCaller> {
        let seen = self.seen.get(digest)?;
        if seen.rests_on.is_fresh(now) && seen.times.hold(now) {
            return Some(seen.caller.clone());
        }
        self.seen.forget(digest);
        None
    }

    async fn ask_and_remember(
        &self,
        token: &AccessToken,
        digest: Digest,
        now: Timestamp,
    ) -> Result<VerifiedCaller, AccessTokenError> {
        let (caller, times) = self.ask(token, now).await?;
        let until = now.after(self.max_age);
        let until = times.expires.map_or(until, |expires| expires.min(until));
        if now < until {
            let rests_on = RestsOn::Word { given: now, until };
            let verified = Verified { caller: caller.clone(), times, rests_on };
            self.seen.keep(digest, Arc::new(verified));
        }
        Ok(caller)
    }

    async fn ask(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<(VerifiedCaller, Times), AccessTokenError> {
        let response = self.fetch.fetch(self.request(token, now).await?).await;
        let response =
            response.map_err(|source| ConversationError::Fetch { endpoint: ENDPOINT, source })?;
        let claims = read(&response)?;
        self.judge(claims, response.body().len(), now)
    }

    /// [RFC 7662 §2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)
    async fn request(
        &self,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Request, AccessTokenError> {
        let endpoint = self.endpoint().await?;
        let proof = self
            .proof
            .present(&self.client_id, self.trusted.issuer(), now, self.random.as_ref())
            .map_err(ConversationError::from)?;
        let mut params = vec![("token", token.expose()), ("token_type_hint", "access_token")];
        params.extend(proof.params.iter().map(|(name, value)| (*name, value.as_str())));
        let mut request = Request::post_form(endpoint, &params, Limits::token_endpoint());
        request.headers.extend(proof.authorization.map(|value| (AUTHORIZATION, value)));
        Ok(request)
    }

    async fn endpoint(&self) -> Result<EndpointUrl, AccessTokenError> {
        let metadata = self.trusted.metadata().await?;
        let endpoint = metadata.introspection_endpoint.clone();
        endpoint.ok_or(AccessTokenError::NotPublished(ENDPOINT))
    }

    /// Compares what the issuer says with what this server needs to hear.
    /// [RFC 7662 §2.2, §4](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)
    fn judge(
        &self,
        claims: Claims,
        size: usize,
        now: Timestamp,
    ) -> Result<(VerifiedCaller, Times), AccessTokenError> {
        if claims.bool("active")? != Some(true) {
            return Err(AccessTokenError::Inactive);
        }
        // RFC 9449 §6.2: a binding is there, or the token is a bearer token.
        let bound = Confirmation::of(&claims).map_err(|_| AccessTokenError::Bound)?;
        let is_usable = claims.str("token_type")?.is_none_or(|kind| {
            kind.eq_ignore_ascii_case("Bearer")
                || (bound.is_some() && kind.eq_ignore_ascii_case(SCHEME))
        });
        if !is_usable {
            return Err(AccessTokenError::TokenType);
        }
        if claims.str("iss")?.is_some_and(|issuer| issuer != self.trusted.issuer().as_str()) {
            return Err(AccessTokenError::Issuer);
        }
        if !claims.audience()?.contains(&self.identifier.as_str()) {
            return Err(AccessTokenError::Audience);
        }
        let times = Times {
            issued: claims.timestamp("iat")?,
            not_before: claims.timestamp("nbf")?,
            expires: claims.timestamp("exp")?,
        };
        if !times.hold(now) {
            return Err(AccessTokenError::Time);
        }
        let issuer = self.trusted.issuer().clone();
        let caller = caller_of(claims, issuer, &times, size, &self.scopes)?;
        Ok((caller, times))
    }
}

fn read(response: &Response<Bytes>) -> Result<Claims, AccessTokenError> {
    if response.status() != StatusCode::OK {
        let refused = ConversationError::refused(ENDPOINT, response);
        return Err(if is_of_no_kind(&refused) {
            AccessTokenError::Inactive
        } else {
            refused.into()
        });
    }
    let members =
        json::parse_object(response.body()).map_err(|_| ConversationError::Malformed(ENDPOINT))?;
    let claims = Claims::from_map(members);
    // `active` is required, and a boolean: what lacks it is no answer.
    match claims.bool("active") {
        Ok(Some(_)) => Ok(claims),
        _ => Err(ConversationError::Malformed(ENDPOINT).into()),
    }
}

/// Whether the issuer says that it stands by no token of this kind, as some do of a self-contained
/// token where [RFC 7662 §2.2] has `active: false`. The code is that of [RFC 7009 §2.2.1].
///
/// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
/// [RFC 7009 §2.2.1]: https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1
fn is_of_no_kind(refused: &ConversationError) -> bool {
    matches!(refused, ConversationError::Refused { status: StatusCode::BAD_REQUEST, error, .. }
        if error.as_deref() == Some("unsupported_token_type"))
}

#[cfg(test)]
mod tests;
