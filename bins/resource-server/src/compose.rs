//! From a configuration to a server.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use axum::routing::get;
use countersign_fetch::{Fetch, HttpFetch};
use countersign_host::server::{Bodies, Limits, Transport};
use countersign_host::{Composed, ConfigError, Seams};
use countersign_resolver::{MetadataConfig, ServerMetadataCache};
use countersign_resource::challenge::empty;
use countersign_resource::{ResourceServer, StrictPath, TicketLimit, UmaLayer, server as uma};
use countersign_store::SqliteEngine;
use http::StatusCode;

use crate::config::{Config, OwnContent, Serves};
use crate::inbox::MOST_MAX_MESSAGE;
use crate::kept::Kept;
use crate::protect::{Audits, Protected, Protection, ProtectionError};
use crate::registering::register;
use crate::site::Site;
use crate::source::NoteSource;

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
    /// What is protected.
    #[error(transparent)]
    Protection(#[from] ProtectionError),
}

/// Builds the server: nothing is bound, nothing is sent. When it is served it registers the
/// resources, if UMA protects them; if the authorization server is not there yet, it tries again,
/// and so does the first request that needs it.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(config: Config, seams: &Seams) -> Result<Composed, ComposeError> {
    compose_with(config, seams, &Audits::default())
}

/// As [`compose`], where somebody is told of what a protection decides.
///
/// # Errors
/// [`ComposeError`].
pub fn compose_with(
    config: Config,
    seams: &Seams,
    audits: &Audits,
) -> Result<Composed, ComposeError> {
    let (transport, fetch) = (config.serving.transport()?, fetch(&config)?);
    let kept = Kept::open(config.serving.store.as_deref(), seams)?;
    match config.serves {
        Serves::Site(own) => {
            Ok(own_content(*own, fetch, &kept, seams, config.serving.listen, transport))
        }
        Serves::Service(protection) => {
            let protected = protection.compose(fetch, &kept, seams, audits)?;
            Ok(composed(protected, &kept, config.serving.listen, transport))
        }
    }
}

/// A service behind its layer, to be served.
pub(crate) fn composed(
    protected: Protected,
    kept: &Kept,
    listen: SocketAddr,
    transport: Transport,
) -> Composed {
    let Protected { served, rules, server, limits } = protected;
    let composed = Composed::new(served, listen, transport).with_limits(limits, Bodies::Streamed);
    let mut composed = kept.closed_with(composed);
    if let Some(rules) = rules {
        // What is wrong with a file has been logged, and the rules that were there stay in use.
        composed = composed.with_task(|reload| reload.read_again(move || drop(rules.refresh())));
    }
    if let Some(server) = server {
        composed = composed.with_task(move |_| register(server));
    }
    composed
}

fn own_content(
    own: OwnContent,
    fetch: Arc<dyn Fetch>,
    kept: &Kept,
    seams: &Seams,
    listen: SocketAddr,
    transport: Transport,
) -> Composed {
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
        registrations: kept.registrations(),
    };
    let mut limits = Limits::default();
    limits.body_size = limits.body_size.max(own.site.longest_body());
    let site = Arc::new(own.site.with_store(&kept.messages(), seams));
    let server = Arc::new(ResourceServer::new(own.identity, site.descriptions(), uma_seams));
    let limit = TicketLimit::new(own.tickets_per_source);
    let router = app(&server, &site, limit);
    let composed = Composed::new(router, listen, transport).with_limits(limits, Bodies::Whole);
    kept.closed_with(composed).with_task(move |_| register(server))
}

/// Reads the files that a configuration names, opens nothing and makes nothing.
///
/// # Errors
/// [`ConfigError`] for the first that cannot be used.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let file = &config.serving.file;
    config.serving.transport()?;
    let fetch = fetch(config)?;
    if let Some(path) = &config.serving.store {
        let probed = SqliteEngine::probe(path);
        probed.map_err(|error| ConfigError::because(file, "store.path", &error))?;
    }
    if let Serves::Service(protection) = &config.serves {
        let protection = Protection::clone(protection);
        let composed =
            protection.compose(fetch, &Kept::in_memory(), &Seams::system(), &Audits::default());
        composed.map_err(|error| ConfigError::because(file, key_of(&error), &error))?;
    }
    Ok(())
}

/// Which key of the file an error is about.
const fn key_of(error: &ProtectionError) -> &'static str {
    match error {
        ProtectionError::Policies(_) => "protect.policies",
        ProtectionError::Layer(_) => "protect.rules",
        ProtectionError::NoIssuer => "protect.callers.access_tokens.issuers",
    }
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
        .fallback(get(content).post(content).delete(content).with_state(Arc::clone(site)))
        .layer(layer)
        .layer(NoteSource)
}

async fn metadata(State(server): State<Arc<ResourceServer>>) -> Response {
    countersign_metadata::publish::response(&server.metadata()).map(Into::into)
}

async fn content(
    State(site): State<Arc<Site>>,
    Extension(path): Extension<StrictPath>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    // The server that hands it over has bounded it, and each inbox has a bound of its own.
    match to_bytes(body, MOST_MAX_MESSAGE).await {
        Ok(body) => site.respond(&head, &path, body).await,
        Err(_) => empty(StatusCode::PAYLOAD_TOO_LARGE),
    }
}
