//! `sts user`: accounts made and changed while the server runs.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use countersign_host::{Seams, program};
use countersign_sts::accounts::{Account, NewAccount};
use countersign_sts::{AccountError, Accounts, Config};
use countersign_sts_service::User;
use countersign_types::EmailAddress;

use crate::{Sts, password};

/// What to do with accounts.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an account; the password is asked for, or is the first line of standard input
    Add {
        /// The configuration file
        config: PathBuf,
        /// What the person signs in by
        username: String,
        /// The person's name
        #[arg(long)]
        name: Option<String>,
        /// The person's address, by which one signs in, too
        #[arg(long, value_parser = EmailAddress::parse)]
        email: Option<EmailAddress>,
        /// You verified that the address is this person's: it may leave this server
        #[arg(long, requires = "email")]
        email_verified: bool,
    },
    /// Show the people: user name, subject, address, whether they stand in the configuration or
    /// through which other provider they came, whether nobody can sign in by their password any
    /// more, and whether they are disabled
    List {
        /// The configuration file
        config: PathBuf,
    },
    /// Refuse a person from the next request on, with everything that was issued for them, be they
    /// in the configuration itself
    Disable {
        /// The configuration file
        config: PathBuf,
        /// What the person signs in by, or their subject
        username: String,
    },
    /// Take a person back who was disabled
    Enable {
        /// The configuration file
        config: PathBuf,
        /// What the person signs in by, or their subject
        username: String,
    },
    /// Give an account another password, asked for or the first line of standard input; who is
    /// signed in is so no more, and what was allowed meanwhile ends
    Password {
        /// The configuration file
        config: PathBuf,
        /// What the person signs in by
        username: String,
    },
}

impl Command {
    const fn config(&self) -> &PathBuf {
        match self {
            Self::Add { config, .. }
            | Self::List { config }
            | Self::Disable { config, .. }
            | Self::Enable { config, .. }
            | Self::Password { config, .. } => config,
        }
    }
}

pub(crate) fn run(command: Command) -> ExitCode {
    let config = match &command {
        // Whoever has to refuse a person at once is not kept from it by files that are about
        // others.
        Command::Disable { config, .. } | Command::Enable { config, .. } => {
            program::loaded::<Sts>(config)
        }
        other => program::usable::<Sts>(other.config()),
    };
    match config {
        Ok(config) => program::answer(done(command, &config)),
        Err(code) => code,
    }
}

fn done(command: Command, config: &Config) -> Result<String, Box<dyn Error>> {
    let accounts = config.accounts()?;
    let random = Seams::system().random;
    let disable = |username: &str, disabled| -> Result<String, Box<dyn Error>> {
        let Some(user) = config.user(username) else {
            let change = |account: &mut Account| account.disabled = disabled;
            return Ok(line(&accounts.change(username, change, random.as_ref())?));
        };
        if disabled {
            accounts.refuse(&user.subject, random.as_ref())?;
        } else {
            accounts.take_back(&user.subject)?;
        }
        Ok(listed_line(user, disabled))
    };
    let account = match command {
        Command::List { .. } => return list(config, accounts),
        Command::Add { username, name, email, email_verified, .. } => {
            let address = email.as_ref().map(EmailAddress::as_str);
            if let Some(taken) =
                std::iter::once(username.as_str()).chain(address).find(|name| config.lists(name))
            {
                return Err(AccountError::Taken(taken.to_owned()).into());
            }
            let of_person = [Some(username.as_str()), name.as_deref(), address];
            let password = password::hash(&names(config, of_person))?;
            let new = NewAccount { username, name, email, email_verified, password };
            accounts.add(new, random.as_ref())?
        }
        Command::Disable { username, .. } => return disable(&username, true),
        Command::Enable { username, .. } => return disable(&username, false),
        Command::Password { username, .. } => {
            if config.user(&username).is_some() {
                return Err(AccountError::Listed(username).into());
            }
            let known = match accounts.named(&username)? {
                None => accounts.find(&username)?,
                named => named,
            };
            if known.as_ref().is_some_and(|account| account.imported.is_some()) {
                return Err(AccountError::Imported(username).into());
            }
            let known = known.as_ref();
            let of_person = [
                known.map(|account| account.username.as_str()),
                known.and_then(|account| account.name.as_deref()),
                known.and_then(|account| account.email.as_ref().map(EmailAddress::as_str)),
            ];
            let password = password::hash(&names(config, of_person))?;
            accounts.change(
                &username,
                |account| account.set_password(&password),
                random.as_ref(),
            )?
        }
    };
    Ok(line(&account))
}

/// The names by which a person and this service are known.
fn names(config: &Config, of_person: [Option<&str>; 3]) -> Vec<String> {
    let own = of_person.into_iter().flatten().chain([config.name()]).map(str::to_owned);
    own.chain(config.hosts()).collect()
}

fn list(config: &Config, accounts: &Accounts) -> Result<String, Box<dyn Error>> {
    let mut refused = accounts.refused()?;
    let mut lines = Vec::new();
    for user in config.users() {
        let is_refused = refused.contains(&user.subject);
        refused.retain(|subject| *subject != user.subject);
        lines.push(listed_line(user, is_refused));
    }
    lines.extend(accounts.list()?.iter().map(line));
    // Not in the configuration any more.
    lines.extend(refused.iter().map(|subject| format!("{subject}  disabled")));
    Ok(lines.join("\n"))
}

fn listed_line(user: &User, is_disabled: bool) -> String {
    let address = user.email.as_ref().map(|email| format!("  {}", email.address().as_str()));
    let (address, disabled) =
        (address.unwrap_or_default(), if is_disabled { "  disabled" } else { "" });
    format!("{}  {}{address}  configuration{disabled}", user.username, user.subject)
}

fn line(account: &Account) -> String {
    let mut line = format!("{}  {}", account.username, account.subject);
    if let Some(email) = &account.email {
        let verified = if account.email_verified { "" } else { " (not verified)" };
        line.push_str(&format!("  {}{verified}", email.as_str()));
    }
    if let Some(imported) = &account.imported {
        line.push_str(&format!("  through {}", imported.alias));
    }
    if account.needs_password() {
        line.push_str("  needs a new password");
    }
    if account.disabled {
        line.push_str("  disabled");
    }
    line
}
