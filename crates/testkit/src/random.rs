//! Randomness that repeats.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_types::digest::Digest;
use countersign_types::random::Random;

/// A stream of bytes that is the same for the same seed: SHA-256 over seed and counter. Not fit
/// for anything but tests.
///
/// ```
/// use countersign_testkit::SeededRandom;
/// use countersign_types::random::identifier;
///
/// let (one, same) = (SeededRandom::new(1), SeededRandom::new(1));
/// assert_eq!(identifier(&one), identifier(&same));
/// assert_ne!(identifier(&one), identifier(&SeededRandom::new(2)));
/// ```
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    counter: AtomicU64,
}

impl SeededRandom {
    /// The stream of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, counter: AtomicU64::new(0) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let counter = self.counter.fetch_add(1, Ordering::SeqCst);
            let block = Digest::of_parts(&[&self.seed.to_be_bytes(), &counter.to_be_bytes()]);
            for (octet, random) in chunk.iter_mut().zip(block.as_bytes()) {
                *octet = *random;
            }
        }
    }
}
