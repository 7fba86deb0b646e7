//! What two sets of samples say about whether they can be told apart.

/// The middle one of the samples; of none, 0.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// By how much the medians differ, as a share of the smaller one.
pub(crate) fn apart(one: &[f64], other: &[f64]) -> f64 {
    let (one, other) = (median(one), median(other));
    (one - other).abs() / one.min(other)
}

/// How well the best threshold tells the two sets apart: the area under the curve of its hits over
/// its false alarms (Mann and Whitney's U over the number of pairs), from 0.5, not at all, to 1,
/// always.
pub(crate) fn area_under_curve(one: &[f64], other: &[f64]) -> f64 {
    let tagged = one.iter().map(|&it| (it, true)).chain(other.iter().map(|&it| (it, false)));
    let mut all: Vec<(f64, bool)> = tagged.collect();
    all.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let (mut rank, mut sum) = (1.0, 0.0);
    for tied in all.chunk_by(|left, right| left.0 == right.0) {
        let ties = tied.len() as f64;
        let own = tied.iter().filter(|(_, is_one)| *is_one).count() as f64;
        sum += own * (rank + (ties - 1.0) / 2.0);
        rank += ties;
    }
    let (ones, others) = (one.len() as f64, other.len() as f64);
    let area = (sum - ones * (ones + 1.0) / 2.0) / (ones * others);
    area.max(1.0 - area)
}

/// Welch's t of the two sets.
pub(crate) fn welch(one: &[f64], other: &[f64]) -> f64 {
    let (one, other) = (Moments::of(one), Moments::of(other));
    (one.mean - other.mean) / (one.variance / one.count + other.variance / other.count).sqrt()
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(samples: &[f64]) -> Self {
        let count = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / count;
        let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
        Self { count, mean, variance: squares / (count - 1.0) }
    }
}

/// Both sets without what took longer than nine of ten samples of both: interruptions by the rest
/// of the machine. What a comparison gives away is there in the others, too.
pub(crate) fn cropped(one: &[f64], other: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut all = [one, other].concat();
    all.sort_unstable_by(f64::total_cmp);
    let last = (all.len() * 9 / 10).saturating_sub(1);
    let most = all.get(last).copied().unwrap_or(f64::INFINITY);
    let kept = |samples: &[f64]| samples.iter().copied().filter(|it| *it <= most).collect();
    (kept(one), kept(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 100.0];
    const HIGH: [f64; 5] = [5.0, 6.0, 7.0, 8.0, 101.0];

    #[test]
    fn medians_and_how_far_they_are_apart() {
        assert_eq!(median(&LOW), 3.0);
        assert_eq!(apart(&LOW, &HIGH), 4.0 / 3.0);
        assert_eq!(apart(&HIGH, &LOW), 4.0 / 3.0);
        assert_eq!(apart(&LOW, &LOW), 0.0);
    }

    #[test]
    fn the_area_is_a_half_for_what_is_the_same_and_one_for_what_is_apart() {
        assert_eq!(area_under_curve(&LOW, &LOW), 0.5);
        assert_eq!(area_under_curve(&[1.0; 3], &[1.0; 4]), 0.5);
        assert_eq!(area_under_curve(&LOW[..4], &HIGH[..4]), 1.0);
        assert_eq!(area_under_curve(&HIGH[..4], &LOW[..4]), 1.0);
        // Of 25 pairs, 100 is above four of the others.
        assert_eq!(area_under_curve(&LOW, &HIGH), 21.0 / 25.0);
    }

    #[test]
    fn welchs_t_of_an_example_that_was_done_by_hand() {
        // Means 2 and 4, variances 1 and 4, three samples each: -2 / sqrt(1/3 + 4/3).
        let t = welch(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]);
        assert!((t + 2.0 / (5.0_f64 / 3.0).sqrt()).abs() < 1e-12, "{t}");
    }

    #[test]
    fn what_took_longest_is_left_out() {
        let (low, high) = cropped(&LOW, &HIGH);
        assert_eq!((low.len(), high.len()), (5, 4), "{low:?} {high:?}");
        let (one, other) = cropped(&[1.0; 20], &[2.0; 20]);
        assert_eq!((one.len(), other.len()), (20, 20), "what is equal goes together");
    }
}
