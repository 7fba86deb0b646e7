//! One outbound HTTP client that trusts no URL.
//!
//! Most URLs an authorization server fetches were chosen by another party: an issuer's metadata, a
//! `jwks_uri`, the WebFinger host of an e-mail domain. [`HttpFetch`] is the one way out, and every
//! [`Request`] says with its [`Limits`] what it is prepared to take.
//!
//! | threat | answer |
//! |---|---|
//! | server-side request forgery ([RFC 9728 §7.7], [RFC 6890]) | only public addresses ([`guard`]), checked on the address the connection is made to |
//! | DNS rebinding | names are resolved once; the vetted address is what is connected to |
//! | redirects | none followed; WebFinger alone up to two, each hop vetted anew ([RFC 7033 §4.2]) |
//! | large, endless, slow answers | bytes counted while reading, one deadline over everything |
//! | a domain whose name servers or hosts hang | names resolved and requests in flight are limited, in all and for each domain |
//! | compressed answers | never asked for, refused where a document is expected |
//! | wrong status or content type | 200 and the types expected, `utf-8` alone as charset |
//! | plain HTTP, `file:`, odd spellings of hosts | [`EndpointUrl`](countersign_types::EndpointUrl) is `https`; hosts are what the URL standard makes of them |
//!
//! Callers hold `Arc<dyn Fetch>`, so tests bring their own.
//!
//! ```
//! use countersign_fetch::{Fetch, FetchConfig, FetchError, HttpFetch, Limits, Request};
//! use countersign_types::EndpointUrl;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let fetch = HttpFetch::new(&FetchConfig::default())?;
//! // Another spelling of 127.0.0.1: refused before a packet leaves.
//! let url = EndpointUrl::parse("https://2130706433/jwks")?;
//! let refused = fetch.fetch(Request::get(url, Limits::jwks())).await;
//! assert!(matches!(refused, Err(FetchError::Refused { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! HTTP/2, proxies, cookies and caching. What may be cached, and how long, is known by
//! `countersign-resolver`.
//!
//! # Deviations
//!
//! A response is whole or an error: there is no streaming.
//!
//! [RFC 6890]: https://www.rfc-editor.org/rfc/rfc6890
//! [RFC 7033 §4.2]: https://www.rfc-editor.org/rfc/rfc7033#section-4.2
//! [RFC 9728 §7.7]: https://www.rfc-editor.org/rfc/rfc9728#section-7.7

pub mod client;
pub mod danger;
pub mod guard;
pub mod request;

mod connect;
mod shares;

pub use client::{FetchConfig, HttpFetch, Roots};
pub use danger::{ConnectTo, Danger};
pub use request::{Fetch, FetchError, Limits, Request, http_client};
