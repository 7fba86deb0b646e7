//! Pages a person sees, the language of each, and the headers that protect them.
//!
//! A handler says which page it is ([`html`]). In which language is decided once, on the way out
//! ([`speak`]): by the locales that a client wishes, then by those that the browser does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use countersign_types::Timestamp;
use http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::{Host, Url, form_urlencoded};

use crate::texts::{self, Language};

/// The style that all pages have.
pub const STYLE: &str = include_str!("../assets/style.css");

/// A page that can be shown in any language.
pub trait Page<T>: Send + Sync {
    /// The page among these texts.
    ///
    /// # Errors
    /// [`askama::Error`] if the template has one.
    fn speak(&self, texts: &T) -> Result<String, askama::Error>;
}

/// Makes a type a [`Page`] by a template, which sees the texts as `t` and the page as `p`.
#[macro_export]
macro_rules! in_a_language {
    ($texts:ty, $page:ty, $template:literal) => {
        impl $crate::Page<$texts> for $page {
            fn speak(
                &self,
                texts: &$texts,
            ) -> ::std::result::Result<String, $crate::askama::Error> {
                #[derive($crate::askama::Template)]
                #[template(path = $template, askama = $crate::askama)]
                struct View<'a> {
                    t: &'a $texts,
                    p: &'a $page,
                }
                $crate::askama::Template::render(&View { t: texts, p: self })
            }
        }
    };
}

/// A page on its way out, and the locales that a client wishes for it.
struct Silent<T> {
    page: Arc<dyn Page<T>>,
    ui_locales: Option<String>,
}

impl<T> Clone for Silent<T> {
    fn clone(&self) -> Self {
        Self { page: Arc::clone(&self.page), ui_locales: self.ui_locales.clone() }
    }
}

/// A page, to be shown by [`speak`]. Its forms may lead to `form_action`, a source list of CSP.
pub fn html<T: Language>(
    status: StatusCode,
    page: impl Page<T> + 'static,
    ui_locales: Option<String>,
    form_action: &str,
) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.extensions_mut().insert(Silent::<T> { page: Arc::new(page), ui_locales });
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action {form_action}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // INVARIANT: an origin is visible ASCII, so the policy is a header value.
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&policy)
            .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    );
    protect(headers);
    response
}

/// Shows a page in the language that is wished for.
pub async fn speak<T: Language>(request: Request, next: Next) -> Response {
    let accepted = request.headers().get(ACCEPT_LANGUAGE).cloned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let accepted = accepted.as_ref().and_then(|value| value.to_str().ok());
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let asked = pairs.find(|(name, _)| name == "ui_locales").map(|(_, value)| value.into_owned());
    spoken::<T>(response, asked, accepted)
}

/// A page in the language of its client's wish, or of these locales.
pub fn spoken<T: Language>(
    mut response: Response,
    asked: Option<String>,
    accepted: Option<&str>,
) -> Response {
    let Some(Silent { page, ui_locales }) = response.extensions_mut().remove::<Silent<T>>() else {
        return response;
    };
    let texts = texts::chosen::<T>(ui_locales.or(asked).as_deref(), accepted);
    match page.speak(texts) {
        Ok(body) => {
            let language = HeaderValue::from_static(texts.tag());
            response.headers_mut().insert(CONTENT_LANGUAGE, language);
            *response.body_mut() = Body::from(body);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

/// Sends a browser on, whatever its request was. [RFC 9110 §15.4.4]
///
/// [RFC 9110 §15.4.4]: https://www.rfc-editor.org/rfc/rfc9110#section-15.4.4
#[must_use]
pub fn see_other(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    match HeaderValue::try_from(location) {
        Ok(location) => {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, location);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    protect(response.headers_mut());
    response
}

/// Headers of every answer that a browser may show.
pub fn protect(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// A stylesheet: the one thing that a page loads, and that is not about anybody.
pub fn stylesheet(style: impl Into<Body>) -> Response {
    let mut response = Response::new(style.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The place of a redirect URI as a source of a content security policy, which browsers hold the
/// redirect after a form to. The grammar has no IPv6 literals ([CSP3 host-source]): a browser skips
/// such a source and stops the redirect, so that the scheme has to do.
///
/// [CSP3 host-source]: https://www.w3.org/TR/CSP3/#grammardef-host-source
#[must_use]
pub fn form_action(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if matches!(url.host(), Some(Host::Ipv6(_))) => format!("{}:", url.scheme()),
        _ => origin(url),
    }
}

/// The origin of a URL, for a person to see; empty if it is none.
#[must_use]
pub fn origin(url: &str) -> String {
    Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}

/// The end of a day, in UTC, as a date field writes it: `2026-11-22`.
#[must_use]
pub fn end_of_day(date: &str) -> Option<Timestamp> {
    let day = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let end = day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN);
    Some(Timestamp::from_unix(end.and_utc().timestamp()))
}

/// The day that ends at this moment, as [`end_of_day`] reads it; `None` if none does.
#[must_use]
pub fn day_ended(at: Timestamp) -> Option<String> {
    let day = DateTime::from_timestamp(at.as_unix(), 0)?.date_naive().pred_opt()?;
    let day = day.format("%Y-%m-%d").to_string();
    (end_of_day(&day) == Some(at)).then_some(day)
}

/// A moment to the minute. Nobody says which time zone a browser is in.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    let at = DateTime::from_timestamp(at.as_unix(), 0).unwrap_or_default();
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_when_the_next_one_begins() {
        assert_eq!(end_of_day("1970-01-01"), Some(Timestamp::from_unix(86_400)));
        assert_eq!(day_ended(Timestamp::from_unix(86_400)).as_deref(), Some("1970-01-01"));
        assert_eq!(day_ended(Timestamp::from_unix(86_399)), None);
        for bad in ["", "1970-1-x", "1970-13-01", "tomorrow", "1970-02-30"] {
            assert_eq!(end_of_day(bad), None, "{bad}");
        }
    }
}
