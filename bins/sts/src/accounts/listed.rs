//! People who stand in the configuration, and who are refused and taken back while the server runs.

use countersign_types::random::Random;

use super::{AccountError, Accounts};
use crate::private_files;
use crate::refusals::Failed;

impl Accounts {
    /// Makes the directory and that of the refusals, unless they are there, but not the one that
    /// they are in. From then on that nobody is refused is an answer, and not a directory that went
    /// away.
    pub(crate) fn make(&self) -> Result<(), AccountError> {
        private_files::make_directory(&self.path).map_err(|source| self.failed(source))?;
        Ok(self.refused.make()?)
    }

    /// Whether a person of the configuration is refused.
    ///
    /// # Errors
    /// [`AccountError::Directory`], if nothing can be known.
    pub fn is_refused(&self, subject: &str) -> Result<bool, AccountError> {
        Ok(self.refused.has(subject)?)
    }

    /// The subjects of everybody who is refused, whether they still stand in the configuration or
    /// not.
    ///
    /// # Errors
    /// [`AccountError::Directory`].
    pub fn refused(&self) -> Result<Vec<String>, AccountError> {
        Ok(self.refused.list()?)
    }

    /// Refuses a person of the configuration from the next request on.
    ///
    /// # Errors
    /// [`AccountError::Directory`].
    pub fn refuse(&self, subject: &str, random: &dyn Random) -> Result<(), AccountError> {
        self.make()?;
        Ok(self.refused.add(subject, random)?)
    }

    /// Takes a person of the configuration back.
    ///
    /// # Errors
    /// [`AccountError::Directory`].
    pub fn take_back(&self, subject: &str) -> Result<(), AccountError> {
        Ok(self.refused.remove(subject)?)
    }
}

impl From<Failed> for AccountError {
    fn from(Failed { path, source }: Failed) -> Self {
        Self::Directory { path, source }
    }
}
