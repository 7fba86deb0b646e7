//! The authorization server: its seams in one struct, and the router.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use countersign_fetch::Fetch;
use countersign_metadata::server::{DocumentKind, well_known};
use countersign_oidc::CodeGrant;
use countersign_store::resources::Registrant;
use countersign_store::{
    AccessTokens, Cases, Codes, Engine, RefreshTokens, Replay, Resources, RevokedPeople, Shares,
    StoreError, Tickets,
};
use countersign_types::identifier::IdentifierError;
use countersign_types::random::Random;
use countersign_types::{ClientId, Clock, EndpointUrl, Issuer, Lifetime, Timestamp};
use countersign_uma::assessment::Settings;
use countersign_uma::permission::{Permission, Registered};
use countersign_uma::protection::{PAT_LIFETIME, ResourceServer};
use countersign_uma::resource::ResourceDescription;
use countersign_uma::{Case, Policy, Process, Protection};

use crate::audit::Audit;
use crate::clients::Clients;
use crate::console::{self, Console, ConsoleSetup};
use crate::discovery::Discovery;
use crate::holds::Holds;
use crate::limits::{Limits, Quota, ResourceCounts, SharedQuota};
use crate::owner::CaseRoom;
use crate::pat::{Refreshable, StoredToken};
use crate::revocations::Revocations;
use crate::routes;
use crate::shares::OwnerShares;
use crate::turned_away::TurnedAway;
use crate::webhooks::{WebhookError, WebhookSetup, Webhooks};

/// What the operator decides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UmaConfig {
    /// What every assessment goes by, the issuer identifier among it.
    pub settings: Settings,
    /// How long a PAT lives.
    pub pat_lifetime: Lifetime,
    /// How long an RPT can be refreshed, by a client that authenticates; `None` if never. No
    /// refresh token is given out then.
    pub refresh_lifetime: Option<Lifetime>,
    /// How much one resource server may have stored.
    pub limits: Limits,
}

impl UmaConfig {
    /// The defaults, for the server of this issuer identifier.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        let settings = Settings::new(issuer);
        Self {
            settings,
            pat_lifetime: PAT_LIFETIME,
            refresh_lifetime: None,
            limits: Limits::default(),
        }
    }
}

/// Everything the server reaches the outside through.
#[derive(Clone)]
pub struct Seams {
    /// Where tickets, tokens and resources are kept.
    pub engine: Arc<dyn Engine>,
    /// Which clients there are.
    pub clients: Arc<dyn Clients>,
    /// Who may reach what.
    pub policy: Arc<dyn Policy>,
    /// Whose word counts for an e-mail address.
    pub discovery: Arc<dyn Discovery>,
    /// Where decisions are recorded.
    pub audit: Arc<dyn Audit>,
    /// The time, asked once per request.
    pub clock: Arc<dyn Clock>,
    /// Where tickets and tokens come from.
    pub random: Arc<dyn Random>,
}

/// A UMA authorization server.
pub struct Uma {
    pub(crate) settings: Settings,
    pub(crate) pat_lifetime: Lifetime,
    pub(crate) refresh_lifetime: Option<Lifetime>,
    pub(crate) resource_counts: ResourceCounts,
    pub(crate) endpoints: Endpoints,
    pub(crate) tickets: Tickets<Process>,
    pub(crate) tokens: AccessTokens<StoredToken>,
    pub(crate) refresh_tokens: RefreshTokens<Refreshable>,
    pub(crate) revocations: Revocations,
    pub(crate) holds: Holds,
    pub(crate) turned_away: TurnedAway,
    pub(crate) codes: Codes<CodeGrant>,
    pub(crate) cases: Cases<Case>,
    pub(crate) case_room: Arc<CaseRoom>,
    pub(crate) owner_shares: Arc<OwnerShares>,
    pub(crate) resources: Resources<ResourceDescription>,
    pub(crate) replay: Replay,
    pub(crate) ticket_quota: Quota,
    pub(crate) grant_quota: SharedQuota,
    pub(crate) refresh_quota: SharedQuota,
    pub(crate) pat_quota: Quota,
    pub(crate) seams: Seams,
    pub(crate) console: Option<Arc<Console>>,
    pub(crate) webhooks: Option<Arc<Webhooks>>,
    /// How many an owner is told of within an hour, and how many of them are about one person.
    notices: (u32, u32),
}

impl Uma {
    /// Whether an issuer identifier leaves room for the paths of the endpoints.
    ///
    /// # Errors
    /// [`IdentifierError`] if it is too long for one of them.
    pub fn check_issuer(issuer: &Issuer) -> Result<(), IdentifierError> {
        Endpoints::of(issuer).map(drop)
    }

    /// A server of this configuration on these seams.
    ///
    /// # Errors
    /// [`IdentifierError`] if the issuer identifier is too long to make endpoints of.
    pub fn new(config: UmaConfig, seams: Seams) -> Result<Self, IdentifierError> {
        let UmaConfig { settings, pat_lifetime, refresh_lifetime, limits } = config;
        let engine = || Arc::clone(&seams.engine);
        Ok(Self {
            endpoints: Endpoints::of(&settings.issuer)?,
            tickets: Tickets::new(engine()),
            tokens: AccessTokens::new(engine()),
            refresh_tokens: RefreshTokens::new(engine()),
            revocations: Revocations::new(RevokedPeople::new(engine())),
            turned_away: TurnedAway::default(),
            holds: Holds::new(AccessTokens::new(engine()), RefreshTokens::new(engine())),
            codes: Codes::new(engine()),
            cases: Cases::new(engine()),
            owner_shares: Arc::new(OwnerShares::new(
                Shares::new(engine()),
                Arc::clone(&seams.policy),
                limits.shares,
            )),
            case_room: Arc::new(CaseRoom::new(limits.cases, limits.cases_of_a_domain)),
            resources: Resources::new(engine()),
            replay: Replay::new(engine()),
            ticket_quota: Quota::new(limits.tickets, settings.ticket_lifetime),
            grant_quota: SharedQuota::new(
                limits.grants,
                limits.grants_of_a_client,
                // Where there are no refresh tokens, none is counted.
                refresh_lifetime.unwrap_or(settings.rpt_lifetime),
            ),
            refresh_quota: SharedQuota::new(
                limits.refreshes,
                limits.refreshes_of_a_client,
                settings.rpt_lifetime,
            ),
            pat_quota: Quota::new(limits.pats, pat_lifetime),
            resource_counts: ResourceCounts::new(limits.resources),
            pat_lifetime,
            refresh_lifetime,
            settings,
            seams,
            console: None,
            webhooks: None,
            notices: (limits.notices, limits.notices_of_a_person),
        })
    }

    /// With pages on which owners see what waits for them, and decide. What they need of their
    /// provider is fetched through `fetch`.
    ///
    /// # Errors
    /// [`IdentifierError`] if the issuer identifier is too long to make pages of.
    pub fn with_console(
        self,
        setup: ConsoleSetup,
        fetch: Arc<dyn Fetch>,
    ) -> Result<Self, IdentifierError> {
        let console = Console::new(setup, &self.settings.issuer, fetch, &self.seams)?;
        Ok(Self { console: Some(Arc::new(console)), ..self })
    }

    /// With webhooks by which owners are told what waits for them, reached through `fetch`.
    /// Somebody has to run [`tell_owners`](Self::tell_owners).
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn with_webhooks(
        self,
        setup: WebhookSetup,
        fetch: Arc<dyn Fetch>,
    ) -> Result<Self, WebhookError> {
        let webhooks = Webhooks::new(setup, fetch, &self.seams, self.notices)?;
        Ok(Self { webhooks: Some(Arc::new(webhooks)), ..self })
    }

    /// Whether there are resource servers that ask people whether they may protect something for
    /// them.
    pub(crate) fn asks_people(&self) -> bool {
        self.authorization_endpoint().is_some()
    }

    /// Where they ask.
    pub(crate) fn authorization_endpoint(&self) -> Option<&EndpointUrl> {
        self.console.as_ref().and_then(|console| console.authorization_endpoint())
    }

    /// Where this server's endpoints are.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The resource server of this client identifier, as it is registered now.
    pub(crate) async fn resource_server(
        &self,
        id: &ClientId,
    ) -> Result<Option<ResourceServer>, StoreError> {
        let client = self.seams.clients.find(id).await?;
        Ok(client.and_then(|client| client.resource_server.clone()))
    }

    /// A resource server as it is registered for a person who lets it protect something in their
    /// name.
    pub(crate) async fn for_a_person(
        &self,
        server: &ResourceServer,
        protection: &Protection,
        now: Timestamp,
    ) -> Result<Option<ResourceServer>, StoreError> {
        let Some(console) = &self.console else { return Ok(None) };
        let may = server.protection.resource_server == protection.resource_server
            && console.has_mandate(protection, now).await?;
        Ok(may.then(|| ResourceServer { protection: protection.clone(), ..server.clone() }))
    }

    /// Whether the client may still use the UMA grant: a token outlives its client's registration
    /// by nothing.
    pub(crate) async fn may_hold_rpts(&self, id: &ClientId) -> Result<bool, StoreError> {
        self.seams.clients.may_hold_rpts(id).await
    }

    /// Those resources of `permissions` that are registered for this owner at this resource server.
    pub(crate) async fn registered(
        &self,
        protection: &Protection,
        permissions: &[Permission],
    ) -> Result<Registered, StoreError> {
        let registrant = registrant(protection);
        let mut registered = Registered::new();
        for Permission { resource_id: id, .. } in permissions {
            if let Some(description) = self.resources.read(&registrant, id.as_str()).await? {
                registered.insert(id.clone(), description);
            }
        }
        Ok(registered)
    }
}

/// Both are part of the key of everything a PAT reaches.
pub(crate) fn registrant(protection: &Protection) -> Registrant {
    Registrant {
        owner: protection.owner.as_str().to_owned(),
        resource_server: protection.resource_server.clone(),
    }
}

/// The URLs of a server, all below its issuer identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoints {
    /// Tokens: PATs and RPTs.
    pub token: EndpointUrl,
    /// Introspection of RPTs.
    pub introspection: EndpointUrl,
    /// Revocation of tokens by their clients.
    pub revocation: EndpointUrl,
    /// Permission requests.
    pub permission: EndpointUrl,
    /// Resource registration; a resource is one segment below.
    pub resources: EndpointUrl,
    /// The keys with which what this server signs can be verified, if it signs anything.
    pub jwks: EndpointUrl,
    /// The metadata document of UMA.
    pub uma2_configuration: EndpointUrl,
    /// The metadata document of OAuth.
    pub oauth_authorization_server: EndpointUrl,
}

impl Endpoints {
    fn of(issuer: &Issuer) -> Result<Self, IdentifierError> {
        let base = issuer.as_str().trim_end_matches('/');
        let below = |name: &str| EndpointUrl::parse(&format!("{base}/{name}"));
        Ok(Self {
            token: below("token")?,
            introspection: below("introspect")?,
            revocation: below("revoke")?,
            permission: below("permission")?,
            resources: below("resources")?,
            jwks: below("jwks")?,
            uma2_configuration: well_known(DocumentKind::Uma2, issuer)?,
            oauth_authorization_server: well_known(DocumentKind::OAuth, issuer)?,
        })
    }
}

/// The router of a server: every endpoint of its metadata, and the metadata. Any other path is its
/// 404, in JSON like every error; to be merged into a router that has a fallback of its own, it
/// gives that up by [`Router::reset_fallback`].
pub fn app(uma: Arc<Uma>) -> Router {
    let paths = uma.endpoints.clone();
    let path = |url: &EndpointUrl| url.as_url().path().to_owned();
    let one_resource = format!("{}/{{id}}", path(&paths.resources));
    let jwks = uma.webhooks.is_some();
    let console = uma.console.as_ref();
    let console = console.map(|console| console::routes(Arc::clone(&uma), Arc::clone(console)));
    let mut app = Router::new()
        // An issuer's path may well have a segment that starts with a colon.
        .without_v07_checks()
        .route(&path(&paths.uma2_configuration), routes::only("GET, HEAD", get(routes::metadata)))
        .route(
            &path(&paths.oauth_authorization_server),
            routes::only("GET, HEAD", get(routes::metadata)),
        )
        .route(&path(&paths.token), routes::only("POST", post(routes::token)))
        .route(&path(&paths.introspection), routes::only("POST", post(routes::introspect)))
        .route(&path(&paths.revocation), routes::only("POST", post(routes::revoke)))
        .route(&path(&paths.permission), routes::only("POST", post(routes::permission)))
        .route(
            &path(&paths.resources),
            get(routes::resources::list)
                .post(routes::resources::create)
                .fallback(routes::resources::method_of_the_list),
        )
        .route(
            &one_resource,
            get(routes::resources::read)
                .put(routes::resources::replace)
                .delete(routes::resources::delete)
                .fallback(routes::resources::method_of_a_resource),
        )
        .fallback(routes::not_found);
    if jwks {
        app = app.route(&path(&paths.jwks), routes::only("GET, HEAD", get(routes::jwks)));
    }
    let app = app.with_state(uma);
    match console {
        Some(console) => app.merge(console),
        None => app,
    }
}
