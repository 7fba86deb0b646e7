//! A browser as far as pages need one: cookies by host, forms sent back, redirects told and not
//! followed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_types::EndpointUrl;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderValue, Response};

use crate::names;

type Cookies = BTreeMap<(String, String), String>;

/// Somebody's browser.
pub struct Browser {
    fetch: Arc<dyn Fetch>,
    cookies: Mutex<Cookies>,
}

impl Browser {
    /// A browser without any cookies.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, cookies: Mutex::default() }
    }

    /// Whether it has a cookie of a host.
    #[must_use]
    pub fn has_cookie(&self, host: &str, name: &str) -> bool {
        self.cookies().contains_key(&(host.to_owned(), name.to_owned()))
    }

    /// Visits a page.
    ///
    /// # Panics
    /// If there is no answer.
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub async fn get(&self, url: &str) -> Response<Bytes> {
        let url = EndpointUrl::parse(url).expect("a URL");
        self.send(Request::get(url, Limits::resource())).await
    }

    /// Sends a form.
    ///
    /// # Panics
    /// If there is no answer.
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let url = EndpointUrl::parse(url).expect("a URL");
        self.send(Request::post_form(url, fields, Limits::resource())).await
    }

    /// Sends the form of a page at this origin back: the one with this field in it, of which
    /// nothing but `form_token` is kept.
    ///
    /// # Panics
    /// If there is no such form, or no answer.
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub async fn submit(
        &self,
        origin: &str,
        page: &Response<Bytes>,
        field: &str,
        fields: &[(&str, &str)],
    ) -> Response<Bytes> {
        let text = text(page);
        let (above, _) = text.split_once(&format!("name=\"{field}\"")).expect("a field");
        let action = attribute(above.rsplit_once("<form").expect("a form").1, "action");
        let token =
            attribute(above.rsplit_once("name=\"form_token\"").expect("a form token").1, "value");
        let fields = [&[("form_token", token.as_str())], fields].concat();
        self.post(&format!("{origin}{action}"), &fields).await
    }

    /// Goes to the console of Bob's UMA server by way of his provider, as whom it knows by
    /// `username`, and tells what the console answers.
    ///
    /// # Panics
    /// If the console leads to no provider, or the provider does not lead back.
    pub async fn signs_in_at_console(&self, username: &str) -> Response<Bytes> {
        let leaves = self.get(&format!("{}/console/sign-in", names::UMA)).await;
        let leaves = location(&leaves);
        assert!(leaves.starts_with(names::BOBS_PROVIDER), "to Bob's provider: {leaves}");
        let page = self.get(leaves).await;
        let fields = [("username", username), ("password", names::ALICE_PASSWORD)];
        let back = self.submit(names::BOBS_PROVIDER, &page, "username", &fields).await;
        self.get(location(&back)).await
    }

    #[expect(clippy::expect_used, reason = "a test stops at once")]
    async fn send(&self, mut request: Request) -> Response<Bytes> {
        let host = request.url.as_url().host_str().unwrap_or_default().to_owned();
        let pairs: Vec<_> = {
            let cookies = self.cookies();
            let own = cookies.iter().filter(|((of, _), _)| *of == host);
            own.map(|((_, name), value)| format!("{name}={value}")).collect()
        };
        let pairs = HeaderValue::try_from(pairs.join("; ")).expect("cookies");
        request.headers.insert(COOKIE, pairs);
        let response = self.fetch.fetch(request).await.expect("an answer");
        for line in response.headers().get_all(SET_COOKIE) {
            let line = line.to_str().expect("a cookie");
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect("a cookie");
            let key = (host.clone(), name.to_owned());
            if attributes.contains("Max-Age=0;") {
                self.cookies().remove(&key);
            } else {
                self.cookies().insert(key, value.to_owned());
            }
        }
        response
    }

    fn cookies(&self) -> MutexGuard<'_, Cookies> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page as text.
#[must_use]
pub fn text(page: &Response<Bytes>) -> String {
    String::from_utf8_lossy(page.body()).into_owned()
}

/// Where a redirect leads; empty if it is none.
#[must_use]
pub fn location(answer: &Response<Bytes>) -> &str {
    let location = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection());
    location.and_then(|location| location.to_str().ok()).unwrap_or_default()
}

/// The first attribute of this name.
///
/// # Panics
/// If there is none.
#[must_use]
#[track_caller]
#[expect(clippy::expect_used, reason = "a test stops at once")]
pub fn attribute(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("{name}=\"")).expect("an attribute");
    let value = rest.split('"').next().unwrap_or_default();
    value.replace("&#38;", "&").replace("&amp;", "&").replace("&#39;", "'")
}

/// The fields of a form, by its `id`, that a browser sends without anybody having touched it.
///
/// # Panics
/// If the page has no such form.
#[must_use]
#[track_caller]
#[expect(clippy::expect_used, reason = "a test stops at once")]
pub fn fields(page: &str, form: &str) -> Vec<(String, String)> {
    let (_, form) = page.split_once(&format!("<form id=\"{form}\"")).expect("a form");
    let form = form.split("</form>").next().unwrap_or_default();
    let inputs = form.split("<input").skip(1).filter_map(|rest| rest.split('>').next());
    let sent = inputs.filter(|tag| !tag.contains("checkbox") || tag.contains(" checked"));
    let sent = sent.filter(|tag| tag.contains(" value=\""));
    sent.map(|tag| (attribute(tag, " name"), attribute(tag, " value"))).collect()
}
