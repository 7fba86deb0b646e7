//! The corpus through every target, and mutations of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use countersign_fuzz_targets::TARGETS;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The inputs that are kept for a target, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn the_corpus_is_replayed() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 8, "{name} has a corpus");
        for (input, data) in inputs {
            println!("{name}/{input}");
            target(&data);
        }
    }
}

/// Changes to an input as a fuzzer makes them: octets set, parts cut, doubled, or taken from
/// another.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Cut(Index, Index),
    Double(Index, Index),
    Insert(Index, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let words = select(vec![
        ".",
        "..",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "\\u0000",
        "alg",
        "none",
        "HS256",
        "crit",
        "zip",
        "epk",
        "kid",
        "9223372036854775808",
        "1e400",
        "-0",
        "=",
        "\u{feff}",
        "A",
        "eyJhbGciOiJub25lIn0",
        "\\ud800",
    ]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(place, octet)| Change::Set(place, octet)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Double(from, to)),
        (any::<Index>(), words).prop_map(|(place, word)| Change::Insert(place, word)),
    ]
}

fn apply(mut data: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let place = |index: &Index| index.index(data.len() + 1);
        match change {
            Change::Set(index, octet) => {
                let place = place(index);
                if let Some(at) = data.get_mut(place) {
                    *at = *octet;
                }
            }
            Change::Cut(from, to) => {
                let (from, to) = (place(from), place(to));
                data.drain(from.min(to)..from.max(to));
            }
            Change::Double(from, to) => {
                let (from, to) = (place(from), place(to));
                data.extend_from_within(from.min(to)..from.max(to));
            }
            Change::Insert(index, word) => {
                let place = place(index);
                data.splice(place..place, word.bytes());
            }
        }
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn mutations_of_the_corpus(
        target in select(TARGETS.to_vec()),
        input in any::<Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let inputs = corpus(target.0);
        let (_, data) = input.get(&inputs);
        target.1(&apply(data.clone(), &changes));
    }
}
