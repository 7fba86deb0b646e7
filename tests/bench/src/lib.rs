//! What the benches share: how two ways of doing the same are compared, and what is printed.
//!
//! A shared machine is up to twice as fast in one minute as in the next, so nothing here reports a
//! time by itself. Two ways run in turns; every pair of turns gives one ratio, and the median of
//! the ratios is the result. A turn is shorter than a time slice, so that on a busy machine most
//! turns are not interrupted and those that are do not move the median.
//!
//! `cargo bench -p countersign-bench-tests` measures. Under `cargo test --benches` every bench runs
//! a few turns only, to show that it still works.
//!
//! ```
//! use countersign_bench_tests::{Effort, compare};
//!
//! let sum = |upto: u64| std::hint::black_box((0..upto).sum::<u64>());
//! let comparison = compare(Effort::Smoke, || { sum(1000); }, || { sum(2000); });
//! assert!(comparison.ratio > 0.0);
//! ```

#![allow(clippy::print_stdout, reason = "a bench prints its result")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

pub mod load;
pub mod parties;

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Enough for a median: under `cargo bench`.
    Measure,
    /// Enough to see that it runs: under `cargo test`.
    Smoke,
}

impl Effort {
    /// What the arguments of the process ask for: cargo passes `--bench` when it benches.
    #[must_use]
    pub fn of_process() -> Self {
        if std::env::args().any(|argument| argument == "--bench") {
            Self::Measure
        } else {
            Self::Smoke
        }
    }

    /// This many when measuring, a few otherwise.
    #[must_use]
    pub const fn of(self, many: usize, few: usize) -> usize {
        match self {
            Self::Measure => many,
            Self::Smoke => few,
        }
    }

    const fn turns(self) -> usize {
        self.of(500, 3)
    }

    const fn turn(self) -> Duration {
        match self {
            Self::Measure => Duration::from_micros(500),
            Self::Smoke => Duration::from_micros(200),
        }
    }
}

/// How long two ways took, and the one by the other.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Median time of one call of the base.
    pub base: Duration,
    /// Median time of one call of the other.
    pub other: Duration,
    /// Median of the ratios of the turns, other by base.
    pub ratio: f64,
}

/// Compares two ways by turns.
pub fn compare(effort: Effort, mut base: impl FnMut(), mut other: impl FnMut()) -> Comparison {
    let base_calls = calls_per_turn(effort, &mut base);
    let other_calls = calls_per_turn(effort, &mut other);
    let mut base_times = Vec::with_capacity(effort.turns());
    let mut other_times = Vec::with_capacity(effort.turns());
    let mut ratios = Vec::with_capacity(effort.turns());
    for turn in 0..effort.turns() {
        // Who goes first changes, so that a drift of the machine favours neither.
        let (b, o) = if turn % 2 == 0 {
            let b = time(base_calls, &mut base);
            (b, time(other_calls, &mut other))
        } else {
            let o = time(other_calls, &mut other);
            (time(base_calls, &mut base), o)
        };
        base_times.push(b);
        other_times.push(o);
        ratios.push(o / b);
    }
    Comparison {
        base: Duration::from_secs_f64(median(base_times)),
        other: Duration::from_secs_f64(median(other_times)),
        ratio: median(ratios),
    }
}

/// Seconds per call.
fn time(calls: u32, way: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        way();
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

fn calls_per_turn(effort: Effort, way: &mut impl FnMut()) -> u32 {
    way();
    let one = time(8, way).max(1e-9);
    (effort.turn().as_secs_f64() / one).clamp(1.0, 1e6) as u32
}

/// The middle one.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How long all threads of this process have been on a processor, those that ended too.
#[must_use]
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// What the figures were taken on.
#[must_use]
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} x {model}, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Prints what the figures were taken on.
pub fn print_machine() {
    println!("machine: {}", machine());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).total_cmp(&2.0), std::cmp::Ordering::Equal);
        assert!(median(Vec::new()).is_nan());
    }
}
