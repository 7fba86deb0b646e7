//! Who is signed in at a browser. The browser holds a handle in a cookie, this server everything else.

use std::sync::Arc;

use countersign_oidc::grant::PASSWORD_ACR;
use countersign_oidc::{SignIn, Through};
use countersign_store::StoreError;
use countersign_types::secret::SessionHandle;
use countersign_types::{Timestamp, random};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::app::Sts;
use crate::users::User;
use crate::{broker, cookies};

const COOKIE: &str = "__Host-session";

/// A session as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) subject: String,
    pub(crate) sign_in: SignIn,
}

/// A live session, and whose it is.
pub(crate) struct Active {
    handle: SessionHandle,
    pub(crate) sign_in: SignIn,
    pub(crate) user: Arc<User>,
}

/// The session of the browser that a request comes from. A person without account has none, nor does
/// one whose password was replaced since.
pub(crate) async fn of(
    sts: &Sts,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Active>, StoreError> {
    let Some(handle) = cookies::handle(headers, COOKIE).map(SessionHandle::new) else {
        return Ok(None);
    };
    let Some(Session { subject, sign_in }) = sts.sessions.find(&handle, now).await? else {
        return Ok(None);
    };
    let user = sts.users.by_subject(&subject).await?;
    match user {
        Some(user) if stands(sts, &user, &sign_in).await? => {
            Ok(Some(Active { handle, sign_in, user }))
        }
        _ => Ok(None),
    }
}

/// Whether a sign-in still counts for this person: the password was not replaced since, and, if it was at
/// another provider, that identity is still linked to the account.
pub(crate) async fn stands(sts: &Sts, user: &User, sign_in: &SignIn) -> Result<bool, StoreError> {
    match &sign_in.through {
        None => Ok(user.stands_by(sign_in.auth_time)),
        Some(through) => {
            Ok(user.stands_by(through.arrived) && broker::counts(sts, user, through).await?)
        }
    }
}

/// How somebody has just signed in.
pub(crate) struct Means {
    pub(crate) auth_time: Timestamp,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) through: Option<Through>,
}

impl Means {
    /// By a password, at this moment.
    pub(crate) fn password(now: Timestamp) -> Self {
        Self {
            auth_time: now,
            acr: Some(PASSWORD_ACR.to_owned()),
            amr: vec!["pwd".to_owned()],
            through: None,
        }
    }
}

/// Begins a session of somebody who has just signed in, with the cookie for it. The handle is fresh,
/// whatever the browser sent: nobody is signed in to a session that somebody else knows. One that the
/// browser had ends.
pub(crate) async fn begin(
    sts: &Sts,
    user: &User,
    means: Means,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<(SignIn, Option<HeaderValue>), StoreError> {
    if let Some(former) = cookies::handle(headers, COOKIE) {
        sts.sessions.remove(&SessionHandle::new(former)).await?;
    }
    let random = sts.random.as_ref();
    let handle = SessionHandle::generate(random);
    let Means { auth_time, acr, amr, through } = means;
    let sign_in = SignIn { sid: random::identifier(random), auth_time, acr, amr, through };
    let session = Session { subject: user.subject.clone(), sign_in };
    let lifetime = sts.settings.session_lifetime;
    sts.sessions.insert(&handle, &session, now.after(lifetime)).await?;
    Ok((session.sign_in, cookies::set(COOKIE, handle.expose(), lifetime)))
}

/// Ends a session, with the header that makes the browser forget it.
pub(crate) async fn end(sts: &Sts, active: &Active) -> Result<Option<HeaderValue>, StoreError> {
    sts.sessions.remove(&active.handle).await?;
    Ok(cookies::set(COOKIE, "", sts.settings.session_lifetime))
}
