//! Tickets: GRANT-2, 3, 14 and 21.

use std::sync::Arc;

use countersign_testkit::{Deployment, names};
use serde_json::Value;

use super::{Row, Ticket, check, run};
use crate::bed::{Bed, JWT, bearer};

#[tokio::test]
async fn grant_2_tickets_that_are_no_tickets() {
    let bed = Bed::start().await;
    let unknown = bed.attempt_with("rm4YQnZt8Tt4zA8uX2XzQbTnE3pXv6Q0p0m4mVd3hJ0");
    check("GRANT-2 unknown", &unknown, &bed.redeem(&unknown).await, 400, "invalid_grant");

    let used = bed.attempt().await;
    check("GRANT-2 first use", &used, &bed.redeem(&used).await, 200, "");
    check("GRANT-2 already used", &used, &bed.redeem(&used).await, 400, "invalid_grant");

    let ticket = bed.ticket().await;
    bed.advance(301);
    let expired = bed.attempt_with(&ticket);
    check("GRANT-2 expired", &expired, &bed.redeem(&expired).await, 400, "invalid_grant");
}

#[tokio::test]
async fn grant_2_a_ticket_of_another_server() {
    let bed = Bed::of(Deployment::builder().with_hostile_domain().start().await);
    let reply = bed.get(names::EVIL_RS_API, &[]).await;
    let attempt = bed.attempt_with(&reply.challenge("ticket"));
    check(
        "GRANT-2 issued by another AS",
        &attempt,
        &bed.redeem(&attempt).await,
        400,
        "invalid_grant",
    );
}

#[tokio::test]
async fn grant_2_a_spent_ticket_is_no_kill_switch() {
    let bed = Bed::start().await;
    let attempt = bed.attempt().await;
    let rpt = bed.redeem(&attempt).await.member("access_token");
    check("again", &attempt, &bed.redeem(&attempt).await, 400, "invalid_grant");
    let (name, value) = bearer(&rpt);
    assert_eq!(bed.get(names::RS_API, &[(name, &value)]).await.status, 200);
}

#[tokio::test]
async fn grant_3_syntax() {
    run(
        Ticket::Kept,
        &[
            Row("GRANT-3 ticket missing", |a| a.form.drop("ticket"), 400, "invalid_request"),
            Row("GRANT-3 ticket empty", |a| a.form.set("ticket", ""), 400, "invalid_request"),
            Row(
                "GRANT-3 claim_token without format",
                |a| a.form.drop("claim_token_format"),
                400,
                "invalid_request",
            ),
            Row(
                "GRANT-3 format without claim_token",
                |a| a.claims = Value::Null,
                400,
                "invalid_request",
            ),
            Row(
                "GRANT-3 duplicate parameter",
                |a| a.form.add("claim_token_format", JWT),
                400,
                "invalid_request",
            ),
            Row(
                "GRANT-3 duplicate ticket",
                |a| {
                    let t = a.ticket.clone();
                    a.form.add("ticket", &t);
                },
                400,
                "invalid_request",
            ),
            Row(
                "GRANT-11 a scope that is none",
                |a| a.form.set("scope", "get \"put\""),
                400,
                "invalid_scope",
            ),
            Row(
                "GRANT-3 grant_type missing",
                |a| a.form.drop("grant_type"),
                400,
                "invalid_request",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn grant_14_a_rotated_ticket() {
    let bed = Bed::start().await;
    let mut first = bed.attempt().await;
    first.push_nothing();
    let rotated = bed.redeem(&first).await.member("ticket");

    // The new ticket takes a new challenge: the old one's no longer counts.
    let mut stale = bed.attempt_with(&rotated);
    stale.claims = bed.claims(&first.ticket);
    let reply = bed.redeem(&stale).await;
    check("GRANT-14 challenge of the old ticket", &stale, &reply, 403, "need_info");

    let second = bed.attempt_with(&reply.member("ticket"));
    check("GRANT-14 new ticket, new challenge", &second, &bed.redeem(&second).await, 200, "");
    for dead in [&first.ticket, &rotated, &second.ticket] {
        let old = bed.attempt_with(dead);
        check("GRANT-14 old ticket", &old, &bed.redeem(&old).await, 400, "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn grant_21_two_at_once() {
    let bed = Bed::start().await;
    for _ in 0..20 {
        let attempt = bed.attempt().await;
        let (one, other) = tokio::join!(bed.redeem(&attempt), bed.redeem(&attempt));
        let mut answers = [(one.status, one.error()), (other.status, other.error())];
        answers.sort();
        assert_eq!(answers, [(200, String::new()), (400, "invalid_grant".to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn grant_21_fifty_at_once() {
    let bed = Arc::new(Bed::start().await);
    let attempt = Arc::new(bed.attempt().await);
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (bed, attempt) = (Arc::clone(&bed), Arc::clone(&attempt));
        attempts.spawn(async move { bed.redeem(&attempt).await.status });
    }
    let mut statuses = attempts.join_all().await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[400; 49][..]));
}
