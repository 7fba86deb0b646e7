//! The members of a key for encryption: read, checked, and found out what they are for.

use aws_lc_rs::agreement::PrivateKey;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::agreement::{AgreementKey, Curve};
use super::alg::{ContentEncryption, KeyManagement};
use super::key::About;
use crate::base64url;
use crate::jwk::{KeyError, Material, Members, Wiped, check_rsa_pair, check_secret};

/// Which half of a key is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// The public one.
    Encrypts,
    /// The private one.
    Decrypts,
}

/// What makes the key, checked.
pub(super) enum Numbers {
    Shared(Zeroizing<Vec<u8>>),
    /// Key type, curve and numbers by their names.
    Members(Wiped),
}

/// The members that a key of each type has, public ones first.
const EC: (&[&str], &[&str]) = (&["kty", "crv", "x", "y"], &["d"]);
const OKP: (&[&str], &[&str]) = (&["kty", "crv", "x"], &["d"]);
const RSA: (&[&str], &[&str]) = (&["kty", "n", "e"], &["d", "p", "q", "dp", "dq", "qi"]);

impl Numbers {
    fn of(
        members: &Members<'_>,
        (public, private): (&[&'static str], &[&'static str]),
        half: Half,
    ) -> Result<Self, KeyError> {
        let private = if half == Half::Decrypts { private } else { &[] };
        let member = |name: &&'static str| Ok(((*name).to_owned(), members.required(name)?.into()));
        let members: Map<String, Value> =
            public.iter().chain(private).map(member).collect::<Result<_, KeyError>>()?;
        Ok(Self::Members(members.into()))
    }

    /// What may be known by those who encrypt.
    pub(super) fn public(&self) -> Self {
        match self {
            Self::Shared(key) => Self::Shared(key.clone()),
            Self::Members(members) => {
                let is_public = |name: &str| [EC, OKP, RSA].iter().any(|it| it.0.contains(&name));
                let members = members.as_object().into_iter().flatten();
                // What is private is not even copied.
                let public = members.filter(|(name, _)| is_public(name));
                let public = public.map(|(name, value)| (name.clone(), value.clone()));
                Self::Members(public.collect::<Map<_, _>>().into())
            }
        }
    }

    pub(super) fn to_jwk(&self, alg: &str, kid: Option<&str>) -> Wiped {
        let jwk = match self {
            Self::Shared(key) => shared_jwk(key),
            Self::Members(members) => members.clone(),
        };
        jwk.with("use", Some("enc")).with("alg", Some(alg)).with("kid", kid)
    }
}

/// A shared key of these octets.
pub(super) fn shared_jwk(octets: &[u8]) -> Wiped {
    let mut jwk = Map::new();
    jwk.insert("kty".to_owned(), "oct".into());
    jwk.insert("k".to_owned(), base64url::encode(octets).into());
    jwk.into()
}

/// Reads a key and checks it. `agreed` is what a key that names no algorithm is for.
pub(super) fn read(
    members: &Members<'_>,
    half: Half,
    agreed: Option<KeyManagement>,
) -> Result<(About, Numbers), KeyError> {
    let kty = members.required("kty")?;
    if half == Half::Encrypts && kty != "oct" {
        members.check_public()?;
    }
    let (allowed, default): (&[KeyManagement], _) = match kty {
        "oct" => (&[KeyManagement::Dir, KeyManagement::A256Kw], None),
        "EC" | "OKP" => {
            (&[KeyManagement::EcdhEs, KeyManagement::EcdhEsA256Kw], Some(KeyManagement::EcdhEs))
        }
        "RSA" => (&[KeyManagement::RsaOaep256], Some(KeyManagement::RsaOaep256)),
        _ => return Err(KeyError::Unsupported("kty")),
    };
    let (named, content_encryption) = named(members)?;
    let key_management = match (named, agreed) {
        (Some(named), Some(agreed)) if named != agreed => return Err(KeyError::AlgorithmMismatch),
        (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
        (None, None) => default.ok_or(KeyError::Missing("alg"))?,
    };
    if !allowed.contains(&key_management) {
        return Err(KeyError::AlgorithmMismatch);
    }
    let operations = operations(key_management, half);
    match key_management {
        KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw if half == Half::Encrypts => {
            members.check_use_of_input("enc", operations)?;
        }
        _ => members.check_use("enc", operations)?,
    }
    let mut about = About {
        key_management,
        curve: None,
        content_encryption,
        len: None,
        kid: members.key_id()?,
    };
    let numbers = match kty {
        "oct" => {
            let key = members.octets("k")?;
            check_shared(key_management, content_encryption, key.len())?;
            check_secret(&key)?;
            about.len = (key_management == KeyManagement::Dir).then_some(key.len());
            Numbers::Shared(key)
        }
        "RSA" => {
            Material::read(members)?.check_numbers()?;
            if half == Half::Decrypts {
                check_rsa_pair(members)?;
            }
            Numbers::of(members, RSA, half)?
        }
        _ => {
            let key = AgreementKey::read(members)?;
            if half == Half::Decrypts {
                check_agreement_pair(members, &key)?;
            }
            about.curve = Some(key.curve);
            Numbers::of(members, if key.curve == Curve::P256 { EC } else { OKP }, half)?
        }
    };
    Ok((about, numbers))
}

/// The algorithm that the key names: one of key management, or, for `dir`, one of content
/// encryption.
fn named(
    members: &Members<'_>,
) -> Result<(Option<KeyManagement>, Option<ContentEncryption>), KeyError> {
    let Some(name) = members.optional("alg")? else { return Ok((None, None)) };
    let content_encryption = ContentEncryption::from_name(name);
    match (KeyManagement::from_name(name), content_encryption) {
        (None, None) => Err(KeyError::Unsupported("alg")),
        (None, Some(_)) => Ok((Some(KeyManagement::Dir), content_encryption)),
        (named, _) => Ok((named, None)),
    }
}

/// [RFC 7517 §4.3](https://www.rfc-editor.org/rfc/rfc7517#section-4.3)
const fn operations(algorithm: KeyManagement, half: Half) -> &'static [&'static str] {
    match (algorithm, half) {
        (KeyManagement::Dir, Half::Encrypts) => &["encrypt"],
        (KeyManagement::Dir, Half::Decrypts) => &["decrypt"],
        (KeyManagement::A256Kw, Half::Encrypts) => &["wrapKey"],
        (KeyManagement::A256Kw, Half::Decrypts) => &["unwrapKey"],
        (KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw, _) => &["deriveKey", "deriveBits"],
        (KeyManagement::RsaOaep256, Half::Encrypts) => &["encrypt", "wrapKey"],
        (KeyManagement::RsaOaep256, Half::Decrypts) => &["decrypt", "unwrapKey"],
    }
}

fn check_shared(
    algorithm: KeyManagement,
    content_encryption: Option<ContentEncryption>,
    len: usize,
) -> Result<(), KeyError> {
    let fits = match (algorithm, content_encryption) {
        (KeyManagement::A256Kw, _) => len == 32,
        (_, Some(enc)) => len == enc.key_len(),
        (_, None) => ContentEncryption::ALL.iter().any(|enc| enc.key_len() == len),
    };
    if fits { Ok(()) } else { Err(KeyError::Malformed("k")) }
}

/// The private number has to make the public one.
fn check_agreement_pair(members: &Members<'_>, public: &AgreementKey) -> Result<(), KeyError> {
    let d = members.octets("d")?;
    if d.len() != 32 {
        return Err(KeyError::Malformed("d"));
    }
    let own = PrivateKey::from_private_key(public.curve.agreement(), &d)
        .ok()
        .and_then(|private| private.compute_public_key().ok());
    if own.is_some_and(|own| own.as_ref() == public.encoded) {
        Ok(())
    } else {
        Err(KeyError::Invalid)
    }
}
