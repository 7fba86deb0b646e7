//! How many permission tickets one source is given.
//!
//! A ticket costs the authorization server memory, and whoever sends a request without a token gets
//! one: without a limit one sender uses up what the authorization server grants this resource
//! server as a whole, and then nobody gets in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use countersign_types::wire::ErrorCode;
use countersign_types::{Lifetime, Timestamp, Wire, WireError};
use http::StatusCode;

/// How long tickets are counted together.
pub const WINDOW: Lifetime = Lifetime::from_secs(60);
/// Tickets for one source within a [`WINDOW`] unless configured otherwise.
pub const TICKETS: NonZeroU32 = NonZeroU32::new(300).unwrap();
/// So many sources are counted apart; those that come beyond them are counted as one.
const MAX_SOURCES: usize = 65_536;

/// Where a request comes from: an extension that the server puts into it, from its own socket and
/// not from a header. With IPv6 a source is a network of 64 bits, since whoever has one address of
/// it has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// The source has had its tickets: 429 and `Retry-After`. [RFC 6585 §4]
///
/// [RFC 6585 §4]: https://www.rfc-editor.org/rfc/rfc6585#section-4
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("too many permission tickets for one source, for the next {} s", retry_after.as_secs())]
pub struct TooMany {
    /// When there will be more.
    pub retry_after: Lifetime,
}

impl WireError for TooMany {
    fn wire(&self) -> Wire {
        Wire::new(
            ErrorCode::TEMPORARILY_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests without sufficient authorization",
        )
    }
}

/// Counts the tickets of each source, in windows of [`WINDOW`].
#[derive(Debug)]
pub struct TicketLimit {
    tickets: NonZeroU32,
    max_sources: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    // `None`: a request without a source, and those for which there was no room.
    windows: HashMap<Option<Source>, Window>,
    purged: Option<Timestamp>,
}

#[derive(Debug)]
struct Window {
    start: Timestamp,
    tickets: u32,
}

impl Window {
    /// A clock that was set back ends a window, too.
    fn has_ended(&self, now: Timestamp) -> bool {
        now < self.start || now >= self.start.after(WINDOW)
    }
}

impl TicketLimit {
    /// So many tickets for one source within a [`WINDOW`].
    #[must_use]
    pub fn new(tickets: NonZeroU32) -> Self {
        Self { tickets, max_sources: MAX_SOURCES, counts: Mutex::default() }
    }

    /// Counts one more ticket. Requests without a source are one source together.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn take(&self, source: Option<Source>, now: Timestamp) -> Result<(), TooMany> {
        // Whole after every statement, so a panic elsewhere does not spoil it.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.make_room(self.max_sources, now);
        let is_counted_apart =
            counts.windows.len() < self.max_sources || counts.windows.contains_key(&source);
        let source = source.filter(|_| is_counted_apart);
        let fresh = || Window { start: now, tickets: 0 };
        let window = counts.windows.entry(source).or_insert_with(fresh);
        if window.has_ended(now) {
            *window = fresh();
        }
        if window.tickets >= self.tickets.get() {
            return Err(TooMany { retry_after: window.start.after(WINDOW).since(now) });
        }
        window.tickets += 1;
        Ok(())
    }
}

impl Default for TicketLimit {
    fn default() -> Self {
        Self::new(TICKETS)
    }
}

impl Counts {
    /// Forgets windows that have ended when there is no more room, at most once a second: looking
    /// at all of them for each new source would be the next thing to flood.
    fn make_room(&mut self, max_sources: usize, now: Timestamp) {
        if self.windows.len() >= max_sources && self.purged != Some(now) {
            self.windows.retain(|_, window| !window.has_ended(now));
            self.purged = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Option<Source> {
        Some(Source::from(text.parse::<IpAddr>().unwrap()))
    }

    fn limit(tickets: u32) -> TicketLimit {
        TicketLimit::new(NonZeroU32::new(tickets).unwrap())
    }

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn a_source_has_its_share_in_each_window() {
        let limit = limit(2);
        let (a, b) = (source("192.0.2.1"), source("192.0.2.2"));
        assert!(limit.take(a, at(100)).is_ok() && limit.take(a, at(130)).is_ok());
        let too_many = TooMany { retry_after: Lifetime::from_secs(20) };
        assert_eq!(limit.take(a, at(140)), Err(too_many));
        assert!(limit.take(b, at(140)).is_ok());
        assert!(limit.take(None, at(140)).is_ok());
        assert!(limit.take(a, at(160)).is_ok());
        assert!(limit.take(a, at(50)).is_ok(), "the clock was set back");
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), source("2001:db8:1:2::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_and_what_is_beyond_shares_one_count() {
        let mut limit = limit(2);
        limit.max_sources = 4;
        let known = source("192.0.2.0");
        for n in 0..4 {
            assert!(limit.take(source(&format!("192.0.2.{n}")), at(0)).is_ok());
        }
        let answers: Vec<bool> = (0..100)
            .map(|n| limit.take(source(&format!("198.51.100.{n}")), at(1)).is_ok())
            .collect();
        assert_eq!(answers.iter().filter(|taken| **taken).count(), 2);
        assert!(limit.take(known, at(1)).is_ok(), "who was there before has its own");
        assert!(limit.counts.lock().unwrap().windows.len() <= 5);
        assert!(limit.take(source("203.0.113.1"), at(60)).is_ok(), "windows that ended make room");
        assert!(limit.counts.lock().unwrap().windows.len() <= 3);
    }
}
