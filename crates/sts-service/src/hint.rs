//! An ID token of ours as a hint of whom a client means. [OpenID Connect Core §3.1.2.1],
//! [OpenID Connect RP-Initiated Logout §2]
//!
//! [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
//! [OpenID Connect RP-Initiated Logout §2]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout

use countersign_jwt::{Algorithm, Policy, Typ, Unverified};
use countersign_oidc::id_token::TYP;
use countersign_types::{ClientId, Lifetime, Timestamp};
use serde::{Deserialize, Serialize};

use crate::app::Sts;
use crate::sessions::Active;

/// What an ID token says of the person and the session.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hint {
    pub(crate) subject: String,
    sid: String,
    pub(crate) client_id: ClientId,
    expires: Timestamp,
}

impl Hint {
    /// The hint, if this server signed it. How old it is, is for whoever uses it.
    pub(crate) fn verify(sts: &Sts, token: &str, now: Timestamp) -> Option<Self> {
        let policy = Policy::new(Typ::Is(TYP))
            .algorithms(&[Algorithm::Es256, Algorithm::Rs256])
            .issuer(sts.issuer().as_str())
            // Its time may be over.
            .leeway(Lifetime::from_secs(u32::MAX))
            .require("sub")
            .require("sid");
        let token = Unverified::parse(token).ok()?.check(&policy, now).ok()?;
        let claims = token.verify(sts.keys().published()).ok()?.into_claims();
        let audience = claims.audience().ok()?;
        let [client_id] = audience.as_slice() else { return None };
        Some(Self {
            client_id: ClientId::parse(client_id).ok()?,
            subject: claims.required_str("sub").ok()?.to_owned(),
            sid: claims.required_str("sid").ok()?.to_owned(),
            expires: claims.timestamp("exp").ok()??,
        })
    }

    /// Whether its time is over.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether it speaks of this very session.
    pub(crate) fn is_of(&self, active: &Active) -> bool {
        self.subject == active.user.subject && self.sid == active.sign_in.sid
    }

    /// Whether it speaks of the person who is signed in. One whose time is over speaks of its own
    /// session only.
    pub(crate) fn means(&self, active: &Active, now: Timestamp) -> bool {
        self.is_of(active) || (!self.has_expired(now) && self.subject == active.user.subject)
    }
}
