//! What every handler of the console has before it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use countersign_pages::{Browser, Page, page};
use countersign_types::{Issuer, Timestamp};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use url::form_urlencoded;

use super::Console;
use super::done::Done;
use super::forms::Form;
use super::refusal::Refusal;
use super::sessions::{self, Active};
use super::shell::{Shell, Tab};
use super::texts::Texts;
use crate::app::Uma;

/// The console, and the server whose it is.
pub(super) struct Desk {
    pub(super) uma: Arc<Uma>,
    pub(super) console: Arc<Console>,
}

/// A page in the making: whose it is, and for which browser.
pub(super) struct Visit {
    pub(super) active: Active,
    pub(super) now: Timestamp,
    browser: Browser,
    /// What was done on the page before.
    done: Option<Done>,
}

/// A handler that has a visit as an argument is for owners who are signed in ([`Desk::enter`]).
impl FromRequestParts<Arc<Desk>> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Refusal> {
        desk.enter(&parts.headers, &parts.uri, desk.uma.seams.clock.now()).await
    }
}

impl Desk {
    /// Lets an owner in who is signed in. Whoever is not can sign in, and comes back.
    pub(super) async fn enter(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        now: Timestamp,
    ) -> Result<Visit, Refusal> {
        let active = sessions::of(self, headers, now).await?;
        let to = || uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let active = active.ok_or_else(|| Refusal::SignIn(to()))?;
        Ok(Visit { done: Done::of(headers), ..self.visit(active, headers, now) })
    }

    pub(super) fn visit(&self, active: Active, headers: &HeaderMap, now: Timestamp) -> Visit {
        let browser = Browser::of(headers, &*self.uma.seams.random);
        Visit { active, now, browser, done: None }
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.uma.settings.issuer
    }

    /// Where one signs in to come back to this path.
    pub(super) fn sign_in_path(&self, to: &str) -> String {
        let base = self.console.path();
        if to.is_empty() || to == base {
            return format!("{base}/sign-in");
        }
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
        format!("{base}/sign-in?{query}")
    }

    /// What a page of nobody has around it.
    pub(super) fn bare_shell(&self) -> Shell {
        let base = self.console.path().to_owned();
        Shell { name: self.console.name.clone(), base, person: None, done: None }
    }

    /// The token of a form on a page.
    pub(super) fn seal(&self, form: &Form, visit: &Visit) -> Result<String, Refusal> {
        Ok(self.console.form_tokens.seal(form, &visit.browser, visit.now)?)
    }

    /// What a page has around it.
    pub(super) fn shell(&self, visit: &Visit, tab: Tab) -> Result<Shell, Refusal> {
        let sign_out = Form::SignOut { sid: visit.active.sid.clone() };
        let token = self.seal(&sign_out, visit)?;
        let person = Some((visit.active.identity.label().to_owned(), token, tab));
        let done = visit.done.map(Done::say);
        Ok(Shell { person, done, ..self.bare_shell() })
    }

    /// A page for an owner, with the cookie that its forms belong to.
    pub(super) fn show(
        &self,
        status: StatusCode,
        page: impl Page<Texts> + 'static,
        visit: &Visit,
    ) -> Response {
        self.show_leading(status, page, visit, "'self'")
    }

    /// The same, whose forms lead somewhere else, too.
    pub(super) fn show_leading(
        &self,
        status: StatusCode,
        page: impl Page<Texts> + 'static,
        visit: &Visit,
        leads: &str,
    ) -> Response {
        let mut response = page::html::<Texts>(status, page, None, leads);
        let kept = visit.browser.cookie(self.console.idle);
        for cookie in [kept, visit.done.and_then(|_| Done::forgotten())].into_iter().flatten() {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }

    /// Sends the browser on to a page of the console, which says what was done.
    pub(super) fn lead(&self, path: &str, done: Done) -> Response {
        let mut response = page::see_other(&self.console.absolute(path));
        if let Some(cookie) = done.cookie() {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

pub(super) async fn stylesheet(State(desk): State<Arc<Desk>>) -> Response {
    page::stylesheet(desk.console.style.clone())
}
