//! The server as a child process.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Fault;

/// How long a server may take to say where it listens.
const START: Duration = Duration::from_secs(20);

/// A server that runs. It ends with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `program serve config` and reads the address from its first line.
    ///
    /// # Errors
    /// [`Fault::Start`].
    pub async fn start(program: &Path, config: &Path) -> Result<Self, Fault> {
        let mut child = Command::new(program)
            .arg("serve")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Fault::Start(format!("{}: {error}", program.display())))?;
        let output = child.stdout.take().ok_or_else(|| Fault::Start("no output".into()))?;
        let mut line = String::new();
        let read = timeout(START, BufReader::new(output).read_line(&mut line)).await;
        let failed = |reason: String| Fault::Start(reason);
        read.map_err(|_| failed("it says nothing".into()))?
            .map_err(|error| failed(error.to_string()))?;
        let address = line.trim().parse().map_err(|_| failed(format!("it says {line:?}")))?;
        Ok(Self { child, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it with SIGKILL, by its own id, and waits for its end.
    ///
    /// # Errors
    /// If it had ended by itself, which it must not, or whatever the system says.
    pub async fn kill(mut self) -> io::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            return Err(io::Error::other(format!("it had ended by itself: {status}")));
        }
        self.child.kill().await
    }
}
