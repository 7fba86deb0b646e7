//! Cuts the power of a store (`SqliteEngine`) at its writes, has its disk be full or fail at its
//! calls, and checks that what was acknowledged is there.
//!
//! A library in C stands between this program and its C library: it writes down each call that
//! changes a file of the store, or has it fail. From the record, each state is made that a power
//! cut may leave, and the store is opened on it.
//!
//! | module | what it does |
//! |---|---|
//! | `shim` | compiles the library in C, starts this program with it, tells it what to do |
//! | `record` | reads what it wrote down |
//! | `disk` | what is on a disk after a power cut, of what was written and synced |
//! | `model` | what clients did and were told, and so what must be found |
//! | `store` | asks the store as a client does |
//! | `load` | clients that do what the servers do |
//! | `check` | opens a store and compares it with the model |
//! | `cuts` | cuts the power |
//! | `faults` | has calls fail |

#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

mod check;
mod cuts;
mod disk;
mod faults;
mod load;
mod model;
mod random;
mod record;
mod shim;
mod store;

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::disk::Honesty;
use self::load::Phase;
use self::shim::Place;

/// Cuts the power of a store at its writes, and has its disk be full or fail at its calls.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    plan: Plan,
    #[command(subcommand)]
    part: Option<Part>,
}

/// How much of it.
#[derive(clap::Args)]
struct Plan {
    /// Power cuts.
    #[arg(long, default_value_t = 2000)]
    cuts: usize,
    /// Power cuts while the store moves a log that is full into the database.
    #[arg(long, default_value_t = 200)]
    filled_cuts: usize,
    /// Calls that fail.
    #[arg(long, default_value_t = 2000)]
    faults: u64,
    /// Calls that fail while the store moves a log that is full into the database: there are five.
    #[arg(long, default_value_t = 5)]
    filled_faults: usize,
    /// Decides what is done to the store, and where it ends.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whether what the disk says is synced is on it.
    #[arg(long, value_enum, default_value_t = Honesty::Honest)]
    disk: Honesty,
}

/// What this program does as its own child.
#[derive(Subcommand)]
enum Part {
    /// All of it.
    #[command(hide = true)]
    All { root: PathBuf },
    /// A process that writes to the store.
    #[command(hide = true)]
    Work {
        root: PathBuf,
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        rounds: u64,
        #[arg(long)]
        dies: bool,
    },
    /// One that fills the log.
    #[command(hide = true)]
    Fill {
        root: PathBuf,
        #[arg(long)]
        seed: u64,
    },
}

/// The program. Exit code 0: nothing was lost. 1: a violation, each on a line of its own. 2:
/// nothing can be said.
pub async fn main() -> ExitCode {
    let Arguments { plan, part } = Arguments::parse();
    let done = match part {
        None => begin(&plan),
        Some(Part::All { root }) => all(&root, &plan).await,
        Some(Part::Work { root, seed, rounds, dies }) => {
            work(&root, Phase { seed, rounds, dies }).await.map(|()| ExitCode::SUCCESS)
        }
        Some(Part::Fill { root, seed }) => fill(&root, seed).await.map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        // Nothing is left to be done if standard error is gone as well.
        drop(writeln!(std::io::stderr(), "{error}"));
        ExitCode::from(2)
    })
}

/// Starts this program once more, behind the shim.
fn begin(plan: &Plan) -> Result<ExitCode, Box<dyn Error>> {
    let root = tempfile::tempdir()?;
    let place = Place::new(root.path())?;
    place.build()?;
    let mut program = place.program()?;
    program.args(std::env::args_os().skip(1)).arg("all").arg(place.root());
    let status = program.status()?;
    if status.code() == Some(1) && plan.disk == Honesty::Honest {
        let kept = root.keep();
        writeln!(std::io::stdout(), "the last store and its record are in {}", kept.display())?;
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(2)))
}

async fn all(root: &Path, plan: &Plan) -> Result<ExitCode, Box<dyn Error>> {
    let place = Place::new(root)?;
    let mut out = std::io::stdout();
    writeln!(out, "seed {}", plan.seed)?;
    let mut violations = Vec::new();
    for what in ["power", "power, log full"] {
        let report = match what {
            "power" if plan.cuts > 0 => cuts::run(&place, plan).await?,
            "power, log full" if plan.filled_cuts > 0 => cuts::run_filled(&place, plan).await?,
            _ => continue,
        };
        let cuts::Report { calls, syncs, wraps, cuts, violations: found } = report;
        writeln!(
            out,
            "{what}: {cuts} cuts within {calls} calls, {syncs} of them syncs; the log was begun \
             anew {wraps} times"
        )?;
        violations.extend(found);
    }
    for what in ["disk", "disk, log full"] {
        let report = match what {
            "disk" if plan.faults > 0 => faults::run(&place, plan).await?,
            "disk, log full" if plan.filled_faults > 0 => faults::run_filled(&place, plan).await?,
            _ => continue,
        };
        let faults::Report { calls, faults, stopped, unopened, violations: found } = report;
        writeln!(
            out,
            "{what}: {faults} faults in runs of {calls} calls; the store stopped writing {stopped} \
             times, and did not open {unopened} times"
        )?;
        violations.extend(found);
    }
    for violation in &violations {
        writeln!(out, "VIOLATION: {violation}")?;
    }
    writeln!(out, "{} violations", violations.len())?;
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn work(root: &Path, phase: Phase) -> Result<(), Box<dyn Error>> {
    load::run(&Place::new(root)?, phase).await.map_err(|error| error as Box<dyn Error>)
}

async fn fill(root: &Path, seed: u64) -> Result<(), Box<dyn Error>> {
    load::fill(&Place::new(root)?, seed).await.map_err(|error| error as Box<dyn Error>)
}
