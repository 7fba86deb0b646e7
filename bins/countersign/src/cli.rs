//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::command::{
    client, completions, discover, exchange, hash_ticket, jwe, jwk, jwt, login, request,
};
use crate::demo;
use crate::failure::{Failure, TABLE};
use crate::output::Output;

const ABOUT: &str = "Get in where nobody knows you: UMA access across domains, by e-mail address";

const EXAMPLES: &str = "\
Examples:
  countersign demo              # watch the flow between two domains
  countersign demo 000          # a server exchanges a token from elsewhere
  countersign demo 001          # people sign in through a broker
  countersign demo 003 --live   # be Bob, and decide about a letter
  countersign demo 004          # a service carries an identity
  countersign login https://sts.alice.example
  countersign request https://rs.bob.example/rs-api
  countersign request --explain --data @a.json https://rs.bob.example/inbox
  countersign discover alice@alice.example
  countersign client init https://mail.example/client --dir mail
  countersign jwt decode < token
  countersign jwk generate --out client.jwk";

/// The whole command line.
#[derive(Parser, Debug)]
#[command(name = "countersign", version, about = ABOUT, after_help = EXAMPLES)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{TABLE}"), propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Print results, remarks and errors as JSON, for machines
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print the causes of an error
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// Client configuration [default: countersign/client.toml in the user's configuration
    /// directory]
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// File of signed-in sessions [default: countersign/session.json in the user's state directory]
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_SESSION")]
    pub(crate) session: Option<PathBuf>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show a flow between domains: every arrow, request and check
    Demo(demo::DemoArgs),
    /// Request a protected resource, and get in if its owner's policy allows
    Request(request::RequestArgs),
    /// Sign in at an OpenID provider and keep the tokens for later commands
    Login(login::LoginArgs),
    /// Exchange a token at the provider (RFC 8693)
    Exchange(exchange::ExchangeArgs),
    /// Be a client that is known by its own URL: keys, document, rotation
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Find the issuer that speaks for an e-mail address
    Discover(discover::DiscoverArgs),
    /// Decode, verify and sign tokens
    #[command(subcommand)]
    Jwt(jwt::JwtCommand),
    /// Encrypt and decrypt
    #[command(subcommand)]
    Jwe(jwe::JweCommand),
    /// Make and check keys
    #[command(subcommand)]
    Jwk(jwk::JwkCommand),
    /// Compute the ticket challenge of a permission ticket
    HashTicket(hash_ticket::HashTicketArgs),
    /// Print the completions for a shell
    Completions(completions::CompletionsArgs),
}

/// What is said instead of running: help and version as they are, a mistake in the form that was
/// asked for.
pub(crate) fn refused(error: &clap::Error) -> ExitCode {
    // The command line did not parse, so this has to be looked for.
    let is_json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if error.use_stderr() && is_json {
        let text = error.render().to_string();
        let message = text.split("\n\n").next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        return Output::new(true, false).failed(&Failure::usage(message));
    }
    // That nobody reads it is no failure.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// What stands behind the help of a command and of those below it.
    fn afterwards(command: &clap::Command, all: &mut Vec<String>) {
        let texts = [command.get_after_help(), command.get_after_long_help()];
        all.extend(texts.into_iter().flatten().map(ToString::to_string));
        command.get_subcommands().for_each(|command| afterwards(command, all));
    }

    #[test]
    fn examples_fit_a_terminal_and_can_be_copied() {
        let mut all = Vec::new();
        afterwards(&Cli::command(), &mut all);
        assert!(all.len() > 15, "{}", all.len());
        for text in all {
            let lines: Vec<_> = text.lines().collect();
            for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
                let is_indented = |line: &str| line.starts_with("  ");
                if is_indented(line) {
                    assert!(line.chars().count() < 80, "{line}");
                }
                // A paragraph is one line: whoever prints it knows how wide the terminal is.
                let is_prose = |line: &str| !line.is_empty() && !is_indented(line);
                let is_heading = line.ends_with(':');
                assert!(is_heading || !(is_prose(line) && is_prose(next)), "{line}\n{next}");
                // A command goes on only behind a sign that a shell understands.
                if next.starts_with("      ") && line.contains("countersign ") {
                    assert!(line.ends_with('\\') || line.ends_with('|'), "{line}\n{next}");
                }
            }
        }
    }
}
