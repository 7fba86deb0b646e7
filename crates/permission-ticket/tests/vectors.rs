//! The profile's test vectors, as others may cite them: `tests/vectors/ticket_challenge.json`.

use countersign_permission_ticket::{METHOD, TicketChallenge, ticket};
use serde_json::Value;

const VECTORS: &str = include_str!("vectors/ticket_challenge.json");

#[test]
fn golden_vectors() {
    let vectors: Value = serde_json::from_str(VECTORS).expect("vectors are JSON");
    assert_eq!(vectors["method"], METHOD);
    for row in vectors["valid"].as_array().expect("an array") {
        let ticket = ticket::parse(row["ticket"].as_str().expect("a string")).expect("a ticket");
        assert_eq!(TicketChallenge::of(&ticket).to_string(), row["ticket_challenge"], "{row}");
    }
}

#[test]
fn malformed_challenges_are_refused() {
    let vectors: Value = serde_json::from_str(VECTORS).expect("vectors are JSON");
    for row in vectors["malformed"].as_array().expect("an array") {
        let text = row["ticket_challenge"].as_str().expect("a string");
        assert!(TicketChallenge::parse(text).is_err(), "{row}");
    }
}
