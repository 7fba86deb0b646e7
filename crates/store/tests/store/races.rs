//! Single use under concurrency: of many simultaneous attempts exactly one succeeds.

use std::sync::Arc;

use crate::common::{Directory, FixedClock, at, open};
use countersign_store::cases::Kept;
use countersign_store::engine::{Durability, OneTime as _, OneTimeEntry, OneTimeTable, Spend};
use countersign_store::linked_identities::Linked;
use countersign_store::resources::Registrant;
use countersign_store::{
    Cases, Engine, LinkedIdentities, MemoryEngine, SqliteEngine, Taken, Tickets,
};
use countersign_types::digest::Digest;
use countersign_types::secret::TicketHandle;
use countersign_types::{ClientId, Issuer};

const CALLERS: usize = 50;
const ROUNDS: u32 = 20;

async fn race(engine: Arc<dyn Engine>) {
    for table in OneTimeTable::ALL {
        for round in 0..ROUNDS {
            let key = Digest::of(&round.to_be_bytes());
            let entry =
                OneTimeEntry { key, value: b"v".to_vec(), bound_to: None, expires: at(100) };
            engine.insert(table, entry, Durability::Lazy).await.unwrap();
            let attempts: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    let engine = Arc::clone(&engine);
                    // Two clients, so that the first presenter is contested as well.
                    let presenter = [b'a' + u8::try_from(caller % 2).unwrap()];
                    tokio::spawn(async move { engine.spend(table, key, &presenter, at(1)).await })
                })
                .collect();
            let (mut first, mut again, mut bound) = (0, 0, 0);
            for attempt in attempts {
                match attempt.await.unwrap().unwrap() {
                    Spend::First(_) => first += 1,
                    Spend::Again(_) => again += 1,
                    Spend::Bound => bound += 1,
                    Spend::Absent => panic!("the value was there"),
                }
            }
            assert_eq!((first, again, bound), (1, CALLERS / 2 - 1, CALLERS / 2));
        }
    }
}

async fn race_to_be_new(engine: Arc<dyn Engine>) {
    for round in 0..ROUNDS {
        let key = Digest::of(&round.to_be_bytes());
        let attempts: Vec<_> = (0..CALLERS)
            .map(|_| {
                let engine = Arc::clone(&engine);
                tokio::spawn(async move { engine.insert_new(key, at(100)).await })
            })
            .collect();
        let mut new = 0;
        for attempt in attempts {
            new += usize::from(attempt.await.unwrap().unwrap());
        }
        assert_eq!(new, 1);
    }
}

async fn race_for_a_ticket_that_waits(engine: Arc<dyn Engine>) {
    let tickets: Tickets<u32> = Tickets::new(engine);
    let client = ClientId::parse("app").unwrap();
    for round in 0..ROUNDS {
        let ticket = TicketHandle::new(round.to_string());
        tickets.issue_waiting(&ticket, &round, &client, at(100)).await.unwrap();
        let attempts: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (tickets, client) = (tickets.clone(), client.clone());
                let ticket = TicketHandle::new(round.to_string());
                tokio::spawn(async move { tickets.take(&ticket, &client, at(1)).await })
            })
            .collect();
        let mut first = 0;
        for attempt in attempts {
            match attempt.await.unwrap().unwrap() {
                Taken::First(found) => first += u32::from(found == round),
                Taken::Absent => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(first, 1);
    }
}

/// Each caller adds itself to what it finds: nothing is lost if nobody writes in between.
async fn race_to_change_a_case(engine: Arc<dyn Engine>) {
    let cases: Cases<Vec<usize>> = Cases::new(engine);
    let bob = Registrant { owner: "bob".into(), resource_server: ClientId::parse("rs").unwrap() };
    let alice = Digest::of(b"alice");
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (cases, bob) = (cases.clone(), bob.clone());
            tokio::spawn(async move {
                let add = move |found: Option<Vec<usize>>| {
                    let mut record = found.unwrap_or_default();
                    record.push(caller);
                    let count = record.len();
                    (Some(Kept { record, expires: None }), count)
                };
                cases.change(&bob, &alice, at(1), add).await.unwrap()
            })
        })
        .collect();
    let mut counts = Vec::new();
    for caller in callers {
        counts.push(caller.await.unwrap());
    }
    counts.sort_unstable();
    assert!(counts.into_iter().eq(1..=CALLERS), "each found what the one before it left");
    let mut all = cases.find(&bob, &alice, at(1)).await.unwrap().unwrap();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..CALLERS));
}

/// F001-10: however many sign in for the first time at once by one identity, it is one person's.
async fn race_to_be_linked(engine: Arc<dyn Engine>) {
    let links: LinkedIdentities<usize> = LinkedIdentities::new(engine);
    let issuer = Issuer::parse("https://idp.example").unwrap();
    for round in 0..ROUNDS {
        let sub = round.to_string();
        let attempts: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (links, issuer, sub) = (links.clone(), issuer.clone(), sub.clone());
                let linked = Linked { subject: format!("{sub}-{caller}"), record: caller };
                tokio::spawn(async move {
                    let is_new = links.insert_new(&issuer, &sub, &linked).await.unwrap();
                    (is_new, links.find(&issuer, &sub).await.unwrap().unwrap())
                })
            })
            .collect();
        let (mut new, mut found) = (0, Vec::new());
        for attempt in attempts {
            let (is_new, linked) = attempt.await.unwrap();
            new += usize::from(is_new);
            found.push(linked);
        }
        assert_eq!(new, 1);
        assert!(found.iter().all(|linked| *linked == found[0]), "{found:?}");
        for caller in 0..CALLERS {
            let listed = links.list(&format!("{sub}-{caller}")).await.unwrap();
            let expected = (found[0].record == caller).then_some(caller);
            assert_eq!(listed, Vec::from_iter(expected));
        }
    }
}

/// Whoever links and unlinks at once ends with a link that is listed, or with none.
async fn race_to_link_and_unlink(engine: Arc<dyn Engine>) {
    let links: LinkedIdentities<usize> = LinkedIdentities::new(engine);
    let issuer = Issuer::parse("https://idp.example").unwrap();
    for round in 0..5 * ROUNDS {
        let sub = round.to_string();
        let attempts: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (links, issuer, sub) = (links.clone(), issuer.clone(), sub.clone());
                let linked = Linked { subject: "alice".to_owned(), record: caller };
                tokio::spawn(async move {
                    if caller % 2 == 0 {
                        links.insert_new(&issuer, &sub, &linked).await.unwrap()
                    } else {
                        links.remove(&issuer, &sub, "alice").await.unwrap()
                    }
                })
            })
            .collect();
        for attempt in attempts {
            attempt.await.unwrap();
        }
        let found = links.find(&issuer, &sub).await.unwrap().map(|linked| linked.record);
        assert_eq!(links.list("alice").await.unwrap(), Vec::from_iter(found), "{round}");
        links.remove(&issuer, &sub, "alice").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_fifty_wins_in_memory() {
    race_to_be_linked(Arc::new(MemoryEngine::new())).await;
    race_to_link_and_unlink(Arc::new(MemoryEngine::new())).await;
    race(Arc::new(MemoryEngine::new())).await;
    race_to_be_new(Arc::new(MemoryEngine::new())).await;
    race_for_a_ticket_that_waits(Arc::new(MemoryEngine::new())).await;
    race_to_change_a_case(Arc::new(MemoryEngine::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_fifty_wins_in_sqlite() {
    let directory = Directory::new();
    race_to_be_linked(open(&directory.file())).await;
    let directory = Directory::new();
    race_to_link_and_unlink(open(&directory.file())).await;
    let directory = Directory::new();
    race(open(&directory.file())).await;
    let directory = Directory::new();
    race_to_be_new(open(&directory.file())).await;
    let directory = Directory::new();
    race_for_a_ticket_that_waits(open(&directory.file())).await;
    let directory = Directory::new();
    race_to_change_a_case(open(&directory.file())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_fifty_wins_while_the_value_is_being_written() {
    let directory = Directory::new();
    let engine = SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0))).unwrap();
    let engine = Arc::new(engine);
    for round in 0..2 * ROUNDS {
        let key = Digest::of(&round.to_be_bytes());
        let entry = OneTimeEntry { key, value: b"v".to_vec(), bound_to: None, expires: at(100) };
        engine.insert(OneTimeTable::Tickets, entry, Durability::Lazy).await.unwrap();
        let attempts: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let engine = Arc::clone(&engine);
                tokio::spawn(async move {
                    if caller % 10 == 0 {
                        engine.write_recent().await.unwrap();
                    }
                    engine.spend(OneTimeTable::Tickets, key, b"client", at(1)).await
                })
            })
            .collect();
        let (mut first, mut again) = (0, 0);
        for attempt in attempts {
            match attempt.await.unwrap().unwrap() {
                Spend::First(_) => first += 1,
                Spend::Again(_) => again += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((first, again), (1, CALLERS - 1));
    }
}
