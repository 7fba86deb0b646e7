//! Kills a `uma-server` with SIGKILL under load, starts it again, and checks from outside that it
//! kept its word:
//!
//! - what was acknowledged is there: resources registered, replaced and deleted, and PATs;
//! - a permission ticket has at most one success, over any number of restarts;
//! - an answer is well formed, or there is none;
//! - it serves again by itself.
//!
//! [`run`] does so a number of times. The server is the program `uma-server` as a child process,
//! ended by its own id; the load is a number of clients over plain http on loopback.
//!
//! | module | what it does |
//! |---|---|
//! | [`deployment`] | writes a server's configuration |
//! | [`process`] | starts and kills the server |
//! | [`http`](mod@http) | one request, one answer or none |
//! | [`history`] | what was acknowledged, and so must hold |
//! | [`load`] | a client that registers, replaces, deletes, and spends tickets |
//! | [`check`] | compares the history with the server that came back |
//!
//! ```no_run
//! use countersign_faults_tests::{Memory, Plan, run};
//!
//! # async fn example(program: std::path::PathBuf) -> Result<(), countersign_faults_tests::Fault> {
//! let plan = Plan { program, kills: 10, clients: 32, seed: 1, memory: Memory::Durable };
//! let report = run(&plan).await?;
//! assert_eq!(report.violations, Vec::<String>::new());
//! # Ok(())
//! # }
//! ```
//!
//! # What is left out
//!
//! Power loss: a killed process loses nothing that it handed to the system, so what a missing sync
//! would lose is not seen here.

pub mod check;
pub mod deployment;
pub mod history;
pub mod http;
pub mod load;
pub mod process;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_types::digest::Digest;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

pub use self::deployment::Memory;

use self::deployment::Deployment;
use self::history::History;
use self::load::Worker;
use self::process::Server;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program that serves, `uma-server`.
    pub program: PathBuf,
    /// How often to kill it.
    pub kills: u32,
    /// Clients at a time.
    pub clients: u32,
    /// Decides when it is killed.
    pub seed: u64,
    /// Where the server keeps what it acknowledges.
    pub memory: Memory,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How often the server was killed.
    pub kills: u32,
    /// Resources whose registration was acknowledged.
    pub resources: usize,
    /// Tickets that were presented with success.
    pub tickets: usize,
    /// PATs that were looked for after a kill, as often as they were.
    pub pats: usize,
    /// Requests without an answer, which may or may not have had an effect.
    pub unanswered: u64,
    /// The longest time from the start of the process to its first good answer.
    pub slowest_start: Duration,
    /// What must not be.
    pub violations: Vec<String>,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The server's files cannot be written.
    #[error("cannot write the server's files")]
    Files(#[source] std::io::Error),
    /// The server does not start, or not again.
    #[error("the server does not start: {0}")]
    Start(String),
    /// The server cannot be killed, or was no more when it should have been.
    #[error("the server cannot be killed: {0}")]
    Kill(#[source] std::io::Error),
    /// A client of the load stopped working.
    #[error("a client failed")]
    Client(#[from] tokio::task::JoinError),
}

/// Runs the plan.
///
/// # Errors
/// [`Fault`] if nothing can be said. What the server did wrong is in the report.
pub async fn run(plan: &Plan) -> Result<Report, Fault> {
    let deployment = Deployment::create(plan.memory).map_err(Fault::Files)?;
    let mut report = Report::default();
    let mut workers: Vec<Worker> = (0..plan.clients).map(Worker::new).collect();
    let mut history = History::default();

    for kill in 0..plan.kills {
        let server = start(plan, &deployment, &mut report).await?;
        check::all(server.address(), &mut workers, &mut history, &mut report).await;
        workers = load_until_killed(server, workers, delay(plan.seed, kill)).await?;
        report.kills += 1;
    }
    let server = start(plan, &deployment, &mut report).await?;
    check::all(server.address(), &mut workers, &mut history, &mut report).await;
    server.kill().await.map_err(Fault::Kill)?;

    for worker in &mut workers {
        report.violations.append(&mut worker.violations);
        report.unanswered += worker.unanswered;
    }
    report.resources = history.registered;
    report.tickets = history.spent;
    Ok(report)
}

async fn start(plan: &Plan, deployment: &Deployment, report: &mut Report) -> Result<Server, Fault> {
    let begun = Instant::now();
    let server = Server::start(&plan.program, &deployment.config()).await?;
    http::wait_until_served(server.address()).await.map_err(Fault::Start)?;
    report.slowest_start = report.slowest_start.max(begun.elapsed());
    Ok(server)
}

/// Loads the server, and kills it after `delay`.
async fn load_until_killed(
    server: Server,
    workers: Vec<Worker>,
    delay: Duration,
) -> Result<Vec<Worker>, Fault> {
    let address = server.address();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut running = JoinSet::new();
    for worker in workers {
        let is_over = Arc::clone(&is_over);
        running.spawn(async move { worker.run(address, &is_over).await });
    }
    sleep(delay).await;
    let killed = server.kill().await;
    is_over.store(true, Ordering::Release);
    killed.map_err(Fault::Kill)?;
    let mut workers = Vec::new();
    while let Some(worker) = running.join_next().await {
        workers.push(worker?);
    }
    Ok(workers)
}

/// Exponentially distributed from 5 ms to 500 ms, so that kills fall early as well as late; one in
/// four is two seconds later, when the server has tickets on its disk.
fn delay(seed: u64, kill: u32) -> Duration {
    let digest = Digest::of_parts(&[&seed.to_be_bytes(), &kill.to_be_bytes()]);
    let octets = digest.as_bytes().first_chunk().copied().unwrap_or_default();
    let uniform = (f64::from(u32::from_be_bytes(octets)) + 1.0) / (f64::from(u32::MAX) + 1.0);
    let late = if kill % 4 == 3 { 2.0 } else { 0.0 };
    Duration::from_secs_f64(late + (-uniform.ln() * 0.1).clamp(0.005, 0.5))
}
