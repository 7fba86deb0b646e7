//! What people brought from their provider, for a token of this API's own server:
//! `POST /api/v1/pbench-token` (flow 000).
//!
//! Whoever comes with an access token of the provider has it verified here, with the keys that the
//! provider publishes and for this API alone; then the API's own client exchanges it. The refresh
//! token that comes with it stays here. The browser gets a cookie that no script can read in its
//! place, and comes back with that when the access token ends.

use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use countersign::adapters::fetch::Fetch;
use countersign::adapters::host::Seams;
use countersign::adapters::resolver::IssuerCache;
use countersign::client::InternalTokens;
use countersign::client::internal_tokens::{InternalTokenError, Issued, Person, Session};
use countersign::resource::{AccessTokens, ProtectLayer, Routes, VerifiedCaller};
use countersign::types::secret::{AccessToken, SessionHandle};
use countersign::types::wire::json_response;
use countersign::types::{Lifetime, WireError};
use http::header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, json};
use tower::ServiceExt as _;

use crate::config::{Config, Exchange};
use crate::user_info::{self, UserInfo};

/// Where it is.
pub const PATH: &str = "/api/v1/pbench-token";

/// The prefix has browsers take it from this very host alone, over TLS, for every path of it.
const COOKIE_NAME: &str = "__Host-results";

struct Swap {
    tokens: InternalTokens,
    provider: IssuerCache,
    user_info: bool,
    fetch: Arc<dyn Fetch>,
    /// The origin of the dashboard.
    own: String,
}

/// Somebody who brings nothing may have a session; everybody else passes the layer.
#[derive(Clone)]
struct Door {
    swap: Arc<Swap>,
    verified: Router,
}

/// The routes.
///
/// # Errors
/// A layer that cannot be made.
pub fn router(
    config: &Config,
    exchange: &Exchange,
    fetch: &Arc<dyn Fetch>,
    seams: &Seams,
) -> Result<Router, Box<dyn Error>> {
    let (own, provider) = (config.identifier.clone(), config.sign_in.issuer.clone());
    let fetch = || Arc::clone(fetch);
    let clock = || Arc::clone(&seams.clock);
    let (client, random) = (exchange.client.clone(), Arc::clone(&seams.random));
    let tokens = InternalTokens::new(client, own.clone(), fetch(), clock(), random);
    let routes = Routes::new().identified(&format!("POST {PATH}")).build()?;
    let brought = AccessTokens::new(own.clone(), provider.clone(), fetch(), clock());
    let layer = ProtectLayer::new(brought, routes)?.with_token();
    let swap = Arc::new(Swap {
        tokens: if exchange.refresh { tokens.refreshing() } else { tokens },
        provider: IssuerCache::new(provider, fetch(), clock()),
        user_info: exchange.user_info,
        fetch: fetch(),
        own: own.as_str().trim_end_matches('/').to_owned(),
    });
    let verified = Router::new().route(PATH, post(begin)).with_state(Arc::clone(&swap));
    let door = Door { swap, verified: verified.layer(layer) };
    Ok(Router::new().route(PATH, post(enter).delete(end)).with_state(door))
}

async fn enter(State(door): State<Door>, request: Request) -> Response {
    let handle = door.swap.session(request.headers());
    match handle.filter(|_| !request.headers().contains_key(AUTHORIZATION)) {
        Some(handle) => renew(&door.swap, &handle).await,
        None => match door.verified.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
    }
}

/// The layer has verified the token, and whose it is. The session that the browser had may be
/// somebody else's: it ends, whatever becomes of the new one.
async fn begin(
    State(swap): State<Arc<Swap>>,
    headers: HeaderMap,
    Extension(caller): Extension<VerifiedCaller>,
    Extension(brought): Extension<AccessToken>,
) -> Response {
    let Some(former) = swap.session(&headers) else { return first(&swap, &caller, &brought).await };
    swap.end(&former).await;
    let mut response = first(&swap, &caller, &brought).await;
    if !response.headers().contains_key(SET_COOKIE) {
        set_cookie(&mut response, "", Lifetime::from_secs(0));
    }
    response
}

async fn first(swap: &Swap, caller: &VerifiedCaller, brought: &AccessToken) -> Response {
    let user = match swap.who(caller, brought).await {
        Ok(user) => user,
        Err(error) => return refused(&error),
    };
    let subject = caller.subject().unwrap_or_default();
    let person = Person { issuer: caller.issuer(), subject };
    match swap.tokens.begin(person, brought).await {
        Ok(begun) => {
            begun.unrevoked.iter().for_each(not_told);
            let mut response = answer(&begun.issued, user.as_ref());
            if let Some(Session { handle, expires_in }) = &begun.session {
                set_cookie(&mut response, handle.expose(), *expires_in);
            }
            response
        }
        Err(error) => refused(&error),
    }
}

async fn renew(swap: &Swap, handle: &SessionHandle) -> Response {
    match swap.tokens.renew(handle).await {
        Ok(issued) => answer(&issued, None),
        Err(error) => {
            let mut response = refused(&error);
            if matches!(error, InternalTokenError::Session) {
                set_cookie(&mut response, "", Lifetime::from_secs(0));
            }
            response
        }
    }
}

/// Ends the session, and with it what came of it.
async fn end(State(door): State<Door>, headers: HeaderMap) -> Response {
    if let Some(handle) = door.swap.session(&headers) {
        door.swap.end(&handle).await;
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    set_cookie(&mut response, "", Lifetime::from_secs(0));
    response
}

impl Swap {
    /// Who it is, if the provider is to be asked.
    async fn who(
        &self,
        caller: &VerifiedCaller,
        brought: &AccessToken,
    ) -> Result<Option<UserInfo>, user_info::UserInfoError> {
        if !self.user_info {
            return Ok(None);
        }
        let subject = caller.subject().unwrap_or_default();
        user_info::ask(&self.fetch, &self.provider, brought, subject).await.map(Some)
    }

    /// Ends a session, here in any case.
    async fn end(&self, handle: &SessionHandle) {
        if let Err(error) = self.tokens.end(handle).await {
            not_told(&error);
        }
    }

    /// The session of a request of the dashboard. `SameSite=Strict` keeps the cookie from other
    /// sites; another origin of the same site is not the dashboard either.
    fn session(&self, headers: &HeaderMap) -> Option<SessionHandle> {
        if headers.get(ORIGIN).is_some_and(|origin| *origin != *self.own) {
            return None;
        }
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|it| it.split_once('='));
        let (_, value) = pairs.find(|(name, _)| name.trim() == COOKIE_NAME)?;
        Some(SessionHandle::new(value.trim()))
    }
}

/// What the dashboard gets: never the refresh token.
fn answer(issued: &Issued, user: Option<&UserInfo>) -> Response {
    let mut body = Map::new();
    body.insert("access_token".to_owned(), json!(issued.access_token.expose()));
    body.insert("token_type".to_owned(), json!("Bearer"));
    let expires_in =
        issued.expires_in.map(|seconds| ("expires_in".to_owned(), json!(seconds.as_secs())));
    body.extend(expires_in);
    body.extend(user.map(|user| ("user".to_owned(), json!(user))));
    json_response(StatusCode::OK, &body).map(Body::from)
}

fn refused<E: WireError + 'static>(error: &E) -> Response {
    tracing::info!(error = error as &dyn Error, "no token was given");
    error.wire().response().map(Body::from)
}

fn not_told(error: &InternalTokenError) {
    tracing::warn!(error = error as &dyn Error, "the server was not told that a session ended");
}

fn set_cookie(response: &mut Response, value: &str, lifetime: Lifetime) {
    let cookie = format!(
        "{COOKIE_NAME}={value}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Strict",
        lifetime.as_secs()
    );
    // INVARIANT: a handle is base64url.
    if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}
