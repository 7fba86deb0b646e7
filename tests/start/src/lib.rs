//! Starts a server program as it is deployed and measures two things from outside: the time from
//! its start to its first answer, and what it keeps of the machine's memory when it has nothing to
//! do.
//!
//! The program serves TLS from the configuration that `PROGRAM example` prints, on a loopback port
//! of its own, with its files in a directory of its own. The first start makes what is missing
//! (signing keys, the store) and is not measured; those that are measured find it there, as every
//! start but the first does. The program's file is in the system's cache.
//!
//! | | what is measured |
//! |---|---|
//! | first answer | from before the process is made until a whole answer has arrived: TCP, TLS handshake and the client's part of both included |
//! | idle memory | `Rss` of `/proc/PID/smaps_rollup`: all that is resident, code and C libraries included, shared or not. The most unfavourable figure there is, and the one that `ps` shows |
//! | of it anonymous | `Anonymous` of the same file: what the process allocated or changed, and nobody else can use. The rest are pages of files, which the system takes back when it needs room |
//!
//! Idle is [`SETTLED`] after the last answer. Memory is measured twice: when one request was
//! answered, and when [`CONNECTIONS`] connections were, sixteen at a time; what is printed is the
//! greater one.
//!
//! | module | what it does |
//! |---|---|
//! | [`deployment`] | the files of a server |
//! | [`process`] | starts and ends it, reads its memory |
//! | [`client`] | one request over TLS |

#![allow(clippy::disallowed_methods, reason = "time is what is measured")]

pub mod client;
pub mod deployment;
pub mod process;

use std::io;
use std::path::Path;
use std::time::Duration;

use self::client::Client;
use self::deployment::Deployment;
use self::process::{Memory, Process};

/// Idle is so long after the last answer.
pub const SETTLED: Duration = Duration::from_secs(2);

/// Connections that a server had before its memory is measured for the second time.
pub const CONNECTIONS: usize = 512;
const AT_A_TIME: usize = 16;

/// A server program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// `sts`
    Sts,
    /// `uma-server`
    UmaServer,
    /// `resource-server`
    ResourceServer,
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sts, Self::UmaServer, Self::ResourceServer];

    /// The name of its program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::UmaServer => "uma-server",
            Self::ResourceServer => "resource-server",
        }
    }

    /// A host that its certificate covers in its example.
    #[must_use]
    pub const fn host(self) -> &'static str {
        match self {
            Self::Sts => "sts.alice.example",
            Self::UmaServer => "uma.bob.example",
            Self::ResourceServer => "rs.bob.example",
        }
    }

    /// A document that it serves to anyone.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Sts => "/.well-known/openid-configuration",
            Self::UmaServer => "/.well-known/uma2-configuration",
            Self::ResourceServer => "/.well-known/oauth-protected-resource",
        }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The median time to the first answer.
    pub first_answer: Duration,
    /// The greater idle memory of the two, where the system says it.
    pub memory: Option<Memory>,
}

/// Starts a server so often, after a first time that is not measured.
///
/// # Errors
/// What the system says, or that the server gave no good answer.
pub fn measure(server: Server, program: &Path, starts: usize) -> io::Result<Measured> {
    let deployment = Deployment::create(server, program)?;
    let client = Client::new(server, deployment.certificate(), deployment.address())?;
    drop(start(program, &deployment, &client)?);
    let (mut times, mut memory) = (Vec::with_capacity(starts), None);
    for number in 0..starts {
        let (process, first_answer) = start(program, &deployment, &client)?;
        times.push(first_answer);
        // It is the same each time, and takes longer than a start.
        if number == 0 {
            std::thread::sleep(SETTLED);
            memory = process.memory();
            load(&client)?;
            std::thread::sleep(SETTLED);
            memory = memory.max(process.memory());
        }
    }
    times.sort();
    let first_answer = times.get(times.len() / 2).copied().unwrap_or_default();
    Ok(Measured { first_answer, memory })
}

fn start(
    program: &Path,
    deployment: &Deployment,
    client: &Client,
) -> io::Result<(Process, Duration)> {
    let began = std::time::Instant::now();
    let mut process = Process::start(program, deployment)?;
    client.first_answer(|| process.is_alive())?;
    Ok((process, began.elapsed()))
}

fn load(client: &Client) -> io::Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME)
            .map(|_| scope.spawn(|| (0..CONNECTIONS / AT_A_TIME).try_for_each(|_| client.ask())))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a client stopped")))
        })
    })
}
