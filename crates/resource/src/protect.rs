//! The layer in front of an API: who is calling, may they, and what they are told if not.
//!
//! One layer for every way in which a caller can prove who they are ([`Mode`]); the table of
//! [`Routes`] says what a request needs. Whoever is admitted reaches the service behind it with a
//! [`VerifiedCaller`] and a [`StrictPath`] among the request's extensions and without the header
//! that carried the credentials. Everybody else is answered here.
//!
//! | a request | gets |
//! |---|---|
//! | for the metadata of this server ([RFC 9728 §3]) | the document |
//! | with a path of more than one spelling | 400 |
//! | that no rule names | 404, or 405 with `Allow` |
//! | with two credentials, a token in the query, or a malformed one | 400 `invalid_request` |
//! | without credentials | 401 and the bare challenge |
//! | with credentials that prove nothing here | 401 `invalid_token` |
//! | that would need more scopes, or a role | 403 `insufficient_scope` |
//! | that this server's own policy does not permit | 403 `access_denied`, without a challenge: no other token would help |
//! | of a source that had too many tokens asked about in vain | 429 ([`limit`](crate::limit)) |
//! | while the issuer's keys or its answer cannot be had | 503 |
//!
//! Every decision is one line of the log, with who asked for what and by what they were let in or
//! not.
//!
//! Every challenge points to this server's metadata ([RFC 9728 §5.1]). An error is told by the
//! challenge of the scheme that the token came with, `Bearer` or `DPoP`, and by both where that
//! cannot be told ([RFC 9449 §7.2]). Where UMA protects the resource, its own answers take the
//! place of the last five ([`challenge`](crate::challenge)).
//!
//! [RFC 9449 §7.2]: https://www.rfc-editor.org/rfc/rfc9449#section-7.2
//! [RFC 9728 §3]: https://www.rfc-editor.org/rfc/rfc9728#section-3
//! [RFC 9728 §5.1]: https://www.rfc-editor.org/rfc/rfc9728#section-5.1

mod answer;
mod log;
mod mode;

use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument as _;

use self::answer::{Answer, Document};
pub use self::mode::Mode;
use crate::bearer;
use crate::caller::VerifiedCaller;
use crate::gate::{self, Answered, Gate};
use crate::layer::Refused;
use crate::path::StrictPath;
use crate::policy::{self, AccessPolicy, AccessRequest};
use crate::routes::{Action, Found, Need, Requirement, Routes};

#[cfg(doc)]
use countersign_types::secret::AccessToken;

/// Puts [`Protected`] around a service. A clone shares everything.
///
/// ```no_run
/// # fn tour() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// # use countersign_fetch::{FetchConfig, HttpFetch};
/// # use countersign_resource::{AccessTokens, ProtectLayer, Routes};
/// # use countersign_types::{Issuer, ResourceIdentifier};
/// # struct Fixed;
/// # impl countersign_types::Clock for Fixed {
/// #     fn now(&self) -> countersign_types::Timestamp { countersign_types::Timestamp::from_unix(0) }
/// # }
/// # let (clock, fetch) = (Arc::new(Fixed), Arc::new(HttpFetch::new(&FetchConfig::default())?));
/// let api = ResourceIdentifier::parse("https://api.bob.example")?;
/// let issuer = Issuer::parse("https://sts.bob.example")?;
/// let routes = Routes::new()
///     .open("GET /health")
///     .require("GET /deliveries", "deliveries.read")
///     .build()?;
/// let layer = ProtectLayer::new(AccessTokens::new(api, issuer, fetch, clock), routes)?;
/// // let app = router.layer(layer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ProtectLayer(Arc<Protection>, TokenGoesOn);

/// Whether the service behind gets the token itself.
#[derive(Clone, Copy)]
struct TokenGoesOn(bool);

struct Protection {
    mode: Mode,
    routes: Routes,
    // INVARIANT: there is one if a route asks it.
    policy: Option<Arc<dyn AccessPolicy>>,
    document: Document,
}

/// Why a layer cannot be made of these parts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectError {
    /// The resource identifier leaves no URL for the metadata.
    #[error("the resource identifier leaves no place for metadata")]
    Metadata(#[from] countersign_types::identifier::IdentifierError),
    /// The metadata's place has a second spelling.
    #[error("the metadata would be at a path with a second spelling")]
    Path(#[from] crate::path::PathError),
    /// A rule asks for what nobody can show: with UMA it has to name a registered resource, an
    /// identity token has no scopes, and neither has roles.
    #[error("nobody can show what {0:?} asks for")]
    Rule(String),
    /// A rule asks a policy, and there is none.
    #[error("there is no policy that {0:?} could ask")]
    NoPolicy(String),
    /// The realm or the identifier cannot stand in a header.
    #[error("a challenge cannot be written")]
    Challenge(#[from] countersign_types::auth_param::AuthParamError),
}

impl ProtectLayer {
    /// A layer that admits callers in one way, by these rules, none of which asks a policy.
    ///
    /// # Errors
    /// [`ProtectError`].
    pub fn new(mode: impl Into<Mode>, routes: Routes) -> Result<Self, ProtectError> {
        Self::of(mode.into(), routes, None)
    }

    /// A layer that admits callers in one way, by these rules and this server's own policy.
    ///
    /// # Errors
    /// [`ProtectError`].
    pub fn with_policy(
        mode: impl Into<Mode>,
        routes: Routes,
        policy: Arc<dyn AccessPolicy>,
    ) -> Result<Self, ProtectError> {
        Self::of(mode.into(), routes, Some(policy))
    }

    fn of(
        mode: Mode,
        routes: Routes,
        policy: Option<Arc<dyn AccessPolicy>>,
    ) -> Result<Self, ProtectError> {
        for (rule, need) in routes.iter() {
            if !mode.can_ask(need) {
                return Err(ProtectError::Rule(rule.to_owned()));
            }
            let asks = matches!(need, Need::Caller(Requirement { action: Some(_), .. }));
            if asks && policy.is_none() {
                return Err(ProtectError::NoPolicy(rule.to_owned()));
            }
        }
        let document = Document::new(mode.metadata(&routes))?;
        let protection = Protection { mode, routes, policy, document };
        Ok(Self(Arc::new(protection), TokenGoesOn(false)))
    }

    /// The service behind finds the token that its caller was admitted by among the request's
    /// extensions, as an [`AccessToken`]: for a service that exchanges it, to act for the caller
    /// elsewhere ([RFC 8693 §1.1]). Without this, the token ends here. It is of use only where the
    /// issuer has made it out to itself as well.
    ///
    /// A token that is bound to a key ends here all the same: nobody takes it without a proof of
    /// the key, which the caller keeps. A service that acts for its callers needs bearer tokens of
    /// them.
    ///
    /// [RFC 8693 §1.1]: https://www.rfc-editor.org/rfc/rfc8693#section-1.1
    #[must_use]
    pub fn with_token(mut self) -> Self {
        self.1 = TokenGoesOn(true);
        self
    }

    /// Where this server's metadata is found.
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        self.0.document.url()
    }
}

impl<S> Layer<S> for ProtectLayer {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        Protected { inner, layer: self.clone() }
    }
}

/// A service that only those reach who may.
#[derive(Clone)]
pub struct Protected<S> {
    inner: S,
    layer: ProtectLayer,
}

impl<S, B, R> Service<Request<B>> for Protected<S>
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

impl<R: Default + From<Vec<u8>>> Gate<R> for ProtectLayer {
    async fn admit(&self, parts: &mut Parts) -> Result<(), Response<R>> {
        let Self(protection, token_goes_on) = self;
        let admitted = protection.judge(parts, *token_goes_on).await;
        admitted.map_err(|answer| answer.into_response(&protection.document))
    }
}

impl Protection {
    async fn judge(
        &self,
        parts: &mut Parts,
        TokenGoesOn(token_goes_on): TokenGoesOn,
    ) -> Result<(), Answer> {
        let path =
            StrictPath::parse(parts.uri.path()).map_err(|_| Answer::Refused(Refused::Spelling))?;
        if path == *self.document.path() {
            return Err(Answer::Metadata(parts.method.clone()));
        }
        let (found, rule) = self.routes.find_rule(&parts.method, &path);
        match found {
            Found::Nothing => return Err(Answer::Refused(Refused::NotFound)),
            Found::MethodNotAllowed(allow) => return Err(Answer::MethodNotAllowed(allow)),
            Found::Need(Need::Open) => {}
            Found::Need(Need::Caller(requirement)) => {
                let span = log::span(parts, &path, rule, requirement);
                let caller = self.mode.authorize(parts, requirement).instrument(span.clone());
                let caller = caller.await;
                let caller =
                    caller.inspect_err(|answer| span.in_scope(|| log::turned_away(answer)));
                let caller = caller?;
                if let Some(action) = &requirement.action {
                    self.ask(action, requirement.resource.as_deref(), &caller, parts, &path)?;
                } else {
                    span.in_scope(|| log::admitted(&caller, self.mode.proves_by()));
                }
                if token_goes_on {
                    let token = bearer::parse(&parts.headers, parts.uri.query());
                    let token = token.map_err(|error| Answer::Credentials(error.into()))?;
                    token.and_then(|token| parts.extensions.insert(token));
                }
                self.mode.strip_credentials(&mut parts.headers);
                parts.extensions.insert(caller);
            }
        }
        parts.extensions.insert(path);
        Ok(())
    }

    /// Asks the policy: the last word is this server's own.
    fn ask(
        &self,
        action: &Action,
        resource: Option<&str>,
        caller: &VerifiedCaller,
        parts: &Parts,
        path: &StrictPath,
    ) -> Result<(), Answer> {
        let mut attributes = self.routes.placeholders(path);
        attributes.extend(action.attributes.clone());
        let request = AccessRequest {
            caller,
            action: &action.name,
            resource,
            attributes: &attributes,
            method: &parts.method,
            path,
            now: self.mode.now(),
        };
        let is_permitted =
            |policy: &Arc<dyn AccessPolicy>| policy::is_permitted(policy.as_ref(), &request);
        if self.policy.as_ref().is_some_and(is_permitted) {
            Ok(())
        } else {
            Err(Answer::Refused(Refused::Rules))
        }
    }
}

#[cfg(test)]
mod tests;
