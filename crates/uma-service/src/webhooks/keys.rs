//! The keys that sign what owners are told, in a ring that can be replaced while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use countersign_jwt::{Sign, SigningRing};

use super::WebhookError;

/// The keys of one moment.
pub(crate) struct Keys {
    ring: SigningRing,
    signer: Arc<dyn Sign>,
}

impl Keys {
    /// The first of the ring's keys signs; of the algorithms that receivers read, any will do.
    pub(super) fn of(ring: SigningRing) -> Result<Self, WebhookError> {
        let algorithm = ring.algorithms().next();
        let signer = algorithm.and_then(|algorithm| ring.signer(algorithm)).map(Arc::clone);
        signer.ok_or(WebhookError::NoKey).map(|signer| Self { ring, signer })
    }

    pub(super) fn signer(&self) -> &dyn Sign {
        self.signer.as_ref()
    }

    /// The keys with which what is sent can be verified.
    pub(crate) const fn ring(&self) -> &SigningRing {
        &self.ring
    }

    fn is_as(&self, other: &Self) -> bool {
        let published = |keys: &Self| keys.ring.published().to_json();
        self.signer.key_id() == other.signer.key_id() && published(self) == published(other)
    }

    fn has_published(&self, kid: Option<&str>) -> bool {
        kid.is_some_and(|kid| self.ring.published().contains_kid(kid))
    }
}

/// The keys of now.
pub(super) struct Current(RwLock<Arc<Keys>>);

impl Current {
    pub(super) fn new(ring: SigningRing) -> Result<Self, WebhookError> {
        Ok(Self(RwLock::new(Arc::new(Keys::of(ring)?))))
    }

    pub(super) fn now(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs and publishes with these from now on; whether they are others.
    pub(super) fn replace(&self, ring: SigningRing) -> Result<bool, WebhookError> {
        let (keys, before) = (Keys::of(ring)?, self.now());
        if keys.is_as(&before) {
            return Ok(false);
        }
        let kid = keys.signer.key_id();
        if !before.has_published(kid) {
            // An operator whose key became known has no choice; a receiver tries the set again.
            tracing::warn!(kid, "a key signs that was not published before");
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(true)
    }
}
