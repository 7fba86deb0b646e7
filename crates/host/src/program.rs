//! The command line that all server programs share.
//!
//! `NAME CONFIG` serves; `NAME check CONFIG` reads the configuration and says what is wrong with
//! it; `NAME example` prints a configuration that explains itself. The exit status is 0 after an
//! orderly end, 1 if serving failed, 2 for a bad command line and 78 (`EX_CONFIG` of `sysexits.h`)
//! for a configuration that cannot be used.

use std::convert::Infallible;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use countersign_client_auth::SecretDigest;
use countersign_types::random::Random as _;
use countersign_types::secret::ClientSecret;
use zeroize::Zeroizing;

use crate::config::ConfigError;
use crate::logging::LogConfig;
use crate::reload::Reload;
use crate::seams::{Seams, SystemRandom};
use crate::serving::{Composed, Serving};
use crate::{logging, server};

const EX_USAGE: u8 = 2;
const EX_CONFIG: u8 = 78;

/// A longer line is no secret.
const MAX_LINE: usize = 1024;

const STATUS: &str = "Exit status: 0 after an orderly end, 1 if serving failed, 2 for a bad \
     command line, 78 for a configuration that cannot be used.\n\n\
     Environment: only the variables that the configuration names for its secrets, as in \
     { env = \"NAME\" }.\n\n\
     SIGTERM and SIGINT let open requests finish, and what they began. SIGHUP has these files \
     read again, which happens every minute as well: ";

/// A server program.
pub trait Program {
    /// What the configuration file comes to.
    type Config;
    /// What can go wrong between configuration and server.
    type Error: Error + 'static;
    /// Commands beside serving and checking; [`NoCommand`] if there are none.
    type Command: Subcommand;

    /// The program's name.
    const NAME: &'static str;
    /// The program in one sentence.
    const ABOUT: &'static str;
    /// A configuration file that explains every key.
    const EXAMPLE: &'static str;
    /// What is read again while it serves.
    const READ_AGAIN: &'static str = "certificate and key.";
    /// Its version.
    const VERSION: &'static str;

    /// Reads a configuration file, and the secrets that it names.
    ///
    /// # Errors
    /// [`ConfigError`]: the file, the key and what is wrong with it.
    fn load(file: &Path) -> Result<Self::Config, ConfigError>;

    /// How it is served.
    fn serving(config: &Self::Config) -> &Serving;

    /// The hosts that its certificate should cover.
    fn hosts(config: &Self::Config) -> Vec<String>;

    /// Reads the other files that a configuration names, opens nothing and makes nothing.
    ///
    /// # Errors
    /// [`ConfigError`] for the first that cannot be used.
    fn check(config: &Self::Config) -> Result<(), ConfigError>;

    /// Builds the server: nothing is bound, nothing is sent.
    ///
    /// # Errors
    /// Whatever keeps it from being served.
    fn compose(config: Self::Config, seams: &Seams) -> Result<Composed, Self::Error>;

    /// Runs one of the other commands.
    fn run(command: Self::Command) -> ExitCode;
}

/// No commands.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum NoCommand {}

#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments<C: Subcommand> {
    #[command(subcommand)]
    command: Option<Command<C>>,
    /// The configuration file
    #[arg(required = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command<C: Subcommand> {
    /// Read a configuration with everything it names, and exit
    Check {
        /// The configuration file
        config: PathBuf,
    },
    /// Print a configuration that explains every key, and exit
    Example,
    #[command(flatten)]
    Other(C),
}

/// Runs the program that the command line asks for.
pub fn main<P: Program>() -> ExitCode {
    main_of::<P>(std::env::args_os())
}

/// The same for a command line that somebody read before: the first argument is what the program is
/// called.
pub fn main_of<P: Program>(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = Arguments::<P::Command>::command()
        .name(P::NAME)
        .version(P::VERSION)
        .about(P::ABOUT)
        .after_help(format!("{STATUS}{}", P::READ_AGAIN));
    let matches = command.get_matches_from(arguments);
    match Arguments::<P::Command>::from_arg_matches(&matches) {
        Ok(Arguments { command: Some(Command::Check { config }), .. }) => check::<P>(&config),
        Ok(Arguments { command: Some(Command::Example), .. }) => {
            answer(Ok(P::EXAMPLE.trim_end().to_owned()))
        }
        Ok(Arguments { command: Some(Command::Other(command)), .. }) => P::run(command),
        Ok(Arguments { command: None, config: Some(config) }) => run::<P>(&config),
        Ok(Arguments { command: None, config: None }) => ExitCode::from(EX_USAGE),
        Err(error) => error.exit(),
    }
}

#[expect(clippy::print_stderr, reason = "there is no log, and what is said is no answer")]
fn check<P: Program>(file: &Path) -> ExitCode {
    let noted = usable::<P>(file).and_then(|config| notes::<P>(&config));
    match noted {
        Ok(notes) => {
            for note in notes {
                eprintln!("warning: {note}");
            }
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn notes<P: Program>(config: &P::Config) -> Result<Vec<ConfigError>, ExitCode> {
    let notes = P::serving(config).uncovered(&P::hosts(config));
    notes.map_err(|error| complain(&error, EX_CONFIG))
}

/// The configuration, whatever the files are worth that the program reads meanwhile; otherwise it
/// has been said what is wrong.
///
/// # Errors
/// The exit status.
pub fn loaded<P: Program>(file: &Path) -> Result<P::Config, ExitCode> {
    P::load(file).map_err(|error| complain(&error, EX_CONFIG))
}

/// The configuration, if it can be used with all files that it names; otherwise it has been said
/// what is wrong.
///
/// # Errors
/// The exit status.
pub fn usable<P: Program>(file: &Path) -> Result<P::Config, ExitCode> {
    let config = loaded::<P>(file)?;
    P::check(&config).map_err(|error| complain(&error, EX_CONFIG))?;
    Ok(config)
}

fn run<P: Program>(file: &Path) -> ExitCode {
    // While files are read. What serves needs randomness for every connection.
    gather_entropy();
    let config = match usable::<P>(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let notes = match notes::<P>(&config) {
        Ok(notes) => notes,
        Err(code) => return code,
    };
    let log = P::serving(&config).log.clone();
    serve_composed(&log, || {
        for note in notes {
            tracing::warn!("{note}");
        }
        P::compose(config, &Seams::system())
    })
}

/// Has the generator gather its first entropy on a thread of its own: it takes some thirty
/// milliseconds of a processor, and whoever asks for randomness meanwhile waits for that, and no
/// longer.
fn gather_entropy() {
    let gather = || SystemRandom.fill(&mut [0]);
    // Without the thread, who asks first does it.
    drop(std::thread::Builder::new().name("entropy".into()).spawn(gather));
}

/// Serves until the process is asked to end.
pub fn serve(log: &LogConfig, composed: Composed) -> ExitCode {
    serve_composed(log, || Ok::<_, Infallible>(composed))
}

/// Says why there is nothing to serve.
pub fn refused(error: &dyn Error) -> ExitCode {
    complain(error, EX_CONFIG)
}

fn serve_composed<E: Error + 'static>(
    log: &LogConfig,
    compose: impl FnOnce() -> Result<Composed, E>,
) -> ExitCode {
    if let Err(error) = logging::init(log) {
        return complain(&error, EX_CONFIG);
    }
    match until_shutdown(compose) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.as_ref(), "not serving");
            ExitCode::FAILURE
        }
    }
}

fn until_shutdown<E: Error + 'static>(
    compose: impl FnOnce() -> Result<Composed, E>,
) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let composed = compose()?.with_reload(Reload::system()?);
        let listener = server::bind(composed.listen())?;
        composed.serve(listener, server::shutdown_signal()?).await?;
        Ok(())
    })
}

/// The command that gives the digest of a client secret, for `secret_sha256` in a configuration.
/// The secret is the first line of standard input.
pub fn hash_secret() -> ExitCode {
    answer(first_line(io::stdin().lock()).and_then(|line| digest(&line)))
}

/// Prints the answer of a command, or says why there is none.
pub fn answer(result: Result<String, Box<dyn Error>>) -> ExitCode {
    let printed = result.and_then(|text| Ok(writeln!(io::stdout(), "{text}")?));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(error.as_ref(), 1),
    }
}

/// The first line without its end.
///
/// # Errors
/// If nothing can be read, or the line is empty, too long or not UTF-8.
pub fn first_line(input: impl io::BufRead) -> Result<Zeroizing<String>, Box<dyn Error>> {
    let mut line = Zeroizing::new(String::new());
    input.take(MAX_LINE as u64 + 2).read_line(&mut line)?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() || text.len() > MAX_LINE {
        return Err(format!("the first line has to have 1 to {MAX_LINE} octets").into());
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn digest(secret: &str) -> Result<String, Box<dyn Error>> {
    let secret = ClientSecret::new(secret);
    SecretDigest::of_configured(&secret)?;
    Ok(secret.digest().to_base64url())
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
    fn the_digest_is_of_the_first_line() {
        // FIPS 180-4 SHA-256 of "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".
        let secret = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        for input in [secret.to_owned(), format!("{secret}\n"), format!("{secret}\r\nmore\n")] {
            let line = first_line(input.as_bytes()).unwrap();
            assert_eq!(digest(&line).unwrap(), "JI1qYdIGOLjlwCaTDD5gOaM85Flk_yFn9uzt1BnbBsE");
        }
        assert!(digest("too short").is_err());
        for nothing in ["", "\n", &"x".repeat(2000)] {
            assert!(first_line(nothing.as_bytes()).is_err());
        }
    }
}
