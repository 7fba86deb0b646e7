//! The configuration file: `example.toml` has every key.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use countersign::adapters::fetch::{ConnectTo, Danger, FetchConfig, Roots};
use countersign::adapters::host::ConfigError;
use countersign::adapters::host::config::{self, SecretSource};
use countersign::adapters::host::logging::LogConfig;
use countersign::adapters::host::server::TlsConfig;
use countersign::client::Registration;
use countersign::client_auth::Proof;
use countersign::types::secret::ClientSecret;
use countersign::types::{ClientId, Issuer, ResourceIdentifier, ScopeSet};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What the server is told about itself.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate and key.
    pub tls: TlsConfig,
    /// How to log.
    pub log: LogConfig,
    /// This API, as tokens name it in `aud`: its origin.
    pub identifier: ResourceIdentifier,
    /// Whose tokens it takes.
    pub issuer: Issuer,
    /// Whether that issuer is asked about each of them, so that a revocation bites at once.
    pub introspection: Option<Introspection>,
    /// What the dashboard is told.
    pub sign_in: SignIn,
    /// Where people have signed in somewhere else than at the issuer: what is done about it.
    pub exchange: Option<Exchange>,
    /// Where the dashboard's library is; without it there is no dashboard.
    pub modules: Option<PathBuf>,
    /// Whom it trusts when it connects to others.
    pub outbound: FetchConfig,
}

/// As whom the issuer is asked about tokens.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// The API's own client there.
    pub client: Registration,
}

/// What a page in a browser may know: who it is, and where people sign in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Where people sign in.
    pub issuer: Issuer,
    /// The dashboard's client id there: a public client, since everybody can read what is
    /// published.
    pub client_id: ClientId,
    /// What it asks for.
    pub scopes: ScopeSet,
}

/// The exchange of what people bring.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The API's own client at the issuer.
    pub client: Registration,
    /// Whether the provider's UserInfo endpoint is asked who it is.
    pub user_info: bool,
    /// Whether people stay signed in for longer than what they brought lasts: by a refresh token,
    /// which the issuer has to allow.
    pub refresh: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: SocketAddr,
    identifier: ResourceIdentifier,
    issuer: Issuer,
    tls: TlsConfig,
    #[serde(default)]
    log: LogConfig,
    introspection: Option<OwnClient>,
    sign_in: SignInFile,
    exchange: Option<ExchangeFile>,
    modules: Option<PathBuf>,
    roots: Option<PathBuf>,
    #[serde(default)]
    danger: DangerFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInFile {
    issuer: Issuer,
    client_id: ClientId,
    scopes: ScopeSet,
    client_secret: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnClient {
    client_id: ClientId,
    client_secret: SecretSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeFile {
    client_id: ClientId,
    client_secret: SecretSource,
    #[serde(default)]
    user_info: bool,
    #[serde(default = "yes")]
    refresh: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DangerFile {
    connect_to: Vec<String>,
}

impl Config {
    /// Reads a file whole, with the secrets that it names.
    ///
    /// # Errors
    /// [`ConfigError`]: file, key and reason.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let written: File = config::load(file)?;
        // A document that everybody can read is no place for a secret.
        if written.sign_in.client_secret.is_some() {
            let reason = "it would be published; the dashboard is a public client";
            return Err(ConfigError::new(file, "sign_in.client_secret", reason));
        }
        if written.exchange.is_none() && written.sign_in.issuer != written.issuer {
            let reason = "another than `issuer`: what people bring from there takes [exchange]";
            return Err(ConfigError::new(file, "sign_in.issuer", reason));
        }
        let issuer = written.issuer;
        let client = |key: &str, client_id: ClientId, secret: &SecretSource| {
            let secret = config::secret(file, &format!("{key}.client_secret"), secret)?;
            let proof = Proof::SecretBasic(ClientSecret::new(secret.as_str()));
            Ok::<_, ConfigError>(Registration { issuer: issuer.clone(), client_id, proof })
        };
        let introspection = written.introspection.map(|own| {
            let client = client("introspection", own.client_id, &own.client_secret)?;
            Ok::<_, ConfigError>(Introspection { client })
        });
        let exchange = written.exchange.map(|own| {
            let client = client("exchange", own.client_id, &own.client_secret)?;
            Ok::<_, ConfigError>(Exchange {
                client,
                user_info: own.user_info,
                refresh: own.refresh,
            })
        });
        let connect_to = ConnectTo::parse(written.danger.connect_to.iter().map(String::as_str));
        let connect_to =
            connect_to.map_err(|error| ConfigError::because(file, "danger.connect_to", &error))?;
        let danger = Danger::default().with_connect_to(connect_to);
        let mut outbound = FetchConfig::default().with_danger(danger);
        if let Some(roots) = written.roots {
            outbound = outbound.with_roots(Roots::File(config::relative_to(file, &roots)));
        }
        Ok(Self {
            listen: written.listen,
            tls: written.tls.relative_to(file),
            log: written.log,
            identifier: written.identifier,
            introspection: introspection.transpose()?,
            exchange: exchange.transpose()?,
            sign_in: SignIn {
                issuer: written.sign_in.issuer,
                client_id: written.sign_in.client_id,
                scopes: written.sign_in.scopes,
            },
            modules: written.modules.map(|folder| config::relative_to(file, &folder)),
            outbound,
            issuer,
        })
    }
}
