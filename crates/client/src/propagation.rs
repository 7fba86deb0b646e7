//! Identity propagation: a service with a URL of its own acts for a person at a relying party.
//!
//! [`IdentityPropagator::request`] sends a request to a relying party in another domain. It tells
//! the person's provider that it acts (actor token), gets an identity token for that one relying
//! party, checks that it got what it asked for, and sends the request with the token and a proof
//! that it is the client the token names; and with one of the key that the token is bound to, if it
//! is to be bound ([`IdentityPropagator::with_dpop`]).

mod dpop;
mod error;
mod event;
mod kept;
mod obtain;
mod present;

use std::sync::Arc;

use bytes::Bytes;
use countersign_fetch::Fetch;
use countersign_jwt::{Sign, SigningKey};
use countersign_resolver::{MetadataConfig, ResourceMetadataCache, ServerMetadataCache};
use countersign_types::random::Random;
use countersign_types::{ClientId, Clock, EndpointUrl, Issuer, ResourceIdentifier};
use http::{Response, StatusCode};

use self::dpop::{ProofKey, relying_party_asks};
pub use self::error::PropagationError;
pub use self::event::{PropagationEvent, PropagationObserver};
use self::kept::{Tokens, Used};
use self::present::{Asked, OWN};
use crate::discover;
use crate::subject::{Subject, SubjectToken};

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
    proof_key: Option<Arc<ProofKey>>,
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
            proof_key: None,
            relying_party: None,
            observer: None,
            kept: Tokens::default(),
        }
    }

    /// The audience of actor tokens; by default, the security token service.
    #[must_use]
    pub const fn with_actor_form(mut self, form: ActorForm) -> Self {
        self.form = form;
        self
    }

    /// Has identity tokens bound to a key, and proves that key: to the provider when it asks for a
    /// token, and to the relying party with every request, beside the client proof ([RFC 9449 §5,
    /// §7.1]). A token that is bound to another key, or to none, is shown to nobody, and none is
    /// ever shown as a bearer token. Whoever asks for a nonce gets the request once more, with it
    /// (§8, §9).
    ///
    /// The key is one of [`dpop::ALGORITHMS`] and serves no other purpose: where it is the client's
    /// own, whoever sees two proofs knows that one client made them.
    ///
    /// [`dpop::ALGORITHMS`]: countersign_client_auth::dpop::ALGORITHMS
    /// [RFC 9449 §5, §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-5
    #[must_use]
    pub fn with_dpop(mut self, key: Arc<SigningKey>) -> Self {
        self.proof_key = Some(Arc::new(ProofKey::new(key)));
        // What was kept is not bound to it.
        self.kept = Tokens::default();
        self
    }

    /// The resource identifier of the relying party, which is then not looked for. It has to cover
    /// the URLs of the requests: an identity token goes to whom it is made out to.
    #[must_use]
    pub fn with_relying_party(mut self, identifier: ResourceIdentifier) -> Self {
        self.relying_party = Some(identifier);
        self
    }

    /// Observes what the propagator does; by default, nothing does.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn PropagationObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sends a request, with an identity token for its relying party and fresh proofs.
    ///
    /// The relying party is the one of the URL: the resource identifier that its own metadata gives
    /// and that covers the URL, else the URL's origin. Where it answers that it is another, by the
    /// metadata that its challenge points to ([RFC 9728 §5.1]), the request is sent once more, to
    /// that one. Where it answers `401` to an identity token that was kept, that one is forgotten
    /// and the request sent once more, with a new one: a key or what the party knows of the person
    /// may have changed. Redirects are not followed.
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
        if OWN.iter().any(|name| head.headers.contains_key(name)) {
            return Err(PropagationError::Request("it has credentials of its own"));
        }
        let mut target = self.relying_party(&url).await?;
        let asked = Asked { url: &url, head: &head, body: &body };
        let (mut response, mut used) = self.send(subject, &target, &asked).await?;
        let named = match self.relying_party {
            None => discover::challenged(&self.resources, &url, &response).await,
            Some(_) => None,
        };
        if let Some(other) = named.filter(|other| *other != target) {
            self.checked("resource of the challenge covers the URL", "RFC 9728 §3.3", &other);
            (response, used) = self.send(subject, &other, &asked).await?;
            target = other;
        }
        if self.forgets(&used, &response) && used.was_kept {
            (response, used) = self.send(subject, &target, &asked).await?;
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

    /// A token that was refused is not shown again. Whether it was: who asks for a nonce says
    /// nothing about the token.
    fn forgets(&self, used: &Used, response: &Response<Bytes>) -> bool {
        let is_refused =
            response.status() == StatusCode::UNAUTHORIZED && !relying_party_asks(response);
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
        asked: &Asked<'_>,
    ) -> Result<(Response<Bytes>, Used), PropagationError> {
        let used = match subject {
            Some(subject) => self.identity_token_for(subject, target).await?,
            None => self.identity_token_for(&self.session().await?, target).await?,
        };
        let response = self.present(asked, target, &used.token).await?;
        Ok((response, used))
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

#[cfg(test)]
mod tests;
