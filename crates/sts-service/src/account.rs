//! The page on which a person sees what they allowed which client, and takes it back.
//!
//! To take something back ends every grant of that client, with all that was issued for it, and forgets
//! the consent, so that the client has to ask again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_store::StoreError;
use countersign_types::{ClientId, Params, ScopeSet, Timestamp};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use crate::app::Sts;
use crate::authorize::{redirect, unavailable};
use crate::broker::linked;
use crate::client_request::is_form;
use crate::form_token::{Browser, Form};
use crate::pages::{self, AccountPage, AllowedClient};
use crate::sessions::{self, Active};

const NOBODY: &str =
    "You are not signed in in this browser. Sign in to one of your applications first.";

pub(crate) async fn get(State(sts): State<Arc<Sts>>, headers: HeaderMap) -> Response {
    let now = sts.clock.now();
    let shown = match sessions::of(&sts, &headers, now).await {
        Ok(Some(active)) => show(&sts, &active, &headers, now).await,
        Ok(None) => Ok(problem(&sts, NOBODY)),
        Err(error) => Err(error),
    };
    shown.unwrap_or_else(|error| unavailable(&sts, &error))
}

async fn show(
    sts: &Sts,
    active: &Active,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let mut clients = Vec::new();
    for (client_id, scope) in allowed(sts, &active.user.subject, now).await? {
        let client = sts.clients.find(&client_id).await?;
        let name = client.map_or_else(|| client_id.to_string(), |client| client.name.clone());
        clients.push((client_id, name, scope));
    }
    let links = linked::of(sts, &active.user).await?;
    let browser = Browser::of(headers, sts.random.as_ref());
    let form = Form::Account { sid: active.sign_in.sid.clone() };
    let Ok(form_token) = sts.form_tokens.seal(&form, &browser, now) else {
        return Ok(problem(sts, "This server could not make the page."));
    };
    let page = AccountPage {
        provider: &sts.settings.name,
        username: &active.user.username,
        clients: clients
            .iter()
            .map(|(id, name, scope)| AllowedClient {
                id: id.as_str(),
                name,
                scopes: pages::meanings(scope),
                is_lasting: scope.contains(OFFLINE_ACCESS),
            })
            .collect(),
        linked: linked::shown(sts, &active.user, &links),
        unlink: sts.endpoints.unlink.as_url().path(),
        action: sts.endpoints.account.as_url().path(),
        sign_out: sts.endpoints.end_session.as_url().path(),
        stylesheet: sts.endpoints.stylesheet.as_url().path(),
        form_token: &form_token,
    };
    let mut response = pages::account(&page);
    if let Some(cookie) = browser.cookie() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What somebody allowed, by client: for good, or in what is still going on.
async fn allowed(
    sts: &Sts,
    subject: &str,
    now: Timestamp,
) -> Result<BTreeMap<ClientId, ScopeSet>, StoreError> {
    let mut all: BTreeMap<ClientId, ScopeSet> = BTreeMap::new();
    let consents = sts.consents.list(subject, now).await?;
    let consents = consents.into_iter().map(|consent| (consent.client_id, consent.scope));
    let grants = sts.grants.list(subject, now).await?;
    let grants = grants.into_iter().map(|grant| (grant.client_id, grant.scope));
    for (client_id, scope) in consents.chain(grants) {
        let known = all.entry(client_id).or_default();
        *known = known.union(&scope);
    }
    Ok(all)
}

/// Takes back what one client was allowed.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let form = body.ok().filter(|_| is_form(&headers));
    let form = form.and_then(|form| Params::parse(&form, &[]).ok());
    let field = |name| form.as_ref().and_then(|form| form.get(name));
    let opened =
        field("form_token").and_then(|token| sts.form_tokens.open(token, &headers, now).ok());
    let client_id = field("client").and_then(|id| ClientId::parse(id).ok());
    let (Some(Form::Account { sid }), Some(client_id)) = (opened, client_id) else {
        return problem(&sts, "This page is too old, or it was not opened in this browser.");
    };
    let taken = match sessions::of(&sts, &headers, now).await {
        // The session of the page, and no other.
        Ok(Some(active)) if active.sign_in.sid == sid => {
            take_back(&sts, &active.user.subject, &client_id, now).await
        }
        Ok(_) => return problem(&sts, NOBODY),
        Err(error) => Err(error),
    };
    match taken {
        Ok(()) => redirect(sts.endpoints.account.as_str()),
        Err(error) => unavailable(&sts, &error),
    }
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

fn problem(sts: &Sts, explanation: &str) -> Response {
    pages::problem(StatusCode::FORBIDDEN, explanation, &sts.endpoints.stylesheet)
}
