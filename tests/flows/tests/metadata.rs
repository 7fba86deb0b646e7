//! what the parties of one deployment publish agrees with each other, and with what answers.

use std::collections::BTreeSet;

use countersign_testkit::names;
use http::Method;
use serde_json::{Map, Value, json};

use crate::bed::{Bed, claims_of};
use crate::browser::attribute;
use crate::uma_wide_ecosystem::scene::{ASKING, Branch, Scene};

/// The documents of an issuer, by its well-known names.
pub(crate) async fn published(bed: &Bed, issuer: &str, documents: &[&str]) -> Map<String, Value> {
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
pub(crate) async fn answers(bed: &Bed, document: &Map<String, Value>, least: usize) {
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
    assert!(count >= least, "{document:?}");
}

#[tokio::test]
async fn x_1_what_is_published_agrees_with_itself_and_with_what_answers() {
    let bed = Bed::start().await;
    let sts = ["openid-configuration", "oauth-authorization-server"];
    let sts = published(&bed, names::STS, &sts).await;
    let uma = ["uma2-configuration", "oauth-authorization-server"];
    let uma = published(&bed, names::UMA, &uma).await;
    for document in [&sts, &uma] {
        answers(&bed, document, 4).await;
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

/// Flow 003: the claims provider's two documents say the same, and no more than is there; the AS of
/// an owner who has a console says nothing else than one without.
#[tokio::test]
async fn x_1_a_claims_provider_and_a_console_publish_what_is_there() {
    let scene = Scene::start(&[ASKING]).await;
    let bed = &scene.bed;
    let names_of = ["claims-provider-configuration", "uma-wide-ecosystem-claims-provider"];
    let provider = published(bed, names::CLAIMS_PROVIDER, &names_of).await;
    let members: BTreeSet<_> = provider.keys().map(String::as_str).collect();
    let methods = "ticket_challenge_methods_supported";
    assert_eq!(members, BTreeSet::from(["claims_endpoint", "issuer", "jwks_uri", methods]));
    let uma = ["uma2-configuration", "oauth-authorization-server"];
    let uma = published(bed, names::UMA, &uma).await;
    assert_eq!(provider[methods], uma[methods]);
    answers(bed, &provider, 2).await;
    // What signs is in the key set, and nothing that has no use there.
    let keys = bed.get(provider["jwks_uri"].as_str().unwrap(), &[]).await.json();
    let kids: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    let ticket = scene.ticket().await;
    let claims_token = scene.claims_of(Branch::Present, &ticket).await;
    assert_eq!(kids, [&claims_of(&claims_token).0["kid"]]);
    // It is no OpenID provider and no authorization server, and is not found as one.
    for name in ["openid-configuration", "oauth-authorization-server", "webfinger"] {
        let url = format!("{}/.well-known/{name}", names::CLAIMS_PROVIDER);
        assert_eq!(bed.get(&url, &[]).await.status, 404, "{name}");
    }
    let without = Bed::start().await;
    let plain = published(&without, names::UMA, &["uma2-configuration"]).await;
    assert_eq!(uma, plain, "a console is for people, and nothing that a client uses");

    // UF §3.2: where the resource server may send its owner leads to a page.
    let pat = bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
    let endpoint = bed.uma("resource_registration_endpoint").await;
    let description = json!({ "resource_scopes": ["get"], "name": "Another" });
    let registered = bed.json(Method::POST, &endpoint, &pat, &description).await;
    let page = registered.member("user_access_policy_uri");
    assert!(page.starts_with(&format!("{}/console/resources/", names::UMA)), "{registered:?}");
    let shown = bed.get(&page, &[]).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let sign_in = attribute(shown.text().split_once("id=\"sign-in\"").unwrap().1, "href");
    let url = format!("{}{sign_in}", names::UMA);
    assert!(bed.get(&url, &[]).await.location().starts_with(names::BOBS_PROVIDER));
}
