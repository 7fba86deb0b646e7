//! A browser as far as the pages need one: it keeps cookies, and sends forms back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE, USER_AGENT};
use http::{Request, StatusCode};

use crate::support::*;

/// A person's browser.
pub(crate) struct Browser<'a> {
    world: &'a World,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    agent: &'static str,
    navigates: bool,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self::calling_itself(world, "")
    }

    pub(crate) fn calling_itself(world: &'a World, agent: &'static str) -> Self {
        Self { world, cookies: Arc::default(), agent, navigates: false }
    }

    /// The same, where it says that a person navigates by it. [Fetch Metadata]
    ///
    /// [Fetch Metadata]: https://www.w3.org/TR/fetch-metadata/#sec-fetch-mode-header
    pub(crate) fn navigating(&self) -> Self {
        Self { cookies: Arc::clone(&self.cookies), navigates: true, ..*self }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    pub(crate) async fn send(&self, request: http::request::Builder, body: String) -> Answer {
        let pairs = self.cookies.lock().unwrap().clone();
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let mut request = request.header(COOKIE, pairs.join("; ")).header(USER_AGENT, self.agent);
        if self.navigates {
            request = request.header("sec-fetch-mode", "navigate");
        }
        let answer = self.world.send(request.body(Body::from(body)).unwrap()).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap();
            for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
                assert!(attributes.contains(attribute), "{cookie}");
            }
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{cookie}");
            let mut cookies = self.cookies.lock().unwrap();
            if attributes.contains("Max-Age=0;") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(form, encoded(fields)).await
    }

    /// What an authorization request gives, changed from a good one.
    pub(crate) async fn authorize(&self, change: &[(&str, &str)]) -> Answer {
        self.get(&format!("/authorize?{}", authorization(change))).await
    }

    /// The same by a form of another site, which brings no cookies, and where that leads.
    pub(crate) async fn posts(&self, change: &[(&str, &str)]) -> Answer {
        let sent = self.world.send(form_request("/authorize", authorization(change))).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
        assert_eq!(sent.header(SET_COOKIE), "", "what other forms are bound to stays");
        self.get(sent.header(LOCATION).strip_prefix(STS).unwrap()).await
    }

    /// Sends the form of a page back with these fields.
    pub(crate) async fn submit(&self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        // Who types a name means the form that asks for one, which may stand below others.
        let types = fields.iter().any(|(name, _)| *name == "username");
        let (above, _) = page.text.split_once("name=\"username\"").filter(|_| types).unzip();
        let action = match above {
            Some(above) => above.rsplit_once("action=\"").unwrap().1,
            None => page.text.split_once("action=\"").unwrap().1,
        };
        let action = action.split('"').next().unwrap().to_owned();
        let token = hidden(&page.text);
        let fields = [&[("form_token", token.as_str())], fields].concat();
        self.post(&action, &fields).await
    }

    /// Signs somebody in for a good request.
    pub(crate) async fn sign_in(&self, username: &str, change: &[(&str, &str)]) -> Answer {
        let page = self.authorize(change).await;
        assert!(is_sign_in(&page), "{}", page.text);
        let answer = self.submit(&page, &[("username", username), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer
    }
}

pub(crate) fn is_sign_in(page: &Answer) -> bool {
    page.status == StatusCode::OK && page.text.contains("name=\"password\"")
}

pub(crate) fn is_consent(page: &Answer) -> bool {
    page.status == StatusCode::OK && page.text.contains("value=\"other\"")
}
