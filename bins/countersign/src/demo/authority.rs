//! A throw-away certificate authority, so that the demo's TLS is real.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::private_file;

/// Signs certificates for as long as the demo runs. Its key never leaves memory.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// Where a certificate and its key are.
pub(super) struct CertificateFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Authority {
    /// Makes an authority and writes its certificate to `folder`.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Countersign demo");
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        let authority = Self { issuer, folder: folder.to_owned() };
        fs::write(authority.root(), authority.issuer.pem())?;
        Ok(authority)
    }

    /// The file that holds the authority's certificate.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Where the certificate and the key of a name are.
    pub(super) fn files(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key.pem")),
        }
    }

    /// Issues a certificate for the given host names; the first also names the files.
    pub(super) fn issue(&self, names: &[&str]) -> io::Result<()> {
        let first = names.first().copied().unwrap_or("server");
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let params = CertificateParams::new(names).map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        let files = self.files(first);
        fs::write(files.certificate, certificate.pem())?;
        private_file::write(&files.key, key.serialize_pem().as_bytes())
    }
}
