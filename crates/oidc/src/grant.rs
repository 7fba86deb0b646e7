//! What a person allowed a client: everything that is issued for it derives from it. [RFC 6749
//! §1.3]
//!
//! A grant is kept from the moment that the person said yes. The code, the refresh tokens and the
//! access tokens name it and count while it is kept, so that ending it ends them all.
//!
//! [RFC 6749 §1.3]: https://www.rfc-editor.org/rfc/rfc6749#section-1.3

use std::collections::BTreeSet;

use countersign_types::{ClientId, Issuer, ScopeSet, Timestamp};
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
    /// What its tokens are for, if the client said: no more than that. [RFC 8707 §2.2]
    ///
    /// [RFC 8707 §2.2]: https://www.rfc-editor.org/rfc/rfc8707#section-2.2
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<String>,
    /// How the person had signed in.
    pub sign_in: SignIn,
    /// From when on nothing of it counts.
    pub expires: Timestamp,
    /// How far it was renewed, once there is a refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
}

/// The class of a sign-in by password over TLS, as SAML named it and others call it.
/// [Authentication Context for SAML V2.0]
///
/// [Authentication Context for SAML V2.0]: https://docs.oasis-open.org/security/saml/v2.0/saml-authn-context-2.0-os.pdf
pub const PASSWORD_ACR: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// How a person signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The session that began with it.
    pub sid: String,
    /// When, as far as that is known: another provider need not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// What that is worth: a class that others know, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By which methods. [RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)
    pub amr: Vec<String>,
    /// At which other provider, if not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Through>,
    /// A digest of what the person could prove themselves with then: the sign-in counts while they
    /// still can. Absent in what older versions kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Another provider at which a person signed in. What came of that counts while the identity there
/// is linked to the account here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Through {
    /// The provider.
    pub issuer: Issuer,
    /// Who the person is there.
    pub sub: String,
    /// The link by which that is the person's account here: one that was ended and made again is
    /// another.
    pub link: String,
}
