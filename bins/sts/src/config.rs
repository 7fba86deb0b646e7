//! The configuration file, and what it comes to once it is read.

mod file;
mod trusted_issuers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_claims_token::VerifiedEmail;
use countersign_claims_token::claims::RESERVED;
use countersign_client_auth::RegisteredClient;
use countersign_fetch::{Danger, FetchConfig, Roots};
use countersign_host::config::{self, ConfigError, CredentialsConfig};
use countersign_host::serving::{Serving, ServingConfig};
use countersign_identity_propagation::identity_token;
use countersign_jwt::Algorithm;
use countersign_jwt::act::MAX_DEPTH;
use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_resolver::{ClientDocumentsConfig, UrlClientRule};
use countersign_sts_service::{
    Client, IssuerSetup, PasswordHash, Settings, StaticClients, StaticUsers, UrlClientTerms, User,
};
use countersign_token_exchange::policy::{JwtProfile, RegisteredTarget};
use countersign_token_exchange::trusted_issuer::SUBJECT_PREFIX;
use countersign_token_exchange::{ClientPolicy, ServerPolicy};
use countersign_types::{ClientId, Issuer, Lifetime, ScopeSet, email};

use self::file::{
    ClientConfig, ClientExchangeConfig, DelegationConfig, ExchangeConfig, File, GrantConfig,
    IdTokenAlg, JwtConfig, KeysConfig, Lifetimes, UrlClientConfig, UserConfig,
};
use self::trusted_issuers::{Own, trusted_issuers};
use crate::accounts::{AccountError, Accounts};
use crate::keys::{self, KeyDirectory, Keys, Periods};

/// A day: a longer life of any token is a mistake.
const MAX_LIFETIME: Lifetime = Lifetime::from_secs(86_400);

/// Thirty days: a browser is left behind sooner or later.
const MAX_SESSION: Lifetime = Lifetime::from_secs(30 * 86_400);

/// A year: whoever was not asked again for so long has forgotten.
const MAX_REFRESH: Lifetime = Lifetime::from_secs(366 * 86_400);

/// The longest life of a claims token that the profile lets a server accept.
const MAX_CLAIMS_TOKEN: Lifetime = Lifetime::from_secs(300);

/// A key is published for so long before it signs, unless the file says otherwise: a day.
const ANNOUNCE: Lifetime = Lifetime::from_secs(86_400);

/// The shortest announcement: twice as long as verifiers may keep the key set.
const MIN_ANNOUNCE: u32 = 600;

/// Nobody waits longer than thirty days for a key.
const MAX_ANNOUNCE: u32 = 30 * 86_400;

/// A key is published for so long after it signed: the longest life of a token, and ten minutes for
/// clocks that differ and servers that look once a minute.
const RETAIN: Lifetime = Lifetime::from_secs(MAX_LIFETIME.as_secs() + 600);

/// Why nothing here begins with [`SUBJECT_PREFIX`].
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
    pub(crate) users: StaticUsers,
    pub(crate) accounts: Option<Accounts>,
}

impl Config {
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
    let roots = file.outbound.roots.as_deref();
    let roots = roots.map_or(Roots::Platform, |pem| Roots::File(config::relative_to(path, pem)));
    let danger = Danger::default()
        .with_connect_to(file.danger.connect_to)
        .with_networks(file.danger.allow_networks);
    let documents =
        ClientDocumentsConfig::default().with_host_only(file.outbound.host_only_clients);
    let scopes =
        file.clients.iter().fold(ScopeSet::empty(), |all, client| all.union(&client.scopes));
    let clients = clients(path, file.clients)?;
    let own = Own { issuer: &file.issuer, email_domains: &email_domains, clients: &clients };
    Ok(Config {
        serving,
        keys: signing_keys(path, &file.keys)?,
        users: users(path, file.users, &email_domains)?,
        accounts: file.accounts.map(|accounts| {
            let directory = config::relative_to(path, &accounts.directory);
            Accounts::new(directory, email_domains.clone())
        }),
        trusted_issuers: trusted_issuers(path, file.trusted_issuers, &own)?,
        clients: StaticClients::new(clients),
        url_clients: url_clients(path, file.url_clients)?,
        documents,
        delegation: file
            .delegation
            .policies
            .as_ref()
            .map(|files| files.iter().map(|file| config::relative_to(path, file)).collect()),
        fetch: FetchConfig::default().with_roots(roots).with_danger(danger),
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

fn signing_keys(path: &Path, keys: &KeysConfig) -> Result<Keys, ConfigError> {
    match (&keys.directory, &keys.es256, &keys.rs256) {
        (Some(directory), None, None) => {
            if keys.published.is_some() {
                let reason = "the directory's keys are published anyway";
                return Err(ConfigError::new(path, "keys.published", reason));
            }
            let directory = config::relative_to(path, directory);
            Ok(Keys::Directory(KeyDirectory::new(directory, periods(path, keys)?)))
        }
        (None, Some(es256), Some(rs256)) => {
            for (key, period) in [("announce", keys.announce), ("rotate_every", keys.rotate_every)]
            {
                if period.is_some() {
                    let reason = "for a directory of keys only";
                    return Err(ConfigError::new(path, format!("keys.{key}"), reason));
                }
            }
            let given = vec![
                keys::given(path, "keys.es256", es256, Algorithm::Es256)?,
                keys::given(path, "keys.rs256", rs256, Algorithm::Rs256)?,
            ];
            let published = keys.published.as_deref();
            let published = published
                .map(|set| config::public_keys(path, "keys.published", set))
                .transpose()?;
            Ok(Keys::Given(given, published))
        }
        _ => Err(ConfigError::new(path, "keys", "either directory, or es256 and rs256")),
    }
}

fn periods(path: &Path, keys: &KeysConfig) -> Result<Periods, ConfigError> {
    let announce = keys.announce.unwrap_or(ANNOUNCE);
    if !(MIN_ANNOUNCE..=MAX_ANNOUNCE).contains(&announce.as_secs()) {
        let reason = format!("from {MIN_ANNOUNCE} to {MAX_ANNOUNCE} seconds");
        return Err(ConfigError::new(path, "keys.announce", reason));
    }
    if keys.rotate_every.is_some_and(|every| every <= announce) {
        return Err(ConfigError::new(path, "keys.rotate_every", "longer than keys.announce"));
    }
    Ok(Periods { announce, rotate_every: keys.rotate_every, retain: RETAIN })
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

fn users(
    path: &Path,
    users: Vec<UserConfig>,
    email_domains: &BTreeSet<String>,
) -> Result<StaticUsers, ConfigError> {
    let (mut known, mut names, mut subjects) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (index, user) in users.into_iter().enumerate() {
        let refuse = |member: &str, reason: &str| {
            ConfigError::new(path, format!("users[{index}].{member}"), reason)
        };
        if user.username.is_empty() || !names.insert(user.username.clone()) {
            return Err(refuse("username", "empty, or used before"));
        }
        if user.subject.starts_with(SUBJECT_PREFIX) {
            return Err(refuse("subject", RESERVED_NAME));
        }
        if user.subject.is_empty() || !subjects.insert(user.subject.clone()) {
            return Err(refuse("subject", "empty, or used before"));
        }
        let email = match user.email {
            Some(address) if !email_domains.contains(address.domain()) => {
                return Err(refuse("email", "its domain is none of email_domains"));
            }
            // One may sign in by address too, so that it is a user name like any other.
            Some(address) if address.as_str() != user.username => {
                if !names.insert(address.as_str().to_owned()) {
                    return Err(refuse("email", "used before"));
                }
                Some(address)
            }
            other => other,
        };
        let password = PasswordHash::parse(&user.password)
            .map_err(|error| refuse("password", &error.to_string()))?;
        known.push(User {
            subject: user.subject,
            username: user.username,
            name: user.name,
            email: email.filter(|_| user.email_verified).map(VerifiedEmail::of_own_account),
            password,
            password_since: None,
            claims: user.claims,
        });
    }
    Ok(StaticUsers::new(known))
}

fn clients(path: &Path, clients: Vec<ClientConfig>) -> Result<Vec<Client>, ConfigError> {
    let (mut known, mut ids) = (Vec::new(), BTreeSet::new());
    for (index, client) in clients.into_iter().enumerate() {
        let at = Place { path, index };
        if !ids.insert(client.id.clone()) {
            return Err(at.refuse("id", "used before"));
        }
        if client.id.as_str().starts_with(SUBJECT_PREFIX) {
            return Err(at.refuse("id", RESERVED_NAME));
        }
        known.push(at.client(client)?);
    }
    Ok(known)
}

/// The rules for clients that are known by their URL.
fn url_clients(
    path: &Path,
    rules: Vec<UrlClientConfig>,
) -> Result<Vec<UrlClientRule<UrlClientTerms>>, ConfigError> {
    let mut known = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let refuse = |member: &str, reason: &str| {
            ConfigError::new(path, format!("url_clients[{index}].{member}"), reason)
        };
        let may = |grant| rule.grants.contains(&grant);
        let exchange =
            exchange_policy(rule.exchange, &rule.scopes, may(GrantConfig::TokenExchange))
                .ok_or_else(|| refuse("exchange", "token_exchange, but for no audience"))?;
        check_refresh(&rule.grants, &rule.scopes).map_err(|reason| refuse("grants", reason))?;
        let terms = UrlClientTerms {
            authorization_code: may(GrantConfig::AuthorizationCode),
            refresh_token: may(GrantConfig::RefreshToken),
            client_credentials: may(GrantConfig::ClientCredentials),
            exchange,
            scopes: rule.scopes,
            opaque_access_tokens: rule.opaque_access_tokens,
        };
        known.push(UrlClientRule { clients: rule.id, public: rule.public, terms });
    }
    Ok(known)
}

/// What a client may exchange; `None` if it may, but for nobody.
fn exchange_policy(
    exchange: ClientExchangeConfig,
    scopes: &ScopeSet,
    may_exchange: bool,
) -> Option<ClientPolicy> {
    let nowhere = exchange.claims_token_audiences.is_empty()
        && exchange.access_token_audiences.is_empty()
        && exchange.identity_token_audiences.is_empty();
    (!may_exchange || !nowhere).then(|| ClientPolicy {
        may_exchange,
        claims_token_audiences: exchange.claims_token_audiences,
        access_token_audiences: exchange.access_token_audiences,
        scopes: scopes.clone(),
        subjects_of: exchange.subjects_of,
        may_act: exchange.actor_token,
        may_impersonate: exchange.impersonate,
        identity_token_audiences: exchange.identity_token_audiences,
        actor_audience: exchange.actor_audience.into(),
        email_in_access_token: exchange.email_in_access_token,
        may_delegate_onward: exchange.delegate_onward,
    })
}

/// A refresh token is what the scope `offline_access` asks for, on a code (OpenID Connect Core §11), or
/// comes with the exchange of another issuer's token.
fn check_refresh(grants: &BTreeSet<GrantConfig>, scopes: &ScopeSet) -> Result<(), &'static str> {
    let refreshes = grants.contains(&GrantConfig::RefreshToken);
    let exchanges_alone = grants.contains(&GrantConfig::TokenExchange)
        && !grants.contains(&GrantConfig::AuthorizationCode);
    if refreshes && exchanges_alone && !scopes.contains(OFFLINE_ACCESS) {
        return Ok(());
    }
    if refreshes != scopes.contains(OFFLINE_ACCESS) {
        return Err("refresh_token and the scope offline_access belong together");
    }
    if refreshes && !grants.contains(&GrantConfig::AuthorizationCode) {
        return Err("refresh_token comes with authorization_code only");
    }
    Ok(())
}

/// A client's table in the file, for errors.
struct Place<'a> {
    path: &'a Path,
    index: usize,
}

impl Place<'_> {
    fn key(&self, member: &str) -> String {
        format!("clients[{}].{member}", self.index)
    }

    fn refuse(&self, member: &str, reason: &str) -> ConfigError {
        ConfigError::new(self.path, self.key(member), reason)
    }

    fn client(&self, client: ClientConfig) -> Result<Client, ConfigError> {
        let credentials = config::credentials(
            self.path,
            &format!("clients[{}]", self.index),
            &CredentialsConfig {
                secret: client.secret,
                secret_sha256: client.secret_sha256,
                keys: client.keys,
                public: client.public,
            },
        )?;
        let may = |grant| client.grants.contains(&grant);
        if may(GrantConfig::ClientCredentials) && client.public {
            return Err(self.refuse("grants", "client_credentials is for confidential clients"));
        }
        if client.public && !client.introspect.is_empty() {
            return Err(self.refuse("introspect", "introspection is for confidential clients"));
        }
        if may(GrantConfig::AuthorizationCode) == client.redirect_uris.is_empty() {
            let reason = "authorization_code and redirect_uris belong together";
            return Err(self.refuse("redirect_uris", reason));
        }
        if !may(GrantConfig::AuthorizationCode) && !client.audiences.is_empty() {
            return Err(self.refuse("audiences", "they are of the grant authorization_code"));
        }
        check_refresh(&client.grants, &client.scopes)
            .map_err(|reason| self.refuse("grants", reason))?;
        let exchange =
            exchange_policy(client.exchange, &client.scopes, may(GrantConfig::TokenExchange))
                .ok_or_else(|| self.refuse("exchange", "token_exchange, but for no audience"))?;
        Ok(Client {
            name: client.name,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            authorization_code: client.grants.contains(&GrantConfig::AuthorizationCode),
            refresh_token: client.grants.contains(&GrantConfig::RefreshToken),
            client_credentials: client.grants.contains(&GrantConfig::ClientCredentials),
            exchange,
            audiences: client.audiences,
            introspects: client.introspect,
            scopes: client.scopes,
            id_token_algorithm: match client.id_token_alg {
                IdTokenAlg::Rs256 => Algorithm::Rs256,
                IdTokenAlg::Es256 => Algorithm::Es256,
            },
            dpop_bound_access_tokens: client.dpop_bound_access_tokens,
            opaque_access_tokens: client.opaque_access_tokens,
            registered: RegisteredClient { id: client.id, credentials },
        })
    }
}
