//! Requests and clients: GRANT-1 and 13.

use countersign_testkit::names;
use serde_json::json;

use super::{Row, Ticket, check, run};
use crate::bed::{Bed, Credentials, UMA_TICKET, challenge_of};

#[tokio::test]
async fn grant_1_happy() {
    run(
        Ticket::Spent,
        &[
            Row("GRANT-1 ticket, claims token and resource", |_| {}, 200, ""),
            Row(
                "GRANT-1 public client",
                |a| a.form.credentials = Credentials::Public(names::RQP_PUBLIC),
                200,
                "",
            ),
            Row(
                "GRANT-1 the claim names the resource server, the parameter is absent",
                |a| a.form.drop("resource"),
                200,
                "",
            ),
            Row(
                "GRANT-1 e-mail under its older name",
                |a| {
                    a.drop_claim("email");
                    a.claim("email_address", names::ALICE);
                },
                200,
                "",
            ),
            Row(
                "GRANT-1 challenge under its older name",
                |a| {
                    let challenge = challenge_of(&a.ticket);
                    a.drop_claim("ticket_challenge");
                    a.claim("ticket_digest", challenge);
                },
                200,
                "",
            ),
            Row(
                "GRANT-1 audience as an array of one",
                |a| a.claim("aud", json!([names::UMA])),
                200,
                "",
            ),
            Row("GRANT-1 an unknown parameter is ignored", |a| a.form.set("x", "y"), 200, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn grant_13_clients_and_grant_types() {
    let bed = Bed::start().await;
    let rows: &[Row] = &[
        Row(
            "GRANT-13 unknown grant type",
            |a| a.form.set("grant_type", "password"),
            400,
            "unsupported_grant_type",
        ),
        Row(
            "GRANT-13 client without the grant",
            |a| a.form.credentials = Credentials::Basic(names::RS_CLIENT, names::RS_SECRET),
            400,
            "unauthorized_client",
        ),
        Row(
            "GRANT-13 wrong secret",
            |a| a.form.credentials = Credentials::Basic(names::RQP_CLIENT, "wrong"),
            401,
            "invalid_client",
        ),
        Row(
            "GRANT-13 unknown client",
            |a| a.form.credentials = Credentials::Basic("nobody", "wrong"),
            401,
            "invalid_client",
        ),
        Row(
            "GRANT-13 no client at all",
            |a| a.form.credentials = Credentials::None,
            401,
            "invalid_client",
        ),
        Row(
            "GRANT-13 confidential client without its secret",
            |a| a.form.credentials = Credentials::Public(names::RQP_CLIENT),
            401,
            "invalid_client",
        ),
        Row("GRANT-13 two methods", |a| a.form.set("client_secret", "x"), 400, "invalid_request"),
    ];
    for Row(name, change, status, error) in rows {
        let mut attempt = bed.attempt().await;
        change(&mut attempt);
        check(name, &attempt, &bed.redeem(&attempt).await, *status, error);
        // A stranger's attempt must not burn the ticket (profile §6.2).
        let again = bed.attempt_with(&attempt.ticket);
        check(name, &again, &bed.redeem(&again).await, 200, "");
    }
}

#[tokio::test]
async fn grant_1_the_server_takes_forms_only() {
    let bed = Bed::start().await;
    let attempt = bed.attempt().await;
    let url = bed.uma("token_endpoint").await;
    let body = json!({"grant_type": UMA_TICKET, "ticket": attempt.ticket}).to_string();
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let reply = bed
            .request(http::Method::POST, &url, &[("content-type", content_type)], body.clone())
            .await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (400, "invalid_request"),
            "{content_type}"
        );
    }
    assert_eq!(bed.get(&url, &[]).await.status, 405);
}
