//! One attempt to tell an owner.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use countersign_fetch::{FetchError, Limits, Request};
use countersign_store::StoreError;
use countersign_types::Timestamp;
use countersign_uma::case::{Event, Happened};
use countersign_uma::notice::{self, MEDIA_TYPE, Statement};
use countersign_uma::{Case, Notice};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;

use super::lines::{Full, Place};
use super::{Webhook, Webhooks};
use crate::app::{Uma, registrant};
use crate::owner::domain_of;

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
    /// It is to be tried again, and not before that, where the endpoint said so.
    Failed { retry_after: Option<Duration> },
    /// So much was sent that it is not for so long.
    Full(Full),
}

/// How it ends with a notice that is not told any more.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("told")]
    Told,
    #[error("answered")]
    Answered,
    #[error("there is no webhook any more")]
    NoWebhook,
    #[error("expired")]
    Expired,
    #[error("refused")]
    Refused(#[source] NotTold),
    #[error("given up")]
    GivenUp(#[source] NotTold),
}

impl End {
    /// Whether its owner may not know of the request, which nobody answered.
    const fn is_in_vain(&self) -> bool {
        matches!(self, Self::Expired | Self::Refused(_) | Self::GivenUp(_))
    }
}

/// Why it did not arrive.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error("the notice cannot be signed")]
    Sign(#[from] countersign_jwt::SignError),
    #[error("the endpoint cannot be reached, or its answer not be read")]
    Fetch(#[from] FetchError),
    #[error("the endpoint answered {status}")]
    Status { status: StatusCode, retry_after: Option<Duration> },
    #[error("the endpoint refused it: {0:?}")]
    Refused(String),
}

impl NotTold {
    /// Whether it would be so again. RFC 8935 §4: what is wrong with the token itself remains when
    /// it is sent again; what is wrong with who sends it may pass.
    fn is_final(&self) -> bool {
        let remains = ["invalid_request", "invalid_issuer", "invalid_audience"];
        matches!(self, Self::Refused(err) if remains.contains(&err.as_str()))
    }
}

/// Tells the owner what is kept for this place now, if it still waits for them.
pub(super) async fn tell(uma: &Uma, webhooks: &Webhooks, place: &Place) -> Attempt {
    let error = match try_tell(uma, webhooks, place).await {
        Ok(attempt) => return attempt,
        Err(error) => error,
    };
    super::unreadable(&error);
    if matches!(error, StoreError::Corrupt(_)) {
        // It would be so again, whenever it is tried.
        return set_aside(uma, webhooks, place).await;
    }
    Attempt::Failed { retry_after: None }
}

/// A notice, or the case that it is about, cannot be read: nothing more comes of it.
async fn set_aside(uma: &Uma, webhooks: &Webhooks, (protection, person): &Place) -> Attempt {
    tracing::warn!(
        target: "countersign::audit",
        owner = %protection.owner,
        resource_server = %protection.resource_server,
        %person,
        "the notice of a request that waits is set aside: it, or the request, cannot be read",
    );
    let (registrant, now) = (registrant(protection), uma.seams.clock.now());
    // One that can be read has taken its place, or ends with the case that cannot.
    let removed = webhooks.notices.remove_if(&registrant, person.digest(), now, |_| false).await;
    if let Err(error) = removed {
        super::unreadable(&error);
    }
    Attempt::Over
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
        return end(webhooks, notice, now, End::NoWebhook).await;
    };
    let found = uma.case_at(protection, person, now).await?;
    let case = match found {
        Some(case) if case.is_waiting(now) => case,
        found => {
            let how = unanswered(found.as_ref(), &notice);
            return end(webhooks, notice, now, how).await;
        }
    };
    let who = (person, domain_of(&case.person().email));
    if let Err(full) = webhooks.lines.count(&protection.owner, who, notice.jti(), now) {
        return Ok(Attempt::Full(full));
    }
    let Err(error) = push(uma, webhooks, webhook, &notice, &case).await else {
        end(webhooks, notice, now, End::Told).await?;
        return Ok(Attempt::Told);
    };
    // The attempt took its time.
    let now = uma.seams.clock.now();
    if error.is_final() {
        return end(webhooks, notice, now, End::Refused(error)).await;
    }
    if now >= notice.at().after(webhooks.setup.lifetime) {
        return end(webhooks, notice, now, End::GivenUp(error)).await;
    }
    not_yet(&notice, &error);
    let retry_after = match error {
        NotTold::Status { retry_after, .. } => retry_after,
        _ => None,
    };
    Ok(Attempt::Failed { retry_after })
}

/// What became of a question that waits no more: its owner answered without having been told, or
/// rules did, or nobody.
fn unanswered(case: Option<&Case>, notice: &Notice) -> End {
    let mut events = case.into_iter().flat_map(Case::history);
    let is_answer = |event: &Event| match event.what {
        // What somebody has already is no answer to what they ask for.
        Happened::Ended => false,
        Happened::Ruled => true,
        _ => event.by.is_some(),
    };
    match events.any(|event| is_answer(event) && event.at >= notice.at()) {
        true => End::Answered,
        false => End::Expired,
    }
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
    end: End,
) -> Result<Attempt, StoreError> {
    let protection = notice.protection();
    let (owner, resource_server) = (&protection.owner, &protection.resource_server);
    let (jti, how) = (notice.jti(), end.to_string());
    let why = std::error::Error::source(&end).map(countersign_types::wire::causes);
    macro_rules! record {
        ($level:ident) => {
            tracing::$level!(
                target: "countersign::audit",
                %owner,
                %resource_server,
                jti,
                how,
                why,
                "the notice of a request that waits",
            )
        };
    }
    if end.is_in_vain() {
        record!(warn);
    } else {
        record!(info);
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
    let keys = webhooks.keys();
    let token = notice::sign(notice, statement, keys.signer())?;
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
        status => {
            let retry_after = retry_after(response.headers(), uma.seams.clock.now());
            let refused = (status == StatusCode::BAD_REQUEST).then(|| refused(&response)).flatten();
            Err(refused.unwrap_or(NotTold::Status { status, retry_after }))
        }
    }
}

/// What the endpoint says is wrong. [RFC 8935
/// §2.3](https://www.rfc-editor.org/rfc/rfc8935#section-2.3)
fn refused(response: &Response<Bytes>) -> Option<NotTold> {
    #[derive(Deserialize)]
    struct Answer {
        err: String,
    }
    let answer: Answer = serde_json::from_slice(response.body()).ok()?;
    Some(NotTold::Refused(answer.err))
}

/// How long the endpoint wants to be left alone: seconds, or a moment, in any of its spellings.
/// [RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if value.bytes().all(|octet| octet.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let now = Duration::from_secs(now.as_unix().try_into().ok()?);
    let until = httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::UNIX_EPOCH);
    until.ok()?.checked_sub(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_says_how_long_or_until_when() {
        let after = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            retry_after(&headers, Timestamp::from_unix(784_111_777)).map(|wait| wait.as_secs())
        };
        assert_eq!(after("120"), Some(120));
        assert_eq!(after("0"), Some(0));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(after("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(after("Sun Nov  6 08:50:37 1994"), Some(60));
        // What is over, and what is neither.
        for value in
            ["Sun, 06 Nov 1994 08:49:36 GMT", "-1", "1.5", "", "soon", "99999999999999999999"]
        {
            assert_eq!(after(value), None, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::from_unix(0)), None);
    }
}
