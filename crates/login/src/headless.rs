//! Signs in without a browser: fetches the sign-in page, fills its form, and reads the answer from
//! the redirect. For scripts and tests, at providers whose page is one plain form.
//!
//! The form is the one with the fields `username` and `password` that is sent by `POST`; its other
//! fields, hidden ones and the first button's, are sent as they stand. The password goes to the
//! authorization endpoint's own origin and nowhere else.

mod form;
mod through;

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_types::secret::Password;
use countersign_types::{EndpointUrl, RedirectUri};
use http::header::{ACCEPT, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use form::Form;

pub use through::{Through, sign_in_through};

/// No more pages and redirects than this are gone through.
const MAX_STEPS: usize = 8;

/// What a person would type.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Password,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadlessError {
    /// A page could not be fetched.
    #[error("a page of the provider could not be fetched")]
    Fetch(#[from] FetchError),
    /// A page is an error page.
    #[error("the provider answered {0}")]
    Status(StatusCode),
    /// A page has no form with `username` and `password` that is sent by `POST`.
    #[error("there is no sign-in form")]
    NoForm,
    /// A form or a redirect leads to another origin than the authorization endpoint's.
    #[error("the provider leads to another origin")]
    OtherOrigin,
    /// The sign-in page came again: wrong user name or password.
    #[error("the user name or the password was refused")]
    Refused,
    /// The answer did not come within a few pages.
    #[error("the provider leads in circles")]
    TooManySteps,
}

/// Visits an authorization URL, signs in, and returns the query of the answer, which is not
/// delivered to the redirection URI.
///
/// # Errors
/// Any [`HeadlessError`].
pub async fn sign_in(
    fetch: &dyn Fetch,
    url: &EndpointUrl,
    redirect_uri: &RedirectUri,
    credentials: &Credentials,
) -> Result<String, HeadlessError> {
    let browser = Browser { fetch, start: url, cookies: BTreeMap::new() };
    let request = browser.page(url);
    signed_in(browser, request, redirect_uri, credentials).await
}

/// The same, with the authorization request in the body of a `POST`, as a form. [OpenID Core
/// §3.1.2.1]
///
/// # Errors
/// Any [`HeadlessError`].
///
/// [OpenID Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
pub async fn sign_in_by_post(
    fetch: &dyn Fetch,
    url: &EndpointUrl,
    redirect_uri: &RedirectUri,
    credentials: &Credentials,
) -> Result<String, HeadlessError> {
    let browser = Browser { fetch, start: url, cookies: BTreeMap::new() };
    let request = browser.posted(url)?;
    signed_in(browser, request, redirect_uri, credentials).await
}

/// Goes on from the authorization request to its answer.
async fn signed_in(
    mut browser: Browser<'_>,
    request: Request,
    redirect_uri: &RedirectUri,
    credentials: &Credentials,
) -> Result<String, HeadlessError> {
    let mut at = request.url.clone();
    let mut response = browser.send(request).await?;
    let mut has_signed_in = false;
    for _ in 0..MAX_STEPS {
        if response.status().is_redirection() {
            let location = location(&response)?;
            if let Some(query) = answer(redirect_uri, location) {
                return Ok(query.to_owned());
            }
            at = browser.same_origin(&at, location)?;
            response = browser.send(browser.page(&at)).await?;
            continue;
        }
        if has_signed_in {
            return Err(refusal(response.status()));
        }
        if response.status() != StatusCode::OK {
            return Err(HeadlessError::Status(response.status()));
        }
        let form = sign_in_form(response.body())?;
        at = browser.same_origin(&at, form.action.as_deref().unwrap_or(at.as_str()))?;
        response = browser.send(browser.submission(&at, &form, credentials)).await?;
        has_signed_in = true;
    }
    Err(HeadlessError::TooManySteps)
}

/// What a page after signing in means: the form again, or an error.
fn refusal(status: StatusCode) -> HeadlessError {
    match status {
        StatusCode::OK | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => HeadlessError::Refused,
        other => HeadlessError::Status(other),
    }
}

fn sign_in_form(page: &[u8]) -> Result<Form, HeadlessError> {
    let page = std::str::from_utf8(page).map_err(|_| HeadlessError::NoForm)?;
    form::forms(page)
        .into_iter()
        .find(|form| form.is_post && form.has("username") && form.has("password"))
        .ok_or(HeadlessError::NoForm)
}

fn location(response: &Response<Bytes>) -> Result<&str, HeadlessError> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    location.ok_or_else(|| HeadlessError::Status(response.status()))
}

/// The query of a redirect that leads to the redirection URI.
fn answer<'a>(redirect_uri: &RedirectUri, location: &'a str) -> Option<&'a str> {
    let query = location.strip_prefix(redirect_uri.as_str())?.strip_prefix('?')?;
    query.split('#').next()
}

/// What a browser would keep: cookies, and where it began.
struct Browser<'a> {
    fetch: &'a dyn Fetch,
    start: &'a EndpointUrl,
    cookies: BTreeMap<String, String>,
}

impl Browser<'_> {
    fn page(&self, url: &EndpointUrl) -> Request {
        let limits = Limits::resource().with_max_body(256 * 1024);
        let request = Request::get(url.clone(), limits);
        self.with_cookies(request).with_header(ACCEPT, HeaderValue::from_static("text/html"))
    }

    /// A page that is asked for with a form in place of a query.
    fn posted(&self, url: &EndpointUrl) -> Result<Request, HeadlessError> {
        let fields = url.as_url().query_pairs().collect::<Vec<_>>();
        let fields = fields.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let mut place = url.as_url().clone();
        place.set_query(None);
        let place = self.same_origin(url, place.as_str())?;
        let limits = Limits::resource().with_max_body(256 * 1024);
        let request = Request::post_form(place, &fields.collect::<Vec<_>>(), limits);
        Ok(request.with_header(ACCEPT, HeaderValue::from_static("text/html")))
    }

    fn submission(&self, url: &EndpointUrl, form: &Form, credentials: &Credentials) -> Request {
        let fields = form.fields.iter().map(|(name, value)| match name.as_str() {
            "username" => (name.as_str(), credentials.username.as_str()),
            "password" => (name.as_str(), credentials.password.expose()),
            _ => (name.as_str(), value.as_str()),
        });
        let fields = fields.collect::<Vec<_>>();
        let limits = Limits::resource().with_max_body(256 * 1024);
        self.submitted(url, Request::post_form(url.clone(), &fields, limits))
    }

    /// What a browser adds to a form that it sends.
    fn submitted(&self, url: &EndpointUrl, request: Request) -> Request {
        let request = self.with_cookies(request);
        match HeaderValue::try_from(url.as_url().origin().ascii_serialization()) {
            Ok(origin) => request.with_header(ORIGIN, origin),
            Err(_) => request,
        }
    }

    fn with_cookies(&self, request: Request) -> Request {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let line = pairs.collect::<Vec<_>>().join("; ");
        match HeaderValue::try_from(line) {
            Ok(line) if !line.is_empty() => request.with_header(COOKIE, line),
            _ => request,
        }
    }

    async fn send(&mut self, request: Request) -> Result<Response<Bytes>, HeadlessError> {
        let response = self.fetch.fetch(request).await?;
        self.keep_cookies(response.headers());
        Ok(response)
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        let lines = headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
        for line in lines {
            let pair = line.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }

    /// Where a link on a page leads, if that is the origin that was visited first.
    fn same_origin(&self, page: &EndpointUrl, link: &str) -> Result<EndpointUrl, HeadlessError> {
        let target = page.as_url().join(link).map_err(|_| HeadlessError::OtherOrigin)?;
        if target.origin() != self.start.as_url().origin() {
            return Err(HeadlessError::OtherOrigin);
        }
        EndpointUrl::parse(target.as_str()).map_err(|_| HeadlessError::OtherOrigin)
    }
}

#[cfg(test)]
mod tests;
