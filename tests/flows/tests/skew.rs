//! clocks may differ by 60 seconds, and a `jti` is used once all the same.

use countersign_testkit::{keys, names};
use serde_json::json;

use crate::bed::{
    ACCESS_TOKEN, Attempt, Bed, Credentials, Form, JWT, Reply, TOKEN_EXCHANGE, challenge_of, sign,
};

#[track_caller]
fn check(name: &str, reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (status, error), "{name}: {reply:?}");
}

#[tokio::test]
async fn x_5_a_claims_token_at_the_edges_of_its_time() {
    type Change = fn(&mut Attempt, i64);
    let expires: Change = |a, at| {
        a.claim("exp", at);
        a.claim("iat", at - 120);
    };
    let not_before: Change = |a, at| a.claim("nbf", at);
    let issued: Change = |a, at| {
        a.claim("iat", at);
        a.claim("exp", at + 120);
    };
    let bed = Bed::start().await;
    for (name, change, offset, status, error) in [
        ("X-5 exp a minute ago, almost", expires, -59, 200, ""),
        ("X-5 exp a minute ago", expires, -60, 403, "need_info"),
        ("X-5 nbf in a minute", not_before, 60, 200, ""),
        ("X-5 nbf in more than a minute", not_before, 61, 403, "need_info"),
        ("X-5 iat in a minute", issued, 60, 200, ""),
        ("X-5 iat in more than a minute", issued, 61, 403, "need_info"),
    ] {
        let mut attempt = bed.attempt().await;
        change(&mut attempt, bed.now() + offset);
        check(name, &bed.redeem(&attempt).await, status, error);
    }
}

/// A client assertion is good once, however wide the clocks are apart.
#[tokio::test]
async fn x_5_the_jti_of_a_client_assertion_is_used_once() {
    let bed = Bed::start().await;
    let assertion = |jti: &str| {
        let now = bed.now();
        let claims = json!({
            "iss": names::KEY_CLIENT, "sub": names::KEY_CLIENT, "aud": names::UMA,
            "iat": now, "exp": now + 60, "jti": jti,
        });
        sign("client-authentication+jwt", keys::ES256_B, &claims)
    };
    let once = assertion("once");
    let first = with_assertion(&bed, &bed.ticket().await, &once);
    check("first", &bed.redeem(&first).await, 200, "");

    let ticket = bed.ticket().await;
    let again = with_assertion(&bed, &ticket, &once);
    check("X-5 again at once", &bed.redeem(&again).await, 401, "invalid_client");
    // Expired, but within the allowance: still remembered.
    bed.advance(119);
    check("X-5 again within the allowance", &bed.redeem(&again).await, 401, "invalid_client");
    let other = with_assertion(&bed, &ticket, &assertion("another"));
    check("X-5 another jti", &bed.redeem(&other).await, 200, "");
}

/// The same allowance for the times of a client assertion.
#[tokio::test]
async fn x_5_a_client_assertion_at_the_edges_of_its_time() {
    let bed = Bed::start().await;
    for (name, member, offset, status, error) in [
        ("X-5 exp a minute ago, almost", "exp", -59, 200, ""),
        ("X-5 exp a minute ago", "exp", -60, 401, "invalid_client"),
        ("X-5 nbf in a minute", "nbf", 60, 200, ""),
        ("X-5 nbf in more than a minute", "nbf", 61, 401, "invalid_client"),
    ] {
        let now = bed.now();
        let mut claims = json!({
            "iss": names::KEY_CLIENT, "sub": names::KEY_CLIENT, "aud": names::UMA,
            "iat": now - 120, "exp": now + 60, "jti": name,
        });
        claims[member] = (now + offset).into();
        let assertion = sign("client-authentication+jwt", keys::ES256_B, &claims);
        let attempt = with_assertion(&bed, &bed.ticket().await, &assertion);
        check(name, &bed.redeem(&attempt).await, status, error);
    }
}

/// Where one clock both makes and reads a token there is no skew, and no allowance for it.
#[tokio::test]
async fn x_5_the_stss_own_access_token_has_no_allowance() {
    let bed = Bed::start().await;
    let alice = bed.deployment.alice().await;
    let challenge = challenge_of("a ticket");
    let params = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", alice.access_token.expose()),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", JWT),
        ("audience", names::UMA),
        ("resource", names::RS),
        ("ticket_challenge", &challenge),
    ];
    let credentials = Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET);
    let form = Form::new(&params, credentials);
    let endpoint = bed.sts("token_endpoint").await;
    bed.advance(299);
    check("X-5 live", &bed.post(&endpoint, &form).await, 200, "");
    bed.advance(1);
    check("X-5 expired", &bed.post(&endpoint, &form).await, 400, "invalid_request");
}

/// An attempt of the client that authenticates with a key.
fn with_assertion(bed: &Bed, ticket: &str, assertion: &str) -> Attempt {
    let mut attempt = bed.attempt_with(ticket);
    attempt.form.credentials = Credentials::None;
    let jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    attempt.form.set("client_assertion_type", jwt_bearer);
    attempt.form.set("client_assertion", assertion);
    attempt
}
