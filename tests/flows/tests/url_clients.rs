//! Clients that nobody registered, at both authorization servers: CIMD as A7 and N6 have it. The
//! documents come over TLS through the guard that real ones come through.

use std::collections::HashMap;

use countersign_jwt::{Algorithm, SigningKey};
use countersign_testkit::{Page, Party, names};
use serde_json::{Value, json};

use crate::acting::{ASSERTION_TYPE, Acting, CLIENT, GRANTS, THIRD, apply, deployment, document};
use crate::bed::{Credentials, Form, Reply, TOKEN_EXCHANGE, UMA_TICKET, check_not_stored};
use crate::near::{Guard, Near};

/// The two doors at which a client proves itself.
#[derive(Clone, Copy, Debug)]
enum Server {
    Sts,
    Uma,
}

const BOTH: [Server; 2] = [Server::Sts, Server::Uma];

impl Server {
    /// A request that succeeds if the client is authenticated.
    async fn ask(self, acting: &Acting, assertion: &str) -> Reply {
        match self {
            Self::Sts => acting.exchange(&[("client_assertion", assertion)]).await,
            Self::Uma => {
                let mut attempt = acting.bed.attempt().await;
                attempt.form.credentials = Credentials::None;
                attempt.form.set("client_assertion", assertion);
                attempt.form.set("client_assertion_type", ASSERTION_TYPE);
                acting.bed.redeem(&attempt).await
            }
        }
    }

    const fn issuer(self) -> &'static str {
        match self {
            Self::Sts => names::STS,
            Self::Uma => names::UMA,
        }
    }

    async fn known(self, acting: &Acting) -> Reply {
        self.ask(acting, &acting.sign(&acting.assertion(self.issuer(), &[]))).await
    }
}

#[track_caller]
fn unknown(name: &str, reply: &Reply) {
    assert_eq!(
        (reply.status, reply.error().as_str()),
        (401, "invalid_client"),
        "{name}: {reply:?}"
    );
    check_not_stored(name, reply);
}

#[track_caller]
fn accepted(name: &str, reply: &Reply) {
    assert_eq!(reply.status, 200, "{name}: {reply:?}");
}

/// How often the document of the client was asked for.
fn asked(acting: &Acting) -> usize {
    let received = acting.bed.deployment.web().received();
    received.iter().filter(|request| request.url == CLIENT).count()
}

#[tokio::test]
async fn a7_a_client_that_nobody_registered_is_known_by_its_keys() {
    for server in BOTH {
        let acting = Acting::start().await;
        accepted("first", &server.known(&acting).await);
        accepted("second", &server.known(&acting).await);
        assert_eq!(asked(&acting), 1, "{server:?}: kept while it is fresh");
    }
}

#[tokio::test]
async fn the_metadata_of_both_says_that_documents_are_read() {
    let acting = Acting::start().await;
    for url in [
        format!("{}/.well-known/openid-configuration", names::STS),
        format!("{}/.well-known/uma2-configuration", names::UMA),
    ] {
        let metadata = acting.bed.get(&url, &[]).await.json();
        assert_eq!(metadata["client_id_metadata_document_supported"], true, "{url}");
    }
}

/// What breaks the rules is nobody's document, and nothing of it is remembered.
#[tokio::test]
async fn n6_documents_that_break_the_rules() {
    let acting = Acting::start().await;
    let good = document(CLIENT, &acting.key);
    let changed = |changes: &[(&str, Value)]| {
        let mut document = good.clone();
        apply(&mut document, changes);
        Page::json(&document)
    };
    let private: Value = serde_json::from_str(countersign_testkit::keys::ES256_B).unwrap();
    let rows = [
        ("absent", Page::new(404, "application/json", "{}")),
        ("a failing server", Page::new(503, "application/json", good.to_string())),
        ("another success", Page::new(203, "application/json", good.to_string())),
        ("a redirect to itself", Page::redirect(CLIENT)),
        ("a page", Page::new(200, "text/html", good.to_string())),
        ("no JSON", Page::new(200, "application/json", "{")),
        ("more than 5 KB", changed(&[("client_name", json!("x".repeat(6_000)))])),
        ("another client", changed(&[("client_id", json!(THIRD))])),
        ("in another spelling", changed(&[("client_id", json!("https://TWO.example/client"))])),
        ("a secret", changed(&[("client_secret", json!("s"))])),
        ("a method with a secret", {
            changed(&[("token_endpoint_auth_method", json!("client_secret_basic"))])
        }),
        ("a public client", {
            changed(&[("token_endpoint_auth_method", json!("none")), ("jwks", json!(null))])
        }),
        ("a private key", changed(&[("jwks", json!({ "keys": [private] }))])),
        ("keys in two places", changed(&[("jwks_uri", json!("https://two.example/jwks"))])),
        ("keys elsewhere, not https", {
            changed(&[("jwks", json!(null)), ("jwks_uri", json!("http://two.example/jwks"))])
        }),
    ];
    for (name, page) in rows {
        for server in BOTH {
            // A document that is good for so long is asked for again.
            acting.bed.advance(601);
            acting.bed.deployment.web().publish(CLIENT, page.clone());
            unknown(name, &server.known(&acting).await);
            acting.publish(CLIENT, &good);
            accepted(name, &server.known(&acting).await);
        }
    }
}

/// The document is in order; what it points to is not fetched.
#[tokio::test]
async fn n6_keys_at_an_address_that_is_not_public() {
    let (acting, near) = with_near(Guard::On).await;
    let here = ["127.0.0.1", "[::1]", "localhost"].map(|host| near.origin(host));
    let elsewhere = ["https://10.0.0.1", "https://169.254.169.254"].map(str::to_owned);
    for origin in here.iter().chain(&elsewhere) {
        acting.bed.advance(601);
        publish_with_keys_at(&acting, origin);
        for server in BOTH {
            unknown(origin, &server.known(&acting).await);
        }
    }
    near.saw_nobody("keys on the servers' own machine");

    // Nothing else was wrong with them: where an operator lets loopback be reached, they are taken.
    let (acting, near) = with_near(Guard::Open).await;
    publish_with_keys_at(&acting, &near.origin("127.0.0.1"));
    let keys = json!({ "keys": [acting.key.public().to_jwk()] });
    near.serve(HashMap::from([("/jwks", keys)]));
    for server in BOTH {
        accepted("loopback by an exception", &server.known(&acting).await);
    }
}

fn publish_with_keys_at(acting: &Acting, origin: &str) {
    let jwks_uri = format!("{origin}/jwks");
    let document = json!({ "client_id": CLIENT, "jwks_uri": jwks_uri, "grant_types": GRANTS,
        "token_endpoint_auth_method": "private_key_jwt" });
    acting.publish(CLIENT, &document);
}

async fn with_near(guard: Guard) -> (Acting, Near) {
    let mut deployment = Near::reserve(deployment()).start().await;
    for server in [Party::Sts, Party::UmaServer] {
        deployment.restart(server, |config| guard.configure(config)).await;
    }
    let near = Near::take(&mut deployment);
    (Acting::of(deployment), near)
}

#[tokio::test]
async fn n6_a_stranger_makes_nobody_fetch() {
    let acting = Acting::start().await;
    for server in BOTH {
        for id in [
            "https://two.example/other",
            "https://two.example/client/",
            "https://TWO.example/client",
            "https://two.example:443/client",
            "https://two.example/x/../client",
            "https://two.example/client?x",
            "http://two.example/client",
            "https://one.example/client",
            "https://10.0.0.1/client",
        ] {
            let who = [("iss", json!(id)), ("sub", json!(id))];
            let assertion = acting.sign(&acting.assertion(server.issuer(), &who));
            unknown(id, &server.ask(&acting, &assertion).await);
        }
    }
    assert!(acting.bed.deployment.web().received().is_empty());
}

/// What no document could make good is refused before anybody's is asked for.
#[tokio::test]
async fn n6_a_request_that_no_document_can_help_makes_nobody_fetch() {
    let acting = Acting::start().await;
    for server in BOTH {
        let other = if matches!(server, Server::Sts) { names::UMA } else { names::STS };
        let issuer = server.issuer();
        for (name, assertion) in [
            ("for another server", acting.assertion(other, &[])),
            ("expired", acting.assertion(issuer, &[("exp", json!(1))])),
            ("of another issuer", acting.assertion(issuer, &[("iss", json!(THIRD))])),
            ("without jti", acting.assertion(issuer, &[("jti", json!(null))])),
            ("of another type", (Some("client-proof+jwt"), acting.assertion(issuer, &[]).1)),
        ] {
            unknown(name, &server.ask(&acting, &acting.sign(&assertion)).await);
        }
        let form = [("grant_type", "client_credentials"), ("client_id", CLIENT)];
        let endpoint = match server {
            Server::Sts => acting.bed.sts("token_endpoint").await,
            Server::Uma => acting.bed.uma("token_endpoint").await,
        };
        for credentials in [Credentials::None, Credentials::Basic(CLIENT, "a secret")] {
            let reply = acting.bed.post(&endpoint, &Form::new(&form, credentials)).await;
            unknown("without a key", &reply);
        }
    }
    assert_eq!(asked(&acting), 0);
}

/// A rule may speak of everybody. What is no place for a document is not asked then, either.
#[tokio::test]
async fn n6_identifiers_that_are_no_place_for_a_document() {
    let everybody = |config: &mut toml::Table| {
        config["url_clients"][0]["id"] = "*".into();
    };
    let mut deployment = deployment().start().await;
    for party in [Party::Sts, Party::UmaServer] {
        deployment.restart(party, everybody).await;
    }
    let acting = Acting::of(deployment);
    for server in BOTH {
        accepted("by the rule for everybody", &server.known(&acting).await);
        acting.bed.deployment.web().forget();
        for id in [
            "https://one.example",
            "https://one.example/a/../client",
            "https://one.example/a/%2e%2e/client",
            "https://me@one.example/client",
            "https://one.example/client#x",
            "https://10.0.0.1/client",
            "https://169.254.169.254/client",
            "https://[::1]/client",
            "https://localhost/client",
        ] {
            acting.publish("https://one.example/client", &document(id, &acting.key));
            let who = [("iss", json!(id)), ("sub", json!(id))];
            let assertion = acting.sign(&acting.assertion(server.issuer(), &who));
            unknown(id, &server.ask(&acting, &assertion).await);
        }
        assert!(acting.bed.deployment.web().received().is_empty(), "{server:?}");
    }
}

/// A new key is found at once, in the document or behind it; keys that nobody has are asked for at
/// a bounded rate, and one that was withdrawn is gone.
#[tokio::test]
async fn a7_keys_rotate() {
    const JWKS: &str = "https://two.example/jwks";
    for (server, elsewhere) in
        [(Server::Sts, false), (Server::Sts, true), (Server::Uma, false), (Server::Uma, true)]
    {
        let mut acting = Acting::start().await;
        let publish = |acting: &Acting| {
            let inline = document(CLIENT, &acting.key);
            if elsewhere {
                let elsewhere =
                    json!({ "client_id": CLIENT, "jwks_uri": JWKS, "grant_types": GRANTS });
                acting.publish(CLIENT, &elsewhere);
                acting.publish(JWKS, &inline["jwks"]);
            } else {
                acting.publish(CLIENT, &inline);
            }
        };
        publish(&acting);
        accepted("the first key", &server.known(&acting).await);
        let old = std::mem::replace(&mut acting.key, key("k2"));
        publish(&acting);
        accepted("the next key, at once", &server.known(&acting).await);
        unknown("the first key again", &{
            let assertion = crate::acting::signed(&old, &acting.assertion(server.issuer(), &[]));
            server.ask(&acting, &assertion).await
        });
        acting.bed.deployment.web().forget();
        for kid in ["k3", "k4", "k5", "k6"] {
            acting.key = key(kid);
            unknown(kid, &server.known(&acting).await);
        }
        let fetches = acting.bed.deployment.web().received().len();
        assert!(fetches <= 1, "{server:?}: {fetches} fetches for keys that nobody has");
    }
}

/// OpenID Registration §2: a client that binds itself to an algorithm is not whoever holds its key
/// of another one.
#[tokio::test]
async fn a7_a_client_that_names_its_algorithm_signs_with_no_other() {
    for server in BOTH {
        for (named, known) in [("ES256", true), ("Ed25519", false)] {
            let acting = Acting::start().await;
            let other = SigningKey::generate(Algorithm::Ed25519, Some("k2")).unwrap();
            let mut document = document(CLIENT, &acting.key);
            let keys = json!({ "keys": [acting.key.public().to_jwk(), other.public().to_jwk()] });
            let algorithm = ("token_endpoint_auth_signing_alg", json!(named));
            apply(&mut document, &[algorithm, ("jwks", keys)]);
            acting.publish(CLIENT, &document);
            let reply = server.known(&acting).await;
            if known { accepted(named, &reply) } else { unknown(named, &reply) }
        }
    }
}

/// RFC 7591 §2: a document that is silent speaks of authorization codes alone, so that its client
/// has no other grant at either server, whatever the rule says.
#[tokio::test]
async fn a7_a_client_has_the_grants_that_its_document_names() {
    for (server, grant, other) in
        [(Server::Sts, TOKEN_EXCHANGE, UMA_TICKET), (Server::Uma, UMA_TICKET, TOKEN_EXCHANGE)]
    {
        for (named, has_it) in [
            (json!(null), false),
            (json!([]), false),
            (json!([other]), false),
            (json!([grant]), true),
            (json!([other, grant]), true),
        ] {
            let acting = Acting::start().await;
            let mut document = document(CLIENT, &acting.key);
            apply(&mut document, &[("grant_types", named.clone())]);
            acting.publish(CLIENT, &document);
            let reply = server.known(&acting).await;
            if has_it {
                accepted(&named.to_string(), &reply);
            } else {
                let refused = (reply.status, reply.error());
                assert_eq!(refused, (400, "unauthorized_client".to_owned()), "{named}: {reply:?}");
            }
        }
    }
}

fn key(kid: &str) -> std::sync::Arc<SigningKey> {
    std::sync::Arc::new(SigningKey::generate(Algorithm::Es256, Some(kid)).unwrap())
}

/// A16: what the STS says of a client that both servers know is compared with who pushes it.
#[tokio::test]
async fn a16_a_claims_token_of_a_url_client_is_pushed_by_that_client() {
    let acting = Acting::start().await;
    let ticket = acting.bed.ticket().await;
    let reply = acting
        .exchange(&[
            ("actor_token", ""),
            ("actor_token_type", ""),
            ("audience", names::UMA),
            ("resource", names::RS),
            ("ticket_challenge", &crate::bed::challenge_of(&ticket)),
        ])
        .await;
    accepted("claims token", &reply);
    let claims_token = reply.member("access_token");
    assert_eq!(crate::bed::claims_of(&claims_token).1["client_id"], CLIENT);

    let mut attempt = acting.bed.attempt_with(&ticket);
    attempt.form.set("claim_token", &claims_token);
    let refused = acting.bed.redeem(&attempt).await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "need_info"), "{refused:?}");

    let ticket = acting.bed.ticket().await;
    let mut attempt = acting.bed.attempt_with(&ticket);
    attempt.claim("client_id", CLIENT);
    attempt.form.credentials = Credentials::None;
    let assertion = acting.sign(&acting.assertion(names::UMA, &[]));
    attempt.form.set("client_assertion", &assertion);
    attempt.form.set("client_assertion_type", ASSERTION_TYPE);
    let reply = acting.bed.redeem(&attempt).await;
    accepted("pushed by the client that it names", &reply);

    // Its token is worth something while the rule stands, whether its document can be had or not.
    let rpt = reply.member("access_token");
    acting.bed.deployment.web().publish(CLIENT, Page::new(404, "text/plain", ""));
    acting.bed.advance(200);
    acting.bed.deployment.web().forget();
    let (name, value) = crate::bed::bearer(&rpt);
    let reply = acting.bed.get(names::RS_API, &[(name, &value)]).await;
    accepted("the RPT at the resource server", &reply);
    assert!(acting.bed.deployment.web().received().is_empty(), "an introspection asks nobody");
}

#[tokio::test]
async fn a_client_without_its_rule_is_nobody_and_its_tokens_are_worth_nothing() {
    let acting = Acting::start().await;
    let reply = Server::Uma.known(&acting).await;
    accepted("with a rule", &reply);
    let rpt = reply.member("access_token");
    let Acting { mut bed, key } = acting;
    bed.deployment.restart(Party::UmaServer, |config| drop(config.remove("url_clients"))).await;
    let acting = Acting { bed, key };
    let (name, value) = crate::bed::bearer(&rpt);
    let reply = acting.bed.get(names::RS_API, &[(name, &value)]).await;
    assert_eq!(reply.status, 401, "{reply:?}");
    let metadata = format!("{}/.well-known/uma2-configuration", names::UMA);
    let metadata = acting.bed.get(&metadata, &[]).await.json();
    assert_eq!(metadata.get("client_id_metadata_document_supported"), None);
    unknown("without a rule", &Server::Uma.known(&acting).await);
}
