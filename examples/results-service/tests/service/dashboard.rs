//! The files of the dashboard. What they do, a browser shows (`tests/interop`).

use std::fs;

use countersign::types::Issuer;
use countersign_example_results_service::dashboard;
use http::Request;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use tower::ServiceExt as _;

use crate::world::*;

fn router(folder: &std::path::Path) -> axum::Router {
    let library = folder.join("oauth4webapi/build");
    fs::create_dir_all(&library).unwrap();
    fs::write(library.join("index.js"), "export const library = true;").unwrap();
    dashboard::router(folder, &Issuer::parse(IDP).unwrap()).unwrap()
}

/// Scripts of this origin, requests here and to the provider, and nothing else.
#[tokio::test]
async fn the_page_may_do_what_it_does_and_nothing_else() {
    let folder = countersign_testkit::Directory::new().unwrap();
    let router = router(folder.path());
    for (path, kind) in [
        ("/", "text/html"),
        ("/callback?code=x&state=y", "text/html"),
        ("/app.js", "text/javascript"),
        ("/oauth4webapi.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        let headers = response.headers();
        assert!(headers[CONTENT_TYPE].to_str().unwrap().starts_with(kind), "{path}");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(policy.contains("connect-src 'self' https://idp.university.example;"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
    let request = Request::get("/index.js").body(axum::body::Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status().as_u16(), 404);
}

#[test]
fn a_library_that_is_not_installed_is_named() {
    let folder = countersign_testkit::Directory::new().unwrap();
    let missing = dashboard::router(folder.path(), &Issuer::parse(IDP).unwrap());
    assert!(missing.err().unwrap().to_string().contains("oauth4webapi/build/index.js"));
}
