//! One provider: what it publishes, kept for minutes, and the conversation with it.

use std::sync::Arc;

use countersign_fetch::Fetch;
use countersign_jwt::Claims;
use countersign_login::{Identity, Pending, RelyingParty, Wishes};
use countersign_resolver::IssuerCache;
use countersign_types::{Clock, EndpointUrl, Timestamp};

use super::error::BrokerError;
use super::mapping::{Profile, with_user_info};
use super::{UpstreamSetup, redirect_uri};
use crate::app::Sts;
use crate::foreign::conversation;
use crate::foreign::outages::Outages;
use crate::form_token::Arrival;

/// A provider, and what it publishes.
pub(crate) struct Upstream {
    pub(crate) setup: UpstreamSetup,
    published: IssuerCache,
    user_info: Outages,
    fetch: Arc<dyn Fetch>,
}

/// Somebody who has signed in at a provider, as far as that is believed.
pub(super) struct Arrived {
    pub(super) sub: String,
    /// When they signed in, if the provider says so.
    pub(super) auth_time: Option<Timestamp>,
    pub(super) profile: Profile,
}

impl Arrived {
    /// As much as a page asks about.
    pub(super) fn arrival(&self, upstream: &Upstream) -> Arrival {
        Arrival {
            alias: upstream.setup.alias.clone(),
            sub: self.sub.clone(),
            label: self.profile.label.clone(),
        }
    }
}

impl Upstream {
    pub(super) fn new(setup: UpstreamSetup, fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        let user_info = Outages::new(Arc::clone(&clock));
        let published = IssuerCache::new(setup.issuer.clone(), Arc::clone(&fetch), clock);
        Self { setup, published, user_info, fetch }
    }

    /// Begins a login: where the browser goes, and what to remember.
    pub(super) async fn begin(
        &self,
        sts: &Sts,
        wishes: Wishes,
    ) -> Result<(EndpointUrl, Pending), BrokerError> {
        let redirect_uri = redirect_uri(sts.issuer(), &self.setup.alias)
            .map_err(|_| BrokerError::NotPublished("place to answer at"))?;
        let party = self.party().await?;
        let random = sts.random.as_ref();
        Ok(party.begin_as(&redirect_uri, &self.setup.scope, wishes, random)?)
    }

    /// Finishes it with the query that the browser brought.
    pub(super) async fn finish(
        &self,
        sts: &Sts,
        pending: Pending,
        query: &str,
        now: Timestamp,
    ) -> Result<Arrived, BrokerError> {
        let party = self.party().await?;
        let redeemed = party.redeem(pending, query, now, sts.random.as_ref()).await?;
        let metadata = party.metadata();
        let jwks_uri = metadata.jwks_uri.as_ref().ok_or(BrokerError::NotPublished("jwks_uri"))?;
        let keys = self.published.keys_with(jwks_uri, redeemed.key_id().as_deref()).await?;
        let tokens = party.verify(&redeemed, &keys, now)?;
        let Identity { subject, auth_time, claims, .. } = tokens.identity;
        let claims = if self.setup.user_info {
            let endpoint = metadata.userinfo_endpoint.as_ref();
            let (fetch, token) = (self.fetch.as_ref(), &tokens.access_token);
            let told = conversation::user_info(fetch, &self.user_info, endpoint, token).await?;
            let told: Claims = told.ok_or(BrokerError::AccessToken)?;
            with_user_info(claims, told)?
        } else {
            claims
        };
        let profile = self.setup.mapping.read(&subject, claims)?;
        Ok(Arrived { sub: subject, auth_time, profile })
    }

    async fn party(&self) -> Result<RelyingParty, BrokerError> {
        let metadata = self.published.openid_metadata().await?;
        let (fetch, registration) = (Arc::clone(&self.fetch), self.setup.registration.clone());
        Ok(RelyingParty::new(fetch, metadata, registration)?)
    }
}
