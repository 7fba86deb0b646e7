//! Which owner is signed in at a browser. The browser holds a handle in a cookie, the store
//! everything else.

use countersign_pages::cookies;
use countersign_store::StoreError;
use countersign_types::secret::SessionHandle;
use countersign_types::{Lifetime, Timestamp, random};
use countersign_uma::protection::OwnerId;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::owners::Identity;
use super::provider::SignedIn;
use crate::failure::causes;

const COOKIE: &str = "__Host-console";

/// That somebody did something is written down so often at most.
const NOTED: Lifetime = Lifetime::from_secs(60);

/// A session as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    sid: String,
    identity: Identity,
    /// By which the provider is told whom to sign out. It is good for nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// When something was done in it, to the minute.
    seen: Timestamp,
}

/// A live session, and which owners the person is now.
pub(super) struct Active {
    pub(super) sid: String,
    pub(super) identity: Identity,
    pub(super) id_token: Option<String>,
    pub(super) owners: Vec<OwnerId>,
}

/// The session of the browser that a request comes from. It is over when nothing was done in it for
/// a while, and a person who is no owner any more has none.
pub(super) async fn of(
    desk: &Desk,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Active>, StoreError> {
    let sessions = &desk.console.sessions;
    let Some(handle) = cookies::handle(headers, COOKIE).map(SessionHandle::new) else {
        return Ok(None);
    };
    let Some(session) = sessions.find(&handle, now).await? else { return Ok(None) };
    let owners = desk.console.owners.of(&session.identity);
    if owners.is_empty() || now >= session.seen.after(desk.console.idle) {
        return Ok(None);
    }
    if now >= session.seen.after(NOTED) {
        let session = Session { seen: now, ..session.clone() };
        let key = session.identity.key();
        if !sessions.replace((&key, &session.sid), &session, now).await? {
            return Ok(None);
        }
    }
    let Session { sid, identity, id_token, .. } = session;
    Ok(Some(Active { sid, identity, id_token, owners }))
}

/// Begins a session of somebody who has just signed in, with the cookie for it. The handle is
/// fresh, whatever the browser sent; the session that it was of ends.
pub(super) async fn begin(
    desk: &Desk,
    SignedIn { identity, id_token }: SignedIn,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<HeaderValue>, StoreError> {
    end(desk, headers, now).await?;
    let (random, lifetime) = (&*desk.uma.seams.random, desk.console.session);
    let session = Session { sid: random::identifier(random), identity, id_token, seen: now };
    let (handle, key) = (SessionHandle::generate(random), session.identity.key());
    let name = (key.as_str(), session.sid.as_str());
    desk.console.sessions.put(&handle, name, &session, now.after(lifetime)).await?;
    Ok(cookies::set(COOKIE, handle.expose(), lifetime))
}

/// Ends the session of a browser, whatever it is worth still; `false` if there is none.
pub(super) async fn end(
    desk: &Desk,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sessions = &desk.console.sessions;
    let Some(handle) = cookies::handle(headers, COOKIE).map(SessionHandle::new) else {
        return Ok(false);
    };
    let session = sessions.find(&handle, now).await?;
    let ended = match session {
        Some(session) => sessions.remove(&session.identity.key(), &session.sid).await?,
        None => false,
    };
    // The handle stands for nothing by then. If it cannot be removed, it goes when its time is
    // over.
    if let Err(error) = sessions.forget(&handle).await {
        tracing::warn!(cause = %causes(&error), "the handle of a session that is over stays");
    }
    Ok(ended)
}

/// What makes the browser forget its session.
pub(super) fn forgotten(desk: &Desk) -> Option<HeaderValue> {
    cookies::set(COOKIE, "", desk.console.session)
}
