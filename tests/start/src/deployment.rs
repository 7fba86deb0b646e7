//! The files of one server: the configuration that it prints itself, a certificate, and the secrets
//! that it names.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::CertifiedKey;
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;

use crate::Server;

/// What the examples say of clients' secrets: in a file of this name, and in these variables.
const SECRET_FILE: &str = "rqp-client.secret";
pub(crate) const SECRET_VARIABLES: [&str; 2] = ["RESOURCE_SERVER_SECRET", "RQP_CLIENT_SECRET"];
pub(crate) const SECRET: &str = "a secret of forty-three characters, or more.";

/// A directory with everything that a server needs, which goes away with this value.
#[derive(Debug)]
pub struct Deployment {
    directory: TempDir,
    certificate: CertificateDer<'static>,
    address: SocketAddr,
}

impl Deployment {
    /// Writes the files to a fresh directory.
    ///
    /// # Errors
    /// What the system says, or that the program prints no example.
    pub fn create(server: Server, program: &Path) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed([server.host().to_owned()]);
        let CertifiedKey { cert, signing_key } = made.map_err(io::Error::other)?;
        // Nobody else takes it in the moment until the server does, or the measurement ends.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let deployment = Self { directory, certificate: cert.der().clone(), address };
        let file = |extension| deployment.file(&format!("{}.{extension}", server.host()));
        fs::write(file("pem"), cert.pem())?;
        write_secret(&file("key"), &signing_key.serialize_pem())?;
        write_secret(&deployment.file(SECRET_FILE), SECRET)?;
        // The example of the resource server serves it.
        fs::write(deployment.file("README.md"), "# A manual\n")?;
        fs::write(deployment.config(), example(program, address)?)?;
        Ok(deployment)
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.file("server.toml")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What the server proves itself with.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The configuration that the program prints, with another address to listen at.
fn example(program: &Path, address: SocketAddr) -> io::Result<String> {
    let printed = Command::new(program).arg("example").output()?;
    let text = String::from_utf8(printed.stdout).map_err(io::Error::other)?;
    let changed = text.lines().map(|line| match line.starts_with("listen = ") {
        true => format!("listen = \"{address}\"\n"),
        false => format!("{line}\n"),
    });
    Ok(changed.collect())
}

/// For its owner alone, as the servers demand.
fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    fs::write(path, secret)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}
