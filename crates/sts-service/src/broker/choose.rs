//! The choice of a provider on the sign-in page, and the way there.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Extension, State};
use axum::response::Response;
use countersign_login::Wishes;
use countersign_types::{EndpointUrl, Params, Timestamp};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::callback;
use super::error::BrokerError;
use super::pending::Begun;
use super::upstream::Upstream;
use crate::app::Sts;
use crate::authorize::sign_in_form::{self, sign_in_page, still_wanted};
use crate::client_request::is_form;
use crate::form_token::{self, Browser, Form, Purpose};
use crate::pages::{self, ContinuePage};
use crate::texts::Say;

/// Takes the choice.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return sign_in_form::not_taken(&sts, &rejection),
    };
    let form = is_form(&headers).then(|| Params::parse(&body, &[]).ok()).flatten();
    let field = |name| form.as_ref().and_then(|form| form.get(name));
    let opened =
        field("form_token").and_then(|token| sts.form_tokens.open(token, &headers, now).ok());
    let (Some(form), Some(Form::SignIn(purpose))) = (&form, opened) else {
        return sign_in_form::start_over(&sts, form.as_ref(), &headers).await;
    };
    if let Err(answer) = still_wanted(&sts, &purpose, form).await {
        return *answer;
    }
    let Some(upstream) = field("upstream").and_then(|alias| sts.upstreams.find(alias)) else {
        let say: Say = |t| t.choose;
        let nobody = (StatusCode::BAD_REQUEST, Some(say.into()));
        return sign_in_page(&sts, &purpose, nobody, "", &headers, now).await;
    };
    match begin(&sts, upstream, purpose.clone(), peer, &headers, now).await {
        Ok(response) => response,
        Err(error) => callback::refused(&sts, upstream, &purpose, &error, &headers, now).await,
    }
}

/// Sends the browser to the provider, and remembers what for.
async fn begin(
    sts: &Sts,
    upstream: &Upstream,
    purpose: Purpose,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, BrokerError> {
    let wishes = purpose.request().map_or_else(Wishes::default, |request| Wishes {
        login_hint: request.login_hint.clone(),
        max_age: request.wishes.max_age(),
        anew_since: request.wishes.sign_in().then_some(now),
        select_account: request.wishes.select_account(),
    });
    let (url, pending) = upstream.begin(sts, wishes).await?;
    let browser = Browser::of(headers, sts.random.as_ref());
    let key = browser.key(pending.state());
    let alias = upstream.setup.alias.clone();
    let page = on_the_way(sts, upstream, &url, &purpose);
    if let Some(known) = sts.upstreams.known() {
        let source = sign_in_form::source(peer);
        let size = purpose.size();
        let begun = (Begun { alias, purpose, pending }, size);
        known.logins.begin(key, source.as_deref(), begun, now, form_token::LIFETIME);
    }
    let mut response = page;
    if let Some(cookie) = browser.cookie(form_token::LIFETIME) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A page that leads on by itself. A redirect would not do: browsers hold every redirect after a form to
/// where the form may lead, and where a provider's own redirects lead nobody knows here ([CSP3
/// form-action]).
///
/// [CSP3 form-action]: https://www.w3.org/TR/CSP3/#directive-form-action
fn on_the_way(sts: &Sts, upstream: &Upstream, url: &EndpointUrl, purpose: &Purpose) -> Response {
    let page = ContinuePage {
        provider: sts.settings.name.clone(),
        upstream: upstream.setup.name.clone(),
        url: url.as_str().to_owned(),
        stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
    };
    pages::on_the_way(page, purpose)
}
