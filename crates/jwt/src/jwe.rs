//! Encrypted tokens: the compact serialization of JWE. [RFC 7516 §7.1]
//!
//! ```text
//! &str --parse--> Encrypted --decrypt(key)--> Decrypted --nested--> Unverified --> … --> Verified
//! ```
//!
//! To decrypt is not to authenticate: whoever knows a public key can encrypt to it. So nothing
//! here makes a [`Verified`](crate::Verified), or claims of any kind, and a [`Decrypted`] is
//! good for one thing where a token is expected: to take the signed token out of it and judge that
//! ([RFC 7519 §5.2], [RFC 8725 §3.3]). A token inside is a signed one; one level of encryption
//! is all there is.
//!
//! ```compile_fail,E0308
//! use countersign_jwt::{Verified, jwe::Decrypted};
//!
//! fn act_upon(_: &Verified) {}
//!
//! fn take_encryption_for_a_signature(decrypted: &Decrypted) {
//!     act_upon(decrypted)
//! }
//! ```
//!
//! Of what can go wrong with an encrypted key, a tag or a padding, one error is told, after the
//! same work: a key that cannot be unwrapped is replaced by a random one, and the tag fails under
//! it ([RFC 7516 §11.5]).
//!
//! ```
//! use countersign_jwt::{Algorithm, KeySet, Policy, SigningKey, Typ, sign};
//! use countersign_jwt::jwe::{ContentEncryption, Curve, DecryptionKey, Encrypted, Encrypter, NewKey};
//! use countersign_types::Timestamp;
//!
//! let signer = SigningKey::generate(Algorithm::Es256, Some("s"))?;
//! let recipient = DecryptionKey::generate(NewKey::EcdhEs(Curve::X25519), Some("r"))?;
//! let signed = sign("example+jwt", &signer, &serde_json::json!({ "sub": "alice", "exp": 9 }))?;
//! let token = Encrypter::new(&recipient.encryption_key()?, ContentEncryption::A256Gcm)
//!     .encrypt_jwt(&signed)?;
//!
//! // At the other end.
//! let decrypted = Encrypted::parse(&token)?.decrypt(&recipient)?;
//! let policy = Policy::new(Typ::Is("example+jwt"));
//! let checked = decrypted.nested()?.check(&policy, Timestamp::from_unix(1))?;
//! let verified = checked.verify(&KeySet::from_keys(vec![signer.public().clone()])?)?;
//! assert_eq!(verified.claims().str("sub")?, Some("alice"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [RFC 7516 §7.1]: https://www.rfc-editor.org/rfc/rfc7516#section-7.1
//! [RFC 7516 §11.5]: https://www.rfc-editor.org/rfc/rfc7516#section-11.5
//! [RFC 7519 §5.2]: https://www.rfc-editor.org/rfc/rfc7519#section-5.2
//! [RFC 8725 §3.3]: https://www.rfc-editor.org/rfc/rfc8725#section-3.3

mod agreement;
mod alg;
mod content;
mod decrypt;
mod encrypt;
mod engine;
mod header;
mod key;
mod numbers;
#[cfg(test)]
mod tests;

pub use agreement::Curve;
pub use alg::{ContentEncryption, KeyManagement};
pub use decrypt::{DecryptError, Decrypted, Encrypted, Malformed, NestedError};
pub use encrypt::{EncryptError, Encrypter};
pub use header::Header;
pub use key::{DecryptionKey, EncryptionKey, NewKey};
