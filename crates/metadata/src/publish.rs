//! How a document is published: everybody may read it, keep it for a while, and take it for nothing
//! but what it says it is.

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// The response with a public document as JSON. It is the same for everyone, so a page of any
/// origin may read it; it may be kept for five minutes, and its type is not to be guessed.
#[must_use]
pub fn response<T: Serialize + ?Sized>(document: &T) -> Response<Vec<u8>> {
    with_type("application/json", document)
}

/// As [`response`], with the media type of the document.
pub(crate) fn with_type<T: Serialize + ?Sized>(
    media_type: &'static str,
    document: &T,
) -> Response<Vec<u8>> {
    let Ok(body) = serde_json::to_vec(document) else {
        let mut response = Response::new(Vec::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_may_read_it_and_keep_it() {
        let response = response(&serde_json::json!({ "issuer": "https://as.example" }));
        assert_eq!(response.status(), 200);
        let header = |name| response.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(header("cache-control"), "public, max-age=300");
        assert_eq!(header("access-control-allow-origin"), "*");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(response.body(), br#"{"issuer":"https://as.example"}"#);
    }
}
