//! The protected header of a compact JWE. [RFC 7516 §4]
//!
//! Nothing in it chooses a key but by comparison: `jwk`, `jku`, `x5u` and `x5c` are not read.
//!
//! [RFC 7516 §4]: https://www.rfc-editor.org/rfc/rfc7516#section-4

use serde_json::{Map, Value};

use super::Malformed;
use super::agreement::{Agreement, ephemeral_key};
use super::alg::{ContentEncryption, KeyManagement};
use crate::base64url;
use crate::jwk::is_key_id;
use crate::jws::is_media_type;
use crate::object::{Entry, Object};

/// The members of the header that are read. Untrusted until the JWE is decrypted; and a JWE
/// that decrypts says only that its sender knew a key to encrypt to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) key_management: KeyManagement,
    pub(super) content_encryption: ContentEncryption,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    pub(super) cty: Option<String>,
    pub(super) agreement: Option<Agreement>,
}

impl Header {
    /// `alg`.
    #[must_use]
    pub const fn key_management(&self) -> KeyManagement {
        self.key_management
    }

    /// `enc`.
    #[must_use]
    pub const fn content_encryption(&self) -> ContentEncryption {
        self.content_encryption
    }

    /// `kid`: text to compare with that of a key, and for nothing else.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `typ`, as received.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// `cty`, as received.
    #[must_use]
    pub fn cty(&self) -> Option<&str> {
        self.cty.as_deref()
    }

    pub(super) fn read(members: &Object) -> Result<Self, Malformed> {
        // `zip` is refused, since what a few octets expand to has no bound, and lengths tell of
        // contents ([RFC 8725 §3.6]); `crit`, since no extension is understood.
        for refused in ["crit", "zip", "b64"] {
            if members.get(refused).is_some() {
                return Err(Malformed::Extension(refused));
            }
        }
        let alg = text(members, "alg")?.ok_or(Malformed::Member("alg"))?;
        let key_management = KeyManagement::from_name(alg).ok_or(Malformed::Algorithm("alg"))?;
        let enc = text(members, "enc")?.ok_or(Malformed::Member("enc"))?;
        let content_encryption =
            ContentEncryption::from_name(enc).ok_or(Malformed::Algorithm("enc"))?;
        let kid = text(members, "kid")?;
        if kid.is_some_and(|kid| !is_key_id(kid)) {
            return Err(Malformed::Member("kid"));
        }
        let agreement = if key_management.agrees() { Some(agreement(members)?) } else { None };
        Ok(Self {
            key_management,
            content_encryption,
            kid: kid.map(str::to_owned),
            typ: media_type(members, "typ")?,
            cty: media_type(members, "cty")?,
            agreement,
        })
    }

    /// The header as its members.
    pub(super) fn to_members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        add("alg", Some(self.key_management.name().into()));
        add("enc", Some(self.content_encryption.name().into()));
        add("kid", self.kid.as_deref().map(Value::from));
        add("typ", self.typ.as_deref().map(Value::from));
        add("cty", self.cty.as_deref().map(Value::from));
        if let Some(agreement) = &self.agreement {
            add("epk", Some(Value::Object(agreement.epk.clone())));
            add("apu", agreement.apu.as_deref().map(Value::from));
            add("apv", agreement.apv.as_deref().map(Value::from));
        }
        members
    }
}

fn agreement(members: &Object) -> Result<Agreement, Malformed> {
    let Some(epk @ Value::Object(_)) = members.get("epk").and_then(Entry::tree) else {
        return Err(Malformed::Member("epk"));
    };
    let (curve, epk) = ephemeral_key(epk).map_err(|_| Malformed::EphemeralKey)?;
    Ok(Agreement { curve, epk, apu: party(members, "apu")?, apv: party(members, "apv")? })
}

fn text<'a>(members: &'a Object, name: &'static str) -> Result<Option<&'a str>, Malformed> {
    match members.get(name) {
        None => Ok(None),
        Some(Entry::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Malformed::Member(name)),
    }
}

/// Octets in base64url that name a party. [RFC 7518
/// §4.6.1.2](https://www.rfc-editor.org/rfc/rfc7518#section-4.6.1.2)
fn party(members: &Object, name: &'static str) -> Result<Option<String>, Malformed> {
    match text(members, name)? {
        None => Ok(None),
        Some(party) if base64url::decode(party).is_some() => Ok(Some(party.to_owned())),
        Some(_) => Err(Malformed::Member(name)),
    }
}

fn media_type(members: &Object, name: &'static str) -> Result<Option<String>, Malformed> {
    match text(members, name)? {
        None => Ok(None),
        Some(text) if is_media_type(text) => Ok(Some(text.to_owned())),
        Some(_) => Err(Malformed::Member(name)),
    }
}
