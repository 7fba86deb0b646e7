//! The few DER structures that keys come in. [RFC 5208 §5], [RFC 5280 §4.1.2.7], [RFC 8017
//! Appendix A.1]
//!
//! Private keys reach this only after the engine parsed and checked them, since the engine gives
//! the numbers of an RSA key in no other form. Public keys are judged by their numbers afterwards.
//!
//! [RFC 5208 §5]: https://www.rfc-editor.org/rfc/rfc5208#section-5
//! [RFC 5280 §4.1.2.7]: https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.7
//! [RFC 8017 Appendix A.1]: https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1

use super::Curve;

const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The numbers of an RSA private key, in the order of `RSAPrivateKey`, without leading zeros.
pub(super) struct RsaNumbers<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    /// `d`, `p`, `q`, `dp`, `dq`, `qi`.
    pub(super) private: [&'a [u8]; 6],
}

pub(super) fn rsa_numbers(pkcs8: &[u8]) -> Option<RsaNumbers<'_>> {
    let mut outer = Reader(Reader(pkcs8).element(SEQUENCE)?);
    let _version = outer.element(INTEGER)?;
    let _algorithm = outer.element(SEQUENCE)?;
    let mut key = Reader(Reader(outer.element(OCTET_STRING)?).element(SEQUENCE)?);
    let _version = key.element(INTEGER)?;
    Some(RsaNumbers {
        n: key.integer()?,
        e: key.integer()?,
        private: [
            key.integer()?,
            key.integer()?,
            key.integer()?,
            key.integer()?,
            key.integer()?,
            key.integer()?,
        ],
    })
}

/// What a SubjectPublicKeyInfo says its key is for.
#[derive(Clone, Copy)]
pub(super) enum KeyKind {
    Curve(Curve),
    Rsa,
    Other,
}

/// The content of a SubjectPublicKeyInfo.
pub(super) struct Spki<'a> {
    pub(super) kind: KeyKind,
    pub(super) key: &'a [u8],
}

/// The content of an AlgorithmIdentifier: object identifier and parameters, tags and lengths
/// included. id-ecPublicKey with a named curve ([RFC 5480 §2.1]), rsaEncryption with NULL
/// ([RFC 8017 Appendix A.1]), id-Ed25519 and id-X25519 ([RFC 8410 §3]).
///
/// [RFC 5480 §2.1]: https://www.rfc-editor.org/rfc/rfc5480#section-2.1
/// [RFC 8017 Appendix A.1]: https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1
/// [RFC 8410 §3]: https://www.rfc-editor.org/rfc/rfc8410#section-3
const IDENTIFIERS: [(&[u8], KeyKind); 6] = [
    (
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
        KeyKind::Curve(Curve::P256),
    ),
    (
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22",
        KeyKind::Curve(Curve::P384),
    ),
    (
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23",
        KeyKind::Curve(Curve::P521),
    ),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", KeyKind::Rsa),
    (b"\x06\x03\x2b\x65\x70", KeyKind::Curve(Curve::Ed25519)),
    (b"\x06\x03\x2b\x65\x6e", KeyKind::Curve(Curve::X25519)),
];

pub(super) fn spki(der: &[u8]) -> Option<Spki<'_>> {
    let mut all = Reader(der);
    let mut info = Reader(all.element(SEQUENCE)?);
    let algorithm = info.element(SEQUENCE)?;
    let (unused_bits, key) = info.element(BIT_STRING)?.split_first()?;
    let kind = IDENTIFIERS.iter().find(|(identifier, _)| *identifier == algorithm);
    let complete = all.0.is_empty() && info.0.is_empty() && *unused_bits == 0;
    complete.then(|| Spki { kind: kind.map_or(KeyKind::Other, |(_, kind)| *kind), key })
}

/// `n` and `e` of an `RSAPublicKey`, without leading zeros.
pub(super) fn rsa_public_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut all = Reader(der);
    let mut key = Reader(all.element(SEQUENCE)?);
    let numbers = (key.integer()?, key.integer()?);
    (all.0.is_empty() && key.0.is_empty()).then_some(numbers)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn length(&mut self) -> Option<usize> {
        let first = usize::from(self.octet()?);
        match first {
            0..=0x7f => Some(first),
            0x81 | 0x82 => self
                .take(first - 0x80)?
                .iter()
                .try_fold(0_usize, |length, octet| Some(length << 8 | usize::from(*octet))),
            _ => None,
        }
    }

    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.octet()? != tag {
            return None;
        }
        let length = self.length()?;
        self.take(length)
    }

    /// A positive integer without its sign octet.
    fn integer(&mut self) -> Option<&'a [u8]> {
        match self.element(INTEGER)? {
            [0, magnitude @ ..] if magnitude.first().is_some_and(|octet| *octet >= 0x80) => {
                Some(magnitude)
            }
            integer @ [0x01..=0x7f, ..] => Some(integer),
            _ => None,
        }
    }
}
