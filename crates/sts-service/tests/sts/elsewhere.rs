//! Requests that no endpoint takes: programs get JSON, people a page, and nothing is stored.

use axum::body::Body;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{Request, StatusCode};

use crate::support::*;

async fn ask(world: &World, method: &str, path: &str, body: String) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    world.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_program_gets_json() {
    let world = World::new();
    let large = || format!("grant_type={}", "a".repeat(64 * 1024));
    for (method, path, body, status, allow) in [
        ("GET", "/", String::new(), StatusCode::NOT_FOUND, ""),
        ("POST", "/Token", String::new(), StatusCode::NOT_FOUND, ""),
        ("GET", "/token", String::new(), StatusCode::METHOD_NOT_ALLOWED, "POST,OPTIONS"),
        ("POST", "/jwks", String::new(), StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD"),
        ("POST", "/token", large(), StatusCode::PAYLOAD_TOO_LARGE, ""),
    ] {
        let answer = ask(&world, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.json()["error"], "invalid_request", "{method} {path}");
        assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{method} {path}");
        assert_eq!(answer.header(ALLOW), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn a_person_gets_a_page() {
    let world = World::new();
    let large = || format!("client_id={}", "a".repeat(64 * 1024));
    for (method, path, body, status, allow) in [
        ("PUT", "/authorize", String::new(), StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD,POST"),
        ("GET", "/login", String::new(), StatusCode::METHOD_NOT_ALLOWED, "POST"),
        ("POST", "/authorize", large(), StatusCode::PAYLOAD_TOO_LARGE, ""),
        ("POST", "/login", large(), StatusCode::PAYLOAD_TOO_LARGE, ""),
    ] {
        let answer = ask(&world, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header(CONTENT_TYPE), "text/html; charset=utf-8", "{method} {path}");
        assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{method} {path}");
        assert!(answer.header(CONTENT_SECURITY_POLICY).contains("default-src 'none'"));
        assert_eq!(answer.header(ALLOW), allow, "{method} {path}");
    }
}
