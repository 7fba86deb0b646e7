//! Redemption of an authorization code. [RFC 6749 §4.1.3]
//!
//! [RFC 6749 §4.1.3]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3

use countersign_oidc::refresh::{self, OFFLINE_ACCESS};
use countersign_oidc::{Grant, RedeemError, code};
use countersign_store::Taken;
use countersign_types::{Params, Timestamp};

use super::issue::{self, Issued};
use super::{Asker, TokenResponse};
use crate::app::Sts;
use crate::error::TokenError;
use crate::sessions;

/// Redeems a code. One that is shown again ends the grant, and what it gave with it.
/// [RFC 6749 §4.1.2]
///
/// [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
pub(super) async fn redeem(
    sts: &Sts,
    params: &Params,
    asker: Asker<'_>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let client = asker.id();
    if !asker.registered.authorization_code {
        return Err(TokenError::UnauthorizedClient(client.clone()));
    }
    // Before the code is used up: whoever asks for what this client may never have can ask again.
    // What was not asked for with this code is known only when it is taken, and uses it up.
    super::check_resources(sts, params, asker.registered)?;
    let redemption = code::parse(params)?;
    let kept = match sts.codes.take(&redemption.code, client, now).await? {
        Taken::First(kept) => kept,
        Taken::Again(kept) => {
            // Whoever repeats a request as it was has proved no key, and ends nothing.
            asker.prove(sts).await?;
            sts.grants.remove(&kept.subject, &kept.grant_id).await?;
            tracing::warn!(
                target: "countersign::audit",
                client_id = %client,
                subject = %kept.subject,
                "an authorization code was shown again: what it gave is revoked",
            );
            return Err(RedeemError::Replayed.into());
        }
        Taken::Bound | Taken::Absent => return Err(RedeemError::Unknown.into()),
    };
    let redeemed = code::redeem(kept, &redemption, client, asker.presents(), now)?;
    let user = sts.user(&redeemed.subject).await?.ok_or(RedeemError::Unknown)?;
    let grant = sts.grants.find(&redeemed.subject, &redeemed.grant_id, now).await?;
    let mut grant = grant.ok_or(RedeemError::Unknown)?;
    if !sessions::uphold(sts, &user, &grant, now).await? {
        return Err(RedeemError::Unknown.into());
    }
    let audience = super::audience(sts, params, asker.registered, &grant)?;
    let proved = asker.prove(sts).await?;
    let offline = asker.registered.refresh_token && grant.scope.contains(OFFLINE_ACCESS);
    let refresh_token =
        if offline { Some(begin(sts, &mut grant, asker, now).await?) } else { None };
    let scope = grant.scope.clone();
    let nonce = redeemed.nonce;
    let issued = Issued { grant: &grant, scope: &scope, audience, nonce, refresh_token, proved };
    issue::tokens(sts, &user, asker, issued, now).await
}

/// The first refresh token of a grant.
async fn begin(
    sts: &Sts,
    grant: &mut Grant,
    asker: Asker<'_>,
    now: Timestamp,
) -> Result<refresh::Successor, TokenError> {
    let facts = super::refresh::facts(sts, asker, now);
    let first = refresh::begin(grant, &facts, sts.random.as_ref());
    let (is_live, ()) = tokio::try_join!(
        sts.grants.replace(&grant.subject, &grant.id, grant, now),
        sts.refresh_tokens.insert(&first.token, &first.record, first.expires),
    )?;
    if is_live { Ok(first) } else { Err(RedeemError::Unknown.into()) }
}
