//! The crate under test.

use countersign_jwt::verify::{TokenError, verify};
use countersign_jwt::{KeySet, Policy, SigningKey, Typ, Verified, sign};
use countersign_types::Lifetime;

use crate::claims::{AUDIENCE, CLAIMS, ISSUER, NOW};

pub(crate) struct Ours<'a> {
    key: &'a SigningKey,
    keys: KeySet,
}

impl<'a> Ours<'a> {
    pub(crate) fn new(key: &'a SigningKey) -> Self {
        Self::among(key, [key])
    }

    /// With these keys to verify by.
    pub(crate) fn among<'k>(
        key: &'a SigningKey,
        keys: impl IntoIterator<Item = &'k SigningKey>,
    ) -> Self {
        let keys = keys.into_iter().map(|key| key.public().clone()).collect();
        Self { key, keys: KeySet::from_keys(keys).unwrap() }
    }

    pub(crate) fn sign(&self) -> String {
        sign("at+jwt", self.key, std::hint::black_box(&CLAIMS)).unwrap()
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        let policy = Policy::new(Typ::Is("at+jwt"))
            .issuer(ISSUER)
            .audience_sole(AUDIENCE)
            .require("jti")
            .max_lifetime(Lifetime::from_secs(300));
        verify(token, &policy, &self.keys, NOW)
    }
}
