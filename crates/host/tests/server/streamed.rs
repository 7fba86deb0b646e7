//! Bodies that a handler takes as they arrive.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use countersign_host::server::{self, Bodies, Limits, Service, danger};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::peer::read_to_end;

/// Sends back what arrives, when it arrives.
async fn echo(request: Request<Body>) -> Body {
    request.into_body()
}

/// Says how the body ended.
async fn swallow(request: Request<Body>) -> Response<String> {
    let mut response = Response::default();
    match request.into_body().collect().await {
        Ok(body) => *response.body_mut() = body.to_bytes().len().to_string(),
        Err(_) => *response.status_mut() = StatusCode::IM_A_TEAPOT,
    }
    response
}

fn start() -> SocketAddr {
    let mut limits = Limits::default();
    limits.body = Duration::from_millis(300);
    limits.body_size = 1000;
    let router = Router::new().route("/echo", post(echo)).route("/swallow", post(swallow));
    let service = Service::new(router).with_limits(limits).with_bodies(Bodies::Streamed);
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server::serve(listener, danger::plain_http(), service, std::future::pending()));
    address
}

async fn send(at: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Reads until a text has arrived.
async fn await_text(stream: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "ended without {text}");
    }
}

#[tokio::test]
async fn a_piece_reaches_the_handler_before_the_next_is_sent() {
    for (head, first, second, end) in [
        ("Content-Length: 6", "one", "two", ""),
        ("Transfer-Encoding: chunked", "3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"),
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{first}");
        let mut stream = send(start(), &request).await;
        await_text(&mut stream, "one").await;
        stream.write_all(format!("{second}{end}").as_bytes()).await.unwrap();
        await_text(&mut stream, "two").await;
    }
}

#[tokio::test]
async fn a_body_has_its_limits_all_the_same() {
    let at = start();
    let declared = "POST /swallow HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n";
    assert!(read_to_end(&mut send(at, declared).await).await.starts_with("HTTP/1.1 413 "));
    let chunk = format!("1f4\r\n{}\r\n", "a".repeat(500));
    let chunked = "POST /swallow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let grown = format!("{chunked}{}0\r\n\r\n", chunk.repeat(3));
    assert!(read_to_end(&mut send(at, &grown).await).await.starts_with("HTTP/1.1 418 "));
    let largest = format!("{chunked}{}0\r\n\r\n", chunk.repeat(2));
    assert!(read_to_end(&mut send(at, &largest).await).await.ends_with("1000"));
    let paused = format!("{chunked}{chunk}");
    assert!(read_to_end(&mut send(at, &paused).await).await.starts_with("HTTP/1.1 418 "));
}
