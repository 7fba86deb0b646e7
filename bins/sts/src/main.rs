//! `sts CONFIG` serves; `sts check CONFIG` reads the configuration and says what is wrong with it;
//! `sts hash-password` makes the hash of a password for the configuration.

use std::error::Error;
use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use countersign_host::{Seams, logging, server};
use countersign_sts::{Config, compose, load};
use countersign_sts_service::passwords::MAX_PASSWORD;
use countersign_sts_service::{LogAudit, PasswordHash};
use countersign_types::secret::Password;
use zeroize::Zeroizing;

/// Bad configuration, as sysexits.h has it.
const EX_CONFIG: u8 = 78;

/// An OpenID provider with a security token service.
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
    /// Read a password from the first line of standard input and print its argon2id hash
    HashPassword,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match (arguments.command, arguments.config) {
        (Some(Command::Check { config }), _) => check(&config),
        (Some(Command::HashPassword), _) => hash_password(),
        (None, Some(config)) => run(&config),
        (None, None) => ExitCode::from(2),
    }
}

fn check(path: &Path) -> ExitCode {
    match load(path).map(|config| countersign_sts::check(&config)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => complain(&error, EX_CONFIG),
        Err(error) => complain(&error, EX_CONFIG),
    }
}

fn run(path: &Path) -> ExitCode {
    let config = match load(path) {
        Ok(config) => config,
        Err(error) => return complain(&error, EX_CONFIG),
    };
    if let Err(error) = logging::init(&config.log) {
        return complain(&error, EX_CONFIG);
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
    let composed = compose(config, &Seams::system(), Arc::new(LogAudit))?;
    let listener = server::bind(composed.listen())?;
    composed.serve(listener, server::shutdown_signal()?).await?;
    Ok(())
}

fn hash_password() -> ExitCode {
    match hashed(io::stdin().lock()) {
        Ok(hash) => {
            print(&hash);
            ExitCode::SUCCESS
        }
        Err(error) => complain(error.as_ref(), 1),
    }
}

fn hashed(mut input: impl io::BufRead) -> Result<String, Box<dyn Error>> {
    let mut line = Zeroizing::new(String::new());
    input.by_ref().take(MAX_PASSWORD as u64 + 2).read_line(&mut line)?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() || text.len() > MAX_PASSWORD {
        return Err(format!("a password has 1 to {MAX_PASSWORD} octets").into());
    }
    let random = Seams::system().random;
    Ok(PasswordHash::of(&Password::new(text), random.as_ref())?.to_string())
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn complain(error: &dyn Error, code: u8) -> ExitCode {
    eprintln!("{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_the_first_line() {
        for input in ["correct horse\n", "correct horse\r\nmore\n", "correct horse"] {
            let hash = hashed(input.as_bytes()).unwrap();
            assert!(PasswordHash::parse(&hash).is_ok(), "{hash}");
        }
        assert!(hashed(&b"\n"[..]).is_err());
        assert!(hashed(&b""[..]).is_err());
        assert!(hashed("x".repeat(2000).as_bytes()).is_err());
    }
}
