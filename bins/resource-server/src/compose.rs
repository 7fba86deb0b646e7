//! From a configuration to a server.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Extension, Request, State};
use axum::middleware::map_request;
use axum::response::Response;
use axum::routing::get;
use countersign_fetch::{Fetch, HttpFetch};
use countersign_host::{Composed, ConfigError, Seams};
use countersign_resolver::{MetadataConfig, ServerMetadataCache};
use countersign_resource::limit::Source;
use countersign_resource::registration::{BoxFuture, RegistrationStoreError};
use countersign_resource::{
    MemoryRegistrations, RegistrationStore, ResourceServer, StrictPath, TicketLimit, UmaLayer,
    server as uma,
};
use countersign_store::{Registrations, SqliteEngine};
use countersign_types::Issuer;

use crate::config::Config;
use crate::site::Site;

/// Why a configuration that could be read cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// What the configuration names cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error("the store cannot be opened")]
    Store(#[from] countersign_store::sqlite::OpenError),
}

/// Builds the server: nothing is bound, nothing is sent. When it is served it registers the
/// resources; if the authorization server is not there yet, the first request that needs it tries
/// again.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(config: Config, seams: &Seams) -> Result<Composed, ComposeError> {
    let (transport, fetch) = (config.serving.transport()?, fetch(&config)?);
    let registrations: Arc<dyn RegistrationStore> = match &config.serving.store {
        Some(path) => {
            let engine = SqliteEngine::open(path, Arc::clone(&seams.clock))?;
            Arc::new(Kept(Registrations::new(Arc::new(engine))))
        }
        None => Arc::new(MemoryRegistrations::default()),
    };
    let metadata = ServerMetadataCache::new(
        Arc::clone(&fetch),
        Arc::clone(&seams.clock),
        &MetadataConfig::default(),
    );
    let uma_seams = uma::Seams {
        metadata: Arc::new(metadata),
        fetch,
        clock: Arc::clone(&seams.clock),
        random: Arc::clone(&seams.random),
        registrations,
    };
    let site = Arc::new(config.site);
    let server = Arc::new(ResourceServer::new(config.identity, site.descriptions(), uma_seams));
    let limit = TicketLimit::new(config.tickets_per_source);
    let router = app(&server, &site, limit);
    let composed = Composed::new(router, config.serving.listen, transport);
    Ok(composed.with_task(move |_| register(server)))
}

/// Reads the files that a configuration names, opens nothing and makes nothing.
///
/// # Errors
/// [`ConfigError`] for the first that cannot be used.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let file = &config.serving.file;
    config.serving.transport()?;
    fetch(config)?;
    if let Some(path) = &config.serving.store {
        let probed = SqliteEngine::probe(path);
        probed.map_err(|error| ConfigError::because(file, "store.path", &error))?;
    }
    Ok(())
}

fn fetch(config: &Config) -> Result<Arc<dyn Fetch>, ConfigError> {
    let refuse = |error| ConfigError::because(&config.serving.file, "outbound.roots", &error);
    Ok(Arc::new(HttpFetch::new(&config.outbound).map_err(refuse)?))
}

/// The routes: this server's metadata, and the site behind the UMA layer.
pub fn app(server: &Arc<ResourceServer>, site: &Arc<Site>, limit: TicketLimit) -> Router {
    let layer = UmaLayer::new(Arc::clone(server), Arc::clone(site) as _).with_limit(limit);
    Router::new()
        .route(site.metadata_path(), get(metadata).with_state(Arc::clone(server)))
        .fallback(get(content).with_state(Arc::clone(site)))
        .layer(layer)
        .layer(map_request(note_source))
}

/// Tells the UMA layer where a request comes from: the peer of the connection, whatever its headers
/// say.
async fn note_source(mut request: Request) -> Request {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let source = peer.map(|ConnectInfo(peer)| Source::from(peer.ip()));
    if let Some(source) = source {
        request.extensions_mut().insert(source);
    }
    request
}

async fn metadata(State(server): State<Arc<ResourceServer>>) -> Response {
    countersign_metadata::publish::response(&server.metadata()).map(Into::into)
}

async fn content(
    State(site): State<Arc<Site>>,
    Extension(path): Extension<StrictPath>,
) -> Response {
    site.respond(&path).await
}

async fn register(server: Arc<ResourceServer>) {
    match server.register().await {
        Ok(()) => tracing::info!("all resources are registered"),
        Err(error) => {
            let error: &dyn std::error::Error = error.as_ref();
            tracing::warn!(error, "the resources are not registered yet");
        }
    }
    if let Err(error) = server.deregister_others().await {
        let error: &dyn std::error::Error = error.as_ref();
        tracing::warn!(error, "what is configured no more is still registered");
    }
}

/// Registrations in a store.
struct Kept(Registrations<String>);

impl RegistrationStore for Kept {
    fn find<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, RegistrationStoreError>> {
        Box::pin(async move { Ok(self.0.find(issuer, name).await?) })
    }

    fn keep<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
        resource_id: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>> {
        Box::pin(async move { Ok(self.0.put(issuer, name, &resource_id.to_owned()).await?) })
    }

    fn list<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, RegistrationStoreError>> {
        Box::pin(async move { Ok(self.0.list(issuer).await?) })
    }

    fn forget<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>> {
        Box::pin(async move { Ok(self.0.remove(issuer, name).await.map(|_| ())?) })
    }
}
