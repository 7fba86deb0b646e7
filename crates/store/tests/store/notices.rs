//! What owners are still to be told stands beside the case that it tells of, in one step with it.

use countersign_store::cases::Kept;
use countersign_store::engine::{Change, RecordTable, Tell};
use countersign_store::resources::Registrant;
use countersign_store::{Cases, Notices, StoreError};
use countersign_types::ClientId;
use countersign_types::digest::Digest;
use serde::{Serialize, Serializer};

use crate::common::{Directory, at, on_both, open};
use crate::durability::copy;

fn bob() -> Registrant {
    Registrant { owner: "bob".into(), resource_server: ClientId::parse("rs").unwrap() }
}

const fn kept<R>(record: R, expires: i64) -> Kept<R> {
    Kept { record, expires: Some(at(expires)) }
}

#[tokio::test]
async fn a_notice_stands_from_the_change_that_it_tells_of_until_it_is_over() {
    on_both(async |engine| {
        let (cases, notices) = (Cases::<String>::new(engine.clone()), Notices::new(engine));
        let (bob, alice, eve) = (bob(), Digest::of(b"alice"), Digest::of(b"eve"));
        let tell = async |person: &Digest, case: &'static str, notice: &'static str| {
            let change = move |_| (Some(kept(case.into(), 90)), Some(kept(notice, 50)), ());
            cases.change_and_tell(&bob, person, at(1), change).await.unwrap();
        };
        tell(&alice, "asked", "first").await;
        tell(&eve, "asked", "other").await;
        assert_eq!(cases.find(&bob, &alice, at(1)).await.unwrap().as_deref(), Some("asked"));
        let all = async |now| {
            let mut all = Vec::new();
            notices.for_each(at(now), |notice: String| all.push(notice)).await.unwrap();
            all.sort();
            all
        };
        assert_eq!(all(1).await, ["first", "other"]);

        // One of each case: what comes later takes the place of what was there.
        tell(&alice, "asked again", "second").await;
        let find = async |now| notices.find(&bob, &alice, at(now)).await.unwrap();
        assert_eq!(find(49).await.as_deref(), Some("second"));
        assert_eq!(find(50).await, None, "its time is over");
        assert_eq!(all(49).await.len(), 2);

        // What is told is compared with what is there.
        notices.remove_if(&bob, &alice, at(2), |notice| notice == "first").await.unwrap();
        assert_eq!(find(2).await.as_deref(), Some("second"));
        notices.remove_if(&bob, &alice, at(2), |notice| notice == "second").await.unwrap();
        assert_eq!(find(2).await, None);
        notices.remove_if(&bob, &alice, at(2), |_| true).await.unwrap();
        assert_eq!(all(2).await, ["other"]);

        // A case that is left as it is tells nothing, and neither does a change without a notice.
        let nothing = |_| (None, Some(kept("no change", 50)), ());
        cases.change_and_tell(&bob, &alice, at(2), nothing).await.unwrap();
        cases.change(&bob, &alice, at(2), |_| (Some(kept("x".into(), 90)), ())).await.unwrap();
        assert_eq!(find(2).await, None);
    })
    .await;
}

/// What is gone through is all of it, each once, however many there are and whatever comes
/// meanwhile.
#[tokio::test]
async fn all_notices_are_gone_through_a_few_at_a_time() {
    on_both(async |engine| {
        let (cases, notices) = (Cases::<u32>::new(engine.clone()), Notices::<u32>::new(engine));
        let tell = async |number: u32| {
            let owner = format!("owner {}", number % 7);
            let registrant = Registrant { owner, ..bob() };
            let change = move |_| (Some(kept(number, 90)), Some(kept(number, 50)), ());
            let person = Digest::of(&number.to_be_bytes());
            cases.change_and_tell(&registrant, &person, at(1), change).await.unwrap();
        };
        let numbers = 0..600;
        for number in numbers.clone() {
            tell(number).await;
        }
        let mut all = Vec::new();
        notices.for_each(at(1), |number| all.push(number)).await.unwrap();
        all.sort_unstable();
        assert!(all.into_iter().eq(numbers));
    })
    .await;
}

/// A record that cannot be written.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

#[tokio::test]
async fn without_its_notice_nothing_is_changed() {
    on_both(async |engine| {
        let (cases, bob, alice) = (Cases::<String>::new(engine), bob(), Digest::of(b"alice"));
        let change = |_| (Some(kept("asked".into(), 90)), Some(kept(Unwritable, 50)), ());
        let told = cases.change_and_tell(&bob, &alice, at(1), change).await;
        assert!(matches!(told, Err(StoreError::Unstorable(_))), "{told:?}");
        assert_eq!(cases.find(&bob, &alice, at(1)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn any_record_is_told_of_but_a_notice() {
    on_both(async |engine| {
        for table in RecordTable::ALL {
            let key = format!("{table:?}").into_bytes();
            let tell =
                Tell { key: [&*key, b" notice"].concat(), value: b"n".to_vec(), expires: None };
            let told = tell.key.clone();
            let change = Change::PutAndTell(b"v".to_vec(), Some(at(9)), tell);
            engine.update(table, &key, at(1), Box::new(|_| change)).await.unwrap();
            let found = engine.get(table, &key, at(1)).await.unwrap();
            assert_eq!(found.as_deref(), Some(b"v".as_slice()), "{table:?}");
            let notice = engine.get(RecordTable::Notices, &told, at(1)).await.unwrap();
            assert_eq!(notice.is_some(), table != RecordTable::Notices, "{table:?}");
        }
    })
    .await;
}

/// One that cannot be read holds up nobody, and can be removed.
#[tokio::test]
async fn one_that_cannot_be_read_is_left_out_and_over() {
    on_both(async |engine| {
        let (bob, alice, eve) = (bob(), Digest::of(b"alice"), Digest::of(b"eve"));
        let words = Cases::<String>::new(engine.clone());
        for (person, notice) in [(&alice, "a word"), (&eve, "7")] {
            let change = move |_| (Some(kept("asked".into(), 90)), Some(kept(notice, 90)), ());
            words.change_and_tell(&bob, person, at(1), change).await.unwrap();
        }
        let number = |_| (Some(kept("asked".into(), 90)), Some(kept(7_u8, 90)), ());
        words.change_and_tell(&bob, &eve, at(1), number).await.unwrap();
        let numbers = Notices::<u8>::new(engine.clone());
        let mut readable = Vec::new();
        numbers.for_each(at(1), |number| readable.push(number)).await.unwrap();
        assert_eq!(readable, [7]);
        assert!(numbers.find(&bob, &alice, at(1)).await.is_err());
        numbers.remove_if(&bob, &alice, at(1), |_| false).await.unwrap();
        numbers.remove_if(&bob, &eve, at(1), |_| false).await.unwrap();
        assert_eq!(numbers.find(&bob, &alice, at(1)).await.unwrap(), None);
        assert_eq!(numbers.find(&bob, &eve, at(1)).await.unwrap(), Some(7));
    })
    .await;
}

/// What a killed process leaves has both or neither.
#[tokio::test]
async fn a_copy_of_the_files_taken_at_any_moment_has_a_case_with_its_notice() {
    const ROUNDS: u8 = 100;
    let directory = Directory::new();
    let cases = Cases::<u8>::new(open(&directory.file()));
    let writing = tokio::spawn(async move {
        for round in 0..ROUNDS {
            let change = move |_| (Some(kept(round, 90)), Some(kept(round, 90)), ());
            cases.change_and_tell(&bob(), &Digest::of(&[round]), at(1), change).await.unwrap();
        }
        // Whoever closes it would tidy the files up.
        cases
    });
    let mut copies = Vec::new();
    while !writing.is_finished() {
        // Between what the writer waits for, and while it is written.
        if copies.len() < 20 {
            let killed = Directory::new();
            copy(&directory, &killed);
            copies.push(killed);
        }
        tokio::task::yield_now().await;
    }
    let held = writing.await.unwrap();
    let last = Directory::new();
    copy(&directory, &last);
    drop(held);
    copies.push(last);
    let mut found = Vec::new();
    for killed in &copies {
        let recovered = open(&killed.file());
        let (cases, notices) = (Cases::<u8>::new(recovered.clone()), Notices::<u8>::new(recovered));
        let mut count = 0;
        for round in 0..ROUNDS {
            let person = Digest::of(&[round]);
            let case = cases.find(&bob(), &person, at(1)).await.unwrap();
            assert_eq!(case, notices.find(&bob(), &person, at(1)).await.unwrap());
            count += usize::from(case.is_some());
        }
        found.push(count);
    }
    assert_eq!(found.last(), Some(&usize::from(ROUNDS)), "{found:?}");
    assert!(found.is_sorted(), "{found:?}");
}
