//! A password that somebody types in, and its hash.

mod blocklist;

use std::error::Error;
use std::io::{self, IsTerminal as _};

use countersign_host::{Seams, program};
use countersign_sts_service::PasswordHash;
use countersign_sts_service::passwords::MAX_PASSWORD;
use countersign_types::secret::Password;
use zeroize::Zeroizing;

/// How many characters a password has at least that is all somebody signs in by.
/// [NIST SP 800-63B-4 §3.1.1.2](https://pages.nist.gov/800-63-4/sp800-63b.html)
const MIN_PASSWORD: usize = 15;

/// How somebody finds one that nobody guesses.
const ADVICE: &str =
    "take some words that have nothing to do with each other, or let a password manager make one";

/// The hash of the password that is asked for at a terminal, and not shown; otherwise of the first
/// line of standard input. It is for somebody who is known by these names, at a service that is.
pub(crate) fn hash(names: &[String]) -> Result<PasswordHash, Box<dyn Error>> {
    hashed(&password()?, names)
}

fn password() -> Result<Zeroizing<String>, Box<dyn Error>> {
    if !io::stdin().is_terminal() {
        return program::first_line(io::stdin().lock());
    }
    let password = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("The same again: ")?);
    if password != again {
        return Err("these are two different passwords".into());
    }
    Ok(password)
}

fn hashed(password: &str, names: &[String]) -> Result<PasswordHash, Box<dyn Error>> {
    // A code point is a character, however many octets it takes.
    if password.chars().count() < MIN_PASSWORD {
        return Err(format!("a password has at least {MIN_PASSWORD} characters: {ADVICE}").into());
    }
    if password.len() > MAX_PASSWORD {
        return Err(format!("a password has at most {MAX_PASSWORD} octets").into());
    }
    if let Some(reason) = blocklist::expected(password, names) {
        return Err(format!("this password would be guessed early: {reason}; {ADVICE}").into());
    }
    let random = Seams::system().random;
    Ok(PasswordHash::of(&Password::new(password), random.as_ref())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_one_that_the_configuration_takes() {
        let hash = hashed("another horse, another battery", &[]).unwrap().to_string();
        assert!(PasswordHash::parse(&hash).is_ok(), "{hash}");
    }

    /// So many octets that are in no list.
    fn long(octets: usize) -> String {
        "nine green umbrellas ".chars().cycle().take(octets).collect()
    }

    #[test]
    fn a_password_has_characters_enough_and_octets_not_too_many() {
        for (password, reason) in [
            (String::new(), Some("at least 15 characters")),
            ("x".repeat(14), Some("at least 15 characters")),
            // 28 octets and no more than 14 characters.
            ("é".repeat(14), Some("at least 15 characters")),
            ("fifteen letters".to_owned(), None),
            ("fünfzehn Züge ä".to_owned(), None),
            (long(MAX_PASSWORD), None),
            (long(MAX_PASSWORD + 1), Some("at most 1024 octets")),
            ("x".repeat(15), Some("the same few characters over and over; take some words")),
            ("alice.example 1".to_owned(), Some("a few names that are known here")),
        ] {
            let refused = hashed(&password, &["alice", "alice.example"].map(str::to_owned))
                .err()
                .map(|error| error.to_string());
            let is_right = match (&refused, reason) {
                (None, None) => true,
                (Some(refused), Some(reason)) => refused.contains(reason),
                _ => false,
            };
            assert!(is_right, "{} octets: {refused:?}", password.len());
        }
    }
}
