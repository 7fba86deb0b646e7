//! The OpenID provider at which owners sign in and out, and the conversation with it.

use std::sync::Arc;

use countersign_fetch::Fetch;
use countersign_login::{LoginError, Pending, RelyingParty, Wishes};
use countersign_resolver::IssuerCache;
use countersign_types::random::Random;
use countersign_types::{Clock, EndpointUrl, RedirectUri, Timestamp};
use url::Url;

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

/// Somebody who signed in, and the ID token that says so.
pub(super) struct SignedIn {
    pub(super) identity: Identity,
    pub(super) id_token: Option<String>,
}

/// The longest ID token that is put into a URL.
const MAX_HINT: usize = 4096;

/// The provider, and what it publishes.
pub(super) struct Provider {
    setup: ProviderSetup,
    redirect_uri: RedirectUri,
    post_logout_redirect_uri: RedirectUri,
    published: IssuerCache,
    fetch: Arc<dyn Fetch>,
}

impl Provider {
    pub(super) fn new(
        setup: ProviderSetup,
        (redirect_uri, post_logout_redirect_uri): (RedirectUri, RedirectUri),
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let published = IssuerCache::new(setup.issuer.clone(), Arc::clone(&fetch), clock);
        Self { setup, redirect_uri, post_logout_redirect_uri, published, fetch }
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
    ) -> Result<SignedIn, ProviderError> {
        let party = self.party().await?;
        let redeemed = party.redeem(pending, query, now, random).await?;
        let jwks_uri = party.metadata().jwks_uri.as_ref().ok_or(ProviderError::NoKeys)?;
        let keys = self.published.keys_with(jwks_uri, redeemed.key_id().as_deref()).await?;
        let identity = party.verify(&redeemed, &keys, now)?.identity;
        let identity = Identity {
            issuer: identity.issuer,
            subject: identity.subject,
            email: identity.email.filter(|_| identity.email_verified),
        };
        Ok(SignedIn { identity, id_token: redeemed.id_token() })
    }

    /// Where the browser goes for the person to sign out at the provider too, and comes back with
    /// this `state`; nowhere if the provider has no such place, or does not say so now. [OpenID
    /// Connect RP-Initiated Logout §2]
    ///
    /// [OpenID Connect RP-Initiated Logout §2]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout
    pub(super) async fn sign_out(&self, id_token: Option<&str>, state: &str) -> Option<Url> {
        let metadata = match self.published.openid_metadata().await {
            Ok(metadata) => metadata,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "nobody is signed out at the provider");
                return None;
            }
        };
        let mut url = metadata.end_session_endpoint.as_ref()?.as_url().clone();
        let mut query = url.query_pairs_mut();
        if let Some(id_token) = id_token.filter(|token| token.len() <= MAX_HINT) {
            query.append_pair("id_token_hint", id_token);
        }
        query.append_pair("client_id", self.setup.registration.client_id().as_str());
        query.append_pair("post_logout_redirect_uri", self.post_logout_redirect_uri.as_str());
        query.append_pair("state", state);
        drop(query);
        Some(url)
    }

    async fn party(&self) -> Result<RelyingParty, ProviderError> {
        let metadata = self.published.openid_metadata().await?;
        let (fetch, registration) = (Arc::clone(&self.fetch), self.setup.registration.clone());
        Ok(RelyingParty::new(fetch, metadata, registration)?)
    }
}
