//! Which owner is signed in at a browser. The browser holds a handle in a cookie, the store
//! everything else.

use std::sync::Arc;

use countersign_pages::cookies;
use countersign_store::{StoreError, finish};
use countersign_types::secret::SessionHandle;
use countersign_types::wire::causes;
use countersign_types::{Lifetime, Timestamp, random};
use countersign_uma::protection::OwnerId;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::owners::Identity;
use super::provider::SignedIn;

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

impl Session {
    /// Which owners the person is, while it counts: they are one still, and were not idle too long.
    fn owners(&self, desk: &Desk, now: Timestamp) -> Option<Vec<OwnerId>> {
        let owners = desk.console.owners.of(&self.identity);
        let counts = !owners.is_empty() && now < self.seen.after(desk.console.idle);
        counts.then_some(owners)
    }
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
    let Some(handle) = handle(headers) else { return Ok(None) };
    let Some(session) = sessions.find(&handle, now).await? else { return Ok(None) };
    let Some(owners) = session.owners(desk, now) else { return Ok(None) };
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
/// fresh, whatever the browser sent; the session that it was of ends. The log says of both, whoever
/// waits for it.
pub(super) async fn begin(
    desk: &Arc<Desk>,
    SignedIn { identity, id_token }: SignedIn,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<HeaderValue>, StoreError> {
    let (random, lifetime) = (&*desk.uma.seams.random, desk.console.session);
    let session = Session { sid: random::identifier(random), identity, id_token, seen: now };
    let fresh = SessionHandle::generate(random);
    let cookie = cookies::set(COOKIE, fresh.expose(), lifetime);
    let (desk, former) = (Arc::clone(desk), handle(headers));
    finish(async move {
        if let Some(former) = former
            && let Some(former) = remove(&desk, &former, now).await?
            && former.owners(&desk, now).is_some()
        {
            note(&desk, &former.identity, "an owner's session ended for a new one to begin");
        }
        let key = session.identity.key();
        let name = (key.as_str(), session.sid.as_str());
        desk.console.sessions.put(&fresh, name, &session, now.after(lifetime)).await?;
        note(&desk, &session.identity, "an owner signed in");
        Ok::<_, StoreError>(())
    })
    .await?;
    Ok(cookie)
}

/// Signs out: ends the session of a browser, whatever it is worth still, and says so in the log.
/// Both, whoever waits for it.
pub(super) async fn end(
    desk: &Arc<Desk>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(handle) = handle(headers) else { return Ok(()) };
    let desk = Arc::clone(desk);
    finish(async move {
        if let Some(session) = remove(&desk, &handle, now).await? {
            note(&desk, &session.identity, "an owner signed out");
        }
        Ok(())
    })
    .await
}

/// Ends the session that a handle stands for: what it was.
async fn remove(
    desk: &Desk,
    handle: &SessionHandle,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let sessions = &desk.console.sessions;
    let mut ended = None;
    if let Some(session) = sessions.find(handle, now).await?
        && sessions.remove(&session.identity.key(), &session.sid).await?
    {
        ended = Some(session);
    }
    // The handle stands for nothing by then. If it cannot be removed, it goes when its time is
    // over.
    if let Err(error) = sessions.forget(handle).await {
        tracing::warn!(cause = %causes(&error), "the handle of a session that is over stays");
    }
    Ok(ended)
}

fn note(desk: &Desk, identity: &Identity, what: &str) {
    tracing::info!(
        target: "countersign::audit",
        issuer = %identity.issuer,
        subject = %identity.subject.escape_debug(),
        owners = ?desk.console.owners.of(identity),
        "{what}",
    );
}

/// What a browser has in its cookie.
fn handle(headers: &HeaderMap) -> Option<SessionHandle> {
    cookies::handle(headers, COOKIE).map(SessionHandle::new)
}

/// What makes the browser forget its session.
pub(super) fn forgotten(desk: &Desk) -> Option<HeaderValue> {
    cookies::set(COOKIE, "", desk.console.session)
}
