//! Where a browser brings the answer to a native application. [RFC 8252 §7.3]
//!
//! [RFC 8252 §7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use countersign_types::{Params, RedirectUri};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::upstream::Pending;

const PATH: &str = "/callback";
/// A connection that says nothing for so long is closed: browsers open some in advance.
const SILENCE: Duration = Duration::from_secs(10);
/// More connections than this at a time are refused.
const MAX_CONNECTIONS: usize = 16;

/// What the answer's query says, as far as a page can tell before the code is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// There is a code: the application goes on.
    Code,
    /// `access_denied`: the person said no, or the provider did.
    Denied,
    /// Another error.
    Error,
    /// It is not the answer that is being waited for.
    NotHere,
}

impl Said {
    /// The error codes of RFC 6749 §4.1.2.1.
    fn by(query: &str) -> Self {
        let params = Params::parse(query.as_bytes(), &[]);
        match params.as_ref().ok().and_then(|params| params.get("error")) {
            None => Self::Code,
            Some("access_denied") => Self::Denied,
            Some(_) => Self::Error,
        }
    }

    /// Status, title and text of the page. Nothing of the request is in it.
    const fn page(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Code => (
                StatusCode::OK,
                "Answer received",
                "The application that sent you has your provider's answer and says whether you are \
                 signed in. You can close this window.",
            ),
            Self::Denied => (
                StatusCode::OK,
                "Not signed in",
                "Access was denied at your provider. You can close this window.",
            ),
            Self::Error => (
                StatusCode::OK,
                "Not signed in",
                "Your provider answered with an error; the application that sent you says which. \
                 You can close this window.",
            ),
            Self::NotHere => (
                StatusCode::NOT_FOUND,
                "Not here",
                "This is not the answer that is being waited for.",
            ),
        }
    }
}

/// A receiver on a port of this machine's loopback interface.
#[derive(Debug)]
pub struct Loopback {
    listener: TcpListener,
    redirect_uri: RedirectUri,
}

/// Why no answer was received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoopbackError {
    /// The listener failed.
    #[error("the answer could not be received")]
    Listen(#[from] io::Error),
    /// The time was up.
    #[error("no answer came in time")]
    Timeout,
}

impl Loopback {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// [`io::Error`] if there is none.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let redirect_uri = RedirectUri::parse(&format!("http://127.0.0.1:{port}{PATH}"))
            .map_err(io::Error::other)?;
        Ok(Self { listener, redirect_uri })
    }

    /// The redirection URI to send. Register it without the port.
    #[must_use]
    pub const fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// Waits for the answer to a login, and returns its query. Whatever else arrives, an answer
    /// with another `state` among it, is turned away and does not end the wait.
    ///
    /// # Errors
    /// [`LoopbackError`].
    pub async fn receive(
        self,
        pending: &Pending,
        within: Duration,
    ) -> Result<String, LoopbackError> {
        let answer = tokio::time::timeout(within, self.wait(pending)).await;
        answer.unwrap_or(Err(LoopbackError::Timeout))
    }

    async fn wait(self, pending: &Pending) -> Result<String, LoopbackError> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    let (stream, _) = accepted?;
                    connections.spawn(answer(stream, pending.recognizer()));
                }
                Some(ended) = connections.join_next() => {
                    if let Ok(Some(query)) = ended {
                        return Ok(query);
                    }
                }
            }
        }
    }
}

/// Answers the one request of a connection; the query if it is the one waited for.
async fn answer(
    stream: TcpStream,
    is_awaited: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Option<String> {
    let received = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&received);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let query = (request.method() == Method::GET && request.uri().path() == PATH)
            .then(|| request.uri().query().unwrap_or_default().to_owned())
            .filter(|query| is_awaited(query));
        let said = query.as_deref().map_or(Said::NotHere, Said::by);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = query;
        async move { Ok::<_, Infallible>(page(said)) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // A browser that hangs up before it has read the page has still brought the answer.
    drop(served);
    received.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A page without anything of the request in it.
fn page(said: Said) -> Response<Full<Bytes>> {
    let (status, title, text) = said.page();
    let html = format!(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <h1>{title}</h1><p>{text}</p></html>"
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn send(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    fn port_of(receiver: &Loopback) -> u16 {
        receiver.listener.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn the_awaited_answer_ends_the_wait() {
        let receiver = Loopback::bind().await.unwrap();
        let port = port_of(&receiver);
        assert_eq!(receiver.redirect_uri().as_str(), format!("http://127.0.0.1:{port}/callback"));
        let pending = Pending::for_tests("the-state");
        let waiting =
            tokio::spawn(async move { receiver.receive(&pending, Duration::from_secs(10)).await });
        // A browser's connection in advance, and requests that are not the answer.
        let _silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        for other in [
            "GET /favicon.ico HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /callback HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /callback?state=other&code=x HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /callback?state=the-state&state=the-state HTTP/1.1\r\nhost: x\r\n\r\n",
            "POST /callback?state=the-state HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        ] {
            let response = send(port, other).await;
            assert!(response.starts_with("HTTP/1.1 404 "), "{other}: {response}");
        }
        assert!(!send(port, "nonsense\r\n\r\n").await.contains("200"));
        let request = "GET /callback?code=c&state=the-state HTTP/1.1\r\nhost: x\r\n\r\n";
        let response = send(port, request).await;
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        assert!(response.contains("no-store") && !response.contains("the-state"), "{response}");
        assert_eq!(waiting.await.unwrap().unwrap(), "code=c&state=the-state");
    }

    #[tokio::test]
    async fn the_page_says_what_the_provider_said() {
        for (query, title) in [
            ("code=c", "Answer received"),
            ("error=access_denied", "Not signed in"),
            ("error=server_error&error_description=%3Cscript%3E", "Not signed in"),
        ] {
            let receiver = Loopback::bind().await.unwrap();
            let port = port_of(&receiver);
            let pending = Pending::for_tests("s");
            let waiting =
                tokio::spawn(
                    async move { receiver.receive(&pending, Duration::from_secs(10)).await },
                );
            let request = format!("GET /callback?state=s&{query} HTTP/1.1\r\nhost: x\r\n\r\n");
            let response = send(port, &request).await;
            assert!(response.contains(&format!("<title>{title}</title>")), "{response}");
            assert!(!response.contains("script"), "{response}");
            assert_eq!(waiting.await.unwrap().unwrap(), format!("state=s&{query}"));
        }
    }

    #[tokio::test]
    async fn the_wait_ends_in_time() {
        let receiver = Loopback::bind().await.unwrap();
        let pending = Pending::for_tests("s");
        let waited = receiver.receive(&pending, Duration::from_millis(20)).await;
        assert!(matches!(waited, Err(LoopbackError::Timeout)));
    }
}
