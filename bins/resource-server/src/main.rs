//! `resource-server CONFIG` serves; `resource-server check CONFIG` reads the configuration and says
//! what is wrong with it.

use std::path::Path;
use std::process::ExitCode;

use countersign_host::program::{self, NoCommand, Program};
use countersign_host::{Composed, ConfigError, Seams, Serving};
use countersign_resource_server::{ComposeError, Config};

struct ResourceServer;

impl Program for ResourceServer {
    type Config = Config;
    type Error = ComposeError;
    type Command = NoCommand;

    const NAME: &'static str = "resource-server";
    const ABOUT: &'static str = "A UMA-protected resource server for files and JSON.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn load(file: &Path) -> Result<Config, ConfigError> {
        countersign_resource_server::load(file)
    }

    fn serving(config: &Config) -> &Serving {
        &config.serving
    }

    fn check(config: &Config) -> Result<(), ComposeError> {
        countersign_resource_server::check(config)
    }

    fn compose(config: Config, seams: &Seams) -> Result<Composed, ComposeError> {
        countersign_resource_server::compose(config, seams)
    }

    fn run(command: NoCommand) -> ExitCode {
        match command {}
    }
}

fn main() -> ExitCode {
    program::main::<ResourceServer>()
}
