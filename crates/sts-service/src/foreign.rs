//! Tokens of other issuers as subject tokens: whose, and what has to be asked about them.
//! [RFC 8693 §2.1]
//!
//! What a token has to say is decided in `countersign-token-exchange`. Here its issuer is asked for
//! its keys, for its word about an opaque token ([RFC 7662]) and for claims that the token lacks
//! ([OpenID Connect Core §5.3]).
//!
//! [OpenID Connect Core §5.3]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
//! [RFC 8693 §2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1

pub(crate) mod conversation;
pub(crate) mod outages;
pub(crate) mod renewal;

use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_fetch::{Fetch, FetchError};
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{KeySet, SignError};
use countersign_resolver::{IssuerCache, KeysError, ServerMetadataError};
use countersign_store::StoreError;
use countersign_token_exchange::foreign::{CheckedJwt, Claimed, ForeignSubject};
use countersign_token_exchange::subject::Subject;
use countersign_token_exchange::{ExchangeError, ForeignError, TrustedIssuer};
use countersign_types::secret::{AccessToken, RefreshToken};
use countersign_types::{ClientId, Clock, EndpointUrl, Issuer, Timestamp};
use http::StatusCode;

use self::conversation::introspect;
use self::outages::Outages;
use crate::access_token;
use crate::app::Sts;
use crate::error::TokenError;

/// An issuer that is trusted, and what is needed to ask it.
#[derive(Debug)]
pub struct IssuerSetup {
    /// How far it is trusted.
    pub trusted: TrustedIssuer,
    /// Where its keys are.
    pub keys: IssuerKeys,
    /// How this server authenticates when it asks about opaque tokens, which are refused without
    /// it, and about every access token that a refresh token came out of.
    pub introspection: Option<Introspection>,
    /// Whether its UserInfo endpoint is asked for the claims that an access token lacks.
    pub user_info: bool,
}

impl IssuerSetup {
    /// An issuer that is asked for its metadata and its keys, and for nothing else.
    #[must_use]
    pub const fn new(trusted: TrustedIssuer) -> Self {
        Self { trusted, keys: IssuerKeys::Published, introspection: None, user_info: false }
    }
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub enum IssuerKeys {
    /// Where its metadata says.
    Published,
    /// Behind this URL.
    At(EndpointUrl),
    /// Here.
    Given(Arc<KeySet>),
}

/// The client that this server is at an issuer that it asks. [RFC 7662 §2.1]
///
/// [RFC 7662 §2.1]: https://www.rfc-editor.org/rfc/rfc7662#section-2.1
#[derive(Clone, Debug)]
pub struct Introspection {
    /// Its client id there.
    pub client_id: ClientId,
    /// What it proves itself with there.
    pub proof: Proof,
}

/// The issuers whose tokens may be exchanged, and what is known of them. None by default.
#[derive(Default)]
pub struct TrustedIssuers(Option<Known>);

struct Known {
    issuers: Vec<Peer>,
    fetch: Arc<dyn Fetch>,
}

pub(crate) struct Peer {
    pub(crate) setup: IssuerSetup,
    published: IssuerCache,
    /// Each of its endpoints may be away while the other is there.
    introspection: Outages,
    user_info: Outages,
}

/// Why an issuer did not say what it has to. It is no statement about the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// Its metadata cannot be had, or is another's.
    #[error("no metadata of the issuer")]
    Metadata(#[from] ServerMetadataError),
    /// Its keys cannot be had.
    #[error("no keys of the issuer")]
    Keys(#[from] KeysError),
    /// Its metadata lacks what is needed.
    #[error("the issuer publishes no {0}")]
    NotPublished(&'static str),
    /// An endpoint did not answer.
    #[error("no response from the {endpoint}")]
    Fetch {
        /// The endpoint, by its metadata name.
        endpoint: &'static str,
        /// What happened.
        #[source]
        source: FetchError,
    },
    /// An endpoint refused the request, or failed.
    #[error("the {endpoint} answered {status}")]
    Refused {
        /// The endpoint, by its metadata name.
        endpoint: &'static str,
        /// The status.
        status: StatusCode,
    },
    /// It failed a moment ago, and was not asked again.
    #[error("the server failed a moment ago")]
    LeftAlone,
    /// An answer is not what its specification says.
    #[error("the {0} answered with something else")]
    Malformed(&'static str),
    /// No proof of who this server is could be made.
    #[error("the client authentication could not be made")]
    Proof(#[from] SignError),
}

impl TrustedIssuers {
    /// These issuers, asked through `fetch`.
    #[must_use]
    pub fn new(
        issuers: impl IntoIterator<Item = IssuerSetup>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let issuers = issuers.into_iter().map(|setup| Peer::new(setup, &fetch, &clock)).collect();
        Self(Some(Known { issuers, fetch }))
    }

    /// How far each is trusted.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.0.iter().flat_map(|known| &known.issuers).map(|peer| &peer.setup.trusted)
    }

    /// Establishes on whose behalf a request with a token of another issuer is made.
    pub(crate) async fn subject(
        &self,
        sts: &Sts,
        claimed: Claimed<'_>,
        token: &AccessToken,
        proved: Option<Confirmation>,
        now: Timestamp,
    ) -> Result<Subject, TokenError> {
        // Nobody was found in an empty list.
        let known = self.0.as_ref().ok_or_else(|| rejected(ForeignError::Issuer))?;
        let peer = known.peer(&claimed)?;
        let mut subject = match claimed {
            Claimed::Jwt(jwt) => {
                let checked = jwt.check(sts.issuer(), now).map_err(rejected)?;
                let keys = peer.keys_of(&checked).await?;
                checked.verify(&keys).map_err(rejected)?
            }
            Claimed::Opaque(opaque) => {
                let Some(introspection) = &peer.setup.introspection else {
                    return Err(rejected(ForeignError::Opaque));
                };
                if is_own(sts, token, now).await? {
                    return Err(rejected(ForeignError::Own));
                }
                let (fetch, random) = (known.fetch.as_ref(), sts.random.as_ref());
                let answer = introspect(fetch, random, peer, introspection, token, now).await?;
                let answer = answer.ok_or_else(|| rejected(ForeignError::Inactive))?;
                opaque.introspected(answer, sts.issuer(), now).map_err(rejected)?
            }
        };
        if peer.setup.user_info && subject.opens_user_info() {
            subject = known.with_user_info(peer, subject, token).await?;
        }
        if subject.takes_account()
            && let Some(account) = account(sts, &peer.setup.trusted.issuer, &subject).await?
        {
            subject = subject.with_account(account);
        }
        subject.subject(proved).map_err(rejected)
    }

    /// Whether an issuer says at this moment that a token of its own is good; nothing if it is
    /// trusted no more, or cannot be asked about such a token.
    pub(crate) async fn stand_by(
        &self,
        sts: &Sts,
        issuer: &Issuer,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Option<bool>, TokenError> {
        let Some(known) = &self.0 else { return Ok(None) };
        let peer = known.issuers.iter().find(|peer| peer.setup.trusted.issuer == *issuer);
        let asked = peer.and_then(|peer| Some((peer, peer.setup.introspection.as_ref()?)));
        let Some((peer, introspection)) = asked else { return Ok(None) };
        let (fetch, random) = (known.fetch.as_ref(), sts.random.as_ref());
        let answer = introspect(fetch, random, peer, introspection, token, now).await?;
        Ok(answer.map(|answer| answer.bool("active").is_ok_and(|active| active == Some(true))))
    }
}

/// The account that somebody could sign in to through this issuer: that of a link, at a provider of
/// the configuration, by whose word they may come in, and not disabled.
async fn account(
    sts: &Sts,
    issuer: &Issuer,
    subject: &ForeignSubject<'_>,
) -> Result<Option<String>, StoreError> {
    let upstream = sts.upstreams.of(issuer);
    // A person whom the sign-in turns away gets in by no token, either.
    if upstream.is_none_or(|upstream| !subject.meets(&upstream.setup.mapping.required)) {
        return Ok(None);
    }
    let Some(linked) = sts.linked.find(issuer, subject.sub()).await? else { return Ok(None) };
    let user = sts.user(&linked.subject).await?;
    Ok(user.map(|user| user.subject.clone()))
}

impl Known {
    fn peer(&self, claimed: &Claimed<'_>) -> Result<&Peer, TokenError> {
        let trusted = match claimed {
            Claimed::Jwt(jwt) => jwt.issuer(),
            Claimed::Opaque(opaque) => opaque.issuer(),
        };
        let found = self.issuers.iter().find(|peer| peer.setup.trusted.issuer == trusted.issuer);
        found.ok_or_else(|| rejected(ForeignError::Issuer))
    }

    async fn with_user_info<'a>(
        &self,
        peer: &Peer,
        subject: ForeignSubject<'a>,
        token: &AccessToken,
    ) -> Result<ForeignSubject<'a>, TokenError> {
        match self.user_info(peer, token).await? {
            Some(user_info) => subject.with_user_info(user_info).map_err(rejected),
            None => Err(rejected(ForeignError::Inactive)),
        }
    }
}

impl Peer {
    /// Nothing is known of it yet.
    pub(crate) fn new(setup: IssuerSetup, fetch: &Arc<dyn Fetch>, clock: &Arc<dyn Clock>) -> Self {
        let issuer = setup.trusted.issuer.clone();
        let published = IssuerCache::new(issuer, Arc::clone(fetch), Arc::clone(clock));
        let (introspection, user_info) =
            (Outages::new(Arc::clone(clock)), Outages::new(Arc::clone(clock)));
        Self { setup, published, introspection, user_info }
    }

    /// The keys that may have signed the token.
    pub(crate) async fn keys_of(&self, token: &CheckedJwt<'_>) -> Result<Arc<KeySet>, IssuerError> {
        let published;
        let url = match &self.setup.keys {
            IssuerKeys::Given(keys) => return Ok(Arc::clone(keys)),
            IssuerKeys::At(url) => url,
            IssuerKeys::Published => {
                published = self.published.metadata().await?;
                published.jwks_uri.as_ref().ok_or(IssuerError::NotPublished("jwks_uri"))?
            }
        };
        Ok(self.published.keys_with(url, token.key_id()).await?)
    }
}

/// Whether this server gave the token out: nobody else is told of it, whatever its holder calls it.
async fn is_own(sts: &Sts, token: &AccessToken, now: Timestamp) -> Result<bool, StoreError> {
    let refresh_token = RefreshToken::new(token.expose());
    let (kept, refresh) = tokio::try_join!(
        access_token::kept(sts, token, now),
        sts.refresh_tokens.find(&refresh_token, now)
    )?;
    Ok(kept.is_some() || refresh.is_some())
}

fn rejected(error: ForeignError) -> TokenError {
    ExchangeError::from(error).into()
}

impl std::fmt::Debug for TrustedIssuers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let aliases = self.policies().map(|trusted| &trusted.alias).collect::<Vec<_>>();
        f.debug_tuple("TrustedIssuers").field(&aliases).finish()
    }
}
