//! How octets travel: TLS, or plain TCP under protest.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;

use crate::config;

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
    Tls(Arc<ServerConfig>),
    Plain,
}

impl Transport {
    /// TLS 1.3 and 1.2.
    ///
    /// # Errors
    /// [`TransportError`]; among others, if others can read the private key.
    pub fn tls(config: &TlsConfig) -> Result<Self, TransportError> {
        let file = |path: &Path, source| TransportError::File { path: path.to_owned(), source };
        let pem = |path: &Path, what| TransportError::Pem { path: path.to_owned(), what };

        let path = &config.certificate;
        let text = std::fs::read(path).map_err(|source| file(path, source))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|_| pem(path, "certificate"))?;
        if chain.is_empty() {
            return Err(pem(path, "certificate"));
        }
        let path = &config.key;
        let text = config::read_secret(path).map_err(|source| file(path, source))?;
        let key =
            PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| pem(path, "private key"))?;
        Self::from_parts(chain, key)
    }

    fn from_parts(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TransportError> {
        let unusable = |error: rustls::Error| TransportError::Unusable(error.to_string());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Kind::Tls(Arc::new(tls))))
    }

    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.0, Kind::Plain)
    }
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
