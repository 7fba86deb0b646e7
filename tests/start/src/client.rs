//! A client that asks once.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::Server;

/// A server that does not listen by then will not.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts to reach a server that does not listen yet.
const PAUSE: Duration = Duration::from_micros(100);
/// An answer that took so long is none.
const SILENCE: Duration = Duration::from_secs(10);

/// Asks one server for the document that it serves to anyone, each time on a new connection.
#[derive(Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    address: SocketAddr,
    request: String,
}

impl Client {
    /// A client that trusts this certificate alone.
    ///
    /// # Errors
    /// If the certificate is none.
    pub fn new(
        server: Server,
        certificate: &CertificateDer<'static>,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Each connection is one of somebody who never was there.
        config.resumption = rustls::client::Resumption::disabled();
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            server.path(),
            server.host()
        );
        let name = ServerName::try_from(server.host()).map_err(io::Error::other)?;
        Ok(Self { config: Arc::new(config), name, address, request })
    }

    /// Asks until the server listens, as long as it lives.
    ///
    /// # Errors
    /// If it ended, or gives no good answer.
    pub fn first_answer(&self, mut is_alive: impl FnMut() -> bool) -> io::Result<()> {
        let began = Instant::now();
        loop {
            match TcpStream::connect(self.address) {
                Ok(stream) => return self.ask_on(stream),
                Err(error) if began.elapsed() > PATIENCE || !is_alive() => return Err(error),
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// If there is no good answer.
    pub fn ask(&self) -> io::Result<()> {
        self.ask_on(TcpStream::connect(self.address)?)
    }

    fn ask_on(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut stream = StreamOwned::new(connection.map_err(io::Error::other)?, stream);
        stream.write_all(self.request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(io::Error::other(answer.lines().next().unwrap_or("no answer").to_owned()))
    }
}
