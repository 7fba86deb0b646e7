//! what the parties of one deployment publish agrees with each other, and with what answers.

use countersign_testkit::names;
use http::Method;
use serde_json::{Map, Value};

use crate::bed::Bed;

/// The documents of an issuer, by its well-known names.
async fn published(bed: &Bed, issuer: &str, documents: &[&str]) -> Map<String, Value> {
    let mut first: Option<Map<String, Value>> = None;
    for name in documents {
        let reply = bed.get(&format!("{issuer}/.well-known/{name}"), &[]).await;
        assert_eq!(reply.status, 200, "{issuer} {name}: {reply:?}");
        let document = reply.json().as_object().unwrap().clone();
        assert_eq!(document["issuer"], issuer, "{name}");
        match &first {
            Some(first) => assert_eq!(first, &document, "{issuer}: {name} says something else"),
            None => first = Some(document),
        }
    }
    first.unwrap()
}

/// Every endpoint is there: it answers, and not that there is nothing of its name.
async fn answers(bed: &Bed, document: &Map<String, Value>) {
    let endpoints =
        document.iter().filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    let mut count = 0;
    for (name, url) in endpoints {
        let url = url.as_str().unwrap();
        let issuer = document["issuer"].as_str().unwrap();
        assert!(url.starts_with(issuer), "{name} of {issuer} is {url}");
        for method in [Method::GET, Method::POST] {
            let reply = bed.request(method.clone(), url, &[], "").await;
            assert_ne!(reply.status, 404, "{method} {name}: {reply:?}");
            assert!(reply.status < 500, "{method} {name}: {reply:?}");
        }
        count += 1;
    }
    assert!(count > 3, "{document:?}");
}

#[tokio::test]
async fn x_1_what_is_published_agrees_with_itself_and_with_what_answers() {
    let bed = Bed::start().await;
    let sts = ["openid-configuration", "oauth-authorization-server"];
    let sts = published(&bed, names::STS, &sts).await;
    let uma = ["uma2-configuration", "oauth-authorization-server"];
    let uma = published(&bed, names::UMA, &uma).await;
    for document in [&sts, &uma] {
        answers(&bed, document).await;
        for (name, value) in document {
            assert_ne!(value, &serde_json::json!([]), "RFC 8414 §3.2: {name} is empty");
        }
    }
    // OpenID Connect Discovery §3.
    for name in [
        "authorization_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
    ] {
        assert!(sts.contains_key(name), "{name}");
    }
    let algorithms = sts["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.contains(&serde_json::json!("RS256")), "{algorithms:?}");
    // A challenge that the one hashes is one that the other compares.
    let methods = "ticket_challenge_methods_supported";
    assert_eq!(sts[methods], uma[methods]);

    let reply = bed.get(&format!("{}/.well-known/oauth-protected-resource", names::RS), &[]).await;
    let resource = reply.json();
    assert_eq!(resource["resource"], names::RS, "{resource}");
    assert_eq!(resource["authorization_servers"], serde_json::json!([names::UMA]), "{resource}");
    let challenged = bed.get(names::RS_API, &[]).await;
    assert_eq!(challenged.challenge("as_uri"), uma["issuer"].as_str().unwrap());
}
