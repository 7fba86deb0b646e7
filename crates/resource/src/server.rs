//! A resource server's conversation with its authorization server: the protection API.
//! [UMA 2.0 Federated Authorization §1.3, §3-5]
//!
//! [UMA 2.0 Federated Authorization §1.3, §3-5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#protection-api

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_fetch::Fetch;
use countersign_metadata::ProtectedResourceMetadata;
use countersign_resolver::ServerMetadataCache;
use countersign_types::auth_param::quoted;
use countersign_types::random::Random;
use countersign_types::secret::{AccessToken, TicketHandle};
use countersign_types::{
    ClientId, Clock, EndpointUrl, Issuer, ResourceIdentifier, ScopeSet, Timestamp,
};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::attempt::Shared;
use crate::challenge::UmaChallenge;
use crate::decide::{Caller, Expected, RequiredPermission, decide};
use crate::error::ConversationError;
use crate::introspect::Introspection;
use crate::protection::{Body, Call, INTROSPECTION, PERMISSION, Pat, REGISTRATION, read};
use crate::registration::{RegistrationStore, ResourceDescription};

/// The scope of a protection API access token. [UMA 2.0 Federated Authorization §1.3]
///
/// [UMA 2.0 Federated Authorization §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#protection-api
pub const UMA_PROTECTION: &str = "uma_protection";

/// Who a resource server is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its resource identifier, which tokens for it carry as `aud`. [RFC 9728 §1.2]
    ///
    /// [RFC 9728 §1.2]: https://www.rfc-editor.org/rfc/rfc9728#section-1.2
    pub identifier: ResourceIdentifier,
    /// The realm of its challenges, and its name in its metadata: printable ASCII.
    pub realm: String,
    /// The authorization server that protects its resources.
    pub authorization_server: Issuer,
    /// Its client id there.
    pub client_id: ClientId,
    /// How it proves who it is there.
    pub proof: Proof,
}

/// What a resource server works with.
#[derive(Clone)]
pub struct Seams {
    /// The way to the authorization server.
    pub fetch: Arc<dyn Fetch>,
    /// The authorization server's metadata.
    pub metadata: Arc<ServerMetadataCache>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for client assertions.
    pub random: Arc<dyn Random>,
    /// The memory of registrations.
    pub registrations: Arc<dyn RegistrationStore>,
}

/// What becomes of a caller.
#[derive(Debug)]
pub enum Authorization {
    /// The token suffices.
    Admitted(Caller),
    /// It does not, or there is none: a challenge with a new ticket.
    Challenged(UmaChallenge),
}

/// A resource server: gets its PAT, registers its resources, asks for permission tickets and
/// introspects.
///
/// Nothing has to be done in advance. What is missing is fetched when it is needed, by one request
/// for all that wait; a PAT is renewed before it expires, a resource that the authorization server
/// has lost is registered again.
///
/// What it asks the authorization server for once for all is asked to its end on the Tokio runtime,
/// whether its caller waits for it or not.
pub struct ResourceServer {
    conversation: Arc<Conversation>,
    resources: BTreeMap<String, Registered>,
}

/// The two servers: who this one is to the other, and by what it proves that.
pub(crate) struct Conversation {
    pub(crate) identity: Identity,
    pub(crate) seams: Seams,
    pub(crate) pat: Shared<Pat>,
}

/// A resource, with its identifier once that is known.
struct Registered {
    description: ResourceDescription,
    id: Shared<String>,
}

/// Shared, because everyone who waited for one attempt gets it.
pub(crate) type Failure = Arc<ConversationError>;

impl ResourceServer {
    /// A resource server with these resources. Of two with one name the later counts.
    #[must_use]
    pub fn new(
        identity: Identity,
        resources: impl IntoIterator<Item = ResourceDescription>,
        seams: Seams,
    ) -> Self {
        let registered = |description: ResourceDescription| {
            (description.name.clone(), Registered { description, id: Shared::new() })
        };
        Self {
            conversation: Arc::new(Conversation { identity, seams, pat: Shared::new() }),
            resources: resources.into_iter().map(registered).collect(),
        }
    }

    /// Who this server is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.conversation.identity
    }

    /// Whether a resource of this name was given to this server.
    #[must_use]
    pub fn has_resource(&self, name: &str) -> bool {
        self.resources.contains_key(name)
    }

    /// The document for `/.well-known/oauth-protected-resource`. [RFC 9728 §2]
    ///
    /// [RFC 9728 §2]: https://www.rfc-editor.org/rfc/rfc9728#section-2
    #[must_use]
    pub fn metadata(&self) -> ProtectedResourceMetadata {
        let all = self.resources.values().map(|resource| &resource.description.resource_scopes);
        let scopes = all.fold(ScopeSet::empty(), |all, scopes| all.union(scopes));
        let mut metadata = ProtectedResourceMetadata::new(self.identity().identifier.clone());
        metadata.authorization_servers = vec![self.identity().authorization_server.clone()];
        metadata.scopes_supported = scopes.iter().cloned().collect();
        metadata.bearer_methods_supported = vec!["header".to_owned()];
        metadata.resource_name = Some(self.identity().realm.clone());
        metadata
    }

    /// Registers every resource that is not registered yet, and brings the descriptions of the
    /// others up to date. [UMA 2.0 Federated Authorization §3.2]
    ///
    /// # Errors
    /// The first [`ConversationError`]. What was registered before it stays registered.
    ///
    /// [UMA 2.0 Federated Authorization §3.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#reg-api
    pub async fn register(&self) -> Result<(), Arc<ConversationError>> {
        for name in self.resources.keys() {
            self.resource_id(name, None).await?;
        }
        Ok(())
    }

    /// Deregisters what is kept of an earlier configuration and was not given to this server, so
    /// that no permission is left for a resource that is no more. [UMA 2.0 Federated Authorization
    /// §3.2.4]
    ///
    /// For a server that has its [`RegistrationStore`] to itself.
    ///
    /// # Errors
    /// The first [`ConversationError`]. What could not be deregistered is kept for the next time.
    ///
    /// [UMA 2.0 Federated Authorization §3.2.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#delete-resource-set
    pub async fn deregister_others(&self) -> Result<(), Arc<ConversationError>> {
        let issuer = &self.identity().authorization_server;
        let registrations = &self.conversation.seams.registrations;
        let kept = registrations.list(issuer).await.map_err(ConversationError::Registrations)?;
        for (name, id) in kept.iter().filter(|(name, _)| !self.has_resource(name)) {
            self.conversation.delete(id).await?;
            let forgotten = registrations.forget(issuer, name).await;
            forgotten.map_err(ConversationError::Registrations)?;
            tracing::info!(resource = name, "deregistered: it is configured no more");
        }
        Ok(())
    }

    /// Decides about a caller: introspects the token, and where it does not suffice asks for a
    /// permission ticket. `token` is untrusted, `resource` and `scopes` are this server's own.
    ///
    /// # Errors
    /// [`ConversationError`] if the authorization server cannot be asked: the caller is then told
    /// [`unreachable`](crate::challenge::unreachable).
    pub async fn authorize(
        &self,
        token: Option<&AccessToken>,
        resource: &str,
        scopes: &ScopeSet,
    ) -> Result<Authorization, Arc<ConversationError>> {
        match self.admit(token, resource, scopes).await? {
            Some(caller) => Ok(Authorization::Admitted(caller)),
            None => self.challenge(resource, scopes).await.map(Authorization::Challenged),
        }
    }

    /// The caller, if the token suffices: the first half of [`authorize`](Self::authorize).
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize).
    pub async fn admit(
        &self,
        token: Option<&AccessToken>,
        resource: &str,
        scopes: &ScopeSet,
    ) -> Result<Option<Caller>, Arc<ConversationError>> {
        let required = self.required(resource, scopes).await?;
        let Some(token) = token else { return Ok(None) };
        let introspection = self.introspect(token).await?;
        let expected = Expected {
            issuer: &self.identity().authorization_server,
            audience: &self.identity().identifier,
        };
        match decide(&introspection, &required, expected, self.conversation.seams.clock.now()) {
            Ok(caller) => Ok(Some(caller)),
            Err(reason) => {
                tracing::info!(resource, %reason, "refused: the token does not suffice");
                Ok(None)
            }
        }
    }

    /// A challenge with a new permission ticket: the second half of
    /// [`authorize`](Self::authorize).
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize).
    pub async fn challenge(
        &self,
        resource: &str,
        scopes: &ScopeSet,
    ) -> Result<UmaChallenge, Arc<ConversationError>> {
        // Before there is a ticket: nobody could be told of it.
        quoted(&self.identity().realm).map_err(|_| ConversationError::Realm)?;
        let mut required = self.required(resource, scopes).await?;
        let mut ticket = self.permission_ticket(&required).await;
        if ticket.as_ref().is_err_and(|error| is_stale_registration(error)) {
            tracing::warn!(resource, "the authorization server knows the resource no more");
            required.resource_id = self.resource_id(resource, Some(&required.resource_id)).await?;
            ticket = self.permission_ticket(&required).await;
        }
        let issuer = self.identity().authorization_server.clone();
        Ok(UmaChallenge::new(&self.identity().realm, issuer, ticket?))
    }

    /// The time, as this server's clock tells it.
    pub(crate) fn now(&self) -> Timestamp {
        self.conversation.seams.clock.now()
    }

    async fn required(
        &self,
        resource: &str,
        scopes: &ScopeSet,
    ) -> Result<RequiredPermission, Arc<ConversationError>> {
        let resource_id = self.resource_id(resource, None).await?;
        Ok(RequiredPermission { resource_id, scopes: scopes.clone() })
    }

    /// Asks for a permission ticket. [UMA 2.0 Federated Authorization §4.1]
    ///
    /// # Errors
    /// [`ConversationError`].
    ///
    /// [UMA 2.0 Federated Authorization §4.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4.1
    pub async fn permission_ticket(
        &self,
        required: &RequiredPermission,
    ) -> Result<TicketHandle, Arc<ConversationError>> {
        #[derive(Deserialize)]
        struct PermissionResponse {
            ticket: String,
        }
        let body = json!({
            "resource_id": required.resource_id,
            "resource_scopes": required.scopes,
        });
        let url = self.conversation.endpoint(PERMISSION).await?;
        let call = Call { endpoint: PERMISSION, method: Method::POST, url, body: Body::Json(body) };
        let response = self.conversation.call(&call).await?;
        let response: PermissionResponse = read(PERMISSION, &response, StatusCode::CREATED)?;
        if response.ticket.is_empty() {
            return Err(ConversationError::Malformed(PERMISSION).into());
        }
        Ok(TicketHandle::new(response.ticket))
    }

    /// Asks what a token is worth, at every use: a revocation bites at once.
    /// [UMA 2.0 Federated Authorization §5.1]
    ///
    /// # Errors
    /// [`ConversationError`].
    ///
    /// [UMA 2.0 Federated Authorization §5.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#uma-bearer-token-profile
    pub async fn introspect(
        &self,
        token: &AccessToken,
    ) -> Result<Introspection, Arc<ConversationError>> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.expose())
            .finish();
        let url = self.conversation.endpoint(INTROSPECTION).await?;
        let call =
            Call { endpoint: INTROSPECTION, method: Method::POST, url, body: Body::Form(form) };
        let response = self.conversation.call(&call).await?;
        if response.status() != StatusCode::OK {
            return Err(ConversationError::refused(INTROSPECTION, &response).into());
        }
        Ok(Introspection::parse(response.body()).map_err(ConversationError::from)?)
    }

    /// The identifier of a resource; one that is `stale` does not count.
    async fn resource_id(&self, name: &str, stale: Option<&str>) -> Result<String, Failure> {
        let resource = self
            .resources
            .get(name)
            .ok_or_else(|| ConversationError::UnknownResource(name.to_owned()))?;
        let usable = |id: &String| stale != Some(id.as_str());
        let register = || {
            let conversation = Arc::clone(&self.conversation);
            let description = resource.description.clone();
            async move { conversation.register_one(&description).await }
        };
        resource.id.get(usable, register).await
    }
}

impl Conversation {
    /// Brings the description up to date where the resource is known, else registers it.
    async fn register_one(
        self: &Arc<Self>,
        description: &ResourceDescription,
    ) -> Result<String, Failure> {
        let issuer = &self.identity.authorization_server;
        let registrations = &self.seams.registrations;
        let kept = registrations.find(issuer, &description.name).await;
        if let Some(id) = kept.map_err(ConversationError::Registrations)?
            && self.replace(&id, description).await?
        {
            return Ok(id);
        }
        let id = self.create(description).await?;
        let kept = registrations.keep(issuer, &description.name, &id).await;
        kept.map_err(ConversationError::Registrations)?;
        tracing::info!(resource = description.name, "registered");
        Ok(id)
    }

    /// Replaces a description; `false` if the authorization server does not know the resource.
    /// [UMA 2.0 Federated Authorization §3.2.3]
    async fn replace(
        self: &Arc<Self>,
        id: &str,
        description: &ResourceDescription,
    ) -> Result<bool, Failure> {
        let url = self.registered(id).await?;
        let body = Body::Json(json!(description));
        let call = Call { endpoint: REGISTRATION, method: Method::PUT, url, body };
        let response = self.call(&call).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(ConversationError::refused(REGISTRATION, &response).into()),
        }
    }

    /// Deletes a registration, which may be gone already.
    async fn delete(self: &Arc<Self>, id: &str) -> Result<(), Failure> {
        let url = self.registered(id).await?;
        let body = Body::Empty;
        let call = Call { endpoint: REGISTRATION, method: Method::DELETE, url, body };
        let response = self.call(&call).await?;
        match response.status() {
            StatusCode::OK | StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(ConversationError::refused(REGISTRATION, &response).into()),
        }
    }

    /// The URL of a registration.
    async fn registered(&self, id: &str) -> Result<EndpointUrl, Failure> {
        let mut url = self.endpoint(REGISTRATION).await?.as_url().clone();
        check_id(id)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(id);
        }
        let url = EndpointUrl::parse(url.as_str());
        Ok(url.map_err(|_| ConversationError::Malformed(REGISTRATION))?)
    }

    /// Registers a resource. [UMA 2.0 Federated Authorization §3.2.1]
    async fn create(
        self: &Arc<Self>,
        description: &ResourceDescription,
    ) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Created {
            #[serde(rename = "_id")]
            id: String,
        }
        let url = self.endpoint(REGISTRATION).await?;
        let body = Body::Json(json!(description));
        let call = Call { endpoint: REGISTRATION, method: Method::POST, url, body };
        let response = self.call(&call).await?;
        let created: Created = read(REGISTRATION, &response, StatusCode::CREATED)?;
        // Before it is kept: what no URL can name could never be replaced again.
        check_id(&created.id)?;
        Ok(created.id)
    }
}

/// Whether an identifier that the authorization server gave is a path segment of its own.
fn check_id(id: &str) -> Result<(), ConversationError> {
    if matches!(id, "" | "." | "..") {
        return Err(ConversationError::Malformed(REGISTRATION));
    }
    Ok(())
}

/// Whether the authorization server and this server differ about what is registered.
fn is_stale_registration(error: &ConversationError) -> bool {
    matches!(error.code(), Some("invalid_resource_id" | "invalid_scope"))
}

#[cfg(test)]
mod tests;
