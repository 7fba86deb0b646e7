//! What everybody can read.

use countersign_example_results_service::Config;
use serde_json::json;

use crate::world::*;

/// F001-11, A21: no secret, and none under another name.
#[tokio::test]
async fn f001_11_what_is_published_has_no_secret() {
    let world = World::start().await;
    let answer = world.api("GET /api/v1/endpoints", &[], "").await;
    let expected = json!({
        "openid": {
            "issuer": IDP,
            "authorization_endpoint": format!("{IDP}/authorize"),
            "client_id": "dashboard",
            "scope": "claims-provider email openid profile",
        },
        "token_exchange": "/api/v1/pbench-token",
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
}

/// Flow 001: people sign in at the API's own issuer, and there is nothing to exchange.
#[tokio::test]
async fn f001_1_without_an_exchange_the_broker_is_where_people_sign_in() {
    let world = World::with(|host, text| match host {
        "results.example" => {
            let (before, _) = text.split_once("[exchange]").unwrap();
            before.replace(&format!("issuer = \"{IDP}\""), &format!("issuer = \"{STS}\""))
        }
        _ => text,
    })
    .await;
    let answer = world.api("GET /api/v1/endpoints", &[], "").await;
    let document = answer.json();
    assert_eq!(document["openid"]["issuer"], STS);
    assert_eq!(document["openid"]["authorization_endpoint"], format!("{STS}/authorize"));
    assert_eq!(document["token_exchange"], json!(null));
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "F001-11");
    assert_eq!(world.api("POST /api/v1/pbench-token", &[], "").await.status, 404);
    let brought = world.brought("alice").await;
    assert_eq!(world.with_token("GET /api/v1/me", &brought, "").await.status, 401);
}

/// A21: a configuration that would publish one is refused.
#[tokio::test]
async fn a21_a_secret_for_the_page_is_refused() {
    let world = World::start().await;
    let text = std::fs::read_to_string(world.folder().join("results.example.toml")).unwrap();
    let file = world.folder().join("changed.toml");
    for (old, new, key) in [
        (
            "client_id = \"dashboard\"",
            "client_id = \"dashboard\"\nclient_secret = \"s\"",
            "sign_in.client_secret",
        ),
        ("[exchange]", "[exchange]\nsecret = \"s\"", "exchange"),
        (
            "issuer = \"https://sts.results.example\"",
            "issuer = \"http://sts.results.example\"",
            "issuer",
        ),
    ] {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        std::fs::write(&file, text.replace(old, new)).unwrap();
        let error = Config::load(&file).unwrap_err();
        assert!(error.key.contains(key) || error.reason.contains(key), "{error}");
    }
    let (before, _) = text.split_once("[exchange]").unwrap();
    std::fs::write(&file, before).unwrap();
    let error = Config::load(&file).unwrap_err();
    assert_eq!(error.key, "sign_in.issuer", "what comes from there would open nothing");
}

/// The example configuration can be read.
#[tokio::test]
async fn the_example_file_is_one() {
    let world = World::start().await;
    let text = include_str!("../../example.toml");
    let file = world.folder().join("example.toml");
    std::fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    assert!(config.exchange.is_some() && config.introspection.is_some());
}

/// The provider is away: nothing that would lead somewhere else.
#[tokio::test]
async fn a_provider_that_is_not_found_is_503() {
    let mut world = World::start().await;
    world.stop_provider();
    assert_eq!(world.api("GET /api/v1/endpoints", &[], "").await.status, 503);
}
