//! The wall clock and the operating system's randomness, behind the seams every service takes.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_types::random::Random;
use countersign_types::{Clock, Timestamp};

/// What a service takes from outside: passed in by `main`, never ambient.
#[derive(Clone)]
pub struct Seams {
    /// Tells the time, once per request.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness for handles and identifiers.
    pub random: Arc<dyn Random>,
}

impl Seams {
    /// The machine's own clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
    }
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Now. A clock set before 1970 reads as a moment before 1970, at which nothing is valid yet.
    #[expect(clippy::disallowed_methods, reason = "this is the adapter the seam exists for")]
    fn now(&self) -> Timestamp {
        let seconds = |span: std::time::Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp::from_unix(seconds(after)),
            Err(before) => Timestamp::from_unix(seconds(before.duration()).saturating_neg()),
        }
    }
}

/// The operating system's randomness, by way of aws-lc's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::panic, reason = "the seam's contract: no randomness, no return")]
    fn fill(&self, out: &mut [u8]) {
        if aws_lc_rs::rand::fill(out).is_err() {
            panic!("the system gives no randomness");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_types::secret::TicketHandle;

    use super::*;

    #[test]
    fn the_clock_is_past_the_day_this_was_written() {
        assert!(SystemClock.now() > Timestamp::from_unix(1_790_000_000));
    }

    #[test]
    fn randomness_does_not_repeat() {
        let (mut one, mut two) = ([0; 32], [0; 32]);
        SystemRandom.fill(&mut one);
        SystemRandom.fill(&mut two);
        assert_ne!(one, two);
        assert_ne!(one, [0; 32]);
    }

    /// No two are equal or begin alike for long, and at each place every character occurs.
    #[test]
    fn u3_no_two_of_a_hundred_thousand_tickets_have_anything_in_common() {
        let ticket = |_| TicketHandle::generate(&SystemRandom).expose().as_bytes().to_vec();
        let mut tickets: Vec<_> = (0..100_000).map(ticket).collect();
        assert!(tickets.iter().all(|ticket| ticket.len() == 43));
        // The last character has four bits.
        for place in 0..42 {
            let found: BTreeSet<_> = tickets.iter().map(|ticket| ticket[place]).collect();
            assert_eq!(found.len(), 64, "{place}");
        }
        tickets.sort_unstable();
        // That two of them share sixty bits happens to one in hundreds of millions of such samples.
        assert!(tickets.windows(2).all(|two| two[0][..10] != two[1][..10]));
    }
}
