//! Identity propagation: a service with a URL of its own acts for a person at a relying party.
//!
//! [`IdentityPropagator::request`] sends a request to a relying party in another domain. It tells the
//! person's provider that it acts (actor token), gets an identity token for that one relying party,
//! checks that it got what it asked for, and sends the request with the token and a proof that it is
//! the client the token names.

mod kept;

use std::sync::Arc;

use bytes::Bytes;
use countersign_client_auth::Proof;
use countersign_fetch::{Fetch, FetchError, Limits, Request, http_client};
use countersign_identity_propagation::client_proof::HEADER;
use countersign_identity_propagation::{
    ExpectedByClient, IdentityTokenError, MadeOutTo, actor_token, check_received, client_proof,
};
use countersign_jwt::{Sign, SignError};
use countersign_metadata::DocumentKind;
use countersign_resolver::{MetadataConfig, ResourceMetadataCache, ServerMetadataCache};
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{
    ClientId, Clock, EndpointUrl, Issuer, Lifetime, ResourceIdentifier, Timestamp, TokenType,
};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use oauth2::basic::BasicClient;
use oauth2::{TokenResponse as _, TokenUrl};

use self::kept::{Kept, Tokens};
use crate::discover;
use crate::error::ClientError;
use crate::exchange::ExchangeToken as _;
use crate::subject::{Person, Subject, SubjectToken};
use crate::token_endpoint::{IssuedTokenType, TokenError};

/// A token that ends sooner than this is not used any more.
const MARGIN: Lifetime = Lifetime::from_secs(10);

/// Whom the actor tokens are made out to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActorForm {
    /// The security token service, with the relying party in `resource`.
    #[default]
    Issuer,
    /// The relying party, as the flow draws it.
    Target,
}

/// What happens on the way, for whoever wants to show it. The numbers are the arrows of flow 004.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PropagationEvent<'a> {
    /// Arrow 1: an actor token was made.
    ActorToken {
        /// The token.
        actor_token: &'a AccessToken,
    },
    /// Arrows 2 and 3: the exchange request leaves, with a client assertion beside its parameters.
    ExchangeRequested {
        /// Where it goes.
        endpoint: &'a EndpointUrl,
        /// Its parameters, without the client's authentication.
        params: &'a [(&'a str, &'a str)],
    },
    /// Arrow 6: the identity token came, and is what was asked for.
    IdentityToken {
        /// The token.
        identity_token: &'a AccessToken,
    },
    /// Arrows 7 and 8: the request leaves with the token and a client proof.
    Requested {
        /// Where it goes.
        url: &'a EndpointUrl,
        /// The proof.
        client_proof: &'a AccessToken,
    },
    /// Arrow 10: the response that goes to the caller.
    Answered {
        /// Its status.
        status: StatusCode,
    },
}

/// Is told what an [`IdentityPropagator`] does. Events carry tokens in clear.
pub trait PropagationObserver: Send + Sync {
    /// One step was taken.
    fn on(&self, event: &PropagationEvent<'_>);
}

impl<F: Fn(&PropagationEvent<'_>) + Send + Sync> PropagationObserver for F {
    fn on(&self, event: &PropagationEvent<'_>) {
        self(event);
    }
}

/// Why there is no response of the relying party.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PropagationError {
    /// The request cannot be sent: its URL is not an absolute `https` one, or it brings headers that
    /// are the client's to set.
    #[error("the request cannot be sent: {0}")]
    Request(&'static str),
    /// Whom the request is for, or where the provider is, cannot be told.
    #[error("a party is not known")]
    Discovery(#[source] Box<ClientError>),
    /// The application has no access token of the person.
    #[error("there is no access token to exchange")]
    SubjectToken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The session does not know the person's e-mail address, so that nobody could tell whether an
    /// identity token is about this person.
    #[error("the person's e-mail address is not known")]
    NoEmail,
    /// The security token service issued nothing.
    #[error("{issuer} did not issue an identity token")]
    Exchange {
        /// The service.
        issuer: Issuer,
        /// What it said.
        #[source]
        source: Box<TokenError<FetchError>>,
    },
    /// The security token service issued something else than a JWT that is no access token.
    #[error("{0} issued a token of another type than the one asked for")]
    IssuedType(Issuer),
    /// The identity token says something else than was asked for. It is shown to nobody.
    #[error("the identity token of {issuer} is not what was asked for")]
    IdentityToken {
        /// The service.
        issuer: Issuer,
        /// What is wrong with it.
        #[source]
        source: IdentityTokenError,
    },
    /// The client's key did not sign.
    #[error("the client could not prove itself")]
    Sign(#[from] SignError),
    /// No response came.
    #[error("the relying party did not answer")]
    Fetch(#[source] FetchError),
}

/// Who acts: a client that is known by its URL, and the key it publishes there.
#[derive(Clone)]
pub struct ActingClient {
    /// The client identifier.
    pub client_id: ClientId,
    /// The key.
    pub key: Arc<dyn Sign>,
}

/// Sends requests to relying parties in the name of a person, as a client that acts for them.
pub struct IdentityPropagator {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    client: ActingClient,
    provider: Issuer,
    subject: Arc<dyn SubjectToken>,
    form: ActorForm,
    observer: Option<Arc<dyn PropagationObserver>>,
    metadata: ServerMetadataCache,
    resources: ResourceMetadataCache,
    kept: Tokens,
}

impl IdentityPropagator {
    /// A client that acts for `subject`, with identity tokens of `provider`.
    #[must_use]
    pub fn new(
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        client: ActingClient,
        provider: Issuer,
        subject: Arc<dyn SubjectToken>,
    ) -> Self {
        let config = MetadataConfig::default();
        let (with, at) = (|| Arc::clone(&fetch), || Arc::clone(&clock));
        Self {
            metadata: ServerMetadataCache::new(with(), at(), &config),
            resources: ResourceMetadataCache::new(with(), at(), &config),
            fetch,
            clock,
            random,
            client,
            provider,
            subject,
            form: ActorForm::default(),
            observer: None,
            kept: Tokens::default(),
        }
    }

    /// Whom actor tokens are made out to; by default the security token service.
    #[must_use]
    pub const fn with_actor_form(mut self, form: ActorForm) -> Self {
        self.form = form;
        self
    }

    /// Who is told what happens; by default nobody.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn PropagationObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sends a request, with an identity token for its relying party and a fresh client proof.
    ///
    /// The relying party is the one of the URL: the resource identifier that its own metadata gives
    /// and that covers the URL, else the URL's origin. Redirects are not followed.
    ///
    /// # Errors
    /// Any [`PropagationError`].
    pub async fn request(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<Response<Bytes>, PropagationError> {
        self.send(request, None).await
    }

    /// The same for the person of this very request instead of the session's: a service that others
    /// call acts for whoever they call for, many at a time. The subject's access token is one that
    /// the provider issued for this client, and nobody else's identity token is used for it.
    ///
    /// # Errors
    /// Any [`PropagationError`] but `SubjectToken`.
    pub async fn request_for(
        &self,
        subject: &Subject,
        request: http::Request<Bytes>,
    ) -> Result<Response<Bytes>, PropagationError> {
        self.send(request, Some(subject)).await
    }

    async fn send(
        &self,
        request: http::Request<Bytes>,
        subject: Option<&Subject>,
    ) -> Result<Response<Bytes>, PropagationError> {
        let (head, body) = request.into_parts();
        let url = EndpointUrl::parse(&head.uri.to_string())
            .map_err(|_| PropagationError::Request("its URL is not an absolute https URL"))?;
        let proof_header = HeaderName::from_static(HEADER);
        if head.headers.contains_key(AUTHORIZATION) || head.headers.contains_key(&proof_header) {
            return Err(PropagationError::Request("it has credentials of its own"));
        }
        let target = discover::relying_party(&self.resources, &url)
            .await
            .map_err(|error| PropagationError::Discovery(Box::new(error)))?;
        let identity_token = match subject {
            Some(subject) => self.identity_token_for(subject, &target).await?,
            None => self.identity_token(&target).await?,
        };

        let ActingClient { client_id, key } = &self.client;
        let now = self.clock.now();
        let proof = client_proof(
            key.as_ref(),
            client_id,
            &target,
            &identity_token,
            now,
            self.random.as_ref(),
        )?;
        self.observe(&PropagationEvent::Requested { url: &url, client_proof: &proof });
        let mut outbound = Request::new(head.method, url, Limits::resource()).with_body(body);
        outbound.headers.extend(head.headers);
        let bearer = format!("Bearer {}", identity_token.expose());
        let outbound = outbound
            .with_header(AUTHORIZATION, sensitive(&bearer)?)
            .with_header(proof_header, sensitive(proof.expose())?);
        let response = self.fetch.fetch(outbound).await.map_err(PropagationError::Fetch)?;
        self.observe(&PropagationEvent::Answered { status: response.status() });
        Ok(response)
    }

    /// An identity token for a relying party, kept until shortly before it ends.
    ///
    /// # Errors
    /// Any [`PropagationError`] but `Request` and `Fetch`.
    pub async fn identity_token(
        &self,
        target: &ResourceIdentifier,
    ) -> Result<AccessToken, PropagationError> {
        let subject = self.subject.subject_token().await.map_err(PropagationError::SubjectToken)?;
        self.identity_token_for(&subject, target).await
    }

    async fn identity_token_for(
        &self,
        subject: &Subject,
        target: &ResourceIdentifier,
    ) -> Result<AccessToken, PropagationError> {
        let person = match &subject.person {
            Person::Email(email) | Person::SubjectAndEmail(_, email) => email,
            Person::Subject(_) => return Err(PropagationError::NoEmail),
        };
        let now = self.clock.now();
        let key = (target.clone(), subject.access_token.digest());
        if let Some(kept) = self.kept.get(&key, person, now) {
            return Ok(kept);
        }
        let (token, lifetime) = self.exchange(&subject.access_token, target, now).await?;
        let expected = ExpectedByClient {
            issuer: &self.provider,
            audience: target,
            person,
            client_id: &self.client.client_id,
            confirmation: None,
            now: self.clock.now(),
        };
        check_received(&token, &expected).map_err(|source| PropagationError::IdentityToken {
            issuer: self.provider.clone(),
            source,
        })?;
        self.observe(&PropagationEvent::IdentityToken { identity_token: &token });
        let until = now.after(lifetime).before(MARGIN);
        self.kept.keep(key, Kept { token: token.clone(), person: person.clone(), until }, now);
        Ok(token)
    }

    async fn exchange(
        &self,
        subject_token: &AccessToken,
        target: &ResourceIdentifier,
        now: Timestamp,
    ) -> Result<(AccessToken, Lifetime), PropagationError> {
        let discovery = |error| PropagationError::Discovery(Box::new(error));
        let metadata = self.metadata.get(DocumentKind::OpenId, &self.provider).await;
        let metadata = metadata.map_err(|source| {
            discovery(ClientError::Metadata { issuer: self.provider.clone(), source })
        })?;
        let endpoint = metadata
            .token_endpoint
            .as_ref()
            .ok_or_else(|| discovery(ClientError::NoTokenEndpoint(self.provider.clone())))?;

        let ActingClient { client_id, key } = &self.client;
        let random = self.random.as_ref();
        let made_out_to = match self.form {
            ActorForm::Issuer => MadeOutTo::Issuer(&self.provider),
            ActorForm::Target => MadeOutTo::Target(target),
        };
        let actor = actor_token(key.as_ref(), client_id, made_out_to, now, random)?;
        self.observe(&PropagationEvent::ActorToken { actor_token: &actor });
        // The audience is the issuer this client trusts, never a URL out of its metadata.
        let authentication = Proof::PrivateKeyJwt(Arc::clone(key)).present(
            client_id,
            &self.provider,
            now,
            random,
        )?;
        let oauth = BasicClient::new(oauth2::ClientId::new(client_id.to_string()))
            .set_token_uri(TokenUrl::from_url(endpoint.as_url().clone()));
        let mut request = oauth
            .exchange_token(subject_token, &TokenType::ACCESS_TOKEN)
            .set_requested_token_type(&TokenType::JWT)
            .set_actor_token(&actor, &TokenType::JWT)
            .authenticated_by(authentication);
        if self.form == ActorForm::Issuer {
            request = request.add_resource(target);
        }
        let params = request.params();
        self.observe(&PropagationEvent::ExchangeRequested { endpoint, params: &params });
        let http = http_client(Arc::clone(&self.fetch), Limits::token_endpoint());
        let response = request.request_async(&http).await.map_err(|source| {
            PropagationError::Exchange { issuer: self.provider.clone(), source: Box::new(source) }
        })?;
        let is_jwt = response.extra_fields().issued_token_type == TokenType::JWT.as_str();
        if !is_jwt || *response.token_type() != IssuedTokenType::NotApplicable {
            return Err(PropagationError::IssuedType(self.provider.clone()));
        }
        let seconds = response.expires_in().map_or(0, |lifetime| lifetime.as_secs());
        let lifetime = Lifetime::from_secs(u32::try_from(seconds).unwrap_or(u32::MAX));
        Ok((AccessToken::new(response.access_token().secret()), lifetime))
    }

    fn observe(&self, event: &PropagationEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer.on(event);
        }
    }
}

impl std::fmt::Debug for IdentityPropagator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityPropagator")
            .field("client_id", &self.client.client_id)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, PropagationError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| PropagationError::Request("a token does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
