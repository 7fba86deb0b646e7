//! The numbers of a key: read, checked, written, and their thumbprint.

use countersign_types::digest::Digest;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::members::Members;
use super::{Curve, KeyError, ed25519, rsa};
use crate::alg::Algorithm;
use crate::base64url;
use crate::engine::aws_lc::{self, Verifier};

/// The numbers that make a public key, or a secret one that has no public half.
#[derive(Clone)]
pub(crate) enum Material {
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Okp { curve: Curve, x: Vec<u8> },
    Oct { k: Zeroizing<Vec<u8>> },
}

impl Material {
    /// Reads the public members, or `k`, of whatever type the key is. Nothing is checked but their
    /// presence and encoding.
    pub(crate) fn read(members: &Members<'_>) -> Result<Self, KeyError> {
        let curve = |known: &[Curve]| {
            let name = members.required("crv")?;
            let found = known.iter().find(|curve| curve.name() == name);
            found.copied().ok_or(KeyError::Unsupported("crv"))
        };
        Ok(match members.required("kty")? {
            "EC" => Self::Ec {
                curve: curve(&Curve::EC)?,
                x: members.octets("x")?.to_vec(),
                y: members.octets("y")?.to_vec(),
            },
            "RSA" => {
                Self::Rsa { n: members.integer("n")?.to_vec(), e: members.integer("e")?.to_vec() }
            }
            "OKP" => Self::Okp { curve: curve(&Curve::OKP)?, x: members.octets("x")?.to_vec() },
            "oct" => Self::Oct { k: members.octets("k")? },
            _ => return Err(KeyError::Unsupported("kty")),
        })
    }

    /// The numbers of an uncompressed point, `04 || X || Y`.
    pub(crate) fn of_point(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        let (tag, coordinates) = point.split_first().ok_or(KeyError::Invalid)?;
        let (x, y) = coordinates.split_at_checked(curve.octets()).ok_or(KeyError::Invalid)?;
        if *tag != 4 {
            return Err(KeyError::Invalid);
        }
        Ok(Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// `04 || X || Y` for a key on one of the curves of key type `EC`.
    pub(crate) fn point(&self) -> Option<Vec<u8>> {
        match self {
            Self::Ec { x, y, .. } => Some([&[4], x.as_slice(), y.as_slice()].concat()),
            Self::Rsa { .. } | Self::Okp { .. } | Self::Oct { .. } => None,
        }
    }

    /// The algorithms that may sign with such a key; the first is meant where a key names none.
    pub(crate) const fn signature_algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::Ec { curve: Curve::P256, .. } => &[Algorithm::Es256],
            Self::Ec { curve: Curve::P384, .. } => &[Algorithm::Es384],
            Self::Ec { curve: Curve::P521, .. } => &[Algorithm::Es512],
            Self::Rsa { .. } => &[
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
            ],
            Self::Okp { curve: Curve::Ed25519, .. } => &[Algorithm::Ed25519],
            Self::Ec { .. } | Self::Okp { .. } | Self::Oct { .. } => &[],
        }
    }

    /// Checks lengths and sizes; of a point, not yet that it is on its curve.
    pub(crate) fn check_numbers(&self) -> Result<(), KeyError> {
        match self {
            Self::Ec { curve, x, y } => {
                for (name, coordinate) in [("x", x), ("y", y)] {
                    if coordinate.len() != curve.octets() {
                        return Err(KeyError::Malformed(name));
                    }
                }
                Ok(())
            }
            Self::Rsa { n, e } => rsa::check(n, e),
            Self::Okp { curve, x } => {
                let point: &[u8; 32] =
                    x.as_slice().try_into().map_err(|_| KeyError::Malformed("x"))?;
                if *curve == Curve::Ed25519 { ed25519::check(point) } else { Ok(()) }
            }
            Self::Oct { .. } => Ok(()),
        }
    }

    /// Checks the numbers and hands them to the engine.
    pub(crate) fn verifier(&self, algorithm: Algorithm) -> Result<Verifier, KeyError> {
        self.check_numbers()?;
        let parsed = match self {
            // The engine refuses a point off the curve ([RFC 8725 §3.4]).
            Self::Ec { curve, .. } => {
                self.point().and_then(|point| aws_lc::ec_verifier(*curve, &point))
            }
            Self::Rsa { n, e } => aws_lc::rsa_verifier(algorithm, n, e),
            Self::Okp { x, .. } => x.as_slice().try_into().ok().and_then(aws_lc::ed25519_verifier),
            Self::Oct { .. } => None,
        };
        parsed.ok_or(KeyError::Invalid)
    }

    /// The members that the thumbprint covers, in its order: lexicographic. [RFC 7638 §3.2],
    /// [RFC 8037 §2]
    ///
    /// [RFC 7638 §3.2]: https://www.rfc-editor.org/rfc/rfc7638#section-3.2
    /// [RFC 8037 §2]: https://www.rfc-editor.org/rfc/rfc8037#section-2
    fn members(&self) -> Vec<(&'static str, Zeroizing<String>)> {
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let octets = |octets: &[u8]| Zeroizing::new(base64url::encode(octets));
        match self {
            Self::Ec { curve, x, y } => vec![
                ("crv", text(curve.name())),
                ("kty", text("EC")),
                ("x", octets(x)),
                ("y", octets(y)),
            ],
            Self::Rsa { n, e } => vec![("e", octets(e)), ("kty", text("RSA")), ("n", octets(n))],
            Self::Okp { curve, x } => {
                vec![("crv", text(curve.name())), ("kty", text("OKP")), ("x", octets(x))]
            }
            Self::Oct { k } => vec![("k", octets(k)), ("kty", text("oct"))],
        }
    }

    /// SHA-256 over the required members. [RFC 7638
    /// §3](https://www.rfc-editor.org/rfc/rfc7638#section-3)
    pub(crate) fn thumbprint(&self) -> Digest {
        // Written by hand, since a serializer keeps the order of its map, which is a build's
        // choice.
        let mut text = Zeroizing::new(String::with_capacity(1024));
        text.push('{');
        for (index, (name, value)) in self.members().into_iter().enumerate() {
            text.push_str(if index == 0 { "\"" } else { ",\"" });
            text.push_str(name);
            text.push_str("\":\"");
            text.push_str(&value);
            text.push('"');
        }
        text.push('}');
        Digest::of(text.as_bytes())
    }

    /// The public members as JSON, with `use`, `alg` and, where there is one, `kid`.
    pub(crate) fn to_jwk(
        &self,
        public_key_use: &str,
        algorithm: &str,
        kid: Option<&str>,
    ) -> Map<String, Value> {
        let mut jwk: Map<String, Value> = self
            .members()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value.to_string())))
            .collect();
        jwk.insert("use".to_owned(), public_key_use.into());
        jwk.insert("alg".to_owned(), algorithm.into());
        if let Some(kid) = kid {
            jwk.insert("kid".to_owned(), kid.into());
        }
        jwk
    }
}
