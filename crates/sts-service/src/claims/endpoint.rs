//! The claims endpoint of an OpenID provider: for its own access tokens, about its own people.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_client_auth::{Credentials, Method};
use countersign_jwt::ClaimError;
use countersign_token_exchange::policy::CLAIMS_PROVIDER;
use countersign_token_exchange::subject::Subject;
use countersign_token_exchange::{Account, ExchangeError, ExchangeRequest, people};
use countersign_types::{ClientId, Timestamp};
use http::HeaderMap;

use super::directory::own_account;
use super::error::ClaimsError;
use super::issue::{Answered, Asking, Holder, Issuing, recorded};
use super::{asked, bearer};
use crate::app::Sts;
use crate::audit::ExchangeRecord;
use crate::clients::Client;
use crate::exchange;

pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match respond(&sts, query.as_deref(), &headers, body).await {
        Ok(response) => response.map(Body::from),
        Err(error) => error.answer(),
    }
}

async fn respond(
    sts: &Sts,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let now = sts.clock.now();
    let token = bearer::token(headers)?;
    // RFC 6750 §3.1: first whether the token is good, then what it allows, then what is asked.
    let subject = exchange::subject(sts, &token, None, now).await?;
    // Whoever else the token is for holds it as well, and would speak for the person here.
    if !matches!(subject.audience(), [only] if only == sts.issuer().as_str()) {
        return Err(ExchangeError::SubjectToken(ClaimError::Audience.into()).into());
    }
    if !subject.scope().contains(CLAIMS_PROVIDER) {
        return Err(ExchangeError::Consent.into());
    }
    let client = client(sts, &subject).await?;
    let mut record = ExchangeRecord::of(client.registered.id.clone(), Method::None);
    record.subject = Some(subject.subject().to_owned());
    let answered = match asked((query, headers), body, token, &mut record) {
        Ok(request) => decided(sts, &request, &subject, &client, &mut record, now).await,
        Err(error) => Err(error),
    };
    recorded(sts.audit.as_ref(), record, answered)
}

/// The client that the token was issued to.
async fn client(sts: &Sts, subject: &Subject) -> Result<Arc<Client>, ClaimsError> {
    let id = ClientId::parse(subject.client_id()).map_err(|_| ExchangeError::NotAPerson)?;
    let found = sts.clients.find(&id).await?;
    Ok(found.ok_or(ExchangeError::SubjectClient(id))?)
}

async fn decided(
    sts: &Sts,
    request: &ExchangeRequest,
    subject: &Subject,
    client: &Client,
    record: &mut ExchangeRecord,
    now: Timestamp,
) -> Answered {
    let person = match people::named(request, subject, &client.exchange) {
        Some(address) => own_account(sts, &address).await?,
        None => None,
    };
    let account = if subject.is_client() {
        person.as_ref().map_or(Account::Unknown, Account::Known)
    } else {
        Account::NotAsked
    };
    let keys = sts.keys();
    let issuing = Issuing {
        policy: &sts.policy,
        delegation: sts.delegation.as_ref(),
        key: keys.es256(),
        random: sts.random.as_ref(),
    };
    let holder = Holder {
        id: &client.registered.id,
        is_confidential: !matches!(client.registered.credentials, Credentials::Public),
        policy: &client.exchange,
    };
    issuing.answer(&Asking { request, subject, holder, account, now }, record)
}
