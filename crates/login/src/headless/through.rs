//! Signs in at a provider that a broker offers: the choice on the broker's page, the provider's own
//! form, and the way back.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_types::{EndpointUrl, Issuer, RedirectUri};
use http::{Response, StatusCode};

use super::form::{self, Form};
use super::{Browser, Credentials, HeadlessError, MAX_STEPS, answer, location, sign_in};

/// The field in which a broker's page has the choice.
const CHOICE: &str = "upstream";

/// Which of a broker's providers.
#[derive(Clone, Copy, Debug)]
pub struct Through<'a> {
    /// What the broker's page calls it.
    pub alias: &'a str,
    /// Who it is: the password goes to its origin and nowhere else, whatever the broker says.
    pub provider: &'a Issuer,
}

/// Visits the authorization URL of a broker, chooses a provider there, signs in at that, and
/// returns the query of the broker's answer, which is not delivered to the redirection URI.
///
/// # Errors
/// Any [`HeadlessError`].
pub async fn sign_in_through(
    fetch: &dyn Fetch,
    url: &EndpointUrl,
    redirect_uri: &RedirectUri,
    through: Through<'_>,
    credentials: &Credentials,
) -> Result<String, HeadlessError> {
    let mut broker = Browser { fetch, start: url, cookies: BTreeMap::new() };
    let page = broker.send(broker.page(url)).await?;
    let form = choice(&page)?;
    let at = broker.same_origin(url, form.action.as_deref().unwrap_or(url.as_str()))?;
    let on_the_way = broker.send(broker.choose(&at, &form, through.alias)).await?;
    let to = leads_to(&on_the_way, through.provider)?;
    let callback = callback(&broker, &to)?;
    let query = sign_in(fetch, &to, &callback, credentials).await?;
    let back = format!("{}?{query}", callback.as_str());
    let mut at = EndpointUrl::parse(&back).map_err(|_| HeadlessError::OtherOrigin)?;
    for _ in 0..MAX_STEPS {
        let response = broker.send(broker.page(&at)).await?;
        if !response.status().is_redirection() {
            return Err(HeadlessError::Status(response.status()));
        }
        let location = location(&response)?;
        if let Some(query) = answer(redirect_uri, location) {
            return Ok(query.to_owned());
        }
        at = broker.same_origin(&at, location)?;
    }
    Err(HeadlessError::TooManySteps)
}

fn text(page: &Response<Bytes>) -> Result<&str, HeadlessError> {
    if page.status() != StatusCode::OK {
        return Err(HeadlessError::Status(page.status()));
    }
    std::str::from_utf8(page.body()).map_err(|_| HeadlessError::NoForm)
}

fn choice(page: &Response<Bytes>) -> Result<Form, HeadlessError> {
    let forms = form::forms(text(page)?).into_iter();
    let mut choices = forms.filter(|form| form.is_post && form.has(CHOICE));
    choices.next().ok_or(HeadlessError::NoForm)
}

/// Where a redirect leads, if that is the provider.
fn leads_to(answer: &Response<Bytes>, provider: &Issuer) -> Result<EndpointUrl, HeadlessError> {
    if !answer.status().is_redirection() {
        return Err(HeadlessError::Status(answer.status()));
    }
    let url = location(answer)?;
    let origin = |url: &str| EndpointUrl::parse(url).map(|url| (url.as_url().origin(), url));
    match (origin(url), origin(provider.as_str())) {
        (Ok((found, url)), Ok((expected, _))) if found == expected => Ok(url),
        _ => Err(HeadlessError::OtherOrigin),
    }
}

/// Where the provider is to send the browser back to: the broker.
fn callback(broker: &Browser<'_>, to: &EndpointUrl) -> Result<RedirectUri, HeadlessError> {
    let mut params = to.as_url().query_pairs();
    let found = params.find(|(name, _)| name == "redirect_uri").map(|(_, value)| value);
    let found = found.ok_or(HeadlessError::OtherOrigin)?;
    let found = broker.same_origin(broker.start, &found)?;
    RedirectUri::parse(found.as_str()).map_err(|_| HeadlessError::OtherOrigin)
}

impl Browser<'_> {
    fn choose(&self, url: &EndpointUrl, form: &Form, alias: &str) -> Request {
        let fields = form.fields.iter().map(|(name, value)| match name.as_str() {
            CHOICE => (name.as_str(), alias),
            _ => (name.as_str(), value.as_str()),
        });
        let fields = fields.collect::<Vec<_>>();
        self.submitted(url, Request::post_form(url.clone(), &fields, Limits::resource()))
    }
}

#[cfg(test)]
mod tests;
