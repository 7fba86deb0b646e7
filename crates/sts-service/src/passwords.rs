//! Password hashes (argon2id, [RFC 9106]), checked in a bounded pool off the event loop.
//!
//! [RFC 9106]: https://www.rfc-editor.org/rfc/rfc9106

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use countersign_types::random::Random;
use countersign_types::secret::Password;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The longest password that is looked at.
pub const MAX_PASSWORD: usize = 1024;

/// The work of a hash: memory in KiB, passes over it, lanes; and its length in octets. A change of
/// these takes their passwords from all people, so that no other crate's defaults stand here.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const LENGTH: usize = 32;

/// How many hashes are computed at a time, and how many requests there may be for one: those, and
/// the ones that wait.
const WORKERS: usize = 4;
const PLACES: usize = 64;
/// How many of the places one source may have. It is more than the guesses that it has at one name,
/// so that these are all answered alike; and the people of an office rarely send as many passwords
/// in a moment.
const PLACES_OF_SOURCE: usize = 16;

/// A text is no password hash that can be used.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordHashError {
    /// Not a PHC string with salt and hash.
    #[error("not a PHC string with salt and hash")]
    Syntax,
    /// Another algorithm than argon2id, version 19.
    #[error("not argon2id, version 19")]
    Algorithm,
    /// Other parameters: weaker ones make guessing cheap, and any others tell by the time of an
    /// answer whose password is asked for, since unknown users are answered after the work of the
    /// usual ones.
    #[error("other parameters than m={},t={},p={}", MEMORY, PASSES, LANES)]
    Parameters,
    /// The hash could not be computed.
    #[error("the hash could not be computed")]
    Failed,
}

/// The hash of a password, as a PHC string.
#[derive(Clone)]
pub struct PasswordHash(phc::PasswordHash);

impl PasswordHash {
    /// Parses a hash in PHC format, with the parameters of [`PasswordHash::of`].
    ///
    /// # Errors
    /// Any [`PasswordHashError`] but `Failed`.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| PasswordHashError::Syntax)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(PasswordHashError::Syntax);
        }
        let argon2id = hash.algorithm.as_str() == Algorithm::Argon2id.as_str();
        if !argon2id || hash.version != Some(u32::from(Version::V0x13)) {
            return Err(PasswordHashError::Algorithm);
        }
        let params = Params::try_from(&hash).map_err(|_| PasswordHashError::Syntax)?;
        if (params.m_cost(), params.t_cost(), params.p_cost()) != (MEMORY, PASSES, LANES) {
            return Err(PasswordHashError::Parameters);
        }
        Ok(Self(hash))
    }

    /// Hashes a password with argon2id, 19 MiB, two passes.
    ///
    /// # Errors
    /// [`PasswordHashError::Failed`].
    pub fn of(password: &Password, random: &dyn Random) -> Result<Self, PasswordHashError> {
        let mut salt = [0_u8; 16];
        random.fill(&mut salt);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params()?);
        argon2
            .hash_password_with_salt(password.expose().as_bytes(), &salt)
            .map(Self)
            .map_err(|_| PasswordHashError::Failed)
    }

    /// What costs as much to compare a password with as [`PasswordHash::of`] does, and is the hash
    /// of none that anybody could find: both its parts are random. Nothing is hashed, so that a
    /// start need not take time and memory for it.
    pub(crate) fn of_nobody(random: &dyn Random) -> Result<Self, PasswordHashError> {
        let (mut salt, mut output) = ([0_u8; 16], [0_u8; LENGTH]);
        random.fill(&mut salt);
        random.fill(&mut output);
        let failed = |_| PasswordHashError::Failed;
        Ok(Self(phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(u32::from(Version::V0x13)),
            params: (&params()?).try_into().map_err(|_| PasswordHashError::Failed)?,
            salt: Some(phc::Salt::new(&salt).map_err(failed)?),
            hash: Some(phc::Output::new(&output).map_err(failed)?),
        }))
    }

    fn verify(&self, password: &Password) -> bool {
        Argon2::default().verify_password(password.expose().as_bytes(), &self.0).is_ok()
    }
}

/// What every hash is made with.
fn params() -> Result<Params, PasswordHashError> {
    Params::new(MEMORY, PASSES, LANES, Some(LENGTH)).map_err(|_| PasswordHashError::Failed)
}

/// The PHC string, which is what a configuration holds.
impl std::fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Too many passwords are being checked.
#[derive(Debug)]
pub(crate) struct Busy;

/// Compares a password with a hash, which is the work of it.
type Compare = dyn Fn(&PasswordHash, &Password) -> bool + Send + Sync;

/// Checks passwords, a few at a time.
pub(crate) struct Passwords {
    workers: Arc<Semaphore>,
    places: Semaphore,
    shares: Shares,
    /// What the password of an unknown user is compared with, so that it takes the same time.
    nobody: PasswordHash,
    compare: Arc<Compare>,
}

impl Passwords {
    /// `nobody` should cost what the users' hashes cost.
    pub(crate) fn new(nobody: PasswordHash) -> Self {
        Self::comparing(nobody, Arc::new(PasswordHash::verify))
    }

    fn comparing(nobody: PasswordHash, compare: Arc<Compare>) -> Self {
        let (workers, places) = (Arc::new(Semaphore::new(WORKERS)), Semaphore::new(PLACES));
        Self { workers, places, shares: Shares::default(), nobody, compare }
    }

    /// Waits for the turn to have a password checked. Who comes from a known source has no more
    /// than a share of the places.
    pub(crate) async fn turn(&self, source: Option<&str>) -> Result<Turn<'_>, Busy> {
        let share = source.map(|source| self.shares.take(source)).transpose()?;
        let place = self.places.try_acquire().map_err(|_| Busy)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| Busy)?;
        Ok(Turn { passwords: self, worker, _place: place, _share: share })
    }
}

/// The turn of somebody who has a password checked.
pub(crate) struct Turn<'a> {
    passwords: &'a Passwords,
    worker: OwnedSemaphorePermit,
    _place: SemaphorePermit<'a>,
    _share: Option<Share<'a>>,
}

impl Turn<'_> {
    /// Whether the password is the one of `hash`. Without a hash the answer is no, after the same
    /// work.
    pub(crate) async fn check(self, hash: Option<&PasswordHash>, password: Password) -> bool {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.passwords.nobody).clone();
        let (compare, worker) = (Arc::clone(&self.passwords.compare), self.worker);
        let verified = tokio::task::spawn_blocking(move || {
            let verified = compare(&hash, &password);
            drop(worker);
            verified
        });
        // A task that panicked has verified nothing.
        verified.await.unwrap_or(false) && known
    }
}

/// The places that each source has.
#[derive(Default)]
struct Shares(Mutex<HashMap<String, usize>>);

impl Shares {
    fn take(&self, source: &str) -> Result<Share<'_>, Busy> {
        let mut shares = self.lock();
        let taken = shares.get(source).copied().unwrap_or_default();
        if taken >= PLACES_OF_SOURCE {
            return Err(Busy);
        }
        shares.insert(source.to_owned(), taken + 1);
        Ok(Share { shares: self, source: source.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place of a source, until it is dropped.
struct Share<'a> {
    shares: &'a Shares,
    source: String,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut taken) =
            self.shares.lock().entry(std::mem::take(&mut self.source))
        {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Passwords {
        async fn check(
            &self,
            hash: Option<&PasswordHash>,
            password: Password,
            source: Option<&str>,
        ) -> Result<bool, Busy> {
            Ok(self.turn(source).await?.check(hash, password).await)
        }
    }

    struct Zero;

    impl Random for Zero {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    #[test]
    fn a_hash_round_trips_and_verifies() {
        let hash = PasswordHash::of(&Password::new("correct horse"), &Zero).unwrap();
        assert!(hash.to_string().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let parsed = PasswordHash::parse(&hash.to_string()).unwrap();
        assert!(parsed.verify(&Password::new("correct horse")));
        assert!(!parsed.verify(&Password::new("correct horse ")));
        assert_eq!(format!("{parsed:?}"), "PasswordHash(…)");
    }

    /// H13: who compares a password with it does the work that a person's own hash asks for.
    #[test]
    fn nobodys_hash_is_as_much_work_and_of_no_password() {
        let nobody = PasswordHash::of_nobody(&Zero).unwrap();
        let own = PasswordHash::of(&Password::new("correct horse"), &Zero).unwrap();
        let (nobody_text, own_text) = (nobody.to_string(), own.to_string());
        let work =
            |text: &str| text.rsplit_once('$').map(|(work, hash)| (work.to_owned(), hash.len()));
        assert_eq!(work(&nobody_text), work(&own_text));
        assert_ne!(nobody_text, own_text);
        assert!(PasswordHash::parse(&nobody_text).is_ok());
        assert!(!nobody.verify(&Password::new("correct horse")));
    }

    /// H13: one comparison for whoever asks, with the hash of nobody for those whom nobody knows,
    /// whatever they typed, and it lets nobody in.
    #[tokio::test]
    async fn h13_as_many_comparisons_for_nobody_as_for_somebody() {
        let compared = Arc::new(Mutex::new(Vec::new()));
        let (nobody, seen) = (PasswordHash::of_nobody(&Zero).unwrap(), Arc::clone(&compared));
        let all_alike = move |hash: &PasswordHash, password: &Password| {
            seen.lock().unwrap().push((hash.to_string(), password.expose().to_owned()));
            true
        };
        let passwords = Passwords::comparing(nobody.clone(), Arc::new(all_alike));
        let own = PasswordHash::of(&Password::new("correct horse"), &Zero).unwrap();
        for (hash, typed, is_in) in
            [(Some(&own), "guess", true), (None, "guess", false), (None, "", false)]
        {
            let answer = passwords.check(hash, Password::new(typed), None).await;
            assert_eq!(answer.ok(), Some(is_in), "{typed}");
            let expected = (hash.unwrap_or(&nobody).to_string(), typed.to_owned());
            assert_eq!(std::mem::take(&mut *compared.lock().unwrap()), [expected]);
        }
    }

    /// H13: whose hash asks for other work than an unknown user's is answered in another time.
    #[test]
    fn h13_weak_and_other_hashes_are_refused() {
        let tail = format!("$BwcHBwcHBwcHBwcHBwcHBw${}", "A".repeat(43));
        for (head, error) in [
            ("$argon2i$v=19$m=19456,t=2,p=1", PasswordHashError::Algorithm),
            ("$argon2d$v=19$m=19456,t=2,p=1", PasswordHashError::Algorithm),
            ("$argon2id$v=16$m=19456,t=2,p=1", PasswordHashError::Algorithm),
            ("$argon2id$v=19$m=4096,t=3,p=1", PasswordHashError::Parameters),
            ("$argon2id$v=19$m=19456,t=1,p=1", PasswordHashError::Parameters),
            ("$argon2id$v=19$m=7168,t=5,p=1", PasswordHashError::Parameters),
            ("$argon2id$v=19$m=65536,t=3,p=4", PasswordHashError::Parameters),
            ("$argon2id$v=19$m=19456,t=2,p=2", PasswordHashError::Parameters),
        ] {
            let text = format!("{head}{tail}");
            assert_eq!(PasswordHash::parse(&text).unwrap_err(), error, "{text}");
        }
        for text in ["", "secret", "$argon2id$v=19$m=19456,t=2,p=1", "$2b$12$abc"] {
            assert_eq!(PasswordHash::parse(text).unwrap_err(), PasswordHashError::Syntax, "{text}");
        }
    }

    /// Four at a time, and sixty more that wait: one more is told so at once.
    #[tokio::test]
    async fn more_than_can_wait_are_turned_away() {
        let passwords = Arc::new(Passwords::new(PasswordHash::of_nobody(&Zero).unwrap()));
        let workers = u32::try_from(WORKERS).unwrap();
        let all_busy = Arc::clone(&passwords.workers).acquire_many_owned(workers).await.unwrap();
        let mut checks = tokio::task::JoinSet::new();
        for _ in 0..=PLACES {
            let passwords = Arc::clone(&passwords);
            checks.spawn(async move { passwords.check(None, Password::new("guess"), None).await });
        }
        let first = checks.join_next().await.unwrap().unwrap();
        assert!(matches!(first, Err(Busy)), "without waiting");
        drop(all_busy);
        let answers = checks.join_all().await;
        assert_eq!(answers.len(), PLACES);
        assert!(answers.iter().all(|answer| matches!(answer, Ok(false))), "{answers:?}");
        let later = passwords.check(None, Password::new("guess"), None).await;
        assert!(matches!(later, Ok(false)), "the places are free again");
    }

    /// H15: and what a source holds is free again when it has its answers, or goes away before.
    #[tokio::test]
    async fn a_source_has_its_share_of_the_places() {
        let passwords = Arc::new(Passwords::new(PasswordHash::of_nobody(&Zero).unwrap()));
        let workers = u32::try_from(WORKERS).unwrap();
        let all_busy = Arc::clone(&passwords.workers).acquire_many_owned(workers).await.unwrap();
        let check = |source: &'static str| {
            let passwords = Arc::clone(&passwords);
            async move { passwords.check(None, Password::new("guess"), Some(source)).await }
        };
        let mut checks = tokio::task::JoinSet::new();
        for _ in 0..=PLACES_OF_SOURCE {
            checks.spawn(check("192.0.2.1"));
        }
        let first = checks.join_next().await.unwrap().unwrap();
        assert!(matches!(first, Err(Busy)), "without waiting");
        checks.shutdown().await;
        assert!(passwords.shares.lock().is_empty(), "they went away");
        for source in ["192.0.2.1", "192.0.2.2"] {
            for _ in 0..PLACES_OF_SOURCE {
                checks.spawn(check(source));
            }
        }
        drop(all_busy);
        let answers = checks.join_all().await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(false))), "{answers:?}");
        assert!(passwords.shares.lock().is_empty());
    }
}
