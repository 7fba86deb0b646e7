//! Peers on loopback, and the words of a test.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::super::*;
use crate::danger::ConnectTo;

pub(super) const HOST: &str = "peer.example";

/// The file of a peer's certificate.
const ROOTS: &str = "roots.pem";

pub(super) const JSON_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// A TLS server on loopback that answers every connection's first request by a function.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Where its certificate is.
    directory: TempDir,
    accepted: Arc<AtomicUsize>,
}

impl Peer {
    pub(super) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(String, TlsStream<TcpStream>) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([HOST.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(ROOTS), cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (counter, answer) = (Arc::clone(&accepted), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let request = read_head(&mut stream).await;
                    answer(request, stream).await;
                });
            }
        });
        Self { address, directory, accepted }
    }

    /// A peer that always sends the same bytes.
    pub(super) async fn saying(response: impl Into<String>) -> Self {
        let response = Arc::new(response.into());
        Self::start(move |_, mut stream| {
            let response = Arc::clone(&response);
            async move {
                let _ = stream.write_all(response.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    pub(super) fn config(&self) -> FetchConfig {
        FetchConfig::default().with_roots(Roots::File(self.directory.path().join(ROOTS)))
    }

    /// A client for which the peer's host leads to the peer.
    pub(super) fn client(&self) -> HttpFetch {
        let map = ConnectTo::parse([format!("{HOST}:443={}", self.address)]).unwrap();
        HttpFetch::new(&self.config().with_danger(Danger::default().with_connect_to(map))).unwrap()
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

pub(super) async fn read_head(stream: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub(super) fn url(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text).unwrap()
}

pub(super) fn peer_url() -> EndpointUrl {
    url("https://peer.example/document")
}

pub(super) async fn get(client: &HttpFetch, limits: Limits) -> Result<Response<Bytes>, FetchError> {
    client.fetch(Request::get(peer_url(), limits)).await
}

/// A resolver that answers each question with the next list of addresses.
pub(super) struct Scripted(pub(super) std::sync::Mutex<Vec<Vec<SocketAddr>>>);

impl Resolve for Scripted {
    fn resolve(&self, _: &str, _: u16) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.is_empty() { Vec::new() } else { answers.remove(0) };
        Box::pin(async move { Ok(answer) })
    }
}
