//! `sts --claims-provider`: the command line of a claims provider of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use countersign_host::program::{self, Program};
use countersign_host::{Composed, ConfigError, Seams, Serving};
use countersign_sts::ComposeError;
use countersign_sts::claims_provider::{self, Config};
use countersign_sts_service::LogAudit;

/// The argument that makes the program this one.
pub(crate) const FLAG: &str = "--claims-provider";

pub(crate) struct ClaimsProvider;

/// What else it does.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make the next signing keys in the configuration's key directory
    ///
    /// A server that runs publishes them within a minute, at once on SIGHUP, and signs with them
    /// once verifiers have had the time of keys.announce to fetch them.
    RotateKeys {
        /// The configuration file
        config: PathBuf,
    },
}

impl Program for ClaimsProvider {
    type Config = Config;
    type Error = ComposeError;
    type Command = Command;

    const NAME: &'static str = "sts --claims-provider";
    const ABOUT: &'static str = "A claims provider in front of an AuthN server.";
    const EXAMPLE: &'static str = include_str!("../claims-provider.example.toml");
    const READ_AGAIN: &'static str = "certificate and key, the signing keys of keys.directory.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn load(file: &Path) -> Result<Config, ConfigError> {
        claims_provider::load(file)
    }

    fn serving(config: &Config) -> &Serving {
        &config.serving
    }

    fn hosts(config: &Config) -> Vec<String> {
        config.hosts()
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        claims_provider::check(config)
    }

    fn compose(config: Config, seams: &Seams) -> Result<Composed, ComposeError> {
        claims_provider::compose(config, seams, Arc::new(LogAudit))
    }

    fn run(command: Command) -> ExitCode {
        let Command::RotateKeys { config } = command;
        match program::usable::<Self>(&config) {
            Ok(config) => program::answer(crate::next_keys(|seams| {
                claims_provider::announce_keys(&config, seams)
            })),
            Err(code) => code,
        }
    }
}
