//! The rules of files, read again on demand.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use countersign_types::digest::Digest;

use crate::policies::{Decision, Policies, PolicyError, Question, Source};

/// A file of rules larger than this is refused, in octets.
pub const MAX_FILE: u64 = 1024 * 1024;

/// Why the rules of files are not in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// A file cannot be read, or is too large.
    #[error("{} cannot be read", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The rules are no set.
    #[error(transparent)]
    Policies(#[from] PolicyError),
}

/// The rules of some files, used as one set.
///
/// They are validated before they are used, at the start and whenever they have changed: a bad file
/// keeps the set that was there, and says so.
#[derive(Debug)]
pub struct PolicyFiles {
    schema: String,
    files: Vec<PathBuf>,
    current: ArcSwap<Policies>,
    /// What was read last, good or bad.
    read: Mutex<Option<Digest>>,
}

impl PolicyFiles {
    /// Reads and validates the files.
    ///
    /// # Errors
    /// Any [`PolicyFileError`].
    pub fn open(
        schema: impl Into<String>,
        files: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self, PolicyFileError> {
        let (schema, files) = (schema.into(), files.into_iter().collect::<Vec<_>>());
        let texts = read(&files)?;
        let current = ArcSwap::from_pointee(parse(&schema, &texts)?);
        let read = Mutex::new(Some(digest(&texts)));
        Ok(Self { schema, files, current, read })
    }

    /// Rules that are in no file.
    #[cfg(test)]
    pub(crate) fn of(schema: &str, policies: Policies) -> Self {
        let current = ArcSwap::from_pointee(policies);
        let (files, read) = (Vec::new(), Mutex::new(None));
        Self { schema: schema.to_owned(), files, current, read }
    }

    /// Reads the files, and uses what they say if that is new and good; says whether it does. A
    /// question that is being asked is answered by one set or the other.
    ///
    /// To be called from time to time: a bad file is reported once, not at every call.
    ///
    /// Replace a file by renaming a new one over it. Of one that is saved in place half may be there when
    /// it is read, and a part of the rules is a set, too, perhaps without the one that forbids.
    ///
    /// # Errors
    /// Any [`PolicyFileError`]; it has been logged, and the old set stays in use.
    pub fn refresh(&self) -> Result<bool, PolicyFileError> {
        let refused = |error: PolicyFileError| {
            let cause = &error as &dyn std::error::Error;
            tracing::error!(error = cause, "policies are refused: the old ones stay in use");
            error
        };
        // One refresh at a time; nothing panics while it holds this lock.
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = match read(&self.files) {
            Ok(texts) => texts,
            // It was readable before: that it is not is said once.
            Err(error) if last.take().is_some() => return Err(refused(error)),
            Err(error) => return Err(error),
        };
        let digest = digest(&texts);
        if *last == Some(digest) {
            return Ok(false);
        }
        *last = Some(digest);
        let policies = parse(&self.schema, &texts).map_err(refused)?;
        tracing::info!(rules = policies.len(), "new policies are in use");
        self.current.store(Arc::new(policies));
        Ok(true)
    }

    /// The set that is in use.
    #[must_use]
    pub fn current(&self) -> Arc<Policies> {
        self.current.load_full()
    }

    /// Answers a question by the set that is in use.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        self.current.load().decide(question)
    }
}

/// Name and text of each file.
type Texts = Vec<(String, String)>;

fn read(files: &[PathBuf]) -> Result<Texts, PolicyFileError> {
    files.iter().map(|file| text(file)).collect()
}

fn parse(schema: &str, texts: &Texts) -> Result<Policies, PolicyFileError> {
    let sources = texts.iter().map(|(name, text)| Source::new(name, text)).collect::<Vec<_>>();
    Ok(Policies::parse(schema, &sources)?)
}

fn digest(texts: &Texts) -> Digest {
    Digest::of_parts(&texts.iter().map(|(_, text)| text.as_bytes()).collect::<Vec<_>>())
}

fn text(file: &Path) -> Result<(String, String), PolicyFileError> {
    let refused = |source| PolicyFileError::Read { file: file.to_owned(), source };
    let length = std::fs::metadata(file).map_err(refused)?.len();
    if length > MAX_FILE {
        return Err(refused(std::io::ErrorKind::FileTooLarge.into()));
    }
    let text = std::fs::read_to_string(file).map_err(refused)?;
    Ok((file.display().to_string(), text))
}

#[cfg(test)]
mod tests;
