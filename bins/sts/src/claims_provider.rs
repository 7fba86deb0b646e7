//! A claims provider of its own, in front of an AuthN server that knows nothing of it: `sts
//! --claims-provider`.
//!
//! What it does is [`countersign_sts_service::claims::provider`]; its file is explained in
//! `claims-provider.example.toml`.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use countersign_claims_token::claims::RESERVED;
use countersign_fetch::FetchConfig;
use countersign_host::config::{self, ConfigError};
use countersign_host::serving::{Serving, ServingConfig};
use countersign_host::{Composed, Seams};
use countersign_jwt::Algorithm;
use countersign_sts_service::claims::provider::{
    ClaimsProvider, OwnToken, Parts, ProviderClient, SubjectAttribute, UserQuery, app, has_place,
};
use countersign_sts_service::foreign::Introspection;
use countersign_sts_service::{Audit, IssuerSetup};
use countersign_token_exchange::people::GROUPS;
use countersign_token_exchange::{ByRegistration, ClientPolicy, ServerPolicy, TrustedIssuer};
use countersign_types::{ClientId, EndpointUrl, ScopeSet, Timestamp};

use self::file::{AuthnServerConfig, File, ProviderClientConfig, UserQueryConfig};
use crate::compose::fetch;
use crate::config::keys::signing_keys;
use crate::config::trusted_issuers::Place;
use crate::config::{MAX_CLAIMS_TOKEN, way_out};
use crate::keys::{Keys, OF_CLAIMS_PROVIDER};
use crate::{ComposeError, KeyFileError};

/// A configuration that can be served.
#[derive(Debug)]
pub struct Config {
    /// How it is served.
    pub serving: Serving,
    keys: Keys,
    policy: ServerPolicy,
    authn_server: IssuerSetup,
    audiences: Vec<String>,
    user_query: UserQuerySetup,
    clients: BTreeMap<ClientId, ProviderClient>,
    fetch: FetchConfig,
}

/// The user query, before there is a way out.
#[derive(Debug)]
struct UserQuerySetup {
    endpoint: EndpointUrl,
    subject: SubjectAttribute,
    claims: Vec<String>,
    known_as: Introspection,
    scope: ScopeSet,
}

impl Config {
    /// The hosts that the certificate should cover: the issuer's, which is the e-mail domain.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        vec![self.policy.issuer.host()]
    }
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
        store: Default::default(),
        plain_http: file.danger.plain_http,
        // It has nothing to keep.
        memory_store: true,
    };
    let serving = serving.resolve(path)?;
    // The domain of the addresses is the issuer: a path, a port or another host would be somebody
    // else.
    if file.issuer.as_str() != format!("https://{}", file.issuer.host()) {
        let reason = "https:// and the domain of the addresses, and nothing else";
        return Err(ConfigError::new(path, "issuer", reason));
    }
    if file.authn_server.issuer == file.issuer {
        let reason =
            "this provider: a server with a token endpoint has a claims endpoint of its own";
        return Err(ConfigError::new(path, "authn_server.issuer", reason));
    }
    let claims_token = file.lifetimes.claims_token;
    config::check_lifetime(path, "claims_token", claims_token, MAX_CLAIMS_TOKEN)?;
    check_claims(path, &file.claims)?;
    let (roots, danger) = (file.outbound.roots.as_deref(), file.danger);
    let audiences = file.authn_server.audiences.iter().cloned().collect();
    Ok(Config {
        serving,
        keys: signing_keys(path, &file.keys, OF_CLAIMS_PROVIDER)?,
        authn_server: authn_server(path, file.authn_server)?,
        audiences,
        user_query: user_query(path, file.user_query, &file.claims)?,
        clients: clients(path, file.clients, &file.claims)?,
        fetch: way_out(path, roots, danger.connect_to, danger.allow_networks),
        policy: ServerPolicy {
            public_clients: true,
            denied: file.denied,
            user_claims: file.claims,
            claims_token_lifetime: claims_token,
            ..ServerPolicy::new(file.issuer)
        },
    })
}

fn check_claims(path: &Path, claims: &BTreeSet<String>) -> Result<(), ConfigError> {
    let refuse = |reason: String| Err(ConfigError::new(path, "claims", reason));
    match claims.iter().find(|name| RESERVED.contains(&name.as_str()) || !has_place(name)) {
        Some(name) => refuse(format!("{name} is nothing that the user query could say")),
        None => Ok(()),
    }
}

fn authn_server(path: &Path, table: AuthnServerConfig) -> Result<IssuerSetup, ConfigError> {
    let at = Place { path, key: "authn_server".to_owned() };
    let known = table.introspection.map(|table| at.known_there("introspection", table));
    Ok(IssuerSetup {
        keys: at.issuer_keys(table.jwks_uri, table.keys)?,
        introspection: known.transpose()?,
        user_info: false,
        trusted: TrustedIssuer {
            access_tokens: table.access_tokens.into(),
            ..TrustedIssuer::new("authn-server", table.issuer)
        },
    })
}

fn user_query(
    path: &Path,
    table: UserQueryConfig,
    claims: &BTreeSet<String>,
) -> Result<UserQuerySetup, ConfigError> {
    let at = Place { path, key: "user_query".to_owned() };
    if !table.verified_addresses {
        // One unverified address is a full impersonation of whoever owns it.
        let reason = "true: you checked that nobody is found by an address that was not verified";
        return Err(at.refuse("verified_addresses", reason));
    }
    Ok(UserQuerySetup {
        known_as: at.known_there("client", table.client)?,
        endpoint: table.users,
        subject: table.subject.into(),
        claims: claims.iter().cloned().collect(),
        scope: table.scope,
    })
}

fn clients(
    path: &Path,
    tables: Vec<ProviderClientConfig>,
    claims: &BTreeSet<String>,
) -> Result<BTreeMap<ClientId, ProviderClient>, ConfigError> {
    let mut clients = BTreeMap::new();
    for (index, table) in tables.into_iter().enumerate() {
        let refuse = |member: &str, reason: &str| {
            Err(ConfigError::new(path, format!("clients[{index}].{member}"), reason))
        };
        if table.claims_token_audiences.is_empty() {
            return refuse("claims_token_audiences", "none: the client could get nothing");
        }
        if table.public && table.people.is_some() {
            return refuse("people", "for clients that prove themselves");
        }
        let groups = table.people.as_ref().is_some_and(|people| !people.groups.is_empty());
        if groups && !claims.contains(GROUPS) {
            return refuse("people.groups", "nobody has any: claims lacks groups");
        }
        let policy = ClientPolicy {
            may_exchange: true,
            claims_endpoint: true,
            claims_token_audiences: table.claims_token_audiences,
            people: table.people.map(Into::into),
            ..ClientPolicy::default()
        };
        let client = ProviderClient { policy, is_confidential: !table.public };
        if clients.insert(table.id, client).is_some() {
            return refuse("id", "used before");
        }
    }
    Ok(clients)
}

/// Reads the files that a configuration names, opens nothing and makes nothing.
///
/// # Errors
/// [`ConfigError`] for the first that cannot be used.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let file = &config.serving.file;
    config.serving.transport()?;
    fetch(file, &config.fetch)?;
    config.keys.check(file)
}

/// Builds the server: nothing is bound, nothing is sent. Signing keys that are missing are made;
/// while it is served, they are replaced in time. `audit` is told of every decision.
///
/// # Errors
/// [`ComposeError`].
pub fn compose(
    config: Config,
    seams: &Seams,
    audit: Arc<dyn Audit>,
) -> Result<Composed, ComposeError> {
    let transport = config.serving.transport()?;
    let file = config.serving.file;
    let fetch = fetch(&file, &config.fetch)?;
    let (clock, random) = (Arc::clone(&seams.clock), Arc::clone(&seams.random));
    let (ring, rotation) = config.keys.open(&file, seams)?;
    let UserQuerySetup { endpoint, subject, claims, known_as, scope } = config.user_query;
    let token = OwnToken::new(
        config.authn_server.trusted.issuer.clone(),
        (known_as.client_id, known_as.proof),
        scope,
        Arc::clone(&fetch),
        Arc::clone(&clock),
        Arc::clone(&random),
    );
    let directory_of_users =
        UserQuery { endpoint, subject, claims, token, fetch: Arc::clone(&fetch) };
    let provider = ClaimsProvider::new(Parts {
        policy: config.policy,
        authn_server: config.authn_server,
        audiences: config.audiences,
        clients: config.clients,
        delegation: Arc::new(ByRegistration),
        directory: Arc::new(directory_of_users),
        keys: ring,
        fetch,
        clock,
        random,
        audit,
    })?;
    let provider = Arc::new(provider);
    let composed = Composed::new(app(Arc::clone(&provider)), config.serving.listen, transport);
    Ok(rotation.beside(composed, move |ring| provider.replace_keys(ring)))
}

/// Makes the signing keys that follow those of now, as [`announce_keys`](crate::announce_keys).
///
/// # Errors
/// [`KeyFileError`].
pub fn announce_keys(
    config: &Config,
    seams: &Seams,
) -> Result<Vec<(Algorithm, Timestamp)>, KeyFileError> {
    config.keys.announce(seams)
}
