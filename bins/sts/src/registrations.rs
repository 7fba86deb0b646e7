//! Clients that come, are refused and return while the server runs: `sts client`.
//!
//! `NAME.toml` is a client, in the words of a table `[[clients]]`; `disabled/NAME` says that a
//! client is refused, wherever it is registered. NAME is a digest of the client's identifier, which
//! may be a URL and so no name of a file. The server looks at both at every request that is about a
//! client, so that what was changed holds for the next one.

mod clients;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use countersign_host::ConfigError;
use countersign_sts_service::Client;
use countersign_types::digest::Digest;
use countersign_types::random::Random;
use countersign_types::{ClientId, ScopeSet};

use crate::config::clients::client_of_file;
use crate::private_files;
use crate::refusals::{Failed, Refusals};

pub(crate) use self::clients::{Enabled, Registered};

/// Why a client cannot be read, added or refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The configuration has no directory for clients.
    #[error("the configuration has no registrations.directory")]
    NoDirectory,
    /// The directory, or a file in it, cannot be used.
    #[error("cannot use {}", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file of a client says something that it must not.
    #[error(transparent)]
    Client(#[from] ConfigError),
    /// What is in a file is not of the client that it is named after.
    #[error("{} is of another client", .0.display())]
    Misnamed(PathBuf),
    /// What is refused is no client's identifier.
    #[error("{0:?} is refused, and is no client's identifier")]
    NoClient(String),
    /// There is a client by this identifier, or a person.
    #[error("{0:?} is taken")]
    Taken(ClientId),
    /// No client is known by this identifier.
    #[error("there is no client {0:?}")]
    Unknown(ClientId),
}

impl From<Failed> for RegistrationError {
    fn from(Failed { path, source }: Failed) -> Self {
        Self::Directory { path, source }
    }
}

/// A directory of clients.
#[derive(Clone, Debug)]
pub struct Registrations {
    path: PathBuf,
    refused: Refusals,
    scopes: ScopeSet,
    subjects: BTreeSet<String>,
}

impl Registrations {
    /// `scopes` is all that its clients may ask for, and none is called as one of these people is.
    pub(crate) fn new(path: PathBuf, scopes: ScopeSet, subjects: BTreeSet<String>) -> Self {
        Self { refused: Refusals::new(path.join("disabled")), path, scopes, subjects }
    }

    /// Makes the directory, unless it is there, but not the one that it is in.
    ///
    /// # Errors
    /// [`RegistrationError::Directory`].
    pub(crate) fn make(&self) -> Result<(), RegistrationError> {
        private_files::make_directory(&self.path).map_err(|source| failed(&self.path, source))?;
        Ok(self.refused.make()?)
    }

    /// The client of this identifier, which is untrusted, if it has a file. Whether it is refused
    /// is not looked at.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub fn find(&self, id: &ClientId) -> Result<Option<Client>, RegistrationError> {
        let path = self.file(id);
        let Some(client) = self.read(&path)? else { return Ok(None) };
        if client.registered.id == *id {
            Ok(Some(client))
        } else {
            Err(RegistrationError::Misnamed(path))
        }
    }

    /// Whether a client has a file, whatever is in it.
    ///
    /// # Errors
    /// [`RegistrationError::Directory`].
    pub fn has_file(&self, id: &ClientId) -> Result<bool, RegistrationError> {
        let path = self.file(id);
        path.try_exists().map_err(|source| failed(&path, source))
    }

    /// Whether a client is refused, wherever it is registered.
    ///
    /// # Errors
    /// [`RegistrationError::Directory`], if nothing can be known.
    pub fn is_disabled(&self, id: &ClientId) -> Result<bool, RegistrationError> {
        Ok(self.refused.has(id.as_str())?)
    }

    /// Every client that has a file, by identifier.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub fn list(&self) -> Result<Vec<Client>, RegistrationError> {
        let mut clients = Vec::new();
        for path in files(&self.path)?.into_iter().filter(|path| is_toml(path)) {
            let Some(client) = self.read(&path)? else { continue };
            if path != self.file(&client.registered.id) {
                return Err(RegistrationError::Misnamed(path));
            }
            clients.push(client);
        }
        clients.sort_by(|one, other| one.registered.id.cmp(&other.registered.id));
        Ok(clients)
    }

    /// Every client that is refused, whether it is known or not.
    ///
    /// # Errors
    /// [`RegistrationError::Directory`].
    pub fn disabled(&self) -> Result<Vec<ClientId>, RegistrationError> {
        let mut ids = Vec::new();
        for id in self.refused.list()? {
            ids.push(ClientId::parse(&id).map_err(|_| RegistrationError::NoClient(id))?);
        }
        Ok(ids)
    }

    /// The client that stands in a text, which is to become a file here: what the paths in it are
    /// relative to.
    ///
    /// # Errors
    /// [`RegistrationError::Client`].
    pub fn parse(&self, text: &str) -> Result<Client, RegistrationError> {
        self.client(&self.path.join("client.toml"), text)
    }

    /// Adds the client of a text.
    ///
    /// # Errors
    /// [`RegistrationError::Taken`], [`RegistrationError::Client`],
    /// [`RegistrationError::Directory`].
    pub fn add(&self, text: &str, random: &dyn Random) -> Result<Client, RegistrationError> {
        let client = self.parse(text)?;
        self.make()?;
        let path = self.file(&client.registered.id);
        match private_files::write_new(&path, text.as_bytes(), random) {
            Ok(true) => Ok(client),
            Ok(false) => Err(RegistrationError::Taken(client.registered.id)),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// Refuses a client from the next request on.
    ///
    /// # Errors
    /// [`RegistrationError::Directory`].
    pub fn disable(&self, id: &ClientId, random: &dyn Random) -> Result<(), RegistrationError> {
        self.make()?;
        Ok(self.refused.add(id.as_str(), random)?)
    }

    /// Takes a client back that was refused.
    ///
    /// # Errors
    /// [`RegistrationError::Directory`].
    pub fn enable(&self, id: &ClientId) -> Result<(), RegistrationError> {
        Ok(self.refused.remove(id.as_str())?)
    }

    /// Reads every file, makes none.
    pub(crate) fn check(&self) -> Result<(), RegistrationError> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if !self.path.exists() && !parent.unwrap_or_else(|| Path::new(".")).is_dir() {
            return Err(failed(&self.path, io::ErrorKind::NotFound.into()));
        }
        self.list()?;
        self.disabled().map(drop)
    }

    fn read(&self, path: &Path) -> Result<Option<Client>, RegistrationError> {
        match fs::read_to_string(path) {
            Ok(text) => self.client(path, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(path, source)),
        }
    }

    fn client(&self, path: &Path, text: &str) -> Result<Client, RegistrationError> {
        let client = client_of_file(path, text)?;
        // RFC 9068 §5: nobody may take a client's token for a person's.
        if self.subjects.contains(client.registered.id.as_str()) {
            return Err(ConfigError::new(path, "id", "taken: a person has this subject").into());
        }
        if client.scopes.is_subset(&self.scopes) {
            return Ok(client);
        }
        let reason = "one is in no table [[clients]], nor in registrations.scopes";
        Err(ConfigError::new(path, "scopes", reason).into())
    }

    fn file(&self, id: &ClientId) -> PathBuf {
        self.path.join(name(id)).with_extension("toml")
    }
}

/// What the files of a client are called.
fn name(id: &ClientId) -> String {
    Digest::of(id.as_str().as_bytes()).to_base64url()
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// The files of a directory, which may be still to be made.
fn files(directory: &Path) -> Result<Vec<PathBuf>, RegistrationError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(directory, source)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let paths = paths.collect::<Result<Vec<_>, _>>().map_err(|source| failed(directory, source))?;
    Ok(paths.into_iter().filter(|path| path.is_file()).collect())
}

fn failed(path: &Path, source: io::Error) -> RegistrationError {
    RegistrationError::Directory { path: path.to_owned(), source }
}
