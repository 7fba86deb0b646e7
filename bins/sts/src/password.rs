//! A password that somebody types in, and its hash.

use std::error::Error;
use std::io::{self, IsTerminal as _};

use countersign_host::{Seams, program};
use countersign_sts_service::PasswordHash;
use countersign_sts_service::passwords::MAX_PASSWORD;
use countersign_types::secret::Password;
use zeroize::Zeroizing;

/// The hash of the password that is asked for at a terminal, and not shown; otherwise of the first line
/// of standard input.
pub(crate) fn hash() -> Result<PasswordHash, Box<dyn Error>> {
    hashed(&password()?)
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

fn hashed(password: &str) -> Result<PasswordHash, Box<dyn Error>> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(format!("a password has 1 to {MAX_PASSWORD} octets").into());
    }
    let random = Seams::system().random;
    Ok(PasswordHash::of(&Password::new(password), random.as_ref())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_one_that_the_configuration_takes() {
        let hash = hashed("correct horse").unwrap().to_string();
        assert!(PasswordHash::parse(&hash).is_ok(), "{hash}");
        assert!(hashed("").is_err());
        assert!(hashed(&"x".repeat(MAX_PASSWORD + 1)).is_err());
    }
}
