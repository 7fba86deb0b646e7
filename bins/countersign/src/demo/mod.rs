//! `countersign demo`: flow 002 between two domains, in one process, over real sockets.

mod authority;
mod files;
mod flow002;
mod narrator;
mod refusals;
mod story;
mod world;

use std::error::Error;
use std::fs;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use countersign_host::server::shutdown_signal;
use tokio::time::Instant;

use self::narrator::{Expected, Narrator};
use self::story::Story;
use self::world::{ALICE, Ports, RESOURCE, RS, STS, UMA, World};
use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `countersign demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Which flow to show
    #[arg(default_value = "002", value_parser = ["002"])]
    pub(crate) flow: String,

    /// Leave the three servers up, and print how to use them
    #[arg(long)]
    pub(crate) keep: bool,

    /// Write the exchange to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Write certificates and configuration files for the three servers and the client, and exit
    #[arg(long, value_name = "DIR", conflicts_with_all = ["keep", "record"])]
    pub(crate) write: Option<PathBuf>,
}

/// Runs the demo. The exit code is 1 if any step differs from the drawing.
pub(crate) async fn run(args: DemoArgs, out: Output) -> ExitCode {
    let done = match &args.write {
        Some(folder) => write(folder, out).map(|()| true),
        None => show(&args, out).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => out.failed(&Failure::internal("the demo did not come to its end", error)),
    }
}

async fn show(args: &DemoArgs, out: Output) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let started = Instant::now();
    let stdout = std::io::stdout();
    let story = Story::new("002", stdout, std::io::stdout().is_terminal(), out.is_json());
    let expected = Expected { authorization_server: UMA, resource: RS, email: ALICE };
    let narrator = Arc::new(Narrator::new(story, expected));
    narrator.tell(|story| {
        story.heading("Flow 002: UMA, a security token service and a ticket challenge")?;
        story.line("")
    })?;

    let mut world = World::start(args.keep, Arc::clone(&narrator))?;
    let told = tell(&mut world).await;
    let milliseconds = started.elapsed().as_millis();
    if told.is_ok() {
        let next = if args.keep { keep_hint(&world) } else { next_hint() };
        narrator.tell(|story| {
            story.heading(&format!("Done in {milliseconds} ms."))?;
            story.line(&next)?;
            story.finish(milliseconds)
        })?;
        if let Some(file) = &args.record {
            let record = narrator
                .tell(|story| story.to_json(milliseconds).map_err(std::io::Error::other))?;
            authority::write_private(file, &record)?;
        }
        if args.keep {
            shutdown_signal()?.await;
        }
    }
    world.stop().await?;
    told?;
    narrator.tell(|story| Ok(story.as_drawn())).map_err(Into::into)
}

/// Everything that is shown, in its order.
async fn tell<W: Write + Send + 'static>(
    world: &mut World<W>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    flow002::introduce(world)?;
    let narrator = world.observer();
    narrator.tell(|story| story.heading("The flow"))?;
    let subject = flow002::sign_in(world).await?;
    let client = flow002::client(world, subject)?;
    flow002::run(world, &client).await?;

    narrator.tell(|story| story.heading("Three refusals"))?;
    narrator.fall_silent();
    for refusal in refusals::try_all(world, &client).await? {
        narrator.tell(|story| story.refusal(refusal))?;
    }
    Ok(())
}

/// Writes what the servers and the client need to be started by hand.
fn write(folder: &Path, out: Output) -> Result<(), Box<dyn Error + Send + Sync>> {
    fs::create_dir_all(folder)?;
    world::write(folder, Ports::BY_HAND)?;
    let folder = fs::canonicalize(folder)?;
    let at = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "\
Written to {folder}. Start each server in a terminal of its own:

  sts {sts}
  uma-server {uma}
  resource-server {rs}

Then sign in as Alice and get the data:

{client}",
        folder = folder.display(),
        sts = at(files::STS),
        uma = at(files::UMA),
        rs = at(files::RS),
        client = client_commands("countersign", &folder),
    );
    let json = serde_json::json!({
        "folder": folder, "sts": at(files::STS), "uma_server": at(files::UMA),
        "resource_server": at(files::RS), "client": at(files::CLIENT),
    });
    out.result(&text, &json).map_err(|failure| failure.line())?;
    Ok(())
}

fn client_commands(program: &str, folder: &Path) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "  export COUNTERSIGN_CONFIG={config} COUNTERSIGN_SESSION={session}\n\
         \x20 {program} login {STS} --headless --username alice --password-file {password}\n\
         \x20 {program} request --explain {RESOURCE}",
        config = at(files::CLIENT),
        session = at("session.json"),
        password = at(files::PASSWORD),
    )
}

fn keep_hint<W: Write + Send + 'static>(world: &World<W>) -> String {
    let program = std::env::current_exe()
        .map_or_else(|_| "countersign".to_owned(), |program| program.display().to_string());
    format!(
        "The servers are up until Ctrl-C. In another terminal:\n\n{}\n\n\
         Their configuration stays in {}",
        client_commands(&program, world.folder()),
        world.folder().display()
    )
}

fn next_hint() -> String {
    "Next: `countersign demo --keep` leaves the servers up for requests of your own,\n      \
     `countersign demo --write DIR` writes their configuration files to start them by hand,\n      \
     `countersign demo --record FILE` keeps every message as JSON."
        .to_owned()
}
