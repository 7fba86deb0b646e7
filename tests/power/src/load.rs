//! Clients that do to a store what the servers do, and say before and after what.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use countersign_store::engine::{OneTimeTable, RecordTable};
use tokio::task::JoinSet;

use crate::check::access_tokens;
use crate::model::{Action, Answer, Client, Found, Model, Place, notices, tickets};
use crate::random::Random;
use crate::record::{self, Act};
use crate::shim::{self, Control};
use crate::store::{ORDINARY, Store, numbered};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Clients at a time.
const CLIENTS: u8 = 4;

/// Actions of each client between two moments at which nobody does anything.
const ACTIONS: u64 = 12;

/// Mebioctets that fill the log.
const FILL: u32 = 60;

/// What one process does before it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) seed: u64,
    pub(crate) rounds: u64,
    /// The process dies at some call, or ends in an orderly way.
    pub(crate) dies: bool,
}

/// What chooses a client's next action.
pub(crate) struct Chooser {
    random: Random,
    /// A number that no key and no value had.
    next: u32,
}

impl Chooser {
    pub(crate) fn new(seed: u64, client: &Client) -> Self {
        let numbers = client.may.iter().flat_map(|(place, may)| {
            let (Place::Record(_, key) | Place::OneTime(_, key) | Place::Jti(key)) = place;
            let values = may.iter().map(|found| match found {
                Found::Value(value) => *value / numbered(1, 0),
                _ => 0,
            });
            values.chain([key / numbered(1, 0)])
        });
        // What was under way may have taken more.
        Self { random: Random::new(seed), next: numbers.max().unwrap_or(0) + 10 }
    }

    fn fresh(&mut self) -> u32 {
        self.next += 1;
        numbered(self.next, self.random.below(ORDINARY) as u32)
    }

    fn known(&mut self, client: &Client, is: impl Fn(&Place) -> bool) -> Option<Place> {
        let places: Vec<Place> = client.may.keys().filter(|place| is(place)).copied().collect();
        self.random.one_of(&places).copied()
    }

    /// Something that changes the disk, whatever is known.
    pub(crate) fn choose_change(&mut self) -> Action {
        Action::InsertNew(self.fresh())
    }

    /// Something that a server might do next.
    pub(crate) fn choose(&mut self, client: &Client) -> Action {
        let fresh = self.fresh();
        let any = 0..RecordTable::ALL.len();
        let others: Vec<usize> =
            any.filter(|table| ![access_tokens(), notices()].contains(table)).collect();
        let tokens = [access_tokens()];
        let tables = if self.random.below(5) < 2 { &tokens[..] } else { &others };
        let table = self.random.one_of(tables).copied().unwrap_or_default();
        let known =
            self.known(client, |place| matches!(place, Place::Record(of, _) if *of == table));
        let key = match known {
            Some(Place::Record(_, key)) => key,
            _ => fresh,
        };
        let one_time = self.random.below(OneTimeTable::ALL.len() as u64) as usize;
        match self.random.below(24) {
            0..=5 => Action::Put(table, fresh, fresh),
            6 | 7 => Action::Put(table, key, fresh),
            8 => Action::Replace(table, key, fresh),
            9 if table == access_tokens() => Action::PutExpired(table, key, fresh),
            10 if table == access_tokens() => Action::PutExpired(table, fresh, fresh),
            9 | 10 => Action::Tell(table, key, fresh),
            11 | 12 => Action::Remove(table, key),
            13 => Action::Get(table, key),
            14 | 15 => Action::Insert(one_time, fresh),
            16 | 17 => Action::InsertLazily(tickets(), fresh),
            18 => Action::Flush,
            19 | 20 => match self.known(client, |place| matches!(place, Place::OneTime(..))) {
                Some(Place::OneTime(table, key)) => Action::Spend(table, key),
                _ => Action::Insert(one_time, fresh),
            },
            21 => match self.known(client, |place| matches!(place, Place::Jti(_))) {
                Some(Place::Jti(key)) => Action::InsertNew(key),
                _ => Action::InsertNew(fresh),
            },
            _ => Action::InsertNew(fresh),
        }
    }
}

/// What asks about a place, without a change of what is known of it.
const fn asks(place: Place) -> Action {
    match place {
        Place::Record(table, key) => Action::Get(table, key),
        Place::OneTime(table, key) => Action::Spend(table, key),
        Place::Jti(key) => Action::InsertNew(key),
    }
}

struct Worker {
    number: u8,
    client: Client,
    chooser: Chooser,
}

impl Worker {
    async fn act(&mut self, store: &Store, control: &Control, action: Action) -> Outcome<()> {
        let number = self.number;
        control.mark(format_args!("asks {number} {action}"))?;
        self.client.begin(action);
        let answer = store.ask(number, action).await?;
        control.mark(format_args!("hears {number} {answer}"))?;
        // Whether it could be given is said where the marks are read.
        drop(self.client.answered(answer));
        Ok(())
    }

    async fn round(&mut self, store: &Store, control: &Control) -> Outcome<()> {
        for _ in 0..ACTIONS {
            let action = self.chooser.choose(&self.client);
            self.act(store, control, action).await?;
        }
        Ok(())
    }
}

/// Goes on from what is on the disk and in the record.
pub(crate) async fn run(place: &shim::Place, phase: Phase) -> Outcome<()> {
    let mut random = Random::new(phase.seed);
    let mut model = Model::default();
    if place.record().exists() {
        for call in record::read(&place.record())? {
            if let Act::Mark(mark) = call.act {
                model.mark(&mark);
            }
        }
        model.mark("killed");
    }
    let control = Arc::new(Control::new(place)?);
    control.record(&place.record())?;
    control.mark("killed")?;
    if phase.dies {
        match random.below(3) {
            // What a commit wrote is in the file, and not synced.
            0 | 1 => control.kill_at("s", "-wal", 20 + random.below(80))?,
            _ => control.kill_at("wtcsdu", "*", 200 + random.below(800))?,
        }
    }
    let mut store = Arc::new(Store::open(&place.disk())?);
    let mut workers: Vec<Worker> = (0..CLIENTS)
        .map(|number| {
            let client = model.clients.remove(&number).unwrap_or_default();
            let chooser = Chooser::new(random.next(), &client);
            Worker { number, client, chooser }
        })
        .collect();
    // Whatever a new process finds is so from then on.
    for worker in &mut workers {
        let open = worker.client.may.keys().filter(|place| worker.client.is_open(**place));
        for place in open.copied().collect::<Vec<_>>() {
            worker.act(&store, &control, asks(place)).await?;
        }
    }
    for round in 0..phase.rounds {
        let mut tasks = JoinSet::new();
        for mut worker in std::mem::take(&mut workers) {
            let (store, control) = (Arc::clone(&store), Arc::clone(&control));
            tasks.spawn(async move { worker.round(&store, &control).await.map(|()| worker) });
        }
        while let Some(worker) = tasks.join_next().await {
            workers.push(worker??);
        }
        store.clock.advance();
        if random.below(3) == 0 {
            checkpoint(&place.disk())?;
        }
        if round == phase.rounds / 2 {
            close(store)?;
            control.mark("closed")?;
            workers.iter_mut().for_each(|worker| worker.client.closed());
            store = Arc::new(Store::open(&place.disk())?);
        }
    }
    close(store)?;
    control.mark("closed")?;
    control.record_no_more()?;
    Ok(())
}

fn close(store: Arc<Store>) -> Outcome<()> {
    Arc::try_unwrap(store).map(drop).map_err(|_| "the store is still in use".into())
}

/// Moves the log into the database, as another program may that looks into the file: the next
/// commit begins the log anew, in place.
pub(crate) fn checkpoint(directory: &Path) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(directory.join("store.db"))?;
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// One client that fills the log until the store itself moves it into the database, begins it anew,
/// cuts off what is too much of it, and goes on.
pub(crate) async fn fill(place: &shim::Place, seed: u64) -> Outcome<()> {
    let control = Control::new(place)?;
    control.record(&place.record())?;
    let store = Store::open(&place.disk())?;
    let client = Client::default();
    let chooser = Chooser::new(seed, &client);
    let mut worker = Worker { number: 0, client, chooser };
    worker.round(&store, &control).await?;
    for action in filling() {
        worker.act(&store, &control, action).await?;
    }
    for _ in 0..2 {
        worker.round(&store, &control).await?;
        store.clock.advance();
    }
    drop(store);
    control.mark("closed")?;
    control.record_no_more()?;
    Ok(())
}

/// What fills the log: large values, again and again at the same few places, and a larger one.
pub(crate) fn filling() -> impl Iterator<Item = Action> {
    let resources =
        RecordTable::ALL.iter().position(|table| *table == RecordTable::Resources).unwrap_or(0);
    let large = (1..=FILL).map(move |number| (number % 4, numbered(number, 6)));
    let larger = [(0, numbered(FILL + 1, 7))];
    large.chain(larger).map(move |(key, value)| Action::Put(resources, key, value))
}

/// Does one thing for the only client there is, and says how it went.
pub(crate) async fn act_alone(
    store: &Store,
    client: &mut Client,
    action: Action,
) -> Result<bool, String> {
    client.begin(action);
    match store.ask(0, action).await {
        Ok(answer) => client.answered(answer).map(|()| true),
        Err(_) => client.answered(Answer::Failed).map(|()| false),
    }
}
