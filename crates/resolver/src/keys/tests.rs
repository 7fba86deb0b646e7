use std::time::Duration;

use countersign_jwt::{Algorithm, SigningKey};

use super::*;
use crate::world::{Answer, World};

const URL: &str = "https://as.example/jwks";

fn set_of(kids: &[&str]) -> Answer {
    let keys = kids
        .iter()
        .map(|kid| SigningKey::generate(Algorithm::Es256, Some(kid)).unwrap().public().to_jwk());
    Answer::body(serde_json::json!({ "keys": keys.collect::<Vec<_>>() }).to_string())
}

fn url() -> EndpointUrl {
    EndpointUrl::parse(URL).unwrap()
}

fn keys_in(world: &Arc<World>) -> Arc<RemoteKeys> {
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (world.clone(), world.clone());
    Arc::new(RemoteKeys::new(fetch, clock, &KeysConfig::default()))
}

async fn knows(keys: &RemoteKeys, kid: &str) -> bool {
    keys.keys_with(&url(), Some(kid)).await.is_ok_and(|set| set.contains_kid(kid))
}

#[tokio::test]
async fn a_set_is_fetched_once_while_it_is_fresh() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    for _ in 0..5 {
        assert!(knows(&keys, "a").await);
        world.pass(59);
    }
    assert_eq!(world.count(), 1);
    world.pass(60);
    assert!(knows(&keys, "a").await);
    assert_eq!(world.count(), 2);
}

/// Many wait for one fetch, and all get what came of it.
#[tokio::test]
async fn waiters_share_one_fetch() {
    for answer in [set_of(&["a"]), Answer::Timeout] {
        let world = World::new();
        let succeeds = matches!(answer, Answer::Body(_));
        world.set(URL, answer);
        let keys = keys_in(&world);
        let gate = world.close_gate();
        let waiters = (0..100).map(|_| {
            let keys = Arc::clone(&keys);
            tokio::spawn(async move { keys.keys(&url()).await.is_ok() })
        });
        let waiters = waiters.collect::<Vec<_>>();
        while world.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), succeeds);
        }
        assert_eq!(world.count(), 1);
    }
}

/// Whoever loads may go away; the next one loads then.
#[tokio::test]
async fn an_abandoned_fetch_blocks_nobody() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    let gate = world.close_gate();
    let abandoned = tokio::time::timeout(Duration::from_millis(5), keys.keys(&url())).await;
    assert!(abandoned.is_err());
    gate.add_permits(1);
    assert!(knows(&keys, "a").await);
}

/// DISC-7: a token of an unknown `kid` makes one refetch, which may bring the key.
#[tokio::test]
async fn an_unknown_kid_is_looked_for_once() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    assert!(knows(&keys, "a").await);
    world.set(URL, set_of(&["a", "b"]));
    assert!(knows(&keys, "b").await);
    assert_eq!(world.count(), 2);
}

/// N7: a storm of random `kid`s costs two fetches, and genuine tokens are not disturbed.
#[tokio::test]
async fn a_storm_of_unknown_kids_is_bounded() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    for number in 0..1000 {
        if number % 100 == 99 {
            world.pass(1);
        }
        assert!(!knows(&keys, &format!("random-{number}")).await);
        assert!(knows(&keys, "a").await);
    }
    assert_eq!(world.count(), 2);
    world.pass(30);
    assert!(!knows(&keys, "random").await);
    assert_eq!(world.count(), 3);
}

/// N7: the same with a publisher that has gone: the keys there are keep working.
#[tokio::test]
async fn a_failing_fetch_keeps_the_old_keys() {
    for failure in [Answer::Timeout, Answer::Status(404), Answer::body("no set")] {
        let world = World::new();
        world.set(URL, set_of(&["a"]));
        let keys = keys_in(&world);
        assert!(knows(&keys, "a").await);
        world.set(URL, failure);
        for _ in 0..100 {
            assert!(!knows(&keys, "b").await);
            assert!(knows(&keys, "a").await);
        }
        assert_eq!(world.count(), 2);
        // No longer fresh: another attempt, at the bounded rate, and the old keys still serve.
        world.pass(300);
        for _ in 0..100 {
            assert!(knows(&keys, "a").await);
        }
        assert_eq!(world.count(), 3);
        // Too old now.
        world.pass(300);
        assert!(!knows(&keys, "a").await);
    }
}

/// A known key is not held up by a refetch that hangs.
#[tokio::test]
async fn known_keys_do_not_wait_for_a_refetch() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    assert!(knows(&keys, "a").await);
    let gate = world.close_gate();
    let other = Arc::clone(&keys);
    let stuck = tokio::spawn(async move { knows(&other, "b").await });
    while world.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(knows(&keys, "a").await);
    gate.add_permits(1);
    assert!(!stuck.await.unwrap());
}

/// All tokens of a new key that arrive while it is fetched wait for it.
#[tokio::test]
async fn a_new_key_serves_all_who_wait_for_it() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    assert!(knows(&keys, "a").await);
    world.set(URL, set_of(&["b"]));
    let gate = world.close_gate();
    let mut waiters = Vec::new();
    for number in 0..10 {
        let keys = Arc::clone(&keys);
        waiters.push(tokio::spawn(async move { knows(&keys, "b").await }));
        while number == 0 && world.waiting() == 0 {
            tokio::task::yield_now().await;
        }
    }
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    for waiter in waiters {
        assert!(waiter.await.unwrap());
    }
    assert_eq!(world.count(), 2);
}

/// N7: tokens whose senders hang up while the set is fetched count against the rate.
#[tokio::test]
async fn abandoned_refetches_are_bounded() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    assert!(knows(&keys, "a").await);
    let _gate = world.close_gate();
    for number in 0..20 {
        let kid = format!("random-{number}");
        let _ = tokio::time::timeout(Duration::from_millis(2), knows(&keys, &kid)).await;
    }
    assert_eq!(world.count(), 2);
    assert!(knows(&keys, "a").await);
}

/// N8: a key that was removed is refused after ten minutes at the latest, whatever happens.
#[tokio::test]
async fn a_removed_key_dies() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    assert!(knows(&keys, "a").await);
    world.set(URL, set_of(&["b"]));
    world.pass(300);
    assert!(!knows(&keys, "a").await);
    assert!(knows(&keys, "b").await);
    let defaults = KeysConfig::default();
    assert!(defaults.fresh.as_secs() + defaults.stale.as_secs() <= 600);
}

/// N8: nor does a clock that is set back keep it alive, or open the way for a storm.
#[tokio::test]
async fn a_clock_set_back_ends_what_is_kept() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    assert!(knows(&keys, "a").await);
    world.set(URL, set_of(&["b"]));
    world.pass(-86_400);
    assert!(!knows(&keys, "a").await);
    assert!(knows(&keys, "b").await);
    let fetched = world.count();
    for number in 0..100 {
        assert!(!knows(&keys, &format!("random-{number}")).await);
    }
    assert_eq!(world.count(), fetched + 1);
}

#[tokio::test]
async fn failures_are_not_remembered() {
    let world = World::new();
    for failure in [Answer::Timeout, Answer::Refused, Answer::body("{}"), Answer::TooLarge] {
        world.set(URL, failure);
        let keys = keys_in(&world);
        assert!(!knows(&keys, "a").await);
        world.set(URL, set_of(&["a"]));
        assert!(knows(&keys, "a").await);
    }
    world.set(URL, Answer::Timeout);
    let temporary = keys_in(&world).keys(&url()).await.unwrap_err();
    assert!(temporary.is_temporary());
    world.set(URL, Answer::ContentType);
    assert!(!keys_in(&world).keys(&url()).await.unwrap_err().is_temporary());
}

/// N7: sets that are not there, at a host that somebody else names.
#[tokio::test]
async fn sets_that_are_not_there_have_their_host_asked_so_often_and_no_more() {
    let world = World::new();
    world.set(URL, set_of(&["a"]));
    let keys = keys_in(&world);
    assert!(knows(&keys, "a").await);
    let made_up = async |host: &str| {
        for number in 0..1000 {
            let url = format!("https://{host}/jwks?{}", number % 10);
            let none = keys.keys_with(&EndpointUrl::parse(&url).unwrap(), Some("m")).await;
            assert!(none.is_err());
        }
    };
    made_up("as.example").await;
    assert_eq!(world.count(), 300, "the genuine one among them");
    made_up("other.example:8443").await;
    made_up("OTHER.example").await;
    assert_eq!(world.count(), 600, "each host has its own share");

    world.set(URL, set_of(&["b"]));
    assert!(knows(&keys, "b").await, "a set that is known is none of them");
    let other = EndpointUrl::parse("https://as.example/other").unwrap();
    world.set(other.as_str(), set_of(&["c"]));
    let refused = keys.keys(&other).await.unwrap_err();
    assert!(refused.is_temporary(), "{refused:?}");
    world.pass(60);
    assert!(keys.keys(&other).await.is_ok());

    world.pass(600);
    made_up("as.example").await;
    world.set(URL, Answer::Status(404));
    let before = world.count();
    for _ in 0..1000 {
        assert!(!knows(&keys, "b").await);
    }
    assert_eq!(world.count(), before + 300, "one that is gone has a share of its own");
    world.pass(60);
    world.set(URL, set_of(&["b"]));
    assert!(knows(&keys, "b").await);
}
