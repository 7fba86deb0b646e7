//! The receiver's side: what a notice has to say and by whom it has to be signed.

use countersign_jwt::claims::Claims;
use countersign_jwt::json::{self, JsonError};
use countersign_jwt::jws::UnverifiedJws;
use countersign_jwt::{ClaimError, KeySet, Malformed, VerifyError};
use countersign_types::{ClientId, Issuer, Lifetime, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{MEDIA_TYPE, Party, REQUEST_SUBMITTED, Shown, TYP};
use crate::protection::OwnerId;

/// A notice may be issued so far in the future by the receiver's clock.
const LEEWAY: Lifetime = Lifetime::from_secs(60);

/// A notice that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Its identifier. Who has seen it before has been told already, and answers as the first time.
    pub jti: String,
    /// When the request began to wait.
    pub at: Timestamp,
    /// Whose answer is awaited.
    pub owner: OwnerId,
    /// Where their resources are: the resource server's client identifier at the authorization
    /// server.
    pub resource_server: ClientId,
    /// What is asked for. Where it is a lot, the page has all of it.
    pub permissions: Vec<Shown>,
    /// The page on which the owner decides, once they have signed in.
    pub page: Option<String>,
    /// Who asks, if that is said.
    pub requesting_party: Option<Party>,
}

#[derive(Deserialize)]
struct Payload {
    owner: OwnerId,
    resource_server: ClientId,
    permissions: Vec<Shown>,
    page: Option<String>,
    requesting_party: Option<Party>,
}

/// Why a text is no notice for this receiver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoticeError {
    /// It is no token.
    #[error("malformed token")]
    Malformed(#[from] Malformed),
    /// It is a token of another type.
    #[error("the token is no security event token")]
    Typ,
    /// Its signature was not accepted.
    #[error("the signature was not accepted")]
    Signature(#[from] VerifyError),
    /// Its payload is not JSON.
    #[error("the payload is no set of claims")]
    Payload(#[from] JsonError),
    /// Another server issued it.
    #[error("the token is from another issuer")]
    Issuer,
    /// It is for another receiver.
    #[error("the token is for another audience")]
    Audience,
    /// A claim is missing or malformed, or the time of issue lies in the future.
    #[error("a claim does not fit")]
    Claim(#[from] ClaimError),
    /// It tells of another event, or of this one in another form.
    #[error("the token does not tell of a request that waits")]
    Event,
}

impl NoticeError {
    /// The error code that the receiver answers with, in `err`. [RFC 8935 §2.4]
    ///
    /// [RFC 8935 §2.4]: https://www.rfc-editor.org/rfc/rfc8935#section-2.4
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Signature(_) => "invalid_key",
            Self::Issuer => "invalid_issuer",
            Self::Audience => "invalid_audience",
            // One of the clocks is wrong, which passes: a code that has the sender try again.
            Self::Claim(ClaimError::IssuedInFuture) => "access_denied",
            Self::Malformed(_) | Self::Typ | Self::Payload(_) | Self::Claim(_) | Self::Event => {
                "invalid_request"
            }
        }
    }
}

/// Verifies what was pushed to this receiver: the body of the request, and the keys that the issuer
/// publishes at its `jwks_uri`. That it is the first of its `jti` is for the receiver to know.
///
/// ```
/// use countersign_jwt::KeySet;
/// use countersign_types::{Issuer, Timestamp};
/// use countersign_uma::notice;
///
/// # fn receive(body: &str, keys: &KeySet, now: Timestamp) -> Result<u16, Box<dyn std::error::Error>> {
/// let issuer = Issuer::parse("https://uma.bob.example")?;
/// let status = match notice::verify(body, keys, &issuer, "https://hooks.bob.example/uma", now) {
///     Ok(notice) => {
///         println!("{}: a request waits at {}", notice.owner, notice.page.unwrap_or_default());
///         202
///     }
///     // With {"err": error.code()} as its body.
///     Err(_) => 400,
/// };
/// # Ok(status)
/// # }
/// # assert_eq!(receive("", &KeySet::default(), Timestamp::from_unix(0))?, 400);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NoticeError`]; its [`code`](NoticeError::code) is for the sender.
pub fn verify(
    token: &str,
    keys: &KeySet,
    issuer: &Issuer,
    audience: &str,
    now: Timestamp,
) -> Result<Received, NoticeError> {
    let unverified = UnverifiedJws::parse(token)?;
    // RFC 8417 §2.3: the type is said, so that the token is mistaken for no other.
    let is_ours = |typ: &str| typ.eq_ignore_ascii_case(TYP) || typ.eq_ignore_ascii_case(MEDIA_TYPE);
    if !unverified.header().typ().is_some_and(is_ours) {
        return Err(NoticeError::Typ);
    }
    let verified = unverified.verify(keys)?;
    let claims = Claims::from_map(json::parse_object(verified.payload())?);
    if claims.issuer()? != issuer.as_str() {
        return Err(NoticeError::Issuer);
    }
    if !claims.audience()?.contains(&audience) {
        return Err(NoticeError::Audience);
    }
    let at = claims.required_timestamp("iat")?;
    if at > now.after(LEEWAY) {
        return Err(ClaimError::IssuedInFuture.into());
    }
    let jti = claims.jwt_id()?.to_owned();
    let events = claims.object("events")?.ok_or(ClaimError::Missing("events"))?;
    let payload = events.get(REQUEST_SUBMITTED).cloned().unwrap_or(Value::Null);
    let payload: Payload = serde_json::from_value(payload).map_err(|_| NoticeError::Event)?;
    let Payload { owner, resource_server, permissions, page, requesting_party } = payload;
    Ok(Received { jti, at, owner, resource_server, permissions, page, requesting_party })
}
