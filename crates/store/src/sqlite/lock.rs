//! One engine per file, over all processes.
//!
//! What an engine has in memory alone ([`recent`](super::recent), caches of what is on the disk) is
//! right only as long as nobody else writes. So whoever opens a store holds a lock on a file beside
//! it. The system takes the lock back when its holder ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::OpenError;
use crate::horizon::steady_now;

/// How long to wait for a holder that is just ending: a killed process is not gone at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often to try meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// The lock, held until it is dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store at `path`, which exists.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        let file = open(path).map_err(failed)?;
        let begun = steady_now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => pause(),
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::InUse { path: path.to_owned() });
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a lock on a file cannot be waited for with a limit")]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// The file beside the store, under the store's own name even if `path` is a link to it. It stays:
/// removing it would let two engines lock two files of one name.
fn open(path: &Path) -> io::Result<File> {
    let mut name = path.canonicalize()?.into_os_string();
    name.push(".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(PathBuf::from(name))
}
