//! Randomness for tests.

use std::sync::atomic::{AtomicU8, Ordering};

use countersign_types::random::Random;

/// Another value at every call.
#[derive(Default)]
pub(crate) struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}
