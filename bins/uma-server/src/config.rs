//! The configuration file, and what it comes to once it is read.

mod console;
mod webhooks;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use countersign_client_auth::{Credentials, RegisteredClient};
use countersign_fetch::danger::IpNet;
use countersign_fetch::{ConnectTo, Danger, FetchConfig, Roots};
use countersign_host::config::{self, ConfigError, CredentialsConfig, SecretSource};
use countersign_host::logging::LogConfig;
use countersign_host::server::TlsConfig;
use countersign_host::serving::{Serving, ServingConfig, StoreConfig};
use countersign_resolver::{ClientDocumentsConfig, UrlClientRule};
use countersign_types::{
    ClientId, Issuer, Lifetime, RedirectUri, ResourceIdentifier, ScopeSet, UrlPattern,
};
use countersign_uma::assessment::{PartialGrants, Settings};
use countersign_uma::issuers::{IssuerRule, Issuers};
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::protection::{OwnerId, PAT_LIFETIME, ResourceParameter, ResourceServer};
use countersign_uma::{Protection, case, process, rpt};
use countersign_uma_service::console::ConsoleSetup;
use countersign_uma_service::{
    Client, Limits, StaticClients, Uma, UmaConfig, UrlClientTerms, WebhookSetup,
};
use serde::Deserialize;

use self::console::{ConsoleConfig, Holder, OwnerConfig, console};
pub use self::webhooks::WebhookKeys;
use self::webhooks::{KeysConfig, WebhookConfig, webhooks};

/// A configuration that can be served: every value has its type, every path is relative to the
/// configuration file no more, secrets are read and digested.
#[derive(Debug)]
pub struct Config {
    /// How it is served.
    pub serving: Serving,
    /// What the server goes by.
    pub uma: UmaConfig,
    /// Who is registered.
    pub clients: StaticClients,
    /// Who is a client by the URL of a document.
    pub url_clients: Vec<UrlClientRule<UrlClientTerms>>,
    /// How documents of clients are looked up.
    pub documents: ClientDocumentsConfig,
    /// Who may reach what.
    pub policy: Rules,
    /// Where the administrator's policies in Cedar are: files, and directories of them.
    pub policies: Vec<PathBuf>,
    /// The key of the first policy by which an owner is asked whom nobody can answer for; `None` if
    /// there is none.
    pub asks_owner: Option<String>,
    /// Whom it trusts when it connects to identity providers and clients.
    pub outbound: FetchConfig,
    /// The pages on which owners decide, if there are any.
    pub console: Option<ConsoleSetup>,
    /// Where owners are told what waits for them, if they are.
    pub webhooks: Option<WebhookSetup>,
    /// Where the keys are that sign that.
    pub webhook_keys: Option<WebhookKeys>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    issuer: Issuer,
    listen: SocketAddr,
    tls: Option<TlsConfig>,
    #[serde(default)]
    store: StoreConfig,
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    outbound: Outbound,
    #[serde(default)]
    assessment: Assessment,
    #[serde(default)]
    lifetimes: Lifetimes,
    #[serde(default)]
    limits: LimitsConfig,
    #[serde(default)]
    danger: DangerConfig,
    #[serde(default)]
    policies: Vec<PathBuf>,
    #[serde(default)]
    issuers: Vec<IssuerRule>,
    resource_servers: Vec<ResourceServerConfig>,
    clients: Vec<ClientConfig>,
    #[serde(default)]
    url_clients: Vec<UrlClientConfig>,
    console: Option<ConsoleConfig>,
    #[serde(default)]
    owners: Vec<OwnerConfig>,
    #[serde(default)]
    webhooks: Vec<WebhookConfig>,
    keys: Option<KeysConfig>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Outbound {
    roots: Option<PathBuf>,
    host_only_clients: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Assessment {
    partial_grants: PartialGrants,
    refused_issuers: BTreeSet<Issuer>,
    only_listed_issuers: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Lifetimes {
    pat: Lifetime,
    ticket: Lifetime,
    rpt: Lifetime,
    claims_token: Lifetime,
    kept_claims: Lifetime,
    waiting: Lifetime,
    poll_interval: Lifetime,
    notice: Lifetime,
    refresh: Option<Lifetime>,
}

impl Default for Lifetimes {
    fn default() -> Self {
        let five_minutes = Lifetime::from_secs(300);
        Self {
            pat: PAT_LIFETIME,
            ticket: five_minutes,
            rpt: rpt::LIFETIME,
            claims_token: five_minutes,
            kept_claims: five_minutes,
            waiting: case::LIFETIME,
            poll_interval: Lifetime::from_secs(5),
            notice: countersign_uma_service::webhooks::LIFETIME,
            refresh: None,
        }
    }
}

/// Under a limit of nothing, nothing would work.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsConfig {
    resources: Option<NonZeroUsize>,
    tickets: Option<NonZeroU32>,
    pats: Option<NonZeroU32>,
    cases: Option<NonZeroUsize>,
    cases_of_a_domain: Option<NonZeroUsize>,
    shares: Option<NonZeroUsize>,
    notices: Option<NonZeroU32>,
    notices_of_a_person: Option<NonZeroU32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DangerConfig {
    plain_http: bool,
    memory_store: bool,
    connect_to: ConnectTo,
    allow_networks: Vec<IpNet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceServerConfig {
    id: ClientId,
    secret: Option<SecretSource>,
    secret_sha256: Option<String>,
    keys: Option<PathBuf>,
    owner: OwnerId,
    resource_identifiers: Vec<ResourceIdentifier>,
    #[serde(default)]
    redirect_uris: Vec<RedirectUri>,
    #[serde(default)]
    resource_parameter: ResourceParameter,
    #[serde(default)]
    policy: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientConfig {
    id: ClientId,
    secret: Option<SecretSource>,
    secret_sha256: Option<String>,
    keys: Option<PathBuf>,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    scopes: ScopeSet,
}

/// Clients that are known by their URL: what all of a family may do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UrlClientConfig {
    id: UrlPattern,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    scopes: ScopeSet,
}

/// Reads a configuration file, and the secrets and keys that it names.
///
/// # Errors
/// [`ConfigError`]: the file, the key and what is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let file: File = config::load(path)?;
    let serving = ServingConfig {
        listen: file.listen,
        tls: file.tls,
        log: file.log,
        store: file.store,
        plain_http: file.danger.plain_http,
        memory_store: file.danger.memory_store,
    };
    let serving = serving.resolve(path)?;
    if Uma::check_issuer(&file.issuer).is_err() {
        return Err(ConfigError::new(path, "issuer", "too long to make endpoints of"));
    }
    let roots = file.outbound.roots.as_deref();
    let roots = roots.map_or(Roots::Platform, |pem| Roots::File(config::relative_to(path, pem)));
    let issuers = issuers(path, file.issuers, &file.assessment)?;
    let mut uma = uma(path, file.issuer, &file.lifetimes, file.assessment, &file.limits)?;
    uma.settings.issuers = issuers;
    let holders: Vec<Holder> = file
        .resource_servers
        .iter()
        .map(|server| Holder {
            id: server.id.clone(),
            owner: server.owner.clone(),
            redirect_uris: server.redirect_uris.clone(),
        })
        .collect();
    let named = file.owners.iter().map(|owner| owner.id.clone());
    let known: BTreeSet<_> =
        holders.iter().map(|holder| holder.owner.clone()).chain(named).collect();
    let webhooks = webhooks(path, file.webhooks, file.keys, file.lifetimes.notice, &known)?;
    let (webhooks, webhook_keys) = webhooks.unzip();
    let console = console(path, file.console, file.owners, &holders, &uma.settings.issuer)?;
    let Registered { clients, policy, asks_owner } =
        register(path, file.resource_servers, file.clients, console.as_ref())?;
    let url_clients = file.url_clients.into_iter().map(|rule| UrlClientRule {
        clients: rule.id,
        public: rule.public,
        terms: UrlClientTerms { scopes: rule.scopes },
    });
    let documents =
        ClientDocumentsConfig::default().with_host_only(file.outbound.host_only_clients);
    let danger = Danger::default()
        .with_connect_to(file.danger.connect_to)
        .with_networks(file.danger.allow_networks);
    Ok(Config {
        serving,
        uma,
        clients,
        url_clients: url_clients.collect(),
        documents,
        policy,
        policies: file.policies.iter().map(|file| config::relative_to(path, file)).collect(),
        asks_owner,
        outbound: FetchConfig::default().with_roots(roots).with_danger(danger),
        console,
        webhooks,
        webhook_keys,
    })
}

fn issuers(
    path: &Path,
    rules: Vec<IssuerRule>,
    assessment: &Assessment,
) -> Result<Issuers, ConfigError> {
    let only_these = assessment.only_listed_issuers;
    Issuers::new(rules, only_these).map_err(|error| ConfigError::because(path, "issuers", &error))
}

fn uma(
    path: &Path,
    issuer: Issuer,
    lifetimes: &Lifetimes,
    assessment: Assessment,
    limits: &LimitsConfig,
) -> Result<UmaConfig, ConfigError> {
    for (key, lifetime, longest) in [
        ("pat", lifetimes.pat, MAX_LIFETIME),
        ("ticket", lifetimes.ticket, MAX_LIFETIME),
        ("rpt", lifetimes.rpt, MAX_LIFETIME),
        ("claims_token", lifetimes.claims_token, MAX_CLAIMS_TOKEN),
        ("kept_claims", lifetimes.kept_claims, MAX_LIFETIME),
        ("waiting", lifetimes.waiting, MAX_WAITING),
        ("poll_interval", lifetimes.poll_interval, process::MAX_INTERVAL),
        ("notice", lifetimes.notice, MAX_WAITING),
    ] {
        config::check_lifetime(path, key, lifetime, longest)?;
    }
    if let Some(refresh) = lifetimes.refresh {
        config::check_lifetime(path, "refresh", refresh, MAX_REFRESH)?;
    }
    let mut uma = UmaConfig::new(issuer.clone());
    uma.refresh_lifetime = lifetimes.refresh;
    uma.settings = Settings {
        ticket_lifetime: lifetimes.ticket,
        rpt_lifetime: lifetimes.rpt,
        claims_token_lifetime: lifetimes.claims_token,
        kept_claims_lifetime: lifetimes.kept_claims,
        waiting_lifetime: lifetimes.waiting,
        poll_interval: lifetimes.poll_interval,
        partial_grants: assessment.partial_grants,
        refused_issuers: assessment.refused_issuers,
        ..Settings::new(issuer)
    };
    uma.pat_lifetime = lifetimes.pat;
    let default = Limits::default();
    uma.limits.resources = limits.resources.map_or(default.resources, NonZeroUsize::get);
    uma.limits.tickets = limits.tickets.map_or(default.tickets, NonZeroU32::get);
    uma.limits.pats = limits.pats.map_or(default.pats, NonZeroU32::get);
    let most = |limit: Option<NonZeroUsize>, default| limit.map_or(default, NonZeroUsize::get);
    uma.limits.cases = most(limits.cases, default.cases);
    uma.limits.cases_of_a_domain = most(limits.cases_of_a_domain, default.cases_of_a_domain);
    uma.limits.shares = most(limits.shares, default.shares);
    uma.limits.notices = limits.notices.map_or(default.notices, NonZeroU32::get);
    let of_a_person = limits.notices_of_a_person;
    uma.limits.notices_of_a_person =
        of_a_person.map_or(default.notices_of_a_person, NonZeroU32::get);
    Ok(uma)
}

/// A day: a longer life of any of these is a mistake.
const MAX_LIFETIME: Lifetime = Lifetime::from_secs(86_400);

/// A question that nobody answers for longer is forgotten: 90 days.
const MAX_WAITING: Lifetime = Lifetime::from_secs(90 * 86_400);

/// For so long, at most, claims are taken to be true that were verified once: 30 days.
const MAX_REFRESH: Lifetime = Lifetime::from_secs(30 * 86_400);

/// The longest life of a claims token that the profile lets a server accept.
const MAX_CLAIMS_TOKEN: Lifetime = Lifetime::from_secs(300);

/// What resource servers and clients come to.
struct Registered {
    clients: StaticClients,
    policy: Rules,
    asks_owner: Option<String>,
}

fn register(
    path: &Path,
    servers: Vec<ResourceServerConfig>,
    clients: Vec<ClientConfig>,
    console: Option<&ConsoleSetup>,
) -> Result<Registered, ConfigError> {
    let (mut registered, mut policy) = (Vec::new(), Rules::new());
    let mut asks_owner = None;
    let (mut ids, mut identifiers) = (BTreeSet::new(), BTreeSet::new());
    for (index, server) in servers.into_iter().enumerate() {
        let at = Place { path, table: "resource_servers", index };
        at.new_id(&mut ids, &server.id)?;
        if server.resource_identifiers.is_empty() {
            return Err(at.refuse("resource_identifiers", "at least one, or nobody can be let in"));
        }
        for identifier in &server.resource_identifiers {
            // One identifier, one resource server: a ticket of another could be relayed otherwise.
            if !identifiers.insert(identifier.clone()) {
                return Err(at.refuse("resource_identifiers", &format!("{identifier} is taken")));
            }
        }
        let credentials = at.credentials(&CredentialsConfig {
            secret: server.secret,
            secret_sha256: server.secret_sha256,
            keys: server.keys,
            public: false,
        })?;
        let mut people = console.into_iter().flat_map(|console| &console.owners);
        let answers = people.any(|person| person.owner == server.owner);
        if server.policy.iter().any(Rule::asks) && !answers && asks_owner.is_none() {
            asks_owner = Some(format!("{}.policy", at.table()));
        }
        let protection = Protection::new(server.owner, server.id.clone());
        policy = policy.with(protection.clone(), server.policy);
        registered.push(Client {
            registered: RegisteredClient { id: server.id, credentials },
            uma_grant: None,
            resource_server: Some(ResourceServer {
                protection,
                resource_identifiers: server.resource_identifiers,
                resource_parameter: server.resource_parameter,
            }),
        });
    }
    for (index, client) in clients.into_iter().enumerate() {
        let at = Place { path, table: "clients", index };
        at.new_id(&mut ids, &client.id)?;
        let credentials = at.credentials(&CredentialsConfig {
            secret: client.secret,
            secret_sha256: client.secret_sha256,
            keys: client.keys,
            public: client.public,
        })?;
        registered.push(Client {
            registered: RegisteredClient { id: client.id, credentials },
            uma_grant: Some(client.scopes),
            resource_server: None,
        });
    }
    Ok(Registered { clients: registered.into_iter().collect(), policy, asks_owner })
}

/// A table of the file, for errors.
struct Place<'a> {
    path: &'a Path,
    table: &'static str,
    index: usize,
}

impl Place<'_> {
    fn table(&self) -> String {
        format!("{}[{}]", self.table, self.index)
    }

    fn refuse(&self, member: &str, reason: &str) -> ConfigError {
        ConfigError::new(self.path, format!("{}.{member}", self.table()), reason)
    }

    fn new_id(&self, ids: &mut BTreeSet<ClientId>, id: &ClientId) -> Result<(), ConfigError> {
        if ids.insert(id.clone()) {
            return Ok(());
        }
        Err(self.refuse("id", "used before, by a client or a resource server"))
    }

    fn credentials(&self, written: &CredentialsConfig) -> Result<Credentials, ConfigError> {
        config::credentials(self.path, &self.table(), written)
    }
}
