//! Refreshing an access token. [RFC 6749 §6], [RFC 9700 §4.14.2]
//!
//! [RFC 6749 §6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
//! [RFC 9700 §4.14.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2

use countersign_jwt::cnf::Confirmation;
use countersign_oidc::authorize::RESOURCE;
use countersign_oidc::refresh::{self, Admitted, Facts, RefreshRequest, Refreshed};
use countersign_oidc::{Grant, RefreshError, RefreshRecord};
use countersign_types::{Params, Timestamp};

use super::issue::{self, Issued};
use super::{Asker, TokenResponse};
use crate::app::Sts;
use crate::error::TokenError;
use crate::foreign::renewal;
use crate::sessions;

/// Gives new tokens for a refresh token. One that was replaced ends the grant.
pub(super) async fn refresh(
    sts: &Sts,
    params: &Params,
    asker: Asker<'_>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    if !asker.registered.refresh_token {
        return Err(TokenError::UnauthorizedClient(asker.id().clone()));
    }
    let request = refresh::parse(params)?;
    let record = sts.refresh_tokens.find(&request.refresh_token, now).await?;
    let record = record.ok_or(RefreshError::Unknown)?;
    if renewal::is_of_another_issuer(&record.subject) {
        let resources = params.all(RESOURCE).collect();
        return renewal::refresh(sts, request, resources, &record, asker, now).await;
    }
    let (subject, grant_id) = (record.subject.clone(), record.grant_id.clone());
    let grant = sts.grants.find(&subject, &grant_id, now).await?.ok_or(RefreshError::Unknown)?;
    // Before the token is used up: who comes back finds it as it was.
    let user = sts.user(&subject).await?.ok_or(RefreshError::Unknown)?;
    if !sessions::uphold(sts, &user, &grant, now).await? {
        return Err(RefreshError::Unknown.into());
    }
    let audience = super::audience(sts, params, asker.registered, &grant)?;

    let (refreshed, proved) = match renew(sts, request, record, grant, asker, now).await {
        Err(TokenError::Refresh(RefreshError::Reused)) => {
            sts.grants.remove(&subject, &grant_id).await?;
            tracing::warn!(
                target: "countersign::audit",
                client_id = %asker.id(),
                subject,
                "a refresh token that was replaced was shown again: its grant has ended",
            );
            return Err(RefreshError::Reused.into());
        }
        renewed => renewed?,
    };
    let Refreshed { scope, grant, is_repeated, successor } = refreshed;
    if is_repeated {
        tracing::info!(
            target: "countersign::audit",
            client_id = %asker.id(),
            subject,
            "the same refresh token was given once more, to the key that it is bound to",
        );
    }
    let issued = Issued {
        grant: &grant,
        scope: &scope,
        audience,
        nonce: None,
        refresh_token: successor,
        proved,
    };
    issue::tokens(sts, &user, asker, issued, now).await
}

/// Decides, and keeps what was decided before anybody learns of it.
async fn renew(
    sts: &Sts,
    request: RefreshRequest,
    record: RefreshRecord,
    grant: Grant,
    asker: Asker<'_>,
    now: Timestamp,
) -> Result<(Refreshed, Option<Confirmation>), TokenError> {
    let admitted = refresh::admit(request, record, grant, &facts(sts, asker, now));
    let proved = match &admitted {
        // Whoever repeats a request as it was has proved no key, and ends nothing.
        Ok(_) | Err(RefreshError::Reused) => asker.prove(sts).await?,
        Err(_) => None,
    };
    let refreshed = match admitted? {
        Admitted::Done(refreshed) => refreshed,
        Admitted::OnceOnly(rotating) => {
            let (key, until) = rotating.once();
            let seen = sts.replay.insert_new(key, until).await?;
            rotating.if_new(seen, sts.random.as_ref())?
        }
    };
    let Refreshed { grant, is_repeated, successor, .. } = &refreshed;
    let keep_grant = async {
        if *is_repeated {
            return Ok(true);
        }
        sts.grants.replace(&grant.subject, &grant.id, grant, now).await
    };
    let keep_successor = async {
        match successor {
            Some(next) => sts.refresh_tokens.insert(&next.token, &next.record, next.expires).await,
            None => Ok(()),
        }
    };
    let (is_live, ()) = tokio::try_join!(keep_grant, keep_successor)?;
    if is_live { Ok((refreshed, proved)) } else { Err(RefreshError::Unknown.into()) }
}

pub(super) fn facts<'a>(sts: &Sts, asker: Asker<'a>, now: Timestamp) -> Facts<'a> {
    Facts {
        client: asker.id(),
        is_public: !asker.client.is_confidential(),
        allowed: &asker.registered.scopes,
        proved: asker.presents(),
        idle: sts.settings.refresh_token_idle,
        now,
    }
}
