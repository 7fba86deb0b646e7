//! The server as a child process.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::deployment::{Deployment, SECRET, SECRET_VARIABLES};

/// A server that runs. It ends with this value.
#[derive(Debug)]
pub struct Process(Child);

/// What a process has of the machine's memory, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    /// Everything that is resident.
    pub resident: u64,
    /// What of it no file backs.
    pub anonymous: u64,
}

impl Process {
    /// Starts `program` on a deployment. It logs to nobody.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(program: &Path, deployment: &Deployment) -> io::Result<Self> {
        let secrets = SECRET_VARIABLES.map(|name| (name, SECRET));
        let mut command = Command::new(program);
        command.arg(deployment.config()).envs(secrets).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Self)
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// What it has of the memory now, if the system says so (Linux does).
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        parse(&std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0.id())).ok()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // By its own id; one that ended by itself is gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn parse(rollup: &str) -> Option<Memory> {
    let line = |name: &str| {
        let value = rollup.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    Some(Memory { resident: line("Rss")? * 1024, anonymous: line("Anonymous")? * 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read() {
        let text = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:       19456 kB\n\
             Pss:       18000 kB\nPss_Anon:       8000 kB\nAnonymous:       8192 kB\n";
        let memory = Memory { resident: 19 * 1024 * 1024, anonymous: 8 * 1024 * 1024 };
        assert_eq!(parse(text), Some(memory));
        assert_eq!(parse("Rss:       19456 kB\n"), None);
    }
}
