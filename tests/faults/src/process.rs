//! The server as a child process.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, copy, stderr};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::Fault;

/// How long a server may take to say where it listens.
const START: Duration = Duration::from_secs(20);

/// A server that runs. It ends with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    id: u32,
    address: SocketAddr,
}

impl Server {
    /// Starts `program config` and reads the address from its log. What it logs then goes to
    /// standard error.
    ///
    /// # Errors
    /// [`Fault::Start`].
    pub async fn start(program: &Path, config: &Path) -> Result<Self, Fault> {
        let mut child = Command::new(program)
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Fault::Start(format!("{}: {error}", program.display())))?;
        let id = child.id().ok_or_else(|| Fault::Start("it has ended".into()))?;
        let log = child.stderr.take().ok_or_else(|| Fault::Start("no log".into()))?;
        let mut log = BufReader::new(log).lines();
        let address = match timeout(START, listening(&mut log)).await {
            Ok(Ok(address)) => address,
            Ok(Err(said)) => return Err(Fault::Start(format!("all it says is {said:?}"))),
            Err(_) => return Err(Fault::Start(format!("it does not listen in {START:?}"))),
        };
        // A log that nobody reads would block the server. It ends with the server.
        tokio::spawn(async move { copy(&mut log.into_inner(), &mut stderr()).await });
        Ok(Self { child, id, address })
    }

    /// The id of its process.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
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

/// Reads a log as far as the line that says where the server listens.
///
/// # Errors
/// What it says instead, if it ends without that.
async fn listening(log: &mut Lines<BufReader<ChildStderr>>) -> Result<SocketAddr, String> {
    let mut said = String::new();
    while let Ok(Some(line)) = log.next_line().await {
        if let Some(address) = address(&line) {
            return Ok(address);
        }
        said = said + &line + "\n";
    }
    Err(said)
}

/// The address in a line of the log in JSON, if it is the one that says that the server listens.
fn address(line: &str) -> Option<SocketAddr> {
    let event: Value = serde_json::from_str(line).ok()?;
    let member = |name| event.get(name).and_then(Value::as_str);
    member("address").filter(|_| member("message") == Some("listening"))?.parse().ok()
}
