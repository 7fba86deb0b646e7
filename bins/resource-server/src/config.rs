//! The configuration file, and what it comes to once it is read.

mod protect;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_fetch::danger::IpNet;
use countersign_fetch::{ConnectTo, Danger, FetchConfig, Roots};
use countersign_host::config::{self, ConfigError, SecretSource};
use countersign_host::logging::LogConfig;
use countersign_host::server::TlsConfig;
use countersign_host::serving::{Serving, ServingConfig, StoreConfig};
use countersign_jwt::SigningKey;
use countersign_metadata::resource;
use countersign_resource::limit;
use countersign_resource::path::StrictPath;
use countersign_resource::{Identity, ResourceDescription};
use countersign_types::auth_param::quoted;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EndpointUrl, Issuer, ResourceIdentifier, ScopeSet};
use http::HeaderValue;
use serde::Deserialize;

use self::protect::ProtectConfig;
use crate::inbox::{self, MOST_MAX_MESSAGE, MOST_MAX_MESSAGES, MOST_OCTETS, Terms};
use crate::protect::Protection;
use crate::site::{Content, MAX_FILE, Resource, Site};

/// A configuration that can be served: every value has its type, every path is relative to the
/// configuration file no more, secrets are read.
#[derive(Debug)]
pub struct Config {
    /// How it is served. The store keeps the identifiers of registered resources, and which proofs
    /// were used.
    pub serving: Serving,
    /// This server's resource identifier.
    pub identifier: ResourceIdentifier,
    /// Whom it trusts when it connects to others.
    pub outbound: FetchConfig,
    /// What it serves.
    pub serves: Serves,
}

/// What is served.
#[derive(Debug)]
pub enum Serves {
    /// Content of its own.
    Site(Box<OwnContent>),
    /// A service of somebody else's, behind a layer.
    Service(Box<Protection>),
}

/// Content of its own, protected by UMA.
#[derive(Debug)]
pub struct OwnContent {
    /// Who this resource server is.
    pub identity: Identity,
    /// How many permission tickets one source is given within [`WINDOW`].
    ///
    /// [`WINDOW`]: countersign_resource::limit::WINDOW
    pub tickets_per_source: NonZeroU32,
    /// What is served.
    pub site: Site,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: SocketAddr,
    identifier: ResourceIdentifier,
    realm: Option<String>,
    tls: Option<TlsConfig>,
    #[serde(default)]
    log: LogConfig,
    authorization_server: Option<AuthorizationServer>,
    #[serde(default)]
    outbound: Outbound,
    #[serde(default)]
    store: StoreConfig,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    danger: DangerConfig,
    resources: Option<Vec<ResourceConfig>>,
    protect: Option<ProtectConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorizationServer {
    issuer: Issuer,
    client_id: ClientId,
    client_secret: Option<SecretSource>,
    client_key: Option<SecretSource>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Outbound {
    roots: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    tickets_per_source: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tickets_per_source: limit::TICKETS }
    }
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
struct ResourceConfig {
    path: String,
    name: String,
    #[serde(rename = "type")]
    resource_type: Option<String>,
    description: Option<String>,
    scopes: ScopeSet,
    methods: BTreeMap<String, ScopeSet>,
    json: Option<serde_json::Value>,
    file: Option<PathBuf>,
    media_type: Option<String>,
    inbox: Option<InboxConfig>,
    clients: Option<BTreeSet<ClientId>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct InboxConfig {
    max_message: usize,
    max_messages: usize,
}

impl Default for InboxConfig {
    fn default() -> Self {
        Self { max_message: inbox::MAX_MESSAGE, max_messages: inbox::MAX_MESSAGES }
    }
}

impl Config {
    /// The hosts that the certificate should cover: the resource identifier's.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let identifier = EndpointUrl::parse(self.identifier.as_str());
        let host = identifier.ok().and_then(|url| url.as_url().host_str().map(str::to_owned));
        host.into_iter().collect()
    }
}

/// Reads a configuration file, and the secrets that it names.
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
    let roots = file.outbound.roots.as_deref();
    let roots = roots.map_or(Roots::Platform, |pem| Roots::File(config::relative_to(path, pem)));
    let danger = Danger::default()
        .with_connect_to(file.danger.connect_to)
        .with_networks(file.danger.allow_networks);
    let (identifier, tickets_per_source) = (file.identifier, file.limits.tickets_per_source);
    let serves = match (file.protect, file.realm, file.authorization_server, file.resources) {
        (Some(protect), None, None, None) => {
            Serves::Service(Box::new(protect.resolve(path, &identifier, tickets_per_source)?))
        }
        (Some(_), ..) => {
            let reason = "stands for realm, authorization_server and resources: not beside them";
            return Err(ConfigError::new(path, "protect", reason));
        }
        (None, realm, server, resources) => {
            let missing = |key| ConfigError::new(path, key, "missing");
            let realm = realm.ok_or_else(|| missing("realm"))?;
            check_realm(path, "realm", &realm)?;
            let server = server.ok_or_else(|| missing("authorization_server"))?;
            let resources = resources.ok_or_else(|| missing("resources"))?;
            Serves::Site(Box::new(OwnContent {
                site: site(path, &identifier, resources)?,
                identity: Identity {
                    identifier: identifier.clone(),
                    realm,
                    proof: proof(path, "authorization_server", &server)?,
                    authorization_server: server.issuer,
                    client_id: server.client_id,
                },
                tickets_per_source,
            }))
        }
    };
    let outbound = FetchConfig::default().with_roots(roots).with_danger(danger);
    Ok(Config { serving, identifier, outbound, serves })
}

fn check_realm(path: &Path, key: &str, realm: &str) -> Result<(), ConfigError> {
    match quoted(realm) {
        Ok(_) => Ok(()),
        Err(_) => Err(ConfigError::new(path, key, "printable ASCII only")),
    }
}

/// How this server proves who it is, by the table of this key.
fn proof(path: &Path, key: &str, server: &AuthorizationServer) -> Result<Proof, ConfigError> {
    match (&server.client_secret, &server.client_key) {
        (Some(source), None) => {
            let secret = config::secret(path, &format!("{key}.client_secret"), source)?;
            Ok(Proof::SecretBasic(ClientSecret::new(secret.as_str())))
        }
        (None, Some(source)) => {
            let key = &format!("{key}.client_key");
            let jwk = config::secret(path, key, source)?;
            let signing = SigningKey::from_json(jwk.as_bytes())
                .map_err(|error| ConfigError::new(path, key, format!("no private JWK: {error}")))?;
            Ok(Proof::PrivateKeyJwt(Arc::new(signing)))
        }
        _ => Err(ConfigError::new(path, key, "takes either client_secret or client_key")),
    }
}

fn site(
    path: &Path,
    identifier: &ResourceIdentifier,
    configured: Vec<ResourceConfig>,
) -> Result<Site, ConfigError> {
    let metadata = resource::well_known(identifier)
        .map_err(|error| ConfigError::new(path, "identifier", error.to_string()))?;
    let metadata_path = metadata.as_url().path().to_owned();
    let (mut resources, mut names) = (BTreeMap::new(), BTreeSet::new());
    for (index, config) in configured.into_iter().enumerate() {
        let key = |member: &str| format!("resources[{index}].{member}");
        let refuse = |member: &str, reason: String| ConfigError::new(path, key(member), reason);
        check_path(identifier, &config.path).map_err(|reason| refuse("path", reason))?;
        if config.inbox.is_some() && config.path.ends_with('/') {
            let reason = "an inbox has its messages below it: write it without the last slash";
            return Err(refuse("path", reason.to_owned()));
        }
        if config.path == metadata_path {
            return Err(refuse("path", "this server's metadata is there".to_owned()));
        }
        if config.name.is_empty() || !names.insert(config.name.clone()) {
            return Err(refuse("name", "empty, or used before".to_owned()));
        }
        let at = config.path.clone();
        let resource = resource_of(path, config).map_err(|(member, why)| refuse(member, why))?;
        if resources.insert(at, resource).is_some() {
            return Err(refuse("path", "used before".to_owned()));
        }
    }
    Ok(Site::new(metadata_path, resources))
}

/// A path has one spelling, the decoded one, and belongs to the resource identifier, so that
/// clients find the server's metadata from it.
fn check_path(identifier: &ResourceIdentifier, path: &str) -> Result<(), String> {
    let strict = StrictPath::parse(path).map_err(|error| error.to_string())?;
    if strict.as_str() != path {
        return Err("write it without percent-encoding".to_owned());
    }
    let mut url = EndpointUrl::parse(identifier.as_str())
        .map_err(|error| error.to_string())?
        .as_url()
        .clone();
    url.set_path(path);
    match EndpointUrl::parse(url.as_str()) {
        Ok(url) if identifier.covers(&url) => Ok(()),
        _ => Err(format!("{identifier} does not cover it")),
    }
}

fn resource_of(path: &Path, config: ResourceConfig) -> Result<Resource, (&'static str, String)> {
    let mut methods = config.methods;
    for (method, scopes) in &methods {
        if scopes.is_empty() {
            return Err(("methods", format!("{method} needs a scope")));
        }
        if !scopes.is_subset(&config.scopes) {
            let reason = format!("{method} needs a scope that the resource does not have");
            return Err(("methods", reason));
        }
    }
    let read = methods.remove("GET").ok_or_else(|| ("methods", "GET needs a scope".to_owned()))?;
    let inbox = config.inbox.map(|inbox| terms(&inbox, &mut methods)).transpose()?;
    if let Some(method) = methods.keys().next() {
        return Err(("methods", format!("{method} is not served here")));
    }
    let (content, default_type) = match (config.json, config.file, inbox) {
        (Some(json), None, None) => {
            (Content::Inline(json.to_string().into_bytes()), "application/json")
        }
        (None, None, Some(_)) if config.media_type.is_some() => {
            return Err(("media_type", "each message of an inbox has its own".to_owned()));
        }
        (None, None, Some(terms)) => (Content::Inbox(terms), "application/json"),
        (None, Some(file), None) => {
            let file = config::relative_to(path, &file);
            check_file(&file).map_err(|reason| ("file", reason))?;
            (Content::File(file), "application/octet-stream")
        }
        _ => return Err(("json", "takes one of json, file and inbox".to_owned())),
    };
    let media_type = config.media_type.as_deref().unwrap_or(default_type);
    let media_type =
        HeaderValue::from_str(media_type).map_err(|error| ("media_type", error.to_string()))?;
    let mut description = ResourceDescription::new(config.name, config.scopes);
    description.resource_type = config.resource_type;
    description.description = config.description;
    Ok(Resource { description, read, clients: config.clients, content, media_type })
}

/// What an inbox takes. Its methods are those that it needs beside `GET`.
fn terms(
    inbox: &InboxConfig,
    methods: &mut BTreeMap<String, ScopeSet>,
) -> Result<Terms, (&'static str, String)> {
    let create = methods.remove("POST");
    let create = create.ok_or_else(|| ("methods", "POST needs a scope at an inbox".to_owned()))?;
    for (limit, most, key) in [
        (inbox.max_message, MOST_MAX_MESSAGE, "inbox.max_message"),
        (inbox.max_messages, MOST_MAX_MESSAGES, "inbox.max_messages"),
    ] {
        if !(1..=most).contains(&limit) {
            return Err((key, format!("from 1 to {most}")));
        }
    }
    let InboxConfig { max_message, max_messages } = *inbox;
    if max_message.saturating_mul(max_messages) > MOST_OCTETS {
        let reason = format!("max_message times max_messages is at most {MOST_OCTETS}");
        return Err(("inbox", reason));
    }
    Ok(Terms { create, delete: methods.remove("DELETE"), max_message, max_messages })
}

fn check_file(file: &Path) -> Result<(), String> {
    let metadata =
        std::fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?;
    if metadata.is_file() && metadata.len() <= MAX_FILE {
        return Ok(());
    }
    Err(format!("{} is no file of at most 16 MiB", file.display()))
}
