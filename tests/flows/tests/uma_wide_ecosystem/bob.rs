//! Bob at his console: pages, links and forms, over HTTP.

use countersign_testkit::names;

use crate::bed::{Bed, Reply};
use crate::browser::{Browser, attribute, fields};

pub(crate) const CONSOLE: &str = "https://uma.bob.example/console";

/// Bob, signed in.
pub(crate) struct Bob {
    pub(crate) browser: Browser,
}

/// A page of the console.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) url: String,
    pub(crate) text: String,
}

impl Page {
    /// Whom or what it is about.
    pub(crate) fn person(&self) -> String {
        let (_, rest) = self.text.split_once("<h1><bdi>").expect("a heading");
        rest.split("</bdi>").next().unwrap().to_owned()
    }

    /// The fields of a form that a browser sends without anybody having touched it.
    #[track_caller]
    pub(crate) fn fields(&self, form: &str) -> Vec<(String, String)> {
        fields(&self.text, form)
    }

    /// The scopes that wait in the first form.
    pub(crate) fn asked(&self) -> Vec<String> {
        let fields = self.fields("decide-1").into_iter().filter(|(name, _)| name == "scope");
        // A resource's identifier, a blank and the scope.
        fields.map(|(_, value)| value.rsplit(' ').next().unwrap().to_owned()).collect()
    }
}

impl Bob {
    /// From the console to his provider and back.
    pub(crate) async fn signs_in(bed: &Bed) -> Self {
        let browser = Browser::new(bed);
        assert_eq!(browser.signs_in_at_console("bob").await.location(), CONSOLE);
        Self { browser }
    }

    pub(crate) async fn page(&self, link: &str) -> Page {
        let url = match link.strip_prefix('/') {
            Some(path) => format!("{}/{path}", names::UMA),
            None => link.to_owned(),
        };
        let reply = self.browser.get(&url).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Page { url, text: reply.text() }
    }

    pub(crate) async fn again(&self, page: &Page) -> Page {
        self.page(&page.url).await
    }

    /// The page of whoever waits.
    pub(crate) async fn who_waits(&self) -> Option<Page> {
        let overview = self.page("/console").await;
        let (_, link) = overview.text.split_once("class=\"button decide\"")?;
        Some(self.page(&attribute(link, "href")).await)
    }

    /// Sends a form as it stands there, but for these fields: an empty one is left out.
    pub(crate) async fn tries(&self, page: &Page, form: &str, changes: &[(&str, &str)]) -> Reply {
        let stands = page.fields(form);
        let mut fields: Vec<_> = stands.iter().map(|(name, it)| (&**name, &**it)).collect();
        fields.retain(|(name, _)| changes.iter().all(|(other, _)| other != name));
        fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.browser.post(&page.url, &fields).await
    }

    /// The same, and it is done.
    pub(crate) async fn sends(&self, page: &Page, form: &str, changes: &[(&str, &str)]) {
        let reply = self.tries(page, form, changes).await;
        assert_eq!(reply.location(), page.url);
    }

    /// Decides about what is ticked.
    pub(crate) async fn decides(&self, page: &Page, verdict: &str) {
        self.sends(page, "decide-1", &[("verdict", verdict)]).await;
    }

    /// The page of his inbox.
    pub(crate) async fn inbox(&self) -> Page {
        let resources = self.page("/console/resources").await;
        let mut links = resources.text.split("class=\"resource\"").skip(1);
        let link = links
            .find(|rest| rest.split("</a>").next().unwrap().contains("Incoming"))
            .expect("an inbox");
        self.page(&attribute(link, "href")).await
    }

    /// Shares the inbox: what stands there afterwards that did not before.
    pub(crate) async fn shares(&self, with: &[(&str, &str)], more: &[(&str, &str)]) -> String {
        let page = self.inbox().await;
        let said = [with, more].concat();
        let mut fields = vec![("effect", "permit"), ("what", "resource")];
        fields.retain(|(name, _)| said.iter().all(|(other, _)| other != name));
        fields.extend(said);
        self.sends(&page, "share", &fields).await;
        let after = self.again(&page).await;
        let new = shared(&after.text).find(|id| !shared(&page.text).any(|old| old == *id));
        new.expect("a share").to_owned()
    }

    pub(crate) async fn unshares(&self, share: &str) {
        let page = self.inbox().await;
        self.sends(&page, &format!("unshare-{share}"), &[("unshare", share)]).await;
    }
}

/// What a page says is shared.
fn shared(text: &str) -> impl Iterator<Item = &str> {
    text.split("<form id=\"unshare-").skip(1).filter_map(|rest| rest.split('"').next())
}
