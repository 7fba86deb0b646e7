//! An owner who is asked first.

use std::net::TcpListener;

use axum::Router;
use axum::routing::{get, post};
use countersign_host::server::{TlsConfig, Transport, serve};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use crate::servers::Kept;

const UMA: &str = "https://uma.bob.example";

/// An authorization server that asks the owner about everything. [UMA Grant §3.3.6]
///
/// [UMA Grant §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#authorization-failure
fn asks_the_owner() -> Router {
    let json = |body: serde_json::Value| ([(CONTENT_TYPE, "application/json")], body.to_string());
    let metadata = json(json!({ "issuer": UMA, "token_endpoint": format!("{UMA}/token") }));
    let later = json!({ "error": "request_submitted", "ticket": "the-next-one", "interval": 5 });
    let submitted = (StatusCode::FORBIDDEN, json(later));
    Router::new()
        .route("/.well-known/uma2-configuration", get(async move || metadata.clone()))
        .route("/token", post(async move || submitted.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_to_wait_for_the_owner_is_told_so() {
    let kept = Kept::start("submitted");
    kept.login();
    let file = |name: &str| kept.file(name).into();
    let tls = TlsConfig {
        certificate: file("uma.bob.example.pem"),
        key: file("uma.bob.example.key.pem"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let transport = Transport::tls(&tls).expect("TLS");
    tokio::spawn(serve(listener, transport, asks_the_owner(), std::future::pending()));

    let uma = "\"uma.bob.example:443=127.0.0.1:";
    let other = format!("\"uma.bob.example:443=127.0.0.1:{port}\", \"x.example:443=127.0.0.1:");
    let ended = kept.check_with(uma, &other, &["request", "https://rs.bob.example/rs-api"], 7);
    let told = "the owner of the resource has been asked; try again in 5 s or later";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}
