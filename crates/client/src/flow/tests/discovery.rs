//! Whom the client is talking to.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::json;

use super::world::{
    Published, RS, STS, UMA, World, builder, challenge, check, data, get, registration, rpt,
};
use crate::error::ClientError;

#[tokio::test]
async fn lying_metadata_stops_the_client_before_the_exchange() {
    for issuer in ["https://honest.example", "https://uma.bob.example/", "https://UMA.bob.example"]
    {
        let mut world = World::new().rs([challenge("t1")]);
        world.uma_metadata["issuer"] = json!(issuer);
        let (world, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::Metadata { .. })), "{issuer}: {result:?}");
        assert!(world.exchanges().is_empty() && world.grants().is_empty(), "{issuer}");
    }
    let mut world = World::new().rs([challenge("t1")]);
    world.uma_metadata = json!({ "issuer": UMA });
    let (_, result) = check(world).await;
    assert!(matches!(result, Err(ClientError::NoTokenEndpoint(_))), "{result:?}");
}

#[tokio::test]
async fn the_resource_is_what_was_called_whatever_its_server_says() {
    let says = |resource: &str| Published::Json(json!({ "resource": resource }));
    for (metadata, expected) in [
        (Published::Status(404), RS),
        (Published::Status(410), RS),
        (Published::Status(401), RS),
        (Published::Status(403), RS),
        (says(RS), RS),
        (says("https://rs.bob.example/rs-api"), "https://rs.bob.example/rs-api"),
        (says("https://rs.bob.example/rs"), RS),
        (says("https://honest.example"), RS),
    ] {
        let mut world = World::new().rs([challenge("t1"), data()]).uma([rpt("rpt")]);
        world.rs_metadata = metadata.clone();
        let (world, result) = check(world).await;
        assert!(result.is_ok(), "{metadata:?}: {result:?}");
        assert_eq!(world.exchanges()[0].param("resource").as_deref(), Some(expected));
        assert_eq!(world.grants()[0].param("resource").as_deref(), Some(expected));
    }
    let mut world = World::new().rs([challenge("t1")]);
    world.rs_metadata = Published::Json(
        json!({ "resource": RS, "authorization_servers": ["https://other.example"] }),
    );
    let (world, result) = check(world).await;
    assert!(matches!(result, Err(ClientError::AuthorizationServer { .. })), "{result:?}");
    assert!(world.exchanges().is_empty());
}

#[tokio::test]
async fn metadata_that_cannot_be_read_stops_the_client_before_the_exchange() {
    for metadata in [
        Published::Json(json!("nonsense")),
        Published::Json(json!({})),
        Published::Json(json!({ "resource": RS, "authorization_servers": UMA })),
        Published::Json(json!({ "resource": RS, "authorization_servers": ["other"] })),
        Published::Json(json!({ "authorization_servers": ["https://other.example"] })),
        Published::NoJson,
        Published::Silent,
        Published::Status(302),
        Published::Status(400),
        Published::Status(429),
        Published::Status(500),
    ] {
        let mut world = World::new().rs([challenge("t1")]);
        world.rs_metadata = metadata.clone();
        let (world, result) = check(world).await;
        let refused = matches!(result, Err(ClientError::ResourceMetadata { .. }));
        assert!(refused, "{metadata:?}: {result:?}");
        assert!(world.exchanges().is_empty() && world.grants().is_empty(), "{metadata:?}");
    }
}

#[tokio::test]
async fn metadata_that_the_challenge_names_is_there() {
    let named = |url: &str| {
        let header = format!("UMA as_uri=\"{UMA}\", ticket=\"t1\", resource_metadata=\"{url}\"");
        let challenge = Response::builder().status(401).header("www-authenticate", header);
        World::new().rs([challenge.body(Bytes::new()).unwrap(), data()]).uma([rpt("rpt")])
    };
    let own = format!("{RS}/.well-known/oauth-protected-resource/rs-api");
    let (world, result) = check(named(&own)).await;
    assert!(matches!(result, Err(ClientError::ResourceMetadata { .. })), "{result:?}");
    assert!(world.exchanges().is_empty());

    let mut there = named(&own);
    there.rs_metadata = Published::Json(json!({ "resource": format!("{RS}/rs-api") }));
    let (world, result) = check(there).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(world.sent_to(&own).len(), 1);

    // Another origin's document is not asked for: the server's own place counts.
    let foreign = "https://evil.example/.well-known/oauth-protected-resource";
    let (world, result) = check(named(foreign)).await;
    assert!(result.is_ok(), "{result:?}");
    assert!(world.sent_to(foreign).is_empty());
}

#[tokio::test]
async fn documents_are_fetched_once_for_many_conversations() {
    let answers = [challenge("t1"), data(), challenge("t2"), data()];
    let mut world = World::new().rs(answers).uma([rpt("r1"), rpt("r2")]);
    world.rs_metadata = Published::Json(json!({ "resource": RS }));
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    for path in ["/a", "/b"] {
        assert!(client.request(get(&format!("{RS}{path}"))).await.is_ok());
    }
    for document in [
        format!("{RS}/.well-known/oauth-protected-resource"),
        format!("{UMA}/.well-known/uma2-configuration"),
        format!("{STS}/.well-known/openid-configuration"),
    ] {
        assert_eq!(world.sent_to(&document).len(), 1, "{document}");
    }
}
