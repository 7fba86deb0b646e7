//! The claims endpoint of an OpenID provider: for its own access tokens, about its own people.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_client_auth::{Credentials, Method};
use countersign_jwt::ClaimError;
use countersign_token_exchange::policy::{CLAIMS_PROVIDER, ExchangePolicy};
use countersign_token_exchange::request::{self, Wanted};
use countersign_token_exchange::subject::Subject;
use countersign_token_exchange::{
    Account, ExchangeError, ExchangeRequest, Facts, Product, Requester, decide, people,
};
use countersign_types::{ClientId, Timestamp, random};
use http::HeaderMap;

use super::directory::own_account;
use super::error::ClaimsError;
use super::{answer, bearer, name_whom_it_is_about, parameters};
use crate::app::Sts;
use crate::audit::{self, ExchangeRecord};
use crate::clients::Client;
use crate::exchange;

type Answered = Result<http::Response<Vec<u8>>, ClaimsError>;

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
    let asked =
        parameters(query, headers, body).and_then(|params| Ok(request::of_holder(&params, token)?));
    let answered = match asked {
        Ok(request) => {
            record.audiences.clone_from(&request.audiences);
            record.resources.clone_from(&request.resources);
            decided(sts, &request, &subject, &client, &mut record, now).await
        }
        Err(error) => Err(error),
    };
    let failed = answered.as_ref().err().map(ClaimsError::step);
    if failed != Some(None) {
        record.checks = audit::checks(Some(Wanted::ClaimsToken), failed.flatten(), false);
        sts.audit.record(&record);
    }
    answered
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
    let is_confidential = !matches!(client.registered.credentials, Credentials::Public);
    let facts = Facts {
        client: Requester::Holder { id: &client.registered.id, is_confidential },
        subject,
        actor: None,
        account,
        proved: None,
        policy: ExchangePolicy {
            server: &sts.policy,
            client: &client.exchange,
            delegation: sts.delegation.as_ref(),
        },
        now,
    };
    let grant = decide(request, &facts).inspect_err(|error| {
        if let ExchangeError::Delegation { rules, .. } = error {
            record.rules.clone_from(rules);
        }
    })?;
    record.rules.clone_from(&grant.rules);
    name_whom_it_is_about(record, &grant);
    // INVARIANT: a request of a holder is one for a claims token.
    let Product::ClaimsToken(granted) = &grant.product else {
        return Err(ExchangeError::NoProfile.into());
    };
    let jti = random::identifier(sts.random.as_ref());
    let response = answer(sts.issuer(), sts.keys().es256(), &grant, granted, &jti)?;
    record.issued = Some(jti);
    Ok(response)
}
