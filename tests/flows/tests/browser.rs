//! A browser as far as pages need one: cookies by host, forms sent back, redirects told and not followed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use countersign_fetch::{Limits, Request};
use countersign_types::EndpointUrl;
use http::HeaderValue;
use http::header::{COOKIE, LOCATION, SET_COOKIE};

use crate::bed::{Bed, Reply};

pub(crate) struct Browser<'a> {
    bed: &'a Bed,
    cookies: RefCell<BTreeMap<(String, String), String>>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(bed: &'a Bed) -> Self {
        Self { bed, cookies: RefCell::default() }
    }

    pub(crate) fn has_cookie(&self, host: &str, name: &str) -> bool {
        self.cookies.borrow().contains_key(&(host.to_owned(), name.to_owned()))
    }

    pub(crate) async fn get(&self, url: &str) -> Reply {
        let url = EndpointUrl::parse(url).expect("a URL");
        self.send(Request::get(url, Limits::resource())).await
    }

    pub(crate) async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Reply {
        let url = EndpointUrl::parse(url).expect("a URL");
        self.send(Request::post_form(url, fields, Limits::resource())).await
    }

    /// Sends the form of a page at this origin back: the one with this field in it.
    pub(crate) async fn submit(
        &self,
        origin: &str,
        page: &Reply,
        field: &str,
        fields: &[(&str, &str)],
    ) -> Reply {
        let text = page.text();
        let (above, _) = text.split_once(&format!("name=\"{field}\"")).expect("a field");
        let action = attribute(above.rsplit_once("<form").expect("a form").1, "action");
        let token =
            attribute(above.rsplit_once("name=\"form_token\"").expect("a form token").1, "value");
        let fields = [&[("form_token", token.as_str())], fields].concat();
        self.post(&format!("{origin}{action}"), &fields).await
    }

    async fn send(&self, mut request: Request) -> Reply {
        let host = request.url.as_url().host_str().unwrap().to_owned();
        let pairs: Vec<_> = {
            let cookies = self.cookies.borrow();
            let own = cookies.iter().filter(|((of, _), _)| *of == host);
            own.map(|((_, name), value)| format!("{name}={value}")).collect()
        };
        request.headers.insert(COOKIE, HeaderValue::try_from(pairs.join("; ")).unwrap());
        let reply = self.bed.send(request).await;
        for line in reply.headers.get_all(SET_COOKIE) {
            let (pair, attributes) = line.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let key = (host.clone(), name.to_owned());
            if attributes.contains("Max-Age=0;") {
                self.cookies.borrow_mut().remove(&key);
            } else {
                self.cookies.borrow_mut().insert(key, value.to_owned());
            }
        }
        reply
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where a redirect leads.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.text());
        self.header(LOCATION.as_str()).to_owned()
    }

    /// A parameter of the place where a redirect leads.
    #[track_caller]
    pub(crate) fn answered(&self, name: &str) -> Option<String> {
        param(&self.location(), name)
    }
}

/// A parameter of a URL.
pub(crate) fn param(url: &str, name: &str) -> Option<String> {
    let url = EndpointUrl::parse(url).ok()?;
    let found = url.as_url().query_pairs().find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

/// The first attribute of this name.
pub(crate) fn attribute(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("{name}=\"")).expect("an attribute");
    rest.split('"').next().unwrap_or_default().replace("&#38;", "&").replace("&amp;", "&")
}
