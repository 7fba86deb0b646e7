//! One request on a connection of its own: an answer, or none.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long an answer may take on a busy machine before it counts as none.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a server may take to serve again.
const START: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body as JSON; `Null` if it is empty.
    pub body: Value,
}

impl Answer {
    /// A member of the body that is a string.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.body.get(member).and_then(Value::as_str)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The connection was refused or broke: whether the request had an effect is unknown.
    Lost,
    /// There is one, and it is not well formed.
    Malformed(String),
}

/// What a request carries beside method and path.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The `Authorization` header.
    pub authorization: &'a str,
    /// The media type of `body`.
    pub media_type: &'a str,
    /// The body.
    pub body: &'a str,
}

/// Sends one request.
///
/// # Errors
/// [`NoAnswer`].
pub async fn send(
    server: SocketAddr,
    method: Method,
    path: &str,
    content: Content<'_>,
) -> Result<Answer, NoAnswer> {
    match timeout(PATIENCE, exchange(server, method, path, content)).await {
        Ok(answer) => answer,
        Err(_) => Err(NoAnswer::Malformed(format!("no answer from {path} in {PATIENCE:?}"))),
    }
}

async fn exchange(
    server: SocketAddr,
    method: Method,
    path: &str,
    content: Content<'_>,
) -> Result<Answer, NoAnswer> {
    let stream = TcpStream::connect(server).await.map_err(lost)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", server.to_string())
        .header("authorization", content.authorization)
        .header("content-type", content.media_type)
        .body(Full::new(Bytes::copy_from_slice(content.body.as_bytes())))
        .map_err(|error| NoAnswer::Malformed(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(lost)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(lost)?.to_bytes();
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).map_err(|error| {
                NoAnswer::Malformed(format!("{path}: {status} with no JSON: {error}"))
            })?
        };
        Ok(Answer { status, body })
    };
    let mut exchange = std::pin::pin!(exchange);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answer = &mut exchange => answer,
        // The connection's end says nothing yet: the answer may have arrived before it.
        _ = &mut connection => exchange.await,
    }
}

fn lost<E>(_: E) -> NoAnswer {
    NoAnswer::Lost
}

/// Waits for the first good answer.
pub(crate) async fn wait_until_served(server: SocketAddr) -> Result<(), String> {
    let begun = Instant::now();
    let content = Content { authorization: "", media_type: "text/plain", body: "" };
    while begun.elapsed() < START {
        let path = "/.well-known/uma2-configuration";
        match send(server, Method::GET, path, content).await {
            Ok(answer) if answer.status.is_success() => return Ok(()),
            _ => sleep(Duration::from_millis(5)).await,
        }
    }
    Err(format!("no good answer in {START:?}"))
}
