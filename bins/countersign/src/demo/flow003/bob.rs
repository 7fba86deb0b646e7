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

/// A page on which Bob decides: a person's, or a resource's.
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

    /// The page of the only person whom Bob knows.
    pub(super) async fn only_person(&mut self) -> Result<Page, Failure> {
        let people = text(&self.get("/console/people").await?)?;
        let link = between(&people, "class=\"person\" href=\"", "\"");
        self.page(&link.ok_or("the console knows nobody")?).await
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
        self.submit(page, id, &[("verdict", verdict)]).await
    }

    /// Takes back the first thing that a page says is shared, or that keeps somebody out. Whether
    /// there was one.
    pub(super) async fn lift(&mut self, page: &Page) -> Result<bool, Failure> {
        let Some(share) = between(&page.text, "<form id=\"unshare-", "\"") else {
            return Ok(false);
        };
        self.submit(page, &format!("unshare-{share}"), &[("unshare", &share)]).await?;
        Ok(true)
    }

    /// The page of the only resource that Bob has.
    pub(super) async fn only_resource(&mut self) -> Result<Page, Failure> {
        let resources = text(&self.get("/console/resources").await?)?;
        let link = between(&resources, "class=\"resource\" href=\"", "\"");
        self.page(&link.ok_or("the console has no resource")?).await
    }

    /// Shares the resource of a page with one person.
    pub(super) async fn share(
        &mut self,
        page: &Page,
        with: &str,
        scope: &str,
    ) -> Result<(), Failure> {
        let choices = [("who", "person"), ("effect", "permit"), ("what", "resource")];
        let choices = [&choices[..], &[("with", with), ("scope", scope)]].concat();
        self.submit(page, "share", &choices).await
    }

    async fn submit(
        &mut self,
        page: &Page,
        id: &str,
        choices: &[(&str, &str)],
    ) -> Result<(), Failure> {
        let mut fields = page.fields(id).ok_or("the page has no such form")?;
        fields
            .retain(|(name, value)| !value.is_empty() && choices.iter().all(|(it, _)| it != name));
        fields.extend(choices.iter().map(|(name, it)| ((*name).to_owned(), (*it).to_owned())));
        let url = EndpointUrl::parse(&format!("{}{}", self.server, page.path))?;
        let request = Request::post_form(url, &fields, Limits::resource());
        location(&self.send(request).await?).map(drop)
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
            between(tag, &format!(" {name}=\""), "\"").map(|text| unescaped(&text))
        };
        let fields = sent.filter_map(|tag| Some((value(tag, "name")?, value(tag, "value")?)));
        Some(fields.filter(|(name, _)| name != "claims").collect())
    }

    /// Whom or what it is about.
    pub(super) fn title(&self) -> String {
        between(&self.text, "<h1><bdi>", "</bdi>").map(|it| unescaped(&it)).unwrap_or_default()
    }

    /// What is asked for.
    pub(super) fn scopes(&self) -> Option<Vec<String>> {
        let fields = self.fields("decide-1")?.into_iter().filter(|(name, _)| name == "scope");
        // A resource's identifier, a blank and the scope.
        Some(fields.filter_map(|(_, it)| Some(it.rsplit_once(' ')?.1.to_owned())).collect())
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&#39;", "'").replace("&#x27;", "'")
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
