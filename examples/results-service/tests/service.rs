//! The API server between the servers of two domains: flow 000 over sockets and TLS, with a clock
//! that the tests move.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "service/dashboard.rs"]
mod dashboard;
#[path = "service/exchange.rs"]
mod exchange;
#[path = "service/published.rs"]
mod published;
#[path = "service/restricted.rs"]
mod restricted;
#[path = "service/world.rs"]
mod world;
