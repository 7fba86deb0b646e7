//! `uma-server CONFIG` serves; `uma-server check CONFIG` reads the configuration and says what is
//! wrong with it; `uma-server hash-secret` makes the digest of a client secret for the
//! configuration.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use countersign_host::program::{self, Program};
use countersign_host::{Composed, ConfigError, Seams, Serving};
use countersign_uma_server::{ComposeError, Config};
use countersign_uma_service::LogAudit;
use mimalloc::MiMalloc;

/// A request makes and drops many small values on one thread, and some on another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

struct UmaServer;

#[derive(Subcommand)]
enum Command {
    /// Read a client secret from standard input and print its digest, for secret_sha256
    HashSecret,
}

impl Program for UmaServer {
    type Config = Config;
    type Error = ComposeError;
    type Command = Command;

    const NAME: &'static str = "uma-server";
    const ABOUT: &'static str = "A UMA 2.0 authorization server.";
    const EXAMPLE: &str = include_str!("../example.toml");
    const READ_AGAIN: &'static str = "certificate and key, the policies in Cedar of policies.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn load(file: &Path) -> Result<Config, ConfigError> {
        countersign_uma_server::load(file)
    }

    fn serving(config: &Config) -> &Serving {
        &config.serving
    }

    fn hosts(config: &Config) -> Vec<String> {
        vec![config.uma.settings.issuer.host()]
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        countersign_uma_server::check(config)
    }

    fn compose(config: Config, seams: &Seams) -> Result<Composed, ComposeError> {
        countersign_uma_server::compose(config, seams, Arc::new(LogAudit))
    }

    fn run(command: Command) -> ExitCode {
        match command {
            Command::HashSecret => program::hash_secret(),
        }
    }
}

fn main() -> ExitCode {
    program::main::<UmaServer>()
}
