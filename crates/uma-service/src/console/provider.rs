//! The OpenID provider at which owners sign in, and the conversation with it.

use std::sync::Arc;

use countersign_fetch::Fetch;
use countersign_login::{LoginError, Pending, RelyingParty, Wishes};
use countersign_resolver::IssuerCache;
use countersign_types::random::Random;
use countersign_types::{Clock, EndpointUrl, RedirectUri, Timestamp};

use super::ProviderSetup;
use super::owners::Identity;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("the provider's metadata could not be had")]
    Metadata(#[from] countersign_resolver::metadata::ServerMetadataError),
    #[error("the provider publishes no keys")]
    NoKeys,
    #[error("the provider's keys could not be had")]
    Keys(#[from] countersign_resolver::keys::KeysError),
    #[error("the login failed")]
    Login(#[from] LoginError),
}

/// The provider, and what it publishes.
pub(super) struct Provider {
    setup: ProviderSetup,
    redirect_uri: RedirectUri,
    published: IssuerCache,
    fetch: Arc<dyn Fetch>,
}

impl Provider {
    pub(super) fn new(
        setup: ProviderSetup,
        redirect_uri: RedirectUri,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let published = IssuerCache::new(setup.issuer.clone(), Arc::clone(&fetch), clock);
        Self { setup, redirect_uri, published, fetch }
    }

    pub(super) fn name(&self) -> &str {
        &self.setup.name
    }

    /// Begins a login: where the browser goes, and what to remember.
    pub(super) async fn begin(
        &self,
        wishes: Wishes,
        random: &dyn Random,
    ) -> Result<(EndpointUrl, Pending), ProviderError> {
        let party = self.party().await?;
        Ok(party.begin_as(&self.redirect_uri, &self.setup.scope, wishes, random)?)
    }

    /// Finishes it with the query that the browser brought.
    pub(super) async fn finish(
        &self,
        pending: Pending,
        query: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Identity, ProviderError> {
        let party = self.party().await?;
        let redeemed = party.redeem(pending, query, now, random).await?;
        let jwks_uri = party.metadata().jwks_uri.as_ref().ok_or(ProviderError::NoKeys)?;
        let keys = self.published.keys_with(jwks_uri, redeemed.key_id().as_deref()).await?;
        let identity = party.verify(&redeemed, &keys, now)?.identity;
        Ok(Identity {
            issuer: identity.issuer,
            subject: identity.subject,
            email: identity.email.filter(|_| identity.email_verified),
        })
    }

    async fn party(&self) -> Result<RelyingParty, ProviderError> {
        let metadata = self.published.openid_metadata().await?;
        let (fetch, registration) = (Arc::clone(&self.fetch), self.setup.registration.clone());
        Ok(RelyingParty::new(fetch, metadata, registration)?)
    }
}
