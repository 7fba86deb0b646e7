//! Keys and key sets, and an unverified token turned into verified claims under a stated policy.
//!
//! | module | what it holds | specification |
//! |---|---|---|
//! | [`alg`] | the algorithms there are; the seams [`Sign`] and [`Verify`] | [RFC 7518 §3], [RFC 8037 §3.1], [RFC 9864 §2.2] |
//! | [`jwk`] | public and private keys, their checks, thumbprints | [RFC 7517 §4], [RFC 7518 §6], [RFC 7638] |
//! | [`jwks`] | sets of public keys, our own and foreign ones | [RFC 7517 §5] |
//! | [`ring`] | the keys an issuer signs with while they rotate | |
//! | [`jws`] | the compact serialization, of claims and of any payload | [RFC 7515 §7.1] |
//! | [`mac`] | MACs by a shared secret, behind a door of their own | [RFC 7518 §3.2] |
//! | [`claims`] | typed access to claims | [RFC 7519 §4] |
//! | [`policy`] | what a token has to say to be accepted | [RFC 7519 §4.1], [RFC 8725 §3] |
//! | [`verify`](mod@verify) | the states from text to verified claims | [RFC 7519 §7.2] |
//! | [`own_key`] | tokens that bring their key, to prove that somebody has it | [RFC 9449 §4.2] |
//! | [`json`] | JSON with one reading | [RFC 8725 §2.6] |
//! | [`act`] | who acts for the subject, and for whom before | [RFC 8693 §4.1] |
//! | [`cnf`] | the key a token is bound to | [RFC 7800 §3.1] |
//! | [`refusal`] | the codes of all refusals, for machines | |
//! | `jwe` | encrypted tokens, by the feature `josekit` | [RFC 7516] |
//! | `convert` | PEM and DER, by the feature `josekit` | [RFC 7468], [RFC 5958] |
//!
//! ```
//! use countersign_jwt::{Algorithm, KeySet, Policy, SigningKey, Typ, Unverified, sign};
//! use countersign_types::{Lifetime, Timestamp};
//! use serde_json::json;
//!
//! let key = SigningKey::generate(Algorithm::Es256, None)?;
//! let now = Timestamp::from_unix(1_800_000_000);
//! let token = sign("uma-claims+jwt", &key, &json!({
//!     "iss": "https://sts.alice.example",
//!     "aud": "https://uma.bob.example",
//!     "iat": now,
//!     "exp": now.after(Lifetime::from_secs(120)),
//!     "email": "alice@alice.example",
//! }))?;
//!
//! // At the other end: claims first, since they say whose keys to fetch; then the signature.
//! let policy = Policy::new(Typ::Is("uma-claims+jwt"))
//!     .issuer("https://sts.alice.example")
//!     .audience_sole("https://uma.bob.example")
//!     .max_lifetime(Lifetime::from_secs(300));
//! let checked = Unverified::parse(&token)?.check(&policy, now)?;
//! let keys = KeySet::from_keys(vec![key.public().clone()])?;
//! let verified = checked.verify(&keys)?;
//! assert_eq!(verified.claims().str("email")?, Some("alice@alice.example"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Keys are parsed once and computed with by aws-lc-rs; a key in a device joins by [`Sign`].
//!
//! # What is left out
//!
//! Detached and JSON serializations, key management by password (PBES2) or RSA1_5, compressed
//! contents, encryption within encryption. Fetching: nothing here opens a socket or reads a clock.
//! Remembering: single use of a `jti` belongs to a store. A verified token may have a twin of
//! another text (ECDSA signatures can be rewritten by anyone), so a store or cache is to key on
//! issuer and `jti`, never on the text.
//!
//! # Deviations
//!
//! Stricter than the specifications allow: `exp` is always required, `crit` and `b64` are always
//! refused, tokens end at 16 KiB and JSON at 16 levels, dates are never negative, an RSA key
//! without `alg` is for RS256 only.
//!
//! # Features
//!
//! `josekit` (default) adds `convert` and `jwe` and brings OpenSSL, which `vendored-openssl`
//! (default) builds from source unless `OPENSSL_NO_VENDOR=1` is set. Without them there is no
//! OpenSSL.
//!
//! [RFC 5958]: https://www.rfc-editor.org/rfc/rfc5958
//! [RFC 7468]: https://www.rfc-editor.org/rfc/rfc7468
//! [RFC 7515 §7.1]: https://www.rfc-editor.org/rfc/rfc7515#section-7.1
//! [RFC 7516]: https://www.rfc-editor.org/rfc/rfc7516
//! [RFC 7517 §4]: https://www.rfc-editor.org/rfc/rfc7517#section-4
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5
//! [RFC 7518 §3]: https://www.rfc-editor.org/rfc/rfc7518#section-3
//! [RFC 7518 §3.2]: https://www.rfc-editor.org/rfc/rfc7518#section-3.2
//! [RFC 7518 §6]: https://www.rfc-editor.org/rfc/rfc7518#section-6
//! [RFC 7519 §4]: https://www.rfc-editor.org/rfc/rfc7519#section-4
//! [RFC 7519 §4.1]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1
//! [RFC 7519 §7.2]: https://www.rfc-editor.org/rfc/rfc7519#section-7.2
//! [RFC 7638]: https://www.rfc-editor.org/rfc/rfc7638
//! [RFC 7800 §3.1]: https://www.rfc-editor.org/rfc/rfc7800#section-3.1
//! [RFC 9449 §4.2]: https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//! [RFC 8037 §3.1]: https://www.rfc-editor.org/rfc/rfc8037#section-3.1
//! [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
//! [RFC 8725 §2.6]: https://www.rfc-editor.org/rfc/rfc8725#section-2.6
//! [RFC 8725 §3]: https://www.rfc-editor.org/rfc/rfc8725#section-3
//! [RFC 9864 §2.2]: https://www.rfc-editor.org/rfc/rfc9864#section-2.2

pub mod act;
pub mod alg;
mod base64url;
pub mod claims;
pub mod cnf;
#[cfg(feature = "josekit")]
pub mod convert;
mod engine;
pub mod json;
#[cfg(feature = "josekit")]
pub mod jwe;
pub mod jwk;
pub mod jwks;
pub mod jws;
pub mod mac;
mod object;
pub mod own_key;
pub mod policy;
pub mod refusal;
pub mod ring;
pub mod verify;
mod wiped;

pub use alg::{Algorithm, BadSignature, Sign, SignError, Verify};
pub use claims::{ClaimError, Claims};
pub use jwk::{KeyError, PublicKey, SigningKey};
pub use jwks::KeySet;
pub use jws::{Malformed, sign};
pub use policy::{Policy, Typ};
pub use refusal::Refusal;
pub use ring::SigningRing;
pub use verify::{Checked, TokenError, Unverified, Verified, VerifyError};

/// The README's code, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
