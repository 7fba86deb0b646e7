//! `countersign demo`: a flow between parties of several domains, in one process, over real
//! sockets.

mod attack;
mod authority;
mod files;
mod flow000;
mod flow001;
mod flow002;
mod flow003;
mod flow004;
mod place;
mod print;
mod results;
mod servers;
mod story;
mod teller;
mod token_answer;
#[cfg(test)]
mod told;
mod witness;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use countersign_host::server::shutdown_signal;
use tokio::time::Instant;

use self::files::Exists;
use self::print::Printer;
use self::servers::{Failure, Servers};
use self::story::Kept;
use self::teller::Teller;
use crate::failure::{self, Code};
use crate::output::Output;
use crate::private_file::PrivateFile;

/// Where the client of servers that stay up keeps its session.
const SESSION: &str = "session.json";

/// The flows that can be shown.
const FLOWS: [(&str, &str); 5] = [
    (<flow000::World as Flow>::NUMBER, <flow000::World as Flow>::TITLE),
    (<flow001::World as Flow>::NUMBER, <flow001::World as Flow>::TITLE),
    (<flow002::World as Flow>::NUMBER, <flow002::World as Flow>::TITLE),
    (<flow003::World as Flow>::NUMBER, <flow003::World as Flow>::TITLE),
    (<flow004::World as Flow>::NUMBER, <flow004::World as Flow>::TITLE),
];

/// A flow: its servers, and what is told about them.
trait Flow: Sized {
    /// The number of its drawing.
    const NUMBER: &'static str;
    /// What it is about.
    const TITLE: &'static str;
    /// The client's configuration file.
    const CONFIG: &'static str;

    /// What is there before anything runs.
    type Grounds;

    /// Takes ports, and writes certificates, keys and files into a folder of their own.
    fn prepare() -> Result<Self::Grounds, Failure>;

    /// Starts its servers.
    fn start(grounds: Self::Grounds, teller: Arc<Teller>) -> Result<Self, Failure>;

    fn servers(&mut self) -> &mut Servers;

    fn into_servers(self) -> Servers;

    /// What to type at a shell, in the place of the demo's own client.
    fn commands(program: &str, folder: &Path) -> Vec<String>;

    /// Everything that is shown, in its order. What goes otherwise than drawn is told, and is no
    /// error.
    async fn tell(&mut self) -> Result<(), Failure>;
}

/// Arguments of `countersign demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Which flow to show [default: 002]
    #[arg(value_parser = numbers())]
    pub(crate) flow: Option<String>,

    /// Be Bob in flow 003: decide in a browser, while Alice's client waits
    #[arg(long, conflicts_with = "write")]
    pub(crate) live: bool,

    /// Leave the servers up, and print how to use them
    #[arg(long)]
    pub(crate) keep: bool,

    /// Write the exchange to this file, as JSON, tokens included; only you can read it
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Write certificates and configuration files for the servers of a flow other than 004, and
    /// exit
    ///
    /// Flow 004 has none that could be started by hand: the documents of its clients are served by
    /// the demo.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["keep", "record"])]
    pub(crate) write: Option<PathBuf>,
}

/// The numbers that stand for flows, each with what it shows.
fn numbers() -> PossibleValuesParser {
    PossibleValuesParser::new(FLOWS.map(|(number, title)| PossibleValue::new(number).help(title)))
}

/// Runs the demo. The exit code is 1 if any step differs from the drawing.
pub(crate) async fn run(args: DemoArgs, out: Output) -> ExitCode {
    let flow = args.flow.as_deref();
    if args.live && flow != Some("003") {
        return out.failed(&failure::Failure::usage("--live is for flow 003: `demo 003 --live`"));
    }
    let done = match (&args.write, flow) {
        (Some(_), Some("004")) => {
            let text = "--write is not for flow 004; --keep leaves its servers up";
            return out.failed(&failure::Failure::usage(text));
        }
        (Some(folder), Some("000")) => flow000::write(folder, out).map(|()| Ended::AsDrawn),
        (Some(folder), Some("001")) => flow001::write(folder, out).map(|()| Ended::AsDrawn),
        (Some(folder), Some("003")) => flow003::write(folder, out).map(|()| Ended::AsDrawn),
        (Some(folder), _) => flow002::write(folder, out).map(|()| Ended::AsDrawn),
        (None, Some("000")) => show::<flow000::World>(&args, out).await,
        (None, Some("001")) => show::<flow001::World>(&args, out).await,
        (None, Some("003")) if args.live => show::<flow003::Live>(&args, out).await,
        (None, Some("003")) => show::<flow003::World>(&args, out).await,
        (None, Some("004")) => show::<flow004::World>(&args, out).await,
        (None, _) => show::<flow002::World>(&args, out).await,
    };
    match done {
        Ok(Ended::AsDrawn) => ExitCode::SUCCESS,
        Ok(Ended::Differs) => ExitCode::FAILURE,
        Ok(Ended::Refused(refused)) => out.failed(&refused),
        Ok(Ended::Interrupted) => {
            out.failed(&failure::Failure::new(Code::Interrupted, "interrupted by a signal"))
        }
        Err(error) if error.is::<Exists>() => {
            out.failed(&failure::Failure::usage(error.to_string()))
        }
        Err(error) => {
            out.failed(&failure::Failure::internal("the demo did not come to its end", error))
        }
    }
}

/// How a run came to its end.
enum Ended {
    AsDrawn,
    Differs,
    Interrupted,
    /// It did not begin.
    Refused(failure::Failure),
}

async fn show<F: Flow>(args: &DemoArgs, out: Output) -> Result<Ended, Failure> {
    let started = Instant::now();
    // From here on a signal ends the run in order: nothing stays behind.
    let mut stop = pin!(end()?);
    let record = match args.record.as_deref().map(record_file).transpose() {
        Ok(record) => record,
        Err(refused) => return Ok(Ended::Refused(refused)),
    };
    let printer = (!out.is_json()).then(|| Printer::new(Box::new(std::io::stdout()), colours()));
    let teller = Arc::new(Teller::new(F::NUMBER, printer));

    if args.flow.is_none() {
        teller.heading("Flows");
        for (number, title) in FLOWS {
            let shown = if number == F::NUMBER { ", shown here" } else { "" };
            teller.line(&format!("  demo {number}  {title}{shown}"));
        }
    }
    teller.heading(&format!("Flow {}: {}", F::NUMBER, F::TITLE));
    teller.line("");
    let mut world = F::start(F::prepare()?, Arc::clone(&teller))?;
    if args.keep {
        teller.kept(kept::<F>(world.servers().folder()));
    }
    let told = tokio::select! {
        told = world.tell() => told,
        () = &mut stop => {
            world.into_servers().stop().await;
            return Ok(Ended::Interrupted);
        }
    };
    told?;

    let milliseconds = started.elapsed().as_millis();
    let story = teller.story()?;
    teller.heading(&format!("Done in {milliseconds} ms."));
    if !story.as_drawn() {
        teller.line(&differences(story.differences()));
    }
    let folder = world.servers().folder();
    teller.line(&if args.keep { keep_hint::<F>(folder) } else { next_hint::<F>() });
    teller.story()?;
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
    world.into_servers().stop().await;
    Ok(if story.as_drawn() { Ended::AsDrawn } else { Ended::Differs })
}

/// Done when the run is asked to end, or its terminal goes away.
fn end() -> std::io::Result<impl Future<Output = ()>> {
    let (stop, hangup) = (shutdown_signal()?, hangup()?);
    Ok(async {
        tokio::select! {
            () = stop => {}
            () = hangup => {}
        }
    })
}

#[cfg(unix)]
fn hangup() -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    Ok(async move {
        hangup.recv().await;
    })
}

#[cfg(not(unix))]
fn hangup() -> std::io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}

fn differences(count: usize) -> String {
    match count {
        0 => "It did not come to the data.".to_owned(),
        1 => "1 difference from the drawing: look for DIFFERS.".to_owned(),
        count => format!("{count} differences from the drawing: look for DIFFERS."),
    }
}

/// Where the record goes is what whoever runs this says.
fn record_file(path: &Path) -> Result<PrivateFile, failure::Failure> {
    let text = || format!("--record {}", path.display());
    PrivateFile::create(path).map_err(|error| failure::Failure::caused(Code::Usage, text(), error))
}

/// Whether standard output is a terminal that takes colours, by NO_COLOR and its like.
fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// What to type at a shell, from naming the files on.
fn client_commands<F: Flow>(program: &str, folder: &Path) -> Vec<String> {
    let (config, session) = (at(folder, F::CONFIG), at(folder, SESSION));
    let files = format!("export COUNTERSIGN_CONFIG={config} COUNTERSIGN_SESSION={session}");
    std::iter::once(files).chain(F::commands(program, folder)).collect()
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

fn kept<F: Flow>(folder: &Path) -> Kept {
    Kept {
        folder: folder.display().to_string(),
        config: at(folder, F::CONFIG),
        session: at(folder, SESSION),
        commands: client_commands::<F>(&program(), folder),
    }
}

fn keep_hint<F: Flow>(folder: &Path) -> String {
    format!(
        "The servers are up until Ctrl-C. In another terminal:\n\n{}\n\
         Their configuration, with keys and secrets, is in {}, and goes with them.",
        indented(&client_commands::<F>(&program(), folder)),
        folder.display()
    )
}

fn next_hint<F: Flow>() -> String {
    let (typed, flow) = (typed(), F::NUMBER);
    let hint = |arguments: &str, text: &str| format!("\n  {typed} demo {arguments}\n      {text}");
    let others = FLOWS.iter().filter(|(number, _)| *number != flow);
    let others =
        others.map(|(number, title)| hint(number, &format!("shows another flow: {title}")));
    let mut lines = vec![
        hint(&format!("{flow} --keep"), "leaves the servers up for requests of your own"),
        hint(&format!("{flow} --record FILE"), "keeps every arrow, check and request as JSON"),
    ];
    if flow == flow003::World::NUMBER {
        lines.push(hint("003 --live", "lets you be Bob, in a browser"));
    }
    if flow != flow004::World::NUMBER {
        lines.push(hint(
            &format!("{flow} --write DIR"),
            "writes their configuration files, to start them by hand",
        ));
    }
    lines.extend(others);
    format!("Next:\n{}", lines.concat())
}
