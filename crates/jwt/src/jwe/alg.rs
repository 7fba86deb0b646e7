//! The key management and content encryption algorithms there are.

use std::fmt;

/// How the content encryption key comes about: the `alg` of a JWE. The list is closed, and names
/// are compared octet for octet.
///
/// Not on it, and so as unknown as any misspelling: `RSA1_5`, whose padding is an oracle
/// ([RFC 8725 §3.2]), and the `PBES2` family, by which the sender sets how much the reader works.
///
/// [RFC 8725 §3.2]: https://www.rfc-editor.org/rfc/rfc8725#section-3.2
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyManagement {
    /// A shared key encrypts the content. [RFC 7518
    /// §4.5](https://www.rfc-editor.org/rfc/rfc7518#section-4.5)
    Dir,
    /// A shared key wraps the key. [RFC 7518
    /// §4.4](https://www.rfc-editor.org/rfc/rfc7518#section-4.4)
    A256Kw,
    /// The key is agreed on with an ephemeral key, on P-256 or X25519.
    /// [RFC 7518 §4.6](https://www.rfc-editor.org/rfc/rfc7518#section-4.6),
    /// [RFC 8037 §3.2](https://www.rfc-editor.org/rfc/rfc8037#section-3.2)
    EcdhEs,
    /// The key that wraps the key is agreed on likewise. [RFC 7518
    /// §4.6](https://www.rfc-editor.org/rfc/rfc7518#section-4.6)
    EcdhEsA256Kw,
    /// RSAES-OAEP with SHA-256. [RFC 7518 §4.3](https://www.rfc-editor.org/rfc/rfc7518#section-4.3)
    RsaOaep256,
}

impl KeyManagement {
    /// Every key management algorithm there is.
    pub const ALL: &'static [Self] =
        &[Self::Dir, Self::A256Kw, Self::EcdhEs, Self::EcdhEsA256Kw, Self::RsaOaep256];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::A256Kw => "A256KW",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }

    /// The algorithm of this name, compared octet for octet.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Whether an ephemeral key of the sender takes part.
    pub(super) const fn agrees(self) -> bool {
        matches!(self, Self::EcdhEs | Self::EcdhEsA256Kw)
    }
}

impl fmt::Display for KeyManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the content is encrypted and authenticated: the `enc` of a JWE. The list is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentEncryption {
    /// AES-GCM with a key of 128 bits. [RFC 7518
    /// §5.3](https://www.rfc-editor.org/rfc/rfc7518#section-5.3)
    A128Gcm,
    /// AES-GCM with a key of 256 bits. [RFC 7518
    /// §5.3](https://www.rfc-editor.org/rfc/rfc7518#section-5.3)
    A256Gcm,
    /// AES-CBC and HMAC SHA-256. [RFC 7518
    /// §5.2.3](https://www.rfc-editor.org/rfc/rfc7518#section-5.2.3)
    A128CbcHs256,
    /// AES-CBC and HMAC SHA-512. [RFC 7518
    /// §5.2.5](https://www.rfc-editor.org/rfc/rfc7518#section-5.2.5)
    A256CbcHs512,
}

impl ContentEncryption {
    /// Every content encryption algorithm there is.
    pub const ALL: &'static [Self] =
        &[Self::A128Gcm, Self::A256Gcm, Self::A128CbcHs256, Self::A256CbcHs512];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    /// The algorithm of this name, compared octet for octet.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Octets of the content encryption key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A256CbcHs512 => 64,
        }
    }

    /// Octets of the initialization vector.
    pub(super) const fn iv_len(self) -> usize {
        match self {
            Self::A128Gcm | Self::A256Gcm => 12,
            Self::A128CbcHs256 | Self::A256CbcHs512 => 16,
        }
    }

    /// Octets of the authentication tag.
    pub(super) const fn tag_len(self) -> usize {
        match self {
            Self::A128Gcm | Self::A256Gcm | Self::A128CbcHs256 => 16,
            Self::A256CbcHs512 => 32,
        }
    }

    /// Whether a ciphertext can have this length: whole blocks, at least one, for CBC.
    pub(super) const fn fits(self, ciphertext_len: usize) -> bool {
        match self {
            Self::A128Gcm | Self::A256Gcm => true,
            Self::A128CbcHs256 | Self::A256CbcHs512 => {
                ciphertext_len > 0 && ciphertext_len.is_multiple_of(16)
            }
        }
    }
}

impl fmt::Display for ContentEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_octet_for_octet() {
        for algorithm in KeyManagement::ALL {
            assert_eq!(KeyManagement::from_name(algorithm.name()), Some(*algorithm));
        }
        for algorithm in ContentEncryption::ALL {
            assert_eq!(ContentEncryption::from_name(algorithm.name()), Some(*algorithm));
        }
        for name in ["", "DIR", "none", "RSA1_5", "RSA-OAEP", "A128KW", "PBES2-HS256+A128KW"] {
            assert_eq!(KeyManagement::from_name(name), None, "{name:?}");
        }
        for name in ["", "a128gcm", "A192GCM", "A192CBC-HS384", "A128CBC"] {
            assert_eq!(ContentEncryption::from_name(name), None, "{name:?}");
        }
    }
}
