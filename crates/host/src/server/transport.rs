//! How octets travel: TLS, or plain TCP under protest.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Deserialize;

use crate::config;
use crate::reload::{Cause, Reload};

/// The files of a TLS server, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate and the chain behind it.
    pub certificate: PathBuf,
    /// Its private key, in a file that only its owner can read.
    pub key: PathBuf,
}

impl TlsConfig {
    /// The same with relative paths that start at the directory of the configuration `file`.
    #[must_use]
    pub fn relative_to(&self, file: &Path) -> Self {
        Self {
            certificate: config::relative_to(file, &self.certificate),
            key: config::relative_to(file, &self.key),
        }
    }
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file holds no PEM block of the kind it should.
    #[error("{} holds no {what} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// The certificate and the key cannot be used together.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(String),
}

/// How octets travel. The default route is TLS; plain http is made in [`danger`] alone.
#[derive(Clone)]
pub struct Transport(pub(super) Kind);

#[derive(Clone)]
pub(super) enum Kind {
    Tls(Arc<Tls>),
    Plain,
}

/// A certificate that can be replaced while it is served.
pub(super) struct Tls {
    files: TlsConfig,
    current: RwLock<Loaded>,
}

/// What was in the files.
struct Loaded {
    server: Arc<ServerConfig>,
    /// The server's own certificate.
    certificate: CertificateDer<'static>,
    /// Of both files, to tell whether they have changed.
    digest: Vec<u8>,
}

impl Transport {
    /// TLS 1.3 and 1.2.
    ///
    /// A server that was told when to look again
    /// ([`Service::with_reload`](super::Service::with_reload)) reads the files anew then.
    ///
    /// # Errors
    /// [`TransportError`]; among others, if others can read the private key.
    pub fn tls(config: &TlsConfig) -> Result<Self, TransportError> {
        let current = RwLock::new(Loaded::read(config)?);
        Ok(Self(Kind::Tls(Arc::new(Tls { files: config.clone(), current }))))
    }

    /// Whether a client that connects to this host is shown a certificate for it; plain http
    /// shows none to anybody.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        match &self.0 {
            Kind::Tls(tls) => tls.covers(host),
            Kind::Plain => false,
        }
    }

    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.0, Kind::Plain)
    }

    /// Reads the files again whenever it is time to. What cannot be used is reported and changes
    /// nothing: the certificate there is goes on being served.
    pub(super) async fn keep_current(&self, mut reload: Reload) {
        let Kind::Tls(tls) = &self.0 else { return std::future::pending().await };
        loop {
            let cause = reload.next().await;
            let reader = Arc::clone(tls);
            let read = tokio::task::spawn_blocking(move || reader.read_again()).await;
            let certificate = tls.files.certificate.display().to_string();
            match read {
                Ok(Ok(true)) => tracing::info!(certificate, "the new certificate is served"),
                Ok(Ok(false)) if cause == Cause::Asked => {
                    tracing::info!(certificate, "the certificate has not changed");
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the certificate that was loaded before is served on");
                }
                // A panic was reported by its hook.
                Err(_) => {}
            }
        }
    }
}

impl Tls {
    /// What new connections are served with.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current.server)
    }

    fn covers(&self, host: &str) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match (ParsedCertificate::try_from(&current.certificate), ServerName::try_from(host)) {
            (Ok(certificate), Ok(host)) => verify_server_name(&certificate, &host).is_ok(),
            _ => false,
        }
    }

    /// Whether the files held something new. Connections that stand are not touched.
    fn read_again(&self) -> Result<bool, TransportError> {
        let new = Loaded::read(&self.files)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = current.digest != new.digest;
        // Otherwise the old one is kept: the sessions that clients may resume are its own.
        if is_new {
            *current = new;
        }
        Ok(is_new)
    }
}

impl Loaded {
    /// Reads certificate and key, whose mode is checked every time.
    fn read(config: &TlsConfig) -> Result<Self, TransportError> {
        let file = |path: &Path, source| TransportError::File { path: path.to_owned(), source };
        let pem = |path: &Path, what| TransportError::Pem { path: path.to_owned(), what };

        let path = &config.certificate;
        let certificate = std::fs::read(path).map_err(|source| file(path, source))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| pem(path, "certificate"))?;
        let own = chain.first().cloned().ok_or_else(|| pem(path, "certificate"))?;
        let path = &config.key;
        let text = config::read_secret(path).map_err(|source| file(path, source))?;
        let key =
            PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| pem(path, "private key"))?;
        let server = Arc::new(server(chain, key)?);
        let digests = [digest(&SHA256, &certificate), digest(&SHA256, text.as_bytes())];
        let digest = digests.iter().flat_map(|digest| digest.as_ref()).copied().collect();
        Ok(Self { server, certificate: own, digest })
    }
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TransportError> {
    let unusable = |error: rustls::Error| TransportError::Unusable(error.to_string());
    let provider = Arc::new(default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_plain() { "Transport(plain http)" } else { "Transport(TLS)" })
    }
}

/// What weakens the transport.
pub mod danger {
    use super::{Kind, Transport};

    /// Plain http, without protection against anybody on the way. Refused but on loopback
    /// addresses, and warned of in the log.
    #[must_use]
    pub const fn plain_http() -> Transport {
        Transport(Kind::Plain)
    }
}
