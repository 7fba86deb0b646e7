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
use countersign_client_auth::dpop::{self, DpopError, Expected, Presented, Target};
use countersign_jwt::cnf::Confirmation;
use countersign_oidc::authorize::RESOURCE;
use countersign_oidc::{Grant, code};
use countersign_store::finish;
use countersign_token_exchange::request;
use countersign_types::{ClientId, Params, Timestamp};
use http::{HeaderMap, Method};

use crate::app::Sts;
use crate::client_request;
use crate::clients::Client;
use crate::error::TokenError;
use crate::exchange;

pub(crate) type TokenResponse = http::Response<Vec<u8>>;

/// Who asks for a token: the client, what is registered of it, and the proof of a key that it sent.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) client: &'a AuthenticatedClient,
    pub(crate) registered: &'a Client,
    proof: Option<Presented>,
}

impl<'a> Asker<'a> {
    pub(crate) const fn id(&self) -> &'a ClientId {
        self.client.id()
    }

    /// The key that the request has a proof of, for decisions; whether the proof is new is not
    /// known.
    pub(crate) fn presents(&self) -> Option<Confirmation> {
        self.proof.map(|proof| proof.confirmation())
    }

    /// Spends the proof of a request that is granted, if it has one: what is issued is bound to the
    /// key. A request of nonsense does not come so far, since the name of a public client is all
    /// that it takes. [RFC 9449 §5, §11.1]
    ///
    /// [RFC 9449 §5, §11.1]: https://www.rfc-editor.org/rfc/rfc9449#section-5
    pub(crate) async fn prove(&self, sts: &Sts) -> Result<Option<Confirmation>, TokenError> {
        let Some(proof) = self.proof else { return Ok(None) };
        let (key, until) = proof.once();
        let seen = sts.replay.insert_new(key, until).await?;
        Ok(Some(proof.if_new(seen)?.confirmation()))
    }
}

pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answered = respond(sts, query.as_deref(), &headers, body).await;
    client_request::answer(answered, "token request")
}

async fn respond(
    sts: Arc<Sts>,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<TokenResponse, TokenError> {
    let now = sts.clock.now();
    let params = client_request::parameters(query, headers, body, request::REPEATABLE)?;
    let grant_type = params.require("grant_type")?;
    let (client, registered) = client_request::authenticate(&sts, headers, &params, now).await?;
    let proof = judged_proof(&sts, headers, now)?;
    // RFC 9449 §5.2: a token request without a proof MUST be rejected.
    if proof.is_none() && registered.dpop_bound_access_tokens {
        return Err(DpopError::Missing.into());
    }
    let asker = Asker { client: &client, registered: &registered, proof };
    match grant_type {
        code::GRANT_TYPE | countersign_oidc::refresh::GRANT_TYPE => {
            let is_code = grant_type == code::GRANT_TYPE;
            // Whoever shows again what is good once ends the grant, and does not keep it by going
            // away.
            finish(async move {
                let asker = Asker { client: &client, registered: &registered, proof };
                if is_code {
                    authorization_code::redeem(&sts, &params, asker, now).await
                } else {
                    refresh::refresh(&sts, &params, asker, now).await
                }
            })
            .await
        }
        client_credentials::GRANT_TYPE => {
            client_credentials::issue(&sts, &params, asker, now).await
        }
        request::GRANT_TYPE => exchange::exchange(&sts, &params, asker, now).await,
        _ => Err(TokenError::UnsupportedGrantType),
    }
}

/// Refuses what no token of a client is for, before anything is used up. [RFC 8707 §2.2]
///
/// [RFC 8707 §2.2]: https://www.rfc-editor.org/rfc/rfc8707#section-2.2
fn check_resources(sts: &Sts, params: &Params, registered: &Client) -> Result<(), TokenError> {
    let known = registered.resources(&sts.policy);
    let is_known = params.all(RESOURCE).all(|resource| known.contains(&resource));
    is_known.then_some(()).ok_or(TokenError::Target)
}

/// What a token of a person's grant is for: what the request asks for, and nothing else, so that
/// whoever is given it can use it nowhere else; otherwise all that the grant is for. [RFC 8707
/// §2.2]
///
/// [RFC 8707 §2.2]: https://www.rfc-editor.org/rfc/rfc8707#section-2.2
fn audience(
    sts: &Sts,
    params: &Params,
    registered: &Client,
    grant: &Grant,
) -> Result<Vec<String>, TokenError> {
    let is_granted = |it: &str| grant.resources.is_empty() || grant.resources.contains(it);
    let mut granted = registered.resources(&sts.policy);
    granted.retain(|resource| is_granted(resource));
    if params.all(RESOURCE).any(|asked| !granted.contains(&asked)) {
        return Err(TokenError::Target);
    }
    if params.all(RESOURCE).next().is_some() {
        granted.retain(|resource| params.all(RESOURCE).any(|asked| asked == *resource));
    }
    if granted.is_empty() {
        Err(TokenError::Target)
    } else {
        Ok(granted.into_iter().map(str::to_owned).collect())
    }
}

/// The proof of a key that the request has, if it has one, judged by all but whether it is new.
/// [RFC 9449 §4.3]
///
/// [RFC 9449 §4.3]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3
fn judged_proof(
    sts: &Sts,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Presented>, DpopError> {
    let Some(proof) = dpop::presented(headers)? else { return Ok(None) };
    let target = Target { method: &Method::POST, url: &sts.endpoints.token };
    dpop::verify(&proof, &Expected { target, token: None, nonces: None, now }).map(Some)
}
