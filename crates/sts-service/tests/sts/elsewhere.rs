//! Requests that no endpoint takes: programs get JSON, people a page, and nothing is stored.

use axum::body::Body;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{Request, StatusCode};

use crate::browser::Browser;
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
        ("GET", "/scim/v2/Users/%ff", String::new(), StatusCode::NOT_FOUND, ""),
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
        ("PUT", "/authorize", String::new(), StatusCode::METHOD_NOT_ALLOWED, "GET,POST"),
        ("PUT", "/logout", String::new(), StatusCode::METHOD_NOT_ALLOWED, "GET,POST"),
        ("PUT", "/account", String::new(), StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD,POST"),
        ("GET", "/login", String::new(), StatusCode::METHOD_NOT_ALLOWED, "POST"),
        ("GET", "/login/callback/nobody", String::new(), StatusCode::NOT_FOUND, ""),
        ("GET", "/login/callback/%ff", String::new(), StatusCode::NOT_FOUND, ""),
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

/// H7: a link gives a client its code, and one with an ID token signs out, as the specifications
/// want it. Nothing else does that, whatever a header says that it is.
#[tokio::test]
async fn h7_what_get_does_nothing_else_does() {
    let world = World::new();
    let browser = Browser::new(&world);
    let answer = browser.sign_in("alice", &[]).await;
    let tokens = world.redeem(&answer.location("code").unwrap()).await.json();
    let logout = format!("/logout?id_token_hint={}", tokens["id_token"].as_str().unwrap());
    let authorize = format!("/authorize?{}", authorization(&[]));
    for path in [&logout, &authorize] {
        let head = browser.send(Request::head(path), String::new()).await;
        assert_eq!(head.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(head.header(ALLOW), "GET,POST", "{path}");
        assert_eq!(head.header(CACHE_CONTROL), "no-store", "{path}");
        for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
            for method in ["HEAD", "POST", "PUT", "DELETE"] {
                let named = Request::builder().method(method).uri(path).header(name, "GET");
                let answer = browser.send(named, String::new()).await;
                assert!(answer.status.is_client_error(), "{method} {path}");
                assert_eq!(answer.header(LOCATION), "", "{method} {path}");
            }
        }
    }
    // A session there is, and a link remains one.
    for (path, named) in [(&authorize, "POST"), (&logout, "HEAD")] {
        let link = Request::get(path).header("x-http-method-override", named);
        let answer = browser.send(link, String::new()).await;
        let signed_out = answer.text.contains("You are signed out");
        assert!(answer.location("code").is_some() || signed_out, "{path}: {}", answer.text);
    }
    assert!(browser.authorize(&[("prompt", "none")]).await.location("code").is_none());
}
