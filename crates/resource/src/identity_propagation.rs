//! Identity propagation: a person of another domain, and the service that acts for them.
//!
//! The caller is a service with a URL of its own. It shows an *identity token*, which the person's own
//! provider made out to this server, and a *client proof* for that very token, good once. This server
//! has heard of neither: whose word counts for the person's address it learns from the address's
//! domain, and the client's keys from the client's URL.
//!
//! Nothing is fetched for a token that could be refused without it; the client's URL is fetched only
//! once the entitled issuer has named it.

mod audit;
mod domains;
mod error;
mod proofs;

use std::sync::Arc;

use countersign_client_auth::dpop::Presented;
use countersign_fetch::Fetch;
use countersign_identity_propagation::{
    PresentationError, PropagatedIdentity, client_proof, identity_token, presentation,
};
use countersign_jwt::KeySet;
use countersign_jwt::cnf::Confirmation;
use countersign_metadata::DocumentKind;
use countersign_resolver::{
    ClientDocuments, ClientDocumentsConfig, IssuerConfig, IssuerResolver, KeysConfig,
    MetadataConfig, RemoteKeys, ServerMetadataCache,
};
use countersign_types::secret::AccessToken;
use countersign_types::{
    Clock, EmailAddress, EndpointUrl, Issuer, ResourceIdentifier, ScopeSet, Timestamp,
};
use http::{HeaderMap, HeaderName};

use self::audit::Beside;
pub use self::audit::{Audit, Check, Claimed, Outcome, PresentationRecord};
pub use self::domains::{DomainError, Domains, Entitled};
pub use self::error::IdentityError;
pub use self::proofs::{MemoryProofs, ProofsError, UsedProofs};
use crate::caller::{Content, VerifiedCaller};
use crate::dpop::{Dpop, TakeError};

/// The header that carries the client proof.
pub const CLIENT_PROOF: HeaderName = HeaderName::from_static(client_proof::HEADER);

/// Verifies identity tokens with their client proofs.
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

    /// Looks clients up by these rules: whether a URL without a path is a client's, and how long what it
    /// publishes is kept.
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

    /// Says who calls, and through whom. Both tokens are untrusted.
    ///
    /// # Errors
    /// Any [`IdentityError`].
    pub async fn verify(
        &self,
        identity_token: &AccessToken,
        client_proof: Option<&AccessToken>,
    ) -> Result<VerifiedCaller, IdentityError> {
        let outcome = self.decided(identity_token, client_proof).await;
        self.record(identity_token, Beside::ClientProof, &outcome);
        outcome
    }

    fn record(
        &self,
        identity_token: &AccessToken,
        beside: Beside,
        outcome: &Result<VerifiedCaller, IdentityError>,
    ) {
        if let Some(audit) = &self.audit {
            audit.record(&PresentationRecord::of(identity_token, beside, outcome.as_ref().err()));
        }
    }

    async fn decided(
        &self,
        identity_token: &AccessToken,
        client_proof: Option<&AccessToken>,
    ) -> Result<VerifiedCaller, IdentityError> {
        let now = self.clock.now();
        let checked = presentation::check(identity_token, client_proof, &self.identifier, now)?;
        let (entitled, keys_at) = self.entitled(checked.email(), checked.issuer()).await?;
        // An issuer that is not the entitled one is refused before anybody's keys are fetched.
        if checked.issuer() != &entitled {
            return Err(IdentityError::NotEntitled { domain: checked.email().domain().to_owned() });
        }
        let issuer_keys = self.issuer_keys.keys_with(&keys_at, checked.issuer_key_id()).await?;
        let vouched = checked.verify_issuer(&entitled, &issuer_keys)?;
        let client_keys: Arc<KeySet> =
            self.clients.resolve(vouched.client(), vouched.client_key_id()).await?.keys;
        let presented = vouched.verify_client(&client_keys)?;
        let (key, until) = presented.once();
        let is_new = self.used.insert_new(key, until).await?;
        let identity = presented.if_new(is_new)?;
        Ok(caller_of(&identity, None, identity_token.expose().len()))
    }

    /// As [`verify`](Self::verify), for an identity token that is bound to a key, with the proof of a
    /// key beside it. Both are untrusted.
    pub(crate) async fn verify_bound(
        &self,
        identity_token: &AccessToken,
        proof: Presented,
        dpop: &Dpop,
    ) -> Result<VerifiedCaller, IdentityError> {
        let outcome = self.decided_bound(identity_token, proof, dpop).await;
        self.record(identity_token, Beside::Key, &outcome);
        outcome
    }

    async fn decided_bound(
        &self,
        identity_token: &AccessToken,
        proof: Presented,
        dpop: &Dpop,
    ) -> Result<VerifiedCaller, IdentityError> {
        let now = self.clock.now();
        let checked = identity_token::check(identity_token, &self.identifier, now)
            .map_err(PresentationError::from)?;
        let bound = checked.confirmation().copied().ok_or(PresentationError::Unbound)?;
        if !proof.is_of(bound) {
            return Err(PresentationError::Key.into());
        }
        let (entitled, keys_at) = self.entitled(checked.email(), checked.issuer()).await?;
        if checked.issuer() != &entitled {
            return Err(IdentityError::NotEntitled { domain: checked.email().domain().to_owned() });
        }
        let issuer_keys = self.issuer_keys.keys_with(&keys_at, checked.key_id()).await?;
        let verified = checked.verify(&issuer_keys, &entitled).map_err(PresentationError::from)?;
        let proved = dpop.take(proof).await.map_err(|error| match error {
            TakeError::Used(error) => IdentityError::UsedProofs(error),
            TakeError::Proof(error) => IdentityError::Dpop(error),
        })?;
        let identity = presentation::bound(verified, proved)?;
        Ok(caller_of(&identity, Some(bound), identity_token.expose().len()))
    }

    /// How proofs of keys are judged here: what was used is noted where client proofs are.
    pub(crate) fn dpop(&self) -> Dpop {
        Dpop::new(Arc::clone(&self.used))
    }

    /// Whose word counts for an address, and where its keys are. Where the configuration says whose,
    /// nobody is asked for a token of another.
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

fn caller_of(
    identity: &PropagatedIdentity,
    confirmation: Option<Confirmation>,
    size: usize,
) -> VerifiedCaller {
    let claims = identity.claims();
    VerifiedCaller::new(Content {
        issuer: identity.issuer().clone(),
        subject: Some(identity.email().to_string()),
        email: Some(identity.email().clone()),
        client_id: Some(identity.client().to_string()),
        actors: Some(identity.act().clone()),
        scopes: ScopeSet::empty(),
        permissions: Vec::new(),
        token_id: claims.str("jti").ok().flatten().map(str::to_owned),
        expires: Some(identity.expires()),
        confirmation,
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
