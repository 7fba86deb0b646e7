//! Both relay attacks (profile §8.1), and metadata that lies: GRANT-7 with a client that is as
//! trusting as a client can be.

use countersign_client::ClientError;
use countersign_testkit::{Page, names};
use serde_json::{Value, json};

use crate::alice::Alice;
use crate::bed::{Bed, Credentials, Form, JWT, UMA_TICKET, param};

/// The attacker's resource server and authorization server.
const RS: &str = "https://rs.relay.example";
const API: &str = "https://rs.relay.example/prize";
const UMA: &str = "https://uma.relay.example";
const CLAIMS: &str = "https://uma.relay.example/token";

/// The attacker's resource server challenges with somebody else's ticket.
fn challenge_with(bed: &Bed, as_uri: &str, ticket: &str) {
    let challenge = format!("UMA realm=\"prize\", as_uri=\"{as_uri}\", ticket=\"{ticket}\"");
    let page = Page::new(401, "text/plain", "").with_header("www-authenticate", &challenge);
    bed.deployment.web().publish(API, page);
}

fn metadata(bed: &Bed, issuer: &str) {
    let document = json!({"issuer": issuer, "token_endpoint": CLAIMS});
    let url = format!("{UMA}/.well-known/uma2-configuration");
    bed.deployment.web().publish(&url, Page::json(&document));
}

/// What the attacker's servers have received, as one text.
fn stolen(bed: &Bed) -> Vec<(String, String)> {
    let received = bed.deployment.web().received();
    let text = |r: &countersign_testkit::web::Received| {
        (r.url.clone(), format!("{:?} {}", r.headers, String::from_utf8_lossy(&r.body)))
    };
    received.iter().map(text).collect()
}

/// The attacker, a client of the honest server itself, redeems what it got.
async fn attacker_redeems(
    bed: &Bed,
    ticket: &str,
    claims_token: &str,
    resource: Option<&str>,
) -> (u16, Value) {
    let mut form = Form::new(
        &[
            ("grant_type", UMA_TICKET),
            ("ticket", ticket),
            ("claim_token", claims_token),
            ("claim_token_format", JWT),
        ],
        Credentials::Basic(names::OTHER_CLIENT, names::OTHER_SECRET),
    );
    if let Some(resource) = resource {
        form.set("resource", resource);
    }
    let reply = bed.post(&bed.uma("token_endpoint").await, &form).await;
    (reply.status, reply.json())
}

/// Relay 1: the attacker's resource server hands out an honest server's ticket in the name of its
/// own authorization server, and redeems Alice's claims token itself.
#[tokio::test]
async fn grant_7_relay_1_a_claims_token_for_another_server_is_worth_nothing() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    for resource in [Some(names::RS), Some(RS), None] {
        let ticket = bed.ticket().await;
        challenge_with(&bed, UMA, &ticket);
        metadata(&bed, UMA);
        let refusal = Page::new(400, "application/json", r#"{"error":"invalid_grant"}"#);
        bed.deployment.web().publish(CLAIMS, refusal);
        bed.deployment.web().forget();
        alice.get(API).await.unwrap_err();

        let stolen = stolen(&bed);
        let (_, form) = stolen.iter().find(|(url, _)| url == CLAIMS).expect("the claims token");
        let claims_token = param(form, "claim_token").to_owned();
        let (status, body) = attacker_redeems(&bed, &ticket, &claims_token, resource).await;
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("invalid_target")),
            "{resource:?}: {body}"
        );
        assert!(body.get("access_token").is_none());
    }
}

/// The same with everything right but the audience: the check that stops relay 1 by itself.
#[tokio::test]
async fn grant_7_relay_1_the_audience_alone_stops_it() {
    let bed = Bed::start().await;
    let mut attempt = bed.attempt().await;
    attempt.claim("aud", UMA);
    let reply = bed.redeem(&attempt).await;
    assert_eq!((reply.status, reply.error().as_str()), (403, "need_info"));
    let records = bed.deployment.recorder().assessments();
    let failed = records[0].checks.iter().find(|check| !check.passed).expect("a failed check");
    assert!(failed.name.contains("aud"), "{failed:?}");
}

/// Relay 2: the attacker's resource server hands out an honest server's ticket with the honest
/// `as_uri`, and waits for the requesting party token.
#[tokio::test]
async fn grant_7_relay_2_a_token_is_not_issued_for_the_server_that_was_called() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    let ticket = bed.ticket().await;
    challenge_with(&bed, names::UMA, &ticket);
    let error = alice.get(API).await.unwrap_err();
    assert!(matches!(error, ClientError::Grant { .. }), "{error:?}");

    let [record] = &bed.deployment.recorder().assessments()[..] else { panic!("one assessment") };
    assert!(record.permissions.is_empty(), "{record:?}");
    let failed = record.checks.iter().find(|check| !check.passed).expect("a failed check");
    assert!(failed.name.contains("resource"), "{failed:?}");
    for (url, text) in stolen(&bed) {
        assert!(!text.contains("earer"), "nothing was handed over: {url} {text}");
    }
}

/// The attacker's resource server names honest authorization servers in metadata that covers it, or
/// claims to be the honest resource server: neither changes what the client says it called.
#[tokio::test]
async fn grant_7_relay_2_metadata_does_not_make_it_another_server() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    for resource in [names::RS, RS] {
        let document = json!({"resource": resource, "authorization_servers": [names::UMA]});
        let url = format!("{RS}/.well-known/oauth-protected-resource");
        bed.deployment.web().publish(&url, Page::json(&document));
        challenge_with(&bed, names::UMA, &bed.ticket().await);
        alice.get(API).await.unwrap_err();
        assert!(bed.deployment.recorder().assessments().iter().all(|r| r.permissions.is_empty()));
    }
}

/// Metadata that names the honest server's issuer would have the claims token made out for that
/// server: the client stops before the exchange.
#[tokio::test]
async fn grant_7_metadata_that_lies_stops_the_client_before_the_exchange() {
    let bed = Bed::start().await;
    for lie in [names::UMA, "https://uma.relay.example/", "https://UMA.relay.example"] {
        let alice = Alice::signs_in(&bed).await;
        challenge_with(&bed, UMA, &bed.ticket().await);
        metadata(&bed, lie);
        let error = alice.get(API).await.unwrap_err();
        assert!(matches!(error, ClientError::Metadata { .. }), "{lie}: {error:?}");
        assert_eq!(alice.seen.arrows(), [1, 2], "{lie}");
        assert!(!alice.wire.sent_to(names::STS).contains("ticket_challenge"), "{lie}");
    }
    assert!(bed.deployment.recorder().exchanges().is_empty());
}

/// A requesting party token goes to no other resource server than the one it was issued for.
#[tokio::test]
async fn a_token_goes_nowhere_else() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    alice.get(names::RS_API).await.unwrap();
    challenge_with(&bed, names::UMA, &bed.ticket().await);
    alice.get(API).await.unwrap_err();
    for (url, text) in stolen(&bed) {
        assert!(!text.to_ascii_lowercase().contains("authorization"), "{url}: {text}");
    }
}
