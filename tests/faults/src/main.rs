//! Kills a `uma-server` under load as often as asked, or is that server.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use countersign_faults_tests::{Memory, Plan, Report, run};
use countersign_host::{Seams, logging, server};
use countersign_uma_service::LogAudit;

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
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Is the server that is killed: writes its address, then serves.
    Serve {
        /// The server's configuration file.
        config: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::Serve { config }) => serve(config).await.map(|()| true),
        None => kill(&arguments).await,
    };
    match outcome {
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
async fn kill(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let plan = Plan {
        program: std::env::current_exe()?,
        kills: arguments.kills,
        clients: arguments.clients,
        seed: arguments.seed,
        memory: Memory::Durable,
    };
    let report = run(&plan).await?;
    print(&report)?;
    Ok(report.violations.is_empty())
}

/// The server, in this process.
async fn serve(config: &Path) -> Result<(), Box<dyn Error>> {
    let config = countersign_uma_server::load(config)?;
    logging::init(&config.serving.log)?;
    let composed = countersign_uma_server::compose(config, &Seams::system(), Arc::new(LogAudit))?;
    let listener = server::bind(composed.listen())?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    composed.serve(listener, std::future::pending()).await?;
    Ok(())
}

fn print(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let Report { kills, resources, tickets, unanswered, slowest_start, violations } = report;
    writeln!(out, "{kills} kills, {unanswered} requests without an answer")?;
    writeln!(out, "{resources} registrations acknowledged, {tickets} tickets spent")?;
    writeln!(out, "slowest start to the first good answer: {} ms", slowest_start.as_millis())?;
    for violation in violations {
        writeln!(out, "VIOLATION: {violation}")?;
    }
    writeln!(out, "{} violations", violations.len())
}
