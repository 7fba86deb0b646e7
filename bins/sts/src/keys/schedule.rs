//! Which key of a directory does what at a moment: a function of the keys' beginnings and the time.
//!
//! A key begins to sign at a moment that is fixed when it is made, and signs until the next one
//! begins. Before it signs it is published, so that verifiers know it; afterwards it stays
//! published until the last token that it signed has expired. Nothing else is remembered, so that a
//! restart, whenever it comes, finds the same keys in the same places.

use countersign_types::{Lifetime, Timestamp};

/// How keys follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Periods {
    /// A key is published for so long before it signs.
    pub(crate) announce: Lifetime,
    /// A key signs for so long; `None` until a next one is asked for.
    pub(crate) rotate_every: Option<Lifetime>,
    /// A key is published for so long after it signed.
    pub(crate) retain: Lifetime,
}

/// What a moment makes of the keys of one algorithm.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan<T> {
    /// The key that signs.
    pub(crate) current: T,
    /// Keys that will sign, soonest first, with the moments from which they do.
    pub(crate) next: Vec<(Timestamp, T)>,
    /// Keys that sign no more, whose tokens may still live.
    pub(crate) retired: Vec<T>,
    /// Keys that nobody needs any longer.
    pub(crate) over: Vec<T>,
    /// A key is to be made that begins at this moment.
    pub(crate) due: Option<Timestamp>,
}

/// The plan for keys that begin at these moments; `None` if there is no key.
pub(crate) fn plan<T>(
    mut keys: Vec<(Timestamp, T)>,
    periods: &Periods,
    now: Timestamp,
) -> Option<Plan<T>> {
    keys.sort_by_key(|(begins, _)| *begins);
    // A clock that was set back before all of them does not leave the server without a key.
    let begun = keys.iter().filter(|(begins, _)| *begins <= now).count().max(1);
    let next = keys.split_off(begun.min(keys.len()));
    let (begins, current) = keys.pop()?;
    // Each stopped when the one after it began.
    let (mut retired, mut over, mut stopped) = (Vec::new(), Vec::new(), begins);
    for (began, key) in keys.into_iter().rev() {
        let kept = if now < stopped.after(periods.retain) { &mut retired } else { &mut over };
        kept.push(key);
        stopped = began;
    }
    let due = periods.rotate_every.filter(|_| next.is_empty()).and_then(|every| {
        let (wanted, soonest) = (begins.after(every), now.after(periods.announce));
        (wanted <= soonest).then_some(soonest)
    });
    Some(Plan { current, next, retired, over, due })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIODS: Periods = Periods {
        announce: Lifetime::from_secs(10),
        rotate_every: Some(Lifetime::from_secs(100)),
        retain: Lifetime::from_secs(30),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn of(keys: &[(i64, &'static str)], now: i64) -> Plan<&'static str> {
        let keys = keys.iter().map(|(begins, key)| (at(*begins), *key)).collect();
        plan(keys, &PERIODS, at(now)).unwrap()
    }

    #[test]
    fn keys_follow_each_other() {
        let keys = [(200, "b"), (0, "a"), (300, "c")];
        let names = |now| {
            let Plan { current, next, retired, over, .. } = of(&keys, now);
            let next = next.into_iter().map(|(_, key)| key).collect::<Vec<_>>();
            (current, next.concat(), retired.concat(), over.concat())
        };
        let row = |a, b: &str, c: &str, d: &str| (a, b.to_owned(), c.to_owned(), d.to_owned());
        assert_eq!(names(-1), row("a", "bc", "", ""), "before all of them");
        assert_eq!(names(199), row("a", "bc", "", ""));
        assert_eq!(names(200), row("b", "c", "a", ""));
        assert_eq!(names(229), row("b", "c", "a", ""));
        assert_eq!(names(230), row("b", "c", "", "a"));
        assert_eq!(names(300), row("c", "", "b", "a"));
        assert_eq!(names(330), row("c", "", "", "ba"));
        assert!(plan(Vec::<(Timestamp, ())>::new(), &PERIODS, at(0)).is_none());
    }

    #[test]
    fn a_key_is_made_in_time_to_be_announced() {
        assert_eq!(of(&[(0, "a")], 89).due, None);
        assert_eq!(of(&[(0, "a")], 90).due, Some(at(100)));
        // Late, after the server was down: announced for as long all the same.
        assert_eq!(of(&[(0, "a")], 500).due, Some(at(510)));
        assert_eq!(of(&[(0, "a"), (600, "b")], 500).due, None, "there is one already");
        let by_hand = Periods { rotate_every: None, ..PERIODS };
        assert_eq!(plan(vec![(at(0), ())], &by_hand, at(500)).unwrap().due, None);
    }

    /// R9: a key may be made and a server be down whenever, even over the key's whole announcement.
    /// Verifiers keep a key set for five minutes, as they are told. A step is a minute.
    #[test]
    fn no_verifier_notices_that_the_server_was_down() {
        const KEPT: i64 = 5;
        let periods = Periods { announce: Lifetime::from_secs(600), rotate_every: None, ..PERIODS };
        let mut never_announced = 0;
        for (made, stop, start, mut asked) in cases() {
            let begins = at((made + 11) * 60); // `sts rotate-keys` adds the minute of the next look
            let (mut kept, mut was_published) = (vec!["a"], false);
            for now in (0..60).filter(|now| !(stop..start).contains(now)) {
                // What was made after the last look is not seen; a start looks at once.
                let is_seen = made < now || made == now && now == start;
                let keys = vec![(at(0), "a"), (begins, "b")];
                let keys = keys.into_iter().take(1 + usize::from(is_seen)).collect();
                let Plan { current, next, .. } = plan(keys, &periods, at(now * 60)).unwrap();
                never_announced += u32::from(current == "b" && !was_published);
                was_published |= is_seen;
                if now - asked >= KEPT {
                    kept = next.into_iter().map(|(_, key)| key).chain([current]).collect();
                    asked = now;
                }
                assert!(kept.contains(&current), "made {made}, down {stop} to {start}: at {now}");
            }
        }
        assert!(never_announced > 0, "some keys were published no earlier than they signed");
    }

    /// When the key is made, when the server stops and starts, and when a verifier asked before.
    fn cases() -> impl Iterator<Item = (i64, i64, i64, i64)> {
        let stops = (0..20).flat_map(|made| (1..20).map(move |stop| (made, stop)));
        let starts = stops.flat_map(|(made, stop)| {
            (stop..stop + 25).step_by(2).map(move |start| (made, stop, start))
        });
        starts.flat_map(|(made, stop, start)| (-4..=0).map(move |asked| (made, stop, start, asked)))
    }
}
