//! The claims that are pushed: GRANT-4, 5, 6, 8 and 15.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_testkit::{Deployment, Party, keys, names};
use serde_json::{Value, json};

use super::{Row, Ticket, check, run};
use crate::bed::{Bed, Credentials, challenge_of};

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
                    let token = unsigned(a.typ, &a.claims);
                    a.form.set("claim_token", &token);
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

/// Good claims under no signature.
fn unsigned(typ: &str, claims: &Value) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.", part(json!({"alg": "none", "typ": typ})), part(claims.clone()))
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
    // That the keys of the address's issuer would not fit either stops it later.
    assert_eq!(bed.stopped_by(), "iss is the issuer that the e-mail domain names");

    let mut attempt = bed.attempt().await;
    attempt.claim("iss", names::DENIED_ISSUER);
    let reply = bed.redeem(&attempt).await;
    check("GRANT-8 issuer on the deny list", &attempt, &reply, 403, "request_denied");
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

/// GRANT-6: the ticket after a claims token that was for another one; what the process holds stays.
async fn after_a_refused_token(bed: &Bed, ticket: &str) -> String {
    let mut attempt = bed.attempt_with(ticket);
    attempt.claim("ticket_challenge", challenge_of("another"));
    let reply = bed.redeem(&attempt).await;
    check("GRANT-6 in a process", &attempt, &reply, 403, "need_info");
    reply.member("ticket")
}

/// The owner changes the policy: Alice's e-mail address is enough now.
async fn needs_no_department(bed: &mut Bed) {
    let change = |config: &mut toml::Table| {
        let rule = &mut config["resource_servers"][0]["policy"][2];
        rule.as_table_mut().unwrap().remove("claims");
    };
    bed.deployment.restart(Party::UmaServer, change).await;
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

    let kept = after_a_refused_token(&bed, &kept).await;
    needs_no_department(&mut bed).await;

    let mut attempt = bed.attempt_with(&kept);
    attempt.push_nothing();
    check("GRANT-15 confidential client", &attempt, &bed.redeem(&attempt).await, 200, "");

    let mut attempt = bed.attempt_with(&not_kept);
    attempt.form.credentials = public;
    attempt.push_nothing();
    check("GRANT-15 public client", &attempt, &bed.redeem(&attempt).await, 403, "need_info");
}
