//! Signed-in sessions, in a file that only its user can read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use countersign_client::{Person, Subject};
use countersign_host::config::check_private;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::failure::{Code, Failure};
use crate::private_file::{self, PrivateFile};

const VERSION: u32 = 1;
const MAX_FILE: u64 = 1024 * 1024;

/// The sessions of one user, by issuer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sessions {
    version: u32,
    sessions: BTreeMap<Issuer, Session>,
}

/// One signed-in person at one provider.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    pub(crate) client_id: ClientId,
    pub(crate) sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<EmailAddress>,
    access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("sub", &self.sub).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(
        client_id: ClientId,
        sub: String,
        email: Option<EmailAddress>,
        access_token: &AccessToken,
        expires: Option<Timestamp>,
    ) -> Self {
        Self { client_id, sub, email, access_token: access_token.expose().to_owned(), expires }
    }

    pub(crate) fn access_token(&self) -> AccessToken {
        AccessToken::new(self.access_token.as_str())
    }

    /// What the client needs to speak for this person.
    pub(crate) fn subject(&self) -> Subject {
        let person = match &self.email {
            Some(email) => Person::SubjectAndEmail(self.sub.clone(), email.clone()),
            None => Person::Subject(self.sub.clone()),
        };
        Subject { access_token: self.access_token(), person }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { version: VERSION, sessions: BTreeMap::new() }
    }
}

impl Sessions {
    /// Reads the file; one that does not exist holds no session.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let unusable = |reason: String| {
            Failure::new(Code::Configuration, format!("{}: {reason}", path.display()))
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let sessions: Self = serde_json::from_str(&text)
            .map_err(|error| unusable(format!("not a session file (line {})", error.line())))?;
        if sessions.version != VERSION {
            return Err(unusable(format!("written by another version ({})", sessions.version)));
        }
        Ok(sessions)
    }

    /// The session at a provider that has not expired.
    pub(crate) fn live(&self, issuer: &Issuer, now: Timestamp) -> Result<&Session, Failure> {
        let sign_in = || format!("sign in first: countersign login {issuer}");
        match self.sessions.get(issuer) {
            None => Err(Failure::new(Code::Configuration, format!("not signed in; {}", sign_in()))),
            Some(session) if session.expires.is_some_and(|expires| expires <= now) => Err(
                Failure::new(Code::Configuration, format!("the session is over; {}", sign_in())),
            ),
            Some(session) => Ok(session),
        }
    }

    pub(crate) fn set(&mut self, issuer: Issuer, session: Session) {
        self.sessions.insert(issuer, session);
    }

    /// Whether the file can be read, and written in its place: nobody wants to learn after signing
    /// in that the session cannot be kept.
    pub(crate) fn check(path: &Path) -> Result<(), Failure> {
        Self::load(path)?;
        begin(path).map(drop).map_err(|error| {
            let reason = format!("{} cannot be written: {error}", path.display());
            Failure::new(Code::Configuration, reason)
        })
    }

    /// Writes the file whole or not at all.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Failure::internal(format!("{} was not written", path.display()), error)
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        write_private(path, &Zeroizing::new(text)).map_err(|error| failed(error.into()))
    }
}

/// What is in a file that only its user can read.
pub(crate) fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    check_private(&file)?;
    let mut text = Zeroizing::new(String::new());
    if file.take(MAX_FILE + 1).read_to_string(&mut text)? as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(text)
}

/// Writes a file that only its user can read, in a directory that is made if there is none.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    begin(path)?.finish(content)
}

fn begin(path: &Path) -> io::Result<PrivateFile> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        private_file::create_directory(directory)?;
    }
    PrivateFile::create(path)
}

/// Which of the user's directories: the XDG Base Directory Specification's names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Directory {
    /// `$XDG_CONFIG_HOME`, else `~/.config`.
    Config,
    /// `$XDG_STATE_HOME`, else `~/.local/state`.
    State,
}

/// A file of this program in one of the user's directories.
pub(crate) fn user_file(directory: Directory, name: &str) -> Result<PathBuf, Failure> {
    let (variable, below_home) = match directory {
        Directory::Config => ("XDG_CONFIG_HOME", ".config"),
        Directory::State => ("XDG_STATE_HOME", ".local/state"),
    };
    // A relative path in one of them is to be ignored.
    let base =
        variable_path(variable).or_else(|| variable_path("HOME").map(|home| home.join(below_home)));
    match base {
        Some(base) => Ok(base.join("countersign").join(name)),
        None => Err(Failure::new(
            Code::Configuration,
            "the user has no home directory: name the files by --config and --session",
        )),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the user's directories are named by the environment"
)]
fn variable_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The session file that was named, or the user's own.
pub(crate) fn path(named: Option<&Path>) -> Result<PathBuf, Failure> {
    named.map_or_else(|| user_file(Directory::State, "session.json"), |path| Ok(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn issuer() -> Issuer {
        Issuer::parse("https://sts.example").unwrap()
    }

    fn sessions(expires: i64) -> Sessions {
        let mut sessions = Sessions::default();
        let session = Session::new(
            ClientId::parse("rqp").unwrap(),
            "alice".to_owned(),
            None,
            &AccessToken::new("at-s3cret"),
            Some(Timestamp::from_unix(expires)),
        );
        sessions.set(issuer(), session);
        sessions
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/session.json");
        sessions(100).save(&path).unwrap();
        sessions(200).save(&path).unwrap();
        let loaded = Sessions::load(&path).unwrap();
        let session = loaded.live(&issuer(), Timestamp::from_unix(199)).unwrap();
        assert_eq!(session.access_token().expose(), "at-s3cret");
        assert_eq!(session.subject().person, Person::Subject("alice".to_owned()));
        assert!(loaded.live(&issuer(), Timestamp::from_unix(200)).is_err());
        assert!(!format!("{loaded:?}").contains("s3cret"));
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn no_file_is_no_session() {
        let folder = tempfile::tempdir().unwrap();
        let none = Sessions::load(&folder.path().join("session.json")).unwrap();
        let failure = none.live(&issuer(), Timestamp::from_unix(0)).unwrap_err();
        assert!(failure.line().contains("countersign login https://sts.example"), "{failure:?}");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/session.json");
        sessions(100).save(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let failure = Sessions::load(&path).unwrap_err();
        assert!(failure.line().contains("others can read it"), "{failure:?}");
    }

    #[test]
    fn a_damaged_file_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.json");
        for text in [
            "",
            "{",
            "{\"version\":1,\"sessions\":{},\"token\":\"s3cret\"}",
            "{\"version\":2,\"sessions\":{}}",
        ] {
            write_private(&path, text.as_bytes()).unwrap();
            let failure = Sessions::load(&path).unwrap_err();
            assert!(failure.line().contains("session.json") && !failure.line().contains("s3cret"));
        }
    }
}
