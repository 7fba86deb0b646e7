//! Which client is calling. [RFC 6749 §2.3, §3.2.1]
//!
//! [RFC 6749 §2.3, §3.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3

mod error;
mod presented;
mod registered;

use countersign_jwt::{Checked, KeySet};
use countersign_types::digest::Digest;
use countersign_types::replay::Seen;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Timestamp};

pub use self::error::ClientAuthError;
use self::presented::CheckedCredential;
pub use self::presented::{CheckedCredentials, PARAMS, Presented, parse};
pub use self::registered::{Credentials, GuessableSecret, RegisteredClient, SecretDigest};
use crate::assertion::LEEWAY;
use crate::method::Method;

/// What [`authenticate`] found.
#[derive(Debug)]
pub enum Authentication {
    /// The client is authenticated.
    Done(AuthenticatedClient),
    /// It is, provided that this assertion was never seen before.
    OnceOnly(ReplayCheck),
}

/// Judges credentials against the registration of the client they name, or against none.
///
/// # Errors
/// [`ClientAuthError::Failed`] for an unknown client, a wrong secret and a method the client is
/// not registered for; [`ClientAuthError::Claims`] and [`ClientAuthError::Signature`] for an
/// assertion. All of them look the same on the wire.
pub fn authenticate(
    credentials: CheckedCredentials,
    registered: Option<&RegisteredClient>,
) -> Result<Authentication, ClientAuthError> {
    let CheckedCredentials { client_id, credential } = credentials;
    let known =
        registered.filter(|client| client.id == client_id).map(|client| &client.credentials);
    match credential {
        CheckedCredential::None => match known {
            Some(Credentials::Public) => Ok(done(client_id, Method::None)),
            _ => Err(ClientAuthError::Failed),
        },
        CheckedCredential::Secret(method, secret) => {
            if secret_matches(known, method, &secret) {
                Ok(done(client_id, method))
            } else {
                Err(ClientAuthError::Failed)
            }
        }
        CheckedCredential::Assertion(token) => {
            // An unknown client is treated like one whose key set lacks the assertion's key.
            let none = KeySet::default();
            let keys = match known {
                Some(Credentials::Keys(keys)) => keys,
                _ => &none,
            };
            verify_assertion(token, client_id, keys).map(Authentication::OnceOnly)
        }
    }
}

const fn done(id: ClientId, method: Method) -> Authentication {
    Authentication::Done(AuthenticatedClient { id, method })
}

/// What the secret of a client that does not exist is compared with. Never a match: see the
/// second operand below.
const NOBODY: SecretDigest = SecretDigest::from_digest(Digest::from_octets([0; 32]));

/// Hashes and compares in every case, so that a client that does not exist takes as long as one
/// whose secret is wrong.
fn secret_matches(
    credentials: Option<&Credentials>,
    method: Method,
    secret: &ClientSecret,
) -> bool {
    let (digest, allowed) = match credentials {
        Some(Credentials::Secret(digest, methods)) => (digest, methods.contains(&method)),
        _ => (&NOBODY, false),
    };
    digest.matches(secret) & allowed
}

fn verify_assertion(
    checked: Checked,
    client_id: ClientId,
    keys: &KeySet,
) -> Result<ReplayCheck, ClientAuthError> {
    let verified = checked.verify(keys).map_err(ClientAuthError::Signature)?;
    let claims = verified.claims();
    let jti = claims.jwt_id().map_err(ClientAuthError::Claims)?;
    let exp = claims.required_timestamp("exp").map_err(ClientAuthError::Claims)?;
    // The kind and the client are part of the key: a jti is unique only within what its issuer
    // signs for one purpose.
    let key =
        Digest::of_parts(&[b"client-assertion", client_id.as_str().as_bytes(), jti.as_bytes()]);
    Ok(ReplayCheck { client_id, key, expires: exp.after(LEEWAY) })
}

/// A client that proved itself, as far as a look at the store may still show that its assertion
/// was used before.
#[derive(Debug)]
#[must_use = "the client is not authenticated before the replay check is confirmed"]
pub struct ReplayCheck {
    client_id: ClientId,
    key: Digest,
    expires: Timestamp,
}

impl ReplayCheck {
    /// The key to insert into the store of used assertions.
    #[must_use]
    pub const fn key(&self) -> Digest {
        self.key
    }

    /// Until when the key has to be kept: the assertion's `exp` and the allowance for skewed
    /// clocks.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Settles the check, given what the store says of the key.
    ///
    /// # Errors
    /// [`ClientAuthError::Replayed`].
    pub fn confirm(self, seen: Seen) -> Result<AuthenticatedClient, ClientAuthError> {
        match seen {
            Seen::First => {
                Ok(AuthenticatedClient { id: self.client_id, method: Method::PrivateKeyJwt })
            }
            Seen::Again => Err(ClientAuthError::Replayed),
        }
    }
}

/// A client that authenticated, or a public one that was identified.
///
/// Only this crate makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedClient {
    id: ClientId,
    method: Method,
}

impl AuthenticatedClient {
    /// Its identifier.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// How it authenticated.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Whether it proved anything. A public client only says who it is.
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        !matches!(self.method, Method::None)
    }
}

#[cfg(test)]
mod tests;
