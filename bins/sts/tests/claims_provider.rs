//! The configuration of a claims provider of its own, and configurations that are refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use axum::body::Body;
use countersign_host::{ConfigError, Seams};
use countersign_sts::claims_provider::{Config, check, compose, load};
use countersign_sts_service::LogAudit;
use countersign_testkit::Directory;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const EXAMPLE: &str = include_str!("../claims-provider.example.toml");

/// The example, without a certificate.
fn plain() -> String {
    let (before, rest) = EXAMPLE.split_once("[tls]").unwrap();
    let (_, after) = rest.split_once("[log]").unwrap();
    format!("{before}\n[log]{after}\n[danger]\nplain_http = true\n")
}

fn load_text(place: &Directory, text: &str) -> Result<Config, ConfigError> {
    place.write("rqp-client.secret", "a-secret-of-thirty-two-characters\n").unwrap();
    load(&place.write("claims-provider.toml", text).unwrap())
}

#[test]
fn the_example_is_complete_and_loads() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, EXAMPLE).unwrap();
    assert_eq!(config.serving.listen.port(), 8442);
    // Whoever copies it is told nothing of the certificate.
    assert_eq!(config.hosts(), ["alice.example"]);
    let certificate = &config.serving.tls.as_ref().unwrap().certificate;
    assert_eq!(certificate.file_name().unwrap(), "alice.example.pem");
    // Every key that the example comments out is a key too.
    let uncommented = EXAMPLE
        .replace("[tls]\n", "[unused]\n")
        .replace("# introspection =", "introspection =")
        .replace("# [danger]\n# plain_http", "[danger]\nplain_http")
        .replace("# connect_to", "connect_to")
        .replace("# allow_networks", "allow_networks");
    let error = load_text(&place, &uncommented).unwrap_err();
    assert!(error.to_string().contains("unused"), "{error}");
}

#[tokio::test]
async fn what_it_publishes_is_there_and_nothing_else() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, &plain()).unwrap();
    check(&config).unwrap();
    let router = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap().router();
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    let expected = json!({
        "issuer": "https://alice.example",
        "jwks_uri": "https://alice.example/jwks",
        "claims_endpoint": "https://alice.example/claims",
        "ticket_challenge_methods_supported": ["S256"],
    });
    for name in ["claims-provider-configuration", "uma-wide-ecosystem-claims-provider"] {
        assert_eq!(get(&format!("/.well-known/{name}")).await, (200, expected.clone()), "{name}");
    }
    let keys = get("/jwks").await.1["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 1, "it issues no ID tokens: {keys}");
    assert_eq!(keys[0]["alg"], "ES256");
    let kept = std::fs::read_dir(place.path().join("claims-keys")).unwrap().count();
    assert_eq!(kept, 1, "no other key is made, either");
    assert_eq!(get("/claims").await.0, 405);
    // It is no OpenID provider and no authorization server, and its domain's WebFinger names none.
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/webfinger?resource=acct:alice%40alice.example",
        "/token",
        "/scim/v2/Users",
    ] {
        assert_eq!(get(path).await.0, 404, "{path}");
    }
}

#[test]
fn errors_name_the_key() {
    let place = Directory::new().unwrap();
    let rows: &[(&str, &str, &str)] = &[
        ("issuer = \"https://alice.example\"", "issuer = \"https://alice.example/cp\"", "issuer"),
        ("issuer = \"https://alice.example\"", "issuer = \"https://alice.example:8443\"", "issuer"),
        (
            "issuer = \"https://sts.alice.example\"",
            "issuer = \"https://alice.example\"",
            "authn_server.issuer",
        ),
        (
            "verified_addresses = true",
            "verified_addresses = false",
            "user_query.verified_addresses",
        ),
        ("verified_addresses = true", "", "user_query.verified_addresses"),
        ("claims = [\"department\", \"groups\"]", "claims = [\"salary\"]", "claims"),
        ("claims = [\"department\", \"groups\"]", "claims = [\"email\"]", "claims"),
        ("claims_token = 120", "claims_token = 301", "lifetimes.claims_token"),
        (
            "claims_token_audiences = [\"*\"]",
            "claims_token_audiences = []",
            "clients[0].claims_token_audiences",
        ),
        ("\nid = \"night-agent\"", "\nid = \"rqp-client\"", "clients[1].id"),
        ("\nid = \"night-agent\"", "\nid = \"night-agent\"\npublic = true", "clients[1].people"),
        (
            "directory = \"claims-keys\"",
            "directory = \"claims-keys\"\nrs256 = { env = \"KEY\" }",
            "keys.rs256",
        ),
        ("directory = \"claims-keys\"", "", "keys"),
        ("\n[danger]", "\n[danger]\nmemory_store = true", "danger.memory_store"),
        ("\n[log]", "\n[store]\npath = \"a.db\"\n[log]", "store"),
        ("\n[log]", "\n[outbound]\nhost_only_clients = true\n[log]", "outbound.host_only_clients"),
        (
            "# jwks_uri",
            "jwks_uri = \"https://a.example/jwks\"\nkeys = \"a\" #",
            "authn_server.keys",
        ),
    ];
    for (from, to, key) in rows {
        let text = plain();
        assert!(text.contains(from), "{from}");
        let changed = text.replacen(from, to, 1);
        let error = load_text(&place, &changed).unwrap_err();
        assert_eq!(error.key, *key, "{error}");
    }
}
