//! What a provider sent a browser back with. [OpenID Connect Core §3.1.2.5 to §3.1.3.8]
//!
//! The answer counts in the browser in which the login began, once, for minutes, and at the URL of the
//! provider that was asked. Whatever is wrong with it leads to a page that says so; the client is told
//! nothing but, if the person wants to go back, that they did not sign in.
//!
//! [OpenID Connect Core §3.1.2.5 to §3.1.3.8]: https://openid.net/specs/openid-connect-core-1_0.html#AuthResponse

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_types::{Params, Timestamp};
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use super::Known;
use super::error::BrokerError;
use super::federation::{Outcome, federate};
use super::link_form;
use super::pending::Begun;
use super::upstream::Upstream;
use crate::app::Sts;
use crate::authorize::sign_in_form::{self, client_gone, sign_in_page};
use crate::authorize::unavailable;
use crate::form_token::{Browser, Purpose};
use crate::pages::{BackPage, Told};
use crate::texts::Say;
use crate::{elsewhere, pages};

const NOBODY_BEGAN: Say = |t| t.nobody_began;

pub(crate) async fn get(
    State(sts): State<Arc<Sts>>,
    Path(alias): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let stylesheet = sts.endpoints.stylesheet.as_url().path().to_owned();
    let provider = sts.settings.name.clone();
    let response = answer(sts, &alias, query, &headers).await;
    if is_browser(&headers) { as_page(response, &provider, &stylesheet) } else { response }
}

/// Whether a browser says that it navigates, and no script or program asks. [Fetch Metadata]
///
/// [Fetch Metadata]: https://www.w3.org/TR/fetch-metadata/#sec-fetch-mode-header
fn is_browser(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
}

/// A redirect as a page that leads on by itself. The browser is here by the redirect that answered the
/// other provider's form, and would hold the next one to what that form's page allows, which is to lead
/// here and no further ([CSP3 form-action]).
///
/// [CSP3 form-action]: https://www.w3.org/TR/CSP3/#directive-form-action
fn as_page(response: Response, provider: &str, stylesheet: &str) -> Response {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(url) = location else { return response };
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let destination = rest.split(['/', '?']).next().unwrap_or_default();
    let mut page = pages::back(BackPage {
        provider: provider.to_owned(),
        destination: destination.to_owned(),
        url: url.to_owned(),
        stylesheet: stylesheet.to_owned(),
    });
    for cookie in response.headers().get_all(SET_COOKIE) {
        page.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    page
}

async fn answer(
    sts: Arc<Sts>,
    alias: &str,
    query: Option<String>,
    headers: &HeaderMap,
) -> Response {
    let now = sts.clock.now();
    let (Some(known), Some(upstream)) = (sts.upstreams.known(), sts.upstreams.find(alias)) else {
        return elsewhere::no_such_endpoint().await;
    };
    let query = query.unwrap_or_default();
    let Some(begun) = begun(known, alias, &query, headers, now) else {
        tracing::warn!(
            target: "countersign::audit",
            upstream = alias,
            "an answer of another provider belongs to no login",
        );
        return pages::problem(StatusCode::FORBIDDEN, NOBODY_BEGAN, &sts.endpoints.stylesheet);
    };
    let Begun { purpose, pending, .. } = begun;
    if let Some(answer) = client_gone(&sts, &purpose).await {
        return answer;
    }
    let arrived = match upstream.finish(&sts, pending, &query, now).await {
        Ok(arrived) => arrived,
        Err(error) => return refused(&sts, upstream, &purpose, &error, headers, now).await,
    };
    match federate(&sts, known, upstream, purpose.expected(), &arrived, now).await {
        Ok(Outcome::SignedIn(user, means)) => {
            sign_in_form::signed_in(&sts, purpose, &user, means, headers, now)
                .await
                .unwrap_or_else(|error| unavailable(&sts, &error))
        }
        Ok(Outcome::Ask(arrival)) => {
            link_form::ask(&sts, upstream, &purpose, &arrival, (StatusCode::OK, None), headers, now)
        }
        Ok(Outcome::NotExpected) => sign_in_form::not_expected(&sts, &purpose).await,
        Err(error) => refused(&sts, upstream, &purpose, &error, headers, now).await,
    }
}

/// The login that an answer belongs to, which is taken out. One that was begun at another provider is
/// none: that one may have lured the browser here. [RFC 9700 §4.4]
///
/// [RFC 9700 §4.4]: https://www.rfc-editor.org/rfc/rfc9700#section-4.4
fn begun(
    known: &Known,
    alias: &str,
    query: &str,
    headers: &HeaderMap,
    now: Timestamp,
) -> Option<Begun> {
    let params = Params::parse(query.as_bytes(), &[]).ok()?;
    let browser = Browser::known(headers)?;
    let begun = known.logins.take(&browser.key(params.get("state")?), now)?;
    (begun.alias == alias).then_some(begun)
}

/// The sign-in page again, with what went wrong: from there the person tries again, chooses another way,
/// or goes back to the client.
pub(super) async fn refused(
    sts: &Sts,
    upstream: &Upstream,
    purpose: &Purpose,
    error: &BrokerError,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    if let BrokerError::Store(error) = error {
        return unavailable(sts, error);
    }
    tracing::warn!(
        target: "countersign::audit",
        upstream = %upstream.setup.alias,
        for_client = purpose.client_id(),
        error = error as &dyn std::error::Error,
        "nobody was signed in through another provider",
    );
    let (status, say) = error.told();
    let problem = Told { say, upstream: Some(upstream.setup.name.clone()) };
    sign_in_page(sts, purpose, (status, Some(problem)), "", headers, now).await
}

#[cfg(test)]
mod tests {
    use countersign_pages::page;
    use http::HeaderValue;

    use super::*;
    use crate::authorize::redirect;
    use crate::texts::Texts;

    /// CSP3 form-action: a page leads where a redirect would be held back.
    #[tokio::test]
    async fn a_browser_is_led_back_by_a_page() {
        let url = "https://results.example/callback?code=a&state=b";
        let mut response = redirect(url);
        let cookie = HeaderValue::from_static("__Host-session=s");
        response.headers_mut().append(SET_COOKIE, cookie.clone());
        let page = as_page(response, "Results", "/style.css");
        let page = page::spoken::<Texts>(page, None, None);
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers().get(LOCATION), None);
        assert_eq!(page.headers()[SET_COOKIE], cookie);
        assert_eq!(page.headers()["cache-control"], "no-store");
        assert_eq!(page.headers()["referrer-policy"], "no-referrer");
        let body = axum::body::to_bytes(page.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("Back to results.example<"), "{text}");
        let leads = "content=\"0; url=https://results.example/callback?code=a&#38;state=b\"";
        assert!(text.contains(leads), "{text}");
    }

    #[test]
    fn what_is_no_redirect_stays_what_it_is() {
        let response = Response::builder().status(403).body("x".into()).unwrap();
        assert_eq!(as_page(response, "Results", "/style.css").status(), StatusCode::FORBIDDEN);
        let mut headers = HeaderMap::new();
        assert!(!is_browser(&headers));
        headers.insert("sec-fetch-mode", HeaderValue::from_static("cors"));
        assert!(!is_browser(&headers));
        headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        assert!(is_browser(&headers));
    }
}
