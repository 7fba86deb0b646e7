//! The work that two classes of questions are, in turn, and what a leak looks like that has to be
//! found.

use std::hint::black_box;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Whose processor time counts: a server has threads of its own, a comparison has none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Process,
    Thread,
}

/// The processor time so far, in nanoseconds. What else the machine does takes none of it.
pub(crate) fn processor_time(of: Of) -> f64 {
    let clock = match of {
        Of::Process => ClockId::ProcessCPUTime,
        Of::Thread => ClockId::ThreadCPUTime,
    };
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    tv_sec as f64 * 1e9 + tv_nsec as f64
}

/// The samples of two classes, which were taken in turn.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) one: Vec<f64>,
    pub(crate) other: Vec<f64>,
}

impl Samples {
    pub(crate) fn push(&mut self, is_one: bool, sample: f64) {
        if is_one { self.one.push(sample) } else { self.other.push(sample) }
    }
}

/// Which class comes next: by chance, so that nothing periodic falls on one of them alone, and as
/// often one as the other.
pub(crate) struct Turns(u64);

impl Turns {
    /// The seed is any number but 0.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Two turns: one of each class.
    pub(crate) fn pair(&mut self) -> [bool; 2] {
        // Marsaglia's xorshift64: nobody guesses against it.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let first = self.0 >> 63 == 1;
        [first, !first]
    }
}

/// Compares octet by octet and stops at the first that differs: the mistake that has to be found.
pub(crate) fn leaky(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| black_box(one) == black_box(other))
}

/// Takes processor time of this thread, in nanoseconds.
pub(crate) fn burn(nanoseconds: f64) {
    let until = processor_time(Of::Thread) + nanoseconds;
    while processor_time(Of::Thread) < until {
        black_box(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_classes_come_as_often_and_in_no_order() {
        let mut turns = Turns::new(1);
        let firsts: Vec<bool> = (0..100).map(|_| turns.pair()[0]).collect();
        let ones = firsts.iter().filter(|first| **first).count();
        assert!((20..80).contains(&ones), "{ones}");
        assert!(firsts.windows(4).any(|it| it == [true; 4]), "{firsts:?}");
    }

    #[test]
    fn work_takes_processor_time() {
        let before = processor_time(Of::Thread);
        burn(1e5);
        assert!(processor_time(Of::Thread) - before >= 1e5);
        assert!(processor_time(Of::Process) >= processor_time(Of::Thread));
    }

    #[test]
    fn the_mistake_compares_rightly() {
        assert!(leaky(b"abc", b"abc"));
        assert!(!leaky(b"abc", b"abd") && !leaky(b"abc", b"ab") && !leaky(b"bbc", b"abc"));
    }
}
