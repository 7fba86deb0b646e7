//! Redemption of an authorization code. [RFC 6749 §4.1.3]
//!
//! [RFC 6749 §4.1.3]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3

use countersign_jwt::cnf::Confirmation;
use countersign_types::params::ParamsError;
use countersign_types::secret::{AuthorizationCode, CodeVerifier};
use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Lifetime, Params, Timestamp, Wire, WireError};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::authorize::AuthorizationRequest;
use crate::pkce::PkceError;

/// The grant type.
pub const GRANT_TYPE: &str = "authorization_code";

/// How long a code lives. [RFC 6749 §4.1.2] allows at most ten minutes.
///
/// [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
pub const LIFETIME: Lifetime = Lifetime::from_secs(60);

/// What an issued code stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CodeGrant {
    /// The request that the person allowed.
    pub request: AuthorizationRequest,
    /// When the code ends. The store keeps it longer, as long as the grant, so that a code shown
    /// again is still recognised.
    pub expires: Timestamp,
    /// The person.
    pub subject: String,
    /// The grant: what the person allowed, and what ends if the code is shown again.
    pub grant_id: String,
}

/// A token request that redeems a code.
#[derive(Debug)]
pub struct Redemption {
    /// The code.
    pub code: AuthorizationCode,
    /// `redirect_uri`, REQUIRED since every authorization request has one.
    pub redirect_uri: String,
    /// The proof of the code challenge.
    pub code_verifier: CodeVerifier,
}

/// What a redeemed code gives tokens for.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// The person.
    pub subject: String,
    /// The grant.
    pub grant_id: String,
    /// The client's nonce.
    pub nonce: Option<String>,
}

/// Why a code was not redeemed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedeemError {
    /// A parameter is missing or malformed.
    #[error("the request is malformed")]
    Params(#[from] ParamsError),
    /// The code is unknown, expired or of another client.
    #[error("the code is unknown")]
    Unknown,
    /// The code was redeemed before: what it gave is revoked. [RFC 6749 §4.1.2]
    ///
    /// [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
    #[error("the code was redeemed before")]
    Replayed,
    /// `redirect_uri` is not the one of the authorization request.
    #[error("redirect_uri is another than in the authorization request")]
    RedirectUri,
    /// The proof key does not match.
    #[error("the code verifier is refused")]
    Pkce(#[source] PkceError),
    /// The code is bound to a key (`dpop_jkt`), and the request proves another or none.
    /// [RFC 9449 §10](https://www.rfc-editor.org/rfc/rfc9449#section-10)
    #[error("the code is bound to a key that was not proved")]
    Key,
}

impl WireError for RedeemError {
    fn wire(&self) -> Wire {
        match self {
            Self::Params(error) => error.wire(),
            // One answer for all: which of them it was is nobody's business but the log's.
            Self::Unknown | Self::Replayed | Self::RedirectUri | Self::Pkce(_) | Self::Key => {
                Wire::new(
                    ErrorCode::INVALID_GRANT,
                    StatusCode::BAD_REQUEST,
                    "the authorization code is not valid",
                )
            }
        }
    }
}

/// Parses a token request that redeems a code.
///
/// # Errors
/// [`RedeemError::Params`].
pub fn parse(params: &Params) -> Result<Redemption, RedeemError> {
    Ok(Redemption {
        code: AuthorizationCode::new(params.require("code")?),
        redirect_uri: params.require("redirect_uri")?.to_owned(),
        code_verifier: CodeVerifier::new(params.require("code_verifier")?),
    })
}

/// Decides whether the client that presents a code, which the store has just spent, gets what the
/// code stands for. `proved` is the key that the request proved, if it proved one.
///
/// # Errors
/// [`RedeemError::Unknown`], [`RedeemError::RedirectUri`], [`RedeemError::Pkce`],
/// [`RedeemError::Key`].
pub fn redeem(
    grant: CodeGrant,
    redemption: &Redemption,
    client: &ClientId,
    proved: Option<Confirmation>,
    now: Timestamp,
) -> Result<Redeemed, RedeemError> {
    let CodeGrant { request, expires, subject, grant_id } = grant;
    if request.client_id != *client || expires <= now {
        return Err(RedeemError::Unknown);
    }
    if request.redirect_uri != redemption.redirect_uri {
        return Err(RedeemError::RedirectUri);
    }
    request.code_challenge.verify(&redemption.code_verifier).map_err(RedeemError::Pkce)?;
    if request.dpop_jkt.is_some_and(|jkt| !jkt.is(proved)) {
        return Err(RedeemError::Key);
    }
    Ok(Redeemed { subject, grant_id, nonce: request.nonce })
}

#[cfg(test)]
mod tests {
    use countersign_types::ScopeSet;
    use countersign_types::digest::Digest;

    use super::*;
    use crate::dpop_jkt::DpopJkt;
    use crate::interaction::Wishes;
    use crate::pkce::CodeChallenge;

    fn grant() -> CodeGrant {
        CodeGrant {
            request: AuthorizationRequest {
                client_id: ClientId::parse("app").unwrap(),
                redirect_uri: "https://app.example/cb".into(),
                scope: ScopeSet::parse("openid").unwrap(),
                state: None,
                nonce: Some("n".into()),
                code_challenge: CodeChallenge::of(&CodeVerifier::new("v".repeat(43))).unwrap(),
                dpop_jkt: None,
                login_hint: None,
                ui_locales: None,
                resources: Default::default(),
                wishes: Wishes::default(),
            },
            expires: Timestamp::from_unix(60),
            subject: "alice".into(),
            grant_id: "g".into(),
        }
    }

    fn redeemed(change: &[(&str, &str)], client: &str) -> Result<Redeemed, RedeemError> {
        let verifier = "v".repeat(43);
        let mut fields = vec![
            ("code", "c"),
            ("redirect_uri", "https://app.example/cb"),
            ("code_verifier", verifier.as_str()),
        ];
        for (name, value) in change {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        let form =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let redemption = parse(&Params::parse(form.as_bytes(), &[]).unwrap())?;
        let client = ClientId::parse(client).unwrap();
        assert!(
            redeem(grant(), &redemption, &client, None, Timestamp::from_unix(60)).is_err(),
            "expired"
        );
        redeem(grant(), &redemption, &client, None, Timestamp::from_unix(59))
    }

    #[test]
    fn a_code_is_redeemed_by_its_client_with_its_redirect_uri_and_verifier() {
        let redeemed_code = redeemed(&[], "app").unwrap();
        assert_eq!(
            (redeemed_code.subject.as_str(), redeemed_code.grant_id.as_str()),
            ("alice", "g")
        );
        assert_eq!(redeemed_code.nonce.as_deref(), Some("n"));
        let other = "w".repeat(43);
        for (change, client, code) in [
            (&[][..], "other", ErrorCode::INVALID_GRANT),
            (&[("redirect_uri", "https://app.example/cb/")], "app", ErrorCode::INVALID_GRANT),
            (&[("code_verifier", other.as_str())], "app", ErrorCode::INVALID_GRANT),
            (&[("code_verifier", "short")], "app", ErrorCode::INVALID_GRANT),
            (&[("code_verifier", "")], "app", ErrorCode::INVALID_REQUEST),
            (&[("redirect_uri", "")], "app", ErrorCode::INVALID_REQUEST),
            (&[("code", "")], "app", ErrorCode::INVALID_REQUEST),
        ] {
            let error = redeemed(change, client).unwrap_err();
            assert_eq!(error.wire().code, code, "{change:?} {client}");
        }
    }

    #[test]
    fn rfc_9449_section_10_a_code_is_bound_to_its_key() {
        let key = Digest::of(b"key");
        let bound = || {
            let mut grant = grant();
            grant.request.dpop_jkt = Some(DpopJkt::parse(&key.to_base64url()).unwrap());
            grant
        };
        let redemption = Redemption {
            code: AuthorizationCode::new("c"),
            redirect_uri: "https://app.example/cb".into(),
            code_verifier: CodeVerifier::new("v".repeat(43)),
        };
        let app = ClientId::parse("app").unwrap();
        let redeem = |grant, proved: Option<Digest>| {
            let proved = proved.map(Confirmation::Jkt);
            super::redeem(grant, &redemption, &app, proved, Timestamp::from_unix(0))
        };
        assert!(redeem(bound(), Some(key)).is_ok());
        assert!(redeem(grant(), Some(key)).is_ok(), "any key where none was named");
        for proved in [None, Some(Digest::of(b"another"))] {
            let error = redeem(bound(), proved).unwrap_err();
            assert!(matches!(error, RedeemError::Key), "{proved:?}");
            assert_eq!(error.wire().code, ErrorCode::INVALID_GRANT);
        }
    }

    #[test]
    fn a_grant_survives_the_store() {
        let mut bound = grant();
        bound.request.dpop_jkt = Some(DpopJkt::parse(&Digest::of(b"key").to_base64url()).unwrap());
        for grant in [grant(), bound] {
            let stored = serde_json::to_string(&grant).unwrap();
            let read: CodeGrant = serde_json::from_str(&stored).unwrap();
            assert_eq!(read.request, grant.request);
        }
    }
}
