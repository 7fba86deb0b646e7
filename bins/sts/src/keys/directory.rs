//! A directory of signing keys, in which one key follows the other.
//!
//! A file's name says what its key is for and from when on it signs, in seconds since 1970:
//! `es256-1800000000.jwk`. A name without a moment, `es256.jwk`, is from the beginning. What is to
//! be done with a key follows from these moments and the time (module `schedule`); it is never
//! renamed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_host::config::{self, SecretSource};
use countersign_jwt::{Algorithm, SigningKey, SigningRing};
use countersign_types::random::Random;
use countersign_types::{Lifetime, Timestamp};

use super::schedule::{Periods, Plan, plan};
use super::{KeyFileError, Needed};
use crate::private_files;

/// The server looks once a minute, so that a key is published so much later than it was made.
const LOOKED_AT: Lifetime = Lifetime::from_secs(60);

/// A directory of signing keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyDirectory {
    path: PathBuf,
    periods: Periods,
    needed: Needed,
}

impl KeyDirectory {
    pub(crate) const fn new(path: PathBuf, periods: Periods, needed: Needed) -> Self {
        Self { path, periods, needed }
    }

    /// The keys of now. A key that is missing or due is made and written first; one that nobody
    /// needs any longer is removed.
    pub(crate) fn ring(
        &self,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<SigningRing, KeyFileError> {
        let mut ring = SigningRing::default();
        for &(algorithm, name) in self.needed {
            if self.list(name)?.is_empty() {
                self.make(algorithm, name, now, random)?;
            }
            let mut plan = self.plan(name, now)?;
            if let Some(begins) = plan.due {
                let path = self.make(algorithm, name, begins, random)?;
                plan.next.push((begins, path));
            }
            for path in plan.over {
                let removed = fs::remove_file(&path);
                removed.map_err(|source| KeyFileError::Write { path: path.clone(), source })?;
                tracing::info!(path = %path.display(), "a signing key that is over was removed");
            }
            let current = read(&plan.current, algorithm)?;
            let public = current.public().clone();
            ring = ring.with_current(Arc::new(current), public)?;
            for (_, path) in plan.next {
                ring = ring.with_next(read(&path, algorithm)?.public().clone())?;
            }
            for path in plan.retired {
                ring = ring.with_retired(read(&path, algorithm)?.public().clone())?;
            }
        }
        Ok(ring)
    }

    /// Reads the keys that are there, makes none and removes none.
    pub(crate) fn check(&self) -> Result<(), KeyFileError> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if !self.path.exists() && !parent.unwrap_or(Path::new(".")).is_dir() {
            return Err(KeyFileError::Nowhere(self.path.clone()));
        }
        for &(algorithm, name) in self.needed {
            for (_, path) in self.list(name)? {
                read(&path, algorithm)?;
            }
        }
        Ok(())
    }

    /// Makes the keys that follow those that sign now, unless they are there; gives the moments
    /// from which they sign.
    pub(crate) fn announce(
        &self,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Vec<(Algorithm, Timestamp)>, KeyFileError> {
        let announce = |&(algorithm, name): &_| {
            let waiting = match self.list(name)?.is_empty() {
                true => None,
                false => self.plan(name, now)?.next.first().map(|(begins, _)| *begins),
            };
            let begins = match waiting {
                Some(begins) => begins,
                None => {
                    let begins = now.after(LOOKED_AT).after(self.periods.announce);
                    self.make(algorithm, name, begins, random)?;
                    begins
                }
            };
            Ok((algorithm, begins))
        };
        self.needed.iter().map(announce).collect()
    }

    fn plan(&self, name: &str, now: Timestamp) -> Result<Plan<PathBuf>, KeyFileError> {
        let none = || KeyFileError::NoKey(self.path.clone());
        plan(self.list(name)?, &self.periods, now).ok_or_else(none)
    }

    /// The files of an algorithm's keys, with the moments from which they sign.
    fn list(&self, name: &str) -> Result<Vec<(Timestamp, PathBuf)>, KeyFileError> {
        let refuse = |source| KeyFileError::Directory { path: self.path.clone(), source };
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(refuse(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(refuse)?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(stem) = file.strip_suffix(".jwk") else { continue };
            let Some(moment) = stem.strip_prefix(name) else { continue };
            match begins(moment) {
                Some(begins) => files.push((begins, path)),
                None => return Err(KeyFileError::Name(path)),
            }
        }
        Ok(files)
    }

    fn make(
        &self,
        algorithm: Algorithm,
        name: &str,
        begins: Timestamp,
        random: &dyn Random,
    ) -> Result<PathBuf, KeyFileError> {
        let path = self.path.join(format!("{name}-{}.jwk", begins.as_unix()));
        let key = SigningKey::generate(algorithm, None).map_err(KeyFileError::Generate)?;
        let text = key.to_jwk().map_err(KeyFileError::Generate)?;
        let written = write_new(&path, text.as_bytes(), random);
        written.map_err(|source| KeyFileError::Write { path: path.clone(), source })?;
        let (algorithm, begins) = (algorithm.name(), begins.as_unix());
        tracing::info!(path = %path.display(), algorithm, begins, "signing key made");
        Ok(path)
    }
}

/// `-1800000000` is a moment, nothing is the beginning.
fn begins(text: &str) -> Option<Timestamp> {
    let seconds = match text.strip_prefix('-') {
        None => return text.is_empty().then(|| Timestamp::from_unix(0)),
        Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => digits,
        Some(_) => return None,
    };
    seconds.parse().ok().map(Timestamp::from_unix)
}

fn read(path: &Path, algorithm: Algorithm) -> Result<SigningKey, KeyFileError> {
    let text = config::secret(path, "", &SecretSource::File(absolute(path)))
        .map_err(|error| KeyFileError::Read(error.reason))?;
    let refuse = |source| KeyFileError::Key { path: path.to_owned(), algorithm, source };
    let key = SigningKey::from_json(text.as_bytes()).map_err(|error| refuse(Some(error)))?;
    if key.public().algorithm() == algorithm { Ok(key) } else { Err(refuse(None)) }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Writes a key, unless somebody made it meanwhile.
fn write_new(path: &Path, content: &[u8], random: &dyn Random) -> io::Result<()> {
    private_files::make_directory(path.parent().unwrap_or_else(|| Path::new(".")))?;
    private_files::write_new(path, content, random).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use countersign_testkit::{Directory, SeededRandom};

    use super::super::OF_PROVIDER;
    use super::*;

    const START: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    fn kids(ring: &SigningRing) -> Vec<String> {
        ring.published().iter().filter_map(|key| key.kid()).map(str::to_owned).collect()
    }

    /// R9, on a clock that is passed in: four days of keys that are replaced every day.
    #[test]
    fn no_verifier_notices_that_keys_are_replaced() {
        let place = Directory::new().unwrap();
        let path = place.path().join("keys");
        let lifetime = Lifetime::from_secs;
        let periods = Periods {
            announce: lifetime(3600),
            rotate_every: Some(lifetime(86_400)),
            retain: lifetime(86_400 + 600),
        };
        let (directory, random) =
            (KeyDirectory::new(path, periods, OF_PROVIDER), SeededRandom::new(0));
        // What a verifier holds that fetched the set ten minutes ago; and until when tokens live.
        let (mut cached, mut alive) = (Vec::new(), BTreeMap::new());
        for now in (START..START + 4 * DAY).step_by(600) {
            let ring = directory.ring(Timestamp::from_unix(now), &random).unwrap();
            for &(algorithm, _) in OF_PROVIDER {
                let signer = ring.signer(algorithm).unwrap().key_id().unwrap().to_owned();
                assert!(now == START || cached.contains(&signer), "unknown to a verifier at {now}");
                alive.insert(signer, now + DAY);
            }
            cached = kids(&ring);
            for (kid, until) in &alive {
                assert!(*until < now || cached.contains(kid), "{kid} is missed at {now}");
            }
            assert!(cached.len() <= 6, "{now}: {cached:?}");
        }
        assert_eq!(alive.len(), 2 * 4, "a key of each kind for each day");
        let left = fs::read_dir(&directory.path).unwrap().count();
        assert_eq!(left, cached.len(), "what is over is removed");
    }

    #[test]
    fn a_restart_finds_the_same_keys_in_the_same_places() {
        let place = Directory::new().unwrap();
        let path = place.path().join("keys");
        let periods = Periods {
            announce: Lifetime::from_secs(600),
            rotate_every: None,
            retain: Lifetime::from_secs(600),
        };
        let directory = KeyDirectory::new(path.clone(), periods, OF_PROVIDER);
        let random = SeededRandom::new(0);
        let at = |seconds| Timestamp::from_unix(START + seconds);
        let first = directory.ring(at(0), &random).unwrap();
        directory.announce(at(0), &random).unwrap();
        for now in [0, 659, 660, 1259] {
            let one = directory.ring(at(now), &random).unwrap();
            let other = KeyDirectory::new(path.clone(), periods, OF_PROVIDER);
            let other = other.ring(at(now), &random).unwrap();
            assert_eq!(kids(&one), kids(&other), "{now}");
            let signs = |ring: &SigningRing| {
                ring.signer(Algorithm::Es256).unwrap().key_id().map(str::to_owned)
            };
            assert_eq!(signs(&one), signs(&other), "{now}");
            assert_eq!(signs(&one) == signs(&first), now < 660, "{now}");
        }
    }
}
