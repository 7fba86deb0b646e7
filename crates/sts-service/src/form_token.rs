//! What ties a submitted form to the request it was rendered for and to the browser it was
//! rendered in.
//!
//! The form carries the authorization request itself, authenticated by a key that lives as long as
//! this process, together with a secret that the browser holds in a cookie. So nothing is stored for
//! a form that nobody submits, nothing in the form can be changed, and a form cannot be submitted
//! from another browser.
//!
//! A form that was open while the process was restarted is under a key that is gone. Nobody is signed
//! in by it, but the person is not left with a dead end: what such a form says it asks for is treated
//! as an authorization request that has just come in ([`claimed`]), with all its checks, and leads to
//! a fresh form.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_oidc::{AuthorizationRequest, dpop_jkt, pkce};
use countersign_types::digest::Digest;
use countersign_types::random::{self, Random};
use countersign_types::{EmailAddress, Lifetime, Timestamp};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::cookies;

/// How long a person may take to sign in.
pub(crate) const LIFETIME: Lifetime = Lifetime::from_secs(600);

const COOKIE_NAME: &str = "__Host-login";

/// Makes and opens form tokens.
pub(crate) struct FormTokens(hmac::Key);

/// What a client asks of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The request.
    pub(crate) request: AuthorizationRequest,
    /// The only person whom it is about, if an ID token said whom.
    pub(crate) subject: Option<String>,
}

/// What somebody signs in for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for a request, and most are the large one"
)]
pub(crate) enum Purpose {
    /// To allow a client this.
    Client(Asked),
    /// To see their account.
    Account,
}

impl Purpose {
    /// How much room it takes, in octets.
    pub(crate) fn size(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |text| text.len())
    }

    fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Client(asked) => Some(asked),
            Self::Account => None,
        }
    }

    /// The client's request, if there is one.
    pub(crate) fn request(&self) -> Option<&AuthorizationRequest> {
        self.asked().map(|asked| &asked.request)
    }

    /// The client, if there is one.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.request().map(|request| request.client_id.as_str())
    }

    /// The only person whom it is about, if that is known.
    pub(crate) fn expected(&self) -> Option<&str> {
        self.asked().and_then(|asked| asked.subject.as_deref())
    }
}

/// Somebody who signed in at another provider, and whose address there is that of an account here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// The provider.
    pub(crate) alias: String,
    /// Who they are there.
    pub(crate) sub: String,
    /// What they are called there.
    pub(crate) label: String,
    /// The address, which the provider is believed to have verified.
    pub(crate) address: EmailAddress,
}

/// What a form was rendered for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// To sign in.
    SignIn(Purpose),
    /// To allow this, in this session.
    Consent {
        /// What is asked for.
        asked: Asked,
        /// The session.
        sid: String,
        /// The last moment at which its sign-in is young enough for the client, if that says.
        last_moment: Option<Timestamp>,
    },
    /// To sign in to the account here that has the address of somebody who came from another provider.
    Link {
        /// What for.
        purpose: Purpose,
        /// Who came.
        arrival: Arrival,
    },
    /// To link that account to the identity at the provider.
    ConfirmLink {
        /// Which form it is: it is answered once.
        id: String,
        /// What for.
        purpose: Purpose,
        /// Who came.
        arrival: Arrival,
        /// The account.
        subject: String,
        /// When its password was typed.
        authenticated: Timestamp,
        /// What that was, as a digest of its hash.
        credential: String,
    },
    /// To take back, in this session, what was allowed.
    Account {
        /// The session.
        sid: String,
    },
    /// To sign out of this session.
    SignOut {
        /// The session.
        sid: String,
        /// Where the browser is sent afterwards.
        destination: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Content {
    form: Form,
    expires: Timestamp,
}

/// The form did not come from a page of ours in this browser, or too late.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotOurs;

/// The secret that ties a form to a browser.
pub(crate) struct Browser(String);

impl Browser {
    /// The browser's secret, if it sent one and sent it once; a new one otherwise.
    pub(crate) fn of(headers: &HeaderMap, random: &dyn Random) -> Self {
        Self::known(headers).unwrap_or_else(|| Self(random::handle(random).as_str().to_owned()))
    }

    /// The browser's secret, if it sent one and sent it once.
    pub(crate) fn known(headers: &HeaderMap) -> Option<Self> {
        cookies::handle(headers, COOKIE_NAME).map(|value| Self(value.to_owned()))
    }

    /// What a login at another provider is found by, in this browser alone.
    pub(crate) fn key(&self, state: &str) -> Digest {
        Digest::of_parts(&[state.as_bytes(), self.0.as_bytes()])
    }

    /// The cookie that keeps the secret.
    pub(crate) fn cookie(&self) -> Option<HeaderValue> {
        cookies::set(COOKIE_NAME, &self.0, LIFETIME)
    }
}

impl FormTokens {
    /// Tokens under a fresh key.
    pub(crate) fn new(random: &dyn Random) -> Self {
        let mut key = zeroize::Zeroizing::new([0_u8; 32]);
        random.fill(key.as_mut_slice());
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
    }

    /// The token of a form in `browser`.
    pub(crate) fn seal(
        &self,
        form: &Form,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<String, serde_json::Error> {
        let content = Content { form: form.clone(), expires: now.after(LIFETIME) };
        let content = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content)?);
        let tag = hmac::sign(&self.0, &tagged(&content, browser));
        Ok(format!("{content}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// What a submitted form was rendered for.
    pub(crate) fn open(
        &self,
        token: &str,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Form, NotOurs> {
        let browser = Browser::known(headers).ok_or(NotOurs)?;
        let (content, tag) = token.split_once('.').ok_or(NotOurs)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| NotOurs)?;
        hmac::verify(&self.0, &tagged(content, &browser), &tag).map_err(|_| NotOurs)?;
        let content = URL_SAFE_NO_PAD.decode(content).map_err(|_| NotOurs)?;
        let content: Content = serde_json::from_slice(&content).map_err(|_| NotOurs)?;
        if content.expires <= now {
            return Err(NotOurs);
        }
        Ok(content.form)
    }
}

/// The request that a form token says it is for, as a query, and the only person whom it is about.
/// Nothing has been verified: it is worth as much as a link to the authorization endpoint, which anybody
/// can make.
pub(crate) fn claimed(token: &str) -> Option<(String, Option<String>)> {
    let (content, _) = token.split_once('.')?;
    let content = URL_SAFE_NO_PAD.decode(content).ok()?;
    let Content { form, .. } = serde_json::from_slice(&content).ok()?;
    let asked = match form {
        Form::Consent { asked, .. }
        | Form::SignIn(Purpose::Client(asked))
        | Form::Link { purpose: Purpose::Client(asked), .. }
        | Form::ConfirmLink { purpose: Purpose::Client(asked), .. } => asked,
        _ => return None,
    };
    let Asked { request, subject } = asked;
    let scope = request.scope.to_string();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", request.client_id.as_str())
        .append_pair("redirect_uri", &request.redirect_uri)
        .append_pair("scope", &scope)
        .append_pair("code_challenge", request.code_challenge.as_str())
        .append_pair("code_challenge_method", pkce::METHOD);
    query.extend_pairs(request.wishes.params());
    for (name, value) in [
        ("state", request.state),
        ("nonce", request.nonce),
        (dpop_jkt::NAME, request.dpop_jkt.map(|jkt| jkt.to_string())),
        ("login_hint", request.login_hint),
        ("ui_locales", request.ui_locales),
    ] {
        query.extend_pairs(value.map(|value| (name, value)));
    }
    Some((query.finish(), subject))
}

/// Neither part has a dot, so no two pairs share an input.
fn tagged(content: &str, browser: &Browser) -> Vec<u8> {
    format!("{content}.{}", browser.0).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use countersign_oidc::CodeChallenge;
    use countersign_oidc::interaction::Wishes;
    use countersign_types::{ClientId, ScopeSet};
    use http::header::COOKIE;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    const NOW: Timestamp = Timestamp::from_unix(0);

    impl Asked {
        pub(crate) fn for_tests() -> Self {
            let request = AuthorizationRequest {
                client_id: ClientId::parse("app").unwrap(),
                redirect_uri: "https://app.example/cb".into(),
                scope: ScopeSet::parse("openid").unwrap(),
                state: Some("s".into()),
                nonce: None,
                code_challenge: CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
                    .unwrap(),
                dpop_jkt: None,
                login_hint: None,
                ui_locales: None,
                wishes: Wishes::default(),
            };
            Self { request, subject: Some("alice".into()) }
        }
    }

    fn form() -> Form {
        Form::SignIn(Purpose::Client(Asked::for_tests()))
    }

    fn cookies(browser: &Browser) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let pair =
            browser.cookie().unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
        headers.insert(COOKIE, HeaderValue::try_from(format!("a=b; {pair}")).unwrap());
        headers
    }

    #[test]
    fn a_form_opens_in_the_browser_it_was_rendered_in_and_nowhere_else() {
        let random = Counting::default();
        let tokens = FormTokens::new(&random);
        let browser = Browser::of(&HeaderMap::new(), &random);
        let token = tokens.seal(&form(), &browser, NOW).unwrap();
        let same = cookies(&browser);
        assert_eq!(tokens.open(&token, &same, NOW), Ok(form()));
        let soon = NOW.after(Lifetime::from_secs(599));
        assert_eq!(tokens.open(&token, &same, soon), Ok(form()));

        assert_eq!(tokens.open(&token, &same, NOW.after(LIFETIME)), Err(NotOurs));
        assert_eq!(tokens.open(&token, &HeaderMap::new(), NOW), Err(NotOurs));
        let other = Browser::of(&HeaderMap::new(), &random);
        assert_eq!(tokens.open(&token, &cookies(&other), NOW), Err(NotOurs));
        assert_eq!(FormTokens::new(&random).open(&token, &same, NOW), Err(NotOurs));
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(tokens.open(&changed, &same, NOW), Err(NotOurs), "{at}");
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
