//! The protection API access token (PAT) and whom it speaks for. [UF §1.3]
//!
//! [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3

use std::sync::Arc;

use countersign_types::params::ParamsError;
use countersign_types::wire::ErrorCode;
use countersign_types::{
    ClientId, Lifetime, Params, ResourceIdentifier, ScopeSet, Timestamp, Wire, WireError,
};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The scope that makes an access token a PAT. [UF §1.3]
///
/// [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3
pub const SCOPE: &str = "uma_protection";

/// How long a PAT lives unless configured otherwise.
pub const PAT_LIFETIME: Lifetime = Lifetime::from_secs(600);

/// A resource owner's name at this authorization server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(Arc<str>);

/// The text is no owner's name: empty, too long, or with a character outside `%x21-7E`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a resource owner's name: 1 to 256 visible ASCII characters")]
pub struct OwnerIdError;

impl OwnerId {
    /// Parses a name of 1 to 256 visible ASCII characters.
    ///
    /// # Errors
    /// [`OwnerIdError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, OwnerIdError> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        if visible && matches!(text.len(), 1..=256) {
            Ok(Self(text.into()))
        } else {
            Err(OwnerIdError)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for OwnerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for OwnerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for OwnerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        countersign_types::text::deserialize(deserializer, Self::parse)
    }
}

/// Whom a PAT speaks for: one resource owner at one resource server.
///
/// Both are part of the key of everything that is stored for them, so a resource server reaches
/// neither another's resources nor another owner's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Protection {
    /// The resource owner.
    pub owner: OwnerId,
    /// The resource server, by its client identifier here.
    pub resource_server: ClientId,
}

impl Protection {
    /// This owner at this resource server.
    #[must_use]
    pub const fn new(owner: OwnerId, resource_server: ClientId) -> Self {
        Self { owner, resource_server }
    }
}

/// What is known of a resource server: what its PATs speak for, and what it is called.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// Its client identifier here, and the owner whose resources it holds.
    pub protection: Protection,
    /// Its resource identifiers. [RFC 9728 §1.2] A client that called it says one of them in
    /// `resource`.
    ///
    /// [RFC 9728 §1.2]: https://www.rfc-editor.org/rfc/rfc9728#section-1.2
    pub resource_identifiers: Vec<ResourceIdentifier>,
    /// Whether its clients must say which resource server they called.
    pub resource_parameter: ResourceParameter,
}

/// Whether a token request must name the resource server, in `resource` or in the claims token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceParameter {
    /// It must: without it an honest server's ticket can be relayed by a malicious one.
    #[default]
    Required,
    /// It may be left out by clients that know UMA only and push no claims token.
    Optional,
}

/// What a PAT stands for, kept under the digest of the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pat {
    /// Whom it speaks for.
    pub protection: Protection,
    /// When it ends.
    pub expires: Timestamp,
    /// What a person allowed, by which it speaks for them, and without which it counts no more.
    /// None if the resource server has it by its own registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<String>,
}

/// Why no PAT is given. [RFC 6749 §5.2]
///
/// [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatError {
    /// The request is malformed: `invalid_request`.
    #[error(transparent)]
    Syntax(#[from] ParamsError),
    /// The client is no resource server: `unauthorized_client`.
    #[error("the client is not a resource server")]
    NotAResourceServer,
    /// The scope is not exactly `uma_protection`: `invalid_scope`.
    #[error("the scope is not {SCOPE}")]
    Scope,
}

impl WireError for PatError {
    fn wire(&self) -> Wire {
        let (code, description) = match self {
            Self::Syntax(error) => return error.wire(),
            Self::NotAResourceServer => {
                (ErrorCode::UNAUTHORIZED_CLIENT, "the client may not use this grant type")
            }
            Self::Scope => (ErrorCode::INVALID_SCOPE, "the scope must be uma_protection"),
        };
        Wire::new(code, StatusCode::BAD_REQUEST, description)
    }
}

/// Decides a client credentials request of an authenticated client.
/// [RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)
///
/// `resource_server` is the registration of that client, if it is a resource server.
///
/// # Errors
/// [`PatError::NotAResourceServer`], [`PatError::Scope`]: a PAT is asked for by its scope.
pub fn decide(
    params: &Params,
    resource_server: Option<&ResourceServer>,
    now: Timestamp,
    lifetime: Lifetime,
) -> Result<Pat, PatError> {
    let resource_server = resource_server.ok_or(PatError::NotAResourceServer)?;
    let asked = params.get("scope").map(ScopeSet::parse);
    match asked {
        Some(Ok(scope)) if scope.len() == 1 && scope.contains(SCOPE) => {}
        _ => return Err(PatError::Scope),
    }
    Ok(Pat {
        protection: resource_server.protection.clone(),
        expires: now.after(lifetime),
        mandate: None,
    })
}

/// The token response for a PAT. [RFC 6749
/// §4.4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.4.3)
#[must_use]
pub fn respond(pat: &Pat, token: &str, now: Timestamp) -> serde_json::Value {
    serde_json::json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": pat.expires.since(now).as_secs(),
        "scope": SCOPE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ResourceServer {
        ResourceServer {
            protection: Protection::new(
                OwnerId::parse("bob").unwrap(),
                ClientId::parse("rs").unwrap(),
            ),
            resource_identifiers: Vec::new(),
            resource_parameter: ResourceParameter::Required,
        }
    }

    #[track_caller]
    fn check(form: &str, server: Option<&ResourceServer>) -> Result<Pat, PatError> {
        let params = Params::parse(form.as_bytes(), &[]).unwrap();
        decide(&params, server, Timestamp::from_unix(0), PAT_LIFETIME)
    }

    #[test]
    fn a_pat_is_asked_for_by_its_scope() {
        let pat = check("scope=uma_protection", Some(&server())).unwrap();
        assert_eq!(pat.expires, Timestamp::from_unix(600));
        assert_eq!(
            respond(&pat, "t", Timestamp::from_unix(0)),
            serde_json::json!({
                "access_token": "t", "token_type": "Bearer", "expires_in": 600,
                "scope": "uma_protection",
            })
        );
        for bad in ["", "scope=", "scope=UMA_protection", "scope=uma_protection+x", "scope=%20"] {
            assert_eq!(check(bad, Some(&server())), Err(PatError::Scope), "{bad}");
        }
        assert_eq!(check("scope=uma_protection", None), Err(PatError::NotAResourceServer));
    }

    #[test]
    fn owners_are_visible_ascii() {
        assert!(OwnerId::parse("bob@bob.example").is_ok());
        for bad in ["", "bob smith", "bob\n", "böb", &"x".repeat(257)] {
            assert_eq!(OwnerId::parse(bad), Err(OwnerIdError), "{bad:?}");
        }
    }
}
