//! Signing in through other OpenID providers: this server as their relying party, and as the broker
//! between them and its clients. [OpenID Connect Core §3.1], [RFC 9700 §4.4]
//!
//! A person chooses a provider on the sign-in page (`choose`), signs in there, and is sent back to
//! a URL of that provider's own (`callback`). What the provider says is read as far as the
//! configuration believes it (`mapping`), and leads to an account here (`federation`): by the link
//! that was made at the first login, or to a new account, or, where the address belongs to an
//! account already, to a page that asks (`link_form`). From there on everything is as after any
//! sign-in. Whoever is signed in can link their account to a further provider (`further`).
//!
//! [OpenID Connect Core §3.1]: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
//! [RFC 9700 §4.4]: https://www.rfc-editor.org/rfc/rfc9700#section-4.4

pub(crate) mod accounts;
pub(crate) mod callback;
pub(crate) mod choose;
mod closing;
mod error;
mod federation;
pub(crate) mod further;
pub(crate) mod link_form;
pub(crate) mod linked;
pub(crate) mod mapping;
mod pending;
mod upstream;

use std::sync::Arc;

use countersign_fetch::Fetch;
use countersign_login::Logins;
use countersign_oidc::Through;
use countersign_store::StoreError;
use countersign_types::identifier::IdentifierError;
use countersign_types::{Clock, Issuer, RedirectUri, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

pub use self::accounts::{ImportedAccount, ImportedAccounts};
pub use self::mapping::Mapping;
use self::pending::Begun;
pub(crate) use self::upstream::Upstream;
use crate::app::Sts;
use crate::pages::Person;
use crate::users::User;

/// Another OpenID provider that people may sign in through, and how far it is trusted.
#[derive(Clone, Debug)]
pub struct UpstreamSetup {
    /// What it is called in URLs of this server: lower-case letters, digits and hyphens.
    pub alias: String,
    /// What the sign-in page calls it.
    pub name: String,
    /// Its `iss`.
    pub issuer: Issuer,
    /// How this server is registered there.
    pub registration: countersign_login::Registration,
    /// The scopes that are asked for there, besides `openid`.
    pub scope: ScopeSet,
    /// Whether its UserInfo endpoint is asked for the claims that an ID token lacks.
    pub user_info: bool,
    /// What is taken over from what it says.
    pub mapping: Mapping,
}

/// The providers that people may sign in through, and the logins that are under way. None by
/// default.
#[derive(Default)]
pub struct Upstreams {
    known: Option<Known>,
    /// Held while somebody who is signed in ends a link, or makes one. One engine has the store, so
    /// that one process does.
    turn: Mutex<()>,
}

struct Known {
    upstreams: Vec<Upstream>,
    accounts: Arc<dyn ImportedAccounts>,
    logins: Logins<Begun>,
    passwords: bool,
}

/// A link between an identity at another provider and an account here, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Which one: a link that was ended and made again is another.
    pub(crate) id: String,
    pub(crate) issuer: Issuer,
    pub(crate) sub: String,
    /// What the person is called there, for them to see.
    pub(crate) label: String,
    /// Whether the account was made for somebody who came through a provider, this or another one,
    /// so that this one may have the word on the person.
    pub(crate) imported: bool,
    pub(crate) since: Timestamp,
}

impl Upstreams {
    /// These providers, asked through `fetch`. The accounts of people who come through them for the
    /// first time are made in `accounts`.
    #[must_use]
    pub fn new(
        upstreams: impl IntoIterator<Item = UpstreamSetup>,
        accounts: Arc<dyn ImportedAccounts>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let upstream = |setup| Upstream::new(setup, Arc::clone(&fetch), Arc::clone(&clock));
        let upstreams = upstreams.into_iter().map(upstream).collect();
        let known = Known { upstreams, accounts, logins: Logins::default(), passwords: true };
        Self { known: Some(known), turn: Mutex::default() }
    }

    /// Nobody signs in by a password then, unless to link an account.
    #[must_use]
    pub fn without_passwords(mut self) -> Self {
        if let Some(known) = &mut self.known {
            known.passwords = false;
        }
        self
    }

    /// Whether people sign in by password, too.
    pub(crate) fn offer_passwords(&self) -> bool {
        self.known.as_ref().is_none_or(|known| known.passwords)
    }

    /// Each, in the order of the configuration.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Upstream> {
        self.known.iter().flat_map(|known| &known.upstreams)
    }

    pub(crate) fn find(&self, alias: &str) -> Option<&Upstream> {
        self.iter().find(|upstream| upstream.setup.alias == alias)
    }

    /// The one of this issuer.
    pub(crate) fn of(&self, issuer: &Issuer) -> Option<&Upstream> {
        self.iter().find(|upstream| upstream.setup.issuer == *issuer)
    }

    /// A person with what is still believed of them; `None` if they may not come in any more.
    pub(crate) fn still_believed(&self, user: Arc<User>) -> Option<Arc<User>> {
        let Some(origin) = &user.origin else { return Some(user) };
        self.of(&origin.issuer)?.setup.mapping.still_believed(&user, origin).map(Arc::new)
    }

    fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let aliases = self.iter().map(|upstream| &upstream.setup.alias).collect::<Vec<_>>();
        f.debug_tuple("Upstreams").field(&aliases).finish()
    }
}

/// Where the path of an upstream's redirection URI begins, below the issuer.
pub(crate) const CALLBACK: &str = "/login/callback";

/// The redirection URI that an upstream is registered with: one for each, so that an answer of one
/// is none for another. [RFC 9700 §4.4.2.2]
///
/// # Errors
/// [`IdentifierError`] if the issuer leaves no room for it.
///
/// [RFC 9700 §4.4.2.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.4.2.2
pub fn redirect_uri(issuer: &Issuer, alias: &str) -> Result<RedirectUri, IdentifierError> {
    let base = issuer.as_str().trim_end_matches('/');
    RedirectUri::parse(&format!("{base}{CALLBACK}/{alias}"))
}

/// What pages call a person: whoever came through another provider by their name, their address or
/// what they are called there, and beside it the provider, since it is its word. Nobody is found by
/// it.
pub(crate) fn called(sts: &Sts, user: &User) -> Person {
    let upstream = user.origin.as_ref().and_then(|origin| sts.upstreams.of(&origin.issuer));
    let Some(upstream) = upstream else {
        return Person { name: user.username.clone(), upstream: None };
    };
    let name = user.name.as_deref().or_else(|| user.email.as_ref().map(|it| it.address().as_str()));
    let name = name.unwrap_or_else(|| federation::label(&user.username)).to_owned();
    Person { name, upstream: Some(upstream.setup.name.clone()) }
}

/// Whether a sign-in elsewhere still counts: at a provider that people may sign in through, by a
/// link that has not been ended, to this account.
pub(crate) async fn counts(sts: &Sts, user: &User, through: &Through) -> Result<bool, StoreError> {
    let Through { issuer, sub, link } = through;
    if sts.upstreams.of(issuer).is_none() {
        return Ok(false);
    }
    let linked = sts.linked.find(issuer, sub).await?;
    Ok(linked.is_some_and(|it| it.record.id == *link && it.subject == user.subject))
}
