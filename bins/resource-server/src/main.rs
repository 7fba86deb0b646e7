//! `resource-server CONFIG` serves; `resource-server check CONFIG` reads the configuration and says
//! what is wrong with it; `resource-server --protect URL --issuer URL …` stands in front of a
//! service of yours.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use countersign_host::logging::LogConfig;
use countersign_host::program::{self, Program};
use countersign_host::{Composed, ConfigError, Seams, Serving};
use countersign_resource_server::protect::{FlagsError, Protect};
use countersign_resource_server::{ComposeError, Config};
use mimalloc::MiMalloc;

/// A request makes and drops many small values on one thread, and some on another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

struct ResourceServer;

#[derive(Subcommand)]
enum Command {
    /// Print a configuration with [protect] that explains every key, and exit
    ExampleProtect,
}

impl Program for ResourceServer {
    type Config = Config;
    type Error = ComposeError;
    type Command = Command;

    const NAME: &'static str = "resource-server";
    const ABOUT: &'static str = "A UMA-protected resource server for files and JSON. With --protect it \
         stands in front of a service of yours instead: resource-server --protect --help";
    const EXAMPLE: &str = include_str!("../example.toml");
    const READ_AGAIN: &'static str = "certificate and key, the policies of protect.policies.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn load(file: &Path) -> Result<Config, ConfigError> {
        countersign_resource_server::load(file)
    }

    fn serving(config: &Config) -> &Serving {
        &config.serving
    }

    fn hosts(config: &Config) -> Vec<String> {
        config.hosts()
    }

    fn check(config: &Config) -> Result<(), ConfigError> {
        countersign_resource_server::check(config)
    }

    fn compose(config: Config, seams: &Seams) -> Result<Composed, ComposeError> {
        countersign_resource_server::compose(config, seams)
    }

    fn run(command: Command) -> ExitCode {
        match command {
            Command::ExampleProtect => program::answer(Ok(PROTECT_FILE.trim_end().to_owned())),
        }
    }
}

fn main() -> ExitCode {
    // What follows a lone -- is the name of a file.
    let options: Vec<_> = std::env::args_os().skip(1).take_while(|word| word != "--").collect();
    if !options.iter().any(|option| is_protect(option)) {
        return program::main::<ResourceServer>();
    }
    // Whoever asks for help need not know yet what --protect takes.
    if options.iter().any(|option| option == "--help" || option == "-h") {
        return protect(Protection::parse_from([ResourceServer::NAME, "--help"]));
    }
    protect(Protection::parse())
}

/// Whether the command line is the other one.
fn is_protect(option: &OsStr) -> bool {
    option == "--protect" || option.as_encoded_bytes().starts_with(b"--protect=")
}

const PROTECT_FILE: &str = include_str!("../example-protect.toml");

const PROTECT_USAGE: &str = "\
resource-server --protect <URL> --issuer <URL> --identifier <URL> \
--certificate <FILE> --key <FILE> [OPTIONS]";

const PROTECT_EXAMPLE: &str = "\
Examples, the first for every path, the second by rules:
  resource-server --protect http://127.0.0.1:3000 \\
    --issuer https://sts.bob.example --identifier https://api.bob.example \\
    --listen 0.0.0.0:443 --certificate api.pem --key api.key

  resource-server --protect http://127.0.0.1:3000 \\
    --issuer https://sts.bob.example --identifier https://api.bob.example \\
    --open 'GET /health' --require 'GET /albums/{id}=albums.read' \\
    --require 'POST /albums=albums.write' \\
    --permit 'DELETE /albums/{id}=albums.delete' --policy api.cedar \\
    --listen 0.0.0.0:443 --certificate api.pem --key api.key

By options it takes access tokens (RFC 9068). A configuration file can say more (introspection, \
identity propagation, UMA, attributes for the policy): resource-server example-protect";

/// Access tokens in front of a service that knows nothing of them.
///
/// Exit status: 0 after an orderly end, 1 if serving failed, 2 for a bad command line, 78 for one
/// that cannot be served.
#[derive(Parser)]
#[command(name = "resource-server", version, override_usage = PROTECT_USAGE, after_help = PROTECT_EXAMPLE)]
struct Protection {
    #[command(flatten)]
    protect: Protect,
}

fn protect(Protection { protect }: Protection) -> ExitCode {
    match protect.compose(&Seams::system()) {
        Ok(composed) => program::serve(&LogConfig::default(), composed),
        // The command line itself is not whole yet.
        Err(error @ FlagsError::Missing(_)) => {
            Protection::command().error(ErrorKind::MissingRequiredArgument, error).exit()
        }
        Err(error) => program::refused(&error),
    }
}
