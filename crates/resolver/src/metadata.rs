//! The metadata documents of issuers and of resource servers.

use std::num::NonZeroU32;
use std::sync::Arc;

use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_metadata::resource::Unattributed;
use countersign_metadata::{
    DocumentKind, MetadataError, ProtectedResourceMetadata, ServerMetadata, well_known,
};
use countersign_types::identifier::IdentifierError;
use countersign_types::{Clock, EndpointUrl, Issuer, Lifetime};
use http::StatusCode;
use serde::Deserialize;

use crate::budget::Budget;
use crate::cache::{Cache, Failure, Times};

const NEW_PER_HOST: NonZeroU32 = NonZeroU32::new(300).unwrap();

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
    /// So many issuers of one host that are not known yet are asked for in a minute: 300. One that
    /// was known has as many attempts of its own.
    pub new_per_host: NonZeroU32,
}

impl Default for MetadataConfig {
    fn default() -> Self {
        Self {
            fresh: Lifetime::from_secs(300),
            stale: Lifetime::from_secs(300),
            negative: Lifetime::from_secs(30),
            capacity: 1000,
            new_per_host: NEW_PER_HOST,
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
    /// Too many issuers of the host were asked for: this one was not.
    #[error("too many issuers of {host} to be asked for for now")]
    TooMany {
        /// The host.
        host: String,
    },
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
        match self {
            Self::TooMany { .. } => true,
            Self::Fetch(error) => error.is_temporary(),
            Self::Url(_) | Self::Document(_) => false,
        }
    }

    /// Whether the issuer's own host says that there is no such document.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Fetch(error) if is_not_found(error))
    }
}

/// Whether a host answered, over valid TLS, that it has nothing there.
pub(crate) fn is_not_found(error: &FetchError) -> bool {
    matches!(error, FetchError::Status(StatusCode::NOT_FOUND))
}

impl Failure for ServerMetadataError {
    fn is_temporary(&self) -> bool {
        self.is_temporary()
    }
}

/// The metadata of issuers, cached by issuer and kind of document.
///
/// A failure that may pass is not remembered, and strangers choose which issuers there are: of one
/// host so many are asked for in a minute and no more ([`MetadataConfig::new_per_host`]).
pub struct ServerMetadataCache {
    fetch: Arc<dyn Fetch>,
    documents: Cache<(DocumentKind, Issuer), ServerMetadata, ServerMetadataError>,
    budget: Budget,
}

impl ServerMetadataCache {
    /// An empty cache.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, config: &MetadataConfig) -> Self {
        let budget = Budget::new(config.new_per_host, Arc::clone(&clock));
        Self { fetch, documents: Cache::new(config.capacity, clock, config.times()), budget }
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
        let load = || async {
            self.spend(&key)?;
            load(&*self.fetch, kind, issuer).await
        };
        self.documents.get(&key, |_| true, load).await
    }

    /// The issuers that are known have nothing to do with those made up.
    fn spend(&self, key: &(DocumentKind, Issuer)) -> Result<(), ServerMetadataError> {
        let (_, issuer) = key;
        let host = issuer.host();
        if self.budget.take(if self.documents.has_found(key) { issuer.as_str() } else { &host }) {
            return Ok(());
        }
        Err(ServerMetadataError::TooMany { host })
    }
}

pub(crate) async fn load(
    fetch: &dyn Fetch,
    kind: DocumentKind,
    issuer: &Issuer,
) -> Result<ServerMetadata, ServerMetadataError> {
    let request = Request::get(well_known(kind, issuer)?, Limits::metadata());
    let response = fetch.fetch(request).await;
    let response = response.map_err(|error| ServerMetadataError::Fetch(Arc::new(error)))?;
    ServerMetadata::parse(response.body(), issuer)
        .map_err(|error| ServerMetadataError::Document(Arc::new(error)))
}

impl std::fmt::Debug for ServerMetadataCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerMetadataCache").finish_non_exhaustive()
    }
}

/// Why there is no metadata of a resource server.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceMetadataError {
    /// The document could not be fetched.
    #[error("the document could not be fetched")]
    Fetch(#[source] Arc<FetchError>),
    /// The document is malformed.
    #[error("the document was refused")]
    Document(#[source] Arc<MetadataError>),
}

impl ResourceMetadataError {
    /// Whether the same question may be answered later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_temporary())
    }

    /// Whether the resource server's own host says that it publishes no such document: that there
    /// is none (404, 410), or, as a server does that guards every path alike, that there is none
    /// for the public (401, 403). Whatever else it answers is no absence.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        const ABSENT: [StatusCode; 4] = [
            StatusCode::NOT_FOUND,
            StatusCode::GONE,
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
        ];
        let Self::Fetch(error) = self else { return false };
        matches!(**error, FetchError::Status(status) if ABSENT.contains(&status))
    }
}

impl Failure for ResourceMetadataError {
    fn is_temporary(&self) -> bool {
        self.is_temporary()
    }
}

/// The metadata documents of resource servers, cached by URL. [RFC 9728 §3]
///
/// [RFC 9728 §3]: https://www.rfc-editor.org/rfc/rfc9728#section-3
pub struct ResourceMetadataCache {
    fetch: Arc<dyn Fetch>,
    documents: Cache<String, Unattributed, ResourceMetadataError>,
}

impl ResourceMetadataCache {
    /// An empty cache.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, config: &MetadataConfig) -> Self {
        Self { fetch, documents: Cache::new(config.capacity, clock, config.times()) }
    }

    /// The document at a URL, which is untrusted. What it is about has not been compared with
    /// anything.
    ///
    /// # Errors
    /// Any [`ResourceMetadataError`].
    pub async fn get(
        &self,
        document: &EndpointUrl,
    ) -> Result<Arc<Unattributed>, ResourceMetadataError> {
        self.documents.get(&document.to_string(), |_| true, || self.load(document)).await
    }

    async fn load(&self, document: &EndpointUrl) -> Result<Unattributed, ResourceMetadataError> {
        let response = self.fetch.fetch(Request::get(document.clone(), Limits::metadata())).await;
        let response = response.map_err(|error| ResourceMetadataError::Fetch(Arc::new(error)))?;
        ProtectedResourceMetadata::read(response.body())
            .map_err(|error| ResourceMetadataError::Document(Arc::new(error)))
    }
}

impl std::fmt::Debug for ResourceMetadataCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResourceMetadataCache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Answer, World};

    const URL: &str = "https://rs.example/.well-known/oauth-protected-resource";
    const DOCUMENT: &str = r#"{"resource":"https://rs.example"}"#;

    fn cache(world: &Arc<World>) -> ResourceMetadataCache {
        let config = MetadataConfig { capacity: 8, ..MetadataConfig::default() };
        ResourceMetadataCache::new(world.clone(), world.clone(), &config)
    }

    async fn ask(
        cache: &ResourceMetadataCache,
        url: &str,
    ) -> Result<Arc<Unattributed>, ResourceMetadataError> {
        cache.get(&EndpointUrl::parse(url).unwrap()).await
    }

    #[tokio::test]
    async fn a_document_is_fetched_once_in_its_time() {
        let world = World::new();
        world.set(URL, Answer::body(DOCUMENT));
        let cache = cache(&world);
        for (seconds, fetched) in [(0, 1), (299, 1), (1, 2)] {
            world.pass(seconds);
            let read = ask(&cache, URL).await.unwrap();
            assert!(read.about(&EndpointUrl::parse("https://rs.example/a").unwrap()).is_ok());
            assert_eq!(world.count(), fetched);
        }
        world.pass(300);
        world.set(URL, Answer::Timeout);
        assert!(ask(&cache, URL).await.is_ok(), "the old one, while the network fails");
    }

    #[tokio::test]
    async fn only_the_host_itself_says_that_there_is_none() {
        for (answer, absent) in [
            (Answer::Status(404), true),
            (Answer::Status(410), true),
            (Answer::Status(401), true),
            (Answer::Status(403), true),
            (Answer::Status(400), false),
            (Answer::Status(429), false),
            (Answer::Status(500), false),
            (Answer::Timeout, false),
            (Answer::Refused, false),
            (Answer::Redirect, false),
            (Answer::TooLarge, false),
            (Answer::ContentType, false),
            (Answer::body(""), false),
            (Answer::body("{}"), false),
            (Answer::body(r#"{"resource":"http://rs.example"}"#), false),
            (
                Answer::body(r#"{"resource":"https://rs.example","authorization_servers":"x"}"#),
                false,
            ),
        ] {
            let world = World::new();
            world.set(URL, answer);
            let error = ask(&cache(&world), URL).await.unwrap_err();
            assert_eq!(error.is_absence(), absent, "{error:?}");
        }
    }

    #[tokio::test]
    async fn an_absence_is_remembered_briefly_and_urls_do_not_pile_up() {
        let world = World::new();
        let cache = cache(&world);
        for (seconds, fetched) in [(0, 1), (29, 1), (1, 2)] {
            world.pass(seconds);
            assert!(ask(&cache, URL).await.unwrap_err().is_absence());
            assert_eq!(world.count(), fetched);
        }
        for n in 0..50 {
            let _ = ask(&cache, &format!("{URL}/{n}")).await;
        }
        assert!(cache.documents.len() <= 8);
    }
}
