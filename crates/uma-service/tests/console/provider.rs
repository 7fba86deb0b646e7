//! Bob's OpenID provider, which says what a test makes it say.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_types::Params;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde_json::{Value, json};
use url::Url;

use super::support::encode;

pub(crate) const IDP: &str = "https://idp.bob.example";

pub(crate) struct Provider {
    key: SigningKey,
    /// The claims of the ID token that a code stands for.
    codes: Mutex<HashMap<String, Value>>,
    pub(crate) is_down: Mutex<bool>,
    /// Whether one can sign out there.
    pub(crate) signs_out: Mutex<bool>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Es256, Some("idp")).unwrap();
        Self {
            key,
            codes: Mutex::default(),
            is_down: Mutex::default(),
            signs_out: Mutex::default(),
        }
    }

    /// Lets somebody in who was sent here by this URL: the query that the browser is sent back
    /// with. What `more` says goes into the ID token, or takes the place of what is there.
    pub(crate) fn lets_in(&self, request: &Url, sub: &str, more: Value, now: i64) -> String {
        let asked = |name: &str| {
            let mut pairs = request.query_pairs();
            pairs.find(|(known, _)| known == name).unwrap().1.into_owned()
        };
        let mut claims = json!({
            "iss": IDP, "sub": sub, "aud": asked("client_id"), "nonce": asked("nonce"),
            "iat": now, "exp": now + 300,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let mut codes = self.codes.lock().unwrap();
        let code = format!("code-{}", codes.len());
        codes.insert(code.clone(), claims);
        encode(&[("code", &code), ("state", &asked("state")), ("iss", IDP)])
    }

    fn reply(&self, request: &Request) -> (u16, Value) {
        match request.url.as_url().path() {
            "/.well-known/openid-configuration" => {
                let mut document = json!({
                    "issuer": IDP,
                    "authorization_endpoint": format!("{IDP}/authorize"),
                    "token_endpoint": format!("{IDP}/token"),
                    "jwks_uri": format!("{IDP}/jwks"),
                    "authorization_response_iss_parameter_supported": true,
                });
                if *self.signs_out.lock().unwrap() {
                    document["end_session_endpoint"] = json!(format!("{IDP}/logout?tenant=bob"));
                }
                (200, document)
            }
            "/jwks" => (200, json!({ "keys": [self.key.public().to_jwk()] })),
            "/token" => {
                let params = Params::parse(&request.body, &[]).unwrap();
                let code = params.get("code").unwrap_or_default();
                match self.codes.lock().unwrap().remove(code) {
                    Some(claims) => {
                        let token = sign("JWT", &self.key, &claims).unwrap();
                        let answer = json!({
                            "access_token": "a", "token_type": "Bearer", "id_token": token,
                        });
                        (200, answer)
                    }
                    None => (400, json!({ "error": "invalid_grant" })),
                }
            }
            _ => (404, Value::Null),
        }
    }
}

impl Fetch for Provider {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        assert_eq!(request.url.as_url().host_str(), Some("idp.bob.example"));
        Box::pin(async move {
            if *self.is_down.lock().unwrap() {
                return Err(FetchError::Timeout);
            }
            let (status, body) = self.reply(&request);
            let mut response = Response::new(Bytes::from(body.to_string()));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            Ok(response)
        })
    }
}
