//! The token endpoint. [RFC 6749 §3.2, §5]
//!
//! [RFC 6749 §3.2, §5]: https://www.rfc-editor.org/rfc/rfc6749#section-3.2

mod authorization_code;
pub(crate) mod client_credentials;
mod issue;
mod refresh;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_client_auth::AuthenticatedClient;
use countersign_client_auth::dpop::{self, Expected, Target};
use countersign_jwt::cnf::Confirmation;
use countersign_oidc::code;
use countersign_token_exchange::request;
use countersign_types::{ClientId, Timestamp};
use http::{HeaderMap, Method};

use crate::app::Sts;
use crate::client_request;
use crate::clients::Client;
use crate::error::TokenError;
use crate::exchange;

pub(crate) type TokenResponse = http::Response<Vec<u8>>;

/// Who asks for a token: the client, what is registered of it, and the key that it proves.
#[derive(Clone, Copy)]
struct Asker<'a> {
    client: &'a AuthenticatedClient,
    registered: &'a Client,
    proved: Option<Confirmation>,
}

impl<'a> Asker<'a> {
    const fn id(&self) -> &'a ClientId {
        self.client.id()
    }
}

pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answered = match body {
        Ok(body) => respond(&sts, query.as_deref(), &headers, &body).await,
        Err(rejection) => Err(rejection.into()),
    };
    client_request::answer(answered, "token request")
}

async fn respond(
    sts: &Sts,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<TokenResponse, TokenError> {
    let now = sts.clock.now();
    let params = client_request::parameters(query, headers, body, request::REPEATABLE)?;
    let grant_type = params.require("grant_type")?;
    let (client, registered) = client_request::authenticate(sts, headers, &params, now).await?;
    let proved = proved_key(sts, headers, now).await?;
    let asker = Asker { client: &client, registered: &registered, proved };
    match grant_type {
        code::GRANT_TYPE => authorization_code::redeem(sts, &params, asker, now).await,
        countersign_oidc::refresh::GRANT_TYPE => refresh::refresh(sts, &params, asker, now).await,
        client_credentials::GRANT_TYPE => client_credentials::issue(sts, &params, asker, now),
        request::GRANT_TYPE => {
            exchange::exchange(sts, &params, &client, &registered, proved, now).await
        }
        _ => Err(TokenError::UnsupportedGrantType),
    }
}

/// The key that the request proves, if it proves one: what is issued is bound to it. [RFC 9449 §5]
///
/// [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5
async fn proved_key(
    sts: &Sts,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Confirmation>, TokenError> {
    let Some(proof) = dpop::presented(headers)? else { return Ok(None) };
    let target = Target { method: &Method::POST, url: &sts.endpoints.token };
    let presented = dpop::verify(&proof, &Expected { target, token: None, nonces: None, now })?;
    let (key, until) = presented.once();
    let new = sts.replay.insert_new(key, until).await?;
    Ok(Some(presented.if_new(new)?.confirmation()))
}
