//! Bob at his console, as his browser would have it: pages, links, forms and cookies over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_login::{Credentials, headless};
use countersign_types::{EndpointUrl, RedirectUri};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderValue, Response, StatusCode};

use crate::demo::servers::Failure;

/// Bob's browser, in which he has signed in.
pub(super) struct Browser {
    fetch: Arc<dyn Fetch>,
    server: String,
    cookies: BTreeMap<String, String>,
}

/// The page on which Bob decides about a person.
pub(super) struct Page {
    path: String,
    text: String,
}

impl Browser {
    /// Signs Bob in: from the console to his provider and back.
    pub(super) async fn sign_in(
        fetch: Arc<dyn Fetch>,
        server: &str,
        credentials: &Credentials,
    ) -> Result<Self, Failure> {
        let mut browser = Self { fetch, server: server.to_owned(), cookies: BTreeMap::new() };
        let leaves = browser.get("/console/sign-in").await?;
        let url = EndpointUrl::parse(location(&leaves)?)?;
        let callback = RedirectUri::parse(&format!("{server}/console/callback"))?;
        let fetch = Arc::clone(&browser.fetch);
        let query = headless::sign_in(fetch.as_ref(), &url, &callback, credentials).await?;
        let back = browser.get(&format!("/console/callback?{query}")).await?;
        location(&back)?;
        Ok(browser)
    }

    /// The page of whoever waits, if somebody does.
    pub(super) async fn who_waits(&mut self) -> Result<Option<Page>, Failure> {
        let overview = text(&self.get("/console").await?)?;
        match between(&overview, "class=\"button decide\" href=\"", "\"") {
            Some(link) => self.page(&link).await.map(Some),
            None => Ok(None),
        }
    }

    /// The page of the only person whom Bob knows, if there is one.
    pub(super) async fn person_of(&mut self, server: &str) -> Result<Option<Page>, Failure> {
        let people = text(&self.get("/console/people").await?)?;
        let link = [server, ""].iter().find_map(|base| {
            let start = format!("href=\"{base}/console/people/");
            between(&people, &start, "\"").map(|rest| format!("/console/people/{rest}"))
        });
        match link {
            Some(link) => self.page(&link).await.map(Some),
            None => Ok(None),
        }
    }

    async fn page(&mut self, link: &str) -> Result<Page, Failure> {
        let path = link.strip_prefix(self.server.as_str()).unwrap_or(link).to_owned();
        let text = text(&self.get(&path).await?)?;
        Ok(Page { path, text })
    }

    /// Sends the form `id` of a page, as it stands there, with a verdict.
    pub(super) async fn say(
        &mut self,
        page: &Page,
        id: &str,
        verdict: &str,
    ) -> Result<(), Failure> {
        let mut fields = page.fields(id).ok_or("the page has no such form")?;
        fields.push(("verdict".to_owned(), verdict.to_owned()));
        let url = EndpointUrl::parse(&format!("{}{}", self.server, page.path))?;
        let request = Request::post_form(url, &fields, Limits::resource());
        location(&self.send(request).await?).map(drop)
    }

    /// The same page as it is now.
    pub(super) async fn again(&mut self, page: &Page) -> Result<Page, Failure> {
        let path = page.path.clone();
        self.page(&path).await
    }

    async fn get(&mut self, path: &str) -> Result<Response<Bytes>, Failure> {
        let url = EndpointUrl::parse(&format!("{}{path}", self.server))?;
        self.send(Request::get(url, Limits::resource())).await
    }

    async fn send(&mut self, mut request: Request) -> Result<Response<Bytes>, Failure> {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            request.headers.insert(COOKIE, HeaderValue::try_from(cookies)?);
        }
        let response = self.fetch.fetch(request).await?;
        for cookie in response.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str()?.split(';').next().unwrap_or_default();
            let Some((name, value)) = cookie.split_once('=') else { continue };
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(response)
    }
}

impl Page {
    /// What a browser sends of the form `id` without anybody having touched it.
    fn fields(&self, id: &str) -> Option<Vec<(String, String)>> {
        let form = between(&self.text, &format!("<form id=\"{id}\""), "</form>")?;
        let inputs = form.split("<input").skip(1).filter_map(|rest| rest.split('>').next());
        let sent = inputs.filter(|tag| !tag.contains("checkbox") || tag.contains(" checked"));
        let value = |tag: &str, name: &str| {
            between(tag, &format!(" {name}=\""), "\"")
                .map(|text| text.replace("&#38;", "&").replace("&#x27;", "'"))
        };
        let fields = sent.filter_map(|tag| Some((value(tag, "name")?, value(tag, "value")?)));
        Some(fields.filter(|(name, _)| name != "claims").collect())
    }

    /// Whom it is about.
    pub(super) fn person(&self) -> String {
        between(&self.text, "<h1><bdi>", "</bdi>").unwrap_or_default()
    }

    /// What is asked for.
    pub(super) fn scopes(&self) -> Option<Vec<String>> {
        let fields = self.fields("decide-1")?.into_iter().filter(|(name, _)| name == "scope");
        // A resource's identifier, a blank and the scope.
        Some(fields.filter_map(|(_, it)| Some(it.rsplit_once(' ')?.1.to_owned())).collect())
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found.to_owned())
}

fn text(page: &Response<Bytes>) -> Result<String, Failure> {
    if page.status() != StatusCode::OK {
        return Err(format!("the console answered {}", page.status()).into());
    }
    Ok(std::str::from_utf8(page.body())?.to_owned())
}

/// Where an answer leads.
fn location(answer: &Response<Bytes>) -> Result<&str, Failure> {
    let location = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection());
    match location {
        Some(location) => Ok(location.to_str()?),
        None => Err(format!("the console answered {}", answer.status()).into()),
    }
}
