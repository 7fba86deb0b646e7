//! Requests over loopback, on connections that are kept alive.
//!
//! The generator shares the machine with the server it loads, so it does little: requests are
//! octets made beforehand, and of an answer it reads the status and as much as its length says.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::sync::Barrier;

/// What came of a load.
pub struct Answers {
    /// From the first request until the last was sent: so long, every connection had one.
    elapsed: Duration,
    /// How many were answered by then.
    answered: usize,
    /// Status and body of each answer, in the order of the requests.
    pub answers: Vec<(u16, Vec<u8>)>,
}

impl Answers {
    /// How many there were in a second, while every connection waited for one. What is still to be
    /// answered when no more requests are sent does not count: a server that is asked by fewer and
    /// fewer is another matter.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }
}

/// A form to be posted, as octets.
#[must_use]
pub fn form(path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    post(path, "application/x-www-form-urlencoded", "", &encoded(fields))
}

/// A form to be posted with a bearer token, as octets.
#[must_use]
pub fn form_with_token(path: &str, token: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    post(path, "application/x-www-form-urlencoded", &authorization(token), &encoded(fields))
}

/// Fields as a form or a query has them.
#[must_use]
pub fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A JSON document to be posted with a bearer token, as octets.
#[must_use]
pub fn json(path: &str, token: &str, document: &serde_json::Value) -> Vec<u8> {
    post(path, "application/json", &authorization(token), &document.to_string())
}

/// A GET with a bearer token, as octets.
#[must_use]
pub fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{}\r\n", authorization(token)).into_bytes()
}

fn authorization(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn post(path: &str, content_type: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-type: {content_type}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Threads of the generator. Where many are answered at once, as by a commit, one alone would have
/// everyone wait for it.
const THREADS: usize = 2;

/// Sends every request once, over so many connections at a time, which are fewer than the requests
/// or as many.
///
/// # Errors
/// [`io::Error`] if a connection fails or an answer cannot be read.
pub fn run(server: SocketAddr, connections: usize, requests: &[Vec<u8>]) -> io::Result<Answers> {
    let open = || {
        let stream = std::net::TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    let streams = (0..connections).map(|_| open()).collect::<io::Result<Vec<_>>>()?;
    let load = Arc::new(Load {
        requests: requests.into(),
        next: AtomicUsize::new(0),
        connected: Barrier::new(connections),
        started: OnceLock::new(),
        sent: OnceLock::new(),
    });
    // Whatever can fail does so before anyone waits for all to be there.
    let mut streams = streams.into_iter();
    let generator = |number| {
        let share = connections / THREADS + usize::from(number < connections % THREADS);
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let streams = {
            let _inside = runtime.enter();
            streams.by_ref().take(share).map(TcpStream::from_std).collect::<io::Result<_>>()?
        };
        Ok((runtime, streams))
    };
    let generators = (0..THREADS).map(generator).collect::<io::Result<Vec<_>>>()?;
    let start = |(runtime, streams): (Runtime, Vec<TcpStream>)| {
        let load = Arc::clone(&load);
        std::thread::spawn(move || generate(&runtime, streams, &load))
    };
    let threads: Vec<_> = generators.into_iter().map(start).collect();
    let mut numbered = Vec::with_capacity(requests.len());
    for thread in threads {
        numbered.extend(thread.join().map_err(|_| io::Error::other("a generator panicked"))??);
    }
    numbered.sort_by_key(|(number, _)| *number);
    let answers: Vec<_> = numbered.into_iter().map(|(_, answer)| answer).collect();
    let elapsed = match (load.started.get(), load.sent.get()) {
        (Some(started), Some(sent)) => *sent - *started,
        _ => Duration::ZERO,
    };
    // Whoever found that nothing is left had just been answered; the others waited still.
    let answered = (answers.len() + 1).saturating_sub(connections);
    Ok(Answers { elapsed, answered, answers })
}

/// What all connections share.
struct Load {
    requests: Vec<Vec<u8>>,
    /// The number of the next request.
    next: AtomicUsize,
    connected: Barrier,
    started: OnceLock<Instant>,
    /// When it was found that nothing is left.
    sent: OnceLock<Instant>,
}

/// One thread's part.
fn generate(
    runtime: &Runtime,
    streams: Vec<TcpStream>,
    load: &Arc<Load>,
) -> io::Result<Vec<Numbered>> {
    runtime.block_on(async {
        let mut tasks = Vec::with_capacity(streams.len());
        for stream in streams {
            let load = Arc::clone(load);
            tasks.push(tokio::spawn(async move { send(stream, &load).await }));
        }
        let mut numbered = Vec::new();
        for task in tasks {
            numbered.extend(task.await.map_err(io::Error::other)??);
        }
        Ok(numbered)
    })
}

type Numbered = (usize, (u16, Vec<u8>));

async fn send(mut stream: TcpStream, load: &Load) -> io::Result<Vec<Numbered>> {
    let mut answers = Vec::new();
    let mut buffer = Vec::with_capacity(8 * 1024);
    load.connected.wait().await;
    load.started.get_or_init(Instant::now);
    loop {
        let number = load.next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = load.requests.get(number) else {
            load.sent.get_or_init(Instant::now);
            return Ok(answers);
        };
        stream.write_all(request).await?;
        answers.push((number, answer(&mut stream, &mut buffer).await?));
    }
}

async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<(u16, Vec<u8>)> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = buffer.windows(4).position(|octets| octets == b"\r\n\r\n") else {
            continue;
        };
        let (head, body) = buffer.split_at_checked(end + 4).unwrap_or_default();
        let (status, length) = parse_head(head).ok_or(io::ErrorKind::InvalidData)?;
        if body.len() >= length {
            return Ok((status, body.to_vec()));
        }
    }
}

fn parse_head(head: &[u8]) -> Option<(u16, usize)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })?;
    Some((status, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head = b"HTTP/1.1 200 OK\r\nx: y\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(parse_head(head), Some((200, 12)));
        assert_eq!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
