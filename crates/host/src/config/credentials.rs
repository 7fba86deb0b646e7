//! What a client authenticates with, as a configuration says it.

use std::path::{Path, PathBuf};

use countersign_client_auth::{Credentials, SecretDigest};
use countersign_jwt::KeySet;
use countersign_types::digest::Digest;
use countersign_types::secret::ClientSecret;

use super::{ConfigError, SecretSource, relative_to, secret};

/// The keys of a client's table: exactly one of them is given.
#[derive(Debug, Default)]
pub struct CredentialsConfig {
    /// `secret`: where the secret is.
    pub secret: Option<SecretSource>,
    /// `secret_sha256`: its SHA-256 value in base64url, as the command `hash-secret` prints it.
    pub secret_sha256: Option<String>,
    /// `keys`: a file with the client's public JWK set, for `private_key_jwt`.
    pub keys: Option<PathBuf>,
    /// `public = true`: nothing.
    pub public: bool,
}

/// Reads what a client authenticates with. `table` is the client's table in `file`, as
/// `clients[0]`; empty where the table is the whole file.
///
/// # Errors
/// [`ConfigError`] unless exactly one of the keys is given and can be used.
pub fn credentials(
    file: &Path,
    table: &str,
    written: &CredentialsConfig,
) -> Result<Credentials, ConfigError> {
    let at = |member: &str| match table {
        "" => member.to_owned(),
        table => format!("{table}.{member}"),
    };
    let refuse = |member: &str, reason: String| Err(ConfigError::new(file, at(member), reason));
    match written {
        CredentialsConfig {
            secret: Some(source),
            secret_sha256: None,
            keys: None,
            public: false,
        } => {
            let secret = secret(file, &at("secret"), source)?;
            match SecretDigest::of_configured(&ClientSecret::new(secret.as_str())) {
                Ok(digest) => Ok(Credentials::secret(digest)),
                Err(error) => refuse("secret", error.to_string()),
            }
        }
        CredentialsConfig {
            secret: None,
            secret_sha256: Some(text),
            keys: None,
            public: false,
        } => match Digest::from_base64url(text) {
            Some(digest) => Ok(Credentials::secret(SecretDigest::from_digest(digest))),
            None => refuse("secret_sha256", "not what hash-secret prints".to_owned()),
        },
        CredentialsConfig {
            secret: None,
            secret_sha256: None,
            keys: Some(path),
            public: false,
        } => {
            let key = at("keys");
            public_keys(file, &key, path).map(Credentials::Keys)
        }
        CredentialsConfig { secret: None, secret_sha256: None, keys: None, public: true } => {
            Ok(Credentials::Public)
        }
        _ => refuse(
            "secret",
            "or secret_sha256, keys, or public = true for a client: exactly one of them".to_owned(),
        ),
    }
}

/// Reads the public JWK set that the value of `key` in `file` names.
///
/// # Errors
/// [`ConfigError`] if it cannot be read or is none.
pub fn public_keys(file: &Path, key: &str, path: &Path) -> Result<KeySet, ConfigError> {
    let path = relative_to(file, path);
    let refuse = |error: &dyn std::fmt::Display| {
        ConfigError::new(file, key, format!("{}: {error}", path.display()))
    };
    let text = super::read_file(&path).map_err(|error| refuse(&error))?;
    KeySet::parse_own(text.as_bytes()).map_err(|error| refuse(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> CredentialsConfig {
        CredentialsConfig::default()
    }

    #[track_caller]
    fn check_refused(written: &CredentialsConfig, key: &str, reason: &str) {
        let error = credentials(Path::new("server.toml"), "clients[7]", written).unwrap_err();
        assert_eq!(error.key, key, "{error}");
        assert!(error.reason.contains(reason), "{error}");
    }

    #[test]
    fn exactly_one_is_given() {
        let digest = || Some(Digest::of(b"").to_base64url());
        let source = || Some(SecretSource::Env("A".to_owned()));
        let keys = || Some(PathBuf::from("a.jwks"));
        for several in [
            written(),
            CredentialsConfig { secret_sha256: digest(), public: true, ..written() },
            CredentialsConfig { secret: source(), secret_sha256: digest(), ..written() },
            CredentialsConfig { secret: source(), keys: keys(), ..written() },
            CredentialsConfig { keys: keys(), secret_sha256: digest(), ..written() },
        ] {
            check_refused(&several, "clients[7].secret", "exactly one");
        }
        let public = CredentialsConfig { public: true, ..written() };
        let public = credentials(Path::new("server.toml"), "clients[7]", &public).unwrap();
        assert!(matches!(public, Credentials::Public));
        let digest = CredentialsConfig { secret_sha256: digest(), ..written() };
        let digest = credentials(Path::new("server.toml"), "clients[7]", &digest).unwrap();
        assert!(matches!(digest, Credentials::Secret(..)));
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_quoted() {
        for text in ["", "the secret itself, by mistake", "47DEQpj8HBSa"] {
            let digest = CredentialsConfig { secret_sha256: Some(text.to_owned()), ..written() };
            check_refused(&digest, "clients[7].secret_sha256", "hash-secret");
            let error = credentials(Path::new("a"), "b", &digest).unwrap_err().to_string();
            assert!(!error.contains("mistake"), "{error}");
        }
        let keys = CredentialsConfig { keys: Some("no.jwks".into()), ..written() };
        check_refused(&keys, "clients[7].keys", "no.jwks");
    }
}
