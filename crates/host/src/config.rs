//! Configuration: one TOML file, parsed whole before anything binds; secrets beside it.
//!
//! A secret never stands in the file. The file says where it is:
//!
//! ```toml
//! client_secret = { file = "pat.secret" }     # readable by its owner alone
//! client_secret = { env = "PAT_SECRET" }
//! ```

mod credentials;

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use countersign_types::Lifetime;
use countersign_types::wire::causes;
use serde::de::{self, DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Segment, Track};
use toml::Spanned;
use toml::de::{DeArray, DeTable};
use zeroize::Zeroizing;

pub use self::credentials::{CredentialsConfig, credentials, public_keys};

/// A configuration or secret file larger than this is refused.
const MAX_FILE: u64 = 1024 * 1024;

/// A configuration that cannot be used: which file, which key, why.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {reason}", file.display(), if key.is_empty() { String::new() } else { format!(": {key}") })]
pub struct ConfigError {
    /// The configuration file.
    pub file: PathBuf,
    /// The path of the key, as `clients[0].id`; empty if it concerns the file as a whole.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ConfigError {
    /// A value that parsed but cannot be used.
    #[must_use]
    pub fn new(file: &Path, key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), key: key.into(), reason: reason.into() }
    }

    /// A value that cannot be used for what `error` and its causes say.
    #[must_use]
    pub fn because(file: &Path, key: impl Into<String>, error: &dyn Error) -> Self {
        Self::new(file, key, causes(error))
    }
}

/// Reads and parses a configuration file. A type with `#[serde(deny_unknown_fields)]` refuses a
/// misspelt key by name.
///
/// # Errors
/// [`ConfigError`] with the key's path and, where there is one, the line.
pub fn load<T: DeserializeOwned>(file: &Path) -> Result<T, ConfigError> {
    let text = read_file(file).map_err(|error| ConfigError::new(file, "", error.to_string()))?;
    parse(file, &text)
}

/// Parses the text of a configuration file; `file` is only for the error.
///
/// # Errors
/// As [`load`].
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    let document = document(file, text)?;
    let mut track = Track::new();
    let error = match read(toml::Deserializer::from(document), &mut track) {
        Ok(config) => return Ok(config),
        Err(error) => error.to_string(),
    };
    // What follows the first line are keys, which the path has.
    let mut reason = error.lines().next().unwrap_or_default().trim_end().to_owned();
    let path = track.path();
    let line = DeTable::parse(text).ok().and_then(|document| offset(&document, &path));
    if let Some(before) = line.and_then(|at| text.get(..at)) {
        reason += &in_line(before);
    }
    let key = path.to_string();
    Err(ConfigError::new(file, if key == "." { String::new() } else { key }, reason))
}

fn document<'a>(file: &Path, text: &'a str) -> Result<Spanned<DeTable<'a>>, ConfigError> {
    DeTable::parse(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let reason = error.message().trim_end().replace('\n', ", ");
        ConfigError::new(file, "", reason + &before.map(in_line).unwrap_or_default())
    })
}

/// Reads through a trait object: to know the path of every value takes several times the code that
/// reading takes, and would otherwise be there once for every type that stands in a configuration.
fn read<T: DeserializeOwned>(
    document: toml::Deserializer<'_>,
    track: &mut Track,
) -> Result<T, erased_serde::Error> {
    let tracked = serde_path_to_error::Deserializer::new(document, track);
    erased_serde::deserialize(&mut <dyn erased_serde::Deserializer<'_>>::erase(tracked))
}

fn in_line(before: &str) -> String {
    format!(" (line {})", before.matches('\n').count() + 1)
}

/// Where the value at a path begins, as far as the path can be followed.
fn offset(document: &Spanned<DeTable<'_>>, path: &serde_path_to_error::Path) -> Option<usize> {
    let mut table = Some(document.get_ref());
    let mut array = None;
    let mut at = None;
    for segment in path {
        let value = match segment {
            Segment::Map { key } => table?.get(key.as_str()),
            Segment::Seq { index } => array.and_then(|array: &DeArray<'_>| array.get(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(value) = value else { break };
        at = Some(value.span().start);
        table = value.get_ref().as_table();
        array = value.get_ref().as_array();
        if table.is_none() && array.is_none() {
            break;
        }
    }
    at
}

/// A path in a configuration file: relative ones start at the file's directory.
#[must_use]
pub fn relative_to(file: &Path, path: &Path) -> PathBuf {
    file.parent().map_or_else(|| path.to_owned(), |directory| directory.join(path))
}

/// Refuses a lifetime of nothing, and one that is longer than the longest that makes sense.
///
/// # Errors
/// [`ConfigError`] for `lifetimes.` and this key.
pub fn check_lifetime(
    file: &Path,
    key: &str,
    lifetime: Lifetime,
    longest: Lifetime,
) -> Result<(), ConfigError> {
    if (1..=longest.as_secs()).contains(&lifetime.as_secs()) {
        return Ok(());
    }
    let reason = format!("from 1 to {} seconds", longest.as_secs());
    Err(ConfigError::new(file, format!("lifetimes.{key}"), reason))
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file that only its owner can read; relative to the configuration file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// Not derived: an error must not repeat a secret that was written into the file itself.
impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum SourceKind {
    File,
    Env,
}

const NOT_A_SOURCE: &str =
    "a secret does not stand in this file: say { file = \"...\" } or { env = \"...\" }";

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{ file = \"...\" } or { env = \"...\" }")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretSource, E> {
        Err(E::custom(NOT_A_SOURCE))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretSource, E> {
        Err(E::custom(NOT_A_SOURCE))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<SecretSource, M::Error> {
        let source = match map.next_key()? {
            Some(SourceKind::File) => SecretSource::File(map.next_value()?),
            Some(SourceKind::Env) => SecretSource::Env(map.next_value()?),
            None => return Err(de::Error::custom("neither file nor env")),
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(source),
            Some(_) => Err(de::Error::custom("either file or env, and nothing else")),
        }
    }
}

/// Reads the secret that `source`, the value of `key` in `file`, names. One line end at its end
/// is not part of it.
///
/// # Errors
/// [`ConfigError`] if it is missing, empty, not UTF-8, or in a file that others can read.
pub fn secret(
    file: &Path,
    key: &str,
    source: &SecretSource,
) -> Result<Zeroizing<String>, ConfigError> {
    let read = match source {
        SecretSource::File(path) => {
            let path = relative_to(file, path);
            read_secret(&path).map_err(|error| format!("{}: {error}", path.display()))
        }
        SecretSource::Env(name) => {
            read_variable(name).ok_or_else(|| format!("environment variable {name} is not set"))
        }
    };
    let text = read.map_err(|reason| ConfigError::new(file, key, reason))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(ConfigError::new(file, key, "the secret is empty"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

#[expect(clippy::disallowed_methods, reason = "this is where secrets come from the environment")]
fn read_variable(name: &str) -> Option<Zeroizing<String>> {
    std::env::var(name).ok().map(Zeroizing::new)
}

/// Reads a file that only its owner can read.
///
/// # Errors
/// `PermissionDenied` if others can read it, or whatever the system says.
pub(crate) fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    // Asked of the open file, so that what was checked is what is read.
    let file = File::open(path)?;
    check_private(&file)?;
    read_open(file)
}

/// Whether only its owner can read an open file: asked of the file, not of its path, so that what
/// was checked is what is read.
///
/// # Errors
/// `PermissionDenied` if others can read it, or whatever the system says.
#[cfg(unix)]
pub fn check_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let reason = format!("others can read it: mode {mode:04o}, want 0600");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

/// Nothing is known here of who can read a file.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn check_private(_file: &File) -> io::Result<()> {
    Ok(())
}

fn read_file(path: &Path) -> io::Result<Zeroizing<String>> {
    read_open(File::open(path)?)
}

fn read_open(file: File) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    if file.take(MAX_FILE + 1).read_to_string(&mut text)? as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        clients: Vec<Client>,
        #[expect(dead_code, reason = "only parsed")]
        listen: Option<std::net::SocketAddr>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Client {
        id: countersign_types::ClientId,
        secret: SecretSource,
    }

    #[track_caller]
    fn check_refused(text: &str, key: &str, reason: &str) {
        let error = parse::<Config>(Path::new("server.toml"), text).unwrap_err();
        assert_eq!(error.key, key, "{error}");
        assert!(error.reason.contains(reason), "{error}");
        assert!(error.to_string().starts_with("server.toml: "), "{error}");
    }

    #[test]
    fn an_error_names_file_key_line_and_reason() {
        check_refused("clients = 7", "clients", "invalid type");
        check_refused("\n\nlisten = \"nowhere\"", "listen", "(line 3)");
        check_refused(
            "[[clients]]\nid = \"a\"\nsecret = { file = 1 }",
            "clients[0].secret.file",
            "type",
        );
        check_refused("[[clients]]\nid = \"\"\nsecret = { env = \"A\" }", "clients[0].id", "empty");
        check_refused("[[clients]]\nid = \"a\"", "clients[0]", "missing field `secret`");
        check_refused("listen = ", "", "line 1");
    }

    #[test]
    fn an_unknown_or_repeated_key_is_refused() {
        check_refused("lisen = \"127.0.0.1:1\"", "lisen", "unknown field `lisen`");
        check_refused("[[clients]]\nid = \"a\"\nsecrt = 1", "clients[0].secrt", "unknown field");
        check_refused("clients = []\nclients = []", "", "duplicate key");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load::<Config>(Path::new("no/such.toml")).unwrap_err();
        assert!(error.to_string().starts_with("no/such.toml: "), "{error}");
    }

    #[test]
    fn a_source_is_a_file_or_a_variable() {
        let text = "[[clients]]\nid = \"a\"\nsecret = { file = \"a.secret\" }";
        let config: Config = parse(Path::new("server.toml"), text).unwrap();
        assert_eq!(config.clients[0].id.as_str(), "a");
        assert_eq!(config.clients[0].secret, SecretSource::File("a.secret".into()));
        for (value, reason) in [
            ("{}", "neither"),
            ("{ file = \"a\", env = \"B\" }", "nothing else"),
            ("{ path = \"a\" }", "unknown field `path`"),
        ] {
            let text = format!("[[clients]]\nid = \"a\"\nsecret = {value}");
            let error = parse::<Config>(Path::new("server.toml"), &text).unwrap_err();
            assert!(error.key.starts_with("clients[0].secret"), "{error}");
            assert!(error.reason.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_secret_that_stands_in_the_file() {
        for secret in ["\"s3cret-4711\"", "4711"] {
            let text = format!("[[clients]]\nid = \"a\"\nsecret = {secret}");
            check_refused(&text, "clients[0].secret", "does not stand in this file");
            let error = parse::<Config>(Path::new("server.toml"), &text).unwrap_err();
            assert!(!error.to_string().contains("4711"), "{error}");
        }
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let file = Path::new("server.toml");
        let day = Lifetime::from_secs(86_400);
        for (seconds, is_taken) in [(0, false), (1, true), (86_400, true), (86_401, false)] {
            let checked = check_lifetime(file, "rpt", Lifetime::from_secs(seconds), day);
            assert_eq!(checked.is_ok(), is_taken, "{seconds}");
        }
        let error = check_lifetime(file, "rpt", Lifetime::from_secs(0), day).unwrap_err();
        assert_eq!(error.to_string(), "server.toml: lifetimes.rpt: from 1 to 86400 seconds");
    }

    #[test]
    fn relative_paths_start_at_the_configuration_file() {
        let file = Path::new("etc/server.toml");
        assert_eq!(relative_to(file, Path::new("a.pem")), Path::new("etc/a.pem"));
        assert_eq!(relative_to(file, Path::new("/a.pem")), Path::new("/a.pem"));
        assert_eq!(relative_to(Path::new("server.toml"), Path::new("a")), Path::new("a"));
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let source = SecretSource::Env("COUNTERSIGN_TEST_NO_SUCH_VARIABLE".into());
        let error = secret(Path::new("server.toml"), "clients[0].secret", &source).unwrap_err();
        assert_eq!(error.key, "clients[0].secret");
        assert!(error.reason.contains("COUNTERSIGN_TEST_NO_SUCH_VARIABLE"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.secret");
        let read = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            secret(Path::new("server.toml"), "secret", &SecretSource::File(path.clone()))
        };
        assert_eq!(read("s3cret\n", 0o600).unwrap().as_str(), "s3cret");
        assert_eq!(read(" s3cret \r\n", 0o400).unwrap().as_str(), " s3cret ");
        for mode in [0o640, 0o604, 0o644, 0o660] {
            let error = read("s3cret", mode).unwrap_err();
            assert!(error.reason.contains("others can read it"), "{error}");
            assert!(!error.to_string().contains("s3cret\n"), "{error}");
        }
        assert!(read("\n", 0o600).unwrap_err().reason.contains("empty"));
    }
}
