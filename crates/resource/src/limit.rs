//! How much of the authorization server one source uses up.
//!
//! A ticket costs the authorization server memory, and whoever sends a request without a token gets
//! one; a token that nobody has heard of costs it a question. Without limits one sender uses up
//! what the authorization server grants this resource server as a whole, and then nobody gets in.
//!
//! A source that has had its share still gets in with a token that was accepted here before: behind
//! one address there may be many, and one of them does not lock out the others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::wire::ErrorCode;
use countersign_types::{Lifetime, Timestamp, Wire, WireError};
use http::StatusCode;
use quick_cache::sync::Cache;

/// How long tickets are counted together.
pub const WINDOW: Lifetime = Lifetime::from_secs(60);
/// Tickets for one source within a [`WINDOW`] unless configured otherwise.
pub const TICKETS: NonZeroU32 = NonZeroU32::new(300).unwrap();
/// Tokens of one source that may turn out to be none, within a [`WINDOW`], unless configured
/// otherwise.
pub const GUESSES: NonZeroU32 = NonZeroU32::new(300).unwrap();
/// So many sources are counted apart; those that come beyond them are counted as one.
const MAX_SOURCES: usize = 65_536;
/// So many tokens are known to have been good; what was not seen for a while makes room for others.
const MAX_TOKENS: usize = 65_536;

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

/// The source has had its share: 429 and `Retry-After`. [RFC 6585 §4]
///
/// [RFC 6585 §4]: https://www.rfc-editor.org/rfc/rfc6585#section-4
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("too much for one source, for the next {} s", retry_after.as_secs())]
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

/// Counts the permission tickets of each source, in windows of [`WINDOW`]. Requests without a
/// source are one source together.
///
/// It has a [`GuessLimit`] of the same size: who has had their tickets still gets in with the token
/// that came of one.
#[derive(Debug)]
pub struct TicketLimit {
    tickets: Shares,
    guesses: GuessLimit,
}

impl TicketLimit {
    /// So many tickets for one source within a [`WINDOW`].
    #[must_use]
    pub fn new(tickets: NonZeroU32) -> Self {
        Self { tickets: Shares::of(tickets), guesses: GuessLimit::new(tickets) }
    }

    /// Counts one more ticket.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn take(&self, source: Option<Source>, now: Timestamp) -> Result<(), TooMany> {
        self.tickets.take(source, now)
    }

    pub(crate) const fn guesses(&self) -> &GuessLimit {
        &self.guesses
    }
}

impl Default for TicketLimit {
    fn default() -> Self {
        Self::new(TICKETS)
    }
}

/// Counts the tokens of each source that are not good when their issuer is asked, in windows of
/// [`WINDOW`]. Requests without a [`Source`] are not counted: all of them together are not one
/// sender.
#[derive(Debug)]
pub struct GuessLimit {
    guesses: Shares,
    good: Good,
}

impl GuessLimit {
    /// So many such tokens of one source within a [`WINDOW`].
    #[must_use]
    pub fn new(guesses: NonZeroU32) -> Self {
        Self { guesses: Shares::of(guesses), good: Good::default() }
    }

    /// Whether the issuer may be asked about a token.
    pub(crate) fn may_ask(
        &self,
        source: Option<Source>,
        token: &Digest,
        now: Timestamp,
    ) -> Result<(), TooMany> {
        if source.is_none() || self.good.has(token) {
            return Ok(());
        }
        self.guesses.left(source, now)
    }

    /// Notes what a token was worth.
    pub(crate) fn note(
        &self,
        source: Option<Source>,
        token: &Digest,
        is_good: bool,
        now: Timestamp,
    ) {
        self.good.note(token, is_good);
        if !is_good && source.is_some() {
            // Requests that came together may go beyond the share; the next one does not.
            let _ = self.guesses.take(source, now);
        }
    }
}

impl Default for GuessLimit {
    fn default() -> Self {
        Self::new(GUESSES)
    }
}

/// Tokens that were good when they were last seen.
#[derive(Debug)]
struct Good(Cache<Digest, ()>);

impl Default for Good {
    fn default() -> Self {
        Self(Cache::new(MAX_TOKENS))
    }
}

impl Good {
    fn has(&self, token: &Digest) -> bool {
        self.0.get(token).is_some()
    }

    fn note(&self, token: &Digest, is_good: bool) {
        if is_good {
            self.0.insert(*token, ());
        } else {
            self.0.remove(token);
        }
    }
}

/// What each source has used of its share.
#[derive(Debug)]
struct Shares {
    share: NonZeroU32,
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
    used: u32,
}

impl Window {
    /// A clock that was set back ends a window, too.
    fn has_ended(&self, now: Timestamp) -> bool {
        now < self.start || now >= self.start.after(WINDOW)
    }
}

impl Shares {
    fn of(share: NonZeroU32) -> Self {
        Self { share, max_sources: MAX_SOURCES, counts: Mutex::default() }
    }

    /// Uses up one more.
    fn take(&self, source: Option<Source>, now: Timestamp) -> Result<(), TooMany> {
        self.with(source, now, |window| window.used += 1)
    }

    /// Whether there is one left.
    fn left(&self, source: Option<Source>, now: Timestamp) -> Result<(), TooMany> {
        self.with(source, now, |_| {})
    }

    fn with(
        &self,
        source: Option<Source>,
        now: Timestamp,
        used: impl FnOnce(&mut Window),
    ) -> Result<(), TooMany> {
        // Whole after every statement, so a panic elsewhere does not spoil it.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.make_room(self.max_sources, now);
        let is_counted_apart =
            counts.windows.len() < self.max_sources || counts.windows.contains_key(&source);
        let source = source.filter(|_| is_counted_apart);
        let fresh = || Window { start: now, used: 0 };
        let window = counts.windows.entry(source).or_insert_with(fresh);
        if window.has_ended(now) {
            *window = fresh();
        }
        if window.used >= self.share.get() {
            return Err(TooMany { retry_after: window.start.after(WINDOW).since(now) });
        }
        used(window);
        Ok(())
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
        limit.tickets.max_sources = 4;
        let known = source("192.0.2.0");
        for n in 0..4 {
            assert!(limit.take(source(&format!("192.0.2.{n}")), at(0)).is_ok());
        }
        let answers: Vec<bool> = (0..100)
            .map(|n| limit.take(source(&format!("198.51.100.{n}")), at(1)).is_ok())
            .collect();
        assert_eq!(answers.iter().filter(|taken| **taken).count(), 2);
        assert!(limit.take(known, at(1)).is_ok(), "who was there before has its own");
        assert!(limit.tickets.counts.lock().unwrap().windows.len() <= 5);
        assert!(limit.take(source("203.0.113.1"), at(60)).is_ok(), "windows that ended make room");
        assert!(limit.tickets.counts.lock().unwrap().windows.len() <= 3);
    }

    #[test]
    fn a_source_that_guesses_is_asked_about_no_more_but_for_what_was_good() {
        let limit = GuessLimit::new(NonZeroU32::new(2).unwrap());
        let (a, b) = (source("192.0.2.1"), source("192.0.2.2"));
        let token = |text: &str| Digest::of(text.as_bytes());
        let may_ask = |source, text, now| limit.may_ask(source, &token(text), at(now)).is_ok();
        limit.note(a, &token("good"), true, at(0));
        for text in ["bad", "worse"] {
            assert!(may_ask(a, text, 0), "{text}");
            limit.note(a, &token(text), false, at(0));
        }
        assert!(!may_ask(a, "other", 59));
        assert!(may_ask(a, "good", 59) && may_ask(b, "other", 59));
        limit.note(b, &token("good"), false, at(59));
        assert!(!may_ask(a, "good", 59), "it is good no more");
        assert!(may_ask(a, "other", 60));
        for _ in 0..3 {
            limit.note(None, &token("bad"), false, at(0));
        }
        assert!(may_ask(None, "other", 0), "nobody in particular");
    }
}
