//! What this server hands to a browser so that the browser hands it back, and nobody can read or
//! change.
//!
//! The key lives as long as this process, or is made of a secret that somebody else has; the nonces
//! are random.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_types::digest::Digest;
use countersign_types::random::Random;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Seals values, and opens what it sealed.
pub struct Seal(LessSafeKey);

/// No key could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl Seal {
    /// Under a fresh key.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn new(random: &dyn Random) -> Result<Self, NoKey> {
        let mut key = zeroize::Zeroizing::new([0_u8; 32]);
        random.fill(key.as_mut_slice());
        Self::with(key.as_slice())
    }

    /// Under a key that whoever has the secret has, and nobody else. It is one that cannot be
    /// guessed: 256 random bits, as tokens have, and no password.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn under(secret: &str) -> Result<Self, NoKey> {
        Self::with(Digest::of_parts(&[b"seal", secret.as_bytes()]).as_bytes())
    }

    fn with(key: &[u8]) -> Result<Self, NoKey> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| NoKey)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// The value as a text that fits into a URL; `None` if it is nothing that can be written.
    pub fn close(&self, value: &impl Serialize, random: &dyn Random) -> Option<String> {
        let mut nonce = [0_u8; NONCE_LEN];
        random.fill(&mut nonce);
        let mut text = serde_json::to_vec(value).ok()?;
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, Aad::empty(), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    /// The value in an untrusted text, if it was sealed here.
    #[must_use]
    pub fn open<T: DeserializeOwned>(&self, text: &str) -> Option<T> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = octets.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.0.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
        serde_json::from_slice(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::Counting;

    #[test]
    fn nobody_reads_or_changes_what_is_sealed() {
        let random = Counting::default();
        let seal = Seal::new(&random).unwrap();
        let text = seal.close(&"alice", &random).unwrap();
        assert_eq!(seal.open::<String>(&text).as_deref(), Some("alice"));
        assert_ne!(seal.close(&"alice", &random).unwrap(), text, "another nonce");
        let octets = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert!(!octets.windows(5).any(|part| part == b"alice"));
        for bit in 0..octets.len() * 8 {
            let mut changed = octets.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(seal.open::<String>(&changed), None, "{bit}");
        }
        for end in 0..text.len() {
            assert_eq!(seal.open::<String>(&text[..end]), None, "{end}");
        }
        assert_eq!(Seal::new(&random).unwrap().open::<String>(&text), None, "another process");
    }

    #[test]
    fn whoever_has_the_secret_opens_what_was_sealed_under_it() {
        let text = Seal::under("one").unwrap().close(&"alice", &Counting::default()).unwrap();
        assert_eq!(Seal::under("one").unwrap().open::<String>(&text).as_deref(), Some("alice"));
        assert_eq!(Seal::under("another").unwrap().open::<String>(&text), None);
    }
}
