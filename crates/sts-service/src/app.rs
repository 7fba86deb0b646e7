//! The service and its routes.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use countersign_jwt::{Algorithm, SigningRing};
use countersign_metadata::{DocumentKind, webfinger, well_known};
use countersign_oidc::{CodeGrant, Grant, RefreshRecord};
use countersign_pages::Seal;
use countersign_pages::page;
use countersign_store::{
    AccessTokens, Codes, Consents, Engine, Grants, LinkedIdentities, RefreshTokens, Replay,
    RevokedTokens, Sessions, StoreError,
};
use countersign_token_exchange::renewal::Renewable;
use countersign_token_exchange::{DelegationPolicy, ServerPolicy};
use countersign_types::identifier::IdentifierError;
use countersign_types::random::Random;
use countersign_types::{Clock, EndpointUrl, Issuer, Lifetime};
use http::HeaderValue;
use http::header::ALLOW;

use crate::attempts::Attempts;
use crate::audit::Audit;
use crate::authorize::{consent_form, sign_in_form};
use crate::broker::{self, Link, Upstreams, callback, choose, further, link_form, linked};
use crate::clients::Clients;
use crate::consent::Consent;
use crate::foreign::TrustedIssuers;
use crate::form_token::{self, FormTokens};
use crate::keys::{Current, Keys};
use crate::passwords::{PasswordHash, PasswordHashError, Passwords};
use crate::proxies::ProxyAddresses;
use crate::sessions::Session;
use crate::texts::Texts;
use crate::users::{User, Users};
use crate::{
    access_token, account, authorize, claims, cors, discovery, elsewhere, introspection, logout,
    onward, revocation, token, userinfo,
};

/// A larger request body is refused.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// What a service is told about itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the pages call this provider.
    pub name: String,
    /// The domains whose e-mail addresses this provider speaks for, in canonical form.
    pub email_domains: BTreeSet<String>,
    /// The scopes that the metadata lists: all that any client may ask for. Without [`QUERY_USERS`]
    /// among them, there is no user query.
    ///
    /// [`QUERY_USERS`]: crate::claims::QUERY_USERS
    pub scopes: countersign_types::ScopeSet,
    /// How long a person who signed in stays signed in, in that browser.
    pub session_lifetime: Lifetime,
    /// How long an access token lives.
    pub access_token_lifetime: Lifetime,
    /// How long an ID token lives.
    pub id_token_lifetime: Lifetime,
    /// How long a client may go on refreshing what a person has allowed it.
    pub refresh_token_lifetime: Lifetime,
    /// How long a client may wait between two refreshes. After that, it cannot refresh any more.
    pub refresh_token_idle: Lifetime,
}

/// Everything that a service takes from outside.
pub struct Parts {
    /// What it is told about itself.
    pub settings: Settings,
    /// The rules of the token exchange, and the issuer.
    pub policy: ServerPolicy,
    /// Who may act for whom, within what the registrations allow: [`ByRegistration`] adds nothing
    /// to them.
    ///
    /// [`ByRegistration`]: countersign_token_exchange::ByRegistration
    pub delegation: Arc<dyn DelegationPolicy>,
    /// Signing keys: one for ES256, one for RS256.
    pub keys: SigningRing,
    /// The clients.
    pub clients: Arc<dyn Clients>,
    /// The people.
    pub users: Arc<dyn Users>,
    /// Where grants, codes, refresh tokens, used assertions and revocations are kept.
    pub engine: Arc<dyn Engine>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where decisions are recorded.
    pub audit: Arc<dyn Audit>,
}

/// Why a service cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// There is no current signing key of an algorithm that the service needs.
    #[error("no signing key for {}", .0.name())]
    Key(Algorithm),
    /// There is a signing key of an algorithm with which the service signs nothing: what is
    /// published would say otherwise.
    #[error("nothing is signed with {}", .0.name())]
    IdleKey(Algorithm),
    /// An endpoint's URL cannot be made from the issuer.
    #[error("the issuer gives no endpoint")]
    Issuer(#[from] IdentifierError),
    /// The hash that stands for unknown users could not be computed.
    #[error("no password can be hashed")]
    Password(#[from] PasswordHashError),
    /// What is handed to browsers cannot be sealed.
    #[error("nothing can be sealed")]
    Seal,
}

/// An OpenID provider with a security token service.
pub struct Sts {
    pub(crate) settings: Settings,
    pub(crate) policy: ServerPolicy,
    pub(crate) trusted_issuers: TrustedIssuers,
    pub(crate) upstreams: Upstreams,
    pub(crate) proxies: Vec<ProxyAddresses>,
    pub(crate) delegation: Arc<dyn DelegationPolicy>,
    pub(crate) endpoints: Endpoints,
    keys: Current<Keys>,
    pub(crate) clients: Arc<dyn Clients>,
    users: Arc<dyn Users>,
    pub(crate) sessions: Sessions<Session>,
    pub(crate) consents: Consents<Consent>,
    pub(crate) linked: LinkedIdentities<Link>,
    pub(crate) grants: Grants<Grant>,
    pub(crate) renewables: Grants<Renewable>,
    pub(crate) codes: Codes<CodeGrant>,
    pub(crate) refresh_tokens: RefreshTokens<RefreshRecord>,
    pub(crate) opaque_tokens: AccessTokens<access_token::Kept>,
    pub(crate) replay: Replay,
    pub(crate) revoked: RevokedTokens,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    pub(crate) form_tokens: FormTokens,
    pub(crate) posted: Seal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) audit: Arc<dyn Audit>,
}

/// The URLs of the service, all under the issuer. A client finds them in the metadata.
pub(crate) struct Endpoints {
    pub(crate) authorization: EndpointUrl,
    pub(crate) sign_in: EndpointUrl,
    pub(crate) upstream: EndpointUrl,
    pub(crate) callback: EndpointUrl,
    pub(crate) link: EndpointUrl,
    pub(crate) confirm_link: EndpointUrl,
    pub(crate) consent: EndpointUrl,
    pub(crate) account: EndpointUrl,
    pub(crate) unlink: EndpointUrl,
    pub(crate) further: EndpointUrl,
    pub(crate) confirm_further: EndpointUrl,
    pub(crate) end_session: EndpointUrl,
    pub(crate) sign_out: EndpointUrl,
    pub(crate) token: EndpointUrl,
    pub(crate) userinfo: EndpointUrl,
    pub(crate) introspection: EndpointUrl,
    pub(crate) revocation: EndpointUrl,
    pub(crate) jwks: EndpointUrl,
    pub(crate) claims: EndpointUrl,
    pub(crate) users: EndpointUrl,
    pub(crate) stylesheet: EndpointUrl,
    openid_configuration: EndpointUrl,
    oauth_metadata: EndpointUrl,
}

impl Endpoints {
    fn of(issuer: &Issuer) -> Result<Self, IdentifierError> {
        let base = issuer.as_str().trim_end_matches('/');
        let under = |path: &str| EndpointUrl::parse(&format!("{base}{path}"));
        Ok(Self {
            authorization: under("/authorize")?,
            sign_in: under("/login")?,
            upstream: under("/login/upstream")?,
            callback: under(broker::CALLBACK)?,
            link: under("/login/link")?,
            confirm_link: under("/login/link/confirm")?,
            consent: under("/consent")?,
            account: under("/account")?,
            unlink: under("/account/unlink")?,
            further: under("/account/link")?,
            confirm_further: under("/account/link/confirm")?,
            end_session: under("/logout")?,
            sign_out: under("/logout/confirm")?,
            token: under("/token")?,
            userinfo: under("/userinfo")?,
            introspection: under("/introspect")?,
            revocation: under("/revoke")?,
            jwks: under("/jwks")?,
            claims: under("/claims")?,
            users: under("/scim/v2/Users")?,
            stylesheet: under("/style.css")?,
            openid_configuration: well_known(DocumentKind::OpenId, issuer)?,
            oauth_metadata: well_known(DocumentKind::OAuth, issuer)?,
        })
    }
}

impl Sts {
    /// Whether an issuer identifier leaves room for the paths of the endpoints.
    ///
    /// # Errors
    /// [`IdentifierError`] if it is too long for one of them.
    pub fn check_issuer(issuer: &Issuer) -> Result<(), IdentifierError> {
        Endpoints::of(issuer).map(drop)
    }

    /// Sets a service up.
    ///
    /// # Errors
    /// Any [`SetupError`].
    pub fn new(parts: Parts) -> Result<Self, SetupError> {
        let Parts {
            settings,
            policy,
            delegation,
            keys,
            clients,
            users,
            engine,
            clock,
            random,
            audit,
        } = parts;
        let nobody = PasswordHash::of_nobody(random.as_ref())?;
        Ok(Self {
            endpoints: Endpoints::of(&policy.issuer)?,
            sessions: Sessions::new(Arc::clone(&engine)),
            consents: Consents::new(Arc::clone(&engine)),
            linked: LinkedIdentities::new(Arc::clone(&engine)),
            grants: Grants::new(Arc::clone(&engine)),
            renewables: Grants::new(Arc::clone(&engine)),
            codes: Codes::new(Arc::clone(&engine)),
            refresh_tokens: RefreshTokens::new(Arc::clone(&engine)),
            opaque_tokens: AccessTokens::new(Arc::clone(&engine)),
            replay: Replay::new(Arc::clone(&engine)),
            revoked: RevokedTokens::new(engine),
            passwords: Passwords::new(nobody),
            attempts: Attempts::default(),
            form_tokens: FormTokens::new(form_token::LIFETIME, random.as_ref()),
            posted: Seal::new(random.as_ref()).map_err(|_| SetupError::Seal)?,
            settings,
            policy,
            trusted_issuers: TrustedIssuers::default(),
            upstreams: Upstreams::default(),
            proxies: Vec::new(),
            delegation,
            keys: Current::new(keys)?,
            clients,
            users,
            clock,
            random,
            audit,
        })
    }

    /// Exchanges tokens of these issuers, too.
    #[must_use]
    pub fn with_trusted_issuers(self, trusted_issuers: TrustedIssuers) -> Self {
        Self { trusted_issuers, ..self }
    }

    /// Lets people sign in through these providers, too.
    #[must_use]
    pub fn with_upstreams(self, upstreams: Upstreams) -> Self {
        Self { upstreams, ..self }
    }

    /// Takes these addresses for those of proxies that connect for everybody. Passwords that come
    /// from them are counted by the name alone, as those from loopback addresses are, and not by
    /// the address as well.
    #[must_use]
    pub fn with_proxies(self, proxies: Vec<ProxyAddresses>) -> Self {
        Self { proxies, ..self }
    }

    /// The person of this subject, if the account still exists, as they are kept.
    /// They may be nobody who is still let in.
    pub(crate) async fn user_as_kept(
        &self,
        subject: &str,
    ) -> Result<Option<Arc<User>>, StoreError> {
        self.users.by_subject(subject).await
    }

    /// The person of this subject, if the account still exists, with what is still believed of
    /// them.
    pub(crate) async fn user(&self, subject: &str) -> Result<Option<Arc<User>>, StoreError> {
        let user = self.users.by_subject(subject).await?;
        Ok(user.and_then(|user| self.upstreams.still_believed(user)))
    }

    /// The person who signs in by this name, which is untrusted, likewise.
    pub(crate) async fn user_named(&self, username: &str) -> Result<Option<Arc<User>>, StoreError> {
        let user = self.users.by_username(username).await?;
        Ok(user.and_then(|user| self.upstreams.still_believed(user)))
    }

    /// Whether there is a client that may ask who has an address, or there may come to be one.
    pub(crate) fn answers_user_queries(&self) -> bool {
        self.settings.scopes.contains(claims::QUERY_USERS)
    }

    pub(crate) const fn issuer(&self) -> &Issuer {
        &self.policy.issuer
    }

    /// The keys of now.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.keys.now()
    }

    /// Signs and publishes with these keys from now on.
    ///
    /// For rotation that no verifier notices, publish a key that will sign
    /// ([`SigningRing::with_next`]) before it signs, for longer than verifiers keep the set (the
    /// answer allows five minutes), and one that signs no more ([`SigningRing::with_retired`])
    /// until the last token of it has expired.
    ///
    /// # Errors
    /// [`SetupError::Key`]; the keys are as they were then.
    pub fn replace_keys(&self, keys: SigningRing) -> Result<(), SetupError> {
        self.keys.replace(keys)
    }
}

/// The routes of the service. Host names are not looked at: the same router answers for the issuer
/// and, at `/.well-known/webfinger`, for the e-mail domains.
pub fn app(sts: Arc<Sts>) -> Router {
    let path = |url: &EndpointUrl| url.as_url().path().to_owned();
    let endpoints = &sts.endpoints;
    let for_scripts = Router::new()
        .without_v07_checks()
        .route(&path(&endpoints.token), post(token::post).options(cors::preflight))
        .route(
            &path(&endpoints.userinfo),
            get(userinfo::get).post(userinfo::post).options(cors::preflight),
        )
        .route(&path(&endpoints.revocation), post(revocation::post).options(cors::preflight))
        .route(&path(&endpoints.claims), post(claims::post).options(cors::preflight))
        .layer(from_fn(cors::allow));
    let leading_on = Router::new()
        .without_v07_checks()
        .route(&path(&endpoints.sign_in), post(sign_in_form::post).fallback(elsewhere::page))
        .route(&path(&endpoints.upstream), post(choose::post).fallback(elsewhere::page))
        .route(
            &format!("{}/{{alias}}", path(&endpoints.callback)),
            without_head(get(callback::get), "GET"),
        )
        .route(&path(&endpoints.link), post(link_form::post).fallback(elsewhere::page))
        .route(&path(&endpoints.confirm_link), post(link_form::confirmed).fallback(elsewhere::page))
        .route(&path(&endpoints.consent), post(consent_form::post).fallback(elsewhere::page))
        .route(&path(&endpoints.further), post(further::post).fallback(elsewhere::page))
        .route(&path(&endpoints.sign_out), post(logout::confirmed).fallback(elsewhere::page))
        .layer(from_fn_with_state(Arc::clone(&sts), onward::by_a_page));
    let for_people = Router::new()
        .without_v07_checks()
        .merge(leading_on)
        .route(
            &path(&endpoints.authorization),
            without_head(get(authorize::get).post(authorize::post), "GET,POST"),
        )
        .route(&path(&endpoints.unlink), post(linked::unlink).fallback(elsewhere::page))
        .route(
            &path(&endpoints.confirm_further),
            post(further::confirmed).fallback(elsewhere::page),
        )
        .route(
            &path(&endpoints.end_session),
            without_head(get(logout::get).post(logout::post), "GET,POST"),
        )
        .route(
            &path(&endpoints.account),
            get(account::get).post(account::post).fallback(elsewhere::page),
        )
        .layer(from_fn(page::speak::<Texts>));
    let mut for_programs = Router::new().without_v07_checks();
    if sts.answers_user_queries() {
        for_programs = for_programs.route(&path(&endpoints.users), get(claims::scim::get));
    }
    Router::new()
        // An issuer's path may well have a segment that starts with a colon.
        .without_v07_checks()
        .route(&path(&endpoints.openid_configuration), get(discovery::metadata))
        .route(&path(&endpoints.oauth_metadata), get(discovery::metadata))
        .route(&path(&endpoints.jwks), get(discovery::jwks))
        .route(webfinger::PATH, get(discovery::webfinger))
        .route(&path(&endpoints.stylesheet), get(discovery::stylesheet))
        .route(&path(&endpoints.introspection), post(introspection::post))
        .merge(for_programs)
        .merge(for_scripts)
        .merge(for_people)
        .fallback(elsewhere::no_such_endpoint)
        .method_not_allowed_fallback(elsewhere::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(sts)
}

/// A route whose `GET` issues a code, takes an answer or ends a session, as the specifications have
/// it. `HEAD` would do the same unseen, so that there is none.
fn without_head(route: MethodRouter<Arc<Sts>>, allow: &'static str) -> MethodRouter<Arc<Sts>> {
    let refuse = move |sts: State<Arc<Sts>>| async move {
        let mut response = elsewhere::page(sts).await;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        response
    };
    route.head(refuse).fallback(refuse)
}
