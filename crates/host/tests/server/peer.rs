//! A server to test, and a peer that says exactly what it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use countersign_host::server::{self, Limits, Service};
use countersign_host::{Transport, server::danger};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than any limit of a test: whoever waits so long waits for nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// More than the system keeps for a peer that does not read.
pub(crate) const LARGE: usize = 32 * 1024 * 1024;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(limits: Limits) -> Self {
        Self::start_with(danger::plain_http(), router(), limits)
    }

    pub(crate) fn start_with(transport: Transport, router: Router, limits: Limits) -> Self {
        Self::serve(transport, Service::new(router).with_limits(limits))
    }

    pub(crate) fn serve(transport: Transport, service: Service) -> Self {
        let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            server::serve(listener, transport, service, shutdown).await.unwrap();
        });
        Self { address, stop: Some(stop), task }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` on a fresh connection and reads to its end.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }

    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn ended(self) {
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

/// What arrives until the server ends the connection, which it must.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end as well.
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let is_ended = read.is_ok();
    assert!(is_ended, "the connection stays open after {:?}", String::from_utf8_lossy(&answer));
    String::from_utf8(answer).unwrap()
}

pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(async |body: String| body))
        .route("/panic", get(panics))
        .route("/slow", get(slow))
        .route("/large", get(async || vec![b'a'; LARGE]))
}

async fn panics() -> &'static str {
    panic!("with something secret")
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "slow but sure"
}
