//! The commands, one module each.

pub(crate) mod acting;
pub(crate) mod batch;
pub(crate) mod client;
pub(crate) mod completions;
pub(crate) mod discover;
pub(crate) mod exchange;
pub(crate) mod explain;
pub(crate) mod hash_ticket;
pub(crate) mod input;
pub(crate) mod jwe;
pub(crate) mod jwk;
pub(crate) mod jwt;
pub(crate) mod login;
pub(crate) mod request;
