//! Kills a `uma-server` under load as often as asked.

use std::env::consts::EXE_SUFFIX;
use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use countersign_faults_tests::{Memory, Plan, Report, run};

/// Kills a uma-server with SIGKILL under load, restarts it, and checks that nothing acknowledged
/// was lost and no spent ticket came back.
#[derive(Parser)]
struct Arguments {
    /// How often to kill the server.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Clients at a time.
    #[arg(long, default_value_t = 32)]
    clients: u32,
    /// Decides when the server is killed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server's program; without it, the one beside this program.
    #[arg(long)]
    program: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match kill(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to be done if standard error is gone as well.
            drop(writeln!(std::io::stderr(), "{error}"));
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was lost.
async fn kill(arguments: Arguments) -> Result<bool, Box<dyn Error>> {
    let program = match arguments.program {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name(format!("uma-server{EXE_SUFFIX}")),
    };
    if !program.is_file() {
        let reason = "is not there: cargo build -p countersign-uma-server, in the same profile";
        return Err(format!("{} {reason}", program.display()).into());
    }
    let plan = Plan {
        program,
        kills: arguments.kills,
        clients: arguments.clients,
        seed: arguments.seed,
        memory: Memory::Durable,
    };
    let report = run(&plan).await?;
    print(&report)?;
    Ok(report.violations.is_empty())
}

fn print(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let Report { kills, resources, tickets, pats, unanswered, slowest_start, violations } = report;
    writeln!(out, "{kills} kills, {unanswered} requests without an answer")?;
    writeln!(
        out,
        "{resources} registrations acknowledged, {tickets} tickets spent, {pats} PATs found"
    )?;
    writeln!(out, "slowest start to the first good answer: {} ms", slowest_start.as_millis())?;
    for violation in violations {
        writeln!(out, "VIOLATION: {violation}")?;
    }
    writeln!(out, "{} violations", violations.len())
}
