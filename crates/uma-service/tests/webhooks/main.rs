//! Owners are told what waits for them: what is sent, how often, and what becomes of it where
//! nobody takes it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bed;
#[path = "../support/panics.rs"]
mod panics;
#[path = "../support/mod.rs"]
mod support;
mod telling;
mod trouble;
