//! Points in time for people.

use countersign_types::Timestamp;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_direction() {
        let now = Timestamp::from_unix(1000);
        assert_eq!(relative(now, now), "now");
        assert_eq!(relative(Timestamp::from_unix(1060), now), "in 60 s");
        assert_eq!(relative(Timestamp::from_unix(1000 - 600), now), "10 min ago");
        assert_eq!(relative(Timestamp::from_unix(1000 + 864_000), now), "in 10 days");
    }
}
