//! The batches as other tools drive them: the real program, one line in, one line out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod driver;
mod encryption;
mod keys;
mod signatures;
mod stream;
mod vectors;
