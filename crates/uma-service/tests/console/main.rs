//! The owner's console: who is let in, what they see, what they decide, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod bed;
mod deciding;
mod history;
mod lists;
mod mandates;
mod pages;
mod provider;
mod sharing;
mod signing_in;
mod signing_out;
#[path = "../support/mod.rs"]
mod support;
mod turned_away;
