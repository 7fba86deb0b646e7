//! The metadata documents of issuers.

use std::sync::Arc;

use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_metadata::{DocumentKind, MetadataError, ServerMetadata, well_known};
use countersign_types::identifier::IdentifierError;
use countersign_types::{Clock, Issuer, Lifetime};
use serde::Deserialize;

use crate::cache::{Cache, Failure, Times};

/// How long metadata is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MetadataConfig {
    /// A document is used without fetching it again: 5 minutes.
    pub fresh: Lifetime,
    /// A document is used for so much longer while the network fails: 5 minutes.
    pub stale: Lifetime,
    /// That there is no document, or a bad one, is remembered: 30 seconds.
    pub negative: Lifetime,
    /// So many documents are kept: 1000.
    pub capacity: u64,
}

impl Default for MetadataConfig {
    fn default() -> Self {
        Self {
            fresh: Lifetime::from_secs(300),
            stale: Lifetime::from_secs(300),
            negative: Lifetime::from_secs(30),
            capacity: 1000,
        }
    }
}

impl MetadataConfig {
    pub(crate) const fn times(&self) -> Times {
        Times {
            fresh: self.fresh,
            stale: self.stale,
            negative: self.negative,
            retry: Lifetime::from_secs(10),
        }
    }
}

/// Why there is no metadata.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerMetadataError {
    /// The document's URL would be none.
    #[error("there is no URL for the document")]
    Url(#[from] IdentifierError),
    /// The document could not be fetched.
    #[error("the document could not be fetched")]
    Fetch(#[source] Arc<FetchError>),
    /// The document is malformed, or about another issuer.
    #[error("the document was refused")]
    Document(#[source] Arc<MetadataError>),
}

impl ServerMetadataError {
    /// Whether the same question may be answered later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_temporary())
    }

    /// Whether the issuer's own host says that there is no such document.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Fetch(error) if is_not_found(error))
    }
}

/// Whether a host answered, over valid TLS, that it has nothing there.
pub(crate) fn is_not_found(error: &FetchError) -> bool {
    matches!(error, FetchError::Status(http::StatusCode::NOT_FOUND))
}

impl Failure for ServerMetadataError {
    fn is_temporary(&self) -> bool {
        self.is_temporary()
    }
}

/// The metadata of issuers, cached by issuer and kind of document.
pub struct ServerMetadataCache {
    fetch: Arc<dyn Fetch>,
    documents: Cache<(DocumentKind, Issuer), ServerMetadata, ServerMetadataError>,
}

impl ServerMetadataCache {
    /// An empty cache.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, config: &MetadataConfig) -> Self {
        Self { fetch, documents: Cache::new(config.capacity, clock, config.times()) }
    }

    /// The document of a kind that an issuer publishes, its `issuer` compared octet by octet. The
    /// issuer is untrusted.
    ///
    /// # Errors
    /// Any [`ServerMetadataError`].
    pub async fn get(
        &self,
        kind: DocumentKind,
        issuer: &Issuer,
    ) -> Result<Arc<ServerMetadata>, ServerMetadataError> {
        let key = (kind, issuer.clone());
        self.documents.get(&key, |_| true, || self.load(kind, issuer)).await
    }

    async fn load(
        &self,
        kind: DocumentKind,
        issuer: &Issuer,
    ) -> Result<ServerMetadata, ServerMetadataError> {
        let request = Request::get(well_known(kind, issuer)?, Limits::metadata());
        let response = self.fetch.fetch(request).await;
        let response = response.map_err(|error| ServerMetadataError::Fetch(Arc::new(error)))?;
        ServerMetadata::parse(response.body(), issuer)
            .map_err(|error| ServerMetadataError::Document(Arc::new(error)))
    }
}

impl std::fmt::Debug for ServerMetadataCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerMetadataCache").finish_non_exhaustive()
    }
}
