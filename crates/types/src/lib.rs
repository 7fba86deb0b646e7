//! The nouns every OAuth specification shares, parsed once and redacted by default.
//!
//! | module | what it holds | specification |
//! |---|---|---|
//! | [`auth_param`] | `WWW-Authenticate` challenges and their quoted strings | [RFC 9110 §11.6.1] |
//! | [`params`] | form and query parameters | [RFC 6749 §3.1, §3.2, Appendix B] |
//! | [`scope`] | scope tokens and ordered sets of them | [RFC 6749 §3.3] |
//! | [`identifier`] | issuers, endpoints, resource identifiers, client ids, redirect URIs | [RFC 8414 §2], [RFC 8707 §2], [RFC 8252 §7.3] |
//! | [`url_pattern`] | families of URLs, for policies | |
//! | [`email`] | an e-mail address whose domain decides who may vouch for it | [RFC 5321 §4.1.2] |
//! | [`token_type`] | token type and claim token format URIs | [RFC 8693 §3] |
//! | [`secret`] | strings that do not print, compare in constant time and are wiped | |
//! | [`digest`] | SHA-256 values, their base64url form | |
//! | [`text`] | texts that are parsed as they are deserialised | |
//! | [`time`] | whole-second timestamps, lifetimes, the clock seam | |
//! | [`random`] | the randomness seam | |
//! | [`replay`] | whether a value was shown before | [RFC 7519 §4.1.7], [RFC 9449 §11.1] |
//! | [`wire`] | one table from error to wire | [RFC 6749 §5.2] |
//!
//! Nothing here waits, reads a clock or opens a socket.
//!
//! ```
//! use countersign_types::{EmailAddress, Issuer, ScopeSet};
//!
//! let issuer = Issuer::parse("https://sts.alice.example")?;
//! let alice = EmailAddress::parse("alice@Alice.EXAMPLE")?;
//! assert_eq!(alice.domain(), "alice.example");
//! let asked = ScopeSet::parse("get put")?;
//! let allowed = ScopeSet::parse("get")?;
//! assert_eq!(asked.intersection(&allowed).to_string(), "get");
//! # assert_eq!(issuer.as_str(), "https://sts.alice.example");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Algorithms and keys (`countersign-jwt`), published documents (`countersign-metadata`). The wall
//! clock and the operating system's randomness are implementations of the seams here and live in
//! `countersign-host`.
//!
//! [RFC 5321 §4.1.2]: https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2
//! [RFC 6749 §3.1, §3.2, Appendix B]: https://www.rfc-editor.org/rfc/rfc6749#section-3.1
//! [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3
//! [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
//! [RFC 7519 §4.1.7]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.7
//! [RFC 8252 §7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
//! [RFC 8414 §2]: https://www.rfc-editor.org/rfc/rfc8414#section-2
//! [RFC 8693 §3]: https://www.rfc-editor.org/rfc/rfc8693#section-3
//! [RFC 8707 §2]: https://www.rfc-editor.org/rfc/rfc8707#section-2
//! [RFC 9110 §11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
//! [RFC 9449 §11.1]: https://www.rfc-editor.org/rfc/rfc9449#section-11.1

pub mod auth_param;
pub mod digest;
pub mod email;
mod host_name;
pub mod identifier;
pub mod params;
pub mod random;
pub mod replay;
pub mod scope;
pub mod secret;
pub mod text;
pub mod time;
pub mod token_type;
pub mod url_pattern;
pub mod wire;

pub use email::EmailAddress;
pub use identifier::{ClientId, EndpointUrl, Issuer, RedirectUri, ResourceIdentifier};
pub use params::Params;
pub use scope::ScopeSet;
pub use time::{Clock, Lifetime, Timestamp};
pub use token_type::TokenType;
pub use url_pattern::UrlPattern;
pub use wire::{Wire, WireError};
