//! People who have a file each, made and changed by `sts user` while the server runs.
//!
//! The server makes accounts of its own here for people who come through another provider.
//!
//! `accounts/<subject>.json` is a person; `accounts/names/<name>` says which person signs in by a
//! user name or an address; `accounts/disabled/<digest>` refuses a person who stands in the
//! configuration. The server reads all at every request that is about somebody, so that what was
//! changed holds for the next one. Nothing is kept in memory that could be older than the file.

mod file;
mod imports;
mod listed;
mod users;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use countersign_host::config::{self, ConfigError, SecretSource};
use countersign_types::random::{self, Random};

use crate::private_files;
use crate::refusals::Refusals;

pub use self::file::{Account, Imported, NewAccount};
pub(crate) use self::users::People;

/// The longest name that one signs in by.
const MAX_NAME: usize = 128;

/// Why an account cannot be read, made or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The configuration has no directory for accounts.
    #[error("the configuration has no accounts.directory")]
    NoDirectory,
    /// The directory cannot be used.
    #[error("cannot use {}", path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file of an account cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigError),
    /// The file of an account is none.
    #[error("{} is no account: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody signs in by this name.
    #[error("there is no account {0:?}")]
    Unknown(String),
    /// Somebody signs in by this name.
    #[error("{0:?} is taken")]
    Taken(String),
    /// Nobody can sign in by such a name.
    #[error(
        "{0:?} is no name to sign in by: letters, digits and any of . _ - + @, the first no dot"
    )]
    Name(String),
    /// The person comes through another provider, and has no password here.
    #[error("{0:?} comes through another provider, and has no password here")]
    Imported(String),
    /// The person stands in the configuration, and so does their password.
    #[error("{0:?} stands in the configuration, and so does the password")]
    Listed(String),
    /// The address is of a domain that this provider does not speak for.
    #[error("the domain of {0} is none of email_domains")]
    Domain(String),
}

/// A directory of accounts.
#[derive(Clone, Debug)]
pub struct Accounts {
    path: PathBuf,
    /// The people of the configuration who are refused, by their subjects.
    refused: Refusals,
    email_domains: BTreeSet<String>,
}

impl Accounts {
    pub(crate) fn new(path: PathBuf, email_domains: BTreeSet<String>) -> Self {
        Self { refused: Refusals::new(path.join("disabled")), path, email_domains }
    }

    /// The account of a subject, which is untrusted.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn find(&self, subject: &str) -> Result<Option<Account>, AccountError> {
        // Only what could have been made here is looked for: no path leads out of the directory.
        if !file::is_subject(subject) {
            return Ok(None);
        }
        let path = self.file(subject);
        let Some(text) = read(&path)? else { return Ok(None) };
        file::parse(&path, &text, subject, &self.email_domains).map(Some)
    }

    /// The account that one signs in to by this name, which is untrusted.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn named(&self, name: &str) -> Result<Option<Account>, AccountError> {
        if !is_name(name) {
            return Ok(None);
        }
        let Some(subject) = read(&self.name(name))? else { return Ok(None) };
        // The account has the last word on its names.
        Ok(self.find(&subject)?.filter(|account| account.is_named(name)))
    }

    /// Every account, by user name.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn list(&self) -> Result<Vec<Account>, AccountError> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(source)),
        };
        let mut accounts = Vec::new();
        for entry in entries {
            let name = entry.map_err(|source| self.failed(source))?.file_name();
            let name = name.to_string_lossy();
            let Some(subject) = name.strip_suffix(".json") else { continue };
            accounts.extend(self.find(subject)?);
        }
        accounts.sort_by(|one, other| one.username.cmp(&other.username));
        Ok(accounts)
    }

    /// Makes an account under a fresh subject.
    ///
    /// # Errors
    /// [`AccountError::Name`], [`AccountError::Taken`], [`AccountError::Domain`], or what the files
    /// say.
    pub fn add(&self, new: NewAccount, random: &dyn Random) -> Result<Account, AccountError> {
        let account = new.account(random::identifier(random));
        account.check(&self.email_domains)?;
        let names = account.names().map(str::to_owned).collect::<BTreeSet<_>>();
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            return Err(AccountError::Name(name.clone()));
        }
        let _lock = self.lock()?;
        if let Some(name) = names.iter().find(|name| self.name(name).exists()) {
            return Err(AccountError::Taken(name.clone()));
        }
        // First the person, then the names: what is cut off in between is an account without one.
        self.write(&account, random)?;
        for name in &names {
            let written =
                private_files::write_new(&self.name(name), account.subject.as_bytes(), random);
            written.map_err(|source| self.failed(source))?;
        }
        Ok(account)
    }

    /// Changes the account that one signs in to by this name, or that has this subject.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], or what the files say.
    pub fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Account),
        random: &dyn Random,
    ) -> Result<Account, AccountError> {
        let _lock = self.lock()?;
        let account = match self.named(name)? {
            None => self.find(name)?,
            named => named,
        };
        let mut account = account.ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
        change(&mut account);
        self.write(&account, random)?;
        Ok(account)
    }

    /// Reads every account, makes none.
    pub(crate) fn check(&self) -> Result<(), AccountError> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if !self.path.exists() && !parent.unwrap_or_else(|| Path::new(".")).is_dir() {
            return Err(self.failed(io::ErrorKind::NotFound.into()));
        }
        self.list()?;
        self.refused().map(drop)
    }

    fn write(&self, account: &Account, random: &dyn Random) -> Result<(), AccountError> {
        let path = self.file(&account.subject);
        let written = private_files::replace(&path, account.to_text().as_bytes(), random);
        written.map_err(|source| AccountError::Directory { path, source })
    }

    /// One change at a time, over all processes. The lock ends with its holder.
    fn lock(&self) -> Result<File, AccountError> {
        let locked = || -> io::Result<File> {
            private_files::make_directory(&self.path)?;
            private_files::make_directory(&self.path.join("names"))?;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            let file = private_files::private(&mut options).open(self.path.join("lock"))?;
            file.lock()?;
            Ok(file)
        };
        locked().map_err(|source| self.failed(source))
    }

    fn file(&self, subject: &str) -> PathBuf {
        self.path.join(format!("{subject}.json"))
    }

    fn name(&self, name: &str) -> PathBuf {
        self.path.join("names").join(name)
    }

    fn failed(&self, source: io::Error) -> AccountError {
        AccountError::Directory { path: self.path.clone(), source }
    }
}

/// What is in a file that only its owner can read; `None` if there is none.
fn read(path: &Path) -> Result<Option<String>, AccountError> {
    if !path.exists() {
        return Ok(None);
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match config::secret(&path, "", &SecretSource::File(path.clone())) {
        Ok(text) => Ok(Some(text.to_string())),
        // Gone meanwhile.
        Err(_) if !path.exists() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a name can be signed in by: a file of this name is one, whatever it is looked for.
fn is_name(name: &str) -> bool {
    let known = |octet: u8| octet.is_ascii_alphanumeric() || b"._-+@".contains(&octet);
    (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(known)
}
