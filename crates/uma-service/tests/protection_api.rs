//! The protection API: PATs, resource registration, permission requests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use axum::body::Body;
use countersign_store::MemoryEngine;
use countersign_uma_service::Limits;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use serde_json::json;
use support::{World, refused, rpt};

const RESOURCE: &str = r#"{"resource_scopes":["get","put"],"name":"RS API"}"#;

#[tokio::test]
async fn register_read_replace_list_delete() {
    let world = World::new();
    let pat = world.pat("rs").await;
    let created = world.protect(Method::POST, "/resources", &pat, RESOURCE).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("cache-control"), "no-store");
    let id = created.json()["_id"].as_str().unwrap().to_owned();
    assert_eq!(created.header("location"), format!("https://uma.bob.example/resources/{id}"));
    let path = format!("/resources/{id}");

    let read = world.protect(Method::GET, &path, &pat, "").await;
    assert_eq!(read.status, 200);
    let expected = json!({"_id": id, "resource_scopes": ["get", "put"], "name": "RS API"});
    assert_eq!(read.json(), expected);

    let body = r#"{"resource_scopes":["get"],"name":"renamed"}"#;
    let replaced = world.protect(Method::PUT, &path, &pat, body).await;
    assert_eq!((replaced.status.as_u16(), replaced.json()), (200, json!({"_id": id})));
    let read = world.protect(Method::GET, &path, &pat, "").await;
    assert_eq!(read.json()["name"], "renamed");

    let list = world.protect(Method::GET, "/resources", &pat, "").await;
    assert_eq!((list.status.as_u16(), list.json()), (200, json!([id])));

    let deleted = world.protect(Method::DELETE, &path, &pat, "").await;
    assert_eq!((deleted.status.as_u16(), &*deleted.text), (204, ""));
    refused(&world.protect(Method::GET, &path, &pat, "").await, 404, "not_found");
    let list = world.protect(Method::GET, "/resources", &pat, "").await;
    assert_eq!(list.json(), json!([]));
}

/// Every endpoint of the protection API, with a request that a PAT would be good for.
const DOORS: [(Method, &str, &str); 11] = [
    (Method::GET, "/resources", ""),
    (Method::POST, "/resources", RESOURCE),
    (Method::GET, "/resources/x", ""),
    (Method::PUT, "/resources/x", RESOURCE),
    (Method::DELETE, "/resources/x", ""),
    // No resource is called that, which is nobody's business without a PAT.
    (Method::GET, "/resources/%ff", ""),
    (Method::GET, "/resources/a.b", ""),
    (Method::PUT, "/resources/%ff", RESOURCE),
    (Method::DELETE, "/resources/%ff", ""),
    (Method::POST, "/permission", r#"{"resource_id":"x","resource_scopes":[]}"#),
    (Method::POST, "/introspect", "token=x"),
];

/// RFC 6749 §4.4: the grant is for clients that authenticate.
#[tokio::test]
async fn a_resource_server_that_only_names_itself_gets_no_pat() {
    let world = World::new();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "public-rs"),
        ("scope", "uma_protection"),
    ];
    refused(&world.form("/token", "", &form).await, 400, "unauthorized_client");
}

#[tokio::test]
async fn no_door_opens_without_a_pat() {
    let world = World::new();
    for (method, path, body) in DOORS {
        let answer = world.protect(method.clone(), path, "", body).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "no error code, {method} {path}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.text, "");

        let answer = world.protect(method.clone(), path, "unknown", body).await;
        refused(&answer, 401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");

        let in_the_query = format!("{path}?access_token={}", world.pat("rs").await);
        let answer = world.protect(method.clone(), &in_the_query, "", body).await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn an_expired_pat_and_two_of_them() {
    let world = World::new();
    let pat = world.pat("rs").await;
    let request = Request::get("/resources")
        .header(AUTHORIZATION, format!("Bearer {pat}"))
        .header(AUTHORIZATION, "Bearer other")
        .body(Body::empty())
        .unwrap();
    refused(&world.send(request).await, 400, "invalid_request");
    let basic = Request::get("/resources").header(AUTHORIZATION, "Basic cnM6cnM=");
    let answer = world.send(basic.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer"));

    world.advance(599);
    assert_eq!(world.protect(Method::GET, "/resources", &pat, "").await.status, 200);
    world.advance(1);
    let answer = world.protect(Method::GET, "/resources", &pat, "").await;
    refused(&answer, 401, "invalid_token");
}

#[tokio::test]
async fn an_ordinary_token_opens_no_door() {
    let world = World::new();
    let ticket = world.ticket().await;
    let token = rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
    for (method, path, body) in DOORS {
        let answer = world.protect(method.clone(), path, &token, body).await;
        refused(&answer, 403, "insufficient_scope");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer error=\"insufficient_scope\", scope=\"uma_protection\"",
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_pat_is_for_resource_servers_and_by_its_scope() {
    let world = World::new();
    let form = |client: &'static str, secret: &'static str, scope: &'static str| {
        [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret),
            ("scope", scope),
        ]
    };
    for (client, secret, scope, status, code) in [
        ("rs", "rs", "", 400, "invalid_scope"),
        ("rs", "rs", "get", 400, "invalid_scope"),
        ("rs", "wrong", "uma_protection", 401, "invalid_client"),
        ("nobody", "rs", "uma_protection", 401, "invalid_client"),
        ("app", "app", "uma_protection", 400, "unauthorized_client"),
    ] {
        let answer = world.form("/token", "", &form(client, secret, scope)).await;
        refused(&answer, status, code);
    }
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "public"),
        ("scope", "uma_protection"),
    ];
    refused(&world.form("/token", "", &form).await, 400, "unauthorized_client");
}

#[tokio::test]
async fn what_is_anothers_is_unknown() {
    let world = World::new();
    let bobs = world.pat("rs").await;
    let id = world.register(&bobs).await;
    let path = format!("/resources/{id}");
    // Another owner's resource server, and another resource server of the same owner.
    for other in ["rs2", "rs3"] {
        let pat = world.pat(other).await;
        let list = world.protect(Method::GET, "/resources", &pat, "").await;
        assert_eq!(list.json(), json!([]));
        for (method, body) in [(Method::GET, ""), (Method::PUT, RESOURCE), (Method::DELETE, "")] {
            let foreign = world.protect(method.clone(), &path, &pat, body).await;
            refused(&foreign, 404, "not_found");
            let unknown = world.protect(method, "/resources/AAAA", &pat, body).await;
            assert_eq!(foreign.text, unknown.text);
        }
        let own = world.register(&pat).await;
        for body in [
            json!({"resource_id": id, "resource_scopes": ["get"]}),
            json!([{"resource_id": own, "resource_scopes": ["get"]},
                   {"resource_id": id, "resource_scopes": ["get"]}]),
        ] {
            let body = body.to_string();
            let answer = world.protect(Method::POST, "/permission", &pat, &body).await;
            refused(&answer, 400, "invalid_resource_id");
        }
    }
    assert_eq!(world.protect(Method::GET, &path, &bobs, "").await.status, 200);
    for odd in [
        "/resources/a%2Fb",
        "/resources/..%2f",
        "/resources/%00",
        "/resources/%ff",
        "/resources/a.b",
    ] {
        refused(&world.protect(Method::GET, odd, &bobs, "").await, 404, "not_found");
    }
}

#[tokio::test]
async fn other_methods() {
    let world = World::new();
    let pat = world.pat("rs").await;
    let table = [
        (Method::PATCH, "/resources", "GET, HEAD, POST", "unsupported_method_type"),
        (Method::PUT, "/resources", "GET, HEAD, POST", "unsupported_method_type"),
        (Method::DELETE, "/resources", "GET, HEAD, POST", "unsupported_method_type"),
        (Method::OPTIONS, "/resources", "GET, HEAD, POST", "unsupported_method_type"),
        (Method::PATCH, "/resources/x", "GET, HEAD, PUT, DELETE", "unsupported_method_type"),
        (Method::POST, "/resources/x", "GET, HEAD, PUT, DELETE", "unsupported_method_type"),
        (Method::GET, "/permission", "POST", "invalid_request"),
        (Method::PUT, "/permission", "POST", "invalid_request"),
        (Method::OPTIONS, "/permission", "POST", "invalid_request"),
        (Method::GET, "/introspect", "POST", "invalid_request"),
        (Method::GET, "/token", "POST", "invalid_request"),
        (Method::OPTIONS, "/token", "POST", "invalid_request"),
        (Method::POST, "/.well-known/uma2-configuration", "GET, HEAD", "invalid_request"),
    ];
    for (method, path, allow, code) in table {
        let answer = world.protect(method.clone(), path, &pat, "").await;
        refused(&answer, 405, code);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert_eq!(answer.headers.get_all("allow").iter().count(), 1);
    }
    let answer = world.protect(Method::HEAD, "/token", &pat, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_path_that_is_no_endpoints() {
    let world = World::new();
    let pat = world.pat("rs").await;
    for method in [Method::GET, Method::POST, Method::PATCH] {
        for path in ["/", "/resources/", "/resources/a/b", "/Token", "/token/", "/.well-known/x"] {
            let answer = world.protect(method.clone(), path, &pat, "").await;
            refused(&answer, 404, "not_found");
        }
    }
}

#[tokio::test]
async fn malformed_bodies() {
    let world = World::new();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let one = format!("/resources/{id}");
    let not_utf8 = "{\"resource_scopes\":[\"\u{fffd}\"]}";
    for (method, path, body) in [
        (Method::POST, "/resources", "{}"),
        (Method::POST, "/resources", "{"),
        (Method::POST, "/resources", r#"{"name":"no scopes"}"#),
        (Method::POST, "/resources", r#"{"resource_scopes":"get"}"#),
        (Method::POST, "/resources", not_utf8),
        (Method::PUT, &*one, r#"{"name":"no scopes"}"#),
        (Method::POST, "/permission", "[]"),
        (Method::POST, "/permission", "null"),
        (Method::POST, "/permission", r#"{"resource_id":"x"}"#),
    ] {
        let answer = world.protect(method, path, &pat, body).await;
        refused(&answer, 400, "invalid_request");
    }
    for (path, content_type, status) in [
        ("/resources", Some("application/x-www-form-urlencoded"), 415),
        ("/resources", Some("text/plain"), 415),
        ("/resources", None, 415),
        ("/permission", Some("application/json-patch+json"), 415),
        ("/introspect", Some("application/json"), 400),
        ("/introspect", Some("multipart/form-data; boundary=x"), 400),
        ("/introspect", None, 400),
    ] {
        let mut request = Request::post(path).header(AUTHORIZATION, format!("Bearer {pat}"));
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let answer = world.send(request.body(Body::from(RESOURCE)).unwrap()).await;
        refused(&answer, status, "invalid_request");
    }
    let long = format!(r#"{{"resource_scopes":[],"name":"{}"}}"#, "x".repeat(65_536));
    let answer = world.protect(Method::POST, "/resources", &pat, &long).await;
    refused(&answer, 413, "invalid_request");
}

#[tokio::test]
async fn permission_requests() {
    let world = World::new();
    let pat = world.pat("rs").await;
    let (a, b) = (world.register(&pat).await, world.register(&pat).await);
    for body in [
        json!({"resource_id": a, "resource_scopes": ["get"]}),
        json!([{"resource_id": a, "resource_scopes": ["get"]},
               {"resource_id": b, "resource_scopes": ["get", "put"]}]),
    ] {
        let answer = world.protect(Method::POST, "/permission", &pat, &body.to_string()).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.json()["ticket"].as_str().unwrap().len(), 43);
        assert_eq!(answer.json().as_object().unwrap().len(), 1);
    }
    for (body, code) in [
        (json!({"resource_id": "AAAA", "resource_scopes": ["get"]}), "invalid_resource_id"),
        (json!({"resource_id": a, "resource_scopes": ["delete"]}), "invalid_scope"),
        (
            json!([{"resource_id": a, "resource_scopes": ["get"]},
                   {"resource_id": b, "resource_scopes": ["delete"]}]),
            "invalid_scope",
        ),
    ] {
        let answer = world.protect(Method::POST, "/permission", &pat, &body.to_string()).await;
        refused(&answer, 400, code);
    }
}

#[tokio::test]
async fn a_resource_server_has_its_share_and_no_more() {
    let mut limits = Limits::default();
    (limits.resources, limits.tickets, limits.pats) = (2, 3, 2);
    let world = World::on(Arc::new(MemoryEngine::new()), limits);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let second = world.register(&pat).await;
    let answer = world.protect(Method::POST, "/resources", &pat, RESOURCE).await;
    refused(&answer, 400, "invalid_request");
    let more = world.register(&world.pat("rs3").await).await;
    let path = format!("/resources/{more}");
    assert_eq!(world.protect(Method::DELETE, &path, &pat, "").await.status, 404);
    let deleted = world.protect(Method::DELETE, &format!("/resources/{second}"), &pat, "").await;
    assert_eq!(deleted.status, 204);
    world.register(&pat).await;

    for _ in 0..3 {
        world.ticket_for(&pat, &id).await;
    }
    let body = json!({"resource_id": id, "resource_scopes": ["get"]}).to_string();
    let answer = world.protect(Method::POST, "/permission", &pat, &body).await;
    refused(&answer, 429, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "300");
    world.advance(300);
    world.ticket_for(&pat, &id).await;

    world.pat("rs").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "rs"),
        ("client_secret", "rs"),
        ("scope", "uma_protection"),
    ];
    refused(&world.form("/token", "", &form).await, 429, "temporarily_unavailable");
    world.pat("rs2").await;
}

#[tokio::test]
async fn metadata_says_what_is_there() {
    let world = World::new();
    let mut documents = Vec::new();
    for path in ["/.well-known/uma2-configuration", "/.well-known/oauth-authorization-server"] {
        let answer = world.protect(Method::GET, path, "", "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        documents.push(answer.json());
    }
    assert_eq!(documents[0], documents[1]);
    assert_eq!(
        documents[0],
        json!({
            "issuer": "https://uma.bob.example",
            "token_endpoint": "https://uma.bob.example/token",
            "introspection_endpoint": "https://uma.bob.example/introspect",
            "revocation_endpoint": "https://uma.bob.example/revoke",
            "revocation_endpoint_auth_methods_supported":
                ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            "revocation_endpoint_auth_signing_alg_values_supported":
                ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                 "Ed25519"],
            "permission_endpoint": "https://uma.bob.example/permission",
            "resource_registration_endpoint": "https://uma.bob.example/resources",
            "scopes_supported": ["uma_protection"],
            "grant_types_supported":
                ["urn:ietf:params:oauth:grant-type:uma-ticket", "client_credentials"],
            "token_endpoint_auth_methods_supported":
                ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported":
                ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                 "Ed25519"],
            "ticket_challenge_methods_supported": ["S256"],
        })
    );
}
