//! Reads and writes the documents OAuth, OpenID and UMA parties publish.
//!
//! | module | document | specification |
//! |---|---|---|
//! | [`server`] | an authorization server's or OpenID provider's metadata | [RFC 8414 §2], [OpenID Discovery §3], UMA 2.0 Grant §2, UMA 2.0 Federated Authorization §2 |
//! | [`resource`] | a protected resource's metadata | [RFC 9728 §2] |
//! | [`client`] | what a client with a URL publishes about itself | [CIMD §3, §4] |
//! | [`publish`] | how a document is answered: to be read by all, kept for a while | |
//! | [`webfinger`] | the issuer behind an e-mail address: query, answer, and the server's side of both | [RFC 7033 §4], [OpenID Discovery §2] |
//!
//! Where a document is found follows its kind, and only that place is tried: OpenID and UMA append
//! the well-known path to the issuer ([OpenID Discovery §4.1], UMA 2.0 Grant §2); RFC 8414 §3.1 and
//! RFC 9728 §3.1 insert it between host and path. What a document says of its own identity is
//! compared octet by octet with what was asked for, before anything else in it is believed.
//!
//! ```
//! use countersign_metadata::{DocumentKind, ServerMetadata, well_known};
//! use countersign_types::Issuer;
//!
//! let issuer = Issuer::parse("https://as.example/tenant")?;
//! assert_eq!(
//!     well_known(DocumentKind::OAuth, &issuer)?.as_str(),
//!     "https://as.example/.well-known/oauth-authorization-server/tenant",
//! );
//! let document = br#"{"issuer":"https://as.example/tenant","jwks_uri":"https://as.example/jwks"}"#;
//! let metadata = ServerMetadata::parse(document, &issuer)?;
//! assert!(metadata.jwks_uri.is_some());
//!
//! // A trailing slash makes another issuer.
//! let other = Issuer::parse("https://as.example/tenant/")?;
//! assert!(ServerMetadata::parse(document, &other).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! `signed_metadata` (RFC 8414 §2.1, RFC 9728 §2.2) is neither written nor read, nor are members
//! meant for people (`service_documentation`, `op_policy_uri`, ...). Documents are fetched by
//! `countersign-fetch` and kept by `countersign-resolver`.
//!
//! # Deviations
//!
//! - An endpoint that is not `https` makes a whole document malformed, also where its specification
//!   is silent.
//! - An authorization server without an authorization endpoint may lack `response_types_supported`,
//!   which RFC 8414 §2 requires and §3.2 forbids to be empty.
//! - A client's document that is silent on how it authenticates, and has keys, is read as
//!   `private_key_jwt`, since the default of RFC 7591 §2 is a shared secret.
//! - A client may accept a protected resource's document whose identifier is a segment-wise prefix
//!   of the URL called ([`resource::Unattributed::about`]), where RFC 9728 §3.3 wants the two
//!   identical.
//!
//! [CIMD §3, §4]: https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-01#section-3
//! [RFC 7033 §4]: https://www.rfc-editor.org/rfc/rfc7033#section-4
//! [RFC 8414 §2]: https://www.rfc-editor.org/rfc/rfc8414#section-2
//! [RFC 9728 §2]: https://www.rfc-editor.org/rfc/rfc9728#section-2
//! [OpenID Discovery §2]: https://openid.net/specs/openid-connect-discovery-1_0.html#IssuerDiscovery
//! [OpenID Discovery §3]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
//! [OpenID Discovery §4.1]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationRequest

pub mod client;
pub mod publish;
pub mod resource;
pub mod server;
pub mod webfinger;

pub use client::{ClientIdUrl, ClientKeys, ClientMetadata};
pub use resource::ProtectedResourceMetadata;
pub use server::{DocumentKind, MetadataError, ServerMetadata, well_known};
pub use webfinger::Jrd;
