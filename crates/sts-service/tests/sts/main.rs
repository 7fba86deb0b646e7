//! The service through its router: no socket, a fixed clock, a memory store.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod account;
mod acting;
mod authorization;
mod broker;
mod browser;
mod claims;
mod claims_provider;
mod cors;
mod disabled;
mod discovery;
mod dpop;
mod drivers;
mod elsewhere;
mod exchange;
mod foreign;
mod introspection;
mod keys;
mod languages;
mod leading_on;
mod logout;
mod opaque;
mod paths;
mod propagation;
mod refresh;
mod revocation;
mod sessions;
mod support;
mod token;
mod user_query;
mod userinfo;
