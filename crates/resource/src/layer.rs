//! The rules as a tower layer: a caller is admitted or answered before the inner service sees the
//! request.

use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_types::secret::AccessToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{ScopeSet, Wire, WireError};
use http::header::{ALLOW, AUTHORIZATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::bearer::{self, BearerError};
use crate::challenge::{UmaChallenge, unreachable};
use crate::decide::Caller;
use crate::error::ConversationError;
use crate::gate::{self, Answered, Gate};
use crate::limit::{Source, TicketLimit, TooMany};
use crate::path::StrictPath;
use crate::server::ResourceServer;

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
    limit: Option<Arc<TicketLimit>>,
}

impl UmaLayer {
    /// A layer that asks this server and these rules.
    #[must_use]
    pub const fn new(server: Arc<ResourceServer>, rules: Arc<dyn Rules>) -> Self {
        Self { server, rules, limit: None }
    }

    /// With a limit on the permission tickets that one source is given; a request that a ticket
    /// would be the answer to gets 429 instead. As many tokens of one source may turn out not to
    /// suffice, before the authorization server is asked about no more of them. Requests are told
    /// apart by the [`Source`] among their extensions, which is the server's to put there.
    #[must_use]
    pub fn with_limit(mut self, limit: TicketLimit) -> Self {
        self.limit = Some(Arc::new(limit));
        self
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
    type Future = Answered<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        gate::pass(&mut self.inner, request, self.layer.clone())
    }
}

impl<R: Default + From<Vec<u8>>> Gate<R> for UmaLayer {
    async fn admit(&self, parts: &mut Parts) -> Result<(), Response<R>> {
        self.judge(parts).await.map_err(Answer::into_response)
    }
}

/// Why a request is not admitted.
enum Answer {
    Refused(Refused),
    MethodNotAllowed(Vec<Method>),
    Bearer(BearerError),
    TooMany(TooMany),
    Challenge(UmaChallenge),
    /// This server's own failure.
    Own(Wire),
    Unreachable,
}

/// A refusal that no token would change.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Refused {
    #[error("the path has a second spelling")]
    Spelling,
    #[error("there is nothing at this path")]
    NotFound,
    #[error("there is nothing for this method")]
    Method,
    #[error("this server's own rules refuse it")]
    Rules,
}

impl WireError for Refused {
    fn wire(&self) -> Wire {
        let (code, status, description) = match self {
            Self::Spelling => (
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "the path is not in its one spelling",
            ),
            Self::NotFound => (ErrorCode::NOT_FOUND, StatusCode::NOT_FOUND, "no such resource"),
            Self::Method => (
                ErrorCode::UNSUPPORTED_METHOD_TYPE,
                StatusCode::METHOD_NOT_ALLOWED,
                "the method is not supported here",
            ),
            Self::Rules => (
                ErrorCode::ACCESS_DENIED,
                StatusCode::FORBIDDEN,
                "the resource server does not permit it",
            ),
        };
        Wire::new(code, status, description)
    }
}

impl UmaLayer {
    async fn judge(&self, parts: &mut Parts) -> Result<(), Answer> {
        let path = StrictPath::parse(parts.uri.path());
        let path = path.map_err(|_| Answer::Refused(Refused::Spelling))?;
        match self.rules.access(&parts.method, &path) {
            Access::Open => {}
            Access::NotFound => return Err(Answer::Refused(Refused::NotFound)),
            Access::MethodNotAllowed(allow) => return Err(Answer::MethodNotAllowed(allow)),
            Access::Protected { resource, scopes } => {
                let caller = self.authorize(parts, &resource, &scopes).await?;
                let is_admitted = self.rules.admits(&caller, &parts.method, &path);
                let outcome =
                    if is_admitted { "admitted" } else { "refused by this server's rules" };
                tracing::info!(
                    subject = caller.subject(),
                    client_id = caller.client_id(),
                    method = %parts.method,
                    path = path.as_str(),
                    resource,
                    needed = %scopes,
                    proved_by = "requesting party token",
                    "{outcome}",
                );
                if !is_admitted {
                    return Err(Answer::Refused(Refused::Rules));
                }
                parts.headers.remove(AUTHORIZATION);
                parts.extensions.insert(caller);
            }
        }
        parts.extensions.insert(path);
        Ok(())
    }

    async fn authorize(
        &self,
        parts: &Parts,
        resource: &str,
        scopes: &ScopeSet,
    ) -> Result<Caller, Answer> {
        let token = bearer::parse(&parts.headers, parts.uri.query()).map_err(Answer::Bearer)?;
        let unreachable = |error: Arc<ConversationError>| {
            error.log(resource);
            error.own().map_or(Answer::Unreachable, Answer::Own)
        };
        let source = parts.extensions.get::<Source>().copied();
        let guesses = self.limit.as_deref().map(TicketLimit::guesses);
        let guessed = guesses.zip(token.as_ref().map(AccessToken::digest));
        if let Some((guesses, token)) = &guessed {
            guesses.may_ask(source, token, self.server.now()).map_err(Answer::TooMany)?;
        }
        let admitted = self.server.admit(token.as_ref(), resource, scopes).await;
        let admitted = admitted.map_err(unreachable)?;
        if let Some((guesses, token)) = &guessed {
            guesses.note(source, token, admitted.is_some(), self.server.now());
        }
        if let Some(caller) = admitted {
            return Ok(caller);
        }
        if let Some(limit) = &self.limit {
            limit.take(source, self.server.now()).map_err(Answer::TooMany)?;
        }
        let challenge = self.server.challenge(resource, scopes).await;
        Err(challenge.map_or_else(unreachable, Answer::Challenge))
    }
}

impl Answer {
    fn into_response<R: Default + From<Vec<u8>>>(self) -> Response<R> {
        match self {
            Self::Refused(refused) => refused.wire().response().map(R::from),
            Self::MethodNotAllowed(methods) => {
                let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                let mut response = Refused::Method.wire().response().map(R::from);
                // INVARIANT: a method is a token, and so is visible ASCII.
                let allow = HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static(""));
                response.headers_mut().insert(ALLOW, allow);
                response
            }
            Self::Bearer(error) => error.wire().response().map(R::from),
            Self::TooMany(error) => {
                tracing::info!(%error, "no ticket");
                let mut response = error.wire().response().map(R::from);
                response.headers_mut().insert(RETRY_AFTER, error.retry_after.as_secs().into());
                response
            }
            // A ticket that no header can carry is as good as none.
            Self::Challenge(challenge) => challenge.response().unwrap_or_else(|error| {
                tracing::warn!(%error, "the authorization server gave an unusable ticket");
                unreachable()
            }),
            Self::Own(wire) => wire.response().map(R::from),
            Self::Unreachable => unreachable(),
        }
    }
}

#[cfg(test)]
mod tests;
