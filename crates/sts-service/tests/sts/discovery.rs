//! Metadata, keys and WebFinger: what is said is there, and may be read from anywhere.

use axum::body::Body;
use countersign_jwt::Algorithm;
use countersign_metadata::ServerMetadata;
use countersign_types::Issuer;
use http::Request;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, LOCATION,
};
use serde_json::{Value, json};

use crate::support::*;

const DOCUMENTS: [&str; 2] =
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

#[tokio::test]
async fn the_metadata_is_complete_and_says_what_is_there() {
    let world = World::new();
    let document = world.get(DOCUMENTS[0]).await;
    let issuer = Issuer::parse(STS).unwrap();
    assert!(ServerMetadata::parse(document.text.as_bytes(), &issuer).is_ok());
    let metadata = document.json();
    for (name, value) in [
        ("issuer", json!(STS)),
        ("authorization_endpoint", json!(format!("{STS}/authorize"))),
        ("token_endpoint", json!(format!("{STS}/token"))),
        ("jwks_uri", json!(format!("{STS}/jwks"))),
        ("response_types_supported", json!(["code"])),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["RS256", "ES256"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("ticket_challenge_methods_supported", json!(["S256"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
        (
            "grant_types_supported",
            json!(["authorization_code", "refresh_token", "client_credentials", EXCHANGE]),
        ),
    ] {
        assert_eq!(metadata[name], value, "{name}");
    }
    for (name, path) in
        [("userinfo", "userinfo"), ("introspection", "introspect"), ("revocation", "revoke")]
    {
        assert_eq!(metadata[format!("{name}_endpoint")], format!("{STS}/{path}"), "{name}");
    }
    let methods = &metadata["introspection_endpoint_auth_methods_supported"];
    assert_eq!(methods, &json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]));
    assert_eq!(metadata["end_session_endpoint"], format!("{STS}/logout"));
    for name in [
        "registration_endpoint",
        "check_session_iframe",
        "permission_endpoint",
        "resource_registration_endpoint",
        "claims_interaction_endpoint",
        "uma_profiles_supported",
    ] {
        assert_eq!(metadata.get(name), None, "{name}");
    }
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    assert!(!metadata.as_object().unwrap().values().any(empty), "no empty arrays");
    assert_eq!(world.get(DOCUMENTS[1]).await.json(), metadata, "one truth");

    // What the metadata names answers.
    let named = metadata.as_object().unwrap().iter();
    let named = named.filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    let mut asked = 0;
    for (name, url) in named {
        let path = url.as_str().unwrap().strip_prefix(STS).unwrap();
        for answer in [world.get(path).await, world.post(path, &[]).await] {
            assert_ne!(answer.status.as_u16(), 404, "{name}");
            assert!(!answer.status.is_server_error(), "{name}");
        }
        asked += 1;
    }
    assert_eq!(asked, 8);
}

/// every member that there is, so that none is added or changed by the way.
#[tokio::test]
async fn x_2_the_metadata_is_this_and_nothing_else() {
    let world = World::new();
    let metadata = world.get(DOCUMENTS[0]).await.json();
    let under = |path: &str| format!("{STS}/{path}");
    let proofs = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let methods = [&["none"], &proofs[..]].concat();
    let algorithms = Algorithm::ALL.iter().map(|it| it.name()).collect::<Vec<_>>();
    let expected = json!({
        "issuer": STS,
        "authorization_endpoint": under("authorize"),
        "token_endpoint": under("token"),
        "userinfo_endpoint": under("userinfo"),
        "jwks_uri": under("jwks"),
        "introspection_endpoint": under("introspect"),
        "revocation_endpoint": under("revoke"),
        "end_session_endpoint": under("logout"),
        "claims_endpoint": under("claims"),
        "scopes_supported":
            ["claims-provider", "email", "get", "offline_access", "openid", "profile"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported":
            ["authorization_code", "refresh_token", "client_credentials", EXCHANGE],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": proofs,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": ["ES256", "ES384", "Ed25519", "PS256", "RS256"],
        "code_challenge_methods_supported": ["S256"],
        "ticket_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": true,
        "request_uri_parameter_supported": false,
        "acr_values_supported":
            ["urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"],
        "ui_locales_supported": ["en", "de"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid",
            "email", "email_verified", "name", "preferred_username",
        ],
    });
    assert_eq!(metadata, expected);
    let listed = metadata["scopes_supported"].as_array().unwrap();
    for scopes in world.scopes_of_clients() {
        assert!(scopes.iter().all(|scope| listed.contains(&json!(scope))), "{scopes} {listed:?}");
    }
}

#[tokio::test]
async fn the_key_set_has_no_private_member() {
    let world = World::new();
    let keys = world.get("/jwks").await.json();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        for member in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert_eq!(key.get(member), None, "{member}");
        }
        assert!(key["kid"].is_string() && key["alg"].is_string());
    }
}

#[tokio::test]
async fn webfinger_speaks_for_its_domains() {
    let world = World::new();
    let ask = async |resource: &str| {
        world.get(&format!("/.well-known/webfinger?resource={resource}")).await
    };
    let answer = ask("acct%3Aalice%40alice.example").await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.header(CONTENT_TYPE), "application/jrd+json");
    assert_eq!(answer.json()["links"][0]["href"], STS);
    let nobody = ask("acct%3Anobody%40alice.example").await;
    assert_eq!(nobody.json()["links"], answer.json()["links"], "no oracle for accounts");
    assert_eq!(ask("acct%3Abob%40bob.example").await.status.as_u16(), 404);
    assert_eq!(ask("acct%3Aalice%40x.alice.example").await.status.as_u16(), 404);
    assert_eq!(ask("").await.status.as_u16(), 400);
    assert_eq!(world.get("/.well-known/webfinger").await.status.as_u16(), 400);
}

#[tokio::test]
async fn only_public_documents_may_be_read_from_other_origins() {
    let world = World::new();
    for path in [DOCUMENTS[0], DOCUMENTS[1], "/jwks", "/.well-known/webfinger"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header(ACCESS_CONTROL_ALLOW_ORIGIN), "*", "{path}");
        assert_eq!(answer.header(ACCESS_CONTROL_ALLOW_CREDENTIALS), "", "{path}");
    }
    let page = world.get(&format!("/authorize?{}", authorization(&[]))).await;
    assert_eq!(page.header(ACCESS_CONTROL_ALLOW_ORIGIN), "");
    let token = world.token(&[]).await;
    assert_eq!(token.header(ACCESS_CONTROL_ALLOW_ORIGIN), "");
}

#[tokio::test]
async fn an_issuer_with_a_path_is_found_at_the_right_places_only() {
    let mut policy = server_policy();
    policy.issuer = Issuer::parse("https://id.example/tenant").unwrap();
    let world = World::with(policy);
    for (path, found) in [
        ("/tenant/.well-known/openid-configuration", true),
        ("/.well-known/oauth-authorization-server/tenant", true),
        ("/tenant/jwks", true),
        ("/.well-known/openid-configuration", false),
        ("/tenant/.well-known/oauth-authorization-server", false),
        ("/jwks", false),
    ] {
        assert_eq!(world.get(path).await.status.as_u16() == 200, found, "{path}");
    }
    let mut policy = server_policy();
    policy.issuer = Issuer::parse("https://id.example/:tenant").unwrap();
    assert_eq!(World::with(policy).get("/:tenant/jwks").await.status.as_u16(), 200);
}

#[tokio::test]
async fn what_a_request_says_about_its_host_changes_nothing() {
    let world = World::new();
    let page = format!("/authorize?{}", authorization(&[("prompt", "none")]));
    for path in [DOCUMENTS[0], DOCUMENTS[1], "/jwks", page.as_str()] {
        let plain = world.get(path).await;
        let request = Request::get(path)
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "http")
            .header("forwarded", "host=evil.example;proto=http");
        let poisoned = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(poisoned.status, plain.status, "{path}");
        assert_eq!(poisoned.text, plain.text, "{path}");
        assert_eq!(poisoned.header(LOCATION), plain.header(LOCATION), "{path}");
    }
}
