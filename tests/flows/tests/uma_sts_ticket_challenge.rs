//! Flow 002, as it is drawn: `uma-sts-ticket-challenge`.

use countersign_client::ClientError;
use countersign_client_auth::Proof;
use countersign_testkit::{Deployment, Party, names};
use http::Method;
use serde_json::{Value, json};

use crate::alice::Alice;
use crate::bed::{
    ACCESS_TOKEN, Bed, Credentials, Form, JWT, TOKEN_EXCHANGE, UMA_TICKET, bearer, challenge_of,
    claims_of, param,
};
use crate::log::Log;

/// Every arrow by hand, in its order and its words.
#[tokio::test]
async fn every_arrow_by_hand() {
    let bed = Bed::start().await;
    let alice = bed.deployment.alice().await;

    // 1. Request to 'RS API' resource. 2. 401 with permission ticket.
    let challenged = bed.get(names::RS_API, &[]).await;
    assert_eq!(challenged.status, 401);
    let ticket = challenged.challenge("ticket");
    let as_uri = challenged.challenge("as_uri");
    assert_eq!(as_uri, names::UMA);

    // 3. Create ticket challenge.
    let ticket_challenge = challenge_of(&ticket);

    // 4. Token exchange request. 5. Return claims_token.
    let params = [
        ("grant_type", TOKEN_EXCHANGE),
        ("resource", names::RS),
        ("audience", &as_uri),
        ("ticket_challenge", &ticket_challenge),
        ("subject_token", alice.access_token.expose()),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", JWT),
    ];
    let credentials = Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET);
    let form = Form::new(&params, credentials.clone());
    let exchanged = bed.post(&bed.sts("token_endpoint").await, &form).await;
    assert_eq!((exchanged.status, exchanged.member("issued_token_type").as_str()), (200, JWT));
    let claims_token = exchanged.member("access_token");
    assert_eq!(claims_of(&claims_token).1["ticket_challenge"], ticket_challenge);

    // 6. Call token endpoint. 7. Return requesting party token.
    let params = [
        ("grant_type", UMA_TICKET),
        ("ticket", &ticket),
        ("claim_token", &claims_token),
        ("claim_token_format", JWT),
        ("resource", names::RS),
    ];
    let granted =
        bed.post(&bed.uma("token_endpoint").await, &Form::new(&params, credentials)).await;
    assert_eq!(granted.status, 200, "{granted:?}");
    let rpt = granted.member("access_token");

    // 8. Get data from 'RS API' resource. 9. 200 OK.
    let (name, value) = bearer(&rpt);
    let data = bed.get(names::RS_API, &[(name, &value)]).await;
    assert_eq!(
        (data.status, data.json()["message"].as_str()),
        (200, Some("Hello from the RS API"))
    );
}

#[tokio::test]
async fn the_client_takes_every_arrow_in_order() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    let response = alice.get(names::RS_API).await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body, json!({"message": "Hello from the RS API"}));
    assert_eq!(alice.seen.arrows(), [1, 2, 3, 4, 5, 6, 7, 8, 9], "{:?}", alice.seen.events());
}

#[tokio::test]
async fn a_public_client_gets_in_as_well() {
    let bed = Bed::start().await;
    let alice = Alice::with_proof(&bed, names::RQP_PUBLIC, Proof::None).await;
    assert_eq!(alice.get(names::RS_API).await.unwrap().status(), 200);
}

/// Profile §6.2: every check of the authorization process was made and passed.
#[tokio::test]
async fn every_check_is_recorded() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    alice.get(names::RS_API).await.unwrap();
    let records = bed.deployment.recorder().assessments();
    let [record] = &records[..] else { panic!("one assessment: {records:?}") };
    assert!(record.checks.len() >= 8, "{record:?}");
    for check in &record.checks {
        assert!(check.passed && !check.section.is_empty(), "{check:?}");
    }
    let person = record.person.as_ref().expect("a person");
    assert_eq!((person.iss.as_str(), person.email.as_str()), (names::STS, names::ALICE));
}

/// STS-10: of the ticket, the STS sees the digest alone.
#[tokio::test]
async fn sts_10_the_ticket_never_reaches_the_sts() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    alice.get(names::RS_API).await.unwrap();
    let to_uma = alice.wire.sent_to(names::UMA);
    let ticket = param(&to_uma, "ticket");
    assert_eq!(ticket.len(), 43, "{to_uma}");

    let to_sts = alice.wire.sent_to(names::STS);
    assert!(to_sts.contains(&challenge_of(ticket)), "{to_sts}");
    assert!(!to_sts.contains(ticket), "STS-10");
    assert!(!format!("{:?}", bed.deployment.recorder().exchanges()).contains(ticket), "STS-10");
}

/// STS-10, H16: at the finest level of detail, nobody's log shows a ticket, a token or a secret.
#[tokio::test]
async fn sts_10_no_log_shows_a_ticket_or_a_token() {
    let log = Log::start();
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    alice.get(names::RS_API).await.unwrap();
    let log = log.stop();

    assert!(log.contains("countersign_host") && log.contains("countersign_resource"), "{log}");
    let wire = alice.wire.sent_to(names::UMA) + &alice.wire.sent_to(names::STS);
    let mut secrets = vec![names::RQP_SECRET, names::RS_SECRET, names::ALICE_PASSWORD];
    secrets.extend(["ticket", "claim_token", "subject_token"].map(|name| param(&wire, name)));
    let rs = alice.wire.sent_to(names::RS);
    secrets.push(rs.split("Bearer ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap());
    for secret in secrets {
        assert!(secret.len() > 12 && !log.contains(secret), "a log shows {secret}");
    }
}

/// Profile §5.5: what the client's own STS says is compared before it is used.
#[tokio::test]
async fn a_claims_token_about_somebody_else_is_not_pushed() {
    let bed = Bed::start().await;
    let mut alice = bed.deployment.alice().await;
    alice.person = countersign_client::Person::Subject(names::CAROL_SUB.to_owned());
    let seams = bed.deployment.seams();
    let registration = |issuer: &str| countersign_client::Registration {
        issuer: countersign_types::Issuer::parse(issuer).unwrap(),
        client_id: countersign_types::ClientId::parse(names::RQP_CLIENT).unwrap(),
        proof: Proof::SecretBasic(countersign_types::secret::ClientSecret::new(names::RQP_SECRET)),
    };
    let client = countersign_client::Client::builder(
        bed.deployment.http(),
        seams.clock,
        seams.random,
        registration(names::STS),
        std::sync::Arc::new(alice),
    )
    .with_registration(registration(names::UMA))
    .build();
    let request = http::Request::get(names::RS_API).body(bytes::Bytes::new()).unwrap();
    let error = client.request(request).await.unwrap_err();
    assert!(matches!(error, ClientError::ClaimsToken { .. }), "{error:?}");
    assert!(bed.deployment.recorder().assessments().is_empty(), "nothing was pushed");
}

#[tokio::test]
async fn a_resource_that_nobody_lets_alice_into() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    let error = alice.get(names::NO_POLICY_API).await.unwrap_err();
    assert!(matches!(error, ClientError::Denied { .. }), "{error:?}");
    let error = alice.get(names::DEPARTMENT_API).await.unwrap_err();
    assert!(matches!(error, ClientError::NeedInfo { .. }), "{error:?}");
}

/// A claim that the person has, and that the STS lets cross the border, satisfies the policy.
#[tokio::test]
async fn a_further_claim_crosses_the_border() {
    let with_department = Deployment::builder().with(Party::Sts, |config| {
        let alice = config["users"][0].as_table_mut().unwrap();
        let claims = toml::Table::from_iter([("department".to_owned(), "records".into())]);
        alice.insert("claims".to_owned(), claims.into());
    });
    let bed = Bed::of(with_department.start().await);
    let alice = Alice::signs_in(&bed).await;
    assert_eq!(alice.get(names::DEPARTMENT_API).await.unwrap().status(), 200);
}

/// One requesting party token serves until it no longer does; then the client gets another.
#[tokio::test]
async fn a_token_is_used_again_until_it_expires() {
    let bed = Bed::start().await;
    let alice = Alice::signs_in(&bed).await;
    alice.get(names::RS_API).await.unwrap();
    alice.get(names::RS_API).await.unwrap();
    assert_eq!(bed.deployment.recorder().assessments().len(), 1);
}

/// H6, H7: the servers' own endpoints do nothing on the wrong method.
#[tokio::test]
async fn wrong_methods_are_405() {
    let bed = Bed::start().await;
    let mut urls = vec![bed.uma("token_endpoint").await, bed.sts("token_endpoint").await];
    urls.push(bed.uma("introspection_endpoint").await);
    for url in urls {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let reply = bed.request(method.clone(), &url, &[], "").await;
            assert_eq!(reply.status, 405, "{method} {url}: {reply:?}");
            assert!(reply.header("allow").contains("POST"), "{method} {url}: {reply:?}");
        }
    }
}
