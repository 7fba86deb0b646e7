//! What ties a submitted form to the page it was rendered for and to the browser it was rendered
//! in.
//!
//! The form carries what it is about, authenticated by a key that lives as long as this process,
//! together with a secret that the browser holds in a cookie. So nothing is stored for a form that
//! nobody submits, nothing in the form can be changed, and a form cannot be submitted from another
//! browser.
//!
//! A form that was open while the process was restarted is under a key that is gone. What it says
//! it asks for ([`claimed`]) is worth as much as a link that anybody can make.

use std::marker::PhantomData;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_types::digest::Digest;
use countersign_types::random::{self, Random};
use countersign_types::{Lifetime, Timestamp};
use http::{HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cookies;

const COOKIE_NAME: &str = "__Host-login";

/// Makes and opens the tokens of forms that are about an `F`.
pub struct FormTokens<F> {
    key: hmac::Key,
    lifetime: Lifetime,
    form: PhantomData<fn() -> F>,
}

#[derive(Serialize)]
struct Sealed<'a, F> {
    form: &'a F,
    expires: Timestamp,
}

#[derive(Deserialize)]
struct Content<F> {
    form: F,
    expires: Timestamp,
}

/// The form did not come from a page of ours in this browser, or too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOurs;

/// The secret that ties a form to a browser.
pub struct Browser(String);

impl Browser {
    /// The browser's secret, if it sent one and sent it once; a new one otherwise.
    pub fn of(headers: &HeaderMap, random: &dyn Random) -> Self {
        Self::known(headers).unwrap_or_else(|| Self(random::handle(random).as_str().to_owned()))
    }

    /// The browser's secret, if it sent one and sent it once.
    #[must_use]
    pub fn known(headers: &HeaderMap) -> Option<Self> {
        cookies::handle(headers, COOKIE_NAME).map(|value| Self(value.to_owned()))
    }

    /// What a login at another provider is found by, in this browser alone.
    #[must_use]
    pub fn key(&self, state: &str) -> Digest {
        Digest::of_parts(&[state.as_bytes(), self.0.as_bytes()])
    }

    /// The cookie that keeps the secret for so long.
    #[must_use]
    pub fn cookie(&self, age: Lifetime) -> Option<HeaderValue> {
        cookies::set(COOKIE_NAME, &self.0, age)
    }
}

impl<F: Serialize + DeserializeOwned> FormTokens<F> {
    /// Tokens under a fresh key, each good for so long.
    pub fn new(lifetime: Lifetime, random: &dyn Random) -> Self {
        let mut key = zeroize::Zeroizing::new([0_u8; 32]);
        random.fill(key.as_mut_slice());
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_slice());
        Self { key, lifetime, form: PhantomData }
    }

    /// The token of a form in `browser`.
    ///
    /// # Errors
    /// [`serde_json::Error`] if the form is nothing that can be written.
    pub fn seal(
        &self,
        form: &F,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<String, serde_json::Error> {
        let content = Sealed { form, expires: now.after(self.lifetime) };
        let content = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content)?);
        let tag = hmac::sign(&self.key, &tagged(&content, browser));
        Ok(format!("{content}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// What a submitted form was rendered for.
    ///
    /// # Errors
    /// [`NotOurs`].
    pub fn open(&self, token: &str, headers: &HeaderMap, now: Timestamp) -> Result<F, NotOurs> {
        let browser = Browser::known(headers).ok_or(NotOurs)?;
        let (content, tag) = token.split_once('.').ok_or(NotOurs)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| NotOurs)?;
        hmac::verify(&self.key, &tagged(content, &browser), &tag).map_err(|_| NotOurs)?;
        let Content { form, expires } = content_of(content).ok_or(NotOurs)?;
        if expires <= now { Err(NotOurs) } else { Ok(form) }
    }
}

/// What a token says its form is about. Nothing has been verified.
#[must_use]
pub fn claimed<F: DeserializeOwned>(token: &str) -> Option<F> {
    let (content, _) = token.split_once('.')?;
    content_of(content).map(|content: Content<F>| content.form)
}

fn content_of<F: DeserializeOwned>(content: &str) -> Option<Content<F>> {
    let content = URL_SAFE_NO_PAD.decode(content).ok()?;
    serde_json::from_slice(&content).ok()
}

/// Neither part has a dot, so no two pairs share an input.
fn tagged(content: &str, browser: &Browser) -> Vec<u8> {
    format!("{content}.{}", browser.0).into_bytes()
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::counting::Counting;

    const NOW: Timestamp = Timestamp::from_unix(0);

    const LIFETIME: Lifetime = Lifetime::from_secs(600);

    fn tokens(random: &Counting) -> FormTokens<String> {
        FormTokens::new(LIFETIME, random)
    }

    fn form() -> String {
        "to sign in".to_owned()
    }

    fn cookies(browser: &Browser) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let cookie = browser.cookie(LIFETIME).unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        headers.insert(COOKIE, HeaderValue::try_from(format!("a=b; {pair}")).unwrap());
        headers
    }

    #[test]
    fn a_form_opens_in_the_browser_it_was_rendered_in_and_nowhere_else() {
        let random = Counting::default();
        let made = tokens(&random);
        let browser = Browser::of(&HeaderMap::new(), &random);
        let token = made.seal(&form(), &browser, NOW).unwrap();
        let same = cookies(&browser);
        assert_eq!(made.open(&token, &same, NOW), Ok(form()));
        let soon = NOW.after(Lifetime::from_secs(599));
        assert_eq!(made.open(&token, &same, soon), Ok(form()));

        assert_eq!(made.open(&token, &same, NOW.after(LIFETIME)), Err(NotOurs));
        assert_eq!(made.open(&token, &HeaderMap::new(), NOW), Err(NotOurs));
        let other = Browser::of(&HeaderMap::new(), &random);
        assert_eq!(made.open(&token, &cookies(&other), NOW), Err(NotOurs));
        assert_eq!(tokens(&random).open(&token, &same, NOW), Err(NotOurs));
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(made.open(&changed, &same, NOW), Err(NotOurs), "{at}");
        }
    }

    #[test]
    fn a_browser_keeps_its_secret_unless_it_sends_two() {
        let random = Counting::default();
        let browser = Browser::of(&HeaderMap::new(), &random);
        let mut headers = cookies(&browser);
        assert_eq!(Browser::of(&headers, &random).0, browser.0);
        let planted = format!("{COOKIE_NAME}={}", "A".repeat(43));
        headers.append(COOKIE, HeaderValue::try_from(planted).unwrap());
        assert_ne!(Browser::of(&headers, &random).0, browser.0);
    }
}
