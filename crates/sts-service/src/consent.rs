//! What people allowed clients for good. It is asked anew once the client calls itself by another
//! name or is answered at other places, since that may be another client by the same identifier
//! (O30), and once the person has another password, or has ended the link through which they had
//! signed in: whoever knew the former password, or is the person at the other provider, may have
//! allowed it.

use countersign_client_auth::Credentials;
use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_oidc::{AuthorizationRequest, Through};
use countersign_store::StoreError;
use countersign_types::digest::Digest;
use countersign_types::{ClientId, Lifetime, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::app::Sts;
use crate::broker;
use crate::clients::Client;
use crate::sessions::Active;
use crate::users::User;

/// For so long nobody is asked again: a year.
const LIFETIME: Lifetime = Lifetime::from_secs(365 * 86_400);

/// A consent as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Consent {
    pub(crate) client_id: ClientId,
    pub(crate) scope: ScopeSet,
    /// What the client was then.
    client: String,
    /// What the person could prove themselves with then. Absent in what older versions kept.
    #[serde(default)]
    credential: Option<String>,
    /// How they had signed in. Absent in what older versions kept, which is not known to count.
    #[serde(default)]
    way: Option<Way>,
}

/// Where somebody signed in who allowed something.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// At this server.
    Here,
    /// At another provider.
    Through(Through),
}

impl Way {
    fn of(session: &Active) -> Self {
        session.sign_in.through.clone().map_or(Self::Here, Self::Through)
    }

    /// Whether both end at once.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here, Self::Here) => true,
            (Self::Through(one), Self::Through(other)) => one.link == other.link,
            _ => false,
        }
    }
}

/// Whether what a person allowed before answers for them now. Not to a client that proves nothing
/// and is answered on the person's own machine: any program there can say that it is this client,
/// and listen. [RFC 6749 §10.2], [RFC 8252 §8.6]
///
/// [RFC 6749 §10.2]: https://www.rfc-editor.org/rfc/rfc6749#section-10.2
/// [RFC 8252 §8.6]: https://www.rfc-editor.org/rfc/rfc8252#section-8.6
pub(crate) fn spares_the_page(client: &Client, request: &AuthorizationRequest) -> bool {
    let proves_itself = !matches!(client.registered.credentials, Credentials::Public);
    proves_itself || request.redirect_uri.starts_with("https://")
}

/// What somebody allowed a client that is still what it was.
pub(crate) async fn allowed(
    sts: &Sts,
    user: &User,
    client: &Client,
    now: Timestamp,
) -> Result<ScopeSet, StoreError> {
    let consent = find(sts, user, client, now).await?;
    Ok(consent.map_or_else(ScopeSet::empty, |consent| consent.scope))
}

async fn find(
    sts: &Sts,
    user: &User,
    client: &Client,
    now: Timestamp,
) -> Result<Option<Consent>, StoreError> {
    let consent = sts.consents.find(&user.subject, &client.registered.id, now).await?;
    match consent {
        Some(it) if it.client == appearance(client) && it.stands(sts, user).await? => Ok(Some(it)),
        _ => Ok(None),
    }
}

/// Remembers what somebody has just allowed, beside what they allowed before. That the client may
/// go on while they are away is not remembered: it is asked each time.
pub(crate) async fn remember(
    sts: &Sts,
    session: &Active,
    client: &Client,
    request: &AuthorizationRequest,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (user, way) = (&session.user, Way::of(session));
    let before = find(sts, user, client, now).await?;
    let lasting = request.scope.iter().filter(|scope| *scope != OFFLINE_ACCESS);
    let Ok(lasting) = ScopeSet::from_tokens(lasting) else { return Ok(()) };
    if before.as_ref().is_some_and(|it| lasting.is_subset(&it.scope) && !it.scope.is_empty()) {
        return Ok(());
    }
    // INVARIANT: all of a consent ends at once. What was allowed another way is asked anew.
    let before = before.filter(|it| it.way.as_ref().is_some_and(|former| former.is_same(&way)));
    let consent = Consent {
        client_id: client.registered.id.clone(),
        scope: before.map_or(lasting.clone(), |before| before.scope.union(&lasting)),
        client: appearance(client),
        credential: Some(user.credential()),
        way: Some(way),
    };
    sts.consents.put(&user.subject, &consent.client_id, &consent, now.after(LIFETIME)).await
}

impl Consent {
    /// Whether it is of somebody who could prove themselves then as they can now, and the link that
    /// they had signed in through, if any, is there still.
    pub(crate) async fn stands(&self, sts: &Sts, user: &User) -> Result<bool, StoreError> {
        if self.credential.as_ref() != Some(&user.credential()) {
            return Ok(false);
        }
        match &self.way {
            Some(Way::Here) => Ok(true),
            Some(Way::Through(through)) => broker::counts(sts, user, through).await,
            None => Ok(false),
        }
    }
}

/// What a person knows a client by.
fn appearance(client: &Client) -> String {
    let mut parts = vec![client.name.as_bytes()];
    parts.extend(client.redirect_uris.iter().map(|uri| uri.as_str().as_bytes()));
    Digest::of_parts(&parts).to_base64url()
}
