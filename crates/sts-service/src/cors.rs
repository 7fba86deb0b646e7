//! Scripts of other origins at the endpoints that clients call by themselves. [Fetch §3.3]
//!
//! An application in a browser is a client like any other: it redeems its code, refreshes, asks for
//! the person's claims. Every origin may, because nothing that a browser sends on its own counts
//! here: no cookie is read, and the wildcard makes a browser keep cookies back. Pages for people
//! are for nobody's script.
//!
//! [Fetch §3.3]: https://fetch.spec.whatwg.org/#http-cors-protocol

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN,
};
use http::{HeaderValue, StatusCode};

/// What a script may send beside a form: credentials, the type of a body, the proof of a key.
const SENT: HeaderValue = HeaderValue::from_static("authorization, content-type, dpop");

/// What a script may read of an answer: why it was refused.
const READ: HeaderValue = HeaderValue::from_static("www-authenticate");

/// A browser asks again after so many seconds.
const ASKED: HeaderValue = HeaderValue::from_static("3600");

const EVERYBODY: HeaderValue = HeaderValue::from_static("*");

/// Lets scripts of every origin call what is behind this layer, and read its answers.
pub(crate) async fn allow(request: Request, next: Next) -> Response {
    let is_a_script = request.headers().contains_key(ORIGIN);
    let mut response = next.run(request).await;
    if is_a_script {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, EVERYBODY);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    }
    response
}

/// What a browser is told that asks before it sends what a form could not.
pub(crate) async fn preflight() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, SENT);
    headers.insert(ACCESS_CONTROL_MAX_AGE, ASKED);
    response
}

#[cfg(test)]
mod tests {
    use countersign_client_auth::dpop;

    use super::*;

    #[test]
    fn the_proof_of_a_key_may_be_sent() {
        assert!(SENT.to_str().unwrap().split(", ").any(|name| name == dpop::HEADER.as_str()));
    }
}
