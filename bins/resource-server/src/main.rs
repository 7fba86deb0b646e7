//! `resource-server CONFIG` serves; `resource-server check CONFIG` reads the configuration and says
//! what is wrong with it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use countersign_host::{Seams, logging, server};
use countersign_resource_server::{Config, compose, load};

/// Bad configuration, as sysexits.h has it.
const EX_CONFIG: u8 = 78;

/// A UMA-protected resource server for files and JSON.
///
/// Exit status: 0 after an orderly end, 1 if serving failed, 2 for a bad command line, 78 for a
/// configuration that cannot be used.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration file
    #[arg(required = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Read a configuration with everything it names, and exit
    Check {
        /// The configuration file
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match (arguments.command, arguments.config) {
        (Some(Command::Check { config }), _) => check(&config),
        (None, Some(config)) => run(&config),
        (None, None) => ExitCode::from(2),
    }
}

fn check(path: &Path) -> ExitCode {
    match load(path).map(|config| countersign_resource_server::check(&config)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => complain(&error),
        Err(error) => complain(&error),
    }
}

fn run(path: &Path) -> ExitCode {
    let config = match load(path) {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    if let Err(error) = logging::init(&config.log) {
        return complain(&error);
    }
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.as_ref(), "not serving");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    let composed = compose(config, &Seams::system())?;
    let listener = server::bind(composed.listen())?;
    composed.serve(listener, server::shutdown_signal()?).await?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn complain(error: &dyn Error) -> ExitCode {
    eprintln!("{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::from(EX_CONFIG)
}
