//! The keys that sign, in a ring that can be replaced while the service runs.

use std::sync::{Arc, PoisonError, RwLock};

use countersign_jwt::{Algorithm, KeySet, Sign, SigningRing};

use crate::app::SetupError;

/// The keys at one moment. A request asks for them once, so that its answer is of one ring.
pub(crate) struct Keys {
    ring: SigningRing,
    es256: Arc<dyn Sign>,
    rs256: Arc<dyn Sign>,
}

impl Keys {
    fn of(ring: SigningRing) -> Result<Arc<Self>, SetupError> {
        let signer =
            |algorithm| ring.signer(algorithm).map(Arc::clone).ok_or(SetupError::Key(algorithm));
        let (es256, rs256) = (signer(Algorithm::Es256)?, signer(Algorithm::Rs256)?);
        Ok(Arc::new(Self { ring, es256, rs256 }))
    }

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

/// The keys of now.
pub(crate) struct CurrentKeys(RwLock<Arc<Keys>>);

impl CurrentKeys {
    pub(crate) fn new(ring: SigningRing) -> Result<Self, SetupError> {
        Ok(Self(RwLock::new(Keys::of(ring)?)))
    }

    pub(crate) fn now(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, ring: SigningRing) -> Result<(), SetupError> {
        let keys = Keys::of(ring)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}
