//! Cookies of this server. [RFC 6265 §5.4], with the name prefix `__Host-`, by which a browser
//! demands `Secure`, the path `/` and no domain.
//!
//! [RFC 6265 §5.4]: https://www.rfc-editor.org/rfc/rfc6265#section-5.4

use countersign_types::Lifetime;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// The value of a cookie that is a handle of ours, if the browser sent it and sent it once.
pub fn handle<'a>(headers: &'a HeaderMap, cookie: &str) -> Option<&'a str> {
    value(headers, cookie).filter(|value| is_handle(value))
}

/// The value of a cookie, if the browser sent it and sent it once.
pub fn value<'a>(headers: &'a HeaderMap, cookie: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).map(str::trim);
    let mut values = pairs
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == cookie)
        .map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// What makes a browser keep a cookie for so long; without a value, forget it.
pub fn set(cookie: &str, value: &str, age: Lifetime) -> Option<HeaderValue> {
    let age = if value.is_empty() { 0 } else { age.as_secs() };
    let text = format!("{cookie}={value}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(text).ok()
}

fn is_handle(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
