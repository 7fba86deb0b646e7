//! Whom the client is talking to.

use serde_json::json;

use super::world::{RS, UMA, World, challenge, check, data, rpt};
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
    for (metadata, expected) in [
        (None, RS),
        (Some(json!({ "resource": RS })), RS),
        (Some(json!({ "resource": format!("{RS}/rs-api") })), "https://rs.bob.example/rs-api"),
        (Some(json!({ "resource": format!("{RS}/rs") })), RS),
        (Some(json!({ "resource": "https://honest.example" })), RS),
        (Some(json!("nonsense")), RS),
    ] {
        let mut world = World::new().rs([challenge("t1"), data()]).uma([rpt("rpt")]);
        world.rs_metadata = metadata.clone();
        let (world, result) = check(world).await;
        assert!(result.is_ok(), "{metadata:?}: {result:?}");
        assert_eq!(world.exchanges()[0].param("resource").as_deref(), Some(expected));
        assert_eq!(world.grants()[0].param("resource").as_deref(), Some(expected));
    }
    let mut world = World::new().rs([challenge("t1")]);
    world.rs_metadata =
        Some(json!({ "resource": RS, "authorization_servers": ["https://other.example"] }));
    let (world, result) = check(world).await;
    assert!(matches!(result, Err(ClientError::AuthorizationServer { .. })), "{result:?}");
    assert!(world.exchanges().is_empty());
}
