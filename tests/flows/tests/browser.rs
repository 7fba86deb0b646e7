//! A browser at a bed: what it is answered is a reply as any other.

use bytes::Bytes;
use countersign_testkit::browser;
pub(crate) use countersign_testkit::browser::{attribute, fields};
use countersign_types::EndpointUrl;
use http::Response;
use http::header::LOCATION;

use crate::bed::{Bed, Reply};

pub(crate) struct Browser(browser::Browser);

impl Browser {
    pub(crate) fn new(bed: &Bed) -> Self {
        Self(browser::Browser::new(bed.deployment.http()))
    }

    pub(crate) fn has_cookie(&self, host: &str, name: &str) -> bool {
        self.0.has_cookie(host, name)
    }

    pub(crate) async fn get(&self, url: &str) -> Reply {
        self.0.get(url).await.into()
    }

    pub(crate) async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Reply {
        self.0.post(url, fields).await.into()
    }

    /// From Bob's console to his provider and back.
    pub(crate) async fn signs_in_at_console(&self, username: &str) -> Reply {
        self.0.signs_in_at_console(username).await.into()
    }

    /// Sends the form of a page at this origin back: the one with this field in it.
    pub(crate) async fn submit(
        &self,
        origin: &str,
        page: &Reply,
        field: &str,
        fields: &[(&str, &str)],
    ) -> Reply {
        let page = Response::new(page.body.clone());
        self.0.submit(origin, &page, field, fields).await.into()
    }
}

impl From<Response<Bytes>> for Reply {
    fn from(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
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
