//! The client's configuration file. `client.example.toml` explains every key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_client::Registration;
use countersign_client_auth::{Method, Proof};
use countersign_fetch::client::FetchConfigError;
use countersign_fetch::{ConnectTo, Danger, Fetch, FetchConfig, HttpFetch, Roots};
use countersign_host::ConfigError;
use countersign_host::config::{self, SecretSource};
use countersign_jwt::Sign;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer, ScopeSet};
use serde::{Deserialize, Deserializer};

use crate::failure::{Code, Failure};

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: Option<Provider>,
    #[serde(default)]
    authorization_server: Vec<Server>,
    elsewhere: Option<Identity>,
    #[serde(default)]
    outbound: Outbound,
    #[serde(default)]
    danger: DangerSection,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    issuer: Issuer,
    client_id: ClientId,
    client_secret: Option<SecretSource>,
    private_key: Option<SecretSource>,
    auth_method: Option<Method>,
    claims_provider: Option<Issuer>,
    #[serde(default = "default_scope", deserialize_with = "scope")]
    scope: ScopeSet,
}

fn default_scope() -> ScopeSet {
    ScopeSet::from_tokens(["openid", "email", "claims-provider"]).unwrap_or_default()
}

fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ScopeSet, D::Error> {
    let text = String::deserialize(deserializer)?;
    ScopeSet::parse(&text).map_err(serde::de::Error::custom)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    issuer: Issuer,
    client_id: ClientId,
    client_secret: Option<SecretSource>,
    private_key: Option<SecretSource>,
    auth_method: Option<Method>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    client_id: ClientId,
    private_key: Option<SecretSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outbound {
    roots: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DangerSection {
    connect_to: ConnectTo,
    allow_networks: Vec<String>,
}

/// A configuration whose secrets have been read.
pub(crate) struct Config {
    path: PathBuf,
    provider: Option<(Registration, ScopeSet)>,
    /// Where the provider's access tokens are shown, in the place of exchanging them.
    pub(crate) claims_provider: Option<Issuer>,
    /// Whether there is a file at all: the user's own need not exist.
    exists: bool,
    pub(crate) servers: Vec<Registration>,
    pub(crate) elsewhere: Option<(ClientId, Option<Arc<dyn Sign>>)>,
    fetch: Arc<dyn Fetch>,
}

impl Config {
    /// Reads the file that was named, or the user's own, which need not exist.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => crate::session::user_file(crate::session::Directory::Config, "client.toml")?,
        };
        let exists = named.is_some() || path.exists();
        let file = if exists { config::load(&path)? } else { File::default() };
        Ok(Self { exists, ..Self::read(&path, file)? })
    }

    fn read(path: &Path, file: File) -> Result<Self, ConfigError> {
        let claims_provider = file.provider.as_ref().and_then(|it| it.claims_provider.clone());
        let provider = match file.provider {
            Some(provider) => {
                let keys = Keys {
                    client_secret: provider.client_secret,
                    private_key: provider.private_key,
                    auth_method: provider.auth_method,
                };
                let registration = Registration {
                    proof: keys.proof(path, "provider")?,
                    issuer: provider.issuer,
                    client_id: provider.client_id,
                };
                Some((registration, provider.scope))
            }
            None => None,
        };
        let mut servers: Vec<Registration> = Vec::new();
        for (index, server) in file.authorization_server.into_iter().enumerate() {
            let section = format!("authorization_server[{index}]");
            if servers.iter().any(|known| known.issuer == server.issuer) {
                return Err(ConfigError::new(
                    path,
                    format!("{section}.issuer"),
                    "configured twice",
                ));
            }
            let keys = Keys {
                client_secret: server.client_secret,
                private_key: server.private_key,
                auth_method: server.auth_method,
            };
            servers.push(Registration {
                proof: keys.proof(path, &section)?,
                issuer: server.issuer,
                client_id: server.client_id,
            });
        }
        let elsewhere = match file.elsewhere {
            Some(identity) => {
                let key = identity.private_key.as_ref();
                let key = key.map(|source| private_key(path, "elsewhere.private_key", source));
                Some((identity.client_id, key.transpose()?))
            }
            None => None,
        };
        let roots = file.outbound.roots.map(|roots| config::relative_to(path, &roots));
        let fetch = fetch(path, roots, file.danger.read(path)?)?;
        Ok(Self {
            path: path.to_owned(),
            provider,
            claims_provider,
            exists: true,
            servers,
            elsewhere,
            fetch,
        })
    }

    /// The provider and the scope to ask it for.
    pub(crate) fn provider(&self) -> Result<(&Registration, &ScopeSet), Failure> {
        if let Some((registration, scope)) = &self.provider {
            return Ok((registration, scope));
        }
        let reason = if self.exists {
            "no [provider] is configured"
        } else {
            "the file does not exist; client.example.toml shows one, and `countersign demo --write \
             DIR` writes one to try"
        };
        Err(ConfigError::new(&self.path, if self.exists { "provider" } else { "" }, reason).into())
    }

    /// A value of the file that does not go with what was asked for.
    pub(crate) fn refuse(&self, key: &str, reason: impl Into<String>) -> Failure {
        ConfigError::new(&self.path, key, reason).into()
    }

    /// The HTTP client.
    pub(crate) fn fetch(&self) -> Arc<dyn Fetch> {
        Arc::clone(&self.fetch)
    }
}

/// The HTTP client. Its certificates are read here, so that an error still knows where they are
/// named.
fn fetch(
    path: &Path,
    roots: Option<PathBuf>,
    danger: Danger,
) -> Result<Arc<dyn Fetch>, ConfigError> {
    let config = FetchConfig::default()
        .with_roots(roots.map_or(Roots::Platform, Roots::File))
        .with_danger(danger);
    let fetch = HttpFetch::new(&config).map_err(|error| {
        let key = match error {
            FetchConfigError::Roots { .. } => "outbound.roots",
            _ => "",
        };
        ConfigError::new(path, key, Failure::of(Code::Configuration, error).line())
    })?;
    Ok(Arc::new(fetch))
}

impl DangerSection {
    fn read(self, path: &Path) -> Result<Danger, ConfigError> {
        let mut networks = Vec::new();
        for (index, text) in self.allow_networks.iter().enumerate() {
            networks.push(text.parse().map_err(|_| {
                let key = format!("danger.allow_networks[{index}]");
                ConfigError::new(path, key, "not a network of the form address/length")
            })?);
        }
        Ok(Danger::default().with_connect_to(self.connect_to).with_networks(networks))
    }
}

/// What a registration section says about its credentials.
struct Keys {
    client_secret: Option<SecretSource>,
    private_key: Option<SecretSource>,
    auth_method: Option<Method>,
}

impl Keys {
    fn proof(&self, path: &Path, section: &str) -> Result<Proof, ConfigError> {
        let conflict =
            |reason| Err(ConfigError::new(path, format!("{section}.auth_method"), reason));
        match (&self.client_secret, &self.private_key, self.auth_method) {
            (None, None, None | Some(Method::None)) => Ok(Proof::None),
            (None, Some(source), None | Some(Method::PrivateKeyJwt)) => {
                let key = format!("{section}.private_key");
                private_key(path, &key, source).map(Proof::PrivateKeyJwt)
            }
            (Some(source), None, method) => {
                let secret = config::secret(path, &format!("{section}.client_secret"), source)?;
                let secret = ClientSecret::new(secret.as_str());
                match method {
                    None | Some(Method::ClientSecretBasic) => Ok(Proof::SecretBasic(secret)),
                    Some(Method::ClientSecretPost) => Ok(Proof::SecretPost(secret)),
                    Some(_) => conflict("does not go with a client_secret"),
                }
            }
            (Some(_), Some(_), _) => {
                let key = format!("{section}.private_key");
                Err(ConfigError::new(path, key, "a client has a client_secret or a private_key"))
            }
            (None, Some(_), Some(_)) => conflict("does not go with a private_key"),
            (None, None, Some(_)) => conflict("needs a client_secret or a private_key"),
        }
    }
}

fn private_key(
    path: &Path,
    key: &str,
    source: &SecretSource,
) -> Result<Arc<dyn Sign>, ConfigError> {
    let text = config::secret(path, key, source)?;
    let signing_key = crate::command::jwk::parse_private(text.as_bytes(), None, None)
        .map_err(|reason| ConfigError::new(path, key, reason))?;
    Ok(Arc::new(signing_key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> Result<Config, ConfigError> {
        let path = Path::new("client.toml");
        Config::read(path, config::parse(path, text)?)
    }

    #[track_caller]
    fn refused(text: &str, key: &str) {
        match read(text) {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => assert_eq!(error.key, key, "{error}"),
        }
    }

    #[test]
    fn the_example_says_everything_there_is_and_loads() {
        // Its secrets are files that are not there; everything else is.
        let text = include_str!("../client.example.toml");
        let without_secrets: String = text
            .lines()
            .filter(|line| !line.contains("{ file"))
            .map(|line| format!("{line}\n"))
            .collect();
        let config = read(&without_secrets).unwrap();
        let (provider, scope) = config.provider().unwrap();
        assert_eq!(provider.issuer.as_str(), "https://sts.alice.example");
        assert_eq!(scope, &default_scope());
        assert_eq!(config.servers.len(), 1);
        assert!(config.elsewhere.is_some());
        assert!(config.claims_provider.is_none());
        let whole: File = config::parse(Path::new("client.toml"), text).unwrap();
        assert!(whole.provider.unwrap().client_secret.is_some());
    }

    #[test]
    fn an_empty_file_is_a_configuration_without_a_provider() {
        let config = read("").unwrap();
        assert!(config.provider().is_err());
        assert!(config.servers.is_empty() && config.elsewhere.is_none());
    }

    #[test]
    fn errors_name_the_key() {
        let provider = "[provider]\nissuer = \"https://sts.example\"\nclient_id = \"rqp\"\n";
        refused(
            "[provider]\nissuer = \"http://sts.example\"\nclient_id = \"rqp\"",
            "provider.issuer",
        );
        refused("[provider]\nissuer = \"https://sts.example\"", "provider");
        refused(&format!("{provider}scope = \"a\\\"b\""), "provider.scope");
        refused("[outbound]\nroots = \"none.pem\"", "outbound.roots");
        refused("[providers]", "providers");
        refused(&format!("{provider}auth_method = \"private_key_jwt\""), "provider.auth_method");
        refused(&format!("{provider}auth_method = \"magic\""), "provider.auth_method");
        refused(
            &format!("{provider}client_secret = {{ env = \"NO_SUCH_VARIABLE_HERE\" }}"),
            "provider.client_secret",
        );
        refused(
            &format!(
                "{provider}client_secret = {{ env = \"A\" }}\nprivate_key = {{ env = \"B\" }}"
            ),
            "provider.private_key",
        );
        refused(
            "[elsewhere]\nclient_id = \"rqp\"\nclient_secret = { env = \"A\" }",
            "elsewhere.client_secret",
        );
        refused("[danger]\nallow_networks = [\"10.0.0.0\"]", "danger.allow_networks[0]");
        refused("[danger]\nconnect_to = [\"nonsense\"]", "danger.connect_to");
        let server =
            "[[authorization_server]]\nissuer = \"https://uma.example\"\nclient_id = \"a\"\n";
        refused(&format!("{server}{server}"), "authorization_server[1].issuer");
    }
}
