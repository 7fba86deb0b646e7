//! The rules as a tower layer: a caller is admitted or answered before the inner service sees the
//! request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_types::{ScopeSet, WireError as _};
use http::header::{ALLOW, AUTHORIZATION};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::bearer::{self, BearerError};
use crate::challenge::{UmaChallenge, empty, unreachable};
use crate::decide::Caller;
use crate::path::StrictPath;
use crate::server::{Authorization, ResourceServer};

/// What a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: published documents, health checks.
    Open,
    /// These scopes at this resource, by its registered name.
    Protected {
        /// The name given to the [`ResourceServer`].
        resource: String,
        /// All of these.
        scopes: ScopeSet,
    },
    /// There is nothing at this path: 404.
    NotFound,
    /// There is something, but not for this method: 405, with the methods there are.
    MethodNotAllowed(Vec<Method>),
}

/// The resource server's own rules. There is no default: what is not named is not served.
pub trait Rules: Send + Sync {
    /// What a request needs. The method and the path are the caller's, the path in its one
    /// spelling.
    fn access(&self, method: &Method, path: &StrictPath) -> Access;

    /// Whether this server agrees, beyond what the authorization server granted. A refusal is a
    /// 403 without a ticket: another token would not help. [UMA 2.0 Federated Authorization §1.4]
    ///
    /// [UMA 2.0 Federated Authorization §1.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.4
    fn admits(&self, caller: &Caller, method: &Method, path: &StrictPath) -> bool {
        let _ = (caller, method, path);
        true
    }
}

/// Puts [`Uma`] around a service.
#[derive(Clone)]
pub struct UmaLayer {
    server: Arc<ResourceServer>,
    rules: Arc<dyn Rules>,
}

impl UmaLayer {
    /// A layer that asks this server and these rules.
    #[must_use]
    pub const fn new(server: Arc<ResourceServer>, rules: Arc<dyn Rules>) -> Self {
        Self { server, rules }
    }
}

impl<S> Layer<S> for UmaLayer {
    type Service = Uma<S>;

    fn layer(&self, inner: S) -> Uma<S> {
        Uma { inner, layer: self.clone() }
    }
}

/// A service behind UMA. The inner service gets a request only if it is admitted: with a
/// [`Caller`] and a [`StrictPath`] as extensions and without its `Authorization` header, or, where
/// access is open, with the path alone.
#[derive(Clone)]
pub struct Uma<S> {
    inner: S,
    layer: UmaLayer,
}

impl<S, B, R> Service<Request<B>> for Uma<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default + From<Vec<u8>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone is what was polled ready; a fresh one waits for the next request.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            match layer.admit(parts).await {
                Ok(parts) => {
                    request = Request::from_parts(parts, body);
                    inner.call(request).await
                }
                Err(answer) => Ok(answer.into_response()),
            }
        })
    }
}

/// What a request is answered that is not admitted.
enum Answer {
    Plain(StatusCode),
    MethodNotAllowed(Vec<Method>),
    Bearer(BearerError),
    Challenge(UmaChallenge),
    Unreachable,
}

impl UmaLayer {
    async fn admit(&self, mut parts: Parts) -> Result<Parts, Answer> {
        let path = StrictPath::parse(parts.uri.path());
        let path = path.map_err(|_| Answer::Plain(StatusCode::BAD_REQUEST))?;
        match self.rules.access(&parts.method, &path) {
            Access::Open => {}
            Access::NotFound => return Err(Answer::Plain(StatusCode::NOT_FOUND)),
            Access::MethodNotAllowed(allow) => return Err(Answer::MethodNotAllowed(allow)),
            Access::Protected { resource, scopes } => {
                let caller = self.authorize(&parts, &resource, &scopes).await?;
                if !self.rules.admits(&caller, &parts.method, &path) {
                    return Err(Answer::Plain(StatusCode::FORBIDDEN));
                }
                parts.headers.remove(AUTHORIZATION);
                parts.extensions.insert(caller);
            }
        }
        parts.extensions.insert(path);
        Ok(parts)
    }

    async fn authorize(
        &self,
        parts: &Parts,
        resource: &str,
        scopes: &ScopeSet,
    ) -> Result<Caller, Answer> {
        let token = bearer::parse(&parts.headers, parts.uri.query()).map_err(Answer::Bearer)?;
        match self.server.authorize(token.as_ref(), resource, scopes).await {
            Ok(Authorization::Admitted(caller)) => Ok(caller),
            Ok(Authorization::Challenged(challenge)) => Err(Answer::Challenge(challenge)),
            Err(error) => {
                let error: &dyn std::error::Error = error.as_ref();
                tracing::warn!(error, resource, "the authorization server cannot be asked");
                Err(Answer::Unreachable)
            }
        }
    }
}

impl Answer {
    fn into_response<R: Default + From<Vec<u8>>>(self) -> Response<R> {
        match self {
            Self::Plain(status) => empty(status),
            Self::MethodNotAllowed(methods) => {
                let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
                // INVARIANT: a method is a token, and so is visible ASCII.
                let allow = HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static(""));
                response.headers_mut().insert(ALLOW, allow);
                response
            }
            Self::Bearer(error) => error.wire().response().map(R::from),
            // A ticket that no header can carry is as good as none.
            Self::Challenge(challenge) => challenge.response().unwrap_or_else(|error| {
                tracing::warn!(%error, "the authorization server gave an unusable ticket");
                unreachable()
            }),
            Self::Unreachable => unreachable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use countersign_types::auth_param;
    use countersign_types::secret::AccessToken;

    use super::*;
    use crate::pretend::{NAME, Pretend};

    struct OnePath;

    impl Rules for OnePath {
        fn access(&self, method: &Method, path: &StrictPath) -> Access {
            match (path.as_str(), method) {
                ("/open", _) => Access::Open,
                ("/rs-api" | "/local", &Method::GET) => Access::Protected {
                    resource: NAME.to_owned(),
                    scopes: ScopeSet::parse("get").unwrap(),
                },
                ("/rs-api", _) => Access::MethodNotAllowed(vec![Method::GET]),
                _ => Access::NotFound,
            }
        }

        fn admits(&self, _: &Caller, _: &Method, path: &StrictPath) -> bool {
            path.as_str() != "/local"
        }
    }

    /// Tells what the inner service was given.
    #[derive(Clone)]
    struct Inner;

    impl Service<Request<()>> for Inner {
        type Response = Response<Vec<u8>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<Vec<u8>>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            assert!(request.extensions().get::<StrictPath>().is_some());
            let caller = request.extensions().get::<Caller>();
            assert!(caller.is_none() || !request.headers().contains_key(AUTHORIZATION));
            let subject = caller.and_then(Caller::subject).unwrap_or("nobody");
            std::future::ready(Ok(Response::new(subject.as_bytes().to_vec())))
        }
    }

    async fn send(pretend: &Arc<Pretend>, request: &str, token: &str) -> Response<Vec<u8>> {
        let (method, target) = request.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(target);
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let layer = UmaLayer::new(pretend.resource_server(), Arc::new(OnePath));
        layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap()
    }

    async fn granted() -> Arc<Pretend> {
        let pretend = Pretend::new();
        pretend.resource_server().register().await.unwrap();
        pretend.grant("rpt", &["get"]);
        pretend
    }

    #[tokio::test]
    async fn rs_6_a_sufficient_token_reaches_the_inner_service() {
        let response = send(&granted().await, "GET /rs-api", "rpt").await;
        assert_eq!((response.status().as_u16(), response.body().as_slice()), (200, &b"alice"[..]));
    }

    #[tokio::test]
    async fn rs_1_to_rs_5_and_h11() {
        let pretend = granted().await;
        let rows = [
            ("RS-1 no token", "GET /rs-api", "", 401),
            ("RS-2 not active", "GET /rs-api", "other", 401),
            ("RS-5 local rule", "GET /local", "rpt", 403),
            ("open", "GET /open", "", 200),
            ("open, whatever the token", "GET /open", "other", 200),
            ("no such path", "GET /other", "rpt", 404),
            ("no such method", "DELETE /rs-api", "rpt", 405),
            ("HEAD is a method of its own", "HEAD /rs-api", "rpt", 405),
            ("token in the query", "GET /rs-api?access_token=rpt", "", 400),
            ("H11 double slash", "GET //rs-api", "rpt", 400),
            ("H11 dot segments", "GET /open/../rs-api", "rpt", 400),
            ("H11 encoded dot", "GET /open/%2e%2e/rs-api", "rpt", 400),
            ("H11 encoded slash", "GET /open%2f..%2frs-api", "rpt", 400),
            ("H11 parameter", "GET /open/..;/rs-api", "rpt", 400),
            ("H11 needless encoding", "GET /rs%2Dapi", "rpt", 400),
            ("H11 case", "GET /RS-API", "rpt", 404),
        ];
        for (name, request, token, status) in rows {
            let response = send(&pretend, request, token).await;
            assert_eq!(response.status(), status, "{name}");
            assert_eq!(
                response.headers().contains_key("www-authenticate"),
                matches!(status, 401) || request.contains('?'),
                "{name}"
            );
            assert!(!response.headers().contains_key("warning"), "{name}");
        }
        let response = send(&pretend, "DELETE /rs-api", "").await;
        assert_eq!(response.headers()["allow"], "GET");
    }

    #[tokio::test]
    async fn rs_1_the_challenge_names_the_authorization_server() {
        let response = send(&granted().await, "GET /rs-api", "").await;
        let header = response.headers()["www-authenticate"].to_str().unwrap();
        let challenges = auth_param::parse(header).unwrap();
        assert!(challenges[0].is("UMA"));
        assert_eq!(challenges[0].param("as_uri"), Some("https://uma.bob.example"));
        assert_eq!(challenges[0].param("realm"), Some("Bob's records"));
    }

    #[tokio::test]
    async fn rs_3_without_the_authorization_server_it_is_403_with_a_warning() {
        let pretend = granted().await;
        pretend.state().down = true;
        for token in ["", "rpt"] {
            let response = send(&pretend, "GET /rs-api", token).await;
            assert_eq!(response.status(), 403);
            assert_eq!(
                response.headers()["warning"],
                "199 - \"UMA Authorization Server Unreachable\""
            );
            assert!(!response.headers().contains_key("www-authenticate"));
        }
    }

    #[tokio::test]
    async fn rs_4_a_token_for_another_resource_server_is_no_token() {
        let pretend = granted().await;
        pretend.state().tokens.get_mut("rpt").unwrap()["aud"] = "https://rs.eve.example".into();
        assert_eq!(send(&pretend, "GET /rs-api", "rpt").await.status(), 401);
    }

    #[tokio::test]
    async fn h10_the_challenge_comes_from_configuration() {
        let layer = UmaLayer::new(granted().await.resource_server(), Arc::new(OnePath));
        let mut request =
            Request::get("https://evil.example/rs-api").header("host", "evil.example");
        request = request.header("x-forwarded-host", "evil.example");
        let response = layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap();
        let header = response.headers()["www-authenticate"].to_str().unwrap();
        assert!(!header.contains("evil"), "{header}");
    }

    #[tokio::test]
    async fn a_revocation_bites_at_once() {
        let pretend = granted().await;
        let server = pretend.resource_server();
        let (token, scopes) = (AccessToken::new("rpt"), ScopeSet::parse("get").unwrap());
        let before = server.authorize(Some(&token), NAME, &scopes).await.unwrap();
        pretend.state().tokens.clear();
        let after = server.authorize(Some(&token), NAME, &scopes).await.unwrap();
        assert!(matches!(before, Authorization::Admitted(_)));
        assert!(matches!(after, Authorization::Challenged(_)));
    }
}
