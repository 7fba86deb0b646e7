//! What a client sends, and what it is answered.

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;

use super::{CALLBACK, CODE_CHALLENGE, SECRET, VERIFIER};

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The error code of a JSON answer and its status.
    pub(crate) fn error(&self) -> (u16, String) {
        let code = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), code)
    }

    /// A query parameter of the `Location`.
    pub(crate) fn location(&self, name: &str) -> Option<String> {
        let location = url::Url::parse(self.header(header::LOCATION)).ok()?;
        let found = location.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    }
}

pub(crate) fn redemption(code: &str) -> [(&str, &str); 6] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ]
}

/// A good authorization request, changed; an empty value takes a parameter away.
pub(crate) fn authorization(change: &[(&str, &str)]) -> String {
    let good = [
        ("response_type", "code"),
        ("client_id", "rqp-client"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email claims-provider"),
        ("state", "s&t"),
        ("nonce", "n"),
        ("code_challenge", CODE_CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    changed(&good, change)
}

pub(crate) fn changed(good: &[(&str, &str)], change: &[(&str, &str)]) -> String {
    let kept = good.iter().filter(|(name, _)| !change.iter().any(|(other, _)| other == name));
    let fields = kept.chain(change.iter().filter(|(_, value)| !value.is_empty()));
    encoded(&fields.copied().collect::<Vec<_>>())
}

pub(crate) fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub(super) fn form(path: &str) -> http::request::Builder {
    Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

pub(crate) fn form_request(path: &str, body: String) -> Request<Body> {
    form(path).body(Body::from(body)).unwrap()
}

pub(crate) fn hidden(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}
