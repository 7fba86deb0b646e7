//! The server on real sockets: what a peer sends, and what it gets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lint's exception for tests does not reach helper functions of this binary"
)]

mod framing;
mod limits;
mod peer;
mod service;
mod streamed;
mod tls;
