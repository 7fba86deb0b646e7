//! A set of shared secrets.

use super::{HmacKey, MacAlgorithm};
use crate::jwks::{self, KeySetError, MAX_CANDIDATES, RawKeySet};
use crate::jws::{Compact, Malformed, Named, decode};
use crate::verify::{TokenError, VerifyError};

/// Shared secrets and nothing else: a set with a public key in it is refused whole.
#[derive(Debug)]
pub struct HmacKeys(Vec<HmacKey>);

impl HmacKeys {
    /// A set of these keys.
    ///
    /// # Errors
    /// [`KeySetError::DuplicateKid`].
    pub fn from_keys(keys: Vec<HmacKey>) -> Result<Self, KeySetError> {
        match jwks::first_twin(&keys, HmacKey::kid) {
            Some(kid) => Err(KeySetError::DuplicateKid(kid.to_owned())),
            None => Ok(Self(keys)),
        }
    }

    /// Reads a set of which every key has to be a secret that is understood.
    ///
    /// # Errors
    /// The [`KeySetError`] that says what is wrong, [`KeySetError::Mixed`] foremost.
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        RawKeySet::parse(text)?.read_all(HmacKey::from_jwk).map(Self)
    }

    /// Reads a token as [`HmacKey::verify_payload`] does, with the key of its `kid` or, if it names
    /// none, each of its algorithm up to [`MAX_CANDIDATES`].
    ///
    /// # Errors
    /// [`TokenError::Malformed`], [`TokenError::Verify`].
    pub fn verify_payload(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        let compact = Compact::split(token)?;
        let header = compact.header()?;
        let header = Named::read(&header)?;
        let algorithm = MacAlgorithm::from_name(header.alg).ok_or(Malformed::Algorithm)?;
        let fits = |key: &&HmacKey| {
            key.algorithm() == algorithm && (header.kid.is_none() || key.kid() == header.kid)
        };
        // What is no MAC at all is nobody's, however many keys there are.
        compact.signature()?;
        let mut outcome = VerifyError::UnknownKey.into();
        let mut tried = 0;
        for key in self.0.iter().filter(fits) {
            if tried == MAX_CANDIDATES {
                return Err(VerifyError::TooManyKeys.into());
            }
            match key.check(&compact, &header) {
                Ok(()) => return Ok(decode(compact.payload)?),
                Err(TokenError::Verify(VerifyError::Use)) if tried > 0 => {}
                Err(error @ TokenError::Verify(VerifyError::Use)) => outcome = error,
                Err(error) => {
                    tried += 1;
                    outcome = error;
                }
            }
        }
        Err(outcome)
    }

    /// The keys, in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, HmacKey> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a HmacKeys {
    type Item = &'a HmacKey;
    type IntoIter = std::slice::Iter<'a, HmacKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
