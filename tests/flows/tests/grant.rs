//! The UMA token endpoint: GRANT-1 to GRANT-9, 11, 13 to 15, 20 and 21. The tables are run for
//! claims tokens of flow 002, from the exchange, and of flow 003, from the claims provider, in both
//! branches.

mod claims;
mod narrowing;
mod policy;
mod requests;
mod tickets;

use serde_json::{Value, json};

use crate::bed::{Attempt, Bed, JWT, Reply, check_not_stored};
use crate::uma_wide_ecosystem::scene::{Branch, LETTING, Scene};

/// Whether the answer is the one that is specified. The only place that looks at it.
#[track_caller]
fn check(name: &str, attempt: &Attempt, reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (status, error), "{name}: {reply:?}");
    check_not_stored(name, reply);
    let body = reply.json();
    if status == 200 {
        assert_eq!(body["token_type"], "Bearer", "{name}");
        assert!(body["access_token"].is_string(), "{name}");
        assert!(body.get("scope").is_none(), "{name}: an RPT has no scope of its own");
        return;
    }
    assert!(body.get("access_token").is_none(), "{name}: never an RPT");
    if error == "need_info" {
        // UMA 2.0 Grant §3.3.6: a new ticket, and what is needed.
        let ticket = body["ticket"].as_str().expect("a ticket");
        assert_ne!(ticket, attempt.ticket, "{name}: the ticket is rotated");
        assert_needs_something(name, &body);
    } else {
        assert!(body.get("ticket").is_none(), "{name}: no ticket");
    }
}

#[track_caller]
fn assert_needs_something(name: &str, body: &Value) {
    let required = body["required_claims"].as_array().cloned().unwrap_or_default();
    assert!(!required.is_empty() || body["redirect_user"].is_string(), "{name}: {body}");
    for claim in required {
        assert!(claim["name"].is_string(), "{name}: {body}");
        assert!(claim.get("issuer").is_none_or(Value::is_array), "{name}: {body}");
        let formats = claim["claim_token_format"].as_array().expect("formats");
        assert!(formats.contains(&json!(JWT)), "{name}: {body}");
    }
}

struct Row(&'static str, fn(&mut Attempt), u16, &'static str);

/// Whether an answer consumes the ticket. From its first presenter on, every answer does; what is
/// refused before that (syntax, client) does not (profile §6.2).
#[derive(Clone, Copy, PartialEq)]
enum Ticket {
    Spent,
    Kept,
}

/// Where a table is run: whose claims token it is that each row changes.
enum Origin {
    /// Flow 002: the STS's, out of an exchange.
    Exchange(Bed),
    /// Flow 003: the claims provider's.
    ClaimsProvider(Scene, Branch),
}

impl Origin {
    const fn bed(&self) -> &Bed {
        match self {
            Self::Exchange(bed) => bed,
            Self::ClaimsProvider(scene, _) => &scene.bed,
        }
    }

    async fn attempt(&self) -> Attempt {
        let ticket = match self {
            Self::Exchange(bed) => bed.ticket().await,
            Self::ClaimsProvider(scene, _) => scene.ticket().await,
        };
        self.attempt_with(&ticket)
    }

    fn attempt_with(&self, ticket: &str) -> Attempt {
        match self {
            Self::Exchange(bed) => bed.attempt_with(ticket),
            Self::ClaimsProvider(scene, branch) => scene.attempt_with(*branch, ticket),
        }
    }
}

async fn run(ticket: Ticket, rows: &[Row]) {
    run_for(&Origin::Exchange(Bed::start().await), ticket, rows).await;
    for branch in Branch::ALL {
        let scene = Scene::start(&[LETTING]).await;
        run_for(&Origin::ClaimsProvider(scene, branch), ticket, rows).await;
    }
}

async fn run_for(origin: &Origin, ticket: Ticket, rows: &[Row]) {
    let bed = origin.bed();
    for Row(name, change, status, error) in rows {
        let mut attempt = origin.attempt().await;
        change(&mut attempt);
        let reply = bed.redeem(&attempt).await;
        check(name, &attempt, &reply, *status, error);
        let again = bed.redeem(&origin.attempt_with(&attempt.ticket)).await;
        let (status, error) =
            if ticket == Ticket::Spent { (400, "invalid_grant") } else { (200, "") };
        check(&format!("{name}, again"), &attempt, &again, status, error);
    }
    let attempt = origin.attempt().await;
    check("happy", &attempt, &bed.redeem(&attempt).await, 200, "");
}
