//! `countersign jwt verify --batch`

use countersign_jwt::jwk::SigningKey;
use countersign_jwt::jwks::{KeySetError, MAX_CANDIDATES, RawKey};
use countersign_jwt::jws::{self, Malformed, UnverifiedJws};
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, KeyError, PublicKey, VerifyError};
use serde_json::Value;

use super::check::is_shared;
use super::question::{Given, Question, parse_key, parse_set};
use super::refused::Refused;
use super::remembered::Remembered;
use super::{Answer, Opened, base64url};

/// Verifies signatures and MACs under the rules of the key, and judges no claims.
pub(crate) struct Verify {
    remembered: Remembered<Keys>,
}

impl Verify {
    pub(crate) const fn new() -> Self {
        Self { remembered: Remembered::nothing() }
    }
}

impl Answer for Verify {
    type Yes = Opened;

    fn answer(&mut self, question: &Question<'_>) -> Result<Opened, Refused> {
        let (given, token) = (question.keys()?, question.token()?);
        // The token first: it may be refused for less work than its key takes to be read.
        let alg = jws::named_algorithm(&token).map_err(|error| Refused::of(&error))?;
        if !is_known(&alg) {
            return Err(Refused::of(&Malformed::Algorithm));
        }
        let keys = self.remembered.keys(given, &alg, || Keys::read(given, &alg))?;
        Ok(Opened { payload: base64url(&keys.verify(&token, &alg)?), alg })
    }
}

/// The keys of a question.
enum Keys {
    One(Box<Key>),
    /// What could be read, and why the rest could not.
    Set(Vec<Result<Key, Refused>>),
}

impl Keys {
    fn read(given: Given<'_>, alg: &str) -> Result<Self, Refused> {
        let text = match given {
            Given::One(text) => {
                let jwk = parse_key(text)?;
                return Key::read(RawKey::alone(&jwk), alg).map(|key| Self::One(Box::new(key)));
            }
            Given::Set(text) => text,
        };
        let read = |key: RawKey<'_>| match key.kid() {
            // Nobody can say which of two keys of one kid is meant, so neither is.
            Some(kid) if key.has_twin() => {
                Err(Refused::of(&KeySetError::DuplicateKid(kid.to_owned())))
            }
            _ => Key::read(key, alg),
        };
        Ok(Self::Set(parse_set(text)?.iter().map(read).collect()))
    }

    fn verify(&self, token: &str, alg: &str) -> Result<Vec<u8>, Refused> {
        let keys = match self {
            Self::One(key) => return key.verify(token),
            Self::Set(keys) => keys,
        };
        let named = jws::named_key_id(token).map_err(|error| Refused::of(&error))?;
        let suits = |key: &&Key| named.is_none() || key.kid() == named.as_deref();
        let mut outcome = match keys.as_slice() {
            // There is no doubt which key is meant.
            [Err(refused)] => Err(refused.clone()),
            _ => Err(Refused::of(&VerifyError::UnknownKey)),
        };
        let mut tried = 0;
        for key in keys.iter().flatten().filter(suits) {
            if tried == MAX_CANDIDATES {
                if key.is_for(alg) && key.could_have_made(token) {
                    return Err(Refused::of(&VerifyError::TooManyKeys));
                }
                continue;
            }
            match key.verify(token) {
                Err(refused) if refused.is_unknown_key() => {}
                Err(refused) if refused.is_key_use() => {
                    if keys.len() == 1 {
                        outcome = Err(refused);
                    }
                }
                Err(refused) if refused.is_bad_signature() => {
                    tried += usize::from(key.could_have_made(token));
                    outcome = Err(refused);
                }
                // It is the token that is refused, and would be with any other key for it.
                done if done.is_ok() || key.is_for(alg) => return done,
                done => outcome = done,
            }
        }
        outcome
    }
}

/// A key of whichever kind verifies.
enum Key {
    Public { key: PublicKey, takes_eddsa_name: bool },
    Shared(Box<HmacKey>),
}

impl Key {
    /// Reads a key. One that names no algorithm is for the one that the token names, if keys of its
    /// type are: nothing is to be remembered of it, so nothing else could bind it.
    fn read(key: RawKey<'_>, alg: &str) -> Result<Self, Refused> {
        let jwk = key.jwk();
        let own_alg = jwk.get("alg");
        if is_shared(jwk) {
            let key = match (own_alg, MacAlgorithm::from_name(alg)) {
                (Some(_), _) => HmacKey::from_jwk(jwk),
                (None, Some(algorithm)) => HmacKey::from_jwk_for(jwk, algorithm),
                // No secret makes such a token.
                (None, None) => return Err(Refused::of(&Malformed::Algorithm)),
            };
            return key.map(|key| Self::Shared(Box::new(key))).map_err(|error| Refused::of(&error));
        }
        let takes_eddsa_name = own_alg.is_none_or(|own| own == EDDSA);
        let agreed = match own_alg {
            Some(_) => None,
            None if alg == EDDSA => Some(Algorithm::Ed25519),
            None => Algorithm::from_name(alg),
        };
        let public = match agreed {
            Some(algorithm) => {
                check_private_half(key, |jwk| SigningKey::from_jwk_for(jwk, algorithm))
                    .and_then(|()| PublicKey::from_jwk_for(&key.public_half(), algorithm))
            }
            None => check_private_half(key, SigningKey::from_jwk)
                .and_then(|()| PublicKey::from_jwk(&key.public_half())),
        };
        let key = public.map_err(|error| Refused::of(&error))?;
        Ok(Self::Public { key, takes_eddsa_name })
    }

    fn kid(&self) -> Option<&str> {
        match self {
            Self::Public { key, .. } => key.kid(),
            Self::Shared(key) => key.kid(),
        }
    }

    /// Whether a token that names this algorithm may be this key's.
    fn is_for(&self, alg: &str) -> bool {
        match self {
            Self::Public { key, takes_eddsa_name } => {
                let own = key.algorithm();
                let old = *takes_eddsa_name && own == Algorithm::Ed25519 && alg == EDDSA;
                old || own.name() == alg
            }
            Self::Shared(key) => key.algorithm().name() == alg,
        }
    }

    /// Whether the signature is as long as one of this key.
    fn could_have_made(&self, token: &str) -> bool {
        let signature = token.rsplit('.').next().unwrap_or_default();
        match self {
            Self::Public { key, .. } => key.signature_len() == signature.len() * 3 / 4,
            Self::Shared(_) => true,
        }
    }

    fn verify(&self, token: &str) -> Result<Vec<u8>, Refused> {
        let (key, takes_eddsa_name) = match self {
            Self::Shared(key) => {
                return key.verify_payload(token).map_err(|error| Refused::of(&error));
            }
            Self::Public { key, takes_eddsa_name } => (key, takes_eddsa_name),
        };
        let jws = if *takes_eddsa_name && key.algorithm() == Algorithm::Ed25519 {
            UnverifiedJws::parse_accepting_eddsa_name(token)
        } else {
            UnverifiedJws::parse(token)
        };
        let verified = jws
            .map_err(|error| Refused::of(&error))?
            .verify_with(key)
            .map_err(|error| Refused::of(&error))?;
        Ok(verified.into_payload())
    }
}

const EDDSA: &str = "EdDSA";

/// Whether any key could verify a token that names this algorithm.
fn is_known(alg: &str) -> bool {
    Algorithm::from_name(alg).is_some() || MacAlgorithm::from_name(alg).is_some() || alg == EDDSA
}

/// Refuses a private key whose halves do not belong together. What `key_ops` says of signing does
/// not matter here.
fn check_private_half(
    key: RawKey<'_>,
    read: impl FnOnce(&Value) -> Result<SigningKey, KeyError>,
) -> Result<(), KeyError> {
    if key.is_secret() { read(&key.without_key_ops()).map(drop) } else { Ok(()) }
}
