//! Who a token says is calling, before anybody has verified it.

use countersign_jwt::Unverified;
use countersign_types::secret::AccessToken;

/// Who a token says is calling. It is for records of decisions: of a token that was refused it is
/// nobody's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claimed {
    /// `iss`.
    pub issuer: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `act.sub`: who acts now. [RFC 8693 §4.1](https://www.rfc-editor.org/rfc/rfc8693#section-4.1)
    pub actor: Option<String>,
}

impl Claimed {
    /// What a token says; nothing if it is no JWT.
    pub(crate) fn by(token: &AccessToken) -> Self {
        let Ok(token) = Unverified::parse(token.expose()) else { return Self::default() };
        let claims = token.claims();
        let text = |name| claims.str(name).ok().flatten().map(str::to_owned);
        let actor = claims.get("act").and_then(|act| act.get("sub")?.as_str());
        Self {
            issuer: text("iss"),
            subject: text("sub"),
            client_id: text("client_id"),
            actor: actor.map(str::to_owned),
        }
    }
}
