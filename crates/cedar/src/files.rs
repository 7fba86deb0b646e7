//! The rules of files, read again on demand.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use countersign_types::digest::Digest;

use crate::policies::{Decision, Policies, PolicyError, Question, Source};

/// A file of rules larger than this is refused, in octets.
pub const MAX_FILE: u64 = 1024 * 1024;

/// More files than this in one directory are refused.
pub const MAX_FILES: usize = 1000;

/// What the files of a directory end in that are read.
pub const EXTENSION: &str = "cedar";

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
    /// The rules cannot be used here.
    #[error("{0}")]
    Unfit(String),
}

/// What a set has to be beside valid where it is used; or why it is not.
type Fit<S> = Box<dyn Fn(&S) -> Result<(), String> + Send + Sync>;

/// A set that rules come to.
pub trait RuleSet: Sized {
    /// Parses rules and validates them against a schema, all of them or none.
    ///
    /// # Errors
    /// [`PolicyError`].
    fn parse(schema: &str, sources: &[Source<'_>]) -> Result<Self, PolicyError>;

    /// How many rules there are.
    fn len(&self) -> usize;

    /// Whether there is no rule.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl RuleSet for Policies {
    fn parse(schema: &str, sources: &[Source<'_>]) -> Result<Self, PolicyError> {
        Self::parse(schema, sources)
    }

    fn len(&self) -> usize {
        self.len()
    }
}

/// The rules of some files, used as one set. A directory stands for those of its files that end in
/// `.cedar`, those to come among them.
///
/// They are validated before they are used, at the start and whenever they have changed: a bad file
/// keeps the set that was there, and says so.
pub struct PolicyFiles<S = Policies> {
    schema: String,
    files: Vec<PathBuf>,
    current: ArcSwap<Loaded<S>>,
    /// What was read last, good or bad.
    read: Mutex<Option<Digest>>,
    fit: Fit<S>,
}

impl<S: std::fmt::Debug> std::fmt::Debug for PolicyFiles<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("PolicyFiles");
        shown.field("files", &self.files).field("current", &self.current).finish_non_exhaustive()
    }
}

/// A set, and the digest of what it was read from.
#[derive(Debug)]
struct Loaded<S> {
    set: Arc<S>,
    digest: Digest,
}

impl<S: RuleSet> PolicyFiles<S> {
    /// Reads and validates the files, as a set of any kind.
    ///
    /// # Errors
    /// Any [`PolicyFileError`].
    pub fn open_as(
        schema: impl Into<String>,
        files: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Self, PolicyFileError> {
        Self::open_fit(schema, files, |_| Ok(()))
    }

    /// The same where not every valid set can be used: `fit` says what is wrong with one, now and
    /// whenever the files are read again.
    ///
    /// # Errors
    /// Any [`PolicyFileError`].
    pub fn open_fit(
        schema: impl Into<String>,
        files: impl IntoIterator<Item = PathBuf>,
        fit: impl Fn(&S) -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<Self, PolicyFileError> {
        let (schema, files) = (schema.into(), files.into_iter().collect::<Vec<_>>());
        let (texts, fit): (_, Fit<S>) = (read(&files)?, Box::new(fit));
        let loaded = load(&schema, &texts, &fit)?;
        let read = Mutex::new(Some(loaded.digest));
        Ok(Self { schema, files, current: ArcSwap::from_pointee(loaded), read, fit })
    }

    /// Reads the files, and uses what they say if that is new and good; says whether it does. A
    /// question that is being asked is answered by one set or the other.
    ///
    /// To be called from time to time: a bad file is reported once, not at every call.
    ///
    /// Replace a file by renaming a new one over it. Of one that is saved in place half may be
    /// there when it is read, and a part of the rules is a set, too, perhaps without the one that
    /// forbids.
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
        let loaded: Loaded<S> = load(&self.schema, &texts, &self.fit).map_err(refused)?;
        tracing::info!(rules = loaded.set.len(), "new policies are in use");
        self.current.store(Arc::new(loaded));
        Ok(true)
    }

    /// The set that is in use.
    #[must_use]
    pub fn current(&self) -> Arc<S> {
        Arc::clone(&self.current.load().set)
    }

    /// The set that is in use, and another value for another set.
    #[must_use]
    pub fn current_with_digest(&self) -> (Arc<S>, Digest) {
        let current = self.current.load();
        (Arc::clone(&current.set), current.digest)
    }
}

#[cfg(test)]
impl<S> PolicyFiles<S> {
    /// Rules that are in no file.
    pub(crate) fn of(schema: &str, set: S) -> Self {
        let (set, digest) = (Arc::new(set), Digest::of(b""));
        let current = ArcSwap::from_pointee(Loaded { set, digest });
        let (files, read) = (Vec::new(), Mutex::new(None));
        Self { schema: schema.to_owned(), files, current, read, fit: Box::new(|_| Ok(())) }
    }
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
        Self::open_as(schema, files)
    }

    /// Answers a question by the set that is in use.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        self.current.load().set.decide(question)
    }
}

/// Name and text of each file.
type Texts = Vec<(String, String)>;

fn read(paths: &[PathBuf]) -> Result<Texts, PolicyFileError> {
    let mut texts = Texts::new();
    for path in paths {
        for file in files(path)? {
            texts.push(text(&file)?);
        }
    }
    Ok(texts)
}

/// The file, or those of the directory in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, PolicyFileError> {
    let refused = |source| PolicyFileError::Read { file: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(refused)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(refused)? {
        let file = entry.map_err(refused)?.path();
        // What an editor is about to rename has a name that begins with a dot.
        let is_hidden =
            file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && file.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(file);
        }
    }
    if files.len() > MAX_FILES {
        let error = std::io::Error::other(format!("more than {MAX_FILES} files of rules"));
        return Err(refused(error));
    }
    files.sort_unstable();
    Ok(files)
}

fn load<S: RuleSet>(
    schema: &str,
    texts: &Texts,
    fit: &Fit<S>,
) -> Result<Loaded<S>, PolicyFileError> {
    let sources = texts.iter().map(|(name, text)| Source::new(name, text)).collect::<Vec<_>>();
    let set = S::parse(schema, &sources)?;
    fit(&set).map_err(PolicyFileError::Unfit)?;
    Ok(Loaded { set: Arc::new(set), digest: digest(texts) })
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
