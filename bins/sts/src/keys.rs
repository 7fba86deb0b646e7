//! The signing keys: given in files, or made at the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use countersign_host::config::{self, ConfigError, SecretSource};
use countersign_jwt::ring::RingError;
use countersign_jwt::{Algorithm, KeyError, SigningKey, SigningRing};
use countersign_types::random::{self, Random};

/// Where the keys are.
#[derive(Debug)]
pub(crate) enum Keys {
    /// Read from the configuration's files or variables.
    Given(Vec<SigningKey>),
    /// In this directory, to be made where one is missing.
    Directory(PathBuf),
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigError),
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds no private key of the algorithm.
    #[error("{} holds no private key for {}", path.display(), algorithm.name())]
    Key {
        /// The file.
        path: PathBuf,
        /// The algorithm that it should be for.
        algorithm: Algorithm,
        /// What is wrong with it.
        #[source]
        source: Option<KeyError>,
    },
    /// A key cannot be made.
    #[error("no key can be made")]
    Generate(#[source] KeyError),
    /// The keys cannot be used together.
    #[error("the keys cannot be used together")]
    Ring(#[from] RingError),
}

/// The algorithms that are needed, each with the name of its file.
const NEEDED: [(Algorithm, &str); 2] =
    [(Algorithm::Es256, "es256.jwk"), (Algorithm::Rs256, "rs256.jwk")];

impl Keys {
    /// The keys, made and written where they are missing.
    pub(crate) fn open(self, random: &dyn Random) -> Result<SigningRing, KeyFileError> {
        let keys = match self {
            Self::Given(keys) => keys,
            Self::Directory(directory) => {
                let open = |(algorithm, name)| open(&directory.join(name), algorithm, random);
                NEEDED.into_iter().map(open).collect::<Result<_, _>>()?
            }
        };
        Ok(SigningRing::from_keys(keys)?)
    }

    /// Reads the keys that are there and makes none.
    pub(crate) fn check(&self) -> Result<(), KeyFileError> {
        if let Self::Directory(directory) = self {
            for (algorithm, name) in NEEDED {
                let path = directory.join(name);
                if path.exists() {
                    read(&path, algorithm)?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a private key that the configuration names.
pub(crate) fn given(
    file: &Path,
    key: &str,
    source: &SecretSource,
    algorithm: Algorithm,
) -> Result<SigningKey, ConfigError> {
    let text = config::secret(file, key, source)?;
    let parsed = SigningKey::from_json(text.as_bytes())
        .map_err(|error| ConfigError::new(file, key, error.to_string()))?;
    if parsed.public().algorithm() == algorithm {
        return Ok(parsed);
    }
    Err(ConfigError::new(file, key, format!("not a private JWK for {}", algorithm.name())))
}

fn open(
    path: &Path,
    algorithm: Algorithm,
    random: &dyn Random,
) -> Result<SigningKey, KeyFileError> {
    if !path.exists() {
        let key = SigningKey::generate(algorithm, None).map_err(KeyFileError::Generate)?;
        let text = key.to_jwk().map_err(KeyFileError::Generate)?;
        let written = write_new(path, text.as_bytes(), random);
        written.map_err(|source| KeyFileError::Write { path: path.to_owned(), source })?;
        tracing::info!(path = %path.display(), algorithm = algorithm.name(), "signing key made");
    }
    // Read back what is there: another process may have been faster.
    read(path, algorithm)
}

fn read(path: &Path, algorithm: Algorithm) -> Result<SigningKey, KeyFileError> {
    let text = config::secret(path, "", &SecretSource::File(absolute(path)))?;
    let refuse = |source| KeyFileError::Key { path: path.to_owned(), algorithm, source };
    let key = SigningKey::from_json(text.as_bytes()).map_err(|error| refuse(Some(error)))?;
    if key.public().algorithm() == algorithm { Ok(key) } else { Err(refuse(None)) }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Writes a file that only its owner can read, whole or not at all, and never over another.
fn write_new(path: &Path, content: &[u8], random: &dyn Random) -> io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    make_directory(directory)?;
    let draft = path.with_extension(random::identifier(random));
    let written = write_draft(&draft, content).and_then(|()| match fs::hard_link(&draft, path) {
        // Somebody made the key meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    fs::remove_file(&draft)?;
    written?;
    File::open(directory)?.sync_all()
}

fn write_draft(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn make_directory(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}
