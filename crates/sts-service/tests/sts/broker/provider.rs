//! Another OpenID provider, which says what a test makes it say.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_types::Params;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::support::{NOW, encoded};

/// What comes instead of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Status(u16),
    Silent,
}

/// Providers by their hosts.
pub(crate) struct Provider {
    key: Mutex<SigningKey>,
    /// The claims of the ID token that a code stands for, or the text of a token.
    codes: Mutex<HashMap<String, Value>>,
    pub(crate) user_info: Mutex<Value>,
    pub(crate) trouble: Mutex<HashMap<&'static str, Trouble>>,
    asked: Mutex<Vec<String>>,
    /// The last token request.
    pub(crate) redeemed: Mutex<Option<(Params, bool)>>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self {
            key: Mutex::new(SigningKey::generate(Algorithm::Es256, Some("first")).unwrap()),
            codes: Mutex::default(),
            user_info: Mutex::new(Value::Null),
            trouble: Mutex::default(),
            asked: Mutex::default(),
            redeemed: Mutex::default(),
        }
    }

    /// Signs with another key from now on.
    pub(crate) fn rotate(&self) {
        *self.key.lock().unwrap() = SigningKey::generate(Algorithm::Es256, Some("second")).unwrap();
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        sign("JWT", &*self.key.lock().unwrap(), claims).unwrap()
    }

    pub(crate) fn fails(&self, path: &'static str, trouble: Trouble) {
        self.trouble.lock().unwrap().insert(path, trouble);
    }

    pub(crate) fn recovers(&self) {
        self.trouble.lock().unwrap().clear();
    }

    /// How often a path was asked for since the last time.
    pub(crate) fn count(&self, path: &str) -> usize {
        std::mem::take(&mut *self.asked.lock().unwrap()).iter().filter(|it| *it == path).count()
    }

    /// The claims of a good ID token for a request.
    pub(crate) fn claims(request: &Url, sub: &str) -> Value {
        let asked = |name: &str| {
            let mut pairs = request.query_pairs();
            pairs.find(|(known, _)| known == name).unwrap().1.into_owned()
        };
        json!({
            "iss": issuer(request), "sub": sub, "aud": asked("client_id"), "nonce": asked("nonce"),
            "iat": NOW, "exp": NOW + 300,
        })
    }

    /// Lets somebody sign in: the query that the browser is sent back with.
    pub(crate) fn lets_in(&self, request: &Url, token: Value) -> String {
        let mut codes = self.codes.lock().unwrap();
        let code = format!("code-{}", codes.len());
        codes.insert(code.clone(), token);
        answer(request, &[("code", &code)])
    }

    fn reply(&self, request: &Request) -> (u16, Value) {
        let host = format!("https://{}", request.url.as_url().host_str().unwrap());
        match request.url.as_url().path() {
            "/.well-known/openid-configuration" => {
                let document = json!({
                    "issuer": host,
                    "authorization_endpoint": format!("{host}/authorize"),
                    "token_endpoint": format!("{host}/token"),
                    "userinfo_endpoint": format!("{host}/userinfo"),
                    "jwks_uri": format!("{host}/jwks"),
                    "authorization_response_iss_parameter_supported": true,
                });
                (200, document)
            }
            "/jwks" => (200, json!({ "keys": [self.key.lock().unwrap().public().to_jwk()] })),
            "/userinfo" => (200, self.user_info.lock().unwrap().clone()),
            "/token" => {
                let params = Params::parse(&request.body, &[]).unwrap();
                let code = params.get("code").unwrap_or_default().to_owned();
                let has_header = request.headers.contains_key(AUTHORIZATION);
                *self.redeemed.lock().unwrap() = Some((params, has_header));
                match self.codes.lock().unwrap().get(&code) {
                    Some(Value::String(token)) => (200, tokens(token)),
                    Some(claims) => (200, tokens(&self.sign(claims))),
                    None => (400, json!({ "error": "invalid_grant" })),
                }
            }
            _ => (404, Value::Null),
        }
    }
}

fn tokens(id_token: &str) -> Value {
    json!({ "access_token": "canary-access-token", "token_type": "Bearer", "id_token": id_token })
}

pub(crate) fn issuer(request: &Url) -> String {
    request.origin().ascii_serialization()
}

/// A query that answers a request.
pub(crate) fn answer(request: &Url, fields: &[(&str, &str)]) -> String {
    let state = request.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let issuer = issuer(request);
    encoded(&[fields, &[("state", state.as_str()), ("iss", issuer.as_str())]].concat())
}

impl Fetch for Provider {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let path = request.url.as_url().path().to_owned();
        assert!(request.limits.total.as_secs() <= 10 && request.limits.redirects == 0, "{path}");
        self.asked.lock().unwrap().push(path.clone());
        let trouble = self.trouble.lock().unwrap().get(path.as_str()).copied();
        Box::pin(async move {
            // It takes a while: others come in between.
            tokio::task::yield_now().await;
            let (status, body) = match trouble {
                Some(Trouble::Silent) => return Err(FetchError::Timeout),
                Some(Trouble::Status(status)) => (status, Value::Null),
                None => self.reply(&request),
            };
            let status = StatusCode::from_u16(status).unwrap();
            if status != StatusCode::OK && !request.limits.any_status {
                return Err(FetchError::Status(status));
            }
            let mut response = Response::new(Bytes::from(body.to_string()));
            *response.status_mut() = status;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            Ok(response)
        })
    }
}
