//! Up to which moment the past may be forgotten.
//!
//! What is forgotten too early can be used again: a `jti`, a spent ticket, a revoked token. So the
//! wall clock alone does not decide: set a day ahead for a minute, it would make everything look
//! expired. Here time passes as the steady clock of the machine counts it, and the wall clock is
//! believed about the time for which there is no such count (the program did not run, the machine
//! slept) only after it has kept pace with the steady clock for [`TRUST`].
//!
//! INVARIANT: whatever the wall clock shows, an entry that was kept for a life of [`TRUST`] or less
//! is forgotten only after it has lived that long. Clocks that are set back, and time that nobody
//! counted, only make an entry stay longer.

use std::time::{Duration, Instant};

use countersign_types::{Lifetime, Timestamp};

/// Expired entries stay this much longer: more than the skew any check allows for.
const GRACE: Lifetime = Lifetime::from_secs(300);

/// How long the wall clock has to keep pace: as long as the longest life of what is remembered so
/// that it is refused, which is that of an access token. What lives longer lets somebody in (a
/// session, a grant with its refresh tokens, a consent), so that forgetting it too early refuses;
/// and a refresh token that was replaced is known by its grant, too.
const TRUST: Duration = Duration::from_secs(24 * 60 * 60);

/// What is keeping pace: a clock that is slewed loses or gains less within [`TRUST`].
const DRIFT: Lifetime = Lifetime::from_secs(60);

/// The moment that certainly lies in the past.
pub(crate) struct Horizon {
    past: Timestamp,
    /// The moment of the steady clock up to which `past` counts.
    counted: Instant,
    /// From when on the two clocks have kept pace.
    agreed: (Timestamp, Instant),
}

impl Horizon {
    /// What the wall clock shows now, unless an earlier moment is `known` from before.
    pub(crate) fn new(known: Option<Timestamp>, now: Timestamp, steady: Instant) -> Self {
        let past = known.map_or(now, |known| known.min(now));
        Self { past, counted: steady, agreed: (now, steady) }
    }

    /// Takes a look at both clocks. What expired at the answer or before can be forgotten.
    pub(crate) fn advance(&mut self, now: Timestamp, steady: Instant) -> Timestamp {
        let passed = seconds(steady.saturating_duration_since(self.counted));
        self.counted += Duration::from_secs(passed.as_secs().into());
        self.past = self.past.after(passed);

        let (wall, since) = self.agreed;
        let together = steady.saturating_duration_since(since);
        let expected = wall.after(seconds(together));
        if now.since(expected) > DRIFT || expected.since(now) > DRIFT {
            self.agreed = (now, steady);
        } else if together >= TRUST {
            self.past = now;
            self.agreed = (now, steady);
        }
        self.past = self.past.min(now);
        self.past.before(GRACE)
    }

    /// What [`new`](Self::new) is told after a restart.
    pub(crate) const fn known(&self) -> Timestamp {
        self.past
    }
}

fn seconds(span: Duration) -> Lifetime {
    Lifetime::from_secs(u32::try_from(span.as_secs()).unwrap_or(u32::MAX))
}

/// The machine's steady clock.
#[expect(clippy::disallowed_methods, reason = "measures how long something lasts, tells no time")]
pub(crate) fn steady_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 60 * 60;
    const DAY: i64 = 24 * HOUR;
    const GRACE: i64 = super::GRACE.as_secs() as i64;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    /// A horizon, and a steady clock that shows the seconds since.
    fn horizon(known: Option<i64>, now: i64) -> (Horizon, impl Fn(i64) -> Instant) {
        let start = steady_now();
        let steady = move |seconds: i64| start + Duration::from_secs(seconds.unsigned_abs());
        (Horizon::new(known.map(at), at(now), start), steady)
    }

    #[test]
    fn it_follows_a_clock_that_runs_well() {
        let (mut horizon, steady) = horizon(None, 1000);
        for passed in [0, 1, 7, 300, HOUR, 2 * DAY, 30 * DAY] {
            assert_eq!(
                horizon.advance(at(1000 + passed), steady(passed)),
                at(1000 + passed - GRACE)
            );
        }
    }

    #[test]
    fn a_clock_that_jumps_and_comes_back_changes_nothing() {
        for jump in [HOUR, DAY, 365 * DAY, i64::MAX / 2] {
            let (mut horizon, steady) = horizon(None, 1000);
            assert_eq!(horizon.advance(at(1000 + jump), steady(0)), at(1000 - GRACE));
            assert_eq!(horizon.advance(at(1060 + jump), steady(60)), at(1060 - GRACE));
            let almost = DAY - 1;
            assert_eq!(
                horizon.advance(at(1000 + almost + jump), steady(almost)),
                at(1000 + almost - GRACE)
            );
            assert_eq!(horizon.advance(at(1000 + DAY), steady(DAY)), at(1000 + DAY - GRACE));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed_at_once() {
        let (mut horizon, steady) = horizon(None, 2 * DAY);
        assert_eq!(horizon.advance(at(DAY), steady(1)), at(DAY - GRACE));
        assert_eq!(horizon.advance(at(DAY + 10), steady(11)), at(DAY + 10 - GRACE));
        // Right again: from then on it counts for a day before it is believed.
        assert_eq!(horizon.advance(at(2 * DAY + 12), steady(12)), at(DAY + 11 - GRACE));
        let later = DAY + 12;
        assert_eq!(horizon.advance(at(2 * DAY + later), steady(later)), at(3 * DAY + 12 - GRACE));
    }

    #[test]
    fn time_without_a_count_is_believed_after_a_day_of_agreement() {
        let (mut horizon, steady) = horizon(Some(1000), 90 * DAY);
        assert_eq!(horizon.advance(at(90 * DAY), steady(0)), at(1000 - GRACE));
        assert_eq!(horizon.advance(at(91 * DAY - 1), steady(DAY - 1)), at(1000 + DAY - 1 - GRACE));
        assert_eq!(horizon.known(), at(1000 + DAY - 1));
        assert_eq!(horizon.advance(at(91 * DAY), steady(DAY)), at(91 * DAY - GRACE));
    }

    #[test]
    fn a_moment_known_from_a_clock_that_was_ahead_is_not_kept() {
        let (mut horizon, steady) = horizon(Some(9 * DAY), DAY);
        assert_eq!(horizon.advance(at(DAY), steady(0)), at(DAY - GRACE));
    }

    #[test]
    fn a_frozen_clock_and_the_ends_of_time_are_no_panic() {
        let (mut horizon, steady) = horizon(None, 1000);
        assert_eq!(horizon.advance(at(1000), steady(DAY)), at(1000 - GRACE));
        for now in [i64::MAX, i64::MIN, 0, 1 << 31] {
            assert!(horizon.advance(at(now), steady(DAY)) <= at(now));
        }
    }

    proptest! {
        /// The invariant, for any course of the wall clock.
        #[test]
        fn nothing_is_forgotten_before_its_time(
            looks in prop::collection::vec((0..3 * HOUR, -2 * DAY..2 * DAY), 1..40),
            life in 1..=DAY,
            inserted in 0..40_usize,
        ) {
            let (mut horizon, steady) = horizon(None, 10 * DAY);
            let mut passed = 0;
            let mut entry = None;
            for (index, (pause, wrong)) in looks.into_iter().enumerate() {
                passed += pause;
                let now = 10 * DAY + passed + wrong;
                let forgotten = horizon.advance(at(now), steady(passed));
                if index == inserted {
                    entry = Some((now + life, passed + life));
                }
                if let Some((expires, dies)) = entry {
                    prop_assert!(at(expires) > forgotten || passed >= dies);
                }
            }
        }
    }
}
