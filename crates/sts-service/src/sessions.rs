//! Who is signed in at a browser. The browser holds a handle in a cookie, this server everything
//! else.
//!
//! What a person allows in a session ends with it, but for what goes on while they are away. A
//! person who signs in again in the same browser goes on with their session, under another handle.

use std::sync::Arc;

use countersign_oidc::grant::PASSWORD_ACR;
use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_oidc::{Grant, SignIn, Through};
use countersign_pages::cookies;
use countersign_store::{StoreError, finish};
use countersign_types::secret::SessionHandle;
use countersign_types::{Timestamp, random};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::app::Sts;
use crate::broker;
use crate::browser::BrowserKind;
use crate::users::User;

const COOKIE: &str = "__Host-session";

/// A session as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) subject: String,
    pub(crate) sign_in: SignIn,
    /// When the person signed in for the first time.
    pub(crate) begun: Timestamp,
    /// When they did so again, the last time.
    #[serde(default)]
    pub(crate) again: Option<Timestamp>,
    /// From when on it is over.
    pub(crate) expires: Timestamp,
    /// Where.
    pub(crate) browser: BrowserKind,
}

/// A live session, and whose it is.
#[derive(Clone)]
pub(crate) struct Active {
    pub(crate) sign_in: SignIn,
    pub(crate) user: Arc<User>,
    begun: Timestamp,
    /// When the person last signed in: here, or by coming from another provider.
    pub(crate) proved: Timestamp,
    pub(crate) expires: Timestamp,
}

/// Whether a request shows any session, whosever it is.
pub(crate) fn is_shown(headers: &HeaderMap) -> bool {
    cookies::handle(headers, COOKIE).is_some()
}

/// The session of the browser that a request comes from. A person without account has none, nor
/// does one whose password was replaced since.
pub(crate) async fn of(
    sts: &Sts,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Active>, StoreError> {
    let Some(handle) = cookies::handle(headers, COOKIE).map(SessionHandle::new) else {
        return Ok(None);
    };
    let Some(session) = sts.sessions.find(&handle, now).await? else { return Ok(None) };
    let Session { subject, sign_in, begun, again, expires, .. } = session;
    let proved = again.unwrap_or(begun);
    let user = sts.user(&subject).await?;
    match user {
        Some(user) if stands(sts, &user, &sign_in).await? => {
            Ok(Some(Active { sign_in, user, begun, proved, expires }))
        }
        _ => Ok(None),
    }
}

/// Whether a sign-in still counts for this person: the password is what it was, and, if it was at
/// another provider, that identity is still linked to the account.
async fn stands(sts: &Sts, user: &User, sign_in: &SignIn) -> Result<bool, StoreError> {
    if !user.stands_by(sign_in) {
        return Ok(false);
    }
    match &sign_in.through {
        None => Ok(true),
        Some(through) => broker::counts(sts, user, through).await,
    }
}

/// How somebody has just signed in.
pub(crate) struct Means {
    /// When, as far as that is known.
    pub(crate) auth_time: Option<Timestamp>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) through: Option<Through>,
}

impl Means {
    /// By a password, at this moment.
    pub(crate) fn password(now: Timestamp) -> Self {
        Self {
            auth_time: Some(now),
            acr: Some(PASSWORD_ACR.to_owned()),
            amr: vec!["pwd".to_owned()],
            through: None,
        }
    }
}

/// Begins a session of somebody who has just signed in, with the cookie for it. The handle is
/// fresh, whatever the browser sent: nobody is signed in to a session that somebody else knows.
/// Where the same person was signed in before, their session goes on; another's ends. All of it is
/// done, whoever waits for it, and the former handle is worth nothing first: whoever knows that one
/// never has the session as it is renewed.
pub(crate) async fn begin(
    sts: &Arc<Sts>,
    user: &Arc<User>,
    means: Means,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<(Active, Option<HeaderValue>), StoreError> {
    let (random, lifetime) = (sts.random.as_ref(), sts.settings.session_lifetime);
    let former = of(sts, headers, now).await?;
    let is_same = |former: &&Active| former.user.subject == user.subject;
    let (sid, begun, again) = match former.as_ref().filter(is_same) {
        Some(former) => (former.sign_in.sid.clone(), former.begun, Some(now)),
        None => (random::identifier(random), now, None),
    };
    let another = former.filter(|former| former.sign_in.sid != sid);
    let Means { auth_time, acr, amr, through } = means;
    let session = Session {
        subject: user.subject.clone(),
        sign_in: SignIn { sid, auth_time, acr, amr, through, credential: Some(user.credential()) },
        begun,
        again,
        expires: now.after(lifetime),
        browser: BrowserKind::of(headers),
    };
    let handle = SessionHandle::generate(random);
    let cookie = cookies::set(COOKIE, handle.expose(), lifetime);
    let (sts, former) = (Arc::clone(sts), cookies::handle(headers, COOKIE).map(SessionHandle::new));
    let session = finish(async move {
        if let Some(another) = another {
            let subject = &another.user.subject;
            end(&sts, subject, &another.sign_in.sid).await?;
            tracing::info!(
                target: "countersign::audit",
                subject = %subject,
                "a person's session ended for another's to begin",
            );
        }
        if let Some(former) = former {
            sts.sessions.forget(&former).await?;
        }
        let name = (session.subject.as_str(), session.sign_in.sid.as_str());
        sts.sessions.put(&handle, name, &session, session.expires).await?;
        Ok::<_, StoreError>(session)
    })
    .await?;
    let Session { sign_in, begun, expires, .. } = session;
    let active = Active { sign_in, user: Arc::clone(user), begun, proved: now, expires };
    Ok((active, cookie))
}

/// Every session in which a person is signed in, the latest first.
pub(crate) async fn list(
    sts: &Sts,
    user: &User,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let mut all = Vec::new();
    for session in sts.sessions.list(&user.subject, now).await? {
        if stands(sts, user, &session.sign_in).await? {
            all.push(session);
        }
    }
    all.sort_by_key(|session| std::cmp::Reverse(session.again.unwrap_or(session.begun)));
    Ok(all)
}

/// Ends a session, in one durable step with whatever ends with it.
pub(crate) async fn end(sts: &Sts, subject: &str, sid: &str) -> Result<(), StoreError> {
    sts.sessions.remove(subject, sid).await.map(drop)
}

/// What makes the browser forget its session.
pub(crate) fn forgotten(sts: &Sts) -> Option<HeaderValue> {
    cookies::set(COOKIE, "", sts.settings.session_lifetime)
}

/// Whether what somebody allowed still stands: their sign-in counts, and they are signed in still,
/// unless it goes on while they are away.
pub(crate) async fn uphold(
    sts: &Sts,
    user: &User,
    grant: &Grant,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !stands(sts, user, &grant.sign_in).await? {
        return Ok(false);
    }
    if grant.scope.contains(OFFLINE_ACCESS) {
        return Ok(true);
    }
    sts.sessions.is_live(&grant.subject, &grant.sign_in.sid, now).await
}
