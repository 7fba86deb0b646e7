//! Whether an access token of this server still counts.
//!
//! A token ends
//!
//! - with its time, with itself, and with any token that it was exchanged out of;
//! - with what the person allowed, with the password that they signed in by, and with their
//!   account;
//! - with the registration of its client, of the client that the person allowed it, and of every
//!   client that acts in it.
//!
//! Each is asked anew wherever a token is shown, so that each end bites at once.

use countersign_jwt::act::ActorChain;
use countersign_jwt::{Algorithm, Claims, Policy, Typ, Unverified};
use countersign_store::StoreError;
use countersign_token_exchange::subject::{self, GRANT_ID, ORIGIN_JTI, TYP, TokenState};
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Lifetime, ScopeSet, Timestamp};

use crate::access_token;
use crate::app::Sts;
use crate::foreign::renewal;

/// Claims of an access token that this server alone reads.
pub(crate) const PRIVATE: &[&str] = &[GRANT_ID, ORIGIN_JTI];

/// An access token that this server signed, or gave out as an opaque one, and whose time has come
/// and is not over, whoever it is for.
pub(crate) struct IssuedToken {
    pub(crate) claims: Claims,
    pub(crate) subject: String,
    pub(crate) client_id: ClientId,
    pub(crate) jti: String,
    pub(crate) scope: ScopeSet,
    pub(crate) expires: Timestamp,
}

/// What a token derives from.
pub(crate) struct Derivation<'a> {
    /// The token itself.
    pub(crate) jti: &'a str,
    /// The tokens that it was exchanged out of.
    pub(crate) ancestors: &'a [String],
    /// Who allowed it, and the grant.
    pub(crate) grant: Option<(&'a str, &'a str)>,
}

impl IssuedToken {
    /// The token behind an untrusted text; `None` if there is none.
    pub(crate) async fn find(
        sts: &Sts,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let kept = access_token::kept(sts, token, now).await?;
        let claims = kept.or_else(|| signed(sts, token, now));
        Ok(claims.and_then(|claims| Self::of(sts, claims, now)))
    }

    fn of(sts: &Sts, claims: Claims, now: Timestamp) -> Option<Self> {
        let expires = claims.timestamp("exp").ok()?.filter(|expires| *expires > now)?;
        let issued_here = claims.required_str("iss").ok()? == sts.issuer().as_str();
        issued_here.then_some(())?;
        Some(Self {
            subject: claims.required_str("sub").ok()?.to_owned(),
            client_id: ClientId::parse(claims.required_str("client_id").ok()?).ok()?,
            jti: claims.required_str("jti").ok()?.to_owned(),
            scope: ScopeSet::parse(claims.str("scope").ok()?.unwrap_or_default()).ok()?,
            expires,
            claims,
        })
    }

    /// Whether nothing that the token derives from has ended.
    pub(crate) async fn is_live(&self, sts: &Sts, now: Timestamp) -> Result<bool, StoreError> {
        // What cannot be read was not written here.
        let (Ok(ancestors), Ok(grant)) =
            (subject::ancestors(&self.claims), self.claims.str(GRANT_ID))
        else {
            return Ok(false);
        };
        let derivation = Derivation {
            jti: &self.jti,
            ancestors: &ancestors,
            grant: grant.map(|id| (self.subject.as_str(), id)),
        };
        if derivation.state(sts, now).await? == TokenState::Revoked {
            return Ok(false);
        }
        if !actors_remain(sts, &self.claims).await? {
            return Ok(false);
        }
        if renewal::is_of_another_issuer(&self.subject) {
            // The account is another issuer's, whose word lasts as long as the token.
            return sts.clients.is_known(&self.client_id).await;
        }
        parties_remain(sts, &self.subject, &self.client_id).await
    }
}

/// Whether every client of this server that acts, or acted before, is still registered.
pub(crate) async fn actors_remain(sts: &Sts, claims: &Claims) -> Result<bool, StoreError> {
    let Some(act) = claims.get("act") else { return Ok(true) };
    let Ok(chain) = ActorChain::from_claim(act) else { return Ok(false) };
    for actor in chain.prior().iter().chain([chain.current()]) {
        let is_ours = actor.iss.as_deref().is_none_or(|iss| iss == sts.issuer().as_str());
        let Some(client) = actor.client_id.as_deref().filter(|_| is_ours) else { continue };
        match ClientId::parse(client) {
            Ok(client) if sts.clients.is_known(&client).await? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The claims of a token that this server signed.
fn signed(sts: &Sts, token: &AccessToken, now: Timestamp) -> Option<Claims> {
    let policy = Policy::new(Typ::Is(TYP))
        .algorithms(&[Algorithm::Es256])
        .issuer(sts.issuer().as_str())
        // One clock made and reads this token: there is no skew to allow for.
        .leeway(Lifetime::from_secs(0))
        .require("sub")
        .require("client_id")
        .require("jti");
    let token = Unverified::parse(token.expose()).ok()?.check(&policy, now).ok()?;
    Some(token.verify(sts.keys().published()).ok()?.into_claims())
}

impl Derivation<'_> {
    /// [`TokenState::Revoked`] if something of it was.
    pub(crate) async fn state(&self, sts: &Sts, now: Timestamp) -> Result<TokenState, StoreError> {
        for jti in self.ancestors.iter().map(String::as_str).chain([self.jti]) {
            if sts.revoked.is_revoked(jti, now).await? {
                return Ok(TokenState::Revoked);
            }
        }
        Ok(match self.grant {
            Some((subject, id)) if !renewal::is_kept(sts, subject, id, now).await? => {
                TokenState::Revoked
            }
            _ => TokenState::Active,
        })
    }
}

/// Whether the person still has an account and the client is still registered. A client that acts
/// for itself is its own subject.
pub(crate) async fn parties_remain(
    sts: &Sts,
    subject: &str,
    client_id: &ClientId,
) -> Result<bool, StoreError> {
    let is_client = subject == client_id.as_str();
    let has_account = is_client || sts.user(subject).await?.is_some();
    Ok(has_account && sts.clients.is_known(client_id).await?)
}
