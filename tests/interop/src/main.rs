//! Identity propagation and access tokens with parties that nobody here wrote.
//!
//! This program runs what is ours, over TLS on loopback: Alice's provider with its security token
//! service, a relying party, and two APIs. Each foreign party is a program of its own that is told
//! where everybody is, and ends with 0 only if everything came out as it has to. `run.sh` starts
//! it.
//!
//! ```text
//! countersign-interop-tests PYTHON NODE SCRIPTS [SCRIPT…]
//! ```
//!
//! With names of scripts, those alone take a part; `keycloak.mjs` does only by its name.

#![allow(clippy::print_stdout, reason = "a test program says what it does")]

mod alice;
mod bob;
mod provider;
mod world;

use std::error::Error;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};

use tokio::process::Command;

use crate::world::World;

/// What takes too long for the gate: `tests/keycloak/run.sh` has it.
const BY_NAME_ONLY: &str = "keycloak.mjs";

/// A program of `tests/interop/openid`, beside the scripts.
const LIBRARY: &str = "openid_uma2";

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("NO  {error}");
            let causes = std::iter::successors(error.source(), |cause| Error::source(*cause));
            causes.for_each(|cause| println!("    {cause}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [python, node, scripts, wanted @ ..] = arguments.as_slice() else {
        return Err("two interpreters and the folder of the scripts are needed".into());
    };
    let is_wanted = |script: &str| match wanted {
        [] => script != BY_NAME_ONLY,
        names => names.iter().any(|name| name == script),
    };
    let world = World::start(Path::new(scripts)).await?;
    if is_wanted(LIBRARY) {
        println!("-- {LIBRARY}");
        let status = world.command(&world.scripts.join(LIBRARY), None).status().await?;
        ended(LIBRARY, status)?;
    }
    for (program, script) in [
        (python, "service.py"),
        (python, "uma_grant.py"),
        (node, "service.mjs"),
        (node, "openid_client.mjs"),
        (node, "oauth4webapi.mjs"),
        (python, "authlib_client.py"),
        (node, "trusted_issuer.mjs"),
        (node, "upstream.mjs"),
        (node, BY_NAME_ONLY),
    ] {
        if !is_wanted(script) {
            continue;
        }
        println!("-- {script}");
        ended(script, world.command(Path::new(program), Some(script)).status().await?)?;
    }
    if is_wanted("provider.mjs") {
        println!("-- provider.mjs");
        provider::run(&world, node).await?;
    }
    Ok(())
}

impl World {
    /// A foreign party, which ends with this program at the latest.
    fn command(&self, program: &Path, script: Option<&str>) -> Command {
        let mut command = Command::new(program);
        command.args(script.map(|script| self.scripts.join(script)));
        command.arg(&self.description).kill_on_drop(true);
        command
    }
}

fn ended(script: &str, status: ExitStatus) -> Result<(), Failure> {
    if status.success() { Ok(()) } else { Err(format!("{script} ended with {status}").into()) }
}

/// Says what holds, or ends the program.
fn check(what: &str, holds: bool, found: impl std::fmt::Debug) -> Result<(), Failure> {
    if holds {
        println!("ok  {what}");
        return Ok(());
    }
    Err(format!("{what}: found {found:?}").into())
}
