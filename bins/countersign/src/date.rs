//! Points in time for people.

use countersign_types::Timestamp;

/// `2027-01-15T08:00:00Z`, by the proleptic Gregorian calendar.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    let seconds = time.as_unix();
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `in 2 min`, `3 h ago`.
pub(crate) fn relative(time: Timestamp, now: Timestamp) -> String {
    let (ahead, behind) = (time.since(now).as_secs(), now.since(time).as_secs());
    let span = |seconds: u32| match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    match (ahead, behind) {
        (0, 0) => "now".to_owned(),
        (0, behind) => format!("{} ago", span(behind)),
        (ahead, _) => format!("in {}", span(ahead)),
    }
}

/// Year, month and day of a day counted from 1970-01-01. The year is taken to begin in March, so
/// that the leap day is its last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + era * 400 + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_unix(seconds)), text);
        }
        // No date is too far away to be printed.
        let _ = (rfc3339(Timestamp::from_unix(i64::MAX)), rfc3339(Timestamp::from_unix(i64::MIN)));
    }

    #[test]
    fn spans_have_a_direction() {
        let now = Timestamp::from_unix(1000);
        assert_eq!(relative(now, now), "now");
        assert_eq!(relative(Timestamp::from_unix(1060), now), "in 60 s");
        assert_eq!(relative(Timestamp::from_unix(1000 - 600), now), "10 min ago");
        assert_eq!(relative(Timestamp::from_unix(1000 + 864_000), now), "in 10 days");
    }
}
