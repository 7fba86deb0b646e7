//! From a configuration to a server.

use std::path::Path;
use std::sync::Arc;

use countersign_cedar::{CedarDelegation, PolicyFiles, delegation};
use countersign_fetch::{Fetch, FetchConfig, HttpFetch};
use countersign_host::{Composed, ConfigError, Seams};
use countersign_jwt::Algorithm;
use countersign_resolver::{ClientDocuments, UrlClientRules};
use countersign_store::{SqliteEngine, engine};
use countersign_sts_service::{
    Audit, Clients, Parts, SetupError, Sts, TrustedIssuers, Upstreams, UrlClients, Users, app,
};
use countersign_token_exchange::{ByRegistration, DelegationPolicy};
use countersign_types::Timestamp;

use crate::accounts::{AccountError, People};
use crate::config::Config;
use crate::keys::KeyFileError;
use crate::registrations::{Enabled, Registered, RegistrationError};

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
    let clock = Arc::clone(&seams.clock);
    let (engine, closed) = engine::open(config.serving.store.as_deref(), clock)?;
    let rules = rules(&config)?;
    let delegation: Arc<dyn DelegationPolicy> = match &rules {
        Some(rules) => Arc::new(CedarDelegation::new(Arc::clone(rules))),
        None => Arc::new(ByRegistration),
    };
    let mut clients: Arc<dyn Clients> = match &config.registrations {
        Some(registrations) => {
            registrations
                .make()
                .map_err(|error| registrations_refused(&config.serving.file, &error))?;
            Arc::new(Registered::new(config.clients, registrations.clone()))
        }
        None => Arc::new(config.clients),
    };
    if !config.url_clients.is_empty() {
        let documents = ClientDocuments::new(
            fetch(&config.serving.file, &config.fetch)?,
            Arc::clone(&seams.clock),
            &config.documents,
        );
        let rules = UrlClientRules::new(documents, config.url_clients);
        clients = Arc::new(UrlClients::new(clients, rules));
    }
    if let Some(registrations) = config.registrations {
        clients = Arc::new(Enabled::new(clients, registrations));
    }
    let mut upstreams = Upstreams::default();
    let users: Arc<dyn Users> = match config.accounts {
        Some(accounts) => {
            if config.users.iter().next().is_some() {
                accounts.make().map_err(|error| accounts_refused(&config.serving.file, &error))?;
            }
            let people = People::new(config.users, accounts, Arc::clone(&seams.random));
            let people = Arc::new(people);
            if !config.upstreams.is_empty() {
                let fetch = fetch(&config.serving.file, &config.fetch)?;
                let (accounts, clock) = (Arc::clone(&people), Arc::clone(&seams.clock));
                upstreams = Upstreams::new(config.upstreams, accounts, fetch, clock);
            }
            people
        }
        None => Arc::new(config.users),
    };
    if !config.passwords {
        upstreams = upstreams.without_passwords();
    }
    let trusted_issuers = if config.trusted_issuers.is_empty() {
        TrustedIssuers::default()
    } else {
        let fetch = fetch(&config.serving.file, &config.fetch)?;
        TrustedIssuers::new(config.trusted_issuers, fetch, Arc::clone(&seams.clock))
    };
    let file = config.serving.file;
    let (ring, rotation) = config.keys.open(&file, seams)?;
    let sts = Sts::new(Parts {
        settings: config.settings,
        policy: config.policy,
        delegation,
        keys: ring,
        clients,
        users,
        engine,
        clock: Arc::clone(&seams.clock),
        random: Arc::clone(&seams.random),
        audit,
    })?;
    let sts = sts.with_trusted_issuers(trusted_issuers).with_upstreams(upstreams);
    let sts = Arc::new(sts.with_proxies(config.proxies));
    let mut composed = Composed::new(app(Arc::clone(&sts)), config.serving.listen, transport);
    if let Some(rules) = rules {
        // What is wrong with a file has been logged, and the rules that were there stay in use.
        composed = composed.with_task(|reload| reload.read_again(move || drop(rules.refresh())));
    }
    Ok(rotation.beside(composed.with_closing(closed), move |ring| sts.replace_keys(ring)))
}

/// The delegation policy, if there is one beside the registrations.
fn rules(config: &Config) -> Result<Option<Arc<PolicyFiles>>, ConfigError> {
    let Some(files) = &config.delegation else { return Ok(None) };
    let opened = PolicyFiles::open(delegation::SCHEMA, files.iter().cloned());
    let refuse = |error| ConfigError::because(&config.serving.file, "delegation.policies", &error);
    opened.map(Arc::new).map(Some).map_err(refuse)
}

/// Reads the files that a configuration names, opens nothing and makes nothing.
///
/// # Errors
/// [`ConfigError`] for the first that cannot be used.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let file = &config.serving.file;
    config.serving.transport()?;
    fetch(file, &config.fetch)?;
    rules(config)?;
    config.keys.check(file)?;
    if let Some(accounts) = &config.accounts {
        accounts.check().map_err(|error| accounts_refused(file, &error))?;
    }
    if let Some(registrations) = &config.registrations {
        registrations.check().map_err(|error| registrations_refused(file, &error))?;
    }
    if let Some(path) = &config.serving.store {
        let probed = SqliteEngine::probe(path);
        probed.map_err(|error| ConfigError::because(file, "store.path", &error))?;
    }
    Ok(())
}

pub(crate) fn fetch(file: &Path, config: &FetchConfig) -> Result<Arc<dyn Fetch>, ConfigError> {
    let refuse = |error| ConfigError::because(file, "outbound.roots", &error);
    Ok(Arc::new(HttpFetch::new(config).map_err(refuse)?))
}

fn accounts_refused(file: &Path, error: &AccountError) -> ConfigError {
    ConfigError::because(file, "accounts.directory", error)
}

fn registrations_refused(file: &Path, error: &RegistrationError) -> ConfigError {
    ConfigError::because(file, "registrations.directory", error)
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
    config.keys.announce(seams)
}
