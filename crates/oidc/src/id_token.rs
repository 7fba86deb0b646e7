//! ID tokens. [OpenID Connect Core §2, §3.1.3.6]
//!
//! [OpenID Connect Core §2, §3.1.3.6]: https://openid.net/specs/openid-connect-core-1_0.html#IDToken

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::{Algorithm, Sign, SignError, sign};
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, Timestamp};
use serde::Serialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The `typ` of an ID token.
pub const TYP: &str = "JWT";

/// An ID token about to be signed.
#[derive(Clone, Debug, Serialize)]
pub struct IdToken {
    /// The provider.
    pub iss: Issuer,
    /// The person, in its name space.
    pub sub: String,
    /// The client, the only audience.
    pub aud: ClientId,
    /// When it ends.
    pub exp: Timestamp,
    /// When it is issued.
    pub iat: Timestamp,
    /// When the person signed in, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// The session that began then.
    pub sid: String,
    /// What the sign-in is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The client's nonce, if it sent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// How the person signed in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The person's address, for the scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// Whether it was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// The person's name, for the scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An ID token and the hash that binds it to the access token beside it.
#[derive(Serialize)]
struct WithHash<'a> {
    #[serde(flatten)]
    claims: &'a IdToken,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
}

impl IdToken {
    /// Signs it, bound to the access token that is issued with it.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn mint(&self, key: &dyn Sign, access_token: &AccessToken) -> Result<String, SignError> {
        let at_hash = at_hash(key.algorithm(), access_token);
        sign(TYP, key, &WithHash { claims: self, at_hash })
    }
}

/// The left half of the access token's hash, by the hash function of the signature algorithm.
/// [OpenID Connect Core §3.1.3.6]. `None` for an algorithm whose hash function is not known here.
///
/// [OpenID Connect Core §3.1.3.6]: https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken
#[must_use]
pub fn at_hash(algorithm: Algorithm, access_token: &AccessToken) -> Option<String> {
    let octets = access_token.expose().as_bytes();
    let hash = match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Ps256 => Sha256::digest(octets).to_vec(),
        Algorithm::Es384 | Algorithm::Rs384 | Algorithm::Ps384 => Sha384::digest(octets).to_vec(),
        Algorithm::Es512 | Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Ed25519 => {
            Sha512::digest(octets).to_vec()
        }
        _ => return None,
    };
    let (left, _) = hash.split_at(hash.len() / 2);
    Some(URL_SAFE_NO_PAD.encode(left))
}

#[cfg(test)]
mod tests {
    use countersign_jwt::{SigningKey, Unverified};

    use super::*;

    #[test]
    fn the_hash_of_openid_connect_core_appendix_a_3() {
        let token = AccessToken::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        assert_eq!(at_hash(Algorithm::Rs256, &token).as_deref(), Some("77QmUPtjPfzWtF2AnpK9RQ"));
    }

    #[test]
    fn a_minted_token_has_what_was_asked_for() {
        let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
        let id_token = IdToken {
            iss: Issuer::parse("https://sts.alice.example").unwrap(),
            sub: "alice".into(),
            aud: ClientId::parse("app").unwrap(),
            exp: Timestamp::from_unix(300),
            iat: Timestamp::from_unix(0),
            auth_time: Some(Timestamp::from_unix(0)),
            sid: "s".into(),
            acr: Some("a".into()),
            nonce: Some("n".into()),
            amr: vec!["pwd".into()],
            email: None,
            email_verified: None,
            name: None,
        };
        let token = id_token.mint(&key, &AccessToken::new("at")).unwrap();
        let token = Unverified::parse(&token).unwrap();
        assert_eq!(token.header().typ(), Some("JWT"));
        let names = token.claims().as_map().keys().map(String::as_str).collect::<Vec<_>>();
        let mut expected = [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "sid",
            "acr",
            "nonce",
            "amr",
            "at_hash",
        ];
        let mut names = names;
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
}
