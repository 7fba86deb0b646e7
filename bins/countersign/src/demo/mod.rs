//! `countersign demo`: flow 002 between two domains, in one process, over real sockets.

mod arrows;
mod authority;
mod files;
mod flow002;
mod narrator;
mod print;
mod refusals;
mod story;
mod witness;
mod world;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use countersign_host::server::shutdown_signal;
use tokio::time::Instant;

use self::arrows::Expected;
use self::narrator::Narrator;
use self::print::Printer;
use self::story::Kept;
use self::world::{ALICE, Grounds, Ports, RESOURCE, RS, STS, UMA, World};
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::private_file::PrivateFile;

/// Where the client of servers that stay up keeps its session.
const SESSION: &str = "session.json";

/// Arguments of `countersign demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Which flow to show
    #[arg(default_value = "002", value_parser = ["002"])]
    pub(crate) flow: String,

    /// Leave the three servers up, and print how to use them
    #[arg(long)]
    pub(crate) keep: bool,

    /// Write the exchange to this file, as JSON, tokens included; only you can read it
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Write certificates and configuration files for the three servers and the client, and exit
    #[arg(long, value_name = "DIR", conflicts_with_all = ["keep", "record"])]
    pub(crate) write: Option<PathBuf>,
}

/// Runs the demo. The exit code is 1 if any step differs from the drawing.
pub(crate) async fn run(args: DemoArgs, out: Output) -> ExitCode {
    let done = match &args.write {
        Some(folder) => write(folder, out).map(|()| Ended::AsDrawn),
        None => show(&args, out).await,
    };
    match done {
        Ok(Ended::AsDrawn) => ExitCode::SUCCESS,
        Ok(Ended::Differs) => ExitCode::FAILURE,
        Ok(Ended::Interrupted) => {
            out.failed(&Failure::new(Code::Interrupted, "interrupted by a signal"))
        }
        Err(error) => out.failed(&Failure::internal("the demo did not come to its end", error)),
    }
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    AsDrawn,
    Differs,
    Interrupted,
}

async fn show(args: &DemoArgs, out: Output) -> Result<Ended, Box<dyn Error + Send + Sync>> {
    let started = Instant::now();
    // From here on a signal ends the run in order: nothing stays behind.
    let mut stop = pin!(shutdown_signal()?);
    let record = args.record.as_deref().map(record_file).transpose()?;
    let printer = (!out.is_json()).then(|| Printer::new(Box::new(std::io::stdout()), colours()));
    let narrator = Arc::new(Narrator::new("002", printer, EXPECTED));

    narrator.heading("Flow 002: UMA, a security token service and a ticket challenge");
    narrator.line("");
    let mut world = World::start(Grounds::prepare()?, Arc::clone(&narrator))?;
    if args.keep {
        world.keep();
        narrator.kept(kept(world.folder()));
    }
    let told = tokio::select! {
        told = tell(&mut world) => told,
        () = &mut stop => {
            world.stop().await;
            return Ok(Ended::Interrupted);
        }
    };
    told?;

    let milliseconds = started.elapsed().as_millis();
    narrator.heading(&format!("Done in {milliseconds} ms."));
    narrator.line(&if args.keep { keep_hint(world.folder()) } else { next_hint() });
    let story = narrator.story()?;
    let json = story.to_json(milliseconds)?;
    if out.is_json() {
        out.write(json.as_bytes()).map_err(|failure| failure.line())?;
    }
    if let Some(record) = record {
        record.finish(json.as_bytes())?;
    }
    if args.keep {
        stop.await;
    }
    world.stop().await;
    Ok(if story.as_drawn() { Ended::AsDrawn } else { Ended::Differs })
}

const EXPECTED: Expected =
    Expected { url: RESOURCE, authorization_server: UMA, resource: RS, email: ALICE };

/// Everything that is shown, in its order. What goes otherwise than drawn is told, and is no error.
async fn tell(world: &mut World) -> Result<(), Box<dyn Error + Send + Sync>> {
    flow002::introduce(world);
    let narrator = world.observer();
    narrator.heading("The flow");
    let subject = match flow002::sign_in(world).await {
        Ok(subject) => subject,
        Err(error) => {
            narrator.step(flow002::nobody_signed_in(error.as_ref()));
            return Ok(());
        }
    };
    let client = flow002::client(world, subject)?;
    let body = flow002::run(world, &client).await?;

    narrator.heading("Three refusals");
    narrator.fall_silent();
    for refusal in refusals::try_all(world, &client).await {
        narrator.refusal(refusal);
    }
    if let Some(body) = body {
        narrator.heading("The data");
        narrator.data(flow002::data(&body));
    }
    Ok(())
}

fn record_file(path: &Path) -> Result<PrivateFile, String> {
    PrivateFile::create(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether standard output is a terminal that takes colours, by NO_COLOR and its like.
fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
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
        client = indented(&client_commands("countersign", &folder)),
    );
    let json = serde_json::json!({
        "folder": folder, "sts": at(files::STS), "uma_server": at(files::UMA),
        "resource_server": at(files::RS), "client": at(files::CLIENT),
    });
    out.result(&text, &json).map_err(|failure| failure.line())?;
    Ok(())
}

/// What to type at a shell to sign in as Alice and get the data.
fn client_commands(program: &str, folder: &Path) -> Vec<String> {
    let at = |name: &str| folder.join(name).display().to_string();
    vec![
        format!(
            "export COUNTERSIGN_CONFIG={} COUNTERSIGN_SESSION={}",
            at(files::CLIENT),
            at(SESSION)
        ),
        format!(
            "{program} login {STS} --headless --username alice --password-file {}",
            at(files::PASSWORD)
        ),
        format!("{program} request --explain {RESOURCE}"),
    ]
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

/// This very program, wherever it is called from.
fn program() -> String {
    std::env::current_exe()
        .map_or_else(|_| "countersign".to_owned(), |program| program.display().to_string())
}

/// What was typed to get here: by way of cargo, if it was.
#[expect(clippy::disallowed_methods, reason = "cargo tells in the environment that it runs this")]
fn typed() -> String {
    match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(_) => format!("cargo run -p {} --", env!("CARGO_PKG_NAME")),
        None => program(),
    }
}

fn kept(folder: &Path) -> Kept {
    let at = |name: &str| folder.join(name).display().to_string();
    Kept {
        folder: folder.display().to_string(),
        config: at(files::CLIENT),
        session: at(SESSION),
        commands: client_commands(&program(), folder),
    }
}

fn keep_hint(folder: &Path) -> String {
    format!(
        "The servers are up until Ctrl-C. In another terminal:\n\n{}\n\
         Their configuration stays in {}",
        indented(&client_commands(&program(), folder)),
        folder.display()
    )
}

fn next_hint() -> String {
    let typed = typed();
    format!(
        "Next:\n\
         \n  {typed} demo --keep\n      leaves the servers up for requests of your own\
         \n  {typed} demo --write DIR\n      writes their configuration files, to start them by hand\
         \n  {typed} demo --record FILE\n      keeps every arrow, check and request as JSON"
    )
}

#[cfg(test)]
mod tests;
