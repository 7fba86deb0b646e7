//! A claims token by an access token, from a claims provider. (PROFILE §5.6)

use bytes::Bytes;
use countersign_claims_token::ExpectedByClient;
use countersign_fetch::{Limits, Request};
use countersign_metadata::DocumentKind;
use countersign_permission_ticket::{TicketChallenge, challenge};
use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, Issuer};
use http::header::AUTHORIZATION;
use http::{Response, StatusCode};
use serde::Deserialize;

use super::bearer;
use crate::builder::Client;
use crate::discover::Target;
use crate::error::{ClientError, Said};
use crate::observe::Event;
use crate::subject::Subject;

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

    /// Has a claims provider make a claims token for the ticket behind a challenge.
    pub(super) async fn shown(
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

    /// Where claims tokens are issued: by the OpenID configuration of the provider itself, or by the
    /// document of a claims provider of its own.
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

    /// What the claims token has to say.
    pub(super) fn expected<'a>(
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
