//! From a configuration to a server.

use std::sync::Arc;

use countersign_fetch::{Fetch, HttpFetch};
use countersign_host::server::TransportError;
use countersign_host::{Composed, Seams};
use countersign_resolver::{IssuerConfig, IssuerResolver, KeysConfig, RemoteKeys};
use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_types::identifier::IdentifierError;
use countersign_uma_service::discovery::NetworkDiscovery;
use countersign_uma_service::{Audit, Seams as UmaSeams, Uma, app};

use crate::config::Config;

/// Why a configuration that could be read cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// The certificate or its key.
    #[error("TLS cannot be served")]
    Transport(#[from] TransportError),
    /// The roots, or TLS itself.
    #[error("no connection to an identity provider can be made")]
    Fetch(#[from] countersign_fetch::client::FetchConfigError),
    /// The store.
    #[error("the store cannot be opened")]
    Store(#[from] countersign_store::sqlite::OpenError),
    /// The issuer identifier is too long to make endpoints of.
    #[error("the issuer identifier makes no endpoints")]
    Issuer(#[from] IdentifierError),
}

/// Builds the server: nothing is bound, nothing is sent. `audit` is told of every assessment.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
) -> Result<Composed, ComposeError> {
    let (transport, fetch) = (config.serving.transport()?, fetch(&config)?);
    let engine: Arc<dyn Engine> = match &config.serving.store {
        Some(path) => Arc::new(SqliteEngine::open(path, Arc::clone(&seams.clock))?),
        None => Arc::new(MemoryEngine::new()),
    };
    let clock = || Arc::clone(&seams.clock);
    let issuers = IssuerResolver::new(Arc::clone(&fetch), clock(), &IssuerConfig::default());
    let keys = RemoteKeys::new(fetch, clock(), &KeysConfig::default());
    let uma = Uma::new(
        config.uma,
        UmaSeams {
            engine,
            clients: Arc::new(config.clients),
            policy: Arc::new(config.policy),
            discovery: Arc::new(NetworkDiscovery::new(issuers, keys)),
            audit,
            clock: clock(),
            random: Arc::clone(&seams.random),
        },
    )?;
    Ok(Composed::new(app(Arc::new(uma)), config.serving.listen, transport))
}

/// Reads the files that a configuration names, and opens nothing.
///
/// # Errors
/// [`ComposeError`], but for the store.
pub fn check(config: &Config) -> Result<(), ComposeError> {
    config.serving.transport()?;
    fetch(config)?;
    Ok(())
}

fn fetch(config: &Config) -> Result<Arc<dyn Fetch>, ComposeError> {
    Ok(Arc::new(HttpFetch::new(&config.outbound)?))
}
