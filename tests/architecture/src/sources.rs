//! Rules that no lint knows.

use crate::layers::pure_packages;
use crate::workspace::{packages, sources};

/// What reaches around the seams.
const AMBIENT: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stdin",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "tokio::",
];

/// The code of a file: no comments, and nothing from its tests on, which stand last.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").enumerate();
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn pure_layers_reach_around_no_seam() {
    let packages = packages();
    for name in pure_packages() {
        for (path, text) in sources(&format!("{}/src", packages[name].folder)) {
            for (index, line) in code(&text) {
                for word in AMBIENT {
                    assert!(!line.contains(word), "{path}:{}: {word}", index + 1);
                }
            }
        }
    }
}

#[test]
fn no_test_is_switched_off() {
    // Spelt in two parts, or this file would be its own first finding.
    let switches = [concat!("#[", "ignore"), concat!("#[", "should_panic")];
    let unfinished = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    for folder in ["crates", "bins", "examples", "tests"] {
        for (path, text) in sources(folder) {
            for word in switches.iter().chain(&unfinished) {
                assert!(!text.contains(word), "{path}: {word}");
            }
        }
    }
}

#[test]
fn keys_are_imported_once_and_in_one_crate() {
    // josekit's `signer_from_jwk` and its kin import the key anew at every call.
    let slow = ["signer", "verifier", "encrypter", "decrypter"].map(|it| format!("{it}_from_jwk"));
    for folder in ["crates", "bins", "examples"] {
        for (path, text) in sources(folder) {
            if path.starts_with("crates/jwt/") {
                continue;
            }
            for word in &slow {
                assert!(!text.contains(word.as_str()), "{path}: {word}");
            }
        }
    }
}

#[test]
fn weakened_checks_live_in_danger() {
    // A name that says it weakens something belongs under `danger`, where a reader looks for it.
    for (path, text) in sources("crates") {
        for (index, line) in code(&text) {
            let declares = line.contains("fn ") || line.contains("pub mod ");
            let weak = ["insecure", "accept_invalid", "skip_verif", "no_verify"];
            let found = weak.iter().any(|word| line.contains(word));
            assert!(!(declares && found), "{path}:{}: {line}", index + 1);
        }
    }
}
