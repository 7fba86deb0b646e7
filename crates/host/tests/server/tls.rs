//! H17: TLS and what its files must be.

use std::sync::Arc;

use countersign_host::reload::{Cause, Reload};
use countersign_host::server::{Limits, Service, TlsConfig, TransportError};
use countersign_host::{Transport, config};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use crate::peer::{Server, router};

/// A certificate for `localhost` and its key, as files in a directory that goes away.
struct Files {
    _directory: TempDir,
    tls: TlsConfig,
    certificate: CertificateDer<'static>,
    /// This one and those before it.
    trusted: Vec<CertificateDer<'static>>,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let written = TlsConfig { certificate: "cert.pem".into(), key: "key.pem".into() };
        let tls = written.relative_to(&directory.path().join("server.toml"));
        let certificate = write_certificate(&tls);
        let trusted = vec![certificate.clone()];
        let files = Self { tls, trusted, certificate, _directory: directory };
        files.set_key_mode(0o600);
        files
    }

    /// Writes another certificate and key over those there are.
    fn renew(&mut self) {
        self.certificate = write_certificate(&self.tls);
        self.trusted.push(self.certificate.clone());
    }

    #[cfg(unix)]
    fn set_key_mode(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&self.tls.key, permissions).unwrap();
    }

    #[cfg(not(unix))]
    fn set_key_mode(&self, _mode: u32) {}

    fn connector(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        for certificate in &self.trusted {
            roots.add(certificate.clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(client))
    }
}

fn write_certificate(tls: &TlsConfig) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&tls.certificate, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// The certificate that a new connection is served with.
async fn served(server: &Server, files: &Files) -> CertificateDer<'static> {
    let stream = server.connect().await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = files.connector(&[&rustls::version::TLS13]);
    let stream = connector.connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap().first().unwrap().clone().into_owned()
}

#[tokio::test]
async fn both_versions_are_served_and_plain_text_is_not() {
    let files = Files::new();
    let transport = Transport::tls(&files.tls).unwrap();
    let server = Server::start_with(transport, router(), Limits::default());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let stream = server.connect().await;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = files.connector(&[version]).connect(name, stream).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("hello"), "{answer}");
    }
    let answer = {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        answer
    };
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() {
    let mut files = Files::new();
    let old = files.certificate.clone();
    let transport = Transport::tls(&files.tls).unwrap();
    let (trigger, reload) = Reload::manual();
    let server = Server::serve(transport, Service::new(router()).with_reload(reload));
    assert_eq!(served(&server, &files).await, old);
    // A connection that stands goes on as it began.
    let standing = server.connect().await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = files.connector(&[&rustls::version::TLS13]);
    let mut standing = connector.connect(name, standing).await.unwrap();

    files.renew();
    assert_eq!(served(&server, &files).await, old, "nobody has asked yet");
    trigger.pull(Cause::Asked);
    until(async || served(&server, &files).await == files.certificate).await;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    standing.write_all(request).await.unwrap();
    let mut answer = String::new();
    standing.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_old_certificate() {
    let mut files = Files::new();
    let transport = Transport::tls(&files.tls).unwrap();
    let (trigger, reload) = Reload::manual();
    let server = Server::serve(transport, Service::new(router()).with_reload(reload));
    let old = files.certificate.clone();

    let other = Files::new();
    std::fs::copy(&other.tls.certificate, &files.tls.certificate).unwrap();
    trigger.pull(Cause::Timer);
    for _ in 0..20 {
        assert_eq!(served(&server, &files).await, old, "a certificate without its key");
    }
    #[cfg(unix)]
    {
        files.renew();
        files.set_key_mode(0o644);
        trigger.pull(Cause::Timer);
        for _ in 0..20 {
            assert_eq!(served(&server, &files).await, old, "a key that others can read");
        }
        files.set_key_mode(0o600);
    }
    files.renew();
    trigger.pull(Cause::Timer);
    until(async || served(&server, &files).await == files.certificate).await;
}

/// Waits for what happens soon.
async fn until(is_so: impl AsyncFn() -> bool) {
    tokio::time::timeout(crate::peer::PATIENCE, async { while !is_so().await {} }).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_is_cut_off() {
    let files = Files::new();
    let mut limits = Limits::default();
    limits.handshake = std::time::Duration::from_millis(200);
    let transport = Transport::tls(&files.tls).unwrap();
    let server = Server::start_with(transport, router(), limits);
    let mut stream = server.connect().await;
    assert_eq!(crate::peer::read_to_end(&mut stream).await, "");
}

#[test]
fn unusable_files_are_named() {
    let files = Files::new();
    #[cfg(unix)]
    {
        files.set_key_mode(0o644);
        let error = Transport::tls(&files.tls).unwrap_err();
        assert!(matches!(error, TransportError::File { .. }), "{error}");
        assert!(error.to_string().contains("key.pem"), "{error}");
        files.set_key_mode(0o600);
    }
    let swapped = TlsConfig { certificate: files.tls.key.clone(), key: files.tls.key.clone() };
    let error = Transport::tls(&swapped).unwrap_err();
    assert!(matches!(error, TransportError::Pem { what: "certificate", .. }), "{error}");

    let missing = TlsConfig { certificate: "no/such.pem".into(), ..files.tls.clone() };
    let error = Transport::tls(&missing).unwrap_err();
    assert!(error.to_string().contains("no/such.pem"), "{error}");

    let other = Files::new();
    let mixed = TlsConfig { key: other.tls.key.clone(), ..files.tls.clone() };
    let error = Transport::tls(&mixed).unwrap_err();
    assert!(matches!(error, TransportError::Unusable(_)), "{error}");
}

#[test]
fn a_certificate_covers_its_names_and_no_others() {
    let transport = Transport::tls(&Files::new().tls).unwrap();
    for (host, is_covered) in
        [("localhost", true), ("LOCALHOST", true), ("a.localhost", false), ("[::1]", false)]
    {
        assert_eq!(transport.covers(host), is_covered, "{host}");
    }
}

#[test]
fn the_files_stand_in_the_configuration() {
    let text = "certificate = \"cert.pem\"\nkey = \"key.pem\"";
    let file = std::path::Path::new("etc/server.toml");
    let tls: TlsConfig = config::parse(file, text).unwrap();
    let tls = tls.relative_to(file);
    assert_eq!(tls.certificate, std::path::Path::new("etc/cert.pem"));
    assert_eq!(tls.key, std::path::Path::new("etc/key.pem"));
}
