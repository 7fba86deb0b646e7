//! `sts client`: clients added, refused and taken back while the server runs.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use countersign_host::{Seams, program};
use countersign_sts::{Config, RegistrationError};
use countersign_sts_service::Client;
use countersign_types::ClientId;

use crate::Sts;

/// What to do with clients.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register a client
    Add {
        /// The configuration file
        config: PathBuf,
        /// A file with what stands in a table [[clients]]
        table: PathBuf,
    },
    /// Show the clients: identifier, name, where each is registered, and whether it is refused
    List {
        /// The configuration file
        config: PathBuf,
    },
    /// Refuse a client from the next request on, with everything that was issued to it
    Disable {
        /// The configuration file
        config: PathBuf,
        /// The client's identifier, wherever it is registered
        #[arg(value_parser = ClientId::parse)]
        id: ClientId,
    },
    /// Take a client back that was refused
    Enable {
        /// The configuration file
        config: PathBuf,
        /// The client's identifier
        #[arg(value_parser = ClientId::parse)]
        id: ClientId,
    },
}

pub(crate) fn run(command: Command) -> ExitCode {
    let config = match &command {
        // Whoever has to refuse a client at once is not kept from it by files that are about
        // others.
        Command::Disable { config, .. } | Command::Enable { config, .. } => {
            program::loaded::<Sts>(config)
        }
        Command::Add { config, .. } | Command::List { config } => program::usable::<Sts>(config),
    };
    match config {
        Ok(config) => program::answer(done(command, &config)),
        Err(code) => code,
    }
}

fn done(command: Command, config: &Config) -> Result<String, Box<dyn Error>> {
    let registrations = config.registrations()?;
    let random = Seams::system().random;
    match command {
        Command::List { .. } => list(config),
        Command::Add { table, .. } => {
            let text = fs::read_to_string(&table)
                .map_err(|error| format!("{}: {error}", table.display()))?;
            let client = registrations.parse(&text)?;
            let id = &client.registered.id;
            if config.clients().any(|known| known.registered.id == *id) || is_person(config, id)? {
                return Err(RegistrationError::Taken(id.clone()).into());
            }
            registrations.add(&text, random.as_ref())?;
            Ok(line(&client, FILE, registrations.is_disabled(id)?))
        }
        Command::Disable { id, .. } => {
            let listed = config.clients().any(|client| client.registered.id == id);
            if !listed && !config.rules_over(&id) && !registrations.has_file(&id)? {
                return Err(RegistrationError::Unknown(id).into());
            }
            registrations.disable(&id, random.as_ref())?;
            Ok(format!("{id}  disabled"))
        }
        Command::Enable { id, .. } => {
            registrations.enable(&id)?;
            Ok(format!("{id}  enabled"))
        }
    }
}

/// RFC 9068 §5: nobody may take a client's token for a person's.
fn is_person(config: &Config, id: &ClientId) -> Result<bool, Box<dyn Error>> {
    let has_account = match config.accounts() {
        Ok(accounts) => accounts.find(id.as_str())?.is_some(),
        Err(_) => false,
    };
    Ok(has_account || config.lists_subject(id.as_str()))
}

const CONFIGURATION: &str = "configuration";
const FILE: &str = "file";

fn list(config: &Config) -> Result<String, Box<dyn Error>> {
    let registrations = config.registrations()?;
    let (files, mut disabled) = (registrations.list()?, registrations.disabled()?);
    let listed = config.clients().map(|client| (client, CONFIGURATION));
    let all = listed.chain(files.iter().map(|client| (client, FILE))).collect::<Vec<_>>();
    let mut lines = Vec::new();
    for (client, place) in all {
        let id = &client.registered.id;
        let is_disabled = disabled.contains(id);
        disabled.retain(|other| other != id);
        lines.push(line(client, place, is_disabled));
    }
    // Known by their URL, or not any more.
    lines.extend(disabled.iter().map(|id| format!("{id}  disabled")));
    Ok(lines.join("\n"))
}

fn line(client: &Client, place: &str, is_disabled: bool) -> String {
    let disabled = if is_disabled { "  disabled" } else { "" };
    format!("{}  {:?}  {place}{disabled}", client.registered.id, client.name)
}
