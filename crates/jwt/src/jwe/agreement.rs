//! The curves that keys are agreed on, and what the sender contributes to an agreement.
//! [RFC 7518 §4.6.1], [RFC 8037 §3.2]
//!
//! A point off the curve, or of small order, would make the shared secret one of few, and each
//! answer would tell something of the private key ([RFC 8725 §3.4]). Such a key is refused
//! before the private key is touched.
//!
//! [RFC 7518 §4.6.1]: https://www.rfc-editor.org/rfc/rfc7518#section-4.6.1
//! [RFC 8037 §3.2]: https://www.rfc-editor.org/rfc/rfc8037#section-3.2
//! [RFC 8725 §3.4]: https://www.rfc-editor.org/rfc/rfc8725#section-3.4

use aws_lc_rs::agreement::{self, ParsedPublicKey, UnparsedPublicKey};
use serde_json::{Map, Value};

use crate::jwk::{self, KeyError, Material, Members};

/// A curve that keys are agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// [RFC 7518 §6.2.1.1](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.1)
    P256,
    /// [RFC 8037 §2](https://www.rfc-editor.org/rfc/rfc8037#section-2)
    X25519,
}

impl Curve {
    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::X25519 => "X25519",
        }
    }

    pub(super) const fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::X25519 => &agreement::X25519,
        }
    }
}

/// A public key to agree with, as an engine wants it.
#[derive(Debug)]
pub(super) struct AgreementKey {
    pub(super) curve: Curve,
    /// An uncompressed point, or u.
    pub(super) encoded: Vec<u8>,
}

impl AgreementKey {
    /// Reads and checks the public members of a key: lengths, on the curve, of no small order.
    pub(super) fn read(members: &Members<'_>) -> Result<Self, KeyError> {
        let numbers = Material::read(members)?;
        numbers.check_numbers()?;
        match (&numbers, numbers.point()) {
            (Material::Ec { curve: jwk::Curve::P256, .. }, Some(encoded)) => {
                // The engine refuses a point off the curve.
                let point = UnparsedPublicKey::new(&agreement::ECDH_P256, &encoded);
                ParsedPublicKey::try_from(point).map_err(|_| KeyError::Invalid)?;
                Ok(Self { curve: Curve::P256, encoded })
            }
            (Material::Okp { curve: jwk::Curve::X25519, x }, _) => {
                check_x25519(x)?;
                Ok(Self { curve: Curve::X25519, encoded: x.clone() })
            }
            _ => Err(KeyError::Unsupported("crv")),
        }
    }
}

/// What the sender contributes: an ephemeral key, and names of the parties in canonical base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    pub(super) curve: Curve,
    /// The members of the ephemeral key that matter.
    pub(super) epk: Map<String, Value>,
    pub(super) apu: Option<String>,
    pub(super) apv: Option<String>,
}

/// The members of an ephemeral key, checked. Members that are not its own are ignored, but for
/// private ones: they say that something is badly wrong at the other end.
pub(super) fn ephemeral_key(epk: &Value) -> Result<(Curve, Map<String, Value>), KeyError> {
    let members = Members::of(epk)?;
    members.check_public()?;
    let key = AgreementKey::read(&members)?;
    let own = ["kty", "crv", "x", "y"].into_iter();
    let own = own.filter_map(|name| Some((name.to_owned(), epk.get(name)?.clone())));
    Ok((key.curve, own.collect()))
}

/// Below 2^255 - 19, the one spelling that senders write, and of no small order. [RFC 7748 §5] has
/// readers take other spellings; nobody honest makes them, and each is a second text for one key.
///
/// [RFC 7748 §5]: https://www.rfc-editor.org/rfc/rfc7748#section-5
fn check_x25519(u: &[u8]) -> Result<(), KeyError> {
    let [first, middle @ .., last] = u else { return Err(KeyError::Malformed("x")) };
    let above = *last == 0x7f && middle.iter().all(|octet| *octet == 0xff) && *first >= 0xed;
    if *last >= 0x80 || above {
        return Err(KeyError::Malformed("x"));
    }
    if SMALL_ORDER.iter().any(|point| point == u) {
        return Err(KeyError::Weak("a point of small order"));
    }
    Ok(())
}

/// The canonical u-coordinates of the points of small order on Curve25519 and on its twist, in
/// little endian. With each of them the shared secret is zero, which [RFC 7748 §6.1] has checked.
///
/// [RFC 7748 §6.1]: https://www.rfc-editor.org/rfc/rfc7748#section-6.1
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_small_order_and_other_spellings_are_refused() {
        let private = agreement::PrivateKey::generate(&agreement::X25519).unwrap();
        for point in SMALL_ORDER {
            assert_eq!(check_x25519(&point), Err(KeyError::Weak("a point of small order")));
            // The engine finds the secret to be zero, which shows that the list is of such points.
            let peer = UnparsedPublicKey::new(&agreement::X25519, point);
            assert!(agreement::agree(&private, peer, (), |_| Ok(())).is_err(), "{point:x?}");
            let mut twin = point;
            twin[31] |= 0x80;
            assert_eq!(check_x25519(&twin), Err(KeyError::Malformed("x")));
        }
        for first in 0xed..=0xff {
            let mut point = [0xff; 32];
            (point[0], point[31]) = (first, 0x7f);
            assert_eq!(check_x25519(&point), Err(KeyError::Malformed("x")));
        }
        let mut nine = [0; 32];
        nine[0] = 9;
        assert_eq!(check_x25519(&nine), Ok(()));
    }
}
