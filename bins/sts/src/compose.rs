//! From a configuration to a server.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use countersign_fetch::client::FetchConfigError;
use countersign_fetch::{Fetch, HttpFetch};
use countersign_host::Seams;
use countersign_host::server::{self, Transport, TransportError};
use countersign_resolver::ClientDocuments;
use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_sts_service::{Audit, Clients, Parts, SetupError, Sts, UrlClients, app};
use countersign_token_exchange::ByRegistration;

use crate::config::Config;
use crate::keys::KeyFileError;

/// A provider that is ready to serve.
pub struct Composed {
    router: Router,
    listen: SocketAddr,
    transport: Transport,
}

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

/// Builds the server: nothing is bound, nothing is sent. Signing keys that are missing are made.
/// `audit` is told of every token exchange.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
) -> Result<Composed, ComposeError> {
    let transport = transport(&config)?;
    let engine: Arc<dyn Engine> = match &config.store {
        Some(path) => Arc::new(SqliteEngine::open(path, Arc::clone(&seams.clock))?),
        None => Arc::new(MemoryEngine::new()),
    };
    let mut clients: Arc<dyn Clients> = Arc::new(config.clients);
    if !config.url_clients.is_empty() {
        let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new(&config.fetch)?);
        let documents = ClientDocuments::new(fetch, Arc::clone(&seams.clock), &config.documents);
        clients = Arc::new(UrlClients::new(clients, Arc::new(documents), config.url_clients));
    }
    let sts = Sts::new(Parts {
        settings: config.settings,
        policy: config.policy,
        delegation: Arc::new(ByRegistration),
        keys: config.keys.open(seams.random.as_ref())?,
        clients,
        users: Arc::new(config.users),
        engine,
        clock: Arc::clone(&seams.clock),
        random: Arc::clone(&seams.random),
        audit,
    })?;
    Ok(Composed { router: app(Arc::new(sts)), listen: config.listen, transport })
}

/// Reads the files that a configuration names, opens nothing and makes nothing.
///
/// # Errors
/// [`ComposeError::Transport`], [`ComposeError::Fetch`], [`ComposeError::Keys`].
pub fn check(config: &Config) -> Result<(), ComposeError> {
    transport(config)?;
    HttpFetch::new(&config.fetch)?;
    config.keys.check()?;
    Ok(())
}

fn transport(config: &Config) -> Result<Transport, ComposeError> {
    match &config.tls {
        Some(tls) => Ok(Transport::tls(tls)?),
        None => Ok(server::danger::plain_http()),
    }
}

impl Composed {
    /// Where the configuration says to listen.
    #[must_use]
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The router, to be served by another server.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Serves until `shutdown` is done.
    ///
    /// # Errors
    /// [`server::ServeError`], before anything is served.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), server::ServeError> {
        server::serve(listener, self.transport, self.router, shutdown).await
    }
}
