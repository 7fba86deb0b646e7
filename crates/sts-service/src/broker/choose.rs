//! The choice of a provider on the sign-in page, and the way there.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Extension, State};
use axum::response::Response;
use countersign_login::Wishes;
use countersign_types::Timestamp;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::callback;
use super::error::BrokerError;
use super::pending::{Aim, Begun};
use super::upstream::Upstream;
use crate::app::Sts;
use crate::authorize::sign_in_form::{self, sign_in_page};
use crate::form_token::{self, Browser};
use crate::texts::Say;
use crate::{onward, pages};

/// Takes the choice.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (fields, purpose) = match sign_in_form::opened(&sts, &headers, body, now).await {
        Ok(both) => both,
        Err(answer) => return *answer,
    };
    let Some(upstream) = fields.get("upstream").and_then(|alias| sts.upstreams.find(alias)) else {
        let say: Say = |t| t.choose;
        let nobody = (StatusCode::BAD_REQUEST, Some(say.into()));
        return sign_in_page(&sts, &purpose, nobody, "", &headers, now).await;
    };
    let aim = Aim::SignIn(purpose.clone());
    match begin(&sts, upstream, aim, peer, &headers, now).await {
        Ok(response) => response,
        Err(error) => callback::refused(&sts, upstream, &purpose, &error, &headers, now).await,
    }
}

/// Sends the browser to the provider, and remembers what for.
pub(super) async fn begin(
    sts: &Sts,
    upstream: &Upstream,
    aim: Aim,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, BrokerError> {
    let wishes = aim.request().map_or_else(Wishes::default, |request| Wishes {
        login_hint: request.login_hint.clone(),
        max_age: request.wishes.max_age(),
        anew_since: request.wishes.sign_in().then_some(now),
        select_account: request.wishes.select_account(),
    });
    let (url, pending) = upstream.begin(sts, wishes).await?;
    let browser = Browser::of(headers, sts.random.as_ref());
    let key = browser.key(pending.state());
    let alias = upstream.setup.alias.clone();
    let locales = pages::locales(aim.request());
    if let Some(known) = sts.upstreams.known() {
        let source = sign_in_form::source(sts, peer);
        let size = aim.size();
        let begun = (Begun { alias, aim, pending }, size);
        known.logins.begin(key, source.as_deref(), begun, now, form_token::LIFETIME);
    }
    let mut response = onward::to_provider(&upstream.setup.name, url.as_str(), locales);
    if let Some(cookie) = browser.cookie(form_token::LIFETIME) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}
