//! DPoP: whoever uses a token has the key that it is bound to. [RFC 9449]
//!
//! The client makes one [`proof`] for each request: of its key, the method, the URL and, beside an
//! access token, the token. A server reads it with [`presented`], judges it with [`verify`], and
//! believes it once its store says that it was never seen ([`Presented::if_new`]).
//!
//! A proof is good for [`LIFETIME`] after its `iat`, and [`LEEWAY`] to either side for clocks that
//! differ: a server remembers it for so long ([`Presented::once`]). An `exp` or `nbf` of its own
//! makes that time shorter and never longer ([RFC 7519 §4.1.4, §4.1.5]).
//!
//! [RFC 7519 §4.1.4, §4.1.5]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
//! [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449

use countersign_jwt::cnf::Confirmation;
use countersign_jwt::own_key::{OwnKeyError, sign_with_own_key, verify_by_own_key};
use countersign_jwt::{Algorithm, ClaimError, SignError, SigningKey, Typ};
use countersign_types::digest::Digest;
use countersign_types::random::{self, Random};
use countersign_types::replay::Seen;
use countersign_types::secret::AccessToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{EndpointUrl, Lifetime, Timestamp, Wire, WireError};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde::Serialize;

/// The request header that carries a proof. [RFC 9449
/// §4.1](https://www.rfc-editor.org/rfc/rfc9449#section-4.1)
pub const HEADER: HeaderName = HeaderName::from_static("dpop");

/// The response header that carries a nonce. [RFC 9449
/// §8.1](https://www.rfc-editor.org/rfc/rfc9449#section-8.1)
pub const NONCE_HEADER: HeaderName = HeaderName::from_static("dpop-nonce");

/// The authentication scheme, and the `token_type`. [RFC 9449 §5,
/// §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)
pub const SCHEME: &str = "DPoP";

/// The `typ` of a proof.
pub const TYP: &str = "dpop+jwt";

/// How long after its `iat` a proof is accepted.
pub const LIFETIME: Lifetime = Lifetime::from_secs(60);

/// The difference between two clocks that is put up with.
pub const LEEWAY: Lifetime = Lifetime::from_secs(60);

/// The algorithms that a proof may be signed with.
pub const ALGORITHMS: &[Algorithm] =
    &[Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519, Algorithm::Ps256, Algorithm::Rs256];

/// The request that a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its URL; query and fragment do not count.
    pub url: &'a EndpointUrl,
}

#[derive(Serialize)]
struct ProofClaims<'a> {
    jti: String,
    htm: &'a str,
    htu: String,
    iat: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

/// Makes the proof for a request: of `key`, beside `token` if there is one, with the server's
/// `nonce` if it gave one. [RFC 9449 §4.2]
///
/// # Errors
/// Whatever the key reports.
///
/// [RFC 9449 §4.2]: https://www.rfc-editor.org/rfc/rfc9449#section-4.2
pub fn proof(
    key: &SigningKey,
    target: Target<'_>,
    token: Option<&AccessToken>,
    nonce: Option<&str>,
    now: Timestamp,
    random: &dyn Random,
) -> Result<AccessToken, SignError> {
    let claims = ProofClaims {
        jti: random::identifier(random),
        htm: target.method.as_str(),
        htu: without_query(target.url),
        iat: now,
        ath: token.map(|token| token.digest().to_base64url()),
        nonce,
    };
    sign_with_own_key(TYP, key, &claims).map(AccessToken::new)
}

/// What a token is bound to by whoever proves this key. [RFC 9449 §6.1]
///
/// [RFC 9449 §6.1]: https://www.rfc-editor.org/rfc/rfc9449#section-6.1
#[must_use]
pub fn confirmation(key: &SigningKey) -> Confirmation {
    Confirmation::Jkt(key.public().thumbprint())
}

/// Why a proof was not accepted: `invalid_dpop_proof`, or `use_dpop_nonce` where a nonce is
/// missing. [RFC 9449 §5, §8, §9]
///
/// [RFC 9449 §5, §8, §9]: https://www.rfc-editor.org/rfc/rfc9449#section-5
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DpopError {
    /// There is none.
    #[error("there is no DPoP proof")]
    Missing,
    /// There are several, or one that is no text. [RFC 9449
    /// §4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3)
    #[error("more than one DPoP proof")]
    Several,
    /// It is no proof of a key.
    #[error("the DPoP proof proves no key")]
    Key(#[from] OwnKeyError),
    /// A claim is missing or of another type.
    #[error("a claim of the DPoP proof is refused")]
    Claim(#[from] ClaimError),
    /// It is for another method or URL.
    #[error("the DPoP proof is for another request")]
    Request,
    /// It is too old, or of the future.
    #[error("the DPoP proof is outside its time")]
    Time,
    /// It goes with another token, or with none.
    #[error("the DPoP proof goes with another token")]
    Token,
    /// It has no nonce, or not the one that counts.
    #[error("the DPoP proof has not the nonce that was asked for")]
    Nonce,
    /// It was used before.
    #[error("the DPoP proof was used before")]
    Replayed,
}

impl WireError for DpopError {
    fn wire(&self) -> Wire {
        let (code, description) = match self {
            Self::Nonce => {
                (ErrorCode::USE_DPOP_NONCE, "the DPoP proof needs the nonce of this server")
            }
            Self::Missing
            | Self::Several
            | Self::Key(_)
            | Self::Claim(_)
            | Self::Request
            | Self::Time
            | Self::Token
            | Self::Replayed => {
                (ErrorCode::INVALID_DPOP_PROOF, "the DPoP proof is not accepted for this request")
            }
        };
        Wire::new(code, StatusCode::BAD_REQUEST, description)
    }
}

/// The one proof of a request, if it has one.
///
/// # Errors
/// [`DpopError::Several`].
pub fn presented(headers: &HeaderMap) -> Result<Option<AccessToken>, DpopError> {
    let mut values = headers.get_all(&HEADER).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match (first.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(AccessToken::new(text))),
        _ => Err(DpopError::Several),
    }
}

/// The longest nonce that a client takes along.
pub const MAX_NONCE: usize = 1024;

/// The nonce that a response brings for the next proofs to its server. Two are none, as is what has
/// not the syntax of one or is longer than [`MAX_NONCE`]. [RFC 9449 §8, §8.1, §8.2]
///
/// [RFC 9449 §8, §8.1, §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8
#[must_use]
pub fn nonce(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(&NONCE_HEADER).iter();
    let nonce = values.next()?.to_str().ok()?;
    let is_one = (1..=MAX_NONCE).contains(&nonce.len()) && values.next().is_none();
    // NQCHAR of RFC 6749 Appendix A.
    let is_nqchar = |octet: u8| matches!(octet, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    (is_one && nonce.bytes().all(is_nqchar)).then_some(nonce)
}

/// What a server expects of a proof.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The request it came with, at the URL that this server is known by.
    pub target: Target<'a>,
    /// The access token beside it; `None` where there is none, as at a token endpoint.
    pub token: Option<&'a AccessToken>,
    /// The nonces of which it has to carry one; `None` if this server gives none.
    pub nonces: Option<&'a [String]>,
    /// The time.
    pub now: Timestamp,
}

/// Judges a proof, by its own key. [RFC 9449 §4.3]
///
/// # Errors
/// Any [`DpopError`] but `Missing`, `Several` and `Replayed`.
///
/// [RFC 9449 §4.3]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3
pub fn verify(proof: &AccessToken, expected: &Expected<'_>) -> Result<Presented, DpopError> {
    let (key, claims) = verify_by_own_key(proof.expose(), Typ::Is(TYP), ALGORITHMS)?;
    let jti = claims.jwt_id()?;
    // An endpoint of ours is written with its scheme in lower case; a proof may say it otherwise.
    let (scheme, rest) = claims.required_str("htu")?.split_once(':').ok_or(DpopError::Request)?;
    let htu = format!("{}:{rest}", scheme.to_ascii_lowercase());
    let url = EndpointUrl::parse(&htu).map_err(|_| DpopError::Request)?;
    if claims.required_str("htm")? != expected.target.method.as_str()
        || comparable(&url) != comparable(expected.target.url)
    {
        return Err(DpopError::Request);
    }
    let issued = claims.required_timestamp("iat")?;
    let until = issued.after(LIFETIME).after(LEEWAY);
    let expired = claims.timestamp("exp")?.is_some_and(|exp| exp.after(LEEWAY) <= expected.now);
    let early = claims.timestamp("nbf")?.is_some_and(|nbf| nbf.before(LEEWAY) > expected.now);
    if issued.before(LEEWAY) > expected.now || expected.now >= until || expired || early {
        return Err(DpopError::Time);
    }
    match (expected.token, claims.str("ath")?) {
        (Some(token), Some(ath)) if ath == token.digest().to_base64url() => {}
        (Some(_), _) => return Err(DpopError::Token),
        (None, _) => {}
    }
    if let Some(nonces) = expected.nonces {
        let nonce = claims.str("nonce")?;
        if !nonce.is_some_and(|nonce| nonces.iter().any(|known| known == nonce)) {
            return Err(DpopError::Nonce);
        }
    }
    let thumbprint = key.thumbprint();
    // The kind and the key are part of it: a stranger cannot use up another's jti.
    let once = Digest::of_parts(&[b"dpop", thumbprint.as_bytes(), jti.as_bytes()]);
    Ok(Presented { thumbprint, once, until })
}

/// A proof that is good; whether it was used before is not known yet.
#[derive(Clone, Copy, Debug)]
#[must_use = "a proof proves nothing before it is known to be new"]
pub struct Presented {
    thumbprint: Digest,
    once: Digest,
    until: Timestamp,
}

impl Presented {
    /// What must be new, and until when it is to be remembered.
    #[must_use]
    pub const fn once(&self) -> (Digest, Timestamp) {
        (self.once, self.until)
    }

    /// What a token would be bound to: the key, which is proved only if the proof is new. It serves
    /// for decisions that come before that; what is issued takes [`ProvedKey::confirmation`].
    #[must_use]
    pub const fn confirmation(&self) -> Confirmation {
        Confirmation::Jkt(self.thumbprint)
    }

    /// Whether it is a proof of the key that a token is bound to.
    #[must_use]
    pub fn is_of(&self, bound: Confirmation) -> bool {
        bound == Confirmation::Jkt(self.thumbprint)
    }

    /// The key that was proved, given what the store says of [`Presented::once`].
    ///
    /// # Errors
    /// [`DpopError::Replayed`].
    pub fn if_new(self, seen: Seen) -> Result<ProvedKey, DpopError> {
        match seen {
            Seen::First => Ok(ProvedKey(self.thumbprint)),
            Seen::Again => Err(DpopError::Replayed),
        }
    }
}

/// Evidence that whoever sent a request has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvedKey(Digest);

impl ProvedKey {
    /// What a token is bound to that is issued to the holder of the key.
    #[must_use]
    pub const fn confirmation(&self) -> Confirmation {
        Confirmation::Jkt(self.0)
    }
}

fn without_query(url: &EndpointUrl) -> String {
    let mut url = url.as_url().clone();
    url.set_query(None);
    url.to_string()
}

/// A URL in its one spelling, as [RFC 3986 §6.2.2, §6.2.3] has it: the parser has seen to case,
/// port and dot segments, and what needs no encoding has none here.
///
/// [RFC 3986 §6.2.2, §6.2.3]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2
fn comparable(url: &EndpointUrl) -> String {
    let url = without_query(url);
    let mut octets = url.as_bytes().iter();
    let mut plain = Vec::with_capacity(url.len());
    while let Some(&octet) = octets.next() {
        let rest = octets.as_slice();
        let encoded = (octet == b'%').then(|| rest.first_chunk::<2>()).flatten();
        let value = encoded.and_then(|[high, low]| {
            let digit = |octet: u8| char::from(octet).to_digit(16);
            u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
        });
        match (value, encoded) {
            (Some(value), _) if value.is_ascii_alphanumeric() || b"-._~".contains(&value) => {
                plain.push(value);
                octets.nth(1);
            }
            (Some(_), Some(hex)) => {
                plain.push(b'%');
                plain.extend(hex.map(|octet| octet.to_ascii_uppercase()));
                octets.nth(1);
            }
            _ => plain.push(octet),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests;
