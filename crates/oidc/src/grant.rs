//! What a person allowed a client: everything that is issued for it derives from it. [RFC 6749 §1.3]
//!
//! A grant is kept from the moment that the person said yes. The code, the refresh tokens and the
//! access tokens name it and count while it is kept, so that ending it ends them all.
//!
//! [RFC 6749 §1.3]: https://www.rfc-editor.org/rfc/rfc6749#section-1.3

use countersign_types::{ClientId, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::refresh::Renewal;

/// What a person allowed a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which one.
    pub id: String,
    /// Who allowed it.
    pub subject: String,
    /// To whom.
    pub client_id: ClientId,
    /// What.
    pub scope: ScopeSet,
    /// How the person had signed in.
    pub sign_in: SignIn,
    /// From when on nothing of it counts.
    pub expires: Timestamp,
    /// How far it was renewed, once there is a refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
}

/// How a person signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The session that began with it.
    pub sid: String,
    /// When.
    pub auth_time: Timestamp,
    /// By which methods. [RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)
    pub amr: Vec<String>,
}
