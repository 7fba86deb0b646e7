//! Flow 004 with every party on its own TLS origin: F004-1 to F004-12, and the rest of PARTY-8.
//! Alice signs in at her provider; a service that is known by its URL gets identity tokens for her
//! there; a relying party that has heard of neither lets her in.

use std::sync::{Arc, Mutex};

use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use countersign_client::ActorForm;
use countersign_client::propagation::{ActingClient, IdentityPropagator, PropagationEvent};
use countersign_host::Seams;
use countersign_host::server::{Transport, serve};
use countersign_jwt::{Algorithm, SigningKey};
use countersign_resource::identity_propagation::{Domains, MemoryProofs};
use countersign_resource::{IdentityPropagation, Mode, ProtectLayer, Routes, VerifiedCaller};
use countersign_testkit::{Deployment, Party, keys, names};
use countersign_types::digest::Digest;
use countersign_types::{ClientId, Issuer, ResourceIdentifier};
use http::StatusCode;
use serde_json::{Value, json};

use crate::acting::{
    API, Acting, CLIENT, LETTERS, LETTERS_HOST, NEXT, THIRD, chain, deployment, document, signed,
};
use crate::bed::{ACCESS_TOKEN, Credentials, Reply, bearer, check_not_stored, claims_of};

#[track_caller]
fn check(name: &str, reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (status, error), "{name}: {reply:?}");
    check_not_stored(name, reply);
    assert_eq!(reply.json().get("access_token").is_some(), status == 200, "{name}");
    assert_eq!(reply.json().get("refresh_token"), None, "{name}: T14");
}

/// The deployment with the relying party in it, which says who calls and through whom.
async fn with_letters() -> Acting {
    with_letters_in(|party, _| party.into()).await
}

/// The same, where the relying party judges callers as it is told to.
pub(crate) async fn with_letters_in(
    mode: impl FnOnce(IdentityPropagation, &Seams) -> Mode,
) -> Acting {
    let mut deployment = deployment().with_host(LETTERS_HOST).start().await;
    serve_letters(&mut deployment, mode);
    Acting::of(deployment)
}

/// Serves the relying party at the place that the deployment has for it.
pub(crate) fn serve_letters(
    deployment: &mut Deployment,
    mode: impl FnOnce(IdentityPropagation, &Seams) -> Mode,
) {
    let clock = deployment.seams().clock;
    let party = IdentityPropagation::new(
        ResourceIdentifier::parse(LETTERS).unwrap(),
        Domains::any(),
        deployment.http(),
        Arc::clone(&clock),
        Arc::new(MemoryProofs::new(clock)),
    );
    let routes = Routes::new().identified("GET /letters").identified("POST /letters");
    let mode = mode(party, &deployment.seams());
    let layer = ProtectLayer::new(mode, routes.build().unwrap()).unwrap();
    let read = async |Extension(caller): Extension<VerifiedCaller>| {
        let actors = caller.actors().unwrap().to_claim();
        json!({ "subject": caller.subject(), "act": actors }).to_string()
    };
    let write = async || (StatusCode::CREATED, [("location", "/letters/1")]);
    let api = Router::new().route("/letters", get(read).post(write)).layer(layer);
    let (listener, tls) = deployment.take_host(LETTERS_HOST);
    let transport = Transport::tls(&tls).unwrap();
    // Ends with the runtime of the test.
    tokio::spawn(serve(listener, transport, api, std::future::pending()));
}

/// As the drawing has it, then in the strict form: 200 and 201 in each.
#[tokio::test(flavor = "multi_thread")]
async fn f004_1_a_service_carries_alice_to_a_relying_party() {
    for form in [ActorForm::Target, ActorForm::Issuer] {
        let acting = with_letters().await;
        let deployment = &acting.bed.deployment;
        let seams = deployment.seams();
        let client =
            ActingClient { client_id: ClientId::parse(CLIENT).unwrap(), key: acting.key.clone() };
        let alice = Arc::new(deployment.alice().await);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tokens = Arc::clone(&seen);
        let provider = Issuer::parse(names::STS).unwrap();
        let propagator = IdentityPropagator::new(
            deployment.http(),
            seams.clock,
            seams.random,
            client,
            provider,
            alice,
        )
        .with_actor_form(form)
        .with_observer(Arc::new(move |event: &PropagationEvent<'_>| {
            if let PropagationEvent::IdentityToken { identity_token } = event {
                tokens.lock().unwrap().push(identity_token.expose().to_owned());
            }
        }));
        let url = format!("{LETTERS}/letters");
        let request = |method| {
            let request = http::Request::builder().method(method).uri(&url);
            request.body(Bytes::new()).unwrap()
        };
        let response = propagator.request(request("GET")).await.unwrap();
        assert_eq!(response.status(), 200, "{form:?}");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let act = json!({ "sub": CLIENT, "client_id": CLIENT });
        assert_eq!(body, json!({ "subject": names::ALICE, "act": act }), "{form:?}");
        let response = propagator.request(request("POST")).await.unwrap();
        assert_eq!(response.status(), 201, "{form:?}");
        assert_eq!(response.headers()["location"], "/letters/1");

        let (header, mut claims) = claims_of(&seen.lock().unwrap()[0]);
        assert_eq!(header["typ"], "identity-propagation+jwt");
        assert!(claims["jti"].take().is_string());
        let now = acting.bed.now();
        let expected = json!({
            "iss": names::STS, "sub": names::ALICE, "aud": LETTERS, "iat": now, "nbf": now,
            "exp": now + 300, "jti": null, "client_id": CLIENT, "act": act,
        });
        assert_eq!(claims, expected, "{form:?}");
    }
}

#[tokio::test]
async fn f004_2_client_assertions_that_prove_nothing() {
    let acting = Acting::start().await;
    let (now, sts) = (acting.bed.now(), names::STS);
    let other_key = SigningKey::generate(Algorithm::Es256, acting.key.public().kid()).unwrap();
    let made = |changes: &[(&str, Value)]| acting.sign(&acting.assertion(sts, changes));
    let used = made(&[]);
    check("F004-2 new", &acting.exchange(&[("client_assertion", &used)]).await, 200, "");
    let endpoint = acting.bed.sts("token_endpoint").await;
    for (name, assertion) in [
        ("replayed", used),
        ("another key", signed(&other_key, &acting.assertion(sts, &[]))),
        ("expired", made(&[("iat", json!(now - 200)), ("exp", json!(now - 60))])),
        ("no exp", made(&[("exp", json!(null))])),
        ("too long", made(&[("exp", json!(now + 301))])),
        ("no jti", made(&[("jti", json!(null))])),
        ("iss is not sub", made(&[("iss", json!(NEXT))])),
        ("token endpoint", made(&[("aud", json!(endpoint))])),
        ("two audiences", made(&[("aud", json!([sts, names::UMA]))])),
        ("another server", made(&[("aud", json!(names::UMA))])),
        ("the relying party", made(&[("aud", json!(LETTERS))])),
    ] {
        let reply = acting.exchange(&[("client_assertion", &assertion)]).await;
        check(&format!("F004-2 {name}"), &reply, 401, "invalid_client");
    }
    // O11: a forged assertion uses up nobody's jti.
    let mine = acting.assertion(sts, &[]);
    let forged = acting.exchange(&[("client_assertion", &signed(&other_key, &mine))]).await;
    check("O11 forged", &forged, 401, "invalid_client");
    check("O11", &acting.exchange(&[("client_assertion", &acting.sign(&mine))]).await, 200, "");
}

/// O10: what was used stays used over a restart, and counts at the other grants, too.
#[tokio::test]
async fn o10_a_client_assertion_is_used_up_for_good() {
    let mut acting = Acting::start().await;
    let used = acting.sign(&acting.assertion(names::STS, &[]));
    let actor = acting.sign(&acting.actor(&[]));
    let change = [("client_assertion", used.as_str()), ("actor_token", &actor)];
    check("new", &acting.exchange(&change).await, 200, "");
    acting.bed.deployment.restart(Party::Sts, |_| {}).await;
    let reply = acting.exchange(&[("client_assertion", &used)]).await;
    check("O10 after a restart", &reply, 401, "invalid_client");
    let reply = acting.exchange(&[("actor_token", &actor)]).await;
    check("the actor token after a restart", &reply, 400, "invalid_request");
    let change = [("client_assertion", used.as_str()), ("grant_type", "client_credentials")];
    check("O10 at another grant", &acting.exchange(&change).await, 401, "invalid_client");
}

#[tokio::test]
async fn f004_3_a_client_assertion_may_lack_its_type() {
    let acting = Acting::start().await;
    let untyped = acting.sign(&(None, acting.assertion(names::STS, &[]).1));
    check("F004-3", &acting.exchange(&[("client_assertion", &untyped)]).await, 200, "");
    let array = acting.sign(&acting.assertion(names::STS, &[("aud", json!([names::STS]))]));
    check("an array of one", &acting.exchange(&[("client_assertion", &array)]).await, 200, "");
}

#[tokio::test]
async fn f004_6_two_ways_to_authenticate() {
    let acting = Acting::start().await;
    let change = [("client_id", CLIENT), ("client_secret", names::RQP_SECRET)];
    check("F004-6 in the form", &acting.exchange(&change).await, 400, "invalid_request");
    // Its own name in the header, as RFC 6749 §2.3.1 has it, and that of a client with a secret.
    let own = "https%3A%2F%2Ftwo.example%2Fclient";
    for id in [own, names::RQP_CLIENT] {
        let mut form = acting.form(&[]);
        form.credentials = Credentials::Basic(id, names::RQP_SECRET);
        let reply = acting.bed.post(&acting.bed.sts("token_endpoint").await, &form).await;
        check("F004-6 in the header", &reply, 400, "invalid_request");
    }
    let reply = acting.exchange(&[("client_id", names::RQP_CLIENT)]).await;
    check("another client_id", &reply, 401, "invalid_client");
}

#[tokio::test]
async fn f004_7_actor_tokens_that_prove_nothing() {
    let acting = Acting::start().await;
    let now = acting.bed.now();
    let other_key = SigningKey::generate(Algorithm::Es256, acting.key.public().kid()).unwrap();
    let made = |changes: &[(&str, Value)]| acting.sign(&acting.actor(changes));
    let strict = [("aud", json!(names::STS))];
    for (name, token) in [
        ("another key", signed(&other_key, &acting.actor(&[]))),
        ("expired", made(&[("iat", json!(now - 300)), ("exp", json!(now - 60))])),
        ("nbf ahead", made(&[("nbf", json!(now + 61))])),
        ("no nbf", made(&[("nbf", json!(null))])),
        ("another iss", made(&[("iss", json!(NEXT))])),
        ("another sub", made(&[("sub", json!(NEXT))])),
        ("another client altogether", made(&[("iss", json!(NEXT)), ("sub", json!(NEXT))])),
        ("two audiences", made(&[("aud", json!([names::STS, LETTERS]))])),
        ("the issuer, and no target", made(&strict)),
        ("the issuer, without typ", acting.sign(&(None, acting.actor(&strict).1))),
        ("no JWT", "actor".to_owned()),
    ] {
        let reply = acting.exchange(&[("actor_token", &token)]).await;
        check(&format!("F004-7 {name}"), &reply, 400, "invalid_request");
    }
}

/// F004-7: a client's `actor_audience` says which form it may use.
#[tokio::test]
async fn f004_7_a_form_that_is_not_allowed_to_the_client() {
    for (allowed, target, issuer) in
        [("target", 200, 400), ("issuer", 400, 200), ("either", 200, 200)]
    {
        let mut deployment = deployment().start().await;
        let change = |config: &mut toml::Table| {
            let exchange = config["url_clients"][0]["exchange"].as_table_mut().unwrap();
            exchange.insert("actor_audience".to_owned(), allowed.into());
        };
        deployment.restart(Party::Sts, change).await;
        let acting = Acting::of(deployment);
        let error = |status| if status == 200 { "" } else { "invalid_request" };
        check(allowed, &acting.exchange(&[]).await, target, error(target));
        let strict = acting.sign(&acting.actor(&[("aud", json!(names::STS))]));
        let reply = acting.exchange(&[("actor_token", &strict), ("resource", LETTERS)]).await;
        check(allowed, &reply, issuer, error(issuer));
    }
}

#[tokio::test]
async fn f004_8_an_actor_token_and_its_type() {
    let acting = Acting::start().await;
    for (name, change) in [
        ("no type", ("actor_token_type", "")),
        ("no token", ("actor_token", "")),
        ("another type", ("actor_token_type", ACCESS_TOKEN)),
    ] {
        let reply = acting.exchange(&[change]).await;
        check(&format!("F004-8 {name}"), &reply, 400, "invalid_request");
    }
}

#[tokio::test]
async fn f004_9_the_target_is_one_and_permitted() {
    let acting = Acting::start().await;
    let foreign = acting.sign(&acting.actor(&[("aud", json!(names::EVIL_RS))]));
    let strict = acting.sign(&acting.actor(&[("aud", json!(names::STS)), ("jti", json!(null))]));
    let strict = ("actor_token", strict.as_str());
    for (name, changes) in [
        ("not permitted", vec![("actor_token", foreign.as_str())]),
        ("not permitted, strict", vec![strict, ("resource", names::EVIL_RS)]),
        ("differs from resource", vec![("resource", API)]),
        ("differs from audience", vec![("audience", API)]),
        ("no URI", vec![strict, ("resource", "letters")]),
        ("a fragment", vec![strict, ("resource", "https://letters.example#x")]),
        ("the STS itself", vec![strict, ("resource", names::STS)]),
        ("one of two is bad", vec![strict, ("resource", LETTERS), ("resource", names::EVIL_RS)]),
    ] {
        let reply = acting.exchange(&changes).await;
        check(&format!("F004-9 {name}"), &reply, 400, "invalid_target");
    }
}

#[tokio::test]
async fn f004_10_subject_tokens_that_prove_nothing() {
    let acting = Acting::start().await;
    let now = acting.bed.now();
    let token = |changes: &[(&str, Value)]| acting.subject(changes);
    for (name, subject_token) in [
        ("expired", token(&[("exp", json!(now))])),
        ("opaque", "opaque".to_owned()),
        ("no address", token(&[("email", json!(null))])),
        ("unverified", token(&[("email_verified", json!(false))])),
        ("two addresses", token(&[("email_address", json!("b@alice.example"))])),
        ("another client's", token(&[("client_id", json!(names::OTHER_CLIENT))])),
        ("may_act names another", token(&[("may_act", json!({ "sub": NEXT }))])),
        ("bound to a key", token(&[("cnf", json!({ "jkt": "x" }))])),
        ("for another server", token(&[("aud", json!(names::UMA))])),
        ("of another server", token(&[("iss", json!(names::EVIL_STS))])),
        ("of a client", token(&[("sub", json!(CLIENT))])),
        ("of nobody", token(&[("sub", json!("nobody"))])),
        ("five actors", token(&[("act", chain(5))])),
    ] {
        let reply = acting.exchange(&[("subject_token", &subject_token)]).await;
        check(&format!("F004-10 {name}"), &reply, 400, "invalid_request");
    }
    let other = ("client_id", json!(names::OTHER_CLIENT));
    let named = token(&[other, ("may_act", json!({ "sub": CLIENT }))]);
    check("named by may_act", &acting.exchange(&[("subject_token", &named)]).await, 200, "");
}

#[tokio::test]
async fn f004_11_an_access_token_names_who_acts() {
    let acting = Acting::start().await;
    let actor = acting.sign(&acting.actor(&[("aud", json!(API))]));
    let change = [("requested_token_type", ACCESS_TOKEN), ("actor_token", &actor)];
    let reply = acting.exchange(&change).await;
    check("F004-11", &reply, 200, "");
    assert_eq!(reply.member("token_type"), "Bearer");
    assert_eq!(reply.member("issued_token_type"), ACCESS_TOKEN);
    let (header, claims) = claims_of(&reply.member("access_token"));
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(claims["act"], json!({ "sub": CLIENT, "client_id": CLIENT }));
    assert_eq!((&claims["aud"], &claims["email"]), (&json!(API), &json!(names::ALICE)));
}

/// Alice, the first service, the next one: each exchange names one more actor, and the relying
/// party sees them all.
#[tokio::test(flavor = "multi_thread")]
async fn f004_12_former_actors_stay_in_the_token() {
    let acting = with_letters().await;
    let actor = acting.sign(&acting.actor(&[("aud", json!(names::STS))]));
    let change = [
        ("requested_token_type", ACCESS_TOKEN),
        ("actor_token", actor.as_str()),
        ("resource", NEXT),
        ("resource", names::STS),
    ];
    let reply = acting.exchange(&change).await;
    check("F004-12 handed on", &reply, 200, "");
    let delegated = reply.member("access_token");

    let key = SigningKey::generate(Algorithm::Es256, Some("n1")).unwrap();
    for id in [NEXT, THIRD] {
        acting.publish(id, &document(id, &key));
    }
    let as_client = async |id: &str| {
        let who = [("iss", json!(id)), ("sub", json!(id))];
        let assertion = signed(&key, &acting.assertion(names::STS, &who));
        let actor = signed(&key, &acting.actor(&who));
        let change = [
            ("subject_token", delegated.as_str()),
            ("client_assertion", &assertion),
            ("actor_token", &actor),
        ];
        acting.exchange(&change).await
    };
    check("a third party", &as_client(THIRD).await, 400, "invalid_request");
    let reply = as_client(NEXT).await;
    check("F004-12", &reply, 200, "");
    let token = reply.member("access_token");
    let mine = json!({ "sub": CLIENT, "client_id": CLIENT });
    let nested = json!({ "sub": NEXT, "client_id": NEXT, "act": mine });
    assert_eq!(claims_of(&token).1["act"], nested);

    // At the relying party it is the outermost that has to prove itself.
    for (id, key, status) in [(CLIENT, &*acting.key, 401), (NEXT, &key, 200)] {
        let ath = Digest::of(token.as_bytes()).to_base64url();
        let who = [("iss", json!(id)), ("sub", json!(id)), ("ath", json!(ath))];
        let (_, claims) = acting.assertion(LETTERS, &who);
        let proof = signed(key, &(Some("client-proof+jwt"), claims));
        let (name, value) = bearer(&token);
        let headers = [(name, value.as_str()), ("client-assertion", &proof)];
        let reply = acting.bed.get(&format!("{LETTERS}/letters"), &headers).await;
        assert_eq!(reply.status, status, "{id}: {reply:?}");
        if status == 200 {
            assert_eq!(reply.json(), json!({ "subject": names::ALICE, "act": nested }));
        }
    }
}

/// PARTY-8, the other half: an identity token is pushed as a claims token, in earnest and dressed
/// as one. The relying party's half is in `relying_party.rs`.
#[tokio::test]
async fn party_8_an_identity_token_is_no_claims_token() {
    let acting = Acting::start().await;
    let genuine = acting.identity_token().await;
    let bed = &acting.bed;
    let attempt = bed.attempt().await;
    let mut dressed = attempt.claims.clone();
    let (_, claims) = claims_of(&genuine);
    for name in ["act", "nbf"] {
        dressed[name] = claims[name].clone();
    }
    let dressed = crate::bed::sign("identity-propagation+jwt", keys::ES256_A, &dressed);
    for (name, token, mut attempt) in
        [("genuine", genuine, bed.attempt().await), ("dressed", dressed, attempt)]
    {
        attempt.form.set("claim_token", &token);
        let reply = bed.redeem(&attempt).await;
        check(&format!("PARTY-8 {name}"), &reply, 403, "need_info");
        let ticket = reply.member("ticket");
        assert!(!ticket.is_empty() && ticket != attempt.ticket, "PARTY-8 {name}: rotated");
        assert!(reply.json()["required_claims"].is_array(), "PARTY-8 {name}");
    }
}
