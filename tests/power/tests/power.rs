//! A part of what the program does, on every run of the tests; for all of it, see the README of
//! `tests/power`.

#![cfg(test)]

use std::process::Command;

/// What the program says, and its exit code; nothing where it cannot be run.
fn power(arguments: &str) -> Option<(String, i32)> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_power"));
    let output = program.args(arguments.split_whitespace()).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    println!("{said}");
    (!said.starts_with("skipped")).then(|| (said, output.status.code().unwrap_or(-1)))
}

#[test]
fn r2_what_was_acknowledged_survives_a_power_cut_at_any_write() {
    let only = "--faults 0 --filled-faults 0";
    let Some((said, code)) = power(&format!("--cuts 200 --filled-cuts 6 {only}")) else { return };
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("power: 200 cuts"), "{said}");
    assert!(said.contains("power, log full: 6 cuts"), "{said}");
    assert!(!said.contains("anew 0 times"), "{said}");
}

#[test]
fn r3_what_was_acknowledged_survives_a_disk_that_is_full_or_fails_at_any_call() {
    let only = "--cuts 0 --filled-cuts 0";
    let Some((said, code)) = power(&format!("--faults 150 --filled-faults 1 {only}")) else {
        return;
    };
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("disk: 150 faults"), "{said}");
    assert!(said.contains("disk, log full: 1 faults"), "{said}");
}

/// A loss is seen if there is one.
#[test]
fn a_disk_that_says_it_synced_and_did_not_is_found_out() {
    let only = "--filled-cuts 0 --faults 0 --filled-faults 0";
    let Some((said, code)) = power(&format!("--cuts 60 --disk log-lies {only}")) else { return };
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("VIOLATION: cut before call"), "{said}");
}
