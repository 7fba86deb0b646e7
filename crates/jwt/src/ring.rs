//! The keys an issuer signs with, and what it publishes of them while they rotate.

use std::sync::Arc;

use crate::alg::{Algorithm, Sign};
use crate::jwk::{PublicKey, SigningKey};
use crate::jwks::{KeySet, KeySetError};

/// At most one key per algorithm signs; the published set also holds keys that will sign next, so
/// that verifiers have fetched them before they see them used, and keys that no longer sign while
/// tokens of theirs are still alive.
///
/// A ring is a value: whoever rotates keys makes the next ring and puts it in the place of this
/// one.
///
/// ```
/// use countersign_jwt::{Algorithm, SigningKey, SigningRing};
///
/// let old = SigningKey::generate(Algorithm::Es256, Some("old"))?;
/// let new = SigningKey::generate(Algorithm::Es256, Some("new"))?;
/// let ring = SigningRing::from_keys(vec![old])?.with_next(new.public().clone())?;
/// let ring = ring.rotate(new)?;
/// let signer = ring.signer(Algorithm::Es256).ok_or("no key")?;
/// assert_eq!(signer.key_id(), Some("new"));
/// assert!(ring.published().contains_kid("old"));
/// assert!(!ring.without("old").published().contains_kid("old"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct SigningRing {
    current: Vec<Arc<dyn Sign>>,
    published: KeySet,
}

impl SigningRing {
    /// A ring of these keys, all of which sign.
    ///
    /// # Errors
    /// [`RingError`] if two are for one algorithm or of one `kid`.
    pub fn from_keys(keys: Vec<SigningKey>) -> Result<Self, RingError> {
        keys.into_iter().try_fold(Self::default(), |ring, key| {
            let public = key.public().clone();
            ring.with_current(Arc::new(key), public)
        })
    }

    /// Adds a key that signs; `signer` may be anything that holds the private half.
    ///
    /// # Errors
    /// [`RingError::TwoSigners`] if there is one for this algorithm already,
    /// [`RingError::Halves`] if the two halves differ in `kid` or algorithm, [`RingError::KeySet`].
    pub fn with_current(
        mut self,
        signer: Arc<dyn Sign>,
        public: PublicKey,
    ) -> Result<Self, RingError> {
        check_halves(signer.as_ref(), &public)?;
        if self.signer(signer.algorithm()).is_some() {
            return Err(RingError::TwoSigners(signer.algorithm()));
        }
        self.published = publish(&self.published, public)?;
        self.current.push(signer);
        Ok(self)
    }

    /// Publishes a key that will sign after the next [`rotate`](Self::rotate).
    ///
    /// # Errors
    /// [`RingError::KeySet`] if there is a key of its `kid`.
    pub fn with_next(mut self, key: PublicKey) -> Result<Self, RingError> {
        self.published = publish(&self.published, key)?;
        Ok(self)
    }

    /// Publishes a key that signs no more, as long as tokens of it live.
    ///
    /// # Errors
    /// [`RingError::KeySet`] if there is a key of its `kid`.
    pub fn with_retired(self, key: PublicKey) -> Result<Self, RingError> {
        self.with_next(key)
    }

    /// Signs with `key`, which was [announced](Self::with_next), from now on; the key it replaces
    /// stays published.
    ///
    /// # Errors
    /// As [`rotate_to`](Self::rotate_to).
    pub fn rotate(self, key: SigningKey) -> Result<Self, RingError> {
        let public = key.public().clone();
        self.rotate_to(Arc::new(key), &public)
    }

    /// As [`rotate`](Self::rotate); `signer` may be anything that holds the private half of
    /// `public`.
    ///
    /// # Errors
    /// [`RingError::Unannounced`] if this key was not published before, for this algorithm and
    /// under this `kid`: verifiers could not check what it signs. [`RingError::Halves`] as in
    /// [`with_current`](Self::with_current).
    pub fn rotate_to(
        mut self,
        signer: Arc<dyn Sign>,
        public: &PublicKey,
    ) -> Result<Self, RingError> {
        check_halves(signer.as_ref(), public)?;
        let is_same = |known: &PublicKey| {
            known.kid() == public.kid()
                && known.algorithm() == public.algorithm()
                && known.thumbprint() == public.thumbprint()
        };
        if !self.published.iter().any(is_same) {
            return Err(RingError::Unannounced);
        }
        self.current.retain(|other| other.algorithm() != signer.algorithm());
        self.current.push(signer);
        Ok(self)
    }

    /// No longer publishes or uses the key of this `kid`.
    #[must_use]
    pub fn without(mut self, kid: &str) -> Self {
        self.current.retain(|signer| signer.key_id() != Some(kid));
        self.published.retain(|key| key.kid() != Some(kid));
        self
    }

    /// The key that signs with this algorithm.
    #[must_use]
    pub fn signer(&self, algorithm: Algorithm) -> Option<&Arc<dyn Sign>> {
        self.current.iter().find(|signer| signer.algorithm() == algorithm)
    }

    /// The algorithms there is a signing key for.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.current.iter().map(|signer| signer.algorithm())
    }

    /// What verifiers are given: every key of the ring, public halves only.
    #[must_use]
    pub fn published(&self) -> &KeySet {
        &self.published
    }
}

fn check_halves(signer: &dyn Sign, public: &PublicKey) -> Result<(), RingError> {
    let fit = signer.algorithm() == public.algorithm() && signer.key_id() == public.kid();
    if fit { Ok(()) } else { Err(RingError::Halves) }
}

fn publish(set: &KeySet, key: PublicKey) -> Result<KeySet, KeySetError> {
    KeySet::from_keys(set.iter().cloned().chain([key]).collect())
}

impl std::fmt::Debug for SigningRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningRing")
            .field("algorithms", &self.algorithms().collect::<Vec<_>>())
            .field("published", &self.published)
            .finish()
    }
}

/// Why there is no such ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// Two keys would sign with one algorithm.
    #[error("two signing keys for {0}")]
    TwoSigners(Algorithm),
    /// A signer and a public key that do not belong together.
    #[error("signer and public key differ in kid or algorithm")]
    Halves,
    /// A key that was not announced is to sign.
    #[error("the key was not announced before it signs")]
    Unannounced,
    /// The published set would not be one.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str) -> SigningKey {
        SigningKey::generate(Algorithm::Es256, Some(kid)).unwrap()
    }

    #[test]
    fn one_signer_per_algorithm_and_one_key_per_kid() {
        let two = SigningRing::from_keys(vec![key("a"), key("b")]);
        assert_eq!(two.unwrap_err(), RingError::TwoSigners(Algorithm::Es256));
        let other = SigningKey::generate(Algorithm::Ed25519, Some("a")).unwrap();
        let twins = SigningRing::from_keys(vec![key("a"), other]);
        assert_eq!(twins.unwrap_err(), KeySetError::DuplicateKid("a".to_owned()).into());
        let stranger = key("b").public().clone();
        let halves = SigningRing::default().with_current(Arc::new(key("a")), stranger);
        assert_eq!(halves.unwrap_err(), RingError::Halves);
    }

    #[test]
    fn rotation_to_another_key_of_a_published_kid_is_refused() {
        let ring = SigningRing::from_keys(vec![key("a")]).unwrap();
        assert_eq!(ring.rotate(key("a")).unwrap_err(), RingError::Unannounced);
    }

    #[test]
    fn r9_a_key_is_announced_for_the_algorithm_with_which_it_signs() {
        let rs256 = SigningKey::generate(Algorithm::Rs256, Some("a")).unwrap();
        let der = rs256.to_pkcs8_der().unwrap();
        let ps256 = SigningKey::from_pkcs8_der(Algorithm::Ps256, Some("a"), &der).unwrap();
        let ring = SigningRing::from_keys(vec![rs256]).unwrap();
        assert_eq!(ring.rotate(ps256).unwrap_err(), RingError::Unannounced);
    }

    #[test]
    fn r9_only_an_announced_key_is_rotated_to() {
        let ring = SigningRing::from_keys(vec![key("a")]).unwrap();
        let next = key("b");
        let public = next.public().clone();
        let early = ring.clone().rotate_to(Arc::new(key("c")), &public);
        assert_eq!(early.unwrap_err(), RingError::Halves);
        let device: Arc<dyn Sign> = Arc::new(next);
        let early = ring.clone().rotate_to(Arc::clone(&device), &public);
        assert_eq!(early.unwrap_err(), RingError::Unannounced);
        let ring = ring.with_next(public.clone()).unwrap().rotate_to(device, &public).unwrap();
        assert_eq!(ring.published().len(), 2);
        assert_eq!(ring.algorithms().count(), 1);
        assert_eq!(ring.signer(Algorithm::Es256).unwrap().key_id(), Some("b"));
        assert!(ring.signer(Algorithm::Rs256).is_none());
    }

    #[test]
    fn what_is_published_is_public() {
        let ring = SigningRing::from_keys(
            Algorithm::ALL.iter().map(|a| SigningKey::generate(*a, None).unwrap()).collect(),
        )
        .unwrap();
        let text = ring.published().to_json().to_string();
        for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(!text.contains(&format!("\"{member}\":")), "{member}");
        }
        assert_eq!(KeySet::parse_own(text.as_bytes()).unwrap().len(), Algorithm::ALL.len());
    }
}
