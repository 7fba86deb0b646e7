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

/// The pieces of code that compare what a secret's type gives out, in whatever time that takes.
fn comparisons_of_secrets(code: &str) -> Vec<String> {
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".");
    // What a call without arguments gives belongs to the piece it stands in.
    let code = code.replace("()", "").replace("&&", ";").replace("||", ";");
    let pieces =
        code.split([';', ',', '{', '}', '(', ')']).filter(|piece| piece.contains(".expose"));
    let ways = ["==", "!=", ".eq", ".ne", ".cmp", ".starts_with", ".ends_with"];
    pieces.filter(|piece| ways.iter().any(|way| piece.contains(way))).map(str::to_owned).collect()
}

#[test]
fn h14_secrets_are_compared_in_constant_time_alone() {
    for bad in [
        "if given == kept.expose() {",
        "let same = kept.expose().as_bytes() != given;",
        "all.any(|it| it.is_old && it\n    .expose()\n    == given)",
        "kept.expose().eq(given)",
    ] {
        assert_eq!(comparisons_of_secrets(bad).len(), 1, "{bad}");
    }
    let good = "one == two && kept.ct_eq(given.expose()) && given.expose().is_empty()";
    assert_eq!(comparisons_of_secrets(good), [""; 0]);

    let mut exposed = 0;
    for folder in ["crates", "bins", "examples"] {
        for (path, text) in sources(folder) {
            // Tests look into secrets, and nobody measures them.
            if path.contains("/tests/") || path.ends_with("/tests.rs") {
                continue;
            }
            let code: Vec<_> = code(&text).map(|(_, line)| line).collect();
            let code = code.join("\n");
            exposed += code.matches(".expose()").count();
            assert_eq!(comparisons_of_secrets(&code), [""; 0], "{path}");
        }
    }
    assert!(exposed > 0, "no secret is ever looked into: is the door called otherwise now?");
}
