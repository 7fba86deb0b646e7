//! The program is killed a few times under load, on every run of the tests; for many, see the
//! README of `tests/faults`.

use countersign_faults_tests::{Memory, Plan, run};

fn plan(kills: u32, memory: Memory) -> Plan {
    let program = env!("CARGO_BIN_EXE_uma-server").into();
    Plan { program, kills, clients: 16, seed: 2, memory }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_its_word() {
    let report = run(&plan(8, Memory::Durable)).await.unwrap();
    assert_eq!(report.violations, Vec::<String>::new());
    assert_eq!(report.kills, 8);
    // The load was one: there was something to lose.
    assert!(report.resources > 0 && report.tickets > 0 && report.pats > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_is_found_out() {
    let report = run(&plan(4, Memory::Forgetful)).await.unwrap();
    assert!(!report.violations.is_empty(), "{report:?}");
}
