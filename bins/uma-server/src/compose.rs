//! From a configuration to a server.

use std::sync::Arc;

use countersign_cedar::uma::Rules as UmaRules;
use countersign_cedar::{CedarUma, PolicyFiles, uma};
use countersign_fetch::{Fetch, HttpFetch};
use countersign_host::{Composed, ConfigError, Seams};
use countersign_resolver::{
    ClientDocuments, IssuerConfig, IssuerResolver, KeysConfig, RemoteKeys, UrlClientRules,
};
use countersign_store::{SqliteEngine, engine};
use countersign_types::identifier::IdentifierError;
use countersign_uma_service::discovery::NetworkDiscovery;
use countersign_uma_service::{Audit, Clients, Seams as UmaSeams, Uma, UrlClients, app};

use crate::config::{Config, WebhookKeys};

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
/// [`ComposeError`]; one of them is a policy by which an owner is asked for whom nobody could
/// answer.
pub fn compose(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
) -> Result<Composed, ComposeError> {
    somebody_answers(&config)?;
    let answers = config.console.is_some();
    build(config, seams, audit, answers).map(|(composed, _)| composed)
}

/// The same for a program in which owners can answer: by the operations of the server that comes
/// along ([`countersign_uma_service::owner`]), which shares its store with what is served: to be
/// dropped when that is to end.
///
/// # Errors
/// [`ComposeError`].
pub fn compose_with_owners(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
) -> Result<(Composed, Arc<Uma>), ComposeError> {
    build(config, seams, audit, true)
}

fn build(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
    answers: bool,
) -> Result<(Composed, Arc<Uma>), ComposeError> {
    let (transport, fetch) = (config.serving.transport()?, fetch(&config)?);
    let policies = policies(&config, answers)?;
    let clock = || Arc::clone(&seams.clock);
    let (engine, closed) = engine::open(config.serving.store.as_deref(), clock())?;
    let issuers = IssuerResolver::new(Arc::clone(&fetch), clock(), &IssuerConfig::default());
    let keys = RemoteKeys::new(Arc::clone(&fetch), clock(), &KeysConfig::default());
    let mut clients: Arc<dyn Clients> = Arc::new(config.clients);
    if !config.url_clients.is_empty() {
        let documents = ClientDocuments::new(Arc::clone(&fetch), clock(), &config.documents);
        let rules = UrlClientRules::new(documents, config.url_clients);
        clients = Arc::new(UrlClients::new(clients, rules));
    }
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
    if let Some(keys) = config.webhook_keys {
        let (tells, signs) = (Arc::clone(&uma), Arc::clone(&uma));
        composed = composed
            .with_task(|_| tells.tell_owners())
            .with_task(move |reload| reload.read_again(move || replace_keys(&signs, &keys)));
    }
    Ok((composed.with_closing(closed), uma))
}

/// Signs what owners are told with the keys that are there now; where they cannot be used, with
/// those that were.
fn replace_keys(uma: &Uma, keys: &WebhookKeys) {
    let replaced = keys.read().map_err(|error| error.to_string());
    let replaced =
        replaced.and_then(|ring| uma.replace_webhook_keys(ring).map_err(|error| error.to_string()));
    match replaced {
        Ok(false) => {}
        Ok(true) => tracing::info!("the keys that sign what owners are told were replaced"),
        Err(error) => tracing::error!(error, "the keys cannot be used, and those that were stay"),
    }
}

/// Reads the files that a configuration names, opens nothing and makes nothing.
///
/// # Errors
/// [`ConfigError`] for the first that cannot be used.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let file = &config.serving.file;
    somebody_answers(config)?;
    policies(config, config.console.is_some())?;
    config.serving.transport()?;
    fetch(config)?;
    if let Some(path) = &config.serving.store {
        let probed = SqliteEngine::probe(path);
        probed.map_err(|error| ConfigError::because(file, "store.path", &error))?;
    }
    Ok(())
}

/// The administrator's policies, validated: now, and whenever they are read again. By none of them
/// is an owner asked where nobody `answers`.
fn policies(config: &Config, answers: bool) -> Result<Arc<PolicyFiles<UmaRules>>, ConfigError> {
    let fit = move |rules: &UmaRules| match answers || !rules.asks() {
        true => Ok(()),
        false => Err(NOBODY.to_owned()),
    };
    let opened = PolicyFiles::open_fit(uma::SCHEMA, config.policies.iter().cloned(), fit);
    let refuse = |error| ConfigError::because(&config.serving.file, "policies", &error);
    opened.map(Arc::new).map_err(refuse)
}

/// Deny by default: what nobody could answer would wait for nothing.
fn somebody_answers(config: &Config) -> Result<(), ConfigError> {
    match &config.asks_owner {
        Some(key) => Err(ConfigError::new(&config.serving.file, key, NOBODY)),
        None => Ok(()),
    }
}

const NOBODY: &str = "ask: nobody could answer, since [[owners]] names nobody for the owner";

fn fetch(config: &Config) -> Result<Arc<dyn Fetch>, ConfigError> {
    let refuse = |error| ConfigError::because(&config.serving.file, "outbound.roots", &error);
    Ok(Arc::new(HttpFetch::new(&config.outbound).map_err(refuse)?))
}

#[cfg(test)]
mod tests {
    use countersign_testkit::Directory;

    use super::*;

    const TEXT: &str = r#"
issuer = "https://uma.bob.example"
listen = "127.0.0.1:0"
policies = ["a.cedar"]
clients = [{ id = "app", public = true }]

[[resource_servers]]
id = "rs"
secret = { file = "a.secret" }
owner = "bob"
resource_identifiers = ["https://rs.bob.example"]

[danger]
plain_http = true
memory_store = true
"#;

    /// A rule by which somebody is asked is refused where nobody answers, at the start and ever
    /// after.
    #[test]
    fn a_reload_brings_no_question_that_nobody_answers() {
        let directory = Directory::new().unwrap();
        let file = |name: &str, text: &str| directory.write(name, text).unwrap();
        file("a.secret", "a-secret-of-thirty-two-characters\n");
        let text = file("uma-server.toml", TEXT);
        let (permits, asks) = (
            r#"@id("x") permit (principal, action, resource);"#,
            r#"@id("x") @ask permit (principal, action, resource);"#,
        );
        file("a.cedar", permits);
        let config = crate::load(&text).unwrap();
        let files = policies(&config, false).unwrap();
        let answered = policies(&config, true).unwrap();
        file("a.cedar", asks);
        assert!(policies(&config, false).unwrap_err().reason.contains("nobody could answer"));
        let error = files.refresh().unwrap_err().to_string();
        assert!(error.contains("nobody could answer"), "{error}");
        assert!(!files.current().asks(), "the old rules stay");
        assert!(answered.refresh().unwrap() && answered.current().asks());
    }
}
