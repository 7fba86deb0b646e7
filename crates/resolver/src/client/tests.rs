use countersign_jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::world::{Answer, World};

const ID: &str = "https://mail.example/client";
const JWKS: &str = "https://mail.example/jwks";

fn id() -> ClientId {
    ClientId::parse(ID).unwrap()
}

fn set_of(kids: &[&str]) -> Value {
    let key = |kid: &&str| SigningKey::generate(Algorithm::Es256, Some(kid)).unwrap();
    json!({ "keys": kids.iter().map(|kid| key(kid).public().to_jwk()).collect::<Vec<_>>() })
}

fn inline(kids: &[&str]) -> Answer {
    let document = json!({
        "client_id": ID, "token_endpoint_auth_method": "private_key_jwt", "jwks": set_of(kids),
    });
    Answer::body(document.to_string())
}

fn by_uri() -> Answer {
    Answer::body(json!({ "client_id": ID, "jwks_uri": JWKS }).to_string())
}

fn documents(world: &Arc<World>) -> ClientDocuments {
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (world.clone(), world.clone());
    ClientDocuments::new(fetch, clock, &ClientDocumentsConfig::default())
}

async fn knows(documents: &ClientDocuments, kid: &str) -> bool {
    documents.resolve(&id(), Some(kid)).await.is_ok_and(|client| client.keys.contains_kid(kid))
}

#[tokio::test]
async fn a_document_and_its_keys_are_fetched_once_while_they_are_fresh() {
    for (document, fetches) in [(inline(&["a"]), 1), (by_uri(), 2)] {
        let world = World::new();
        world.set(ID, document).set(JWKS, Answer::body(set_of(&["a"]).to_string()));
        let documents = documents(&world);
        for _ in 0..4 {
            assert!(knows(&documents, "a").await);
            world.pass(60);
        }
        assert_eq!(world.count(), fetches);
        world.pass(60);
        assert!(knows(&documents, "a").await);
        assert_eq!(world.count(), 2 * fetches);
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_unknown_ones_are_fetched_for_at_a_bounded_rate() {
    for uri in [false, true] {
        let world = World::new();
        let publish = |kids: &[&str]| {
            world.set(ID, if uri { by_uri() } else { inline(kids) });
            world.set(JWKS, Answer::body(set_of(kids).to_string()));
        };
        publish(&["a"]);
        let documents = documents(&world);
        assert!(knows(&documents, "a").await);
        publish(&["a", "b"]);
        assert!(knows(&documents, "b").await, "a new key at once");
        let before = world.count();
        for _ in 0..20 {
            assert!(!knows(&documents, "c").await);
        }
        assert!(world.count() <= before + 1, "{} fetches", world.count() - before);
        world.pass(31);
        publish(&["c"]);
        assert!(knows(&documents, "c").await);
        assert!(!knows(&documents, "a").await, "a key that was withdrawn is gone");
    }
}

#[tokio::test]
async fn what_breaks_the_rules_is_no_client_and_nothing_of_it_is_remembered() {
    let other = json!({ "client_id": "https://other.example/client", "jwks": set_of(&["a"]) });
    let secret = json!({ "client_id": ID, "client_secret": "s", "jwks": set_of(&["a"]) });
    for (name, answer) in [
        ("absent", Answer::Status(404)),
        ("gone", Answer::Status(410)),
        ("created", Answer::Status(201)),
        ("a failing server", Answer::Status(503)),
        ("redirect", Answer::Redirect),
        ("too large", Answer::TooLarge),
        ("not JSON", Answer::ContentType),
        ("slow", Answer::Timeout),
        ("a private address", Answer::Refused),
        ("another client", Answer::body(other.to_string())),
        ("a secret", Answer::body(secret.to_string())),
        ("malformed", Answer::body("{")),
    ] {
        let world = World::new();
        world.set(ID, answer);
        let documents = documents(&world);
        assert!(!knows(&documents, "a").await, "{name}");
        assert!(!knows(&documents, "a").await, "{name}");
        assert_eq!(world.count(), 2, "{name}: an error is not cached");
        world.set(ID, inline(&["a"]));
        assert!(knows(&documents, "a").await, "{name}: as soon as it is right");
    }
}

#[tokio::test]
async fn a_document_outlives_its_network_but_not_its_withdrawal() {
    for (answer, kept) in [(Answer::Timeout, true), (Answer::Status(404), false)] {
        let world = World::new();
        world.set(ID, inline(&["a"]));
        let documents = documents(&world);
        assert!(knows(&documents, "a").await);
        world.pass(301);
        world.set(ID, answer);
        assert_eq!(knows(&documents, "a").await, kept);
        world.pass(300);
        assert!(!knows(&documents, "a").await, "never longer than fresh and stale together");
    }
}

#[tokio::test]
async fn a_set_with_private_keys_is_nobodys() {
    let key = SigningKey::generate(Algorithm::Es256, Some("a")).unwrap();
    let mut private = key.public().to_jwk();
    private["d"] = json!("AAAA");
    private["kid"] = json!("p");
    let world = World::new();
    let set = json!({ "keys": [key.public().to_jwk(), private] });
    world.set(ID, by_uri()).set(JWKS, Answer::body(set.to_string()));
    let refused = documents(&world).resolve(&id(), Some("a")).await;
    assert!(matches!(refused, Err(ClientError::Keys(KeysError::Client(_)))), "{refused:?}");
}

#[tokio::test]
async fn only_the_url_of_a_document_is_looked_up() {
    let world = World::new();
    let documents = documents(&world);
    for text in
        ["mail", "http://mail.example/client", "https://mail.example", "https://a.example/.."]
    {
        let id = ClientId::parse(text).unwrap();
        assert!(matches!(documents.resolve(&id, None).await, Err(ClientError::Url(_))), "{text}");
    }
    assert_eq!(world.count(), 0);

    let host = "https://mail.example";
    let document = json!({ "client_id": host, "jwks": set_of(&["a"]) });
    world.set("https://mail.example/", Answer::body(document.to_string()));
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (world.clone(), world.clone());
    let config = ClientDocumentsConfig { host_only: true, ..ClientDocumentsConfig::default() };
    let documents = ClientDocuments::new(fetch, clock, &config);
    assert!(documents.resolve(&ClientId::parse(host).unwrap(), Some("a")).await.is_ok());
}

#[tokio::test]
async fn clients_that_are_made_up_have_their_host_asked_so_often_and_no_more() {
    let world = World::new();
    world.set(ID, inline(&["a"]));
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (world.clone(), world.clone());
    let few = NonZeroU32::new(20).unwrap();
    let config = ClientDocumentsConfig { new_per_host: few, ..ClientDocumentsConfig::default() };
    let documents = ClientDocuments::new(fetch, clock, &config);
    assert!(knows(&documents, "a").await);
    let made_up = async |host: &str| {
        for number in 0..100 {
            let id = ClientId::parse(&format!("https://{host}/{number}")).unwrap();
            assert!(documents.resolve(&id, Some("a")).await.is_err());
        }
    };
    made_up("mail.example").await;
    assert_eq!(world.count(), 20, "the genuine one among them");
    made_up("other.example").await;
    assert_eq!(world.count(), 40, "each host has its own share");

    world.set(ID, inline(&["a", "b"]));
    assert!(knows(&documents, "b").await, "a client that is known is none of them");
    world.pass(301);
    made_up("mail.example").await;
    world.set(ID, Answer::Status(404));
    let before = world.count();
    for _ in 0..100 {
        assert!(!knows(&documents, "a").await);
    }
    assert_eq!(world.count(), before + 20, "one that is gone has a share of its own");
    world.pass(60);
    world.set(ID, inline(&["a"]));
    assert!(knows(&documents, "a").await);
}

/// N7: a document that is there may send this server anywhere for its keys.
#[tokio::test]
async fn keys_that_are_not_there_have_their_host_asked_so_often_and_no_more() {
    let world = World::new();
    let victim = "https://victim.example/jwks";
    world.set(ID, Answer::body(json!({ "client_id": ID, "jwks_uri": victim }).to_string()));
    let documents = documents(&world);
    for _ in 0..1000 {
        assert!(!knows(&documents, "a").await);
    }
    assert_eq!(world.count(), 1 + 300);
    let refused = documents.resolve(&id(), Some("a")).await.unwrap_err();
    assert!(refused.is_temporary(), "{refused:?}");
    world.pass(60);
    world.set(victim, Answer::body(set_of(&["a"]).to_string()));
    assert!(knows(&documents, "a").await);
}

/// OpenID Registration §2, in the document and behind it: keys of other algorithms are not the
/// client's.
#[tokio::test]
async fn a_client_that_names_its_algorithm_has_no_key_of_another() {
    let key = |algorithm, kid| SigningKey::generate(algorithm, Some(kid)).unwrap();
    let keys = [key(Algorithm::Es256, "a"), key(Algorithm::Ed25519, "b")];
    let set = json!({ "keys": keys.each_ref().map(|key| key.public().to_jwk()) });
    for (named, known) in [
        (json!("ES256"), [true, false]),
        (json!("Ed25519"), [false, true]),
        (json!("PS256"), [false, false]),
        (json!(null), [true, true]),
    ] {
        for (member, value) in [("jwks", set.clone()), ("jwks_uri", json!(JWKS))] {
            let world = World::new();
            let mut document = json!({ "client_id": ID, member: value });
            if !named.is_null() {
                document["token_endpoint_auth_signing_alg"] = named.clone();
            }
            world.set(ID, Answer::body(document.to_string()));
            world.set(JWKS, Answer::body(set.to_string()));
            let documents = documents(&world);
            let found = [knows(&documents, "a").await, knows(&documents, "b").await];
            assert_eq!(found, known, "{named} by {member}");
        }
    }
}
