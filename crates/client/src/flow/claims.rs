//! A claims token for one ticket: by an exchange at the person's provider (PROFILE §5.2), or at a
//! claims endpoint (§5.6).

use std::sync::Arc;

use bytes::Bytes;
use countersign_claims_token::{ExpectedByClient, check_received};
use countersign_fetch::{Limits, Request, http_client};
use countersign_metadata::DocumentKind;
use countersign_permission_ticket::{TicketChallenge, challenge};
use countersign_types::secret::{AccessToken, TicketHandle};
use countersign_types::{EndpointUrl, Issuer, TokenType};
use http::header::AUTHORIZATION;
use http::{Response, StatusCode};
use oauth2::TokenResponse as _;
use serde::Deserialize;

use super::{bearer, oauth_client};
use crate::builder::Client;
use crate::discover::Target;
use crate::error::{ClientError, Said};
use crate::exchange::ExchangeToken as _;
use crate::observe::Event;
use crate::subject::Subject;
use crate::token_endpoint::IssuedTokenType;

/// What the claims endpoint answers.
#[derive(Deserialize)]
struct Answer {
    claims_token: String,
}

impl Client {
    /// Who signs the claims tokens.
    pub(super) fn claims_issuer(&self) -> &Issuer {
        self.0.claims_provider.as_ref().unwrap_or(&self.0.provider.issuer)
    }

    /// A claims token for one ticket.
    pub(super) async fn claims_token(
        &self,
        target: &Target,
        ticket: &TicketHandle,
        subject: &Subject,
    ) -> Result<AccessToken, ClientError> {
        let ticket_challenge = TicketChallenge::of(ticket);
        self.observe(&Event::ChallengeMade { ticket_challenge: &ticket_challenge });
        let claims_token = if self.0.claims_provider.is_some() {
            self.shown(target, &ticket_challenge, subject).await?
        } else {
            self.exchanged(target, &ticket_challenge, subject).await?
        };
        self.observe(&Event::ClaimsTokenReceived { claims_token: &claims_token });
        self.believe(&claims_token, target, &ticket_challenge, subject)?;
        Ok(claims_token)
    }

    /// Has the security token service make a claims token. [RFC 8693 §2]
    ///
    /// [RFC 8693 §2]: https://www.rfc-editor.org/rfc/rfc8693#section-2
    async fn exchanged(
        &self,
        target: &Target,
        ticket_challenge: &TicketChallenge,
        subject: &Subject,
    ) -> Result<AccessToken, ClientError> {
        let provider = &self.0.provider;
        let endpoint = self.provider_token_endpoint().await?;
        let client = oauth_client(&provider.client_id, &endpoint);
        let mut request = client
            .exchange_token(&subject.access_token, &TokenType::ACCESS_TOKEN)
            .set_requested_token_type(&TokenType::JWT)
            .add_audience(target.issuer.as_str())
            .add_resource(&target.resource)
            .set_extra_param(challenge::NAME, ticket_challenge.to_string())
            .authenticated_by(self.present(provider)?);
        if let Some(address) = &self.0.named {
            request = request.set_extra_param("email_address", address.as_str());
        }
        self.observe(&Event::ExchangeRequested { endpoint: &endpoint, params: &request.params() });
        let response = request
            .request_async(&http_client(Arc::clone(&self.0.fetch), Limits::token_endpoint()))
            .await
            .map_err(|source| ClientError::Exchange {
                issuer: provider.issuer.clone(),
                source: Box::new(source),
            })?;
        let is_jwt = response.extra_fields().issued_token_type == TokenType::JWT.as_str();
        if !is_jwt || *response.token_type() != IssuedTokenType::NotApplicable {
            return Err(ClientError::IssuedType(provider.issuer.clone()));
        }
        Ok(AccessToken::new(response.access_token().secret()))
    }

    /// Checks the claims token before it goes anywhere: a dishonest service could hand out that of
    /// another person, or one for another server.
    fn believe(
        &self,
        claims_token: &AccessToken,
        target: &Target,
        ticket_challenge: &TicketChallenge,
        subject: &Subject,
    ) -> Result<(), ClientError> {
        let expected = self.expected(target, ticket_challenge, subject);
        check_received(claims_token.expose(), &expected).map_err(|source| {
            ClientError::ClaimsToken { issuer: self.claims_issuer().clone(), source }
        })?;
        self.checked(
            "the claims token is the one asked for",
            "PROFILE §5.5",
            target.issuer.as_str(),
        );
        Ok(())
    }

    /// Has a claims provider make a claims token for the ticket behind a challenge.
    async fn shown(
        &self,
        target: &Target,
        ticket_challenge: &TicketChallenge,
        subject: &Subject,
    ) -> Result<AccessToken, ClientError> {
        let endpoint = self.claims_endpoint().await?;
        let ticket_challenge = ticket_challenge.to_string();
        let mut params = vec![
            ("audience", target.issuer.as_str()),
            ("resource", target.resource.as_str()),
            (challenge::NAME, ticket_challenge.as_str()),
        ];
        params.extend(self.0.named.as_ref().map(|address| ("email_address", address.as_str())));
        let access_token = &subject.access_token;
        self.observe(&Event::ClaimsRequested {
            endpoint: &endpoint,
            access_token,
            params: &params,
        });
        let request = Request::post_form(endpoint, &params, Limits::token_endpoint())
            .with_header(AUTHORIZATION, bearer(access_token)?);
        let issuer = self.claims_issuer();
        let response = self.0.fetch.fetch(request).await;
        let response =
            response.map_err(|source| ClientError::Fetch { party: issuer.to_string(), source })?;
        read(issuer, &response)
    }

    /// Where claims tokens are issued: by the OpenID configuration of the provider itself, or by
    /// the document of a claims provider of its own.
    async fn claims_endpoint(&self) -> Result<EndpointUrl, ClientError> {
        let issuer = self.claims_issuer();
        let is_own = *issuer != self.0.provider.issuer;
        let kind = if is_own { DocumentKind::ClaimsProvider } else { DocumentKind::OpenId };
        let metadata = self.0.metadata.get(kind, issuer).await;
        let metadata =
            metadata.map_err(|source| ClientError::Metadata { issuer: issuer.clone(), source })?;
        let endpoint = metadata.claims_endpoint.clone();
        endpoint.ok_or_else(|| ClientError::NoClaimsEndpoint(issuer.clone()))
    }

    /// Where the provider exchanges tokens, by its OpenID configuration.
    async fn provider_token_endpoint(&self) -> Result<EndpointUrl, ClientError> {
        let issuer = &self.0.provider.issuer;
        let metadata = self
            .0
            .metadata
            .get(DocumentKind::OpenId, issuer)
            .await
            .map_err(|source| ClientError::Metadata { issuer: issuer.clone(), source })?;
        metadata.token_endpoint.clone().ok_or_else(|| ClientError::NoTokenEndpoint(issuer.clone()))
    }

    /// What the claims token has to say.
    fn expected<'a>(
        &'a self,
        target: &'a Target,
        ticket_challenge: &'a TicketChallenge,
        subject: &'a Subject,
    ) -> ExpectedByClient<'a> {
        ExpectedByClient {
            issuer: self.claims_issuer(),
            audience: &target.issuer,
            resource: &target.resource,
            ticket_challenge,
            person: subject.person.expected(),
            client_id: &self.0.provider.client_id,
            now: self.now(),
        }
    }
}

fn read(issuer: &Issuer, response: &Response<Bytes>) -> Result<AccessToken, ClientError> {
    let issuer = || issuer.clone();
    let status = response.status();
    if status == StatusCode::OK {
        let answer = serde_json::from_slice::<Answer>(response.body());
        return match answer {
            Ok(answer) => Ok(AccessToken::new(answer.claims_token)),
            Err(_) => Err(ClientError::Claims { issuer: issuer(), status, source: None }),
        };
    }
    let said = serde_json::from_slice(response.body()).ok().map(|error| Box::new(Said(error)));
    Err(ClientError::Claims { issuer: issuer(), status, source: said })
}
