//! From a configuration to a server.

use std::sync::Arc;

use countersign_fetch::client::FetchConfigError;
use countersign_fetch::{Fetch, HttpFetch};
use countersign_host::server::TransportError;
use countersign_host::{Composed, Seams};
use countersign_jwt::Algorithm;
use countersign_resolver::ClientDocuments;
use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_sts_service::{Audit, Clients, Parts, SetupError, Sts, UrlClients, app};
use countersign_token_exchange::ByRegistration;
use countersign_types::Timestamp;

use crate::config::Config;
use crate::keys::{self, KeyFileError, Keys};

/// Why a configuration that could be read cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// The certificate or its key.
    #[error("TLS cannot be served")]
    Transport(#[from] TransportError),
    /// The signing keys.
    #[error("the signing keys cannot be used")]
    Keys(#[from] KeyFileError),
    /// The store.
    #[error("the store cannot be opened")]
    Store(#[from] countersign_store::sqlite::OpenError),
    /// The roots, or TLS itself.
    #[error("nothing can be fetched")]
    Fetch(#[from] FetchConfigError),
    /// The service.
    #[error("the service cannot be set up")]
    Setup(#[from] SetupError),
}

/// Builds the server: nothing is bound, nothing is sent. Signing keys that are missing are made;
/// while it is served, they are replaced in time.
/// `audit` is told of every token exchange.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
) -> Result<Composed, ComposeError> {
    let transport = config.serving.transport()?;
    let engine: Arc<dyn Engine> = match &config.serving.store {
        Some(path) => Arc::new(SqliteEngine::open(path, Arc::clone(&seams.clock))?),
        None => Arc::new(MemoryEngine::new()),
    };
    let mut clients: Arc<dyn Clients> = Arc::new(config.clients);
    if !config.url_clients.is_empty() {
        let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new(&config.fetch)?);
        let documents = ClientDocuments::new(fetch, Arc::clone(&seams.clock), &config.documents);
        clients = Arc::new(UrlClients::new(clients, Arc::new(documents), config.url_clients));
    }
    let (ring, directory) = config.keys.open(seams)?;
    let kids = keys::kids(&ring);
    let sts = Arc::new(Sts::new(Parts {
        settings: config.settings,
        policy: config.policy,
        delegation: Arc::new(ByRegistration),
        keys: ring,
        clients,
        users: Arc::new(config.users),
        engine,
        clock: Arc::clone(&seams.clock),
        random: Arc::clone(&seams.random),
        audit,
    })?);
    let composed = Composed::new(app(Arc::clone(&sts)), config.serving.listen, transport);
    let Some(directory) = directory else { return Ok(composed) };
    let seams = seams.clone();
    Ok(composed.with_task(move |reload| keys::rotate(sts, directory, seams, reload, kids)))
}

/// Reads the files that a configuration names, opens nothing and makes nothing.
///
/// # Errors
/// [`ComposeError::Transport`], [`ComposeError::Fetch`], [`ComposeError::Keys`].
pub fn check(config: &Config) -> Result<(), ComposeError> {
    config.serving.transport()?;
    HttpFetch::new(&config.fetch)?;
    config.keys.check()?;
    Ok(())
}

/// Makes the signing keys that follow those of now, unless they are there already. A server that
/// runs publishes them within a minute, and signs with them from the moments that are given back.
///
/// # Errors
/// [`KeyFileError`].
pub fn announce_keys(
    config: &Config,
    seams: &Seams,
) -> Result<Vec<(Algorithm, Timestamp)>, KeyFileError> {
    match &config.keys {
        Keys::Given(..) => Err(KeyFileError::Given),
        Keys::Directory(directory) => directory.announce(seams.clock.now(), seams.random.as_ref()),
    }
}
