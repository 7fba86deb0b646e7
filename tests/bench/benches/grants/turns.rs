//! Grants and bare endpoints take turns under the same load.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use countersign_bench_tests::{Effort, load, median, processor_time};
use countersign_host::{Seams, server};
use countersign_jwt::{Algorithm, SigningKey};
use countersign_store::SqliteEngine;
use countersign_store::engine::{RecordTable, Records as _};
use serde_json::Value;
use tempfile::TempDir;

use crate::CONNECTIONS;
use crate::bare::{Endpoints, Of};
use crate::servers;

/// Octets of the log between checkpoints.
const LOG: usize = 64 * 1024 * 1024;
/// Octets of a large record.
const LARGE: usize = 64 * 1024;

/// Status and body.
pub(crate) type Answer = (u16, Vec<u8>);

/// A request to the bare endpoint, and one for the grant.
#[derive(Clone)]
pub(crate) struct Requests {
    pub(crate) bare: Vec<u8>,
    pub(crate) grant: Vec<u8>,
}

impl Requests {
    /// The same form to both.
    pub(crate) fn of(bare: Of, path: &str, fields: &[(&str, &str)]) -> Self {
        Self { bare: load::form(bare.path(), fields), grant: load::form(path, fields) }
    }
}

/// What a load took.
struct Cost {
    /// Requests per second.
    rate: f64,
    /// Processor time per request, in microseconds.
    processor: f64,
}

/// Both servers, the bare endpoints, and what is needed to ask them for something.
pub(crate) struct Bench {
    rounds: usize,
    /// Requests in a round.
    pub(crate) requests: usize,
    pub(crate) seams: Seams,
    pub(crate) key: SigningKey,
    endpoints: Endpoints,
    /// The provider without a network.
    pub(crate) provider: Router,
    pub(crate) sts: SocketAddr,
    pub(crate) uma: SocketAddr,
    /// The UMA server's.
    pub(crate) store: Arc<SqliteEngine>,
    pub(crate) runtime: tokio::runtime::Runtime,
    _directory: TempDir,
}

impl Bench {
    pub(crate) fn start(effort: Effort) -> Self {
        // Not among the temporary files, which may be in memory.
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let seams = Seams::system();
        let engine = |name: &str| {
            let path = directory.path().join(name);
            Arc::new(SqliteEngine::open(&path, Arc::clone(&seams.clock)).unwrap())
        };
        let store = engine("uma.db");
        let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
        let endpoints = Endpoints::new(&key);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let of_provider = engine("sts.db");
        if effort == Effort::Measure {
            for store in [&store, &of_provider] {
                runtime.block_on(go_round_the_log(store));
            }
        }
        let provider = servers::sts(&key, of_provider, &seams);
        let uma = servers::uma(&key, Arc::clone(&store) as _, &seams);
        Self {
            rounds: effort.of(25, 2),
            requests: effort.of(1500, 64),
            sts: serve(&runtime, provider.clone().merge(endpoints.router())),
            uma: serve(&runtime, uma.merge(endpoints.router())),
            endpoints,
            provider,
            seams,
            key,
            store,
            runtime,
            _directory: directory,
        }
    }

    /// Has a bare endpoint imitate the answer to a grant, and gives that.
    pub(crate) fn imitate(&self, of: Of, server: SocketAddr, requests: &Requests) -> String {
        let answers = self.all(server, std::slice::from_ref(&requests.grant));
        self.endpoints.imitate(of, &answers[0].1);
        String::from_utf8_lossy(&answers[0].1).into_owned()
    }

    /// Compares a grant with its bare endpoint; gives the median share of the rates. What is asked
    /// for in a round is made of the grants of the round before.
    pub(crate) fn share(
        &self,
        name: &str,
        server: SocketAddr,
        mut prepare: impl FnMut(&[Answer]) -> Vec<Requests>,
    ) -> f64 {
        let mut granted = Vec::new();
        let round = |round: usize| {
            let requests = prepare(&granted).into_iter();
            let (bare, grants): (Vec<_>, Vec<_>) =
                requests.map(|requests| (requests.bare, requests.grant)).unzip();
            let mut ask_for_grants = || {
                let (cost, answers) = self.ask(server, &grants);
                granted = answers;
                cost
            };
            if round.is_multiple_of(2) {
                let grant = ask_for_grants();
                (self.ask(server, &bare).0, grant)
            } else {
                (self.ask(server, &bare).0, ask_for_grants())
            }
        };
        let rounds: Vec<(Cost, Cost)> = (0..self.rounds).map(round).collect();
        let of = |value: fn(&(Cost, Cost)) -> f64| median(rounds.iter().map(value).collect());
        let share = of(|(bare, grant)| grant.rate / bare.rate);
        println!(
            "{name:<26}{:>13.0}{:>13.0}{:>6.0} %{:>12.1}{:>12.1}{:>6.0} %",
            of(|(bare, _)| bare.rate),
            of(|(_, grant)| grant.rate),
            share * 100.0,
            of(|(bare, _)| bare.processor),
            of(|(_, grant)| grant.processor),
            of(|(bare, grant)| bare.processor / grant.processor) * 100.0,
        );
        share
    }

    fn ask(&self, server: SocketAddr, requests: &[Vec<u8>]) -> (Cost, Vec<Answer>) {
        let before = processor_time();
        let answers = load::run(server, CONNECTIONS, requests).unwrap();
        let processor = processor_time().saturating_sub(before);
        let processor = processor.as_secs_f64() * 1e6 / requests.len() as f64;
        let cost = Cost { rate: answers.rate(), processor };
        (cost, all_granted(answers.answers))
    }

    /// The answers to requests that are not measured.
    pub(crate) fn all(&self, server: SocketAddr, requests: &[Vec<u8>]) -> Vec<Answer> {
        let connections = CONNECTIONS.min(requests.len());
        all_granted(load::run(server, connections, requests).unwrap().answers)
    }
}

/// Each request has to be granted.
fn all_granted(answers: Vec<Answer>) -> Vec<Answer> {
    for (status, body) in &answers {
        assert!(matches!(status, 200 | 201), "{status}: {}", String::from_utf8_lossy(body));
    }
    answers
}

pub(crate) fn member(body: &[u8], name: &str) -> String {
    let document: Value = serde_json::from_slice(body).unwrap();
    let value = document.get(name).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no {name}: {document}")).to_owned()
}

/// Fills a store's log once: from then on it is written in place, as in a server that has run for a
/// while. Before, every commit makes a file longer.
async fn go_round_the_log(store: &SqliteEngine) {
    for round in 0..=LOG / LARGE {
        // Each time another: SQLite does not write what a page says already.
        let value = vec![round as u8; LARGE];
        store.put(RecordTable::Messages, b"large", value, None).await.unwrap();
    }
    store.remove(RecordTable::Messages, b"large").await.unwrap();
}

fn serve(runtime: &tokio::runtime::Runtime, router: Router) -> SocketAddr {
    let listener = server::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let plain = server::danger::plain_http();
    runtime.spawn(server::serve(listener, plain, router, std::future::pending()));
    address
}
