//! Identity propagation: a service with a URL of its own acts for a person at a relying party.
//!
//! [`IdentityPropagator::request`] sends a request to a relying party in another domain. It tells the
//! person's provider that it acts (actor token), gets an identity token for that one relying party,
//! checks that it got what it asked for, and sends the request with the token and a proof that it is
//! the client the token names.

mod error;
mod event;
mod kept;

use std::sync::Arc;

use bytes::Bytes;
use countersign_client_auth::Proof;
use countersign_fetch::{Fetch, Limits, Request, http_client};
use countersign_identity_propagation::client_proof::HEADER;
use countersign_identity_propagation::{
    ExpectedByClient, MadeOutTo, actor_token, check_received, client_proof,
};
use countersign_jwt::Sign;
use countersign_metadata::DocumentKind;
use countersign_resolver::{MetadataConfig, ResourceMetadataCache, ServerMetadataCache};
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{
    ClientId, Clock, EndpointUrl, Issuer, Lifetime, ResourceIdentifier, Timestamp, TokenType,
};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use oauth2::basic::BasicClient;
use oauth2::{TokenResponse as _, TokenUrl};

pub use self::error::PropagationError;
pub use self::event::{PropagationEvent, PropagationObserver};
use self::kept::{Kept, Tokens, Used};
use crate::discover;
use crate::error::ClientError;
use crate::exchange::ExchangeToken as _;
use crate::subject::{Person, Subject, SubjectToken};
use crate::token_endpoint::IssuedTokenType;

/// A token that ends sooner than this is not used any more.
const MARGIN: Lifetime = Lifetime::from_secs(10);

/// The parameter with a client assertion. [RFC 7521 §4.2](https://www.rfc-editor.org/rfc/rfc7521#section-4.2)
const ASSERTION: &str = "client_assertion";

/// Whom the actor tokens are made out to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActorForm {
    /// The security token service, with the relying party in `resource`.
    #[default]
    Issuer,
    /// The relying party, as the flow draws it.
    Target,
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
    relying_party: Option<ResourceIdentifier>,
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
            relying_party: None,
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

    /// The resource identifier of the relying party, which is then not looked for. It has to cover the
    /// URLs of the requests: an identity token goes to whom it is made out to.
    #[must_use]
    pub fn with_relying_party(mut self, identifier: ResourceIdentifier) -> Self {
        self.relying_party = Some(identifier);
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
    /// and that covers the URL, else the URL's origin. Where it answers that it is another, by the
    /// metadata that its challenge points to ([RFC 9728 §5.1]), the request is sent once more, to that
    /// one. Where it answers `401` to an identity token that was kept, that one is forgotten and the
    /// request sent once more, with a new one: a key or what the party knows of the person may have
    /// changed. Redirects are not followed.
    ///
    /// [RFC 9728 §5.1]: https://www.rfc-editor.org/rfc/rfc9728#section-5.1
    ///
    /// # Errors
    /// Any [`PropagationError`].
    pub async fn request(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<Response<Bytes>, PropagationError> {
        self.deliver(request, None).await
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
        self.deliver(request, Some(subject)).await
    }

    async fn deliver(
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
        let mut target = self.relying_party(&url).await?;
        let (mut response, mut used) = self.send(subject, &target, &url, &head, &body).await?;
        let named = match self.relying_party {
            None => discover::challenged(&self.resources, &url, &response).await,
            Some(_) => None,
        };
        if let Some(other) = named.filter(|other| *other != target) {
            self.checked("resource of the challenge covers the URL", "RFC 9728 §3.3", &other);
            (response, used) = self.send(subject, &other, &url, &head, &body).await?;
            target = other;
        }
        if self.forgets(&used, &response) && used.was_kept {
            (response, used) = self.send(subject, &target, &url, &head, &body).await?;
            self.forgets(&used, &response);
        }
        self.observe(&PropagationEvent::Answered { status: response.status() });
        Ok(response)
    }

    async fn relying_party(
        &self,
        url: &EndpointUrl,
    ) -> Result<ResourceIdentifier, PropagationError> {
        let target = match &self.relying_party {
            Some(named) if named.covers(url) => named.clone(),
            Some(_) => {
                return Err(PropagationError::Request("the relying party is another than its URL"));
            }
            None => discover::relying_party(&self.resources, url)
                .await
                .map_err(|error| PropagationError::Discovery(Box::new(error)))?,
        };
        self.checked("resource covers the URL", "RFC 9728 §3.3", &target);
        Ok(target)
    }

    /// A token that was refused is not shown again. Whether it was.
    fn forgets(&self, used: &Used, response: &Response<Bytes>) -> bool {
        let is_refused = response.status() == StatusCode::UNAUTHORIZED;
        if is_refused {
            self.kept.forget(&used.key, &used.token);
        }
        is_refused
    }

    /// Steps 1 to 8.
    async fn send(
        &self,
        subject: Option<&Subject>,
        target: &ResourceIdentifier,
        url: &EndpointUrl,
        head: &Parts,
        body: &Bytes,
    ) -> Result<(Response<Bytes>, Used), PropagationError> {
        let used = match subject {
            Some(subject) => self.identity_token_for(subject, target).await?,
            None => self.identity_token_for(&self.session().await?, target).await?,
        };
        let identity_token = &used.token;
        let ActingClient { client_id, key } = &self.client;
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let client_proof =
            &client_proof(key.as_ref(), client_id, target, identity_token, now, random)?;
        self.observe(&PropagationEvent::ClientProof { client_proof });
        let method = &head.method;
        self.observe(&PropagationEvent::Requested { method, url, identity_token, client_proof });
        let mut outbound =
            Request::new(method.clone(), url.clone(), Limits::resource()).with_body(body.clone());
        outbound.headers = head.headers.clone();
        let bearer = format!("Bearer {}", identity_token.expose());
        let outbound = outbound
            .with_header(AUTHORIZATION, sensitive(&bearer)?)
            .with_header(HeaderName::from_static(HEADER), sensitive(client_proof.expose())?);
        let response = self.fetch.fetch(outbound).await.map_err(PropagationError::Fetch)?;
        Ok((response, used))
    }

    /// An identity token for a relying party, kept until shortly before it ends.
    ///
    /// # Errors
    /// Any [`PropagationError`] but `Request` and `Fetch`.
    pub async fn identity_token(
        &self,
        target: &ResourceIdentifier,
    ) -> Result<AccessToken, PropagationError> {
        let used = self.identity_token_for(&self.session().await?, target).await?;
        Ok(used.token)
    }

    async fn session(&self) -> Result<Subject, PropagationError> {
        self.subject.subject_token().await.map_err(PropagationError::SubjectToken)
    }

    async fn identity_token_for(
        &self,
        subject: &Subject,
        target: &ResourceIdentifier,
    ) -> Result<Used, PropagationError> {
        let person = match &subject.person {
            Person::Email(email) | Person::SubjectAndEmail(_, email) => email,
            Person::Subject(_) => return Err(PropagationError::NoEmail),
        };
        let now = self.clock.now();
        let key = (target.clone(), subject.access_token.digest());
        if let Some(token) = self.kept.get(&key, person, now) {
            return Ok(Used { token, key, was_kept: true });
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
        self.checked("iss is the issuer that was asked", "RFC 8725 §3.8", &self.provider);
        self.checked("aud is the relying party alone", "RFC 8725 §3.9", target);
        self.checked("sub is the person of the session", "RFC 8725 §3.8", person);
        let client_id = &self.client.client_id;
        self.checked("act.sub and client_id are this client", "RFC 8693 §4.1, §4.3", client_id);
        let until = now.after(lifetime).before(MARGIN);
        let kept = Kept { token: token.clone(), person: person.clone(), until };
        self.kept.keep(key.clone(), kept, now);
        Ok(Used { token, key, was_kept: false })
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
        for (_, value) in authentication.params.iter().filter(|(name, _)| *name == ASSERTION) {
            self.observe(&PropagationEvent::ClientAssertion { client_assertion: value });
        }
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
        let identity_token = AccessToken::new(response.access_token().secret());
        self.observe(&PropagationEvent::IdentityToken { identity_token: &identity_token });
        Ok((identity_token, lifetime))
    }

    fn checked(&self, what: &'static str, section: &'static str, value: &impl ToString) {
        let value = &value.to_string();
        self.observe(&PropagationEvent::Checked { what, section, value });
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
