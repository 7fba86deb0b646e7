//! The crate from outside: published vectors, what must be refused, properties, other engines.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod claims;
#[cfg(feature = "josekit")]
mod differential;
#[cfg(feature = "josekit")]
mod differential_keys;
mod headers;
// Keys travel to the other engines as PEM, which takes the feature.
#[cfg(feature = "josekit")]
mod interop;
#[cfg(feature = "josekit")]
mod jwe;
mod keys;
#[cfg(feature = "josekit")]
mod macs;
mod properties;
mod rfc7520;
mod rotation;
mod signing;
mod support;
mod tokens;
mod vectors;
#[cfg(feature = "josekit")]
mod wycheproof_encryption;
mod wycheproof_jose;
mod wycheproof_signatures;
