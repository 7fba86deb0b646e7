//! What clients publish about themselves. CIMD is draft-ietf-oauth-client-id-metadata-document-01.

use std::num::NonZeroU32;
use std::sync::Arc;

use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_jwt::KeySet;
use countersign_metadata::client::{ClientDocumentError, ClientIdUrlError};
use countersign_metadata::{ClientIdUrl, ClientKeys, ClientMetadata};
use countersign_types::{ClientId, Clock, EndpointUrl, Lifetime};
use serde::Deserialize;

use crate::budget::Budget;
use crate::cache::{Cache, Failure, Times};
use crate::keys::{KeysConfig, KeysError, RemoteKeys};

/// How long documents of clients are kept, and which identifiers are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientDocumentsConfig {
    /// A document is used without fetching it again: 5 minutes.
    pub fresh: Lifetime,
    /// A document is used for so much longer while the network fails: 5 minutes.
    pub stale: Lifetime,
    /// Between two fetches for the sake of an unknown `kid`: 30 seconds.
    pub refetch: Lifetime,
    /// So many documents, and so many key sets, are kept: 1000.
    pub capacity: u64,
    /// So many clients of one host that are not known yet are asked for in a minute, and so many
    /// key sets: 300. A client that was known and whose document is gone has as many attempts of
    /// its own.
    pub new_per_host: NonZeroU32,
    /// Whether a URL without a path is a client identifier, too. CIMD §3 says no.
    pub host_only: bool,
}

impl ClientDocumentsConfig {
    /// Whether a URL without a path is a client identifier, too.
    #[must_use]
    pub const fn with_host_only(mut self, host_only: bool) -> Self {
        self.host_only = host_only;
        self
    }
}

impl Default for ClientDocumentsConfig {
    fn default() -> Self {
        let KeysConfig { fresh, stale, refetch, capacity, new_per_host } = KeysConfig::default();
        Self { fresh, stale, refetch, capacity, new_per_host, host_only: false }
    }
}

/// Why nothing is known of a client.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The identifier is not the URL of a document.
    #[error("the client identifier is not the URL of a document")]
    Url(#[from] ClientIdUrlError),
    /// Too many clients of the host were asked for: this one was not.
    #[error("too many clients of {host} to be asked for for now")]
    TooMany {
        /// The host.
        host: String,
    },
    /// The document could not be fetched.
    #[error("the client's document could not be fetched")]
    Fetch(#[source] Arc<FetchError>),
    /// The document is malformed, about another client, or asks for a shared secret.
    #[error("the client's document was refused")]
    Document(#[source] Arc<ClientDocumentError>),
    /// The client's keys could not be had.
    #[error("the client's keys could not be had")]
    Keys(#[source] KeysError),
}

impl ClientError {
    /// Whether the same question may be answered later: nothing authenticated has been said.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::TooMany { .. } => true,
            Self::Fetch(error) => error.is_temporary(),
            Self::Keys(error) => error.is_temporary(),
            Self::Url(_) | Self::Document(_) => false,
        }
    }
}

impl Failure for ClientError {
    /// CIMD §4.4: neither an error nor a document that is refused is cached.
    fn is_temporary(&self) -> bool {
        true
    }

    /// A document that is gone, or has become another's, ends what was known.
    fn keeps_old(&self) -> bool {
        match self {
            Self::TooMany { .. } => true,
            Self::Fetch(error) => error.is_temporary(),
            Self::Url(_) | Self::Document(_) | Self::Keys(_) => false,
        }
    }
}

/// A client as its document describes it.
#[derive(Clone, Debug)]
pub struct ResolvedClient {
    /// What the document says.
    pub metadata: Arc<ClientMetadata>,
    /// The keys it signs with; none if it is a public client. Where it binds itself to one
    /// algorithm, those of others are not among them, whoever it is that it authenticates to.
    pub keys: Arc<KeySet>,
}

/// The documents behind client identifiers, and the keys they lead to, cached.
///
/// A document is fetched from the URL that the client identifier is: `200` only, no redirect, 5 KB,
/// public addresses (CIMD §4, §6.5, §6.6). A signature by a `kid` that is not known makes it, or
/// the set it points to, fetched again at a bounded rate. So are those that are not there:
/// [`ClientDocumentsConfig::new_per_host`].
pub struct ClientDocuments {
    fetch: Arc<dyn Fetch>,
    documents: Cache<ClientId, (Arc<ClientMetadata>, Arc<KeySet>), ClientError>,
    keys: RemoteKeys,
    budget: Budget,
    host_only: bool,
}

impl ClientDocuments {
    /// An empty cache.
    #[must_use]
    pub fn new(
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        config: &ClientDocumentsConfig,
    ) -> Self {
        let ClientDocumentsConfig { fresh, stale, refetch, capacity, new_per_host, host_only } =
            *config;
        let times = Times { fresh, stale, negative: Lifetime::from_secs(0), retry: refetch };
        let keys = KeysConfig { fresh, stale, refetch, capacity, new_per_host };
        Self {
            keys: RemoteKeys::of_clients(Arc::clone(&fetch), Arc::clone(&clock), &keys),
            fetch,
            budget: Budget::new(new_per_host, Arc::clone(&clock)),
            documents: Cache::new(capacity, clock, times),
            host_only,
        }
    }

    /// The client of an identifier, its keys fetched again if none has this `kid`. Both arguments
    /// are untrusted: whose documents are looked at is for the caller to decide first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn resolve(
        &self,
        id: &ClientId,
        kid: Option<&str>,
    ) -> Result<ResolvedClient, ClientError> {
        let url = if self.host_only { ClientIdUrl::of_host(id)? } else { ClientIdUrl::of(id)? };
        let has_key = |(metadata, keys): &(Arc<ClientMetadata>, Arc<KeySet>)| {
            // Where the keys are elsewhere, it is they that are fetched again.
            matches!(metadata.keys, ClientKeys::JwksUri(_))
                || kid.is_none_or(|kid| keys.contains_kid(kid))
        };
        let found = self.documents.get(id, has_key, || self.load(&url)).await?;
        let (metadata, keys) = (Arc::clone(&found.0), Arc::clone(&found.1));
        let keys = match &metadata.keys {
            ClientKeys::JwksUri(url) => {
                self.keys.keys_with(url, kid).await.map_err(ClientError::Keys)?
            }
            ClientKeys::None | ClientKeys::Jwks(_) => keys,
        };
        Ok(ResolvedClient { keys: own(&metadata, keys), metadata })
    }

    async fn load(
        &self,
        url: &ClientIdUrl,
    ) -> Result<(Arc<ClientMetadata>, Arc<KeySet>), ClientError> {
        let loaded = self.fetch_document(url).await;
        if let Err(error) = &loaded {
            let error = error as &dyn std::error::Error;
            tracing::warn!(client_id = %url.client_id(), error, "no client document");
        }
        let metadata = loaded?;
        let keys = match &metadata.keys {
            ClientKeys::Jwks(keys) => keys.clone(),
            ClientKeys::None | ClientKeys::JwksUri(_) => KeySet::default(),
        };
        Ok((Arc::new(metadata), Arc::new(keys)))
    }

    /// Errors are not cached (CIMD §4.4), so that each request for a client that is not there would
    /// be one to its host. The clients that are known have nothing to do with those made up.
    fn spend(&self, id: &ClientId, document: &EndpointUrl) -> Result<(), ClientError> {
        let host = document.as_url().host_str().unwrap_or_default();
        let of = if self.documents.has_found(id) { id.as_str() } else { host };
        if self.budget.take(of) {
            return Ok(());
        }
        Err(ClientError::TooMany { host: host.to_owned() })
    }

    async fn fetch_document(&self, url: &ClientIdUrl) -> Result<ClientMetadata, ClientError> {
        let document = url.document().map_err(ClientIdUrlError::from)?;
        self.spend(url.client_id(), &document)?;
        let request = Request::get(document, Limits::client_document());
        let response =
            self.fetch.fetch(request).await.map_err(|e| ClientError::Fetch(Arc::new(e)))?;
        ClientMetadata::parse(response.body(), url)
            .map_err(|error| ClientError::Document(Arc::new(error)))
    }
}

/// The keys that sign for a client. [OpenID Registration §2]
///
/// `token_endpoint_auth_signing_alg` speaks of token endpoints. A client proof is the same client
/// proving itself with the same keys: an algorithm that it has given up is none of its own there
/// either.
///
/// [OpenID Registration §2]: https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata
fn own(metadata: &ClientMetadata, keys: Arc<KeySet>) -> Arc<KeySet> {
    let Some(algorithm) = metadata.token_endpoint_auth_signing_alg else { return keys };
    if keys.iter().all(|key| key.algorithm() == algorithm) {
        return keys;
    }
    let own = keys.iter().filter(|key| key.algorithm() == algorithm).cloned().collect();
    // A part of a key set is one.
    Arc::new(KeySet::from_keys(own).unwrap_or_default())
}

impl std::fmt::Debug for ClientDocuments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientDocuments").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
