//! An owner who is asked first.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::routing::{get, post};
use countersign_host::server::{TlsConfig, Transport, serve};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use crate::home::Ended;
use crate::servers::Kept;

const UMA: &str = "https://uma.bob.example";

/// An authorization server whose owner refuses after so many questions. [UMA Grant §3.3.6]
///
/// [UMA Grant §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#authorization-failure
fn asks_the_owner(interval: u32, questions: u32, asked: Arc<AtomicU32>) -> Router {
    let json = |body: serde_json::Value| ([(CONTENT_TYPE, "application/json")], body.to_string());
    let metadata = json(json!({ "issuer": UMA, "token_endpoint": format!("{UMA}/token") }));
    let answer = async move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let body = if number < questions {
            let ticket = format!("ticket-{number}");
            json!({ "error": "request_submitted", "ticket": ticket, "interval": interval })
        } else {
            json!({ "error": "request_denied" })
        };
        (StatusCode::FORBIDDEN, json(body))
    };
    Router::new()
        .route("/.well-known/uma2-configuration", get(async move || metadata.clone()))
        .route("/token", post(answer))
}

/// A request to a resource whose owner is asked, and how often that was.
async fn request((interval, questions): (u32, u32), args: &[&str], code: i32) -> (Ended, u32) {
    let kept = Kept::start();
    kept.login();
    let file = |name: &str| kept.file(name).into();
    let tls = TlsConfig {
        certificate: file("uma.bob.example.pem"),
        key: file("uma.bob.example.key.pem"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let transport = Transport::tls(&tls).expect("TLS");
    let asked = Arc::new(AtomicU32::new(0));
    let router = asks_the_owner(interval, questions, Arc::clone(&asked));
    tokio::spawn(serve(listener, transport, router, std::future::pending()));

    let uma = "\"uma.bob.example:443=127.0.0.1:";
    let other = format!("\"uma.bob.example:443=127.0.0.1:{port}\", \"x.example:443=127.0.0.1:");
    let args = [&["request"], args, &["https://rs.bob.example/rs-api"]].concat();
    let ended = kept.check_with(uma, &other, &args, code);
    assert_eq!(ended.stdout, "");
    (ended, asked.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_for_the_owner_is_told_so() {
    let (ended, asked) = request((5, 9), &["--wait", "4"], 7).await;
    let told = "the owner of the resource has been asked; try again in 5 s or later";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(asked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_until_the_owner_has_said_what_they_say() {
    let (ended, asked) = request((1, 2), &[], 6).await;
    let told = "https://uma.bob.example asks the owner of https://rs.bob.example: waiting";
    assert_eq!(ended.stderr.matches(told).count(), 1, "{}", ended.stderr);
    assert_eq!(asked, 3);
}
