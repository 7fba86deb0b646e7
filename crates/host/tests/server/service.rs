//! What happens around a handler: panics, request ids, the end of the server.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use countersign_host::server::{self, Limits, RequestId, ServeError, Served, Service, danger};
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::peer::{PATIENCE, Server, read_to_end, router};

const CLOSE: &str = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_panic_is_that_requests_500_and_says_nothing() {
    let server = Server::start(Limits::default());
    for _ in 0..3 {
        let answer = server.exchange(&format!("GET /panic {CLOSE}")).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains(r#""error":"server_error""#), "{answer}");
        assert!(!answer.contains("secret"), "{answer}");
    }
    assert!(server.exchange(&format!("GET / {CLOSE}")).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_panic_leaves_the_connection_usable() {
    let server = Server::start(Limits::default());
    let answer =
        server.exchange(&format!("GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET / {CLOSE}")).await;
    assert_eq!(answer.matches("HTTP/1.1 500 ").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_handler_and_its_peer_see_the_same_request_id() {
    let show = axum::routing::get(async |axum::Extension(id): axum::Extension<RequestId>| {
        id.as_str().to_owned()
    });
    let router = axum::Router::new().route("/id", show);
    let server = Server::start_with(danger::plain_http(), router, Limits::default());
    let mut seen = Vec::new();
    for _ in 0..2 {
        let answer = server.exchange(&format!("GET /id {CLOSE}")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("x-request-id: {body}")), "{answer}");
        seen.push(body.to_owned());
    }
    assert_ne!(seen.first(), seen.last());
}

/// Answers with the path; `/panic` is one.
#[derive(Clone)]
struct Paths;

impl tower_service::Service<Request<Body>> for Paths {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        assert_ne!(path, "/panic");
        ready(Ok(Response::new(Full::from(path))))
    }
}

#[tokio::test]
async fn a_service_without_routes_is_served_as_a_router_is() {
    let router = Router::new().route("/route", axum::routing::get(async || "here"));
    let both = router.merge(Served::by(Paths).into_router());
    for service in [Service::new(Served::by(Paths)), Service::new(both)] {
        let server = Server::serve(danger::plain_http(), service);
        let answer = server.exchange(&format!("GET /a/b {CLOSE}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("/a/b"), "{answer}");
        assert!(answer.contains("x-request-id: "), "{answer}");
        let answer = server.exchange(&format!("GET /panic {CLOSE}")).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }
}

#[tokio::test]
async fn a_handler_sees_where_a_request_comes_from() {
    let show =
        axum::routing::get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string());
    let router = axum::Router::new().route("/peer", show);
    let server = Server::start_with(danger::plain_http(), router, Limits::default());
    let mut stream = server.connect().await;
    let here = stream.local_addr().unwrap().to_string();
    stream.write_all(format!("GET /peer {CLOSE}").as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.ends_with(&here), "{answer}");
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_began_and_takes_nothing_new() {
    let mut server = Server::start(Limits::default());
    let address = server.address;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // The first octets of an answer on another connection show that the request above was read.
    assert!(server.exchange(&format!("GET / {CLOSE}")).await.contains("hello"));
    server.begin_stop();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.ends_with("slow but sure"), "{answer}");
    server.ended().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_idle_connection_ends_when_the_server_stops_however_much_it_was_used() {
    let mut limits = Limits::default();
    limits.head = PATIENCE;
    let mut server = Server::start(limits);
    let mut used = server.connect().await;
    for _ in 0..300 {
        used.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            assert!(used.read_buf(&mut answer).await.unwrap() > 0, "the connection stays open");
        }
    }
    server.begin_stop();
    let begun = Instant::now();
    assert_eq!(read_to_end(&mut used).await, "");
    server.ended().await;
    assert!(begun.elapsed() < PATIENCE / 4, "nobody waits for its next request");
}

#[tokio::test]
async fn plain_http_is_refused_where_others_can_reach_it() {
    let listener = server::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let served =
        server::serve(listener, danger::plain_http(), router(), std::future::pending()).await;
    assert!(matches!(served, Err(ServeError::PlainHttp(_))), "{served:?}");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let server = Server::start(Limits::default());
    let error = server::bind(server.address).unwrap_err();
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}
