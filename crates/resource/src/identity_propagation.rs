//! Identity propagation: a person of another domain, and the service that acts for them.
//!
//! The caller is a service with a URL of its own. It shows an *identity token*, which the person's
//! own provider made out to this server, and a *client proof* for that very token, good once;
//! beside a token that is bound to a key, a DPoP proof of that key as well. This server has heard
//! of neither: whose word counts for the person's address it learns from the address's domain, and
//! the client's keys from the client's URL.
//!
//! Nothing is fetched for a token that could be refused without it; the client's URL is fetched
//! only once the entitled issuer has named it.

mod audit;
mod domains;
mod error;
mod proofs;

use std::sync::Arc;

use countersign_fetch::Fetch;
use countersign_identity_propagation::presentation::Proofs;
use countersign_identity_propagation::{
    PresentationError, PropagatedIdentity, client_proof, presentation,
};
use countersign_jwt::KeySet;
use countersign_metadata::DocumentKind;
use countersign_resolver::{
    ClientDocuments, ClientDocumentsConfig, IssuerConfig, IssuerResolver, KeysConfig,
    MetadataConfig, RemoteKeys, ServerMetadataCache,
};
use countersign_types::digest::Digest;
use countersign_types::replay::Seen;
use countersign_types::secret::AccessToken;
use countersign_types::{Clock, EmailAddress, EndpointUrl, Issuer, ResourceIdentifier, Timestamp};
use http::{HeaderMap, HeaderName};

pub use self::audit::{Audit, Check, Claimed, Outcome, PresentationRecord};
pub use self::domains::{DomainError, Domains, Entitled};
pub use self::error::IdentityError;
pub use self::proofs::{MemoryProofs, ProofsError, UsedProofs};
use crate::caller::{Content, VerifiedCaller};
use crate::dpop::Dpop;

/// The header that carries the client proof.
pub const CLIENT_PROOF: HeaderName = HeaderName::from_static(client_proof::HEADER);

/// Verifies identity tokens with their proofs.
pub struct IdentityPropagation {
    identifier: ResourceIdentifier,
    domains: Domains,
    discovery: IssuerResolver,
    metadata: ServerMetadataCache,
    issuer_keys: RemoteKeys,
    clients: ClientDocuments,
    fetch: Arc<dyn Fetch>,
    used: Arc<dyn UsedProofs>,
    clock: Arc<dyn Clock>,
    audit: Option<Arc<dyn Audit>>,
}

impl IdentityPropagation {
    /// Takes identity tokens that are made out to `identifier`, for people of these domains.
    #[must_use]
    pub fn new(
        identifier: ResourceIdentifier,
        domains: Domains,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        used: Arc<dyn UsedProofs>,
    ) -> Self {
        let of = || (Arc::clone(&fetch), Arc::clone(&clock));
        let ((f1, c1), (f2, c2), (f3, c3), (f4, c4)) = (of(), of(), of(), of());
        Self {
            discovery: IssuerResolver::new(f1, c1, &IssuerConfig::default()),
            metadata: ServerMetadataCache::new(f2, c2, &MetadataConfig::default()),
            issuer_keys: RemoteKeys::new(f3, c3, &KeysConfig::default()),
            clients: ClientDocuments::new(f4, c4, &ClientDocumentsConfig::default()),
            identifier,
            domains,
            fetch,
            used,
            clock,
            audit: None,
        }
    }

    /// Who is told what came of every presentation, with its checks; by default nobody.
    #[must_use]
    pub fn with_audit(mut self, audit: Arc<dyn Audit>) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Looks clients up by these rules: whether a URL without a path is a client's, and how long
    /// what it publishes is kept.
    #[must_use]
    pub fn with_client_documents(mut self, config: &ClientDocumentsConfig) -> Self {
        let (fetch, clock) = (Arc::clone(&self.fetch), Arc::clone(&self.clock));
        self.clients = ClientDocuments::new(fetch, clock, config);
        self
    }

    /// This server, as identity tokens and client proofs name it in `aud`.
    #[must_use]
    pub const fn identifier(&self) -> &ResourceIdentifier {
        &self.identifier
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says who calls, and through whom. The token and the proofs are untrusted.
    ///
    /// # Errors
    /// Any [`IdentityError`].
    pub async fn verify<'a>(
        &self,
        identity_token: &AccessToken,
        proofs: impl Into<Proofs<'a>>,
    ) -> Result<VerifiedCaller, IdentityError> {
        let outcome = self.decided(identity_token, proofs.into()).await;
        if let Some(audit) = &self.audit {
            let error = outcome.as_ref().err();
            audit.record(&PresentationRecord::of(identity_token, error));
        }
        outcome
    }

    /// The steps of the profile's section 7, in their order.
    async fn decided(
        &self,
        identity_token: &AccessToken,
        proofs: Proofs<'_>,
    ) -> Result<VerifiedCaller, IdentityError> {
        let now = self.clock.now();
        // `TokenType` to `Ath`: all that needs nobody else.
        let checked = presentation::check(identity_token, proofs, &self.identifier, now)?;

        // `Issuer`: one that is not entitled is refused before anybody's keys are fetched.
        let (entitled, keys_at) = self.entitled(checked.email(), checked.issuer()).await?;
        if checked.issuer() != &entitled {
            return Err(IdentityError::NotEntitled { domain: checked.email().domain().to_owned() });
        }

        // `IssuerSignature`
        let issuer_keys = self.issuer_keys.keys_with(&keys_at, checked.issuer_key_id()).await?;
        let vouched = checked.verify_issuer(&entitled, &issuer_keys)?;

        // `ClientSignature`
        let client_keys: Arc<KeySet> =
            self.clients.resolve(vouched.client(), vouched.client_key_id()).await?.keys;
        let presented = vouched.verify_client(&client_keys)?;

        // `Once`: nothing is used up by what any other step refuses.
        let proved = match presented.key_proof() {
            Some(proof) => {
                let seen = self.take(proof.once()).await?;
                Some(proof.if_new(seen).map_err(PresentationError::from)?)
            }
            None => None,
        };
        let seen = self.take(presented.once()).await?;
        let identity = presented.if_new(seen, proved)?;
        Ok(caller_of(&identity, identity_token.expose().len()))
    }

    /// Notes a proof, which nobody can show again.
    async fn take(&self, (key, until): (Digest, Timestamp)) -> Result<Seen, ProofsError> {
        self.used.insert_new(key, until).await
    }

    /// How proofs of keys are judged here: without nonces.
    pub(crate) fn dpop(&self) -> Dpop {
        Dpop::new(Arc::clone(&self.used))
    }

    /// Whose word counts for an address, and where its keys are. Where the configuration says
    /// whose, nobody is asked for a token of another.
    async fn entitled(
        &self,
        address: &EmailAddress,
        claimed: &Issuer,
    ) -> Result<(Issuer, EndpointUrl), IdentityError> {
        let domain = address.domain();
        match self.domains.entitled(domain) {
            Some(Entitled::Discovered) => {
                let found = self.discovery.resolve(address).await?;
                Ok((found.issuer, found.jwks_uri))
            }
            Some(Entitled::Only(issuer)) if issuer != claimed => {
                Err(IdentityError::NotEntitled { domain: domain.to_owned() })
            }
            Some(Entitled::Only(issuer)) => {
                let metadata = self.metadata.get(DocumentKind::OpenId, issuer).await?;
                let keys_at = metadata.jwks_uri.clone().ok_or(IdentityError::NoKeys)?;
                Ok((issuer.clone(), keys_at))
            }
            None => Err(IdentityError::Domain { domain: domain.to_owned() }),
        }
    }
}

fn caller_of(identity: &PropagatedIdentity, size: usize) -> VerifiedCaller {
    let claims = identity.claims();
    VerifiedCaller::new(Content {
        issuer: identity.issuer().clone(),
        subject: Some(identity.email().to_string()),
        email: Some(identity.email().clone()),
        client_id: Some(identity.client().to_string()),
        actors: Some(identity.act().clone()),
        scopes: Arc::default(),
        permissions: Vec::new(),
        token_id: claims.str("jti").ok().flatten().map(str::to_owned),
        expires: Some(identity.expires()),
        confirmation: identity.confirmation().copied(),
        claims: claims.clone(),
        size,
    })
}

/// The client proof of a request, if there is exactly one; two are an `Err`.
pub(crate) fn client_proof_of(headers: &HeaderMap) -> Result<Option<AccessToken>, TwoProofs> {
    let mut values = headers.get_all(&CLIENT_PROOF).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(TwoProofs);
    }
    // What is not visible ASCII is no JWT, and is refused as one.
    Ok(Some(AccessToken::new(first.to_str().unwrap_or_default())))
}

/// More than one client proof in one request.
pub(crate) struct TwoProofs;

#[cfg(test)]
mod tests;
