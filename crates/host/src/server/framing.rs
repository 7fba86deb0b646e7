//! Where a request ends, decided strictly, before the HTTP library sees an octet.
//!
//! Two parties that disagree on where a request ends can be made to see different requests
//! (request smuggling, [RFC 9112 §11.2]). The library tolerates what [RFC 9112] lets a recipient
//! tolerate; this filter refuses it:
//!
//! - a line that ends in a bare LF (§2.2), a bare CR, a NUL, a folded header line (§5.2);
//! - `Transfer-Encoding` together with `Content-Length` (§6.3), more than once, or anything but
//!   `chunked` (§6.1); `Content-Length` more than once or not plain digits (§6.3).
//!
//! The filter follows the stream from head to head. It needs no parser for chunks, since a chunked
//! request is the last of its connection. At a violation it hands the library an octet that no
//! parser accepts: the peer gets 400 and the end of the connection.
//!
//! [RFC 9112]: https://www.rfc-editor.org/rfc/rfc9112
//! [RFC 9112 §11.2]: https://www.rfc-editor.org/rfc/rfc9112#section-11.2

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What of a line is kept: names and values that matter are far shorter.
const KEPT: usize = 64;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
struct Framing {
    place: Place,
    head: Head,
}

/// Where in the stream the next octet is.
#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    /// In a body with this many octets to come.
    Body(u64),
    /// In a chunked body, after which nothing is read as a request.
    Last,
}

/// The head so far.
#[derive(Debug, Default)]
struct Head {
    line: Line,
    /// The request line has been seen.
    is_started: bool,
    content_length: Option<u64>,
    is_chunked: bool,
}

/// The line so far, without its end.
#[derive(Debug, Default)]
struct Line {
    start: Vec<u8>,
    length: usize,
    /// The last octet was a CR.
    is_ending: bool,
}

/// The octet at this offset is not part of a request we take.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    at: usize,
}

impl Framing {
    /// Takes the next octets.
    fn follow(&mut self, octets: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            match &mut self.place {
                Place::Last => return Ok(()),
                Place::Body(left) => {
                    let here = (rest.len() as u64).min(*left);
                    *left -= here;
                    if *left == 0 {
                        self.place = Place::Head;
                    }
                    at += usize::try_from(here).unwrap_or(rest.len());
                }
                Place::Head => {
                    let (taken, after) = match self.head.take_line(rest) {
                        Some((line, after)) => (line, after),
                        None => {
                            let run = self.head.take_run(rest);
                            at += run;
                            let Some(octet) = rest.get(run) else { return Ok(()) };
                            (1, self.head.take(*octet))
                        }
                    };
                    // A line is refused at its end.
                    let after = after.map_err(|Refused| Violation { at: at + taken - 1 })?;
                    if let Some(place) = after {
                        self.place = place;
                    }
                    at += taken;
                }
            }
        }
        Ok(())
    }
}

/// An octet or a line is refused.
struct Refused;

/// What follows the head, once it is complete.
type After = Result<Option<Place>, Refused>;

impl Head {
    /// Takes the octets that neither end a line nor are refused for themselves; how many there
    /// were.
    fn take_run(&mut self, octets: &[u8]) -> usize {
        if self.line.is_ending {
            return 0;
        }
        let run = run_of(octets);
        self.line.push(octets.get(..run).unwrap_or_default());
        run
    }

    /// Takes a line that is there from its start to its end, without keeping any of it; how long it
    /// is.
    fn take_line(&mut self, octets: &[u8]) -> Option<(usize, After)> {
        if self.line.length > 0 || self.line.is_ending {
            return None;
        }
        let (line, rest) = octets.split_at_checked(run_of(octets))?;
        // Of a long one no more than would be kept, so that it is all the same how it arrives.
        let start = line.get(..KEPT).unwrap_or(line);
        rest.starts_with(b"\r\n")
            .then(|| (line.len() + 2, self.line(start, start.len() == line.len())))
    }

    /// Takes one octet.
    fn take(&mut self, octet: u8) -> After {
        match (octet, self.line.is_ending) {
            (b'\n', true) => self.end_line(),
            // A CR ends a line with an LF or not at all; an LF ends none without it.
            (_, true) | (b'\n' | 0, false) => Err(Refused),
            (b'\r', false) => {
                self.line.is_ending = true;
                Ok(None)
            }
            (octet, false) => {
                self.line.push(&[octet]);
                Ok(None)
            }
        }
    }

    fn end_line(&mut self) -> After {
        let mut line = std::mem::take(&mut self.line);
        let after = self.line(&line.start, line.is_whole());
        // Its memory serves the next line.
        line.clear();
        self.line = line;
        after
    }

    /// Takes a line, or the start of a longer one.
    fn line(&mut self, line: &[u8], is_whole: bool) -> After {
        if line.is_empty() {
            // Empty lines before a request are allowed (RFC 9112 §2.2).
            let after = self.is_started.then(|| self.body());
            (self.is_started, self.content_length, self.is_chunked) = (false, None, false);
            return Ok(after);
        }
        if !self.is_started {
            self.is_started = true;
            return Ok(None);
        }
        self.field(line, is_whole)?;
        Ok(None)
    }

    /// A header line.
    fn field(&mut self, line: &[u8], is_whole: bool) -> Result<(), Refused> {
        if line.first().is_some_and(|first| matches!(first, b' ' | b'\t')) {
            return Err(Refused);
        }
        // A name longer than what is kept is neither of the two; the library judges the rest.
        let Some(colon) = line.iter().position(|octet| *octet == b':') else {
            return Ok(());
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            let length = is_whole.then(|| digits(value)).flatten().ok_or(Refused)?;
            if self.is_chunked || self.content_length.replace(length).is_some() {
                return Err(Refused);
            }
        } else if name.trim_ascii().eq_ignore_ascii_case(b"transfer-encoding") {
            let is_chunked = is_whole && value.eq_ignore_ascii_case(b"chunked");
            if !is_chunked || self.is_chunked || self.content_length.is_some() {
                return Err(Refused);
            }
            self.is_chunked = true;
        }
        Ok(())
    }

    const fn body(&self) -> Place {
        match (self.is_chunked, self.content_length) {
            (true, _) => Place::Last,
            (false, None | Some(0)) => Place::Head,
            (false, Some(length)) => Place::Body(length),
        }
    }
}

/// So many octets are looked at together: the compiler finds the least of them in a few
/// instructions.
const LANE: usize = 32;

/// How many octets come before the first that ends a line or is refused for itself.
fn run_of(octets: &[u8]) -> usize {
    let ends = |octet: &u8| matches!(octet, b'\r' | b'\n' | 0);
    let least = |lane: &[u8; LANE]| lane.iter().fold(u8::MAX, |least, octet| least.min(*octet));
    // Most octets are greater than all of the three.
    let (lanes, _) = octets.as_chunks::<LANE>();
    let plain = lanes.iter().take_while(|lane| least(lane) > b'\r').count() * LANE;
    let rest = octets.get(plain..).unwrap_or_default();
    plain + rest.iter().position(ends).unwrap_or(rest.len())
}

impl Line {
    fn push(&mut self, octets: &[u8]) {
        let room = KEPT.saturating_sub(self.start.len());
        self.start.extend_from_slice(octets.get(..room).unwrap_or(octets));
        self.length = self.length.saturating_add(octets.len());
    }

    fn clear(&mut self) {
        self.start.clear();
        (self.length, self.is_ending) = (0, false);
    }

    const fn is_whole(&self) -> bool {
        self.start.len() == self.length
    }
}

/// `1*DIGIT` ([RFC 9110 §8.6](https://www.rfc-editor.org/rfc/rfc9110#section-8.6)).
fn digits(value: &[u8]) -> Option<u64> {
    // `parse` alone would take a leading plus sign.
    let text = std::str::from_utf8(value).ok()?;
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A stream whose requests are followed as they are read.
pub(super) struct Framed<S> {
    stream: S,
    framing: Framing,
    is_refused: bool,
}

impl<S> Framed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, framing: Framing::default(), is_refused: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_refused {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if !matches!(read, Poll::Ready(Ok(()))) {
            return read;
        }
        let octets = buffer.filled().get(before..).unwrap_or_default();
        if let Err(Violation { at }) = self.framing.follow(octets) {
            self.is_refused = true;
            // There is room for it: it takes the place of the octet that was refused.
            buffer.set_filled(before + at);
            buffer.put_slice(b"\0");
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows `text` whole and octet by octet; both ways give one answer.
    fn follow(text: &str) -> Result<Place, Violation> {
        let mut whole = Framing::default();
        let at_once = whole.follow(text.as_bytes());
        let mut pieces = Framing::default();
        let one_by_one = text.as_bytes().iter().enumerate().try_for_each(|(at, octet)| {
            pieces.follow(std::slice::from_ref(octet)).map_err(|_| Violation { at })
        });
        assert_eq!(at_once, one_by_one, "{text:?}");
        at_once.map(|()| whole.place)
    }

    #[track_caller]
    fn check_taken(text: &str, place: Place) {
        assert_eq!(follow(text).unwrap(), place, "{text:?}");
    }

    #[track_caller]
    fn check_refused(fields: &str) {
        let text = format!("POST /token HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        assert!(follow(&text).is_err(), "{text:?}");
    }

    #[test]
    fn ordinary_requests_pass() {
        check_taken("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Place::Head);
        check_taken("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Place::Head);
        check_taken("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", Place::Body(3));
        check_taken("POST / HTTP/1.1\r\ncontent-length:5\r\n\r\nabcde", Place::Head);
        check_taken("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET", Place::Head);
        check_taken("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n", Place::Last);
        let two = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\n\0GET / HTTP/1.1\r\nA: b\r\n\r\n";
        check_taken(two, Place::Head);
    }

    #[test]
    fn what_two_parties_could_read_differently_is_refused() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding:\u{b}chunked",
            "Transfer-Encoding : chunked\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: -1",
            "Content-Length: 0x5",
            "Content-Length: 99999999999999999999",
            "Content-Length:",
            "A: b\r\n folded",
            "A: b\r\n\tfolded",
            "A: b\nB: c",
            "A: b\rB: c",
            "A: b\0",
        ] {
            check_refused(fields);
        }
    }

    #[test]
    fn a_second_request_is_held_to_the_same_rules() {
        let second = "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\nHost: a\r\n\r\n";
        assert_eq!(follow(second), Err(Violation { at: second.find("\nHost").unwrap() }));
    }

    #[test]
    fn a_long_value_is_not_cut_to_a_short_one() {
        check_refused(&format!("Content-Length: {}5", "0".repeat(100)));
        check_refused(&format!("Transfer-Encoding: chunked{}, gzip", " ".repeat(100)));
    }
}
