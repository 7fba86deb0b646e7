//! The page on which somebody who is signed in is asked, and what they answer.
//! [OpenID Connect Core §3.1.2.4]
//!
//! [OpenID Connect Core §3.1.2.4]: https://openid.net/specs/openid-connect-core-1_0.html#Consent

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_store::StoreError;
use countersign_types::Timestamp;
use http::{HeaderMap, StatusCode};

use super::answer::{issue_code, unavailable};
use super::sign_in_form::{self, client_gone, denied, sign_in_page};
use crate::app::Sts;
use crate::clients::Client;
use crate::form_token::{Asked, Form, Purpose};
use crate::forms::{self, Fields};
use crate::pages::{self, ConsentPage};
use crate::sessions::{self, Active};
use crate::{broker, consent, onward};

/// Asks somebody who is signed in.
pub(super) fn page(
    sts: &Sts,
    asked: &Asked,
    client: &Client,
    active: &Active,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let form = Form::Consent { asked: asked.clone(), sid: active.sign_in.sid.clone() };
    forms::page_with(sts, &form, headers, now, |form_token| {
        let page = ConsentPage {
            provider: sts.settings.name.clone(),
            client: client.name.clone(),
            person: broker::called(sts, &active.user),
            scopes: pages::scopes(&asked.request),
            action: sts.endpoints.consent.as_url().path().to_owned(),
            stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
            form_token,
            destination: pages::destination(&asked.request),
        };
        pages::consent(page, &asked.request)
    })
}

/// Takes the answer.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    match forms::read(&sts, &headers, body, now) {
        Ok((fields, form)) => answered(&sts, &fields, form, &headers, now)
            .await
            .unwrap_or_else(|error| unavailable(&sts, &error)),
        Err(answer) => *answer,
    }
}

async fn answered(
    sts: &Sts,
    fields: &Fields,
    form: Option<Form>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let Some(Form::Consent { asked, sid }) = form else {
        return Ok(sign_in_form::start_over(sts, fields, headers).await);
    };
    let purpose = Purpose::Client(asked.clone());
    if let Some(answer) = client_gone(sts, &purpose).await {
        return Ok(answer);
    }
    // INVARIANT: who answers is who was asked. A session that began meanwhile may be another
    // person's.
    let active = sessions::of(sts, headers, now).await?;
    let active = active.filter(|active| active.sign_in.sid == sid);
    // The page may have been read for long, and they may have signed in another way since.
    let is_young = |active: &Active| asked.request.wishes.is_young_enough(&active.sign_in, now);
    match fields.get("decision") {
        Some("deny") => {
            // Whoever says no means no from now on, whatever they allowed before.
            if let Some(active) = active {
                sts.consents.remove(&active.user.subject, &asked.request.client_id).await?;
            }
            return Ok(denied(sts, &purpose).await);
        }
        Some("allow") if active.as_ref().is_none_or(is_young) => {}
        // Somebody else would sign in, or whoever is signed in has to do so again.
        _ => return Ok(sign_in_page(sts, &purpose, (StatusCode::OK, None), "", headers, now).await),
    }
    let request = asked.request;
    let client = sts.clients.find(&request.client_id).await?;
    let (Some(active), Some(client)) = (active, client) else {
        return Ok(sign_in_form::start_over(sts, fields, headers).await);
    };
    consent::remember(sts, &active, &client, &request, now).await?;
    let ui_locales = request.ui_locales.clone();
    Ok(onward::redirect(&issue_code(sts, request, &active, now).await?, ui_locales))
}
