//! Signing in at the provider. [OpenID Core §3.1]
//!
//! An answer of the provider counts in the browser in which the login began, once, and for minutes.
//! Where it leads afterwards is a path of this server: whatever a link asked for, it is put behind
//! our own origin.
//!
//! [OpenID Core §3.1]: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Extension, RawQuery, State};
use axum::response::Response;
use countersign_login::{Pending, Wishes, under_way};
use countersign_pages::{Browser, page};
use countersign_types::{Lifetime, Params};
use http::HeaderMap;
use http::header::SET_COOKIE;
use url::form_urlencoded;

use super::desk::Desk;
use super::refusal::Refusal;
use super::sessions;

/// How long a person may take at the provider.
pub(super) const LIFETIME: Lifetime = Lifetime::from_secs(600);

/// The longest path that one comes back to.
const MAX_PATH: usize = 4096;

/// A login that somebody has begun.
pub(super) struct Begun {
    pending: Pending,
    /// The path to come back to.
    to: String,
}

/// Sends the browser to the provider.
pub(super) async fn begin(
    State(desk): State<Arc<Desk>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let source = peer.map(|Extension(ConnectInfo(address))| under_way::source(address.ip()));
    let now = desk.uma.seams.clock.now();
    let to = destination(&desk, &query.unwrap_or_default())?;
    let random = &*desk.uma.seams.random;
    let (url, pending) = desk.console.provider.begin(Wishes::default(), random).await?;
    let browser = Browser::of(&headers, random);
    let key = browser.key(pending.state());
    let size = to.len();
    let begun = (Begun { pending, to }, size);
    desk.console.logins.begin(key, source.as_deref(), begun, now, LIFETIME);
    let mut response = page::see_other(url.as_str());
    response.headers_mut().extend(browser.cookie(LIFETIME).map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// The path that one comes back to: that of a page of the console, or of a request to be asked
/// about.
fn destination(desk: &Desk, query: &str) -> Result<String, Refusal> {
    let base = desk.console.path();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let to = pairs.find(|(name, _)| name == "to").map(|(_, value)| value.into_owned());
    let to = to.unwrap_or_else(|| base.to_owned());
    let asking = desk.console.authorization_endpoint();
    let is_asking = asking.is_some_and(|url| {
        to.strip_prefix(url.as_url().path()).is_some_and(|rest| rest.starts_with('?'))
    });
    let is_ours = to
        .strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('?'));
    let is_ours = is_ours || is_asking;
    let is_path = to.len() <= MAX_PATH && to.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_ours && is_path { Ok(to) } else { Err(Refusal::Malformed) }
}

/// Takes what the provider sent the browser back with.
pub(super) async fn callback(
    State(desk): State<Arc<Desk>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let (now, random) = (desk.uma.seams.clock.now(), &*desk.uma.seams.random);
    let params = Params::parse(query.as_bytes(), &[]).map_err(|_| Refusal::NobodyBegan)?;
    let (browser, state) = (Browser::known(&headers), params.get("state"));
    let begun = browser
        .zip(state)
        .and_then(|(browser, state)| desk.console.logins.take(&browser.key(state), now));
    let Begun { pending, to } = begun.ok_or(Refusal::NobodyBegan)?;
    let signed_in = desk.console.provider.finish(pending, &query, now, random).await?;
    let identity = &signed_in.identity;
    if desk.console.owners.of(identity).is_empty() {
        tracing::warn!(
            target: "countersign::audit",
            issuer = %identity.issuer,
            subject = %identity.subject.escape_debug(),
            "somebody who is no owner signed in",
        );
        return Err(Refusal::NoOwner);
    }
    let cookie = sessions::begin(&desk, signed_in, &headers, now).await?;
    let mut response = page::see_other(&desk.console.absolute(&to));
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}
