//! Known keys. They are published here, so whatever they sign proves nothing.

use countersign_jwt::SigningKey;

/// A P-256 key for ES256, as a JWK.
pub const ES256_A: &str = include_str!("keys/es256-a.json");
/// Another P-256 key.
pub const ES256_B: &str = include_str!("keys/es256-b.json");
/// A third P-256 key.
pub const ES256_C: &str = include_str!("keys/es256-c.json");
/// A 2048-bit RSA key for RS256, as a JWK.
pub const RS256_A: &str = include_str!("keys/rs256-a.json");
/// Another RSA key.
pub const RS256_B: &str = include_str!("keys/rs256-b.json");

/// One of the keys above, ready to sign.
///
/// # Panics
/// If the text is no private JWK.
#[must_use]
#[expect(clippy::expect_used, reason = "a test stops at once without its key")]
pub fn signing(jwk: &str) -> SigningKey {
    SigningKey::from_json(jwk.as_bytes()).expect("a private JWK")
}
