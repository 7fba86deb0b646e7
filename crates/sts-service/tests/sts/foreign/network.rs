//! Another issuer, which is a second service of this kind, and the network between the two: what it
//! carries is written down, and can be changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use http::{Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const IDP: &str = "https://idp.university.example";
pub(crate) const METADATA: &str =
    "https://idp.university.example/.well-known/oauth-authorization-server";
pub(crate) const JWKS: &str = "https://idp.university.example/jwks";
pub(crate) const INTROSPECTION: &str = "https://idp.university.example/introspect";
pub(crate) const USER_INFO: &str = "https://idp.university.example/userinfo";

/// What an endpoint does instead of answering as it should.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Says(Value),
    Text(&'static str),
    Status(u16),
    /// 400 with this error.
    Refuses(&'static str),
    Silent,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

/// The other issuer behind its network.
pub(crate) struct Network {
    idp: Router,
    answers: Mutex<HashMap<&'static str, Answer>>,
    asked: Mutex<Vec<Asked>>,
}

impl Network {
    pub(crate) fn before(idp: Router) -> Arc<Self> {
        Arc::new(Self { idp, answers: Mutex::default(), asked: Mutex::default() })
    }

    /// From now on, this is what comes from there.
    pub(crate) fn set(&self, url: &'static str, answer: Answer) -> &Self {
        self.answers.lock().unwrap().insert(url, answer);
        self
    }

    /// What was asked since the last time, at which endpoint.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// How often an endpoint was asked since the last time.
    pub(crate) fn count(&self, url: &str) -> usize {
        self.asked().iter().filter(|asked| asked.url == url).count()
    }

    /// What the service itself says.
    async fn real(&self, request: &Request) -> Result<Response<Bytes>, FetchError> {
        let path = request.url.as_url().path();
        let mut sent = http::Request::new(Body::from(request.body.clone()));
        *sent.method_mut() = request.method.clone();
        *sent.uri_mut() = path.parse().unwrap();
        sent.headers_mut().extend(request.headers.clone());
        let (head, body) = self.idp.clone().oneshot(sent).await.unwrap().into_parts();
        if head.status != StatusCode::OK && !request.limits.any_status {
            return Err(FetchError::Status(head.status));
        }
        Ok(Response::from_parts(head, body.collect().await.unwrap().to_bytes()))
    }
}

impl Fetch for Network {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let authorization = request.headers.get(header::AUTHORIZATION);
        self.asked.lock().unwrap().push(Asked {
            url: request.url.to_string(),
            authorization: authorization.map_or("", |it| it.to_str().unwrap()).to_owned(),
            body: String::from_utf8(request.body.to_vec()).unwrap(),
        });
        assert!(request.limits.max_body <= 256 * 1024 && request.limits.redirects == 0);
        assert!(request.limits.total.as_secs() <= 10, "{:?}", request.limits);
        let answer = self.answers.lock().unwrap().get(request.url.as_str()).cloned();
        Box::pin(async move {
            match answer {
                None => self.real(&request).await,
                Some(Answer::Says(body)) => Ok(Response::new(body.to_string().into())),
                Some(Answer::Text(body)) => Ok(Response::new(body.into())),
                Some(Answer::Refuses(error)) => {
                    let mut answer = Response::new(json!({ "error": error }).to_string().into());
                    *answer.status_mut() = StatusCode::BAD_REQUEST;
                    Ok(answer)
                }
                Some(Answer::Silent) => Err(FetchError::Timeout),
                Some(Answer::Status(status)) => {
                    let status = StatusCode::from_u16(status).unwrap();
                    if !request.limits.any_status {
                        return Err(FetchError::Status(status));
                    }
                    let mut answer = Response::new(Bytes::from_static(b"{}"));
                    *answer.status_mut() = status;
                    Ok(answer)
                }
            }
        })
    }
}
