//! The token endpoint: PATs by client credentials, RPTs by permission tickets and refresh tokens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use countersign_client_auth::{AuthenticatedClient, Authentication, ClientAuthError, dpop};
use countersign_oidc::code;
use countersign_store::{HandedOver, StoreError, Taken};
use countersign_types::digest::Digest;
use countersign_types::secret::TicketHandle;
use countersign_types::wire::{json_octets, json_response_of};
use countersign_types::{ClientId, Params, Timestamp, WireError as _};
use countersign_uma::assessment::{
    Assessment, AwaitingIssuer, AwaitingPolicy, Decided, Ended, Facts, NeedInfo, Outcome, Submitted,
};
use countersign_uma::check::Step;
use countersign_uma::permission::Permission;
use countersign_uma::process::TicketError;
use countersign_uma::{GrantError, Process, Rpt, TokenRequest, grant, protection, refresh};
use http::{HeaderMap, StatusCode};

use super::json;
use crate::app::Uma;
use crate::audit::{Answer, AssessmentRecord};
use crate::body;
use crate::clients::Client;
use crate::failure::Failure;
use crate::owner;
use crate::pat::StoredToken;

/// [RFC 6749 §3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)
pub(crate) async fn token(State(uma): State<Arc<Uma>>, request: Request) -> Response {
    let now = uma.seams.clock.now();
    // Boxed, so that it takes no room while the disk is waited for.
    let answer = match Box::pin(respond(&uma, request, now)).await {
        Ok(Answered::Issued(issued)) => issued.written(&uma).await,
        Ok(Answered::Otherwise(response)) => Ok(response),
        Err(failure) => Err(failure),
    };
    answer.unwrap_or_else(Failure::into_response)
}

/// How a request was answered that did not fail.
enum Answered {
    /// With an RPT, which may leave once it is written.
    Issued(Box<Issued>),
    Otherwise(Response),
}

/// All that is needed of a request while its RPT is on its way to the disk.
///
/// What else there was is gone by then: later, it would be dropped by another thread as often as
/// not, and from a cache that has forgotten it.
struct Issued {
    rpt: HandedOver,
    permissions: Vec<Permission>,
    /// What is answered.
    body: Vec<u8>,
    record: AssessmentRecord,
}

impl Issued {
    async fn written(self: Box<Self>, uma: &Uma) -> Result<Response, Failure> {
        let written = self.rpt.written().await;
        self.answer(uma, written)
    }

    fn answer(
        self: Box<Self>,
        uma: &Uma,
        written: Result<(), StoreError>,
    ) -> Result<Response, Failure> {
        let Self { permissions, body, mut record, .. } = *self;
        let answer = written.map(|()| {
            record.granted(permissions);
            json_response_of(StatusCode::OK, body).map(Body::from)
        });
        recorded(uma, record, answer.map_err(Failure::from))
    }
}

async fn respond(uma: &Arc<Uma>, request: Request, now: Timestamp) -> Result<Answered, Failure> {
    let (headers, form) = body::form(request).await?;
    let params = Params::parse(&form, grant::REPEATABLE)?;
    drop(form);
    let response = match params.require("grant_type")? {
        "client_credentials" => client_credentials(uma, &headers, &params, now).await,
        grant::GRANT_TYPE => return uma_ticket(uma, headers, params, now).await,
        code::GRANT_TYPE => {
            Box::pin(super::mandate::authorization_code(uma, &headers, &params, now)).await
        }
        refresh::GRANT_TYPE => super::refresh::refresh(uma, &headers, &params, now).await,
        _ => Err(GrantError::GrantType.into()),
    };
    response.map(Answered::Otherwise)
}

/// A PAT for a resource server. [UF §1.3]
///
/// [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3
async fn client_credentials(
    uma: &Uma,
    headers: &HeaderMap,
    params: &Params,
    now: Timestamp,
) -> Result<Response, Failure> {
    no_proof(headers)?;
    let (client, registration) = authenticate(uma, headers, params, now).await?;
    // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
    let server = registration.resource_server.as_ref().filter(|_| client.is_confidential());
    let pat = protection::decide(params, server, now, uma.pat_lifetime)?;
    uma.pat_quota.take(client.id(), now)?;
    let token = uma.tokens.generate(&*uma.seams.random, now);
    let response = protection::respond(&pat, token.expose(), now);
    let expires = pat.expires;
    uma.tokens.insert(&token, &StoredToken::Pat(pat), expires).await?;
    Ok(json(StatusCode::OK, &response))
}

/// An RPT for a permission ticket. Whatever comes of it is recorded before it is answered.
/// [UG §3.3.1]
///
/// [UG §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.1
async fn uma_ticket(
    uma: &Uma,
    headers: HeaderMap,
    params: Params,
    now: Timestamp,
) -> Result<Answered, Failure> {
    let mut record = AssessmentRecord::new(now);
    let answer = match assess(uma, headers, params, now, &mut record).await {
        Ok(Assessed::Granted(rpt, body, permissions)) => {
            return Ok(Answered::Issued(Box::new(Issued { rpt, permissions, body, record })));
        }
        Ok(Assessed::Otherwise(response)) => Ok(response),
        Err(failure) => Err(failure),
    };
    recorded(uma, record, answer).map(Answered::Otherwise)
}

fn recorded(
    uma: &Uma,
    mut record: AssessmentRecord,
    answer: Result<Response, Failure>,
) -> Result<Response, Failure> {
    if let Err(failure) = &answer {
        note_failure(&mut record, failure);
    }
    uma.seams.audit.record(&record);
    if !record.refused.is_empty() {
        uma.turned_away.note(record);
    }
    answer
}

/// How a request that failed is recorded. The checks of an assessment stand as they are; a request
/// that did not come so far gets those it passed.
fn note_failure(record: &mut AssessmentRecord, failure: &Failure) {
    record.answer = match failure {
        Failure::Store(_) | Failure::Unanswerable => Answer::Failed,
        refused => Answer::Refused(refused.wire().code),
    };
    if record.checks.is_empty() {
        record.checks = match failure {
            Failure::Grant(error) => error.checks(),
            Failure::Client(error) => Step::Client.ended(error.to_string()),
            _ => Vec::new(),
        };
    }
}

/// What came of an assessment that did not fail.
enum Assessed {
    /// An RPT on its way to the disk, what is answered then, and what it permits.
    Granted(HandedOver, Vec<u8>, Vec<Permission>),
    Otherwise(Response),
}

async fn assess(
    uma: &Uma,
    headers: HeaderMap,
    params: Params,
    now: Timestamp,
    record: &mut AssessmentRecord,
) -> Result<Assessed, Failure> {
    let (request, client, registration) = {
        let (headers, params) = (headers, params);
        no_proof(&headers)?;
        let request = grant::parse(&params)?;
        let (client, registration) = authenticate(uma, &headers, &params, now).await?;
        (request, client, registration)
    };
    record.client = Some(client.id().clone());
    let scopes = registration.uma_grant.as_ref().ok_or(GrantError::Client)?;

    let outcome = {
        let process = take(uma, &request, &client, now, record).await?;
        let holder = uma.seams.clients.find(&process.protection().resource_server).await?;
        let server = holder.as_ref().and_then(|client| client.resource_server.as_ref());
        let mut server = server.ok_or(GrantError::Ticket(TicketError::NoResource))?;
        let for_a_person;
        if server.protection != *process.protection() {
            for_a_person = Box::pin(uma.for_a_person(server, process.protection(), now)).await?;
            server = for_a_person.as_ref().ok_or(GrantError::Ticket(TicketError::NoResource))?;
        }
        let registered = uma.registered(process.protection(), process.permissions()).await?;
        let has_waited = process.waiting().is_some();
        let presented = process.present(&client, now).map_err(GrantError::Ticket)?;
        let facts = Facts {
            client: &client,
            client_scopes: scopes,
            resource_server: server,
            registered: &registered,
            settings: &uma.settings,
            now,
        };
        let ended = conclude(uma, Assessment::begin(presented, &request, facts), now).await?;
        if let Some(person) = &ended.person {
            uma.recognise(&server.protection, registered.keys(), person, now).await?;
            if let Outcome::Granted(rpt) = &ended.outcome
                && (has_waited || uma.case_room.is_open(&rpt.protection, person))
            {
                // Boxed, so that who never waited does not carry the state of it along.
                Box::pin(owner::let_in(uma, rpt, person, &registered, now)).await?;
            }
        }
        record.ended(*ended)
    };
    match outcome {
        Outcome::Granted(rpt) => issue(uma, rpt, &client, now).await,
        Outcome::NeedInfo(need_info) => go_on(uma, need_info).await.map(Assessed::Otherwise),
        Outcome::Submitted(submitted) => {
            // What a request that waits is known by.
            let shown = request.ticket.digest();
            wait(uma, submitted, client.id(), &shown, now).await.map(Assessed::Otherwise)
        }
        Outcome::Refused(error) => Err(error.into()),
        _ => Err(Failure::Unanswerable),
    }
}

/// Refuses the proof of a key that what is issued would have to be bound to, before anything is
/// spent.
pub(super) fn no_proof(headers: &HeaderMap) -> Result<(), GrantError> {
    if headers.contains_key(dpop::HEADER) { Err(GrantError::Binding) } else { Ok(()) }
}

/// Spends the ticket for this client: one atomic step, durable before anything is answered. An
/// attempt of another client leaves it as it is.
async fn take(
    uma: &Uma,
    request: &TokenRequest,
    client: &AuthenticatedClient,
    now: Timestamp,
    record: &mut AssessmentRecord,
) -> Result<Process, Failure> {
    let refused = match uma.tickets.take(&request.ticket, client.id(), now).await? {
        Taken::First(process) => {
            record.found(&process);
            return Ok(process);
        }
        // Recorded, but what came of the ticket stays: a leaked spent ticket is no kill switch.
        Taken::Again(process) => {
            record.found(&process);
            TicketError::Spent
        }
        Taken::Bound => TicketError::OtherClient,
        Taken::Absent => TicketError::Unknown,
    };
    Err(GrantError::Ticket(refused).into())
}

/// Takes an assessment to its end, waiting for what it needs to know.
async fn conclude(
    uma: &Uma,
    assessment: Assessment<'_>,
    now: Timestamp,
) -> Result<Box<Ended>, Failure> {
    let awaiting = match assessment {
        Assessment::Ended(ended) => return Ok(ended),
        Assessment::Decide(awaiting) => Ok(*awaiting),
        Assessment::Poll(polling) => {
            let look = uma.case_at(polling.protection(), polling.person(), now);
            let case = Box::pin(look).await?;
            if case.is_some() {
                uma.load_shares(polling.protection(), now).await?;
            }
            return Ok(polling.looked_up(case.as_ref(), &*uma.seams.policy));
        }
        Assessment::Discover(awaiting) => verified(uma, awaiting).await,
    };
    match awaiting {
        Ok(awaiting) => decide(uma, awaiting, now).await,
        Err(ended) => Ok(ended),
    }
}

/// Finds the issuer and its keys, and verifies the claims token by them.
async fn verified<'a>(
    uma: &Uma,
    awaiting: Box<AwaitingIssuer<'a>>,
) -> Result<AwaitingPolicy<'a>, Box<Ended>> {
    let discovery = &uma.seams.discovery;
    let discovered = match awaiting.host() {
        Some(host) => discovery.host(host).await,
        None => discovery.issuer(awaiting.email()).await,
    };
    let discovered = match discovered {
        Ok(discovered) => discovered,
        Err(error) => return Err(awaiting.not_discovered(error.to_string())),
    };
    let awaiting = awaiting.discovered(&discovered.issuer, discovered.named_by)?;
    let keys = match discovery.keys(&discovered, awaiting.key_id()).await {
        Ok(keys) => keys,
        Err(error) => return Err(awaiting.no_keys(error.to_string())),
    };
    awaiting.verify(&keys)
}

/// Asks policy, and the owner where policy does.
async fn decide(
    uma: &Uma,
    awaiting: AwaitingPolicy<'_>,
    now: Timestamp,
) -> Result<Box<Ended>, Failure> {
    uma.load_shares(awaiting.protection(), now).await?;
    // Before policy is asked: a revocation that comes between ends what is issued by its answer.
    let last = uma.revocations.last(awaiting.protection(), awaiting.person(), now).await?;
    let mut ended = match awaiting.decide(&*uma.seams.policy) {
        Decided::Ended(ended) => ended,
        Decided::Ask(awaiting) => {
            // Boxed, so that whoever is not asked about does not carry its state along.
            let said = Box::pin(owner::ask(uma, &awaiting, now)).await?;
            awaiting.answered(said, &*uma.seams.policy)
        }
    };
    if let Outcome::Granted(rpt) = &mut ended.outcome {
        rpt.since_revocation = last;
    }
    Ok(ended)
}

/// Issues the RPT, which is durable before it leaves.
async fn issue(
    uma: &Uma,
    mut rpt: Box<Rpt>,
    client: &AuthenticatedClient,
    now: Timestamp,
) -> Result<Assessed, Failure> {
    let refresh_token = match uma.refresh_lifetime {
        Some(_) => Box::pin(super::refresh::grant_with(uma, &mut rpt, client, now)).await?,
        None => None,
    };
    let token = uma.tokens.generate(&*uma.seams.random, now);
    let response = grant::respond(&rpt, &token, now).with_refresh_token(refresh_token.as_ref());
    let body = json_octets(&response);
    let (expires, stored) = (rpt.expires, StoredToken::Rpt(rpt));
    let handed_over = uma.tokens.hand_over(&token, &stored, expires).await?;
    let permissions = match stored {
        StoredToken::Rpt(rpt) => rpt.permissions,
        StoredToken::Pat(_) => Vec::new(),
    };
    Ok(Assessed::Granted(handed_over, body, permissions))
}

/// Keeps the process under a fresh ticket, which only its client can present.
async fn go_on(uma: &Uma, need_info: NeedInfo) -> Result<Response, Failure> {
    let NeedInfo { process, required_claims, reason } = need_info;
    let random = &*uma.seams.random;
    let ticket = uma.tickets.issue(random, &process, process.client(), process.expires()).await?;
    Ok(grant::respond_need_info(reason, &required_claims, &ticket).map(Body::from))
}

/// Keeps the process until its owner has answered, under a fresh ticket that only its client can
/// present. Durable before it leaves: the client comes back for days.
async fn wait(
    uma: &Uma,
    submitted: Submitted,
    client: &ClientId,
    shown: &Digest,
    now: Timestamp,
) -> Result<Response, Failure> {
    let Submitted { process, interval } = submitted;
    let ticket = TicketHandle::generate(&*uma.seams.random);
    owner::wait(uma, process, client, &ticket, shown, now).await?;
    Ok(grant::respond_submitted(interval, &ticket).map(Body::from))
}

/// Which client is calling. [RFC 6749 §3.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.2.1)
pub(super) async fn authenticate(
    uma: &Uma,
    headers: &HeaderMap,
    params: &Params,
    now: Timestamp,
) -> Result<(AuthenticatedClient, Arc<Client>), Failure> {
    let presented = countersign_client_auth::parse(headers, params)?;
    let credentials = presented.check(&uma.settings.issuer, now)?;
    let registration = uma.seams.clients.find_presenting(&credentials).await?;
    let registered = registration.as_ref().map(|client| &client.registered);
    let client = match countersign_client_auth::authenticate(credentials, registered)? {
        Authentication::Done(client) => client,
        Authentication::OnceOnly(check) => {
            let seen = uma.replay.insert_new(check.key(), check.expires()).await?;
            check.confirm(seen)?
        }
    };
    // A client that authenticated is registered; this only satisfies the types.
    let registration = registration.ok_or(ClientAuthError::Failed)?;
    Ok((client, registration))
}
