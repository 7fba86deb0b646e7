//! Signing out of the console, and at the provider if it offers that.
//! [OpenID Connect RP-Initiated Logout §2, §3]
//!
//! The session here is over at once, whatever becomes of the rest. The browser goes on by a page of
//! its own: it would hold a redirect after a form to what the page with the form allows. What it
//! comes back with is worth a sentence and nothing else, so that no link of anybody's signs anybody
//! out.
//!
//! [OpenID Connect RP-Initiated Logout §2, §3]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use countersign_pages::{Browser, page};
use countersign_types::{Params, random};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use url::Url;

use super::desk::{Desk, Visit};
use super::forms::{self, Form, Submitted};
use super::refusal::Refusal;
use super::sessions;
use super::sign_in::LIFETIME;
use super::views::{LeavingPage, SignedOutPage};

pub(super) async fn begin(
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Submitted { form, visit, headers, .. } = forms::read(&desk, request, &[]).await?;
    let Form::SignOut { .. } = form else { return Err(Refusal::NotOurs) };
    let (Visit { active, now, .. }, random) = (visit, &*desk.uma.seams.random);
    sessions::end(&desk, &headers, now).await?;
    let state = random::handle(random);
    let away = desk.console.provider.sign_out(active.id_token.as_deref(), &state).await;
    let mut response = match away {
        None => page::see_other(&desk.console.absolute(&path(&desk))),
        Some(url) => {
            let browser = Browser::of(&headers, random);
            desk.console.leaving.begin(browser.key(&state), None, ((), 0), now, LIFETIME);
            leave(&desk, &url)
        }
    };
    response.headers_mut().extend(sessions::forgotten(&desk).map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// The page that leads to the provider.
fn leave(desk: &Desk, url: &Url) -> Response {
    let page = LeavingPage {
        shell: desk.bare_shell(),
        provider: desk.console.provider.name().to_owned(),
        url: url.to_string(),
    };
    page::html(StatusCode::OK, page, None, "'none'")
}

/// Where one is who has signed out.
fn path(desk: &Desk) -> String {
    format!("{}/signed-out", desk.console.path())
}

pub(super) async fn done(
    State(desk): State<Arc<Desk>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let now = desk.uma.seams.clock.now();
    let params = Params::parse(query.as_bytes(), &[]).map_err(|_| Refusal::Malformed)?;
    let left = Browser::known(&headers)
        .zip(params.get("state"))
        .and_then(|(browser, state)| desk.console.leaving.take(&browser.key(state), now));
    // Who is signed in has not signed out, whatever led here.
    if sessions::of(&desk, &headers, now).await?.is_some() {
        return Ok(page::see_other(&desk.console.absolute(desk.console.path())));
    }
    let page = SignedOutPage {
        shell: desk.bare_shell(),
        provider: desk.console.provider.name().to_owned(),
        sign_in: desk.sign_in_path(""),
        came_back: left.is_some(),
    };
    Ok(page::html(StatusCode::OK, page, None, "'self'"))
}
