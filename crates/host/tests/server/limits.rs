//! H2, H3, H4: what is too large or too slow.

use std::time::Duration;

use countersign_host::server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::peer::{LARGE, Server, read_to_end};

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.head = Duration::from_millis(300);
    limits.body = Duration::from_millis(300);
    limits
}

#[tokio::test]
async fn a_head_that_is_too_large_gets_431() {
    let server = Server::start(Limits::default());
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(20_000));
    let fields = |many: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Many: a\r\n".repeat(many - 1))
    };
    for request in [long, fields(65), fields(100), fields(101)] {
        let answer = server.exchange(&request).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let last = fields(64).replace("X-Many: a\r\n\r\n", "Connection: close\r\n\r\n");
    let answer = server.exchange(&last).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let later = server.exchange(&format!("{}{}", fields(64), fields(65))).await;
    assert!(later.starts_with("HTTP/1.1 200 ") && later.contains("HTTP/1.1 431 "), "{later}");

    let mut limits = Limits::default();
    limits.head_fields = 128;
    let server = Server::start(limits);
    for (many, status) in [(128, "200"), (129, "431")] {
        let last = fields(many).replace("X-Many: a\r\n\r\n", "Connection: close\r\n\r\n");
        let answer = server.exchange(&last).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_gets_413() {
    let server = Server::start(Limits::default());
    let declared = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n".to_owned();
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000));
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        chunk.repeat(17)
    );
    for request in [declared, chunked] {
        let answer = server.exchange(&request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains(r#""error":"invalid_request""#), "{answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
    }
    let largest = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 65536\r\n\r\n{}",
        "a".repeat(65536)
    );
    assert!(server.exchange(&largest).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_slow_or_silent_peer_is_cut_off_while_others_are_served() {
    let server = Server::start(limits());
    let begun = Instant::now();
    let mut slow = Vec::new();
    for start in ["", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        for _ in 0..100 {
            let mut stream = server.connect().await;
            stream.write_all(start.as_bytes()).await.unwrap();
            slow.push(stream);
        }
    }
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(server.exchange(request).await.starts_with("HTTP/1.1 200 "));
    for stream in &mut slow {
        let answer = read_to_end(stream).await;
        assert!(!answer.contains("200"), "{answer}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_gets_408() {
    let server = Server::start(limits());
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    let answer = server.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let server = Server::start(limits());
    let answer = server.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn more_connections_than_places_wait_their_turn() {
    let mut limits = limits();
    limits.connections = 2;
    let server = Server::start(limits);
    let _idle = (server.connect().await, server.connect().await);
    // Served once the idle ones are cut off.
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(server.exchange(request).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_503() {
    let mut limits = limits();
    limits.handler = Duration::from_millis(50);
    let server = Server::start(limits);
    let answer =
        server.exchange("GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
}

#[tokio::test]
async fn a_connection_ends_at_its_age_however_busy() {
    let mut limits = Limits::default();
    limits.connection = Duration::from_millis(200);
    let server = Server::start(limits);
    let begun = Instant::now();
    // The handler of the second request is at work when the time is over: it is answered yet.
    let answer = server
        .exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert!(answer.ends_with("slow but sure"), "{answer}");
    assert!(begun.elapsed() < Limits::default().head);
}

#[tokio::test]
async fn a_connection_that_is_old_and_idle_has_one_more_answer() {
    let mut limits = Limits::default();
    limits.connection = Duration::from_millis(50);
    let server = Server::start(limits);
    let mut connection = server.connect().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let (mut answer, begun) = (String::new(), Instant::now());
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(begun.elapsed() < Limits::default().head, "closed by the server, and at once");
}

const LARGE_ANSWER: &[u8] = b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_peer_that_stops_reading_is_cut_off() {
    let mut limits = Limits::default();
    limits.write = Duration::from_millis(300);
    limits.connections = 1;
    let server = Server::start(limits);
    let begun = Instant::now();
    let mut stuck = server.connect().await;
    stuck.write_all(LARGE_ANSWER).await.unwrap();
    // The only place is free again once the peer that does not read has lost it.
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(server.exchange(request).await.starts_with("HTTP/1.1 200 "));
    assert!(begun.elapsed() < Limits::default().write);
}

#[tokio::test]
async fn a_peer_that_reads_slowly_gets_its_whole_answer() {
    let mut limits = Limits::default();
    limits.write = Duration::from_millis(300);
    let server = Server::start(limits);
    let mut slow = server.connect().await;
    slow.write_all(LARGE_ANSWER).await.unwrap();
    let (mut piece, mut received) = (vec![0; LARGE / 16], 0);
    let begun = Instant::now();
    loop {
        match slow.read(&mut piece).await.unwrap() {
            0 => break,
            length => received += length,
        }
        // It takes longer than the limit for the whole, and never so long for a part of it.
        if begun.elapsed() < 3 * limits.write {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(received > LARGE, "{received}");
}
