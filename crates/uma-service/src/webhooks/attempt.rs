//! One attempt to tell an owner.

use std::time::Duration;

use bytes::Bytes;
use countersign_fetch::{FetchError, Limits, Request};
use countersign_store::StoreError;
use countersign_types::{Lifetime, Timestamp};
use countersign_uma::notice::{self, MEDIA_TYPE, Statement};
use countersign_uma::{Case, Notice};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;

use super::lines::Place;
use super::{Webhook, Webhooks};
use crate::app::{Uma, registrant};

/// An answer has no content, or a short text of what is wrong.
const MAX_ANSWER: usize = 4096;

/// So long the whole exchange may take.
const TIME: Duration = Duration::from_secs(10);

/// What came of an attempt.
pub(super) enum Attempt {
    /// It arrived.
    Told,
    /// It is not to be told, or no longer.
    Over,
    /// It is to be tried again.
    Failed,
    /// So much was sent that nothing more is for so long.
    Later(Lifetime),
}

/// Why it did not arrive.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error("the notice cannot be signed")]
    Sign(#[from] countersign_jwt::SignError),
    #[error("the endpoint cannot be reached, or its answer not be read")]
    Fetch(#[from] FetchError),
    #[error("the endpoint answered {0}")]
    Status(StatusCode),
    #[error("the endpoint refused it: {0:?}")]
    Refused(String),
}

impl NotTold {
    /// Whether it would be so again. RFC 8935 §4: what is wrong with the token itself remains when it is
    /// sent again; what is wrong with who sends it may pass.
    fn is_final(&self) -> bool {
        let remains = ["invalid_request", "invalid_issuer", "invalid_audience"];
        matches!(self, Self::Refused(err) if remains.contains(&err.as_str()))
    }
}

/// Tells the owner what is kept for this place now, if it still waits for them.
pub(super) async fn tell(uma: &Uma, webhooks: &Webhooks, place: &Place) -> Attempt {
    try_tell(uma, webhooks, place).await.unwrap_or_else(|error| {
        super::unreadable(&error);
        Attempt::Failed
    })
}

async fn try_tell(
    uma: &Uma,
    webhooks: &Webhooks,
    (protection, person): &Place,
) -> Result<Attempt, StoreError> {
    let (now, kept) = (uma.seams.clock.now(), &webhooks.notices);
    let found = kept.find(&registrant(protection), person.digest(), now).await?;
    let Some(notice) = found else { return Ok(Attempt::Over) };
    let Some((webhook, _)) = webhooks.of(&protection.owner) else {
        return end(webhooks, notice, now, "there is no webhook any more", None).await;
    };
    let case = uma.case_at(protection, person, now).await?;
    let Some(case) = case.filter(|case| case.is_waiting(now)) else {
        return end(webhooks, notice, now, "it waits no more", None).await;
    };
    if let Err(wait) = webhooks.lines.count(&protection.owner, now) {
        return Ok(Attempt::Later(wait));
    }
    let Err(error) = push(uma, webhooks, webhook, &notice, &case).await else {
        end(webhooks, notice, now, "told", None).await?;
        return Ok(Attempt::Told);
    };
    // The attempt took its time.
    let now = uma.seams.clock.now();
    if error.is_final() {
        return end(webhooks, notice, now, "refused", Some(&error)).await;
    }
    if now >= notice.at().after(webhooks.setup.lifetime) {
        return end(webhooks, notice, now, "given up", Some(&error)).await;
    }
    not_yet(&notice, &error);
    Ok(Attempt::Failed)
}

fn not_yet(notice: &Notice, error: &NotTold) {
    let error = error as &dyn std::error::Error;
    let owner = &notice.protection().owner;
    tracing::warn!(%owner, jti = notice.jti(), error, "an owner is not told yet");
}

/// Nothing more comes of a notice: it is removed, unless another has taken its place.
async fn end(
    webhooks: &Webhooks,
    notice: Notice,
    now: Timestamp,
    how: &'static str,
    error: Option<&NotTold>,
) -> Result<Attempt, StoreError> {
    let protection = notice.protection();
    let (owner, resource_server) = (&protection.owner, &protection.resource_server);
    let jti = notice.jti();
    // Where nobody took it, its owner may not know of the request.
    if let Some(error) = error {
        let why = crate::failure::causes(error);
        tracing::warn!(
            target: "countersign::audit",
            %owner,
            %resource_server,
            jti,
            how,
            why,
            "the notice of a request that waits",
        );
    } else {
        tracing::info!(
            target: "countersign::audit",
            %owner,
            %resource_server,
            jti,
            how,
            "the notice of a request that waits",
        );
    }
    let (registrant, person) = (registrant(protection), *notice.person());
    let is_it = move |kept: &Notice| kept.jti() == notice.jti();
    webhooks.notices.remove_if(&registrant, person.digest(), now, is_it).await?;
    Ok(Attempt::Over)
}

/// Pushes the token. [RFC 8935 §2.1](https://www.rfc-editor.org/rfc/rfc8935#section-2.1)
async fn push(
    uma: &Uma,
    webhooks: &Webhooks,
    webhook: &Webhook,
    notice: &Notice,
    case: &Case,
) -> Result<(), NotTold> {
    let console = uma.console.as_ref();
    let page = console.map(|console| console.person_page(notice.protection(), notice.person()));
    let statement = Statement {
        issuer: &uma.settings.issuer,
        audience: &webhook.audience,
        page: page.as_deref(),
        requesting_party: webhook.requesting_party.then(|| case.person()),
    };
    let token = notice::sign(notice, statement, webhooks.signer.as_ref())?;
    let limits = Limits::resource().with_max_body(MAX_ANSWER).with_total(TIME);
    // What takes a notice may say whatever it likes.
    let limits = limits.with_body_of(StatusCode::BAD_REQUEST);
    let request = Request::new(Method::POST, webhook.url.clone(), limits)
        .with_header(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))
        .with_header(ACCEPT, HeaderValue::from_static("application/json"))
        .with_body(token);
    let response = webhooks.fetch.fetch(request).await?;
    match response.status() {
        // RFC 8935 §2.2
        StatusCode::ACCEPTED => Ok(()),
        StatusCode::BAD_REQUEST => Err(refused(&response)),
        other => Err(NotTold::Status(other)),
    }
}

/// What the endpoint says is wrong. [RFC 8935 §2.3](https://www.rfc-editor.org/rfc/rfc8935#section-2.3)
fn refused(response: &Response<Bytes>) -> NotTold {
    #[derive(Deserialize)]
    struct Answer {
        err: String,
    }
    match serde_json::from_slice(response.body()) {
        Ok(Answer { err }) => NotTold::Refused(err),
        Err(_) => NotTold::Status(response.status()),
    }
}
