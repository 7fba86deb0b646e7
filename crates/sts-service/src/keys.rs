//! The keys that sign, in a ring that can be replaced while the service runs.

use std::sync::{Arc, PoisonError, RwLock};

use countersign_jwt::{Algorithm, KeySet, Sign, SigningRing};

use crate::app::SetupError;

/// The keys of an OpenID provider at one moment. A request asks for them once, so that its answer
/// is of one ring.
pub(crate) struct Keys {
    ring: SigningRing,
    es256: Arc<dyn Sign>,
    rs256: Arc<dyn Sign>,
}

impl TryFrom<SigningRing> for Keys {
    type Error = SetupError;

    fn try_from(ring: SigningRing) -> Result<Self, SetupError> {
        let (es256, rs256) = (signer(&ring, Algorithm::Es256)?, signer(&ring, Algorithm::Rs256)?);
        Ok(Self { ring, es256, rs256 })
    }
}

impl Keys {
    /// Signs access and claims tokens.
    pub(crate) fn es256(&self) -> &dyn Sign {
        self.es256.as_ref()
    }

    /// Signs an ID token, by the client's registration.
    pub(crate) fn for_id_token(&self, algorithm: Algorithm) -> &dyn Sign {
        if algorithm == Algorithm::Es256 { self.es256.as_ref() } else { self.rs256.as_ref() }
    }

    /// What verifiers are given: keys that sign, that will sign, and whose tokens still live.
    pub(crate) fn published(&self) -> &KeySet {
        self.ring.published()
    }
}

/// The keys of a claims provider of its own, which signs claims tokens and nothing else.
pub(crate) struct ClaimsKeys {
    ring: SigningRing,
    es256: Arc<dyn Sign>,
}

impl TryFrom<SigningRing> for ClaimsKeys {
    type Error = SetupError;

    fn try_from(ring: SigningRing) -> Result<Self, SetupError> {
        let es256 = signer(&ring, Algorithm::Es256)?;
        // What it published of another, nobody could meet in a token of its own.
        let other = ring.algorithms().find(|algorithm| *algorithm != Algorithm::Es256);
        match other {
            Some(other) => Err(SetupError::IdleKey(other)),
            None => Ok(Self { ring, es256 }),
        }
    }
}

impl ClaimsKeys {
    /// Signs claims tokens.
    pub(crate) fn es256(&self) -> &dyn Sign {
        self.es256.as_ref()
    }

    /// What verifiers are given, as [`Keys::published`].
    pub(crate) fn published(&self) -> &KeySet {
        self.ring.published()
    }
}

fn signer(ring: &SigningRing, algorithm: Algorithm) -> Result<Arc<dyn Sign>, SetupError> {
    ring.signer(algorithm).map(Arc::clone).ok_or(SetupError::Key(algorithm))
}

/// The keys of now.
pub(crate) struct Current<K>(RwLock<Arc<K>>);

impl<K: TryFrom<SigningRing, Error = SetupError>> Current<K> {
    pub(crate) fn new(ring: SigningRing) -> Result<Self, SetupError> {
        Ok(Self(RwLock::new(Arc::new(K::try_from(ring)?))))
    }

    pub(crate) fn now(&self) -> Arc<K> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, ring: SigningRing) -> Result<(), SetupError> {
        let keys = Arc::new(K::try_from(ring)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}
