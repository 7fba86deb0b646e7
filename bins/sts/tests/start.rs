//! The program starts from the configuration that it prints, on empty ground and again; for how
//! long that takes, and what it keeps of the machine's memory, see `tests/start`.

use countersign_start_tests::{Server, measure};

#[test]
fn the_example_is_served_from_nothing_and_again() {
    let measured = measure(Server::Sts, env!("CARGO_BIN_EXE_sts").as_ref(), 1).unwrap();
    assert!(!measured.first_answer.is_zero());
    if cfg!(target_os = "linux") {
        assert!(measured.memory.is_some_and(|memory| memory.resident > memory.anonymous));
    }
}
