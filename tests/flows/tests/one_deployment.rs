//! X-1: one deployment, with one configuration, runs all five flows.

use axum::Router;
use axum::routing::post;
use countersign_host::server::{Transport, serve};
use countersign_resource::{AccessTokens, ProtectLayer, Routes};
use countersign_testkit::{Deployment, Party, names};
use countersign_types::{Issuer, ResourceIdentifier};
use http::Method;
use toml::Table;

use crate::acting::{Acting, LETTERS, LETTERS_HOST, deployment_with};
use crate::alice::Alice;
use crate::bed::{ACCESS_TOKEN, Bed, Credentials, Form, JWT, TOKEN_EXCHANGE, bearer, claims_of};
use crate::browser::Browser;
use crate::inbox::INBOX;
use crate::metadata::{answers, published};
use crate::uma_wide_ecosystem::scene::{LETTING, policy};
use crate::{claims_endpoint, identity_broker, identity_propagation, inbox};

/// The API of flow 000, whose server exchanges what its people bring from the university.
const RESULTS: &str = "https://results.example";
const RESULTS_HOST: &str = "results.example";

/// The server and whose tokens it may exchange.
const EXCHANGING: &str = r#"
    [[clients]]
    id = "results-api"
    name = "The results"
    secret = { file = "plain-client.secret" }
    redirect_uris = []
    grants = ["token_exchange"]
    scopes = ["results.read"]
    exchange = { access_token_audiences = ["https://results.example"], impersonate = true }

    [[trusted_issuers]]
    alias = "university"
    issuer = "https://sts.university.example"
    scopes = ["results.read"]
    exchanges = [{ client = "results-api", clients = ["rqp-client"] }]
"#;

fn exchanging(config: &mut Table) {
    let mut more: Table = EXCHANGING.parse().unwrap();
    let client = more["clients"].as_array_mut().unwrap().remove(0);
    config["clients"].as_array_mut().unwrap().push(client);
    more.remove("clients");
    config.extend(more);
}

async fn start() -> Acting {
    let mut deployment = deployment_with(|config| {
        exchanging(config);
        identity_broker::broker(config);
        claims_endpoint::claims_provider(config);
    })
    .with_university()
    .with_host(LETTERS_HOST)
    .with_host(RESULTS_HOST)
    .with(Party::University, identity_broker::university)
    .with(Party::ResourceServer, inbox::add)
    .with(Party::UmaServer, |config| {
        let rules = config["resource_servers"][0]["policy"].as_array_mut().unwrap();
        rules.extend(policy(&[LETTING]).as_array().cloned().unwrap());
    })
    .start()
    .await;
    identity_propagation::serve_letters(&mut deployment, |party, _| party.into());
    serve_results(&mut deployment);
    Acting::of(deployment)
}

/// The API, which takes the access tokens of Alice's provider.
fn serve_results(deployment: &mut Deployment) {
    let own = ResourceIdentifier::parse(RESULTS).unwrap();
    let issuer = Issuer::parse(names::STS).unwrap();
    let tokens = AccessTokens::new(own, issuer, deployment.http(), deployment.seams().clock);
    let routes = Routes::new().require("POST /results", "results.read").build().unwrap();
    let layer = ProtectLayer::new(tokens, routes).unwrap();
    let api = Router::new().route("/results", post(async || "a result")).layer(layer);
    let (listener, tls) = deployment.take_host(RESULTS_HOST);
    let transport = Transport::tls(&tls).unwrap();
    // Ends with the runtime of the test.
    tokio::spawn(serve(listener, transport, api, std::future::pending()));
}

/// Flow 000: a token from elsewhere, exchanged by the server; then a restricted call with what it
/// is worth.
async fn flow_000(bed: &Bed) {
    let email = "alice@university.example";
    let alice = bed.deployment.signs_in(names::UNIVERSITY, "alice", names::ALICE_SUB, email).await;
    let params = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", alice.access_token.expose()),
        ("subject_token_type", JWT),
        ("audience", RESULTS),
        ("requested_token_type", ACCESS_TOKEN),
        ("scope", "results.read"),
    ];
    let form = Form::new(&params, Credentials::Basic("results-api", names::PLAIN_SECRET));
    let exchanged = bed.post(&bed.sts("token_endpoint").await, &form).await;
    assert_eq!(exchanged.status, 200, "{exchanged:?}");
    let url = format!("{RESULTS}/results");
    let call = async |token: &str| {
        let (name, value) = bearer(token);
        bed.request(Method::POST, &url, &[(name, &value)], "").await.status
    };
    assert_eq!(call(&exchanged.member("access_token")).await, 200);
    assert_eq!(call(alice.access_token.expose()).await, 401, "the university's own");
}

/// Flow 001: Alice signs in at the university, through the broker.
async fn flow_001(bed: &Bed) {
    let browser = Browser::new(bed);
    let answer =
        identity_broker::through_university(&browser, "alice", "&scope=openid%20email").await;
    let tokens = identity_broker::redeem(bed, &answer, identity_broker::VERIFIER).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let info = identity_broker::user_info(bed, &tokens.member("access_token")).await;
    assert_eq!((info.status, info.member("email").as_str()), (200, "alice@university.example"));
}

/// Flow 002: UMA, and a claims token out of an exchange.
async fn flow_002(bed: &Bed) {
    let alice = Alice::signs_in(bed).await;
    assert_eq!(alice.get(names::RS_API).await.unwrap().status(), 200);
}

/// Flow 003: the same into an inbox, by the claims endpoint, in both branches.
async fn flow_003(bed: &Bed) {
    let (alice, agent) =
        (claims_endpoint::of_alice(bed).await, claims_endpoint::of_agent(bed).await);
    for (access_token, address) in [(alice, ""), (agent, names::ALICE)] {
        let challenged = bed.request(Method::POST, INBOX, &[], "").await;
        let ticket = challenged.challenge("ticket");
        let claims = claims_endpoint::ask(bed, &access_token, &ticket, address).await;
        let mut attempt = bed.attempt_with(&ticket);
        attempt.form.set("claim_token", &claims.member("claims_token"));
        let granted = bed.redeem(&attempt).await;
        assert_eq!(granted.status, 200, "{granted:?}");
        let (name, value) = bearer(&granted.member("access_token"));
        let headers = [(name, value.as_str()), ("content-type", "text/plain")];
        assert_eq!(bed.request(Method::POST, INBOX, &headers, "Hello Bob").await.status, 201);
    }
}

/// Flow 004: a service that nobody registered carries Alice to a relying party.
async fn flow_004(acting: &Acting) {
    let token = acting.identity_token().await;
    assert_eq!(claims_of(&token).1["sub"], names::ALICE);
    let ((name, value), proof) = (bearer(&token), acting.proof_of(&token));
    let headers = [(name, value.as_str()), ("client-assertion", proof.as_str())];
    let letters = acting.bed.get(&format!("{LETTERS}/letters"), &headers).await;
    assert_eq!((letters.status, letters.member("subject").as_str()), (200, names::ALICE));
}

#[tokio::test]
async fn x_1_one_deployment_runs_all_five() {
    let acting = start().await;
    let bed = &acting.bed;
    flow_000(bed).await;
    flow_001(bed).await;
    flow_002(bed).await;
    flow_003(bed).await;
    flow_004(&acting).await;
    // And says of itself what is there.
    for issuer in [names::STS, names::UNIVERSITY] {
        let documents = ["openid-configuration", "oauth-authorization-server"];
        answers(bed, &published(bed, issuer, &documents).await, 4).await;
    }
    let documents = ["uma2-configuration", "oauth-authorization-server"];
    answers(bed, &published(bed, names::UMA, &documents).await, 4).await;
}
