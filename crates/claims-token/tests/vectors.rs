//! The profile's test vectors, as others may cite them: `tests/vectors/claims_token.json`.

#![expect(clippy::expect_used, reason = "a test: what does not parse is its failure")]

use countersign_claims_token::{ClaimsTokenError, Expected, VerifiedClaims, check};
use countersign_jwt::KeySet;
use countersign_types::secret::TicketHandle;
use countersign_types::{Issuer, ResourceIdentifier, Timestamp};
use serde_json::Value;

/// What the receiving authorization server knows.
struct Receiver {
    audience: Issuer,
    ticket: TicketHandle,
    resources: Vec<ResourceIdentifier>,
    discovered: Issuer,
    keys: KeySet,
    now: Timestamp,
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/claims_token.json")).expect("vectors are JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn rows(value: &Value) -> &Vec<Value> {
    value.as_array().expect("an array")
}

impl Receiver {
    fn of(vectors: &Value) -> Self {
        let resources = rows(&vectors["resources"]).iter().map(text);
        Self {
            audience: Issuer::parse(text(&vectors["audience"])).expect("an issuer"),
            ticket: TicketHandle::new(text(&vectors["ticket"])),
            resources: resources.map(|it| ResourceIdentifier::parse(it).expect("a URI")).collect(),
            discovered: Issuer::parse(text(&vectors["discovered_issuer"])).expect("an issuer"),
            keys: KeySet::parse_own(vectors["jwks"].to_string().as_bytes()).expect("a key set"),
            now: Timestamp::from_unix(vectors["now"].as_i64().expect("a time")),
        }
    }

    #[track_caller]
    fn check(&self, token: &str) -> Result<VerifiedClaims, ClaimsTokenError> {
        let expected = Expected::new(&self.audience, &self.ticket, &self.resources, self.now);
        check(token, &expected)?.verify(&self.keys, &self.discovered)
    }
}

#[test]
fn accepted() {
    let vectors = vectors();
    let receiver = Receiver::of(&vectors);
    for row in rows(&vectors["accepted"]) {
        let comment = text(&row["comment"]);
        let verified = receiver.check(text(&row["token"])).expect(comment);
        assert_eq!(verified.subject(), row["claims"]["sub"]);
        assert_eq!(verified.email().to_string(), "alice@alice.example");
        let claims = Value::Object(verified.claims().as_map().clone());
        assert_eq!(claims, row["claims"], "{}", row["comment"]);
    }
}

#[test]
fn refused_by_the_check_that_is_named() {
    let vectors = vectors();
    let receiver = Receiver::of(&vectors);
    for row in rows(&vectors["refused"]) {
        let error = receiver.check(text(&row["token"])).expect_err(text(&row["comment"]));
        assert_eq!(format!("{:?}", error.step()), row["step"], "{}: {error:?}", row["comment"]);
    }
}
