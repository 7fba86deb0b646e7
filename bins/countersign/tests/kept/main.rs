//! The client's commands as processes, against the servers that `demo --keep` leaves up.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "an expectation that fails is a test that fails"
)]
#![cfg(unix)]

#[path = "../home/mod.rs"]
mod home;
mod propagation;
mod servers;
mod submitted;
mod uma;

use std::process::Command;

use serde_json::Value;

use self::home::interrupt;
use self::servers::Kept;

#[test]
fn what_is_printed_is_what_works() {
    works("002", "Hello Alice, this is Bob's data.");
    works("004", "Hello Alice, this is Bob.");
}

#[track_caller]
fn works(flow: &str, data: &str) {
    let mut kept = Kept::of(flow);
    let commands = kept.record["kept"]["commands"].as_array().expect("commands").clone();
    let script: Vec<_> = commands.iter().filter_map(Value::as_str).collect();
    let output = Command::new("sh")
        .args(["-ec", &script.join("\n")])
        .env_clear()
        .env("HOME", kept.home.0.path())
        .output()
        .expect("a shell");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("signed in as alice@alice.example"), "{stdout}");
    assert!(stdout.contains(data), "{stdout}");
    interrupt(kept.demo.id());
    assert_eq!(kept.demo.wait().expect("an end").code(), Some(0));
    assert!(!std::path::Path::new(kept.kept("config")).exists(), "its keys and passwords are gone");
    kept.demo = kept.home.command(&["hash-ticket", "x"]).spawn().expect("something to end");
}
