//! What a provider sent a browser back with. [OpenID Connect Core §3.1.2.5 to §3.1.3.8]
//!
//! The answer counts in the browser in which the login began, once, for minutes, and at the URL of
//! the provider that was asked. Whatever is wrong with it leads to a page that says so; the client
//! is told nothing but, if the person wants to go back, that they did not sign in.
//!
//! [OpenID Connect Core §3.1.2.5 to §3.1.3.8]: https://openid.net/specs/openid-connect-core-1_0.html#AuthResponse

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_store::StoreError;
use countersign_types::{Params, Timestamp};
use http::{HeaderMap, StatusCode};

use super::Known;
use super::error::BrokerError;
use super::federation::{Outcome, federate};
use super::pending::{Aim, Begun};
use super::upstream::Upstream;
use super::{further, link_form};
use crate::app::Sts;
use crate::authorize::sign_in_form::{self, client_gone, sign_in_page};
use crate::authorize::unavailable;
use crate::form_token::{Browser, Purpose};
use crate::pages;
use crate::pages::Told;
use crate::texts::Say;

const UNKNOWN: Say = |t| t.unknown_provider;
const NOBODY_BEGAN: Say = |t| t.nobody_began;

pub(crate) async fn get(
    State(sts): State<Arc<Sts>>,
    alias: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let (now, headers) = (sts.clock.now(), &headers);
    // Escapes that are no UTF-8 name no provider.
    let upstream = alias.ok().and_then(|Path(alias)| sts.upstreams.find(&alias));
    let (Some(known), Some(upstream)) = (sts.upstreams.known(), upstream) else {
        return pages::problem(StatusCode::NOT_FOUND, UNKNOWN, &sts.endpoints.stylesheet);
    };
    let alias = &*upstream.setup.alias;
    let query = query.unwrap_or_default();
    let Some(begun) = begun(known, alias, &query, headers, now) else {
        tracing::warn!(
            target: "countersign::audit",
            upstream = %alias,
            "an answer of another provider belongs to no login",
        );
        return pages::problem(StatusCode::FORBIDDEN, NOBODY_BEGAN, &sts.endpoints.stylesheet);
    };
    let Begun { aim, pending, .. } = begun;
    let purpose = match aim {
        Aim::SignIn(purpose) => purpose,
        Aim::Link { subject, sid } => {
            let owner = (subject.as_str(), sid.as_str());
            return further::arrived(&sts, upstream, owner, pending, &query, headers, now).await;
        }
    };
    if let Some(answer) = client_gone(&sts, &purpose).await {
        return answer;
    }
    let arrived = match upstream.finish(&sts, pending, &query, now).await {
        Ok(arrived) => arrived,
        Err(error) => return refused(&sts, upstream, &purpose, &error, headers, now).await,
    };
    match federate(&sts, known, upstream, purpose.expected(), &arrived, now).await {
        Ok(Outcome::SignedIn(user, means)) => {
            sign_in_form::signed_in(&sts, purpose, &user, means, headers, now)
                .await
                .unwrap_or_else(|error| unavailable(&sts, &error))
        }
        Ok(Outcome::Ask(arrival, address)) => {
            let (who, answer) = ((&arrival, &address), (StatusCode::OK, None));
            link_form::ask(&sts, upstream, &purpose, who, answer, headers, now)
        }
        Ok(Outcome::NotExpected) => sign_in_form::not_expected(&sts, &purpose).await,
        Err(error) => refused(&sts, upstream, &purpose, &error, headers, now).await,
    }
}

/// The login that an answer belongs to, which is taken out. One that was begun at another provider
/// is none: that one may have lured the browser here. [RFC 9700 §4.4]
///
/// [RFC 9700 §4.4]: https://www.rfc-editor.org/rfc/rfc9700#section-4.4
fn begun(
    known: &Known,
    alias: &str,
    query: &str,
    headers: &HeaderMap,
    now: Timestamp,
) -> Option<Begun> {
    let params = Params::parse(query.as_bytes(), &[]).ok()?;
    let browser = Browser::known(headers)?;
    let begun = known.logins.take(&browser.key(params.get("state")?), now)?;
    (begun.alias == alias).then_some(begun)
}

/// The sign-in page again, with what went wrong: from there the person tries again, chooses another
/// way, or goes back to the client.
pub(super) async fn refused(
    sts: &Sts,
    upstream: &Upstream,
    purpose: &Purpose,
    error: &BrokerError,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    match told(upstream, purpose.client_id(), error) {
        Ok((status, problem)) => {
            sign_in_page(sts, purpose, (status, Some(problem)), "", headers, now).await
        }
        Err(error) => unavailable(sts, error),
    }
}

/// What a person is told of a login that came to nothing, or the failure of ours.
pub(super) fn told<'a>(
    upstream: &Upstream,
    for_client: Option<&str>,
    error: &'a BrokerError,
) -> Result<(StatusCode, Told), &'a StoreError> {
    if let BrokerError::Store(error) = error {
        return Err(error);
    }
    tracing::warn!(
        target: "countersign::audit",
        upstream = %upstream.setup.alias,
        for_client,
        error = error as &dyn std::error::Error,
        "nobody came through another provider",
    );
    let (status, say) = error.told();
    Ok((status, Told { say, upstream: Some(upstream.setup.name.clone()) }))
}
