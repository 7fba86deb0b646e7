//! A claims provider of its own, in front of an AuthN server that knows nothing of it. (PROFILE
//! §5.8)
//!
//! It takes access tokens of that server, asks it who has the address, and signs claims tokens in
//! its own name: as the issuer `https://DOMAIN`, which speaks for the addresses of that domain by
//! its `/.well-known/claims-provider-configuration`.
//!
//! | route | what answers |
//! |---|---|
//! | `/.well-known/claims-provider-configuration`, `/.well-known/uma-wide-ecosystem-claims-provider` | metadata |
//! | `/jwks` | public keys |
//! | `/claims` | claims tokens |

mod access;
mod own_token;
mod user_query;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::{get, post};
use countersign_claims_token::VerifiedEmail;
use countersign_client_auth::Method;
use countersign_fetch::Fetch;
use countersign_jwt::SigningRing;
use countersign_metadata::{DocumentKind, ServerMetadata, publish, well_known};
use countersign_permission_ticket::METHOD as TICKET_CHALLENGE_METHOD;
use countersign_token_exchange::policy::CLAIMS_PROVIDER;
use countersign_token_exchange::subject::Subject;
use countersign_token_exchange::{
    Account, ClientPolicy, DelegationPolicy, DirectoryPerson, ExchangeError, ExchangeRequest,
    ServerPolicy, people,
};
use countersign_types::identifier::IdentifierError;
use countersign_types::random::Random;
use countersign_types::{ClientId, Clock, EndpointUrl, Issuer, Timestamp};
use http::HeaderMap;

use self::access::AuthnServer;
pub use self::own_token::OwnToken;
pub use self::user_query::UserQuery;
use super::directory::{Directory, DirectoryError};
use super::error::ClaimsError;
use super::issue::{Answered, Asking, Holder, Issuing, recorded};
use super::{asked, bearer};
use crate::app::{MAX_BODY, SetupError};
use crate::audit::{Audit, ExchangeRecord};
pub use crate::claims::scim::user::{SubjectAttribute, has_place};
use crate::foreign::IssuerSetup;
use crate::keys::{ClaimsKeys, Current};
use crate::{cors, elsewhere};

/// Everything that a claims provider takes from outside.
pub struct Parts {
    /// The issuer, who has it all: its own rules, beside which the lifetimes of other tokens mean
    /// nothing.
    pub policy: ServerPolicy,
    /// The server that people and clients have their access tokens from. Of how far it is trusted,
    /// its issuer and the form of its access tokens count.
    pub authn_server: IssuerSetup,
    /// What the access tokens have to be made out to, beside this provider.
    pub audiences: Vec<String>,
    /// The clients of that server, and what each may.
    pub clients: BTreeMap<ClientId, ProviderClient>,
    /// Who may act for whom, within what the registrations allow.
    pub delegation: Arc<dyn DelegationPolicy>,
    /// Whom the server has under which address.
    pub directory: Arc<dyn Directory>,
    /// The signing key, for ES256 and nothing else, and those before and after it.
    pub keys: SigningRing,
    /// The way out.
    pub fetch: Arc<dyn Fetch>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where decisions are recorded.
    pub audit: Arc<dyn Audit>,
}

/// A client of the AuthN server.
#[derive(Clone, Debug)]
pub struct ProviderClient {
    /// What it may.
    pub policy: ClientPolicy,
    /// Whether it proves itself at that server.
    pub is_confidential: bool,
}

/// A claims provider of its own.
pub struct ClaimsProvider {
    policy: ServerPolicy,
    authn_server: AuthnServer,
    clients: BTreeMap<ClientId, ProviderClient>,
    delegation: Arc<dyn DelegationPolicy>,
    directory: Arc<dyn Directory>,
    keys: Current<ClaimsKeys>,
    endpoints: Endpoints,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    audit: Arc<dyn Audit>,
}

struct Endpoints {
    configuration: EndpointUrl,
    wide_ecosystem: EndpointUrl,
    jwks: EndpointUrl,
    claims: EndpointUrl,
}

impl Endpoints {
    fn of(issuer: &Issuer) -> Result<Self, IdentifierError> {
        let base = issuer.as_str().trim_end_matches('/');
        let under = |path: &str| EndpointUrl::parse(&format!("{base}{path}"));
        Ok(Self {
            configuration: well_known(DocumentKind::ClaimsProvider, issuer)?,
            wide_ecosystem: well_known(DocumentKind::WideEcosystemClaimsProvider, issuer)?,
            jwks: under("/jwks")?,
            claims: under("/claims")?,
        })
    }
}

impl ClaimsProvider {
    /// Sets a claims provider up.
    ///
    /// # Errors
    /// [`SetupError::Key`], [`SetupError::IdleKey`], [`SetupError::Issuer`].
    pub fn new(parts: Parts) -> Result<Self, SetupError> {
        let (clock, random) = (Arc::clone(&parts.clock), Arc::clone(&parts.random));
        let authn_server =
            AuthnServer::new(parts.authn_server, parts.audiences, parts.fetch, clock, random);
        Ok(Self {
            endpoints: Endpoints::of(&parts.policy.issuer)?,
            keys: Current::new(parts.keys)?,
            policy: parts.policy,
            authn_server,
            clients: parts.clients,
            delegation: parts.delegation,
            directory: parts.directory,
            clock: parts.clock,
            random: parts.random,
            audit: parts.audit,
        })
    }

    /// Signs and publishes with these keys from now on, as
    /// [`Sts::replace_keys`](crate::Sts::replace_keys).
    ///
    /// # Errors
    /// [`SetupError::Key`], [`SetupError::IdleKey`]; the keys are as they were then.
    pub fn replace_keys(&self, keys: SigningRing) -> Result<(), SetupError> {
        self.keys.replace(keys)
    }

    fn keys(&self) -> Arc<ClaimsKeys> {
        self.keys.now()
    }

    /// The metadata: what is there, and nothing else.
    fn metadata(&self) -> ServerMetadata {
        let mut metadata = ServerMetadata::new(self.policy.issuer.clone());
        metadata.jwks_uri = Some(self.endpoints.jwks.clone());
        metadata.claims_endpoint = Some(self.endpoints.claims.clone());
        metadata.ticket_challenge_methods_supported = vec![TICKET_CHALLENGE_METHOD.to_owned()];
        metadata
    }
}

/// The routes of a claims provider, to be served at its issuer.
pub fn app(provider: Arc<ClaimsProvider>) -> Router {
    let path = |url: &EndpointUrl| url.as_url().path().to_owned();
    let endpoints = &provider.endpoints;
    let for_scripts = Router::new()
        .without_v07_checks()
        .route(&path(&endpoints.claims), post(claims).options(cors::preflight))
        .layer(from_fn(cors::allow));
    Router::new()
        .without_v07_checks()
        .route(&path(&endpoints.configuration), get(configuration))
        .route(&path(&endpoints.wide_ecosystem), get(configuration))
        .route(&path(&endpoints.jwks), get(jwks))
        .merge(for_scripts)
        .fallback(elsewhere::no_such_endpoint)
        .method_not_allowed_fallback(elsewhere::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(provider)
}

async fn configuration(State(provider): State<Arc<ClaimsProvider>>) -> Response {
    publish::response(&provider.metadata()).map(Body::from)
}

async fn jwks(State(provider): State<Arc<ClaimsProvider>>) -> Response {
    publish::response(&provider.keys().published().to_json()).map(Body::from)
}

async fn claims(
    State(provider): State<Arc<ClaimsProvider>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match provider.respond(query.as_deref(), &headers, body).await {
        Ok(response) => response.map(Body::from),
        Err(error) => error.answer(),
    }
}

impl ClaimsProvider {
    async fn respond(
        &self,
        query: Option<&str>,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Answered {
        let now = self.clock.now();
        let token = bearer::token(headers)?;
        // RFC 6750 §3.1: first whether the token is good, then what it allows, then what is asked.
        let subject = self.authn_server.subject(&self.policy.issuer, &token, now).await?;
        if !subject.scope().contains(CLAIMS_PROVIDER) {
            return Err(ExchangeError::Consent.into());
        }
        let id = ClientId::parse(subject.client_id()).map_err(|_| ExchangeError::NotAPerson)?;
        let mut record = ExchangeRecord::of(id.clone(), Method::None);
        record.subject = Some(subject.subject().to_owned());
        let answered = match asked((query, headers), body, token, &mut record) {
            Ok(request) => self.decided(&request, &subject, &id, &mut record, now).await,
            Err(error) => Err(error),
        };
        recorded(self.audit.as_ref(), record, answered)
    }

    async fn decided(
        &self,
        request: &ExchangeRequest,
        subject: &Subject,
        id: &ClientId,
        record: &mut ExchangeRecord,
        now: Timestamp,
    ) -> Answered {
        let client = self.clients.get(id).ok_or_else(|| ExchangeError::Client(id.clone()))?;
        let person = self.person(request, subject, &client.policy).await?;
        let keys = self.keys();
        let issuing = Issuing {
            policy: &self.policy,
            delegation: self.delegation.as_ref(),
            key: keys.es256(),
            random: self.random.as_ref(),
        };
        let (is_confidential, policy) = (client.is_confidential, &client.policy);
        let holder = Holder { id, is_confidential, policy };
        let account = person.as_ref().map_or(Account::Unknown, Account::Known);
        issuing.answer(&Asking { request, subject, holder, account, now }, record)
    }

    /// Whom the directory has: under the address of the token, or under the one that its client
    /// names. About addresses of other domains nobody would believe this provider, and nobody is
    /// asked.
    async fn person(
        &self,
        request: &ExchangeRequest,
        subject: &Subject,
        client: &ClientPolicy,
    ) -> Result<Option<DirectoryPerson>, ClaimsError> {
        let address = if subject.is_client() {
            people::named(request, subject, client)
        } else {
            let email = VerifiedEmail::from_claims(subject.claims()).ok();
            email.map(|email| email.address().clone())
        };
        let domain = self.policy.issuer.host();
        let address = address.filter(|address| address.domain() == domain);
        let Some(address) = address else { return Ok(None) };
        match self.directory.by_address(&address).await {
            // A client that names somebody would learn from a failure what the directory has of
            // them.
            Err(DirectoryError::Unclear(error)) if subject.is_client() => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what the directory says of somebody is taken for nobody");
                Ok(None)
            }
            found => Ok(found?),
        }
    }
}
