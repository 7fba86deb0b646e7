//! The curves there are.

/// A curve of the JOSE registry that a key may be on. [RFC 7518 §6.2.1.1], [RFC 8037 §2]
///
/// [RFC 7518 §6.2.1.1]: https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.1
/// [RFC 8037 §2]: https://www.rfc-editor.org/rfc/rfc8037#section-2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
    Ed25519,
    X25519,
}

impl Curve {
    /// The curves of key type `EC`.
    pub(crate) const EC: [Self; 3] = [Self::P256, Self::P384, Self::P521];
    /// The curves of key type `OKP`.
    pub(crate) const OKP: [Self; 2] = [Self::Ed25519, Self::X25519];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::X25519 => "X25519",
        }
    }

    /// Octets of one coordinate, and of a private key ([RFC 7518 §6.2.1.2]: the full length of the
    /// field, always).
    ///
    /// [RFC 7518 §6.2.1.2]: https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.2
    pub(crate) const fn octets(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}
