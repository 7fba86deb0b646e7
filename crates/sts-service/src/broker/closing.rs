//! The end of an account with its last way in, for whoever came through another provider: who would
//! be locked out by the end of a link says that the account may go with it.

use axum::response::Response;
use countersign_store::StoreError;
use countersign_types::Timestamp;
use http::HeaderMap;
use http::header::SET_COOKIE;

use super::{Known, Link, linked};
use crate::app::Sts;
use crate::form_token::Form;
use crate::forms;
use crate::pages::{self, ClosePage, Closing};
use crate::sessions::{self, Active};
use crate::users::User;

/// Whether an account is its person's to close: one that was made for somebody who came through
/// another provider. Any other is the operator's, who lets its person in again or not.
pub(super) const fn is_theirs(user: &User) -> bool {
    user.origin.is_some()
}

/// The page that asks.
pub(super) fn ask(
    sts: &Sts,
    active: &Active,
    (link, upstream): (&str, String),
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let form = Form::Account { sid: active.sign_in.sid.clone() };
    forms::page_with(sts, &form, headers, now, |form_token| {
        let action = sts.endpoints.unlink.as_url().path().to_owned();
        let closing = Closing {
            person: super::called(sts, &active.user),
            link: link.to_owned(),
            action,
            form_token,
        };
        pages::close(page(sts, upstream, Some(closing)))
    })
}

/// The page that says that it is closed. The browser forgets its session.
pub(super) fn closed(sts: &Sts, upstream: String) -> Response {
    let mut response = pages::close(page(sts, upstream, None));
    response.headers_mut().extend(sessions::forgotten(sts).map(|cookie| (SET_COOKIE, cookie)));
    response
}

fn page(sts: &Sts, upstream: String, closing: Option<Closing>) -> ClosePage {
    ClosePage {
        provider: sts.settings.name.clone(),
        upstream,
        closing,
        stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
    }
}

/// Closes an account; `false` if it stays, because its person was shut out meanwhile.
///
/// The account goes first: nobody is signed in to it then, and no client has anything of it. What
/// is cut off in between leads nowhere, and whoever comes by a link that is left is somebody new.
pub(super) async fn close(
    sts: &Sts,
    known: &Known,
    user: &User,
    links: &[Link],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let subject = user.subject.as_str();
    if !known.accounts.forget(subject).await? {
        tracing::warn!(target: "countersign::audit", subject, "who is disabled closes no account");
        return Ok(false);
    }
    for link in links {
        linked::remove(sts, link, subject).await?;
    }
    for consent in sts.consents.list(subject, now).await? {
        sts.consents.remove(subject, &consent.client_id).await?;
    }
    for grant in sts.grants.list(subject, now).await? {
        sts.grants.remove(subject, &grant.id).await?;
    }
    for session in sts.sessions.list(subject, now).await? {
        sessions::end(sts, subject, &session.sign_in.sid).await?;
    }
    tracing::info!(target: "countersign::audit", subject, "a person closed their account");
    Ok(true)
}
