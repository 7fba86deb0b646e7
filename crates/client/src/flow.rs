//! The requesting party's conversation. [UMA Grant §3]
//!
//! [UMA Grant §3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#authorization-process

use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use countersign_client_auth::Presentation;
use countersign_fetch::{Limits, Request, http_client};
use countersign_types::secret::{AccessToken, TicketHandle};
use countersign_types::{ClientId, EndpointUrl, Issuer, Lifetime, Timestamp, TokenType};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Response};
use oauth2::basic::BasicClient;
use oauth2::{EndpointNotSet, EndpointSet, RequestTokenError, TokenResponse as _, TokenUrl};

use crate::builder::Client;
use crate::challenge::UmaChallenge;
use crate::discover::{self, Target};
use crate::error::{ClientError, Pending, Said};
use crate::grant::{ExchangeTicket as _, NeedInfo, Refusal, RptResponse};
use crate::kept::{Latest, Tokens};
use crate::observe::Event;
use crate::retry::{RetryError, Rounds};
use crate::subject::{NewAudience, Person, Registration, Subject};
use crate::token_endpoint::{IssuedTokenType, TokenErrorResponse};

mod claims;
mod resume;

/// A request that may have to be sent more than once.
struct Call {
    method: Method,
    url: EndpointUrl,
    headers: HeaderMap,
    body: Bytes,
    /// Whose it is, if that is settled.
    person: Option<Person>,
}

impl Call {
    fn new(request: http::Request<Bytes>) -> Result<Self, ClientError> {
        let (head, body) = request.into_parts();
        let url = EndpointUrl::parse(&head.uri.to_string())
            .map_err(|_| ClientError::Request("its URL is not an absolute https URL"))?;
        if head.headers.contains_key(AUTHORIZATION) {
            return Err(ClientError::Request("it has an Authorization header of its own"));
        }
        Ok(Self { method: head.method, url, headers: head.headers, body, person: None })
    }
}

impl Client {
    /// Sends a request. If the resource server answers with a permission ticket, gets a requesting
    /// party token for it and sends the request again.
    ///
    /// Any other answer is returned as it is, whatever its status. Redirects are not followed: they
    /// are answers too. A body is sent again as it is, which is safe because a resource server that
    /// asks for a token has not acted.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Submitted`] carries what [`Client::resume`] needs.
    pub async fn request(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<Response<Bytes>, ClientError> {
        let call = Call::new(request)?;
        let rounds = Rounds::new();
        let rpt = self.kept_rpt(&call.url).await?;
        let response = self.send(&call, rpt.as_ref()).await?;
        self.converse(&call, response, rounds).await
    }

    /// What was kept for this address and for whoever the client speaks for now.
    async fn kept_rpt(&self, url: &EndpointUrl) -> Result<Option<AccessToken>, ClientError> {
        if !self.0.kept.knows(url) {
            return Ok(None);
        }
        let subject = self.subject().await?;
        Ok(self.0.kept.rpt(&subject.person, url, self.now()))
    }

    async fn subject(&self) -> Result<Subject, ClientError> {
        self.0.subject.subject_token().await.map_err(ClientError::SubjectToken)
    }

    /// The same for a request that is somebody's: nobody else's claims go where theirs were to go.
    async fn subject_of(&self, person: Option<&Person>) -> Result<Subject, ClientError> {
        let subject = self.subject().await?;
        match person {
            Some(person) if subject.person != *person => {
                Err(ClientError::Request("somebody else is signed in by now"))
            }
            _ => Ok(subject),
        }
    }

    /// From the resource server's answer to the one that is returned.
    async fn converse(
        &self,
        call: &Call,
        mut response: Response<Bytes>,
        mut rounds: Rounds,
    ) -> Result<Response<Bytes>, ClientError> {
        loop {
            let Some(challenge) = UmaChallenge::find(&response)? else {
                self.observe(&Event::Answered { status: response.status() });
                return Ok(response);
            };
            self.observe(&Event::Challenged { challenge: &challenge });
            rounds.admit(&challenge.ticket)?;
            let target = self.discover(&call.url, &challenge).await?;
            let rpt = self.obtain(call, &target, challenge.ticket, &mut rounds).await?;
            response = self.send(call, rpt.as_ref()).await?;
        }
    }

    async fn send(
        &self,
        call: &Call,
        rpt: Option<&AccessToken>,
    ) -> Result<Response<Bytes>, ClientError> {
        let Call { method, url, .. } = call;
        let mut request = Request::new(method.clone(), url.clone(), Limits::resource())
            .with_body(call.body.clone());
        request.headers = call.headers.clone();
        if let Some(rpt) = rpt {
            self.observe(&Event::RequestedWithRpt { method, url, rpt });
            request.headers.insert(AUTHORIZATION, bearer(rpt)?);
        } else {
            self.observe(&Event::Requested { method, url });
        }
        self.0.fetch.fetch(request).await.map_err(|source| ClientError::Fetch {
            party: url.as_url().origin().ascii_serialization(),
            source,
        })
    }

    async fn discover(
        &self,
        url: &EndpointUrl,
        challenge: &UmaChallenge,
    ) -> Result<Target, ClientError> {
        let resource = discover::resource_server(&self.0.resources, url, challenge).await?;
        let as_uri = &challenge.as_uri;
        let target = discover::authorization_server(&self.0.metadata, as_uri, resource).await?;
        self.checked("issuer of the metadata = as_uri", "RFC 8414 §3.3", as_uri.as_str());
        self.checked("resource covers the URL", "RFC 9728 §3.3", target.resource.as_str());
        Ok(target)
    }

    /// From a ticket to a requesting party token. `None` if the ticket was too old to begin with,
    /// so that the resource server has to be asked for another.
    async fn obtain(
        &self,
        call: &Call,
        target: &Target,
        mut ticket: TicketHandle,
        rounds: &mut Rounds,
    ) -> Result<Option<AccessToken>, ClientError> {
        let registration = self.registration(&target.issuer)?;
        let mut subject = self.subject_of(call.person.as_ref()).await?;
        self.approve(target, &subject.person).await?;
        loop {
            let claims_token = self.claims_token(target, &ticket, &subject).await?;
            let pct = self.0.kept.pct(&subject.person, &target.servers());
            let claims_token = Some(&claims_token);
            let redeemed = self.redeem(target, &registration, &ticket, claims_token, pct.as_ref());
            let refused = match redeemed.await? {
                Ok(response) => return self.keep(call, target, &subject, &response).map(Some),
                Err(refused) => refused,
            };
            let info = match refused.refusal() {
                Refusal::Stale => return Ok(None),
                Refusal::NeedInfo(info) => info,
                refusal => return Err(self.ended(target, &subject.person, refusal, refused)),
            };
            ticket = self.next_ticket(target, info, rounds)?;
            subject = self.subject_of(Some(&subject.person)).await?;
        }
    }

    /// The ticket to go on with, where going on may help.
    fn next_ticket(
        &self,
        target: &Target,
        info: NeedInfo,
        rounds: &mut Rounds,
    ) -> Result<TicketHandle, ClientError> {
        let issuer = || target.issuer.clone();
        // Another server's page, reached from here, would let its owner act with this ticket.
        let own = target.claims_interaction_endpoint.as_ref().map(EndpointUrl::as_str);
        if info.redirect_user.is_some() && info.redirect_user.as_deref() != own {
            return Err(ClientError::RedirectUser(issuer()));
        }
        match rounds.admit(&info.ticket) {
            Ok(()) if info.may_be_met_by(self.claims_issuer()) => Ok(info.ticket),
            Ok(()) | Err(RetryError::Exhausted(_)) => {
                Err(ClientError::NeedInfo { issuer: issuer(), info: Box::new(info) })
            }
            Err(unchanged) => Err(unchanged.into()),
        }
    }

    fn ended(
        &self,
        target: &Target,
        person: &Person,
        refusal: Refusal,
        said: TokenErrorResponse,
    ) -> ClientError {
        let issuer = target.issuer.clone();
        match refusal {
            Refusal::Denied => ClientError::Denied { issuer, source: Box::new(Said(said)) },
            Refusal::Submitted(submitted) => ClientError::Submitted(Box::new(Pending {
                as_uri: issuer,
                resource: target.resource.clone(),
                person: person.clone(),
                ticket: submitted.ticket,
                interval: submitted.interval,
            })),
            Refusal::NeedInfo(_) | Refusal::Stale | Refusal::Other => ClientError::Grant {
                issuer,
                source: Box::new(RequestTokenError::ServerResponse(said)),
            },
        }
    }

    /// Redeems a ticket. The inner error is the server's own. [UMA Grant §3.3.1]
    ///
    /// [UMA Grant §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#uma-grant-type
    async fn redeem(
        &self,
        target: &Target,
        registration: &Registration,
        ticket: &TicketHandle,
        claims_token: Option<&AccessToken>,
        pct: Option<&AccessToken>,
    ) -> Result<Result<RptResponse, TokenErrorResponse>, ClientError> {
        let client = oauth_client(&registration.client_id, &target.token_endpoint);
        let mut request = client
            .exchange_ticket(ticket)
            .set_resource(&target.resource)
            .authenticated_by(self.present(registration)?);
        if let Some(claims_token) = claims_token {
            request = request.set_claim_token(claims_token, &TokenType::JWT);
        }
        if let Some(pct) = pct {
            request = request.set_pct(pct);
        }
        let endpoint = &target.token_endpoint;
        self.observe(&Event::GrantRequested { endpoint, params: &request.params() });
        let http = http_client(Arc::clone(&self.0.fetch), Limits::token_endpoint());
        match request.request_async(&http).await {
            Ok(response) => Ok(Ok(response)),
            Err(RequestTokenError::ServerResponse(error)) => {
                self.observe(&Event::GrantRefused { error: &error });
                Ok(Err(error))
            }
            Err(source) => {
                Err(ClientError::Grant { issuer: target.issuer.clone(), source: Box::new(source) })
            }
        }
    }

    fn keep(
        &self,
        call: &Call,
        target: &Target,
        subject: &Subject,
        response: &RptResponse,
    ) -> Result<AccessToken, ClientError> {
        if *response.token_type() != IssuedTokenType::Bearer {
            return Err(ClientError::TokenType(target.issuer.clone()));
        }
        let rpt = AccessToken::new(response.access_token().secret());
        self.observe(&Event::RptReceived { rpt: &rpt });
        let lifetime = response
            .expires_in()
            .map(|life| Lifetime::from_secs(u32::try_from(life.as_secs()).unwrap_or(u32::MAX)));
        let (person, servers) = (&subject.person, target.servers());
        let pct = response.extra_fields().pct.clone();
        let tokens = Tokens {
            rpt: rpt.clone(),
            expires: lifetime.map(|lifetime| self.now().after(lifetime)),
            pct: pct.or_else(|| self.0.kept.pct(person, &servers)),
        };
        self.0.kept.keep(person, servers, &call.url, tokens);
        Ok(rpt)
    }

    fn registration(&self, issuer: &Issuer) -> Result<Registration, ClientError> {
        if let Some(registration) = self.0.registrations.get(issuer) {
            return Ok(registration.clone());
        }
        let elsewhere = self.0.elsewhere.as_ref();
        let elsewhere = elsewhere.ok_or_else(|| ClientError::NotRegistered(issuer.clone()))?;
        Ok(Registration {
            issuer: issuer.clone(),
            client_id: elsewhere.client_id.clone(),
            proof: elsewhere.proof(),
        })
    }

    async fn approve(&self, target: &Target, person: &Person) -> Result<(), ClientError> {
        let issuer = &target.issuer;
        let approval = (person.clone(), issuer.clone());
        let is_known = self.0.registrations.contains_key(issuer);
        if is_known || self.approved().get(&approval).is_some() {
            return Ok(());
        }
        let new = NewAudience {
            audience: issuer.clone(),
            resource: target.resource.clone(),
            person: person.clone(),
        };
        if !self.0.approve.approve(&new).await {
            return Err(ClientError::NotApproved(issuer.clone()));
        }
        self.approved().insert(approval, ());
        Ok(())
    }

    fn approved(&self) -> MutexGuard<'_, Latest<(Person, Issuer), ()>> {
        self.0.approved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client's authentication at a server; the audience of an assertion is the issuer the
    /// registration is for, never a URL that the server's metadata names.
    fn present(&self, registration: &Registration) -> Result<Presentation, ClientError> {
        let Registration { issuer, client_id, proof } = registration;
        Ok(proof.present(client_id, issuer, self.now(), self.0.random.as_ref())?)
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn observe(&self, event: &Event<'_>) {
        self.0.observer.on(event);
    }

    fn checked(&self, what: &'static str, section: &'static str, value: &str) {
        self.observe(&Event::Checked { what, section, value });
    }
}

fn bearer(rpt: &AccessToken) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", rpt.expose()))
        .map_err(|_| ClientError::Request("its token does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The `oauth2` crate's client for one token endpoint.
fn oauth_client(
    client_id: &ClientId,
    token_endpoint: &EndpointUrl,
) -> BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet> {
    BasicClient::new(oauth2::ClientId::new(client_id.to_string()))
        .set_token_uri(TokenUrl::from_url(token_endpoint.as_url().clone()))
}

#[cfg(test)]
mod tests;
