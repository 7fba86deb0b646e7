//! The `countersign` command line.

mod cli;
mod command;
mod config;
mod date;
mod demo;
mod failure;
mod output;
mod private_file;
mod session;
mod url_client;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::refused(&error),
    };
    let out = Output::new(cli.global.json, cli.global.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(cli, out)),
        Err(error) => out.failed(&Failure::internal("the program could not start", error)),
    }
}

async fn run(cli: Cli, out: Output) -> ExitCode {
    let Cli { global, command } = cli;
    let done = match command {
        Command::Demo(args) => return demo::run(args, out).await,
        Command::Request(args) => command::request::run(&global, args, out).await,
        Command::Login(args) => command::login::run(&global, args, out).await,
        Command::Exchange(args) => command::exchange::run(&global, args, out).await,
        Command::Client(command) => command::client::run(&global, command, out).await,
        Command::Discover(args) => command::discover::run(&global, &args, out).await,
        Command::Jwt(command) => command::jwt::run(&global, command, out).await,
        Command::Jwe(command) => command::jwe::run(command, out),
        Command::Jwk(command) => command::jwk::run(command, out),
        Command::HashTicket(args) => command::hash_ticket::run(&args, out),
        Command::Completions(args) => command::completions::run(&args, out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => out.failed(&failure),
    }
}
