//! The compact serialization, written and read. [RFC 7515 §7.1], [RFC 7519 §7]
//!
//! Nothing in a header chooses a key: `jwk`, `jku`, `x5u` and `x5c` are not read, so that nothing
//! is fetched or trusted on their word ([RFC 8725 §3.10]). Proofs of a key are another matter:
//! [`own_key`](crate::own_key). `crit` is refused, since no extension is
//! understood ([RFC 7515 §4.1.11]), and so is `b64`, which no JWT may use ([RFC 7797 §7]).
//!
//! [RFC 7515 §4.1.11]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11
//! [RFC 7515 §7.1]: https://www.rfc-editor.org/rfc/rfc7515#section-7.1
//! [RFC 7519 §7]: https://www.rfc-editor.org/rfc/rfc7519#section-7
//! [RFC 7797 §7]: https://www.rfc-editor.org/rfc/rfc7797#section-7
//! [RFC 8725 §3.10]: https://www.rfc-editor.org/rfc/rfc8725#section-3.10

use serde::Serialize;

use crate::alg::{Algorithm, EDDSA, Sign, SignError};
use crate::base64url;
use crate::claims::Claims;
use crate::json::{self, JsonError, WriteError};
use crate::jwk::is_key_id;
use crate::object::{Entry, Object};

mod payload;

pub use payload::{UnverifiedJws, VerifiedJws, sign_payload};

/// The longest token that is read or written, in octets.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The longest `typ` or `cty` that is read or written.
const MAX_TYP: usize = 128;

/// Whether a text can be the `typ` or `cty` of a header.
pub(crate) fn is_media_type(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TYP && text.is_ascii() && !text.contains('\0')
}

/// Signs claims: header `alg`, `typ`, `kid`, then the claims as they serialize.
///
/// Times are to serialize as integers, as [`Timestamp`](countersign_types::Timestamp) does: some
/// readers refuse fractions.
///
/// ```
/// use countersign_jwt::{Algorithm, SigningKey, sign};
///
/// let key = SigningKey::generate(Algorithm::Ed25519, Some("1"))?;
/// let token = sign("uma-claims+jwt", &key, &serde_json::json!({ "sub": "alice" }))?;
/// assert_eq!(token.split('.').count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SignError::Claims`] if the claims are not an object, [`SignError::Unreadable`] if this crate
/// would not read the token, [`SignError::TooLong`] beyond [`MAX_TOKEN`], [`SignError::Engine`].
pub fn sign<C: Serialize>(typ: &str, key: &dyn Sign, claims: &C) -> Result<String, SignError> {
    let members =
        Members { alg: key.algorithm().name(), typ: Some(typ), kid: key.key_id(), jwk: None };
    write(&members, |payload| write_claims(payload, claims), |input| key.sign(input))
}

/// The header as it is written.
#[derive(Serialize)]
pub(crate) struct Members<'a> {
    pub(crate) alg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) typ: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<&'a str>,
    /// Of a token that brings its own key: see [`own_key`](crate::own_key).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwk: Option<&'a serde_json::Value>,
}

/// Writes claims as the payload of a token.
pub(crate) fn write_claims<C: Serialize>(
    payload: &mut Vec<u8>,
    claims: &C,
) -> Result<(), SignError> {
    json::write(payload, claims).map_err(|error| match error {
        WriteError::Value => SignError::Claims,
        WriteError::Unreadable(fault) => Malformed::Payload(fault).into(),
    })?;
    if payload.first() == Some(&b'{') { Ok(()) } else { Err(SignError::Claims) }
}

/// Writes the compact serialization of a header and a payload, and what `sign` says of the two.
pub(crate) fn write<S: AsRef<[u8]>>(
    members: &Members<'_>,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), SignError>,
    sign: impl FnOnce(&[u8]) -> Result<S, SignError>,
) -> Result<String, SignError> {
    let mut buffer = Vec::with_capacity(1024);
    check_names(members.typ, members.kid)?;
    json::write(&mut buffer, members).map_err(|_| SignError::Claims)?;
    let mut token = Vec::with_capacity(1024);
    base64url::encode_octets_onto(&buffer, &mut token);
    token.push(b'.');
    buffer.clear();
    payload(&mut buffer)?;
    if buffer.len() > MAX_TOKEN {
        return Err(SignError::TooLong);
    }
    base64url::encode_octets_onto(&buffer, &mut token);
    let signature = sign(&token)?;
    if signature.as_ref().is_empty() {
        return Err(SignError::Engine);
    }
    token.push(b'.');
    base64url::encode_octets_onto(signature.as_ref(), &mut token);
    let token = String::from_utf8(token).map_err(|_| SignError::Engine)?;
    if token.len() > MAX_TOKEN { Err(SignError::TooLong) } else { Ok(token) }
}

/// The members of a JOSE header that are read. [RFC 7515
/// §4.1](https://www.rfc-editor.org/rfc/rfc7515#section-4.1)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    algorithm: Algorithm,
    names_eddsa: bool,
    typ: Option<String>,
    kid: Option<String>,
}

impl Header {
    /// `alg`.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `typ`, as received.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// `kid`: text to compare with that of a key, and for nothing else.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(crate) const fn names_eddsa(&self) -> bool {
        self.names_eddsa
    }

    pub(crate) fn read(members: &Object) -> Result<Self, Malformed> {
        let Named { alg, typ, kid } = Named::read(members)?;
        let names_eddsa = alg == EDDSA;
        let algorithm = if names_eddsa {
            Algorithm::Ed25519
        } else {
            Algorithm::from_name(alg).ok_or(Malformed::Algorithm)?
        };
        Ok(Self {
            algorithm,
            names_eddsa,
            typ: typ.map(str::to_owned),
            kid: kid.map(str::to_owned),
        })
    }
}

/// The members of a header of any kind of token, checked but for the name of the algorithm.
pub(crate) struct Named<'a> {
    pub(crate) alg: &'a str,
    pub(crate) typ: Option<&'a str>,
    pub(crate) kid: Option<&'a str>,
}

impl<'a> Named<'a> {
    pub(crate) fn read(members: &'a Object) -> Result<Self, Malformed> {
        for refused in ["crit", "b64"] {
            if members.get(refused).is_some() {
                return Err(Malformed::Extension(refused));
            }
        }
        let alg = member(members, "alg")?.ok_or(Malformed::Member("alg"))?;
        let typ = member(members, "typ")?;
        let kid = member(members, "kid")?;
        check_names(typ, kid)?;
        Ok(Self { alg, typ, kid })
    }
}

/// What a `typ` and a `kid` are held to, by whoever they are written.
fn check_names(typ: Option<&str>, kid: Option<&str>) -> Result<(), Malformed> {
    if typ.is_some_and(|typ| !is_media_type(typ)) {
        return Err(Malformed::Member("typ"));
    }
    if kid.is_some_and(|kid| !is_key_id(kid)) {
        return Err(Malformed::Member("kid"));
    }
    Ok(())
}

fn member<'a>(members: &'a Object, name: &'static str) -> Result<Option<&'a str>, Malformed> {
    match members.get(name) {
        None => Ok(None),
        Some(Entry::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Malformed::Member(name)),
    }
}

/// Why a text is not a token that can be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than [`MAX_TOKEN`].
    #[error("the token is too long")]
    TooLong,
    /// Not three non-empty parts of base64url with a dot between them.
    #[error("not a compact JWS")]
    Compact,
    /// A part is not canonical base64url.
    #[error("a part is not canonical base64url")]
    Base64,
    /// The header is not a JSON object with a single reading.
    #[error("the header is not a JSON object")]
    Header(#[source] JsonError),
    /// The payload is not a JSON object with a single reading.
    #[error("the payload is not a JSON object")]
    Payload(#[source] JsonError),
    /// A member of the header is missing, of the wrong type or too long.
    #[error("header member {0} is malformed")]
    Member(&'static str),
    /// An algorithm outside the allow-list, `none` among them.
    #[error("the algorithm is not supported")]
    Algorithm,
    /// A member that changes how the rest is to be read.
    #[error("header member {0} is not supported")]
    Extension(&'static str),
}

/// The parts of a token, decoded.
pub(crate) struct Parts {
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    pub(crate) signed: Signed,
}

/// Reads a compact JWS whose payload is a set of claims.
pub(crate) fn read(token: &str) -> Result<Parts, Malformed> {
    let compact = Compact::split(token)?;
    if compact.payload.is_empty() {
        return Err(Malformed::Compact);
    }
    let header = Header::read(&compact.header()?)?;
    let signed = compact.signed()?;
    Ok(Parts { header, claims: compact.claims()?, signed })
}

/// What was signed, and what is to be the signature of it.
pub(crate) struct Signed {
    /// One behind the other.
    octets: Vec<u8>,
    /// Where the signature starts.
    signature: usize,
}

impl Signed {
    /// The signing input and the signature.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        // INVARIANT: there are more octets than those before the signature.
        self.octets.split_at_checked(self.signature).unwrap_or_default()
    }
}

/// The parts of a compact JWS as they stand in its text.
pub(crate) struct Compact<'t> {
    /// Header and payload with the dot between them: what is signed.
    pub(crate) signing_input: &'t str,
    header: &'t str,
    pub(crate) payload: &'t str,
    signature: &'t str,
}

impl<'t> Compact<'t> {
    /// Finds the parts. Size, alphabet and number of parts are looked at before anything is
    /// decoded.
    pub(crate) fn split(token: &'t str) -> Result<Self, Malformed> {
        if token.len() > MAX_TOKEN {
            return Err(Malformed::TooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Malformed::Compact)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Malformed::Compact)?;
        if header.is_empty()
            || ![header, payload, signature].into_iter().all(base64url::is_of_alphabet)
        {
            return Err(Malformed::Compact);
        }
        Ok(Self { signing_input, header, payload, signature })
    }

    pub(crate) fn header(&self) -> Result<Object, Malformed> {
        Object::parse(decode(self.header)?).map_err(Malformed::Header)
    }

    /// The signature, which no token may lack. To be asked for after the header: that of a token
    /// without one names `none`, and this is what such a token is to be refused for.
    pub(crate) fn signature(&self) -> Result<Vec<u8>, Malformed> {
        if self.signature.is_empty() { Err(Malformed::Compact) } else { decode(self.signature) }
    }

    /// As [`signature`](Self::signature), with what was signed.
    pub(crate) fn signed(&self) -> Result<Signed, Malformed> {
        if self.signature.is_empty() {
            return Err(Malformed::Compact);
        }
        let signature = self.signing_input.len();
        let mut octets = Vec::with_capacity(signature + self.signature.len());
        octets.extend_from_slice(self.signing_input.as_bytes());
        if !base64url::decode_onto(self.signature, &mut octets) {
            return Err(Malformed::Base64);
        }
        Ok(Signed { octets, signature })
    }

    pub(crate) fn claims(&self) -> Result<Claims, Malformed> {
        let payload = Object::parse(decode(self.payload)?).map_err(Malformed::Payload)?;
        Ok(Claims::received(payload))
    }
}

/// The `alg` that a compact JWS names, whatever it is: to choose which kind of key to look for,
/// and for nothing else.
///
/// # Errors
/// The [`Malformed`] that says why the text cannot be a JWS.
pub fn named_algorithm(token: &str) -> Result<String, Malformed> {
    Ok(Named::read(&Compact::split(token)?.header()?)?.alg.to_owned())
}

/// The `kid` that a compact JWS names: text to compare with that of a key, and for nothing else.
///
/// # Errors
/// The [`Malformed`] that says why the text cannot be a JWS.
pub fn named_key_id(token: &str) -> Result<Option<String>, Malformed> {
    Ok(Named::read(&Compact::split(token)?.header()?)?.kid.map(str::to_owned))
}

pub(crate) fn decode(part: &str) -> Result<Vec<u8>, Malformed> {
    base64url::decode(part).ok_or(Malformed::Base64)
}
