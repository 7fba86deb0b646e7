//! Measures the servers beside this program, and prints the figures beside the goals.
//!
//! ```sh
//! cargo build -rp countersign-sts -p countersign-uma-server -p countersign-resource-server
//! cargo run -rp countersign-start-tests
//! ```
//!
//! Goals, for `sts`: the first answer within 50 ms, and at most 20 MB when it is idle.

use std::env::consts::EXE_SUFFIX;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use countersign_start_tests::{Measured, Server, measure};

const FIRST_ANSWER: Duration = Duration::from_millis(50);
/// In octets.
const MEMORY: u64 = 20_000_000;

/// Measures how long servers take from their start to their first answer, and what they keep of the
/// machine's memory.
#[derive(Parser)]
struct Arguments {
    /// How often each is started.
    #[arg(long, default_value_t = 21)]
    starts: usize,
    /// Where the programs are; without it, beside this one.
    #[arg(long)]
    directory: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done if standard error is gone as well.
            drop(writeln!(io::stderr(), "{error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let directory = match &arguments.directory {
        Some(directory) => directory.join("any"),
        None => std::env::current_exe()?,
    };
    let mut out = io::stdout();
    writeln!(out, "{:<17}{:>16}{:>16}{:>16}", "", "first answer", "idle memory", "anonymous")?;
    for server in Server::ALL {
        let name = server.program();
        let program = directory.with_file_name(format!("{name}{EXE_SUFFIX}"));
        if !program.is_file() {
            return Err(io::Error::other(format!("{} is not there", program.display())));
        }
        let Measured { first_answer, memory } = measure(server, &program, arguments.starts)?;
        let Some(memory) = memory else {
            return Err(io::Error::other("this system does not say what memory a process has"));
        };
        let milliseconds = first_answer.as_secs_f64() * 1e3;
        let megabytes = |octets: u64| octets as f64 / 1e6;
        let (resident, anonymous) = (megabytes(memory.resident), megabytes(memory.anonymous));
        writeln!(out, "{name:<17}{milliseconds:>13.1} ms{resident:>13.1} MB{anonymous:>13.1} MB")?;
        if server == Server::Sts {
            let met = first_answer <= FIRST_ANSWER && memory.resident <= MEMORY;
            let verdict = if met { "met" } else { "not met" };
            let (time, room) = (FIRST_ANSWER.as_millis(), MEMORY / 1_000_000);
            writeln!(out, "{:<17}{time:>13} ms{room:>13} MB   goal: {verdict}", "")?;
        }
    }
    Ok(())
}
