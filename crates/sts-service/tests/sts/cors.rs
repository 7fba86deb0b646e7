//! Applications in browsers: what their scripts may call.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, ORIGIN,
};
use http::{Method, Request, StatusCode};

use crate::support::*;

#[tokio::test]
async fn scripts_call_what_clients_call_and_no_page() {
    let world = World::new();
    let app = "https://app.example";
    for path in ["/token", "/userinfo", "/revoke", "/claims"] {
        let asked = Request::builder().method(Method::OPTIONS).uri(path).header(ORIGIN, app);
        let asked = asked.header(ACCESS_CONTROL_REQUEST_METHOD, "POST").body(Body::empty());
        let answer = world.send(asked.unwrap()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.header(ACCESS_CONTROL_ALLOW_ORIGIN), "*", "{path}");
        for name in ["authorization", "content-type", "dpop"] {
            assert!(answer.header(ACCESS_CONTROL_ALLOW_HEADERS).contains(name), "{path}");
        }
        let form = Request::post(path).header(ORIGIN, app);
        let form = form.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = world.send(form.body(Body::empty()).unwrap()).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert_eq!(answer.header(ACCESS_CONTROL_ALLOW_ORIGIN), "*", "errors are read, too");
        assert_eq!(answer.header(ACCESS_CONTROL_EXPOSE_HEADERS), "www-authenticate");
        assert_eq!(answer.headers.get("access-control-allow-credentials"), None, "no cookies");
        // A page in a sandbox, or a file, says `null`: it is no more and no less than any other.
        let form = Request::post(path).header(ORIGIN, "null");
        let form = form.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = world.send(form.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header(ACCESS_CONTROL_ALLOW_ORIGIN), "*", "never `null` itself");
        assert_eq!(answer.headers.get("access-control-allow-credentials"), None, "no cookies");
        let plain = world.send(form_request(path, String::new())).await;
        assert_eq!(plain.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN), None, "nobody asked");
    }
    for path in ["/authorize", "/login", "/consent", "/logout", "/account", "/introspect"] {
        for method in [Method::OPTIONS, Method::GET, Method::POST] {
            let request = Request::builder().method(method).uri(path).header(ORIGIN, app);
            let request = request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
            let answer = world.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN), None, "{path}");
        }
    }
}
