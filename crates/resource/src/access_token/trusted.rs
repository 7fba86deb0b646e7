//! An issuer whose word counts, and where it publishes what it says of itself.

use std::sync::{Arc, OnceLock};

use countersign_fetch::FetchError;
use countersign_metadata::{DocumentKind, ServerMetadata};
use countersign_resolver::{ServerMetadataCache, ServerMetadataError};
use countersign_types::Issuer;
use http::StatusCode;

/// An issuer whose word counts.
pub(super) struct Trusted {
    pub(super) issuer: Issuer,
    /// Which document it publishes, once that is known.
    document: OnceLock<DocumentKind>,
}

impl Trusted {
    pub(super) const fn new(issuer: Issuer) -> Self {
        Self { issuer, document: OnceLock::new() }
    }

    /// The issuer's metadata: by RFC 8414 §3, or, where it says that it has none of that name, by
    /// OpenID Connect Discovery §4.
    pub(super) async fn metadata(
        &self,
        cache: &ServerMetadataCache,
    ) -> Result<Arc<ServerMetadata>, ServerMetadataError> {
        if let Some(kind) = self.document.get() {
            return cache.get(*kind, &self.issuer).await;
        }
        let (kind, found) = match cache.get(DocumentKind::OAuth, &self.issuer).await {
            Err(error) if is_absent(&error) => {
                (DocumentKind::OpenId, cache.get(DocumentKind::OpenId, &self.issuer).await)
            }
            found => (DocumentKind::OAuth, found),
        };
        if found.is_ok() {
            self.document.get_or_init(|| kind);
        }
        found
    }
}

fn is_absent(error: &ServerMetadataError) -> bool {
    let ServerMetadataError::Fetch(error) = error else { return false };
    matches!(**error, FetchError::Status(StatusCode::NOT_FOUND))
}
