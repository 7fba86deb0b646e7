//! What a client's own requests have in common: a form in the body, and who sends it.
//! [RFC 6749 §2.3, §3.2]
//!
//! [RFC 6749 §2.3, §3.2]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_client_auth::{self as client_auth, AuthenticatedClient, Authentication};
use countersign_types::params::ParamsError;
use countersign_types::{Params, Timestamp, WireError as _};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::app::Sts;
use crate::clients::Client;
use crate::error::TokenError;

/// The parameters of a request.
///
/// # Errors
/// [`TokenError::Body`], [`TokenError::Query`], [`TokenError::Params`].
pub(crate) fn parameters(
    query: Option<&str>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    repeatable: &[&str],
) -> Result<Params, TokenError> {
    let body = body?;
    // RFC 6749 §2.3.1, §3.2: parameters come in the body alone.
    if query.is_some_and(|query| !query.is_empty()) {
        return Err(TokenError::Query);
    }
    if !is_form(headers) {
        return Err(ParamsError::NotAForm.into());
    }
    Ok(Params::parse(&body, repeatable)?)
}

/// Whether the body says that it is a form. [RFC 6749 Appendix B]
///
/// [RFC 6749 Appendix B]: https://www.rfc-editor.org/rfc/rfc6749#appendix-B
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = values.next().and_then(|value| value.to_str().ok()) else { return false };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    values.next().is_none() && media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Who sends the request.
///
/// # Errors
/// [`TokenError::ClientAuth`], [`TokenError::Store`].
pub(crate) async fn authenticate(
    sts: &Sts,
    headers: &HeaderMap,
    params: &Params,
    now: Timestamp,
) -> Result<(AuthenticatedClient, Arc<Client>), TokenError> {
    let credentials = client_auth::parse(headers, params)?.check(sts.issuer(), now)?;
    let known = sts.clients.find_presenting(&credentials).await?;
    let registered = known.as_ref().map(|client| &client.registered);
    let client = match client_auth::authenticate(credentials, registered)? {
        Authentication::Done(client) => client,
        Authentication::OnceOnly(check) => {
            let seen = sts.replay.insert_new(check.key(), check.expires()).await?;
            check.confirm(seen)?
        }
    };
    // INVARIANT: who authenticated is registered.
    let known = known.ok_or_else(|| TokenError::UnauthorizedClient(client.id().clone()))?;
    Ok((client, known))
}

/// The answer to a request, with its line in the log if it was refused.
pub(crate) fn answer(
    answered: Result<http::Response<Vec<u8>>, TokenError>,
    request: &'static str,
) -> Response {
    let response = answered.unwrap_or_else(|error| {
        let cause = &error as &dyn std::error::Error;
        if error.is_internal() {
            tracing::error!(error = cause, "{request} failed");
        } else {
            tracing::info!(error = cause, code = %error.wire().code, "{request} refused");
        }
        error.response()
    });
    response.map(Body::from)
}
