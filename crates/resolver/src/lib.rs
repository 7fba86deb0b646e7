//! Finds and caches foreign keys and the issuer behind an e-mail address.
//!
//! | type | what it finds | specification |
//! |---|---|---|
//! | [`RemoteKeys`] | the JWK set behind a `jwks_uri` | [RFC 7517 §5], [OpenID Core §10.1.1] |
//! | [`ServerMetadataCache`] | an issuer's metadata | [RFC 8414 §3], [OpenID Discovery §4], UMA 2.0 Grant §2 |
//! | [`IssuerCache`] | the metadata and the keys of one issuer that is trusted beforehand | the same |
//! | [`ResourceMetadataCache`] | what a resource server publishes about itself | [RFC 9728 §3] |
//! | [`ClientDocuments`] | what a client with a URL publishes about itself, and its keys | [CIMD §4] |
//! | [`UrlClientRules`] | what such a client may do, where a server has a rule for it | [CIMD §5] |
//! | [`IssuerResolver`] | which issuer speaks for an e-mail address | [RFC 7033], [OpenID Discovery §2] |
//!
//! All of it goes out through one [`Fetch`](countersign_fetch::Fetch), which guards what is
//! reached. What is found is untrusted until a signature made with it has been verified *and* the
//! issuer was compared with the one a token names.
//!
//! They share their rules. Requests for one thing at one time cost one fetch. What was found is
//! fresh for a while, and kept a while longer if it cannot be fetched again. A failure of the
//! network is told to those who wait and not remembered; an answer that says "no" is remembered
//! briefly. All caches are bounded.
//!
//! ```
//! use std::sync::Arc;
//! use countersign_fetch::{Fetch, FetchError, Request};
//! use countersign_fetch::request::BoxFuture;
//! use countersign_resolver::{IssuerConfig, IssuerResolver, Via};
//! use countersign_types::{Clock, EmailAddress, Timestamp};
//!
//! # struct Fixed;
//! # impl Clock for Fixed { fn now(&self) -> Timestamp { Timestamp::from_unix(1_800_000_000) } }
//! /// A world of two documents.
//! struct World;
//! impl Fetch for World {
//!     fn fetch(&self, request: Request) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, FetchError>> {
//!         let body = match request.url.as_url().path() {
//!             "/.well-known/webfinger" => r#"{"links":[{
//!                 "rel":"http://openid.net/specs/connect/1.0/issuer",
//!                 "href":"https://sts.alice.example"}]}"#,
//!             _ => r#"{"issuer":"https://sts.alice.example","jwks_uri":"https://sts.alice.example/jwks"}"#,
//!         };
//!         Box::pin(async move { Ok(http::Response::new(body.into())) })
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let resolver = IssuerResolver::new(Arc::new(World), Arc::new(Fixed), &IssuerConfig::default());
//! let alice = EmailAddress::parse("alice@alice.example")?;
//! let found = resolver.resolve(&alice).await?;
//! assert_eq!(found.issuer.as_str(), "https://sts.alice.example");
//! assert_eq!(found.via, Via::WebFinger);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! `Cache-Control` and `Expires` of the documents: the lifetimes are ours, so that a removed key is
//! refused after ten minutes whatever its publisher promises. Which issuers are trusted is the
//! caller's policy.
//!
//! # Deviations
//!
//! Where a domain has no WebFinger, its well-known documents are tried, which OpenID Discovery does
//! not define; see [`IssuerResolver`].
//!
//! [CIMD §4]: https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-01#section-4
//! [CIMD §5]: https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-01#section-5
//! [RFC 7033]: https://www.rfc-editor.org/rfc/rfc7033
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5
//! [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3
//! [RFC 9728 §3]: https://www.rfc-editor.org/rfc/rfc9728#section-3
//! [OpenID Core §10.1.1]: https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys
//! [OpenID Discovery §2]: https://openid.net/specs/openid-connect-discovery-1_0.html#IssuerDiscovery
//! [OpenID Discovery §4]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig

pub mod client;
pub mod issuer;
pub mod issuer_cache;
pub mod keys;
pub mod metadata;
pub mod url_clients;

mod budget;
mod cache;
#[cfg(test)]
mod world;

pub use client::{ClientDocuments, ClientDocumentsConfig, ClientError, ResolvedClient};
pub use issuer::{DiscoveredIssuer, DiscoveryError, IssuerConfig, IssuerResolver, Via};
pub use issuer_cache::IssuerCache;
pub use keys::{KeysConfig, KeysError, RemoteKeys};
pub use metadata::{
    MetadataConfig, ResourceMetadataCache, ResourceMetadataError, ServerMetadataCache,
    ServerMetadataError,
};
pub use url_clients::{UrlClient, UrlClientRule, UrlClientRules};
