//! The public numbers of a key: their checks, their JSON form, their thumbprint.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
};
use countersign_types::digest::Digest;
use serde_json::{Map, Value};

use super::KeyError;
use super::members::Members;
use crate::alg::Algorithm;
use crate::base64url;

/// The numbers that make a public key.
pub(super) enum Material {
    Ec { x: Vec<u8>, y: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Okp { x: Vec<u8> },
}

/// Octets of one coordinate ([RFC 7518 §6.2.1.2]: the full length of the field, always).
///
/// [RFC 7518 §6.2.1.2]: https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.2
const fn coordinate_len(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Es384 => 48,
        _ => 32,
    }
}

const fn curve(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es384 => "P-384",
        Algorithm::Ed25519 => "Ed25519",
        _ => "P-256",
    }
}

impl Material {
    pub(super) fn read(algorithm: Algorithm, members: &Members<'_>) -> Result<Self, KeyError> {
        Ok(match algorithm {
            Algorithm::Es256 | Algorithm::Es384 => {
                Self::Ec { x: members.octets("x")?.to_vec(), y: members.octets("y")?.to_vec() }
            }
            Algorithm::Rs256 | Algorithm::Ps256 => {
                Self::Rsa { n: members.integer("n")?.to_vec(), e: members.integer("e")?.to_vec() }
            }
            Algorithm::Ed25519 => Self::Okp { x: members.octets("x")?.to_vec() },
        })
    }

    /// The numbers of an uncompressed point, `04 || X || Y`.
    pub(super) fn of_point(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyError> {
        let (tag, coordinates) = point.split_first().ok_or(KeyError::Invalid)?;
        let (x, y) =
            coordinates.split_at_checked(coordinate_len(algorithm)).ok_or(KeyError::Invalid)?;
        if *tag != 4 {
            return Err(KeyError::Invalid);
        }
        Ok(Self::Ec { x: x.to_vec(), y: y.to_vec() })
    }

    /// Checks the numbers and hands them to the engine.
    pub(super) fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        match self {
            Self::Ec { x, y } => {
                let length = coordinate_len(algorithm);
                for (name, coordinate) in [("x", x), ("y", y)] {
                    if coordinate.len() != length {
                        return Err(KeyError::Malformed(name));
                    }
                }
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let parsed = match algorithm {
                    Algorithm::Es384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point),
                    _ => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
                };
                // The engine refuses a point off the curve ([RFC 8725 §3.4]).
                parsed.map_err(|_| KeyError::Invalid)
            }
            Self::Rsa { n, e } => {
                check_rsa(n, e)?;
                let parameters = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                let numbers = PublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
                numbers.to_parsed_public_key(parameters).map_err(|_| KeyError::Invalid)
            }
            Self::Okp { x } => {
                let point: &[u8; 32] =
                    x.as_slice().try_into().map_err(|_| KeyError::Malformed("x"))?;
                check_ed25519(point)?;
                ParsedPublicKey::new(&ED25519, point).map_err(|_| KeyError::Invalid)
            }
        }
    }

    /// The members that the thumbprint covers, in its order: lexicographic. [RFC 7638 §3.2]
    ///
    /// [RFC 7638 §3.2]: https://www.rfc-editor.org/rfc/rfc7638#section-3.2
    fn members(&self, algorithm: Algorithm) -> Vec<(&'static str, String)> {
        match self {
            Self::Ec { x, y } => vec![
                ("crv", curve(algorithm).to_owned()),
                ("kty", "EC".to_owned()),
                ("x", base64url::encode(x)),
                ("y", base64url::encode(y)),
            ],
            Self::Rsa { n, e } => vec![
                ("e", base64url::encode(e)),
                ("kty", "RSA".to_owned()),
                ("n", base64url::encode(n)),
            ],
            Self::Okp { x } => vec![
                ("crv", curve(algorithm).to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", base64url::encode(x)),
            ],
        }
    }

    /// SHA-256 over the required members. [RFC 7638 §3](https://www.rfc-editor.org/rfc/rfc7638#section-3)
    pub(super) fn thumbprint(&self, algorithm: Algorithm) -> Digest {
        // Written by hand, since a serializer keeps the order of its map, which is a build's choice.
        let members: Vec<String> = self
            .members(algorithm)
            .into_iter()
            .map(|(name, value)| format!("\"{name}\":\"{value}\""))
            .collect();
        Digest::of(format!("{{{}}}", members.join(",")).as_bytes())
    }

    pub(super) fn to_jwk(&self, algorithm: Algorithm, kid: Option<&str>) -> Map<String, Value> {
        let mut jwk: Map<String, Value> = self
            .members(algorithm)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect();
        jwk.insert("use".to_owned(), "sig".into());
        jwk.insert("alg".to_owned(), algorithm.name().into());
        if let Some(kid) = kid {
            jwk.insert("kid".to_owned(), kid.into());
        }
        jwk
    }
}

/// [RFC 7518 §3.3] sets the lower bound of the size; the upper one bounds the work of one verification.
///
/// [RFC 7518 §3.3]: https://www.rfc-editor.org/rfc/rfc7518#section-3.3
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let leading = n.first().map_or(8, |octet| octet.leading_zeros() as usize);
    let bits = (n.len() * 8).saturating_sub(leading);
    if !(2048..=8192).contains(&bits) {
        return Err(KeyError::Weak("an RSA modulus is of 2048 to 8192 bits"));
    }
    if n.last().is_none_or(|octet| octet % 2 == 0) {
        return Err(KeyError::Weak("the modulus is even"));
    }
    if e.len() > 8 {
        return Err(KeyError::Malformed("e"));
    }
    let exponent = e.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
    if exponent < 65537 || exponent % 2 == 0 {
        return Err(KeyError::Weak("the public exponent is even or below 65537"));
    }
    if has_roca_structure(n) {
        return Err(KeyError::Weak("the modulus has the structure that ROCA factors"));
    }
    Ok(())
}

/// Whether a modulus is a power of 65537 modulo each of the first odd primes, as every modulus is
/// that came out of the key generator that ROCA names. An honest modulus passes for one by a
/// chance of less than one in a hundred million.
fn has_roca_structure(n: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|&prime| {
        let residue = n.iter().fold(0, |value, octet| (value * 256 + u32::from(*octet)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            let hit = power == residue;
            power = power * (65537 % prime) % prime;
            hit
        })
    })
}

/// The y-coordinates of the points of order 1, 2, 4 and 8, in little endian without the sign bit.
/// The two of order 8 are those of RFC 7748's curve in its Edwards form.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

fn check_ed25519(point: &[u8; 32]) -> Result<(), KeyError> {
    let [first, middle @ .., last] = point;
    let sign_cleared = last & 0x7f;
    // p = 2^255 - 19: every y from p upwards is another spelling of a smaller one.
    let canonical =
        !(sign_cleared == 0x7f && middle.iter().all(|octet| *octet == 0xff) && *first >= 0xed);
    if !canonical {
        return Err(KeyError::Malformed("x"));
    }
    let small = SMALL_ORDER.iter().any(|[small_first, small_middle @ .., small_last]| {
        small_first == first && small_middle == middle && *small_last == sign_cleared
    });
    if small { Err(KeyError::Weak("a point of small order")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roca_structure_is_seen_and_nothing_else() {
        // A number that is a power of 65537 modulo every prime: a power of 65537 itself.
        let powers = [vec![1, 0, 1], vec![1, 0, 2, 0, 1], vec![1, 0, 3, 0, 3, 0, 1]];
        for power in powers {
            assert!(has_roca_structure(&power));
        }
        assert!(!has_roca_structure(&[1, 0, 3]));
        assert!(!has_roca_structure(&[0xff; 256]));
    }

    #[test]
    fn exponents_and_sizes() {
        let modulus = [0xff; 256];
        assert_eq!(check_rsa(&modulus, &[1, 0, 1]), Ok(()));
        for exponent in [&[1][..], &[3], &[17], &[1, 0, 0], &[1, 0, 2], &[0xff, 0xff], &[]] {
            assert!(
                matches!(check_rsa(&modulus, exponent), Err(KeyError::Weak(_))),
                "{exponent:?}"
            );
        }
        assert_eq!(check_rsa(&modulus, &[1; 9]), Err(KeyError::Malformed("e")));
        for len in [0, 1, 128, 255, 1025, 2048] {
            assert!(matches!(check_rsa(&vec![0xff; len], &[1, 0, 1]), Err(KeyError::Weak(_))));
        }
        let mut short = modulus;
        short[0] = 0x7f;
        assert!(matches!(check_rsa(&short, &[1, 0, 1]), Err(KeyError::Weak(_))), "2047 bits");
        let mut even = modulus;
        even[255] = 0xfe;
        assert!(matches!(check_rsa(&even, &[1, 0, 1]), Err(KeyError::Weak(_))));
    }

    #[test]
    fn small_order_and_other_spellings_are_refused() {
        for point in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = point;
                point[31] |= sign;
                assert!(check_ed25519(&point).is_err(), "{point:?}");
            }
        }
        for first in 0xed..=0xff {
            for last in [0x7f, 0xff] {
                let mut point = [0xff; 32];
                point[0] = first;
                point[31] = last;
                assert_eq!(check_ed25519(&point), Err(KeyError::Malformed("x")));
            }
        }
        let mut below = [0xff; 32];
        (below[0], below[31]) = (0xeb, 0x7f);
        assert_eq!(check_ed25519(&below), Ok(()));
    }
}
