//! The forms on the pages: put into one for the browser that it goes to, and taken back from there.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_types::{Params, Timestamp};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use crate::app::Sts;
use crate::authorize::unavailable;
use crate::client_request::is_form;
use crate::form_token::{self, Browser, Form};
use crate::pages;
use crate::sessions::{self, Active};
use crate::texts::Say;

/// A page with a form in it, which counts in this browser alone. `page` is given the form's token.
pub(crate) fn page_with(
    sts: &Sts,
    form: &Form,
    headers: &HeaderMap,
    now: Timestamp,
    page: impl FnOnce(String) -> Response,
) -> Response {
    let browser = Browser::of(headers, sts.random.as_ref());
    let Ok(form_token) = sts.form_tokens.seal(form, &browser, now) else {
        let explanation: Say = |t| t.not_made;
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return pages::problem(status, explanation, &sts.endpoints.stylesheet);
    };
    let mut response = page(form_token);
    if let Some(cookie) = browser.cookie(form_token::LIFETIME) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// What a person filled in. A body that is no form has nothing in it.
pub(crate) struct Fields(Option<Params>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref().and_then(|params| params.get(name))
    }
}

/// The fields of a submitted form, and what it was rendered for if it is one of ours, of this
/// browser and not too old.
///
/// # Errors
/// The page for a body that did not arrive, or is too large.
pub(crate) fn read(
    sts: &Sts,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    now: Timestamp,
) -> Result<(Fields, Option<Form>), Box<Response>> {
    let body = body.map_err(|rejection| Box::new(not_taken(sts, &rejection)))?;
    let params = is_form(headers).then(|| Params::parse(&body, &[]).ok()).flatten();
    let fields = Fields(params);
    let token = fields.get("form_token");
    let form = token.and_then(|token| sts.form_tokens.open(token, headers, now).ok());
    Ok((fields, form))
}

/// The fields of a form on somebody's account page, and their session: the one that the page was
/// for, and no other.
///
/// # Errors
/// The page that says otherwise.
pub(crate) async fn of_account(
    sts: &Sts,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    now: Timestamp,
) -> Result<(Fields, Active), Box<Response>> {
    let (fields, form) = read(sts, headers, body, now)?;
    let Some(Form::Account { sid }) = form else { return Err(Box::new(too_old(sts))) };
    match sessions::of(sts, headers, now).await {
        Ok(Some(active)) if active.sign_in.sid == sid => Ok((fields, active)),
        Ok(_) => Err(Box::new(too_old(sts))),
        Err(error) => Err(Box::new(unavailable(sts, &error))),
    }
}

/// The page for a form that is not ours, not this browser's, or of another time.
pub(crate) fn too_old(sts: &Sts) -> Response {
    let explanation: Say = |t| t.too_old;
    pages::problem(StatusCode::FORBIDDEN, explanation, &sts.endpoints.stylesheet)
}

/// The page for a body that did not arrive, or is too large.
pub(crate) fn not_taken(sts: &Sts, rejection: &BytesRejection) -> Response {
    let explanation: Say = |t| t.malformed;
    pages::problem(rejection.status(), explanation, &sts.endpoints.stylesheet)
}
