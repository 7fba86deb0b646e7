//! The Pbench-Server of the drawing: an API with three routes. What it does with a token is told as
//! it happens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use countersign_client::InternalTokens;
use countersign_client::internal_tokens::{Begun, Person};
use countersign_fetch::{Fetch, Limits};
use countersign_resolver::IssuerCache;
use countersign_resource::{AccessTokens, ProtectLayer, Routes, VerifiedCaller, bearer};
use countersign_types::secret::AccessToken;
use countersign_types::wire::json_response;
use countersign_types::{Issuer, ResourceIdentifier, WireError};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::SERVICE;
use super::world::{Heard, IDP, STS, World};
use crate::demo::results::{self, API, ENDPOINTS, PROVIDER, RESULTS, ROLE, SERVER};
use crate::demo::servers::Failure;
use crate::demo::story::{CheckLine, Step};
use crate::demo::teller::Teller;

pub(super) const TOKEN: &str = "/api/v1/pbench-token";
struct Api {
    brought: AccessTokens,
    provider: IssuerCache,
    tokens: InternalTokens,
    fetch: Arc<dyn Fetch>,
    teller: Arc<Teller>,
    heard: Arc<Heard>,
}

pub(super) fn router(world: &World) -> Result<Router, Failure> {
    let (fetch, clock) = (|| world.servers.fetch(), || world.servers.clock());
    let (own, provider) = (ResourceIdentifier::parse(API)?, Issuer::parse(IDP)?);
    let registration = world.api_client()?;
    let random = world.servers.random();
    let tokens = InternalTokens::new(registration, own.clone(), fetch(), clock(), random);
    let api = Arc::new(Api {
        brought: AccessTokens::new(own.clone(), provider.clone(), fetch(), clock()),
        provider: IssuerCache::new(provider, fetch(), clock()),
        tokens: tokens.refreshing(),
        fetch: fetch(),
        teller: world.servers.teller(),
        heard: Arc::clone(&world.heard),
    });
    let routes = Routes::new().role(&format!("POST {RESULTS}"), ROLE).build()?;
    let layer =
        ProtectLayer::new(AccessTokens::new(own, Issuer::parse(STS)?, fetch(), clock()), routes)?;
    let restricted = Router::new().route(RESULTS, post(restricted)).with_state(Arc::clone(&api));
    Ok(Router::new()
        .route(ENDPOINTS, get(endpoints))
        .route(TOKEN, post(pbench_token))
        .with_state(api)
        .merge(restricted.layer(layer)))
}

async fn endpoints() -> Response {
    results::endpoints(IDP)
}

/// Arrows 8 to 14.
async fn pbench_token(State(api): State<Arc<Api>>, request: Request) -> Response {
    let answer = match bearer::parse(request.headers(), request.uri().query()) {
        Ok(Some(token)) => api.swap(&token).await,
        Ok(None) => Err(Refused(unauthorized())),
        Err(error) => Err(Refused(error.wire().response())),
    };
    answer.unwrap_or_else(|Refused(response)| response).map(Body::from)
}

fn unauthorized() -> http::Response<Vec<u8>> {
    let mut response = http::Response::new(Vec::new());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// What a caller is told who is given nothing.
struct Refused(http::Response<Vec<u8>>);

/// With a challenge where a token is refused. [RFC 6750 §3]
///
/// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
impl<E: WireError> From<E> for Refused {
    fn from(error: E) -> Self {
        let wire = error.wire();
        let mut response = wire.response();
        if wire.status == StatusCode::UNAUTHORIZED {
            let (code, description) = (wire.code, wire.description);
            let challenge = format!("Bearer error=\"{code}\", error_description=\"{description}\"");
            // INVARIANT: codes and descriptions are of the characters a quoted string has.
            let challenge =
                HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Bearer"));
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        Self(response)
    }
}

impl Api {
    async fn swap(&self, token: &AccessToken) -> Result<http::Response<Vec<u8>>, Refused> {
        let caller = self.brought.verify(token).await?;
        self.tell(Step::new(Some(8), SERVER, PROVIDER, "GET public Key"));
        self.tell(Step::new(Some(9), PROVIDER, SERVER, "200 public key"));
        self.tell(validated(&caller));
        let person = self.user_info(token).await.unwrap_or_default();
        self.tell(Step::new(Some(11), SERVER, PROVIDER, "[Optional] POST userinfo endpoint"));
        let is_theirs = person.get("sub").and_then(Value::as_str) == caller.subject();
        let mut step = Step::new(Some(12), PROVIDER, SERVER, "200 userinfo response");
        for name in ["sub", "name", "email"] {
            step = step.detail(name, person.get(name).and_then(Value::as_str).unwrap_or_default());
        }
        self.tell(step.expect(is_theirs, "it was to be about the token's subject"));
        let words = "Exchange IDP access token with Pbench token";
        let step = Step::new(Some(13), SERVER, SERVICE, words)
            .detail("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .detail("audience", API);
        let subject = caller.subject().unwrap_or_default();
        let begun = self.tokens.begin(Person { issuer: caller.issuer(), subject }, token).await;
        self.tell(step);
        let Begun { issued, session, .. } = begun?;
        let kept = if session.is_some() { "stays with the Server" } else { "none" };
        let checks = self.heard.checks();
        let words = "200 new Pbench access_token and refresh_token";
        let step = Step::new(Some(14), SERVICE, SERVER, words)
            .token("access_token", issued.access_token.expose())
            .detail("refresh_token", kept)
            .expect(session.is_some(), "a refresh token was to come")
            .expect(!checks.is_empty(), "the STS was to record its decision");
        let words = "decides, and maps the provider's groups to roles";
        self.tell(Step::new(None, SERVICE, SERVICE, words).checks(checks).expect_checks(&[]));
        self.tell(step);
        let body = json!({
            "access_token": issued.access_token.expose(), "token_type": "Bearer",
            "expires_in": issued.expires_in.map(|it| it.as_secs()),
        });
        Ok(json_response(StatusCode::OK, &body))
    }

    async fn user_info(&self, token: &AccessToken) -> Option<Value> {
        let metadata = self.provider.metadata().await.ok()?;
        let endpoint = metadata.userinfo_endpoint.clone()?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
        let request = countersign_fetch::Request::new(Method::POST, endpoint, Limits::resource());
        let answer = self.fetch.fetch(request.with_header(AUTHORIZATION, bearer)).await.ok()?;
        serde_json::from_slice(answer.body()).ok()
    }

    fn tell(&self, step: Step) {
        if !self.teller.is_silent() {
            self.teller.step(step);
        }
    }
}

/// What the verification has established: nothing else would have come this far.
fn validated(caller: &VerifiedCaller) -> Step {
    let expires = caller.expires().map(|expires| expires.as_unix().to_string());
    Step::new(Some(10), SERVER, SERVER, "Validate the access token").checks(vec![
        CheckLine::compared("the provider's signature", "RFC 7515 §5.2", "by its published key"),
        CheckLine::compared("iss is the provider", "RFC 9068 §4", caller.issuer().as_str()),
        CheckLine::compared("aud names this API", "RFC 9068 §4", API),
        CheckLine::compared("exp is to come", "RFC 9068 §4", &expires.unwrap_or_default()),
    ])
}

/// The restricted endpoint.
async fn restricted(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<VerifiedCaller>,
    headers: HeaderMap,
) -> Response {
    let roles = caller.roles().collect::<Vec<_>>().join(" ");
    let step =
        Step::new(None, SERVER, SERVER, "Validation and Role extraction from the Pbench token")
            .detail("sub", caller.subject().unwrap_or_default())
            .detail("roles", roles)
            .expect(!headers.contains_key(AUTHORIZATION), "the layer was to keep the token");
    api.tell(step);
    let name = caller.claims().get("name").and_then(Value::as_str).unwrap_or_default();
    json_response(StatusCode::OK, &results::data(name)).map(Body::from)
}
