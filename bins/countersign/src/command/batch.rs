//! One question a line in, one answer a line out: what other tools drive.
//!
//! A question is a JSON object, and so is its answer, in the same order. A line that is no question
//! gets an answer too, and the next is read. However long a line is, no more of it is kept than
//! [`MAX_LINE`]. Answers are written out whenever no further question is waiting, so that a driver
//! that asks one at a time is not kept waiting, and one that sends millions costs no call each.

mod check;
mod decrypt;
mod question;
mod refused;
mod remembered;
mod verify;

use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::Refusal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) use check::{Check, Judged, Key, judge};
pub(crate) use decrypt::{Decrypt, check_content};
pub(crate) use question::Given;
use question::Question;
pub(crate) use refused::Refused;
pub(crate) use verify::Verify;

use crate::failure::Failure;

/// The longest line that is read, in octets.
const MAX_LINE: usize = 4 * 1024 * 1024;

/// How much is read and written at once.
const BUFFER: usize = 64 * 1024;

/// What a kind of batch does with a question.
pub(crate) trait Answer {
    /// What is said beside `id` and `ok` when the answer is yes.
    type Yes: Serialize;

    fn answer(&mut self, question: &Question<'_>) -> Result<Self::Yes, Refused>;
}

/// A token that was accepted.
#[derive(Serialize)]
pub(crate) struct Opened {
    /// As the token names it.
    alg: String,
    /// In base64url; what was decrypted is nobody else's.
    #[serde(serialize_with = "as_text")]
    payload: Zeroizing<String>,
}

fn as_text<S: Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[derive(Serialize)]
struct Yes<'a, Y> {
    id: &'a RawValue,
    ok: bool,
    #[serde(flatten)]
    yes: Y,
}

#[derive(Serialize)]
struct No<'a> {
    id: &'a RawValue,
    ok: bool,
    error: &'a str,
    reason: &'a str,
}

/// Answers standard input on standard output, until it ends or nobody reads any more.
pub(crate) fn run(answer: impl Answer) -> Result<(), Failure> {
    match answer_all(io::stdin().lock(), io::stdout().lock(), answer) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| Failure::internal("the batch was not finished", error)),
    }
}

fn answer_all(input: impl Read, output: impl Write, mut answer: impl Answer) -> io::Result<()> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let mut output = BufWriter::with_capacity(BUFFER, output);
    // What is asked may hold private keys.
    let mut line = Zeroizing::new(Vec::new());
    loop {
        let outcome = match next_line(&mut input, &mut output, &mut line)? {
            Line::End => return output.flush(),
            Line::TooLong => Err(Refused::bad_line("the line is longer than 4 MiB")),
            Line::Whole => Question::parse(&line),
        };
        match outcome {
            Err(refused) => write_no(&mut output, RawValue::NULL, &refused)?,
            Ok(question) => match answer.answer(&question) {
                Ok(yes) => write_line(&mut output, &Yes { id: &question.id(), ok: true, yes })?,
                Err(refused) => write_no(&mut output, &question.id(), &refused)?,
            },
        }
    }
}

fn write_no(output: &mut impl Write, id: &RawValue, refused: &Refused) -> io::Result<()> {
    write_line(output, &No { id, ok: false, error: refused.code(), reason: refused.reason() })
}

fn write_line(output: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, line)?;
    output.write_all(b"\n")
}

/// Every code by which a question is answered with no.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    Refusal::ALL.iter().map(|refusal| refusal.code()).chain([refused::BAD_LINE])
}

fn base64url(octets: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(octets))
}

/// What was found up to the end of a line.
enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads up to the next line end, or the end of the input, into `line`.
fn next_line(
    input: &mut BufReader<impl Read>,
    output: &mut impl Write,
    line: &mut Vec<u8>,
) -> io::Result<Line> {
    line.clear();
    let mut too_long = false;
    let mut found = false;
    loop {
        if input.buffer().is_empty() {
            // The next read may wait, and whoever writes may be waiting for these answers.
            output.flush()?;
        }
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(match (found, too_long) {
                (false, _) => Line::End,
                (true, true) => Line::TooLong,
                (true, false) => Line::Whole,
            });
        }
        found = true;
        let end = buffer.iter().position(|octet| *octet == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        if too_long || line.len() + part.len() > MAX_LINE {
            too_long = true;
            line.zeroize();
            line.shrink_to_fit();
        } else {
            line.extend_from_slice(part);
        }
        let consumed = end.map_or(buffer.len(), |end| end + 1);
        input.consume(consumed);
        if end.is_some() {
            return Ok(if too_long { Line::TooLong } else { Line::Whole });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how long the token is.
    struct Length;

    impl Answer for Length {
        type Yes = Opened;

        fn answer(&mut self, question: &Question<'_>) -> Result<Opened, Refused> {
            Ok(Opened {
                alg: "none".to_owned(),
                payload: question.token()?.len().to_string().into(),
            })
        }
    }

    fn answers(input: impl Read) -> Vec<String> {
        let mut output = Vec::new();
        answer_all(input, &mut output, Length).unwrap();
        String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
    }

    fn bad(reason: &str) -> String {
        format!(r#"{{"id":null,"ok":false,"error":"bad_line","reason":"{reason}"}}"#)
    }

    fn good(id: &str, payload: usize) -> String {
        format!(r#"{{"id":{id},"ok":true,"alg":"none","payload":"{payload}"}}"#)
    }

    #[test]
    fn one_answer_a_line_in_order() {
        let input = concat!(
            r#"{"id":1,"token":"abc"}"#,
            "\n\n",
            r#"{"token":"\u0061b","id":{"a":[1.50,"x\u00e9"]},"more":[]}"#,
            "\r\n",
            r#"{"id":"last","token":""}"#,
        );
        let expected = [
            good("1", 3),
            bad("not a JSON object"),
            good(r#"{"a":[1.50,"x\u00e9"]}"#, 2),
            good("\"last\"", 0),
        ];
        assert_eq!(answers(input.as_bytes()), expected);
        assert_eq!(answers(&b""[..]), [""; 0]);
    }

    #[test]
    fn bad_lines_do_not_end_the_stream() {
        let rows: &[(&[u8], &str)] = &[
            (b"no json", "not a JSON object"),
            (b"[]", "not a JSON object"),
            (b"7", "not a JSON object"),
            (b"{\"id\":1,\"token\":\"a\"} x", "not a JSON object"),
            (b"{\"id\":1,\"token\":\"a\"", "not a JSON object"),
            (b"{\"id\":1,\"id\":2,\"token\":\"a\"}", "not a JSON object"),
            (b"{\"id\":1,\"token\":\"a\",\"\\u0074oken\":\"b\"}", "not a JSON object"),
            (b"{\"id\":1,\"token\":\"\xff\"}", "not UTF-8"),
            (b"\xef\xbb\xbf{\"id\":1,\"token\":\"a\"}", "not a JSON object"),
            (b"\0", "not a JSON object"),
        ];
        for (line, reason) in rows {
            let input = [line, &b"\n{\"id\":2,\"token\":\"a\"}\n"[..]].concat();
            assert_eq!(answers(&*input), [bad(reason), good("2", 1)], "{line:?}");
        }
    }

    #[test]
    fn a_question_that_lacks_something_keeps_its_id() {
        for line in [r#"{"id":7}"#, r#"{"id":7,"token":null}"#, r#"{"id":7,"token":1}"#] {
            let [answer] = answers(line.as_bytes()).try_into().unwrap();
            assert!(answer.starts_with(r#"{"id":7,"ok":false,"error":"bad_line","#), "{answer}");
        }
    }

    #[test]
    fn long_lines_are_skipped_without_being_kept() {
        let head = br#"{"id":1,"token":""#;
        let fits = MAX_LINE - head.len() - 2;
        for (len, expected) in [
            (fits, good("1", fits)),
            (fits + 1, bad("the line is longer than 4 MiB")),
            (64 * MAX_LINE, bad("the line is longer than 4 MiB")),
        ] {
            let token = io::repeat(b'a').take(len as u64);
            let tail = &b"\"}\n{\"id\":2,\"token\":\"a\"}\n"[..];
            let input = head.chain(token).chain(tail);
            assert_eq!(answers(input), [expected, good("2", 1)], "{len}");
        }
    }

    /// Hands out one line at a time, and only after the answers to all lines before were written.
    struct OneAtATime<'a> {
        lines: usize,
        answered: &'a std::cell::Cell<usize>,
    }

    impl Read for OneAtATime<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert_eq!(self.answered.get(), self.lines, "no answer is kept back");
            if self.lines == 3 {
                return Ok(0);
            }
            self.lines += 1;
            let line = b"{\"id\":1,\"token\":\"a\"}\n";
            buffer[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }

    struct Counting<'a>(&'a std::cell::Cell<usize>);

    impl Write for Counting<'_> {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let lines = octets.iter().filter(|octet| **octet == b'\n').count();
            self.0.set(self.0.get() + lines);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_driver_that_waits_for_each_answer_gets_it() {
        let answered = std::cell::Cell::new(0);
        let input = OneAtATime { lines: 0, answered: &answered };
        answer_all(input, Counting(&answered), Length).unwrap();
        assert_eq!(answered.get(), 3);
    }
}
