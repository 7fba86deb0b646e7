//! What is registered of a client, as far as authentication is concerned.

use countersign_jwt::KeySet;
use countersign_types::ClientId;
use countersign_types::digest::Digest;
use countersign_types::secret::ClientSecret;

use crate::method::Method;

/// What a registration knows of a client, as far as authentication is concerned.
#[derive(Clone, Debug)]
pub struct RegisteredClient {
    /// Its identifier.
    pub id: ClientId,
    /// What it authenticates with.
    pub credentials: Credentials,
}

/// What a client authenticates with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Nothing: a public client. [RFC 6749
    /// §2.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.1)
    Public,
    /// A secret, by one of these methods.
    Secret(SecretDigest, Vec<Method>),
    /// One of these keys, by `private_key_jwt`.
    Keys(KeySet),
}

impl Credentials {
    /// A secret, in the header or as a parameter.
    #[must_use]
    pub fn secret(digest: SecretDigest) -> Self {
        Self::Secret(digest, vec![Method::ClientSecretBasic, Method::ClientSecretPost])
    }
}

/// A client secret's SHA-256 value, which is all a registration keeps of it.
///
/// A plain digest is enough because client secrets are generated, not chosen: 256 bits cannot be
/// guessed from their digest. Whoever lets people choose client secrets needs a slow hash instead.
#[derive(Clone, Debug)]
pub struct SecretDigest(Digest);

/// A client secret that somebody could guess: shorter than [`SecretDigest::MIN_LENGTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shorter than 32 characters: generate it, for example by `openssl rand -base64 32`")]
pub struct GuessableSecret;

impl SecretDigest {
    /// A configured secret has at least so many octets.
    pub const MIN_LENGTH: usize = 32;

    /// The digest of a secret.
    #[must_use]
    pub fn of(secret: &ClientSecret) -> Self {
        Self(secret.digest())
    }

    /// The digest of a secret that an operator wrote into a configuration: one that was chosen
    /// rather than generated is refused by its length.
    ///
    /// # Errors
    /// [`GuessableSecret`].
    pub fn of_configured(secret: &ClientSecret) -> Result<Self, GuessableSecret> {
        if secret.expose().len() < Self::MIN_LENGTH {
            return Err(GuessableSecret);
        }
        Ok(Self::of(secret))
    }

    /// A digest read from a store.
    #[must_use]
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// Compares in constant time. The empty secret never matches.
    pub(super) fn matches(&self, presented: &ClientSecret) -> bool {
        let equal = self.0.ct_eq(&presented.digest());
        equal && !presented.expose().is_empty()
    }
}
