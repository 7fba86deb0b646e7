//! Any sequence of operations beside a map, where everything moves all the time: out of memory, off
//! the shelf, away because it expired; over ends and kills, each of which finds other room.

use std::collections::BTreeMap;

use super::*;

/// What is live or expired, under each key.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

/// Expired records stay this much longer.
const GRACE: i64 = 300;

#[derive(Clone, Debug)]
enum Write {
    Put { key: u8, value: u8, life: Option<i64> },
    Replace { key: u8, value: u8 },
    Remove { key: u8 },
}

#[derive(Clone, Debug)]
enum Step {
    /// At the same time.
    Writes(Vec<Write>),
    Get(u8),
    List(Option<u8>),
    Page {
        prefix: Option<u8>,
        key: u8,
        is_back: bool,
        limit: usize,
    },
    Advance(i64),
    /// Ends or is killed, and goes on with other room; if time is counted, what expired goes.
    Restart {
        is_killed: bool,
        counts_time: bool,
        room: (usize, usize),
    },
}

/// Keys of two octets, so that some have one in common.
fn octets(key: u8) -> Vec<u8> {
    vec![key >> 3, key & 7]
}

fn write() -> impl Strategy<Value = Write> {
    use Write::*;
    let key = || prop_oneof![0..8_u8, 0..64_u8];
    let life = prop::option::weighted(0.6, 1..1500_i64);
    prop_oneof![
        6 => (key(), any::<u8>(), life).prop_map(|(key, value, life)| Put { key, value, life }),
        2 => (key(), any::<u8>()).prop_map(|(key, value)| Replace { key, value }),
        2 => key().prop_map(|key| Remove { key }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let sizes = || prop::sample::select(vec![0, 150, 400, 1500, ROOM.records]);
    let prefix = || prop::option::of(0..8_u8);
    prop_oneof![
        12 => prop::collection::vec(write(), 1..5).prop_map(Writes),
        4 => (0..64_u8).prop_map(Get),
        1 => prefix().prop_map(List),
        4 => (prefix(), 0..64_u8, any::<bool>(), 1..12_usize)
            .prop_map(|(prefix, key, is_back, limit)| Page { prefix, key, is_back, limit }),
        1 => (0..500_i64).prop_map(Advance),
        1 => (any::<bool>(), any::<bool>(), (sizes(), sizes()))
            .prop_map(|(is_killed, counts_time, room)| Restart { is_killed, counts_time, room }),
    ]
}

fn is_live(expires: Option<i64>, now: i64) -> bool {
    expires.is_none_or(|expires| expires > now)
}

fn live(model: &Model, now: i64) -> Vec<KeyedValue> {
    let live = model.iter().filter(|(_, (_, expires))| is_live(*expires, now));
    live.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
}

/// What a write answers that nothing accompanies.
fn apply(model: &mut Model, write: &Write, now: i64) -> Option<bool> {
    match *write {
        Write::Put { key, value, life } => {
            model.insert(octets(key), (vec![value], life.map(|life| now + life)));
            None
        }
        Write::Replace { key, value } => Some(match model.get_mut(&octets(key)) {
            Some((old, expires)) if is_live(*expires, now) => {
                *old = vec![value];
                true
            }
            _ => false,
        }),
        Write::Remove { key } => Some(model.remove(&octets(key)).is_some()),
    }
}

/// What may come of writes at the same time: they are committed in parts, and of each records come
/// first.
fn outcomes(model: &Model, writes: &[Write], now: i64) -> Vec<(Model, Vec<Option<bool>>)> {
    let cuts = 1_usize << (writes.len() - 1);
    let outcome = |cuts: usize| {
        let (mut model, mut answers) = (model.clone(), vec![None; writes.len()]);
        let mut start = 0;
        for end in 1..=writes.len() {
            if end < writes.len() && cuts & (1 << (end - 1)) == 0 {
                continue;
            }
            for is_put in [true, false] {
                for at in start..end {
                    if matches!(writes[at], Write::Put { .. }) == is_put {
                        answers[at] = apply(&mut model, &writes[at], now);
                    }
                }
            }
            start = end;
        }
        (model, answers)
    };
    (0..cuts).map(outcome).collect()
}

async fn write_one(engine: &SqliteEngine, write: Option<&Write>, now: i64) -> Option<bool> {
    match *write? {
        Write::Put { key, value, life } => {
            let expires = life.map(|life| at(now + life));
            engine.put(TABLE, &octets(key), vec![value], expires).await.unwrap();
            None
        }
        Write::Replace { key, value } => {
            Some(engine.replace(TABLE, &octets(key), vec![value], at(now)).await.unwrap())
        }
        Write::Remove { key } => Some(engine.remove(TABLE, &octets(key)).await.unwrap()),
    }
}

async fn follow(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut directory = Directory::new();
    let clock = Arc::<SetClock>::default();
    let open = |path: &Path, room| SqliteEngine::open_with(path, Arc::clone(&clock) as _, room);
    let mut engine = Some(open(&directory.file(), room(0, 0)).unwrap());
    let (mut model, mut now) = (Model::new(), 0);
    for step in steps {
        let Some(sqlite) = &engine else { break };
        match &step {
            Step::Writes(writes) => {
                let one = |at: usize| write_one(sqlite, writes.get(at), now);
                let (a, b, c, d) = tokio::join!(one(0), one(1), one(2), one(3));
                let answers = [a, b, c, d][..writes.len()].to_vec();
                let listed = sqlite.list(TABLE, &[], at(now)).await.unwrap();
                // Who removes what expired may find it or not.
                let fits = |(after, said): &(Model, Vec<Option<bool>>)| {
                    let mut answered = writes.iter().zip(said.iter().zip(&answers));
                    let is_said = answered.all(|(write, (said, answer))| {
                        said == answer || may_be_gone(&model, write, now)
                    });
                    is_said && live(after, now) == listed
                };
                let outcome = outcomes(&model, writes, now).into_iter().find(fits);
                prop_assert!(outcome.is_some(), "{step:?} at {now}: {answers:?}, then {listed:?}");
                model = outcome.unwrap().0;
            }
            Step::Get(key) => {
                let found = sqlite.get(TABLE, &octets(*key), at(now)).await.unwrap();
                let expected =
                    model.get(&octets(*key)).filter(|(_, expires)| is_live(*expires, now));
                prop_assert_eq!(
                    found,
                    expected.map(|(value, _)| value.clone()),
                    "{:?} at {}",
                    step,
                    now
                );
            }
            Step::List(prefix) => {
                let prefix: Vec<u8> = prefix.iter().copied().collect();
                let mut expected = live(&model, now);
                expected.retain(|(key, _)| key.starts_with(&prefix));
                let count = sqlite.count(TABLE, &prefix, at(now)).await.unwrap();
                prop_assert_eq!(count, expected.len());
                prop_assert_eq!(sqlite.list(TABLE, &prefix, at(now)).await.unwrap(), expected);
            }
            Step::Page { prefix, key, is_back, limit } => {
                let prefix: Vec<u8> = prefix.iter().copied().collect();
                let mut key = octets(*key);
                if let Some(first) = prefix.first() {
                    key[0] = *first;
                }
                let mut expected = live(&model, now);
                expected.retain(|(other, _)| {
                    other.starts_with(&prefix) && if *is_back { *other < key } else { *other > key }
                });
                if *is_back {
                    expected.drain(..expected.len().saturating_sub(*limit));
                } else {
                    expected.truncate(*limit);
                }
                let part = if *is_back { Part::Before(&key) } else { Part::After(&key) };
                let page = sqlite.page(TABLE, &prefix, part, *limit, at(now)).await.unwrap();
                prop_assert_eq!(page, expected, "{:?} at {}", step, now);
            }
            Step::Advance(seconds) => now += seconds,
            Step::Restart { is_killed, counts_time, room: (records, spans) } => {
                if *is_killed {
                    directory = directory.as_killed();
                }
                drop(engine.take());
                if *counts_time {
                    let connection = rusqlite::Connection::open(directory.file()).unwrap();
                    let sql = "INSERT INTO horizon VALUES (0, ?1) \
                               ON CONFLICT (id) DO UPDATE SET past = excluded.past";
                    connection.execute(sql, [now]).unwrap();
                    clock.0.store(now, Ordering::Relaxed);
                }
                engine = Some(open(&directory.file(), room(*records, *spans)).unwrap());
            }
        }
    }
    Ok(())
}

/// Whether a removal may find that the record is gone: it expired long ago.
fn may_be_gone(model: &Model, write: &Write, now: i64) -> bool {
    let Write::Remove { key } = write else { return false };
    let expires = model.get(&octets(*key)).and_then(|(_, expires)| *expires);
    expires.is_some_and(|expires| expires + GRACE <= now)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() })]

    #[test]
    fn wherever_records_move_the_answers_are_those_of_a_map(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(follow(steps))?;
    }
}
