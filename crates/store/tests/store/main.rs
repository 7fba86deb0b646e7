//! The store's promises, on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the lint's exception for tests does not reach helper functions of this binary"
)]

mod common;
mod durability;
mod kinds;
mod notices;
mod pages;
mod races;
mod same_answers;
