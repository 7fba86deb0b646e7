//! The signing keys: given in files, or kept in a directory and replaced in time.

mod directory;
mod schedule;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_host::config::{self, ConfigError, SecretSource};
use countersign_host::reload::Cause;
use countersign_host::{Composed, Reload, Seams};
use countersign_jwt::ring::RingError;
use countersign_jwt::{Algorithm, KeyError, KeySet, SigningKey, SigningRing};
use countersign_sts_service::SetupError;
use countersign_types::Timestamp;

pub(crate) use directory::KeyDirectory;
pub(crate) use schedule::Periods;

/// Where the keys are.
#[derive(Debug)]
pub(crate) enum Keys {
    /// Read from the configuration's files or variables: a key for each algorithm, and others that
    /// are only published.
    Given(Vec<SigningKey>, Option<KeySet>),
    /// In a directory, to be made where one is missing or due.
    Directory(KeyDirectory),
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The directory cannot be read.
    #[error("cannot read {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is named like a key's, but not quite.
    #[error("{} is not named as NAME.jwk or NAME-SECONDS.jwk", .0.display())]
    Name(PathBuf),
    /// The directory is not there, and neither is the one in which it could be made.
    #[error("{} is not there, nor is the directory that it would be made in", .0.display())]
    Nowhere(PathBuf),
    /// The directory's keys went away while they were looked at.
    #[error("{} holds no key", .0.display())]
    NoKey(PathBuf),
    /// The file cannot be read, or others can read it, too.
    #[error("{0}")]
    Read(String),
    /// The file cannot be written, or not be removed.
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
    /// The configuration gives the keys themselves.
    #[error("there is no key directory: keys that the configuration gives are replaced there")]
    Given,
}

impl KeyFileError {
    /// Whether it is about the directory or a file in it.
    pub(crate) const fn is_of_directory(&self) -> bool {
        !matches!(self, Self::Generate(_) | Self::Ring(_) | Self::Given)
    }
}

/// The algorithms that are needed, each with what the names of its files begin with.
pub(crate) type Needed = &'static [(Algorithm, &'static str)];

/// An OpenID provider signs ID tokens with RS256, too: every relying party may count on that.
/// [OpenID Connect Discovery
/// §3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)
pub(crate) const OF_PROVIDER: Needed = &[(Algorithm::Es256, "es256"), (Algorithm::Rs256, "rs256")];

/// A claims provider issues no ID tokens.
pub(crate) const OF_CLAIMS_PROVIDER: Needed = &[(Algorithm::Es256, "es256")];

impl Keys {
    /// The keys of now, and what moves them along. `file` is the configuration, for errors.
    pub(crate) fn open(
        self,
        file: &Path,
        seams: &Seams,
    ) -> Result<(SigningRing, Rotation), ConfigError> {
        let (ring, directory) = self.read(seams).map_err(|error| refused(file, &error))?;
        let rotation = Rotation { directory, seams: seams.clone(), kids: kids(&ring) };
        Ok((ring, rotation))
    }

    fn read(self, seams: &Seams) -> Result<(SigningRing, Option<KeyDirectory>), KeyFileError> {
        match self {
            Self::Given(keys, published) => {
                let mut ring = SigningRing::from_keys(keys)?;
                for key in published.iter().flat_map(|set| set.iter()) {
                    ring = ring.with_next(key.clone())?;
                }
                Ok((ring, None))
            }
            Self::Directory(directory) => {
                let ring = directory.ring(seams.clock.now(), seams.random.as_ref())?;
                Ok((ring, Some(directory)))
            }
        }
    }

    /// Reads the keys that are there and makes none.
    pub(crate) fn check(&self, file: &Path) -> Result<(), ConfigError> {
        match self {
            Self::Given(..) => Ok(()),
            Self::Directory(directory) => directory.check().map_err(|error| refused(file, &error)),
        }
    }

    /// Makes the keys that follow those of now, unless they are there already.
    pub(crate) fn announce(
        &self,
        seams: &Seams,
    ) -> Result<Vec<(Algorithm, Timestamp)>, KeyFileError> {
        match self {
            Self::Given(..) => Err(KeyFileError::Given),
            Self::Directory(directory) => {
                directory.announce(seams.clock.now(), seams.random.as_ref())
            }
        }
    }
}

fn refused(file: &Path, error: &KeyFileError) -> ConfigError {
    let key = if error.is_of_directory() { "keys.directory" } else { "keys" };
    ConfigError::because(file, key, error)
}

/// What moves a service's keys along as time goes by and as the files of their directory change, if
/// they have one.
pub(crate) struct Rotation {
    directory: Option<KeyDirectory>,
    seams: Seams,
    kids: Vec<String>,
}

impl Rotation {
    /// The server with this beside it. `replace` gives its service the keys.
    pub(crate) fn beside(
        self,
        composed: Composed,
        replace: impl Fn(SigningRing) -> Result<(), SetupError> + Send + 'static,
    ) -> Composed {
        let Self { directory, seams, kids } = self;
        let Some(directory) = directory else { return composed };
        composed.with_task(move |reload| rotate(replace, directory, seams, reload, kids))
    }
}

async fn rotate(
    replace: impl Fn(SigningRing) -> Result<(), SetupError> + Send,
    directory: KeyDirectory,
    seams: Seams,
    mut reload: Reload,
    mut kids: Vec<String>,
) {
    loop {
        let cause = reload.next().await;
        let (directory, now, random) =
            (directory.clone(), seams.clock.now(), Arc::clone(&seams.random));
        // A key that is to be made takes its time.
        let read = tokio::task::spawn_blocking(move || directory.ring(now, random.as_ref())).await;
        // A panic was reported by its hook.
        let Ok(ring) = read else { continue };
        let replaced = ring.map_err(Box::<dyn std::error::Error>::from).and_then(|ring| {
            let published = self::kids(&ring);
            replace(ring)?;
            Ok(published)
        });
        match replaced {
            Ok(now) if now != kids || cause == Cause::Asked => {
                tracing::info!(kids = now.join(" "), "signing keys: those that sign, then others");
                kids = now;
            }
            Ok(_) => {}
            Err(error) => {
                let error = error.as_ref();
                tracing::error!(error, "the signing keys that were loaded before sign on");
            }
        }
    }
}

/// The published keys' identifiers, those that sign first.
fn kids(ring: &SigningRing) -> Vec<String> {
    let signing = ring.algorithms().filter_map(|algorithm| ring.signer(algorithm)?.key_id());
    let mut kids = signing.map(str::to_owned).collect::<Vec<_>>();
    for kid in ring.published().iter().filter_map(|key| key.kid()) {
        if !kids.iter().any(|known| known == kid) {
            kids.push(kid.to_owned());
        }
    }
    kids
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
