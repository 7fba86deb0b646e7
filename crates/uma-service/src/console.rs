//! The owner's console: pages on which a resource owner sees what waits for them, decides, and
//! takes back.
//!
//! An owner signs in at an OpenID provider ([`ProviderSetup`]); who is which owner is configured
//! ([`OwnerIdentity`]), by the provider's identifier of a person or by an address that it has
//! verified, and asked again at every request. Whatever a page shows or changes is found among the
//! owner's own places, which are one owner at one resource server each ([`Protection`]), so that
//! what is somebody else's is answered as what does not exist.
//!
//! | path below the issuer | what it is |
//! |---|---|
//! | `/console` | what waits for an answer |
//! | `/console/people` | who has what, and who is kept out |
//! | `/console/people/{place}/{person}` | everything about one person, and the decision on it |
//! | `/console/access`, `/console/access/{place}/{_id}` | who is in at the moment, and why: at all, and at a resource |
//! | `/console/turned-away` | who was turned away lately, and what spoke against them |
//! | `/console/resources`, `/console/resources/{place}/{_id}` | what is protected, and who reaches it |
//! | `/console/history` | every decision, and what was shared and taken back |
//! | `/authorize` | where resource servers ask whether they may protect something in a person's name |
//! | `/console/sign-in`, `/console/callback` | who signs in |
//! | `/console/sign-out`, `/console/signed-out` | who signs out, at the provider too if it offers that |
//!
//! Every form is bound to its page, its session and its browser
//! ([`countersign_pages::form_token`]), and one that decides to the state of things that the owner
//! saw.
//!
//! A handler that takes a `Visit` is for whoever is signed in, and one that reads a form has the
//! visit of whoever sent it. A `Refusal` becomes a page in one layer around them all.

mod access;
mod allow;
mod because;
mod desk;
mod done;
mod filled;
mod forms;
mod held;
mod history;
mod in_path;
mod mandates;
mod moments;
mod notice;
mod overview;
mod owners;
mod paging;
mod people;
mod person;
mod places;
mod provider;
mod refusal;
mod resources;
mod sessions;
mod shares;
mod shell;
mod sign_in;
mod sign_out;
mod texts;
mod turned_away;
mod views;
mod vouched;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, map_response_with_state};
use axum::routing::{MethodRouter, get, post};
use countersign_fetch::Fetch;
use countersign_login::{Logins, Registration};
use countersign_pages::{FormTokens, page};
use countersign_store::{Grants, Sessions, StoreError};
use countersign_types::identifier::IdentifierError;
use countersign_types::{ClientId, EndpointUrl, Issuer, Lifetime, RedirectUri, ScopeSet};
use countersign_uma::{PersonId, Protection};
use http::HeaderValue;
use http::header::ALLOW;

use self::desk::Desk;
use self::forms::Form;
pub(crate) use self::mandates::{LIFETIME as MANDATE_LIFETIME, Mandate};
use self::owners::Owners;
pub use self::owners::{OwnerIdentity, Who};
use self::provider::Provider;
use self::sessions::Session;
use self::sign_in::Begun;
use self::texts::Texts;
use crate::app::{Seams, Uma};

/// What the operator decides about the console.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsoleSetup {
    /// What the pages call this server.
    pub name: String,
    /// Where owners sign in.
    pub provider: ProviderSetup,
    /// Who is which owner.
    pub owners: Vec<OwnerIdentity>,
    /// The resource servers whose owners have the console. One that is not registered any more is
    /// left out.
    pub resource_servers: Vec<ClientId>,
    /// Which of them may ask people whether they may protect something in their name, and where
    /// those are sent back to.
    pub people: BTreeMap<ClientId, Vec<RedirectUri>>,
    /// How long an owner stays signed in without doing anything.
    pub idle: Lifetime,
    /// How long an owner stays signed in at most.
    pub session: Lifetime,
}

impl ConsoleSetup {
    /// The defaults: half an hour without doing anything, twelve hours at most.
    #[must_use]
    pub fn new(
        name: String,
        provider: ProviderSetup,
        owners: Vec<OwnerIdentity>,
        resource_servers: Vec<ClientId>,
    ) -> Self {
        let (idle, session) = (Lifetime::from_secs(1800), Lifetime::from_secs(12 * 3600));
        let people = BTreeMap::new();
        Self { name, provider, owners, resource_servers, people, idle, session }
    }
}

/// The OpenID provider at which owners sign in.
#[derive(Clone, Debug)]
pub struct ProviderSetup {
    /// Its `iss`.
    pub issuer: Issuer,
    /// What the pages call it.
    pub name: String,
    /// How this server is registered there. Its redirection URI is [`redirect_uri`], and people who
    /// have signed out come back to [`post_logout_redirect_uri`].
    pub registration: Registration,
    /// The scopes that are asked for there, besides `openid`.
    pub scope: ScopeSet,
}

/// The redirection URI that the console is registered with at the provider.
///
/// # Errors
/// [`IdentifierError`] if the issuer leaves no room for it.
pub fn redirect_uri(issuer: &Issuer) -> Result<RedirectUri, IdentifierError> {
    let base = issuer.as_str().trim_end_matches('/');
    RedirectUri::parse(&format!("{base}/console/callback"))
}

/// The URI that is registered with the provider for people to come back to the console after
/// signing out.
///
/// # Errors
/// [`IdentifierError`] if the issuer leaves no room for it.
pub fn post_logout_redirect_uri(issuer: &Issuer) -> Result<RedirectUri, IdentifierError> {
    let base = issuer.as_str().trim_end_matches('/');
    RedirectUri::parse(&format!("{base}/console/signed-out"))
}

/// The console of a server.
pub(crate) struct Console {
    name: String,
    provider: Provider,
    owners: Owners,
    resource_servers: Vec<ClientId>,
    people: BTreeMap<ClientId, Vec<RedirectUri>>,
    mandates: Grants<Mandate>,
    idle: Lifetime,
    session: Lifetime,
    sessions: Sessions<Session>,
    form_tokens: FormTokens<Form>,
    logins: Logins<Begun>,
    /// Who is at the provider to sign out.
    leaving: Logins<()>,
    /// Where the console begins.
    url: EndpointUrl,
    authorization: EndpointUrl,
    style: String,
}

impl Console {
    pub(crate) fn new(
        setup: ConsoleSetup,
        issuer: &Issuer,
        fetch: Arc<dyn Fetch>,
        seams: &Seams,
    ) -> Result<Self, IdentifierError> {
        let ConsoleSetup { name, provider, owners, resource_servers, people, idle, session } =
            setup;
        let back = (redirect_uri(issuer)?, post_logout_redirect_uri(issuer)?);
        let base = issuer.as_str().trim_end_matches('/');
        Ok(Self {
            name,
            provider: Provider::new(provider, back, fetch, Arc::clone(&seams.clock)),
            owners: Owners::new(owners),
            resource_servers,
            people,
            mandates: Grants::new(Arc::clone(&seams.engine)),
            idle,
            session,
            sessions: Sessions::new(Arc::clone(&seams.engine)),
            form_tokens: FormTokens::new(idle, &*seams.random),
            logins: Logins::default(),
            leaving: Logins::default(),
            url: EndpointUrl::parse(&format!("{base}/console"))?,
            authorization: EndpointUrl::parse(&format!("{base}/authorize"))?,
            style: format!("{}{STYLE}", page::STYLE),
        })
    }

    /// The path of the console, below which all of its pages are.
    pub(crate) fn path(&self) -> &str {
        self.url.as_url().path()
    }

    /// Where resource servers ask people, if one may.
    pub(crate) fn authorization_endpoint(&self) -> Option<&EndpointUrl> {
        (!self.people.is_empty()).then_some(&self.authorization)
    }

    /// Ends what a person allowed a resource server, with every PAT that came of it.
    pub(crate) async fn end_mandate(&self, owner: &str, id: &str) -> Result<bool, StoreError> {
        self.mandates.remove(owner, id).await
    }

    /// The page of a resource, as a resource server may send its owner there.
    pub(crate) fn resource_page(&self, protection: &Protection, id: &str) -> String {
        format!("{}/resources/{}/{id}", self.url, places::place_id(protection))
    }

    /// The page of a person, as their case's owner is told of it.
    pub(crate) fn person_page(&self, protection: &Protection, person: &PersonId) -> String {
        format!("{}/people/{}/{person}", self.url, places::place_id(protection))
    }

    /// A path of this server as a URL, whatever host the request named.
    fn absolute(&self, path: &str) -> String {
        format!("{}{path}", page::origin(self.url.as_str()))
    }
}

/// What the console has beside the style of all pages.
const STYLE: &str = include_str!("../assets/console.css");

/// The console's pages.
pub(crate) fn routes(uma: Arc<Uma>, console: Arc<Console>) -> Router {
    let desk = Arc::new(Desk { uma, console });
    let base = desk.console.path();
    let below = |path: &str| format!("{base}{path}");
    let mut pages = Router::new().without_v07_checks();
    if let Some(url) = desk.console.authorization_endpoint() {
        let routes = get(allow::get).post(allow::post);
        pages = pages.route(url.as_url().path(), without_head("GET, POST", routes));
    }
    pages
        .route(base, only("GET, HEAD", get(overview::get)))
        .route(&below("/people"), only("GET, HEAD, POST", get(people::get).post(people::unshare)))
        .route(
            &below("/people/{place}/{person}"),
            only("GET, HEAD, POST", get(person::get).post(person::post)),
        )
        .route(&below("/access"), only("GET, HEAD, POST", get(access::get).post(access::post)))
        .route(&below("/turned-away"), only("GET, HEAD", get(turned_away::get)))
        .route(
            &below("/access/{place}/{id}"),
            only("GET, HEAD, POST", get(access::get).post(access::post)),
        )
        .route(
            &below("/resources"),
            only("GET, HEAD, POST", get(resources::list).post(resources::end)),
        )
        .route(
            &below("/resources/{place}/{id}"),
            only("GET, HEAD, POST", get(resources::one).post(resources::change)),
        )
        .route(&below("/history"), only("GET, HEAD", get(history::get)))
        .route(&below("/sign-in"), without_head("GET", get(sign_in::begin)))
        .route(&below("/callback"), without_head("GET", get(sign_in::callback)))
        .route(&below("/sign-out"), only("POST", post(sign_out::begin)))
        .route(&below("/signed-out"), without_head("GET", get(sign_out::done)))
        .route(&below("/style.css"), only("GET, HEAD", get(desk::stylesheet)))
        .layer(map_response_with_state(Arc::clone(&desk), refusal::explain))
        .layer(from_fn(page::speak::<Texts>))
        .with_state(desk)
}

/// Any other method is answered with a page. [RFC 9110 §15.5.6]
///
/// [RFC 9110 §15.5.6]: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6
fn only(allow: &'static str, methods: MethodRouter<Arc<Desk>>) -> MethodRouter<Arc<Desk>> {
    methods.fallback(move |desk: axum::extract::State<Arc<Desk>>| async move {
        let mut response = desk.refuse(&refusal::Refusal::Method);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        response
    })
}

/// A `GET` that begins or ends a login: `HEAD` would do the same unseen, so that there is none.
fn without_head(allow: &'static str, methods: MethodRouter<Arc<Desk>>) -> MethodRouter<Arc<Desk>> {
    let refuse = move |desk: axum::extract::State<Arc<Desk>>| async move {
        let mut response = desk.refuse(&refusal::Refusal::Method);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        response
    };
    methods.head(refuse).fallback(refuse)
}
