//! A requesting party token (RPT) is refreshed. [UG §3.6], [RFC 6749 §6]
//!
//! No assessment is made: a refreshed RPT permits what the first one did, or the part of it that
//! the client asks for. What it rests on goes along, so that introspection finds out, as for any
//! RPT, what of it still holds ([`rpt`](crate::rpt)).
//!
//! A refresh token is for clients that authenticate. It stays the same one, so that an answer that
//! was lost can be had again, and whoever steals it has to steal the client's credentials too ([RFC
//! 9700 §2.2.2]).
//!
//! [UG §3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.6
//! [RFC 6749 §6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
//! [RFC 9700 §2.2.2]: https://www.rfc-editor.org/rfc/rfc9700#section-2.2.2

use countersign_client_auth::AuthenticatedClient;
use countersign_types::digest::Digest;
use countersign_types::identifier::IdentifierError;
use countersign_types::params::ParamsError;
use countersign_types::scope::ScopeError;
use countersign_types::secret::RefreshToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{
    Lifetime, Params, ResourceIdentifier, ScopeSet, Timestamp, Wire, WireError,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::permission::Permission;
use crate::rpt::Rpt;

/// The grant type. [RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)
pub const GRANT_TYPE: &str = "refresh_token";

/// What a refresh token stands for, kept under the digest of the token.
///
/// INVARIANT: an RPT that came of it counts only while it is kept, so that removing it ends all of
/// them in one durable step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The first RPT: whose it is, what it permits, and what it rests on.
    pub rpt: Rpt,
    /// When it ends.
    pub expires: Timestamp,
}

/// Names a [`Grant`] in the RPTs that come of it: the digest of the refresh token, which is no
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(String);

impl GrantId {
    /// The grant that this refresh token stands for.
    #[must_use]
    pub fn of(token: &RefreshToken) -> Self {
        Self(token.digest().to_base64url())
    }

    /// Where the grant is kept; `None` for what was never written by [`of`](Self::of).
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        Digest::from_base64url(&self.0)
    }
}

/// A request to refresh an RPT. Nothing in it has been verified.
#[derive(Debug)]
#[non_exhaustive]
pub struct RefreshRequest {
    /// The refresh token.
    pub token: RefreshToken,
    /// The scopes that will do, of those that were granted.
    pub scope: Option<ScopeSet>,
    /// The resource server that the token is for, if the client says it.
    pub resource: Option<ResourceIdentifier>,
}

/// Parses a request of [`GRANT_TYPE`]. [RFC 6749
/// §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)
///
/// # Errors
/// [`RefreshError::Syntax`] without a token; [`RefreshError::Scope`], [`RefreshError::Target`].
pub fn parse(params: &Params) -> Result<RefreshRequest, RefreshError> {
    let token = RefreshToken::new(params.require("refresh_token")?);
    let scope = params.get("scope").map(ScopeSet::parse).transpose();
    let mut resources = params.all("resource");
    let resource = resources.next().map(ResourceIdentifier::parse).transpose();
    let resource = resource.map_err(|error| RefreshError::Target(Some(error)))?;
    let first = resource.as_ref().map(ResourceIdentifier::as_str);
    if resources.any(|other| Some(other) != first) {
        return Err(RefreshError::Target(None));
    }
    let scope = scope.map_err(|error| RefreshError::Scope(Some(error)))?;
    Ok(RefreshRequest { token, scope, resource })
}

/// Decides a request of an authenticated client. `grant` is what its refresh token stands for.
///
/// # Errors
/// [`RefreshError::Unknown`] for a token that stands for nothing, or for what is over;
/// [`RefreshError::OtherClient`]; [`RefreshError::Target`] for another resource server than the
/// token's; [`RefreshError::Scope`] for a scope that was not granted, or if nothing is left.
pub fn decide(
    request: &RefreshRequest,
    grant: Option<Grant>,
    client: &AuthenticatedClient,
    now: Timestamp,
    lifetime: Lifetime,
) -> Result<Rpt, RefreshError> {
    let Grant { rpt, expires } =
        grant.filter(|grant| now < grant.expires).ok_or(RefreshError::Unknown)?;
    if rpt.client != *client.id() || !client.is_confidential() {
        return Err(RefreshError::OtherClient);
    }
    if request.resource.as_ref().is_some_and(|resource| *resource != rpt.audience) {
        return Err(RefreshError::Target(None));
    }
    let permissions = match &request.scope {
        None => rpt.permissions,
        Some(scope) => limited(&rpt.permissions, scope)?,
    };
    let expires = now.after(lifetime).min(expires);
    Ok(Rpt { permissions, issued: now, expires, ..rpt })
}

/// The permissions with no other scopes than these. [UG §3.6]
///
/// [UG §3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.6
fn limited(granted: &[Permission], scope: &ScopeSet) -> Result<Vec<Permission>, RefreshError> {
    let is_granted = |token: &String| {
        granted.iter().any(|permission| permission.resource_scopes.contains(token))
    };
    // RFC 6749 §6: nothing that was not granted before.
    if scope.is_empty() || !scope.iter().all(is_granted) {
        return Err(RefreshError::Scope(None));
    }
    let limited = granted.iter().map(|permission| Permission {
        resource_id: permission.resource_id.clone(),
        resource_scopes: permission.resource_scopes.intersection(scope),
    });
    Ok(limited.filter(|permission| !permission.resource_scopes.is_empty()).collect())
}

/// Why nothing was refreshed. [RFC 6749 §5.2]
///
/// [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshError {
    /// The token is missing, or a parameter repeated: `invalid_request`.
    #[error("the request is malformed")]
    Syntax(#[from] ParamsError),
    /// The token is unknown, expired or revoked: `invalid_grant`.
    #[error("the refresh token stands for nothing")]
    Unknown,
    /// It was issued to another client: `invalid_grant`.
    #[error("the refresh token is another client's")]
    OtherClient,
    /// `resource` is malformed, or not what the token is for: `invalid_target`.
    #[error("resource is refused")]
    Target(#[source] Option<IdentifierError>),
    /// `scope` is malformed, or exceeds what was granted: `invalid_scope`.
    #[error("scope is refused")]
    Scope(#[source] Option<ScopeError>),
}

impl WireError for RefreshError {
    fn wire(&self) -> Wire {
        let (code, description) = match self {
            Self::Syntax(error) => return error.wire(),
            // One description for both: whether a token exists is its client's business.
            Self::Unknown | Self::OtherClient => (
                ErrorCode::INVALID_GRANT,
                "the refresh token is unknown, expired, revoked or another client's",
            ),
            Self::Target(_) => {
                (ErrorCode::INVALID_TARGET, "the refresh token is not for this resource")
            }
            Self::Scope(_) => (ErrorCode::INVALID_SCOPE, "the scope exceeds what was granted"),
        };
        Wire::new(code, StatusCode::BAD_REQUEST, description)
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::wire::is_description;

    use super::*;

    #[test]
    fn malformed_requests() {
        for (name, form, code) in [
            ("no token", "scope=get", "invalid_request"),
            ("token twice", "refresh_token=a&refresh_token=a", "invalid_request"),
            ("scope", "refresh_token=a&scope=a++b", "invalid_scope"),
            ("resource is a name", "refresh_token=a&resource=RS", "invalid_target"),
            (
                "two resources",
                "refresh_token=a&resource=https://a.example&resource=https://b.example",
                "invalid_target",
            ),
        ] {
            let params = Params::parse(form.as_bytes(), crate::grant::REPEATABLE);
            let parsed = params.map_err(RefreshError::from).and_then(|params| parse(&params));
            assert_eq!(parsed.unwrap_err().wire().code.as_str(), code, "{name}");
        }
    }

    #[test]
    fn the_error_table_is_the_specifications() {
        for (error, code) in [
            (RefreshError::Syntax(ParamsError::Missing("refresh_token")), "invalid_request"),
            (RefreshError::Unknown, "invalid_grant"),
            (RefreshError::OtherClient, "invalid_grant"),
            (RefreshError::Target(None), "invalid_target"),
            (RefreshError::Scope(None), "invalid_scope"),
        ] {
            let wire = error.wire();
            assert_eq!((wire.code.as_str(), wire.status.as_u16()), (code, 400), "{error}");
            assert!(is_description(wire.description), "{error}");
        }
    }

    #[test]
    fn a_grant_is_found_by_its_token_and_does_not_hold_it() {
        let token = RefreshToken::new("secret");
        let id = GrantId::of(&token);
        assert_eq!(id.digest(), Some(token.digest()));
        assert!(!serde_json::to_string(&id).unwrap().contains("secret"));
        assert_eq!(GrantId("x".to_owned()).digest(), None);
    }
}
