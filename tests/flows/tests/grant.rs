//! The UMA token endpoint: GRANT-1 to GRANT-9, 11, 13 to 15, 20 and 21.

use std::sync::Arc;

use countersign_testkit::{Deployment, Party, keys, names};
use serde_json::{Value, json};

use crate::bed::{
    Attempt, Bed, Credentials, JWT, Reply, UMA_TICKET, bearer, challenge_of, check_not_stored,
};

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

async fn run(ticket: Ticket, rows: &[Row]) {
    let bed = Bed::start().await;
    for Row(name, change, status, error) in rows {
        let mut attempt = bed.attempt().await;
        change(&mut attempt);
        let reply = bed.redeem(&attempt).await;
        check(name, &attempt, &reply, *status, error);
        let again = bed.redeem(&bed.attempt_with(&attempt.ticket)).await;
        let (status, error) =
            if ticket == Ticket::Spent { (400, "invalid_grant") } else { (200, "") };
        check(&format!("{name}, again"), &attempt, &again, status, error);
    }
    check_happy(&bed).await;
}

async fn check_happy(bed: &Bed) {
    let attempt = bed.attempt().await;
    check("happy", &attempt, &bed.redeem(&attempt).await, 200, "");
}

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
async fn grant_4_claims_are_asked_for() {
    let bed = Bed::start().await;
    let mut attempt = bed.attempt().await;
    attempt.push_nothing();
    let reply = bed.redeem(&attempt).await;
    check("GRANT-4 no claims pushed", &attempt, &reply, 403, "need_info");
    assert_eq!(reply.json()["required_claims"][0]["name"], "email");
}

#[tokio::test]
async fn grant_5_claims_tokens_that_prove_nothing() {
    run(
        Ticket::Spent,
        &[
            Row("GRANT-5 another key", |a| a.key = keys::ES256_B, 403, "need_info"),
            Row("GRANT-5 another algorithm's key", |a| a.key = keys::RS256_B, 403, "need_info"),
            Row("GRANT-5 no JWT", |a| a.form.set("claim_token", "garbage"), 403, "need_info"),
            Row(
                "GRANT-5 alg none",
                |a| {
                    a.form.set(
                        "claim_token",
                        "eyJhbGciOiJub25lIiwidHlwIjoidW1hLWNsYWltcytqd3QifQ.e30.",
                    )
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-5 expired",
                |a| {
                    let at = a.now - 61;
                    a.claim("exp", at);
                    a.claim("iat", at - 120);
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-5 not yet valid",
                |a| {
                    let at = a.now + 61;
                    a.claim("nbf", at);
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-5 issued in the future",
                |a| {
                    let at = a.now + 61;
                    a.claim("iat", at);
                    a.claim("exp", at + 60);
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-5 lives longer than 300 s",
                |a| {
                    let at = a.now + 301;
                    a.claim("exp", at);
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-5 unsupported format",
                |a| a.form.set("claim_token_format", "urn:ietf:params:oauth:token-type:saml2"),
                403,
                "need_info",
            ),
            Row("GRANT-5 typ of an access token", |a| a.typ = "at+jwt", 403, "need_info"),
            Row("GRANT-5 typ of an ID token", |a| a.typ = "JWT", 403, "need_info"),
            Row(
                "GRANT-5 typ of an identity token",
                |a| a.typ = "identity-propagation+jwt",
                403,
                "need_info",
            ),
            Row("GRANT-5 iss missing", |a| a.drop_claim("iss"), 403, "need_info"),
            Row("GRANT-5 sub missing", |a| a.drop_claim("sub"), 403, "need_info"),
            Row("GRANT-5 aud missing", |a| a.drop_claim("aud"), 403, "need_info"),
            Row("GRANT-5 exp missing", |a| a.drop_claim("exp"), 403, "need_info"),
            Row("GRANT-5 iat missing", |a| a.drop_claim("iat"), 403, "need_info"),
            Row("GRANT-5 jti missing", |a| a.drop_claim("jti"), 403, "need_info"),
            Row("GRANT-5 email missing", |a| a.drop_claim("email"), 403, "need_info"),
            Row(
                "GRANT-5 email_verified missing",
                |a| a.drop_claim("email_verified"),
                403,
                "need_info",
            ),
            Row("GRANT-5 resource missing", |a| a.drop_claim("resource"), 403, "need_info"),
            Row(
                "GRANT-5 e-mail unverified",
                |a| a.claim("email_verified", false),
                403,
                "need_info",
            ),
            Row(
                "GRANT-5 email_verified as text",
                |a| a.claim("email_verified", "true"),
                403,
                "need_info",
            ),
            Row(
                "GRANT-5 two e-mail addresses",
                |a| a.claim("email_address", names::CAROL),
                403,
                "need_info",
            ),
            Row("GRANT-5 exp as text", |a| a.claim("exp", "1900000000"), 403, "need_info"),
        ],
    )
    .await;
}

#[tokio::test]
async fn grant_6_the_challenge_of_another_ticket() {
    run(
        Ticket::Spent,
        &[
            Row(
                "GRANT-6 of another ticket",
                |a| {
                    let other = challenge_of("another");
                    a.claim("ticket_challenge", other);
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-6 the ticket itself",
                |a| {
                    let ticket = a.ticket.clone();
                    a.claim("ticket_challenge", ticket);
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-6 upper-case",
                |a| {
                    let c = challenge_of(&a.ticket).to_uppercase();
                    a.claim("ticket_challenge", c);
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-6 padded",
                |a| {
                    let c = challenge_of(&a.ticket) + "=";
                    a.claim("ticket_challenge", c);
                },
                403,
                "need_info",
            ),
            Row(
                "GRANT-6 an array",
                |a| {
                    let c = challenge_of(&a.ticket);
                    a.claim("ticket_challenge", json!([c]));
                },
                403,
                "need_info",
            ),
            Row("GRANT-6 missing", |a| a.drop_claim("ticket_challenge"), 403, "need_info"),
            Row(
                "GRANT-6 two that differ",
                |a| {
                    let other = challenge_of("another");
                    a.claim("ticket_digest", other);
                },
                403,
                "need_info",
            ),
        ],
    )
    .await;
}

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
async fn grant_8_issuers_that_may_not_speak() {
    let bed = Bed::of(Deployment::builder().with_hostile_domain().start().await);
    let mut attempt = bed.attempt().await;
    attempt.claim("iss", names::EVIL_STS);
    attempt.key = keys::ES256_C;
    let reply = bed.redeem(&attempt).await;
    check(
        "GRANT-8 iss is not the issuer of the e-mail's domain",
        &attempt,
        &reply,
        403,
        "need_info",
    );

    let mut attempt = bed.attempt().await;
    attempt.claim("iss", names::DENIED_ISSUER);
    let reply = bed.redeem(&attempt).await;
    check("GRANT-8 issuer on the deny list", &attempt, &reply, 403, "request_denied");
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
    run(
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

/// Alice's claims are good, but the owner also wants to know her department: the process goes on.
async fn with_claims_kept(bed: &Bed, credentials: Credentials) -> String {
    let mut attempt = bed.attempt_with(&department_ticket(bed).await);
    attempt.form.credentials = credentials;
    let reply = bed.redeem(&attempt).await;
    check("a claim is missing", &attempt, &reply, 403, "need_info");
    assert_eq!(reply.json()["required_claims"][0]["name"], "department");
    reply.member("ticket")
}

/// A ticket for the resource whose policy asks for a department.
async fn department_ticket(bed: &Bed) -> String {
    bed.get(names::DEPARTMENT_API, &[]).await.challenge("ticket")
}

#[tokio::test]
async fn grant_15_another_client_or_another_person_goes_on() {
    let bed = Bed::start().await;
    let confidential = Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET);

    let ticket = with_claims_kept(&bed, confidential.clone()).await;
    let mut stranger = bed.attempt_with(&ticket);
    stranger.form.credentials = Credentials::Basic(names::OTHER_CLIENT, names::OTHER_SECRET);
    check("GRANT-15 another client", &stranger, &bed.redeem(&stranger).await, 400, "invalid_grant");

    let mut carol = bed.attempt_with(&ticket);
    carol.claim("sub", names::CAROL_SUB);
    carol.claim("email", names::CAROL);
    carol.claim("department", "records");
    check(
        "GRANT-15 another person's claims",
        &carol,
        &bed.redeem(&carol).await,
        403,
        "request_denied",
    );
    check(
        "GRANT-15 and the process is over",
        &carol,
        &bed.redeem(&carol).await,
        400,
        "invalid_grant",
    );
}

#[tokio::test]
async fn grant_15_a_process_keeps_the_claims_of_a_confidential_client_alone() {
    let mut bed = Bed::start().await;
    let confidential = Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET);
    let public = Credentials::Public(names::RQP_PUBLIC);
    let kept = with_claims_kept(&bed, confidential.clone()).await;
    let not_kept = with_claims_kept(&bed, public.clone()).await;

    // The owner changes the policy: Alice's e-mail address is enough now.
    bed.deployment
        .restart(Party::UmaServer, |config| {
            let rule = &mut config["resource_servers"][0]["policy"][2];
            rule.as_table_mut().unwrap().remove("claims");
        })
        .await;

    let mut attempt = bed.attempt_with(&kept);
    attempt.push_nothing();
    check("GRANT-15 confidential client", &attempt, &bed.redeem(&attempt).await, 200, "");

    let mut attempt = bed.attempt_with(&not_kept);
    attempt.form.credentials = public;
    attempt.push_nothing();
    check("GRANT-15 public client", &attempt, &bed.redeem(&attempt).await, 403, "need_info");
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
