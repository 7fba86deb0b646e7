//! Refresh tokens for what was granted on another issuer's word. [RFC 6749 §6]
//!
//! [RFC 6749 §6]: https://www.rfc-editor.org/rfc/rfc6749#section-6

use countersign_oidc::refresh::RefreshRequest;
use countersign_oidc::{RefreshError, RefreshRecord};
use countersign_pages::Seal;
use countersign_store::StoreError;
use countersign_token_exchange::policy::ExchangePolicy;
use countersign_token_exchange::renewal::{
    self, AskedAbout, Facts, Renewable, RenewalError, Wanted,
};
use countersign_token_exchange::response::{Refresh, respond_with};
use countersign_token_exchange::subject::Subject;
use countersign_token_exchange::trusted_issuer::SUBJECT_PREFIX;
use countersign_token_exchange::{ExchangeError, ForeignError, Grant};
use countersign_types::secret::{AccessToken, RefreshToken};
use countersign_types::{ClientId, Timestamp, random};

use crate::app::Sts;
use crate::error::TokenError;
use crate::exchange;
use crate::sessions;
use crate::token::{Asker, TokenResponse};

/// The token that an exchange is for.
pub(crate) struct Presented<'a> {
    pub(crate) token: &'a AccessToken,
    /// Whether its issuer said a moment ago that it is good.
    pub(crate) was_asked_about: bool,
}

/// The refresh token that comes with an exchange, if one does. It is kept before it is given out.
///
/// An access token whose issuer can be asked is kept for as long as there is something to ask:
/// sealed under the refresh token, of which this server has a digest alone. Nothing that lasts
/// comes of one that its issuer revoked, whatever its signature says.
pub(crate) async fn begin(
    sts: &Sts,
    grant: &mut Grant,
    subject: &Subject,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Option<Refresh>, TokenError> {
    let id = random::identifier(sts.random.as_ref());
    let Some(mut kept) = renewal::begin(grant, subject, id) else { return Ok(None) };
    let token = RefreshToken::generate(sts.random.as_ref());
    let Presented { token: asked_about, was_asked_about } = presented;
    let word = match was_asked_about {
        true => Some(true),
        false if !subject.is_to_be_asked_about() => None,
        false => sts.trusted_issuers.stand_by(sts, &kept.issuer, asked_about, now).await?,
    };
    if word == Some(false) {
        return Err(ExchangeError::from(ForeignError::Inactive).into());
    }
    if word.is_some() {
        let seal = Seal::under(token.expose()).ok();
        let sealed = seal.and_then(|it| it.close(&asked_about.expose(), sts.random.as_ref()));
        // Nothing may be granted again that nobody could be asked about.
        let Some(sealed) = sealed else { return Err(StoreError::Stopped.into()) };
        kept.asked_about = Some(AskedAbout { sealed, expires: subject.expires() });
    }
    let record = RefreshRecord {
        subject: kept.subject.clone(),
        grant_id: kept.id.clone(),
        generation: 0,
        seed: None,
    };
    tokio::try_join!(
        sts.renewables.insert(&kept.subject, &kept.id, &kept, kept.expires),
        sts.refresh_tokens.insert(&token, &record, kept.expires),
    )?;
    Ok(Some(Refresh { token, expires: kept.expires }))
}

/// Whether a refresh token is for a grant on another issuer's word.
pub(crate) fn is_of_another_issuer(subject: &str) -> bool {
    subject.starts_with(SUBJECT_PREFIX)
}

/// The client of a live grant, whoever allowed it.
pub(crate) async fn holder(
    sts: &Sts,
    subject: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<ClientId>, StoreError> {
    Ok(if is_of_another_issuer(subject) {
        sts.renewables.find(subject, id, now).await?.map(|kept| kept.client_id)
    } else {
        sts.grants.find(subject, id, now).await?.map(|grant| grant.client_id)
    })
}

/// Whether what is issued on a grant counts: the grant is kept, its client is registered, and what
/// the person allowed stands.
pub(crate) async fn is_kept(
    sts: &Sts,
    subject: &str,
    id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if is_of_another_issuer(subject) {
        let Some(kept) = sts.renewables.find(subject, id, now).await? else { return Ok(false) };
        return sts.clients.is_known(&kept.client_id).await;
    }
    let Some(grant) = sts.grants.find(subject, id, now).await? else { return Ok(false) };
    // What others exchanged out of it ends with its client, too.
    if !sts.clients.is_known(&grant.client_id).await? {
        return Ok(false);
    }
    let user = sts.user(subject).await?;
    match user {
        Some(user) => sessions::uphold(sts, &user, &grant, now).await,
        None => Ok(false),
    }
}

/// Gives a new access token, for `resources` alone if it names any. The client proves itself, so
/// that its refresh token stays the same.
pub(crate) async fn refresh(
    sts: &Sts,
    request: RefreshRequest,
    resources: Vec<&str>,
    record: &RefreshRecord,
    asker: Asker<'_>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let Asker { client, registered, .. } = asker;
    let kept = sts.renewables.find(&record.subject, &record.grant_id, now).await?;
    let mut kept = kept.ok_or(RefreshError::Unknown)?;
    let mut issuers = sts.trusted_issuers.policies();
    let facts = Facts {
        client,
        issuer: issuers.find(|trusted| trusted.issuer == kept.issuer),
        policy: ExchangePolicy {
            server: &sts.policy,
            client: &registered.exchange,
            delegation: sts.delegation.as_ref(),
        },
        idle: sts.settings.refresh_token_idle,
        now,
    };
    let wanted = Wanted { scope: request.scope, resources };
    let mut grant = renewal::renew(&mut kept, wanted, &facts).map_err(refused)?;
    grant.confirmation = asker.prove(sts).await?;
    if !stands(sts, &kept, &request.refresh_token, now).await? {
        sts.renewables.remove(&kept.subject, &kept.id).await?;
        tracing::warn!(
            target: "countersign::audit",
            client_id = %client.id(),
            subject = kept.subject,
            subject_issuer = %kept.issuer,
            "an issuer stands by a token no more: what was granted on its word is revoked",
        );
        return Err(RefreshError::Unknown.into());
    }
    if !sts.renewables.replace(&kept.subject, &kept.id, &kept, now).await? {
        return Err(RefreshError::Unknown.into());
    }
    let jti = random::identifier(sts.random.as_ref());
    let token = exchange::mint(sts, registered, &grant, &jti).await?;
    let Renewable { issuer, subject, .. } = &kept;
    tracing::info!(
        target: "countersign::audit",
        client_id = %client.id(),
        subject,
        subject_issuer = %issuer,
        issued = jti,
        rules = ?grant.rules,
        "what was granted on another issuer's word was refreshed",
    );
    Ok(respond_with(&grant, &token, None))
}

/// Whether the issuer still stands by the token that it was asked about, while that has not ended
/// by itself. [RFC 7662 §2.2]
///
/// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
async fn stands(
    sts: &Sts,
    kept: &Renewable,
    refresh_token: &RefreshToken,
    now: Timestamp,
) -> Result<bool, TokenError> {
    let Some(AskedAbout { sealed, .. }) = &kept.asked_about else { return Ok(true) };
    let seal = Seal::under(refresh_token.expose()).ok();
    let token = seal.and_then(|seal| seal.open::<String>(sealed)).map(AccessToken::new);
    match token {
        Some(token) => {
            let word = sts.trusted_issuers.stand_by(sts, &kept.issuer, &token, now).await?;
            Ok(word == Some(true))
        }
        None => Ok(false),
    }
}

fn refused(error: RenewalError) -> TokenError {
    match error {
        RenewalError::Idle => RefreshError::Idle.into(),
        RenewalError::Scope => RefreshError::Scope.into(),
        RenewalError::Target => TokenError::Target,
        _ => RefreshError::Unknown.into(),
    }
}
