//! The files of one `uma-server`: configuration, secrets and the store, in a directory of their
//! own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The resource identifier of the one resource server.
pub(crate) const RESOURCE_IDENTIFIER: &str = "https://rs.bob.example";

/// `rs` and its secret, as an `Authorization` header.
pub(crate) const BASIC_RESOURCE_SERVER: &str =
    "Basic cnM6cnMtc2VjcmV0LVpxVDFjWWI3bUp4MFduNHVLZDh2TGgyc1BmNmdSYTNl";

/// `rqp-client` and its secret, as an `Authorization` header.
pub(crate) const BASIC_CLIENT: &str =
    "Basic cnFwLWNsaWVudDpjbGllbnQtc2VjcmV0LUhuNWtRdzl6VGIzeVhjN21WZDFzTGc0alBmOHVSYTJl";

const RESOURCE_SERVER_SECRET: &str = "rs-secret-ZqT1cYb7mJx0Wn4uKd8vLh2sPf6gRa3e";
const CLIENT_SECRET: &str = "client-secret-Hn5kQw9zTb3yXc7mVd1sLg4jPf8uRa2e";

/// What every deployment has: a log that says which port the system chose, room for many PATs, and
/// a policy under which no claims are never enough, so that a good ticket is always answered with
/// `need_info`.
const CONFIG: &str = r#"
issuer = "https://uma.bob.example"
listen = "127.0.0.1:0"

[log]
format = "json"
filter = "error,countersign_host::server=info"

[limits]
pats = 1000000

[[resource_servers]]
id = "rs"
secret = { file = "rs.secret" }
owner = "bob"
resource_identifiers = ["https://rs.bob.example"]

[[resource_servers.policy]]
resource = "*"
scopes = ["get"]
domains = ["alice.example"]

[[clients]]
id = "rqp-client"
secret = { file = "rqp-client.secret" }
"#;

/// A store on disk, and plain http on loopback.
const DURABLE: &str = r#"
[store]
path = "uma.db"

[danger]
plain_http = true
"#;

/// No store on disk.
const FORGETFUL: &str = r#"
[danger]
plain_http = true
memory_store = true
"#;

/// Where the server keeps what it acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// On disk, as it should.
    Durable,
    /// In the process alone. The control: whoever tests must find this out.
    Forgetful,
}

/// A directory with everything a server needs, which goes away with this value.
#[derive(Debug)]
pub struct Deployment {
    directory: TempDir,
}

impl Deployment {
    /// Writes the files to a fresh directory.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn create(memory: Memory) -> io::Result<Self> {
        let deployment = Self { directory: tempfile::tempdir()? };
        let store = match memory {
            Memory::Durable => DURABLE,
            Memory::Forgetful => FORGETFUL,
        };
        fs::write(deployment.config(), format!("{CONFIG}{store}"))?;
        write_secret(&deployment.file("rs.secret"), RESOURCE_SERVER_SECRET)?;
        write_secret(&deployment.file("rqp-client.secret"), CLIENT_SECRET)?;
        Ok(deployment)
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.file("uma-server.toml")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// For its owner alone, as the server demands.
fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    fs::write(path, secret)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}
