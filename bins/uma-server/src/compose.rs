//! From a configuration to a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_cedar::uma::Rules as UmaRules;
use countersign_cedar::{CedarUma, PolicyFiles, uma};
use countersign_fetch::{Fetch, HttpFetch};
use countersign_host::{Composed, ConfigError, Seams};
use countersign_resolver::{
    ClientDocuments, IssuerConfig, IssuerResolver, KeysConfig, RemoteKeys, UrlClientRules,
};
use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_types::identifier::IdentifierError;
use countersign_uma_service::discovery::NetworkDiscovery;
use countersign_uma_service::{Audit, Clients, Seams as UmaSeams, Uma, UrlClients, app};

use crate::config::Config;

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
    /// The issuer identifier is too long to make endpoints of.
    #[error("the issuer identifier makes no endpoints")]
    Issuer(#[from] IdentifierError),
}

/// Builds the server: nothing is bound, nothing is sent. `audit` is told of every assessment.
///
/// # Errors
/// [`ComposeError`]; one of them is a policy by which an owner is asked for whom nobody could answer.
pub fn compose(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
) -> Result<Composed, ComposeError> {
    somebody_answers(&config)?;
    compose_with_owners(config, seams, audit).map(|(composed, _)| composed)
}

/// The same for a program in which owners can answer: by the operations of the server that comes along
/// ([`countersign_uma_service::owner`]), which shares its store with what is served.
///
/// # Errors
/// [`ComposeError`].
pub fn compose_with_owners(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
) -> Result<(Composed, Arc<Uma>), ComposeError> {
    let (transport, fetch) = (config.serving.transport()?, fetch(&config)?);
    let engine: Arc<dyn Engine> = match &config.serving.store {
        Some(path) => Arc::new(SqliteEngine::open(path, Arc::clone(&seams.clock))?),
        None => Arc::new(MemoryEngine::new()),
    };
    let clock = || Arc::clone(&seams.clock);
    let issuers = IssuerResolver::new(Arc::clone(&fetch), clock(), &IssuerConfig::default());
    let keys = RemoteKeys::new(Arc::clone(&fetch), clock(), &KeysConfig::default());
    let mut clients: Arc<dyn Clients> = Arc::new(config.clients);
    if !config.url_clients.is_empty() {
        let documents = ClientDocuments::new(Arc::clone(&fetch), clock(), &config.documents);
        let rules = UrlClientRules::new(documents, config.url_clients);
        clients = Arc::new(UrlClients::new(clients, rules));
    }
    let policies = policies(&config.serving.file, &config.policies)?;
    let policy = CedarUma::new(Arc::clone(&policies), config.policy)
        .map_err(|error| ConfigError::because(&config.serving.file, "policies", &error))?;
    let mut uma = Uma::new(
        config.uma,
        UmaSeams {
            engine,
            clients,
            policy: Arc::new(policy),
            discovery: Arc::new(NetworkDiscovery::new(issuers, keys)),
            audit,
            clock: clock(),
            random: Arc::clone(&seams.random),
        },
    )?;
    if let Some(console) = config.console {
        uma = uma.with_console(console, Arc::clone(&fetch))?;
    }
    let tells = config.webhooks.is_some();
    if let Some(webhooks) = config.webhooks {
        uma = uma
            .with_webhooks(webhooks, fetch)
            .map_err(|error| ConfigError::because(&config.serving.file, "webhooks", &error))?;
    }
    let uma = Arc::new(uma);
    let mut composed = Composed::new(app(Arc::clone(&uma)), config.serving.listen, transport);
    if !config.policies.is_empty() {
        // What is wrong with a file has been logged, and the policies that were there stay in use.
        composed = composed.with_task(|reload| reload.read_again(move || drop(policies.refresh())));
    }
    if tells {
        let uma = Arc::clone(&uma);
        composed = composed.with_task(|_| uma.tell_owners());
    }
    Ok((composed, uma))
}

/// Reads the files that a configuration names, opens nothing and makes nothing.
///
/// # Errors
/// [`ConfigError`] for the first that cannot be used.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let file = &config.serving.file;
    somebody_answers(config)?;
    policies(file, &config.policies)?;
    config.serving.transport()?;
    fetch(config)?;
    if let Some(path) = &config.serving.store {
        let probed = SqliteEngine::probe(path);
        probed.map_err(|error| ConfigError::because(file, "store.path", &error))?;
    }
    Ok(())
}

/// The administrator's policies, validated.
fn policies(file: &Path, paths: &[PathBuf]) -> Result<Arc<PolicyFiles<UmaRules>>, ConfigError> {
    let opened = PolicyFiles::open_as(uma::SCHEMA, paths.iter().cloned());
    opened.map(Arc::new).map_err(|error| ConfigError::because(file, "policies", &error))
}

/// Deny by default: what nobody could answer would wait for nothing.
fn somebody_answers(config: &Config) -> Result<(), ConfigError> {
    let file = &config.serving.file;
    let nobody = |key: &str| {
        let reason = "ask: nobody could answer, since [[owners]] names nobody for the owner";
        Err(ConfigError::new(file, key, reason))
    };
    match &config.asks_owner {
        Some(key) => nobody(key),
        None if config.console.is_some() => Ok(()),
        None if policies(file, &config.policies)?.current().asks() => nobody("policies"),
        None => Ok(()),
    }
}

fn fetch(config: &Config) -> Result<Arc<dyn Fetch>, ConfigError> {
    let refuse = |error| ConfigError::because(&config.serving.file, "outbound.roots", &error);
    Ok(Arc::new(HttpFetch::new(&config.outbound).map_err(refuse)?))
}
