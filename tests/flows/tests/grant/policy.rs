//! Who may have what, and where: GRANT-7, 9, 11 and 20.

use countersign_testkit::names;
use serde_json::json;

use super::{Origin, Row, Ticket, check, run, run_for};
use crate::bed::Bed;

#[tokio::test]
async fn grant_7_another_audience_or_another_resource_server() {
    run(
        Ticket::Spent,
        &[
            Row("GRANT-7 aud of another AS", |a| a.claim("aud", names::EVIL_UMA), 403, "need_info"),
            Row(
                "GRANT-7 aud with a trailing slash",
                |a| a.claim("aud", format!("{}/", names::UMA)),
                403,
                "need_info",
            ),
            Row("GRANT-7 aud a bare name", |a| a.claim("aud", "RS API"), 403, "need_info"),
            Row(
                "GRANT-7 aud of two",
                |a| a.claim("aud", json!([names::UMA, names::EVIL_UMA])),
                403,
                "need_info",
            ),
            Row(
                "GRANT-7 resource of another resource server as parameter",
                |a| a.form.set("resource", names::EVIL_RS),
                400,
                "invalid_target",
            ),
            Row(
                "GRANT-7 resource of another resource server as claim",
                |a| a.claim("resource", names::EVIL_RS),
                400,
                "invalid_target",
            ),
            Row(
                "GRANT-7 resource of another resource server in both",
                |a| {
                    a.form.set("resource", names::EVIL_RS);
                    a.claim("resource", names::EVIL_RS);
                },
                400,
                "invalid_target",
            ),
            Row(
                "GRANT-7 resource missing in both",
                |a| {
                    a.form.drop("resource");
                    a.drop_claim("resource");
                },
                400,
                "invalid_target",
            ),
            Row(
                "GRANT-7 resource missing, no claims either",
                |a| {
                    a.form.drop("resource");
                    a.push_nothing();
                },
                400,
                "invalid_target",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn grant_9_a_person_who_is_not_allowed() {
    run(
        Ticket::Spent,
        &[Row(
            "GRANT-9 another person of the domain",
            |a| {
                a.claim("sub", names::CAROL_SUB);
                a.claim("email", names::CAROL);
            },
            403,
            "request_denied",
        )],
    )
    .await;
}

#[tokio::test]
async fn grant_11_scopes() {
    run_for(
        &Origin::Exchange(Bed::start().await),
        Ticket::Spent,
        &[
            Row(
                "GRANT-11 not at the resource",
                |a| a.form.set("scope", "fly"),
                400,
                "invalid_scope",
            ),
            Row(
                "GRANT-11 not for the client",
                |a| a.form.set("scope", "put"),
                400,
                "invalid_scope",
            ),
            Row("GRANT-11 of the ticket, and registered", |a| a.form.set("scope", "get"), 200, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn grant_20_without_a_policy_nobody_gets_in() {
    let bed = Bed::start().await;
    let ticket = bed.get(names::NO_POLICY_API, &[]).await.challenge("ticket");
    let mut attempt = bed.attempt_with(&ticket);
    attempt.push_nothing();
    check(
        "GRANT-20 empty policy, empty claims",
        &attempt,
        &bed.redeem(&attempt).await,
        403,
        "request_denied",
    );

    let ticket = bed.get(names::NO_POLICY_API, &[]).await.challenge("ticket");
    let attempt = bed.attempt_with(&ticket);
    check(
        "GRANT-20 empty policy, good claims",
        &attempt,
        &bed.redeem(&attempt).await,
        403,
        "request_denied",
    );
}
