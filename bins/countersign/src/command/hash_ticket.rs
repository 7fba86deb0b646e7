//! `countersign hash-ticket`

use clap::Args;
use countersign_permission_ticket::{METHOD, TicketChallenge, ticket};
use serde_json::json;

use super::input;
use crate::failure::{Code, Failure};
use crate::output::Output;

const EXAMPLES: &str = "\
A ticket on the command line can be seen by every user of the machine. Standard input cannot.

Examples:
  countersign hash-ticket < ticket
  countersign hash-ticket 016f84e8-f9b9-11e0-bd6f-0021cc6004de";

/// Arguments of `hash-ticket`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HashTicketArgs {
    /// The permission ticket; without it, or for `-`, standard input up to its last line end
    ticket: Option<String>,
}

pub(crate) fn run(args: &HashTicketArgs, out: Output) -> Result<(), Failure> {
    let text = input::text(args.ticket.as_deref())?;
    let ticket = ticket::parse(&text).map_err(|error| Failure::of(Code::Usage, error))?;
    let challenge = TicketChallenge::of(&ticket).to_string();
    out.result(
        &challenge,
        &json!({ "ticket_challenge": challenge, "ticket_challenge_method": METHOD }),
    )
}
