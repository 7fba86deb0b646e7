//! What the authorization server says about a requesting party token.
//! [UMA 2.0 Federated Authorization §5.1.1], [RFC 7662 §2.2]
//!
//! [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
//! [UMA 2.0 Federated Authorization §5.1.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#uma-bearer-token-profile

use countersign_types::{ScopeSet, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// An introspection response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// Expired, revoked, foreign or never issued: the server does not say which.
    Inactive,
    /// The server stands by this token.
    Active(Rpt),
}

/// What an active token says. Nothing in it has been compared with anything yet: that is
/// [`decide`](crate::decide::decide)'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpt {
    /// `iss`, where the server names itself.
    pub issuer: Option<String>,
    /// `aud`: the resource servers that the token is for.
    pub audience: Vec<String>,
    /// `sub`: the requesting party.
    pub subject: Option<String>,
    /// `client_id`: the client that obtained the token.
    pub client_id: Option<String>,
    /// `exp`.
    pub expires: Option<Timestamp>,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// Whether `cnf` is there: the token is bound to a key, whichever.
    pub bound: bool,
    /// `permissions`; empty for a token that is none of ours.
    pub permissions: Vec<Permission>,
}

/// One permission: scopes at a resource, for a time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "PermissionBody")]
pub struct Permission {
    /// The identifier that the authorization server gave the resource.
    pub resource_id: String,
    /// The scopes.
    pub resource_scopes: ScopeSet,
    /// `exp`; without one the token's own counts alone.
    pub expires: Option<Timestamp>,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
}

/// Why a body is no introspection response. The authorization server is at fault, not the caller.
#[derive(Debug, thiserror::Error)]
#[error("not an introspection response")]
pub struct IntrospectionError(#[source] serde_json::Error);

/// The members read here; the others are ignored, `scope` among them: an RPT has none at the top.
#[derive(Deserialize)]
struct ResponseBody {
    active: bool,
    iss: Option<String>,
    #[serde(default)]
    aud: Audience,
    sub: Option<String>,
    client_id: Option<String>,
    exp: Option<i64>,
    nbf: Option<i64>,
    #[serde(default, deserialize_with = "confirmation")]
    cnf: Option<Map<String, Value>>,
    #[serde(default)]
    permissions: Vec<PermissionBody>,
}

/// A `cnf` that is there is an object ([RFC 7800 §3.1]): `null` is no word about a key, and not the
/// absence of one.
///
/// [RFC 7800 §3.1]: https://www.rfc-editor.org/rfc/rfc7800#section-3.1
fn confirmation<'de, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<Map<String, Value>>, D::Error> {
    Map::deserialize(reader).map(Some)
}

#[derive(Deserialize)]
struct PermissionBody {
    resource_id: String,
    resource_scopes: ScopeSet,
    exp: Option<i64>,
    nbf: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Audience {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Introspection {
    /// Reads the body of a 200 response.
    ///
    /// # Errors
    /// [`IntrospectionError`] for what is not JSON, lacks `active`, or has a member of a wrong
    /// type.
    pub fn parse(body: &[u8]) -> Result<Self, IntrospectionError> {
        let body: ResponseBody = serde_json::from_slice(body).map_err(IntrospectionError)?;
        if !body.active {
            return Ok(Self::Inactive);
        }
        Ok(Self::Active(Rpt {
            issuer: body.iss,
            audience: match body.aud {
                Audience::None => Vec::new(),
                Audience::One(one) => vec![one],
                Audience::Many(many) => many,
            },
            subject: body.sub,
            client_id: body.client_id,
            expires: body.exp.map(Timestamp::from_unix),
            not_before: body.nbf.map(Timestamp::from_unix),
            bound: body.cnf.is_some(),
            permissions: body.permissions.into_iter().map(Permission::from).collect(),
        }))
    }
}

impl From<PermissionBody> for Permission {
    fn from(body: PermissionBody) -> Self {
        Self {
            resource_id: body.resource_id,
            resource_scopes: body.resource_scopes,
            expires: body.exp.map(Timestamp::from_unix),
            not_before: body.nbf.map(Timestamp::from_unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let body = br#"{"active":true,"exp":1256953732,"iat":1256912345,"permissions":[
            {"resource_id":"112210f47de98100","resource_scopes":["view","http://photoz.example.com/dev/actions/print"],"exp":1256953732}]}"#;
        let Introspection::Active(rpt) = Introspection::parse(body).unwrap() else {
            panic!("active")
        };
        assert_eq!(rpt.expires, Some(Timestamp::from_unix(1_256_953_732)));
        assert_eq!(rpt.permissions[0].resource_id, "112210f47de98100");
        assert!(rpt.permissions[0].resource_scopes.contains("view"));
    }

    #[test]
    fn an_inactive_token_says_nothing_more() {
        for body in [r#"{"active":false}"#, r#"{"active":false,"permissions":[]}"#] {
            assert_eq!(Introspection::parse(body.as_bytes()).unwrap(), Introspection::Inactive);
        }
    }

    #[test]
    fn a_body_of_another_shape_is_no_answer() {
        for body in [
            "",
            "{}",
            "[]",
            "true",
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":true,"active":false}"#,
            r#"{"active":true,"exp":"never"}"#,
            r#"{"active":true,"aud":7}"#,
            r#"{"active":true,"cnf":null}"#,
            r#"{"active":true,"cnf":"jkt"}"#,
            r#"{"active":true,"permissions":{}}"#,
            r#"{"active":true,"permissions":[{"resource_id":"a"}]}"#,
            r#"{"active":true,"permissions":[{"resource_id":"a","resource_scopes":["b c"]}]}"#,
        ] {
            assert!(Introspection::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
