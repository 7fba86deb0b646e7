//! The configuration file, and what it comes to once it is read.

pub(crate) mod clients;
pub(crate) mod file;
pub(crate) mod keys;
pub(crate) mod trusted_issuers;
mod upstreams;
mod users;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_claims_token::claims::RESERVED;
use countersign_fetch::danger::IpNet;
use countersign_fetch::{ConnectTo, Danger, FetchConfig, Roots};
use countersign_host::config::{self, ConfigError};
use countersign_host::serving::{Serving, ServingConfig};
use countersign_identity_propagation::identity_token;
use countersign_jwt::act::MAX_DEPTH;
use countersign_resolver::{ClientDocumentsConfig, UrlClientRule};
use countersign_sts_service::{
    Client, IssuerSetup, ProxyAddresses, Settings, StaticClients, StaticUsers, UpstreamSetup,
    UrlClientTerms, User,
};
use countersign_token_exchange::ServerPolicy;
use countersign_token_exchange::policy::{JwtProfile, RegisteredTarget};
use countersign_types::{ClientId, Issuer, Lifetime, ScopeSet, email};

use self::clients::{clients, url_clients};
use self::file::{DelegationConfig, ExchangeConfig, File, JwtConfig, Lifetimes};
use self::keys::signing_keys;
use self::trusted_issuers::{Own, trusted_issuers};
use self::upstreams::upstreams;
use self::users::users;
use crate::accounts::{AccountError, Accounts};
use crate::keys::{Keys, OF_PROVIDER};
use crate::registrations::{RegistrationError, Registrations};

/// A day: a longer life of any token is a mistake.
const MAX_LIFETIME: Lifetime = Lifetime::from_secs(86_400);

/// Thirty days: a browser is left behind sooner or later.
const MAX_SESSION: Lifetime = Lifetime::from_secs(30 * 86_400);

/// A year: whoever was not asked again for so long has forgotten.
const MAX_REFRESH: Lifetime = Lifetime::from_secs(366 * 86_400);

/// The longest life of a claims token that the profile lets a server accept.
pub(crate) const MAX_CLAIMS_TOKEN: Lifetime = Lifetime::from_secs(300);

/// Why nothing here begins with
/// [`SUBJECT_PREFIX`](countersign_token_exchange::trusted_issuer::SUBJECT_PREFIX).
const RESERVED_NAME: &str = "begins as the names of other issuers' people here do";

/// A configuration that can be served: every value has its type, every path is relative to the
/// configuration file no more, secrets are read and digested.
#[derive(Debug)]
pub struct Config {
    /// How it is served.
    pub serving: Serving,
    pub(crate) keys: Keys,
    pub(crate) settings: Settings,
    pub(crate) policy: ServerPolicy,
    pub(crate) clients: StaticClients,
    pub(crate) url_clients: Vec<UrlClientRule<UrlClientTerms>>,
    pub(crate) documents: ClientDocumentsConfig,
    pub(crate) delegation: Option<Vec<PathBuf>>,
    pub(crate) fetch: FetchConfig,
    pub(crate) trusted_issuers: Vec<IssuerSetup>,
    pub(crate) upstreams: Vec<UpstreamSetup>,
    pub(crate) proxies: Vec<ProxyAddresses>,
    pub(crate) passwords: bool,
    pub(crate) users: StaticUsers,
    pub(crate) accounts: Option<Accounts>,
    pub(crate) registrations: Option<Registrations>,
}

impl Config {
    /// What pages call this server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The hosts that the certificate should cover: the issuer's and the e-mail domains.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let issuer = std::iter::once(self.policy.issuer.host());
        issuer.chain(self.settings.email_domains.iter().cloned()).collect()
    }

    /// The people who have a file each.
    ///
    /// # Errors
    /// [`AccountError::NoDirectory`].
    pub fn accounts(&self) -> Result<&Accounts, AccountError> {
        self.accounts.as_ref().ok_or(AccountError::NoDirectory)
    }

    /// The clients that have a file each, and those that are refused.
    ///
    /// # Errors
    /// [`RegistrationError::NoDirectory`].
    pub fn registrations(&self) -> Result<&Registrations, RegistrationError> {
        self.registrations.as_ref().ok_or(RegistrationError::NoDirectory)
    }

    /// The clients in the file itself.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter()
    }

    /// Whether a rule of the file speaks of a client by this URL.
    #[must_use]
    pub fn rules_over(&self, client: &ClientId) -> bool {
        client.is_url() && self.url_clients.iter().any(|rule| rule.clients.matches(client.as_str()))
    }

    /// The people in the file itself.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.iter()
    }

    /// Whoever in the file itself signs in by this name, or has this subject.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        let signs_in = |user: &User| {
            let address = user.email.as_ref().map(|email| email.address().as_str());
            user.username == name || address == Some(name)
        };
        let by_subject = || self.users().find(|user| user.subject == name);
        self.users().find(|user| signs_in(user)).or_else(by_subject)
    }

    /// Whether somebody in the file itself has this subject.
    #[must_use]
    pub fn lists_subject(&self, subject: &str) -> bool {
        self.users.has_subject(subject)
    }

    /// Whether somebody in the file itself signs in by this name.
    #[must_use]
    pub fn lists(&self, name: &str) -> bool {
        self.users.is_known(name)
    }
}

/// Reads a configuration file, and the secrets and keys that it names.
///
/// # Errors
/// [`ConfigError`]: the file, the key and what is wrong with it.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let file: File = config::load(path)?;
    let refuse = |key: &str, reason: &str| ConfigError::new(path, key, reason);
    let serving = ServingConfig {
        listen: file.listen,
        tls: file.tls,
        log: file.log,
        store: file.store,
        plain_http: file.danger.plain_http,
        memory_store: file.danger.memory_store,
    };
    let serving = serving.resolve(path)?;
    if countersign_sts_service::Sts::check_issuer(&file.issuer).is_err() {
        return Err(ConfigError::new(path, "issuer", "too long to make endpoints of"));
    }
    check_lifetimes(path, &file.lifetimes)?;
    let email_domains = email_domains(path, &file.email_domains)?;
    let names_a_client = |subject: &str| file.clients.iter().any(|c| c.id.as_str() == subject);
    if let Some(index) = file.users.iter().position(|user| names_a_client(&user.subject)) {
        // RFC 9068 §5: nobody may take a client's token for a person's.
        return Err(refuse(&format!("users[{index}].subject"), "a client has this identifier"));
    }
    let subjects = file.users.iter().map(|user| user.subject.clone()).collect();
    let upstreams = upstreams(path, file.upstreams, &file.issuer)?;
    if !upstreams.is_empty() {
        if file.accounts.is_none() {
            let reason = "take accounts.directory, where the people who come through them are kept";
            return Err(refuse("upstreams", reason));
        }
        if serving.store.is_none() {
            // The accounts would stay, and nobody would get into them any more.
            return Err(refuse("upstreams", "take store.path, where their people are known by"));
        }
    }
    if file.passwords == Some(false) && upstreams.is_empty() {
        return Err(refuse("passwords", "false, and there are no upstreams: nobody could sign in"));
    }
    if let Some(index) =
        file.users.iter().position(|user| is_of_another(&user.username, &upstreams))
    {
        let reason = "begins as the names of an upstream's people here do";
        return Err(refuse(&format!("users[{index}].username"), reason));
    }
    let (roots, danger) = (file.outbound.roots.as_deref(), file.danger);
    let documents =
        ClientDocumentsConfig::default().with_host_only(file.outbound.host_only_clients);
    let further = file.registrations.as_ref().map_or_else(ScopeSet::empty, |it| it.scopes.clone());
    let of_files = file.clients.iter().fold(further, |all, client| all.union(&client.scopes));
    let rules = file.url_clients.iter();
    let scopes = rules.fold(of_files.clone(), |all, rule| all.union(&rule.scopes));
    let clients = clients(path, file.clients)?;
    let is_denied = |target: &str| file.exchange.denied.iter().any(|it| it.denies(target));
    let for_nobody = |client: &Client| {
        client.audience.as_ref().is_some_and(|audience| is_denied(audience.as_str()))
    };
    if let Some(index) = clients.iter().position(for_nobody) {
        let reason = "exchange.denied has it";
        return Err(refuse(&format!("clients[{index}].audiences"), reason));
    }
    let own = Own {
        issuer: &file.issuer,
        email_domains: &email_domains,
        clients: &clients,
        upstreams: &upstreams,
    };
    Ok(Config {
        serving,
        keys: signing_keys(path, &file.keys, OF_PROVIDER)?,
        users: users(path, file.users, &email_domains)?,
        accounts: file.accounts.map(|accounts| {
            let directory = config::relative_to(path, &accounts.directory);
            Accounts::new(directory, email_domains.clone())
        }),
        registrations: file.registrations.map(|registrations| {
            let directory = config::relative_to(path, &registrations.directory);
            Registrations::new(directory, of_files, subjects)
        }),
        trusted_issuers: trusted_issuers(path, file.trusted_issuers, &own)?,
        upstreams,
        proxies: file.proxies,
        passwords: file.passwords.unwrap_or(true),
        clients: StaticClients::new(clients),
        url_clients: url_clients(path, file.url_clients)?,
        documents,
        delegation: file
            .delegation
            .policies
            .as_ref()
            .map(|files| files.iter().map(|file| config::relative_to(path, file)).collect()),
        fetch: way_out(path, roots, danger.connect_to, danger.allow_networks),
        policy: ServerPolicy {
            explain_to: explain_to(path, &file.delegation)?,
            ..policy(path, file.issuer, file.exchange, &file.lifetimes)?
        },
        settings: Settings {
            name: file.name,
            email_domains,
            scopes,
            session_lifetime: file.lifetimes.session,
            access_token_lifetime: file.lifetimes.access_token,
            id_token_lifetime: file.lifetimes.id_token,
            refresh_token_lifetime: file.lifetimes.refresh_token,
            refresh_token_idle: file.lifetimes.refresh_token_idle,
        },
    })
}

/// How servers elsewhere are reached.
pub(crate) fn way_out(
    path: &Path,
    roots: Option<&Path>,
    connect_to: ConnectTo,
    networks: Vec<IpNet>,
) -> FetchConfig {
    let roots = roots.map_or(Roots::Platform, |pem| Roots::File(config::relative_to(path, pem)));
    let danger = Danger::default().with_connect_to(connect_to).with_networks(networks);
    FetchConfig::default().with_roots(roots).with_danger(danger)
}

/// Whether a user name could be taken for that of somebody who comes through another provider.
fn is_of_another(username: &str, upstreams: &[UpstreamSetup]) -> bool {
    let alias = username.split_once(':').map(|(alias, _)| alias);
    upstreams.iter().any(|upstream| Some(upstream.alias.as_str()) == alias)
}

fn check_lifetimes(path: &Path, lifetimes: &Lifetimes) -> Result<(), ConfigError> {
    for (key, lifetime, longest) in [
        ("session", lifetimes.session, MAX_SESSION),
        ("access_token", lifetimes.access_token, MAX_LIFETIME),
        ("id_token", lifetimes.id_token, MAX_LIFETIME),
        ("refresh_token", lifetimes.refresh_token, MAX_REFRESH),
        ("refresh_token_idle", lifetimes.refresh_token_idle, lifetimes.refresh_token),
        ("claims_token", lifetimes.claims_token, MAX_CLAIMS_TOKEN),
        ("identity_token", lifetimes.identity_token, identity_token::MAX_LIFETIME),
    ] {
        config::check_lifetime(path, key, lifetime, longest)?;
    }
    Ok(())
}

fn email_domains(path: &Path, domains: &[String]) -> Result<BTreeSet<String>, ConfigError> {
    let canonical = domains.iter().enumerate().map(|(index, domain)| {
        email::canonical_domain(domain).ok_or_else(|| {
            ConfigError::new(path, format!("email_domains[{index}]"), "not a domain name")
        })
    });
    canonical.collect()
}

fn policy(
    path: &Path,
    issuer: Issuer,
    exchange: ExchangeConfig,
    lifetimes: &Lifetimes,
) -> Result<ServerPolicy, ConfigError> {
    if let Some(name) = exchange.user_claims.iter().find(|n| RESERVED.contains(&n.as_str())) {
        let reason = format!("{name} has a meaning of its own");
        return Err(ConfigError::new(path, "exchange.user_claims", reason));
    }
    if !(1..=MAX_DEPTH).contains(&exchange.max_actors) {
        let reason = format!("from 1 to {MAX_DEPTH}");
        return Err(ConfigError::new(path, "exchange.max_actors", reason));
    }
    let mut targets: Vec<RegisteredTarget> = Vec::new();
    for (index, target) in exchange.targets.into_iter().enumerate() {
        let refuse =
            |reason| Err(ConfigError::new(path, format!("exchange.targets[{index}].name"), reason));
        if targets.iter().any(|known| known.name == target.name) {
            return refuse("used before");
        }
        // A name that is a URL would replace what the URL itself means.
        if target.name.is_empty() || target.name.contains("://") {
            return refuse("not a bare name");
        }
        targets.push(RegisteredTarget {
            name: target.name,
            audience: target.audience,
            resource: target.resource,
            jwt_profile: target.jwt.map(|JwtConfig::AccessToken| JwtProfile::AccessToken),
        });
    }
    Ok(ServerPolicy {
        issuer,
        public_clients: exchange.public_clients,
        targets,
        denied: exchange.denied,
        user_claims: exchange.user_claims,
        claims_token_lifetime: lifetimes.claims_token,
        access_token_lifetime: lifetimes.access_token,
        identity_token_lifetime: lifetimes.identity_token,
        max_actors: exchange.max_actors,
        explain_to: BTreeSet::new(),
    })
}

/// Whom the delegation policy's decisions are explained to.
fn explain_to(
    path: &Path,
    delegation: &DelegationConfig,
) -> Result<BTreeSet<ClientId>, ConfigError> {
    if delegation.policies.is_none() && !delegation.explain_to.is_empty() {
        let reason = "there are no delegation.policies to explain";
        return Err(ConfigError::new(path, "delegation.explain_to", reason));
    }
    Ok(delegation.explain_to.clone())
}
