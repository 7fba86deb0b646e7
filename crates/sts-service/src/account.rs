//! The page on which a person sees where they are signed in and what they allowed which client, and
//! ends the one and takes back the other.
//!
//! A session ends with what was allowed in it for as long as it lasts. To take something back ends
//! every grant of that client, with all that was issued for it, and forgets the consent, so that
//! the client has to ask again. Whoever is not signed in does so first, and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_store::{StoreError, finish};
use countersign_types::{ClientId, ScopeSet, Timestamp};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use crate::app::Sts;
use crate::authorize::sign_in_form::sign_in_page;
use crate::authorize::{redirect, unavailable};
use crate::broker::{self, linked};
use crate::form_token::{Form, Purpose};
use crate::forms::{self, Fields};
use crate::pages::{self, AccountPage, AllowedClient, KnownSession, Told, moment};
use crate::sessions::{self, Active, Session};
use crate::users::User;

pub(crate) async fn get(State(sts): State<Arc<Sts>>, headers: HeaderMap) -> Response {
    let now = sts.clock.now();
    let shown = match sessions::of(&sts, &headers, now).await {
        Ok(Some(active)) => show(&sts, &active, (StatusCode::OK, None), &headers, now).await,
        Ok(None) => {
            let shown = (StatusCode::OK, None);
            Ok(sign_in_page(&sts, &Purpose::Account, shown, "", &headers, now).await)
        }
        Err(error) => Err(error),
    };
    shown.unwrap_or_else(|error| unavailable(&sts, &error))
}

/// The page of somebody who is signed in, with what they are told.
pub(crate) async fn show(
    sts: &Sts,
    active: &Active,
    (status, problem): (StatusCode, Option<Told>),
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let all = sessions::list(sts, &active.user, now).await?;
    let clients = named(sts, &active.user, now).await?;
    let links = linked::of(sts, &active.user).await?;
    let form = Form::Account { sid: active.sign_in.sid.clone() };
    Ok(forms::page_with(sts, &form, headers, now, |form_token| {
        let page = AccountPage {
            provider: sts.settings.name.clone(),
            person: broker::called(sts, &active.user),
            problem,
            sessions: all.iter().map(|session| known(session, active)).collect(),
            clients: clients.into_iter().map(allowed_client).collect(),
            linked: linked::shown(sts, &active.user, &links, active.sign_in.through.as_ref()),
            unlink: sts.endpoints.unlink.as_url().path().to_owned(),
            further: linked::further(sts, &links),
            link: sts.endpoints.further.as_url().path().to_owned(),
            action: sts.endpoints.account.as_url().path().to_owned(),
            sign_out: sts.endpoints.end_session.as_url().path().to_owned(),
            stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
            form_token,
        };
        pages::account(status, page)
    }))
}

fn known(session: &Session, active: &Active) -> KnownSession {
    let Session { sign_in, begun, again, browser, .. } = session;
    KnownSession {
        sid: sign_in.sid.clone(),
        browser: *browser,
        begun: moment(*begun),
        again: again.map(moment),
        is_this: sign_in.sid == active.sign_in.sid,
    }
}

/// A client that somebody allowed something: its identifier, its name and what.
type Named = (ClientId, String, ScopeSet);

fn allowed_client((id, name, scope): Named) -> AllowedClient {
    AllowedClient {
        id: id.to_string(),
        name,
        is_lasting: scope.contains(OFFLINE_ACCESS),
        scopes: pages::meanings(&scope),
    }
}

async fn named(sts: &Sts, user: &User, now: Timestamp) -> Result<Vec<Named>, StoreError> {
    let mut clients = Vec::new();
    for (client_id, scope) in allowed(sts, user, now).await? {
        let client = sts.clients.find(&client_id).await?;
        let name = client.map_or_else(|| client_id.to_string(), |client| client.name.clone());
        clients.push((client_id, name, scope));
    }
    Ok(clients)
}

/// What somebody allowed, by client: for good, or in what is still going on.
async fn allowed(
    sts: &Sts,
    user: &User,
    now: Timestamp,
) -> Result<BTreeMap<ClientId, ScopeSet>, StoreError> {
    let mut all: BTreeMap<ClientId, ScopeSet> = BTreeMap::new();
    let mut add = |client_id, scope: &ScopeSet| {
        let known = all.entry(client_id).or_default();
        *known = known.union(scope);
    };
    for consent in sts.consents.list(&user.subject, now).await? {
        if consent.stands(sts, user).await? {
            add(consent.client_id, &consent.scope);
        }
    }
    for grant in sts.grants.list(&user.subject, now).await? {
        if sessions::uphold(sts, user, &grant, now).await? {
            add(grant.client_id, &grant.scope);
        }
    }
    Ok(all)
}

/// What a person does on the page.
enum Wish {
    /// To take back what a client was allowed.
    TakeBack(ClientId),
    /// To end a session of theirs.
    End(String),
    /// To end every other one.
    EndOthers,
}

impl Wish {
    fn of(form: &Fields) -> Option<Self> {
        match (form.get("client"), form.get("session"), form.get("others")) {
            (Some(id), None, None) => ClientId::parse(id).ok().map(Self::TakeBack),
            (None, Some(sid), None) => Some(Self::End(sid.to_owned())),
            (None, None, Some(_)) => Some(Self::EndOthers),
            _ => None,
        }
    }
}

/// Does what a person wishes.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (fields, active) = match forms::of_account(&sts, &headers, body, now).await {
        Ok(both) => both,
        Err(answer) => return *answer,
    };
    let Some(wish) = Wish::of(&fields) else { return forms::too_old(&sts) };
    let fulfilled = {
        let sts = Arc::clone(&sts);
        finish(async move { fulfil(&sts, &active, wish, now).await }).await
    };
    fulfilled.unwrap_or_else(|error| unavailable(&sts, &error))
}

async fn fulfil(
    sts: &Sts,
    active: &Active,
    wish: Wish,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let subject = &active.user.subject;
    let (own, mut forgotten) = (&active.sign_in.sid, None);
    match wish {
        Wish::TakeBack(client_id) => take_back(sts, subject, &client_id, now).await?,
        Wish::End(sid) => {
            end(sts, subject, &sid).await?;
            forgotten = sessions::forgotten(sts).filter(|_| sid == *own);
        }
        Wish::EndOthers => {
            // Those whose password is another by now, too.
            for session in sts.sessions.list(subject, now).await? {
                if session.sign_in.sid != *own {
                    end(sts, subject, &session.sign_in.sid).await?;
                }
            }
        }
    }
    let mut response = redirect(sts.endpoints.account.as_str());
    response.headers_mut().extend(forgotten.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

async fn end(sts: &Sts, subject: &str, sid: &str) -> Result<(), StoreError> {
    // INVARIANT: sessions are found by their person, so that nobody ends another's.
    sessions::end(sts, subject, sid).await?;
    tracing::info!(target: "countersign::audit", subject, sid, "a person ended a session");
    Ok(())
}

async fn take_back(
    sts: &Sts,
    subject: &str,
    client_id: &ClientId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sts.consents.remove(subject, client_id).await?;
    for grant in sts.grants.list(subject, now).await? {
        if grant.client_id == *client_id {
            sts.grants.remove(subject, &grant.id).await?;
        }
    }
    tracing::info!(
        target: "countersign::audit",
        %client_id,
        subject,
        "a person took back what a client was allowed",
    );
    Ok(())
}
