//! `sts CONFIG` serves; `sts check CONFIG` reads the configuration and says what is wrong with it;
//! `sts rotate-keys CONFIG` makes the next signing keys; `sts user` keeps accounts, `sts client`
//! clients; `sts --claims-provider` is a claims provider of its own instead, with a file of its
//! own. `sts hash-password` and `sts hash-secret` make what a configuration holds of a password and
//! of a client secret.

mod client;
mod password;
mod provider;
mod user;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use countersign_host::program::{self, Program};
use countersign_host::{Composed, ConfigError, Seams, Serving};
use countersign_jwt::Algorithm;
use countersign_sts::{ComposeError, Config, KeyFileError};
use countersign_sts_service::LogAudit;
use countersign_types::Timestamp;
use mimalloc::MiMalloc;

/// A request makes and drops many small values on one thread, and some on another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

struct Sts;

#[derive(Subcommand)]
enum Command {
    /// Make the next signing keys in the configuration's key directory
    ///
    /// A server that runs publishes them within a minute, at once on SIGHUP, and signs with them
    /// once verifiers have had the time of keys.announce to fetch them. Keys that are made already
    /// are left as they are.
    RotateKeys {
        /// The configuration file
        config: PathBuf,
    },
    /// People who have a file each, in the configuration's accounts.directory
    ///
    /// A server that runs takes notice with the next request.
    User {
        /// What to do
        #[command(subcommand)]
        command: user::Command,
    },
    /// Clients, wherever they are registered, by the configuration's registrations.directory
    ///
    /// A server that runs takes notice with the next request.
    Client {
        /// What to do
        #[command(subcommand)]
        command: client::Command,
    },
    /// Read a password and print its argon2id hash, for [[users]]
    ///
    /// At a terminal it is asked for, and not shown; otherwise it is the first line of standard
    /// input.
    HashPassword,
    /// Read a client secret from standard input and print its digest, for secret_sha256
    HashSecret,
}

impl Program for Sts {
    type Config = Config;
    type Error = ComposeError;
    type Command = Command;

    const NAME: &'static str = "sts";
    const ABOUT: &'static str = "An OpenID provider with a security token service. With \
         --claims-provider as its first argument, a claims provider of its own: \
         sts --claims-provider --help";
    const EXAMPLE: &str = include_str!("../example.toml");
    const READ_AGAIN: &'static str = "certificate and key, the signing keys of \
         keys.directory, the policies of delegation.policies.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn load(file: &Path) -> Result<Config, ConfigError> {
        countersign_sts::load(file)
    }

    fn serving(config: &Config) -> &Serving {
        &config.serving
    }

    fn hosts(config: &Config) -> Vec<String> {
        config.hosts()
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        countersign_sts::check(config)
    }

    fn compose(config: Config, seams: &Seams) -> Result<Composed, ComposeError> {
        countersign_sts::compose(config, seams, Arc::new(LogAudit))
    }

    fn run(command: Command) -> ExitCode {
        match command {
            Command::RotateKeys { config } => match program::usable::<Self>(&config) {
                Ok(config) => program::answer(next_keys(|seams| {
                    countersign_sts::announce_keys(&config, seams)
                })),
                Err(code) => code,
            },
            Command::HashPassword => {
                program::answer(password::hash(&[]).map(|hash| hash.to_string()))
            }
            Command::HashSecret => program::hash_secret(),
            Command::User { command } => user::run(command),
            Command::Client { command } => client::run(command),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == provider::FLAG) {
        arguments.remove(1);
        return program::main_of::<provider::ClaimsProvider>(arguments);
    }
    program::main_of::<Sts>(arguments)
}

/// From when on the next keys sign, a line for each.
fn next_keys(
    announce: impl FnOnce(&Seams) -> Result<Vec<(Algorithm, Timestamp)>, KeyFileError>,
) -> Result<String, Box<dyn Error>> {
    let seams = Seams::system();
    let announced = announce(&seams)?;
    let now = seams.clock.now();
    let lines = announced.into_iter().map(|(algorithm, begins)| {
        let seconds = begins.since(now).as_secs();
        format!("{}: the next key signs in {seconds} seconds", algorithm.name())
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
