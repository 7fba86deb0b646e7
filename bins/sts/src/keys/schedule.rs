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
}
