//! A claims token becomes an RPT: what T5, T8 and T13 to T15 of the token exchange come to here.

use serde_json::{Value, json};

use super::{Origin, Row, Ticket, check, run, run_for};
use crate::acting::chain;
use crate::bed::{Attempt, Bed};

fn acted(attempt: &mut Attempt, act: Value) {
    attempt.claim("act", act);
    attempt.drop_claim("amr");
}

#[tokio::test]
async fn t5_t8_actors_that_are_none_or_too_many() {
    run(
        Ticket::Spent,
        &[
            Row("T5 a text", |a| acted(a, json!("x")), 403, "need_info"),
            Row("T5 a list", |a| acted(a, json!([{ "sub": "x" }])), 403, "need_info"),
            Row("T5 nobody", |a| acted(a, json!({})), 403, "need_info"),
            Row("T5 a number", |a| acted(a, json!({ "sub": 1 })), 403, "need_info"),
            Row("T5 inside", |a| acted(a, json!({ "sub": "x", "act": 1 })), 403, "need_info"),
            Row("T8 five", |a| acted(a, chain(5)), 200, ""),
            Row("T8 six", |a| acted(a, chain(6)), 403, "need_info"),
        ],
    )
    .await;
}

#[tokio::test]
async fn t13_a_key_that_nobody_proves_is_not_dropped() {
    run(
        Ticket::Spent,
        &[
            Row("T13 jkt", |a| a.claim("cnf", json!({ "jkt": "x" })), 403, "need_info"),
            Row("T13 x5t#S256", |a| a.claim("cnf", json!({ "x5t#S256": "x" })), 403, "need_info"),
            Row("T13 of no kind", |a| a.claim("cnf", json!({})), 403, "need_info"),
            Row("T13 a text", |a| a.claim("cnf", "x"), 403, "need_info"),
        ],
    )
    .await;
}

#[tokio::test]
async fn t14_an_rpt_comes_without_a_refresh_token() {
    let bed = Bed::start().await;
    let attempt = bed.attempt().await;
    let reply = bed.redeem(&attempt).await;
    check("T14", &attempt, &reply, 200, "");
    assert_eq!(reply.json().get("refresh_token"), None);
}

#[tokio::test]
async fn t15_scopes_are_compared_as_they_are() {
    run_for(
        &Origin::Exchange(Bed::start().await),
        Ticket::Spent,
        &[
            Row("T15 all", |a| a.form.set("scope", "*"), 400, "invalid_scope"),
            Row("T15 in capitals", |a| a.form.set("scope", "GET"), 400, "invalid_scope"),
            Row("T15 one more", |a| a.form.set("scope", "get write"), 400, "invalid_scope"),
        ],
    )
    .await;
}
