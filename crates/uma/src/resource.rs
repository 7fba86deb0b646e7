//! Resource descriptions and their registration. [UF §3]
//!
//! [UF §3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3

use std::sync::Arc;

use countersign_types::random::{self, Random};
use countersign_types::wire::ErrorCode;
use countersign_types::{EndpointUrl, ScopeSet, Wire, WireError};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest `name` and `type`, in octets.
pub const MAX_NAME: usize = 256;
/// The longest identifier of a resource, in octets.
pub const MAX_IDENTIFIER: usize = 128;
/// The longest `description`, in octets.
pub const MAX_DESCRIPTION: usize = 4096;

/// The identifier that this server gave a resource: `_id`, `resource_id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// A fresh identifier of 128 random bits.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self(random::identifier(random).into())
    }

    /// Parses an identifier of 1 to 128 characters of base64url, the only kind there is.
    ///
    /// # Errors
    /// [`ResourceError::NotFound`] for any other text: no resource is called that.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if matches!(text.len(), 1..=MAX_IDENTIFIER) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(ResourceError::NotFound)
        }
    }

    /// The identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ResourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        countersign_types::text::deserialize(deserializer, Self::parse)
    }
}

/// A resource description. [UF §3.1]
///
/// Its texts come from the resource server and go to people: they are to be escaped where they are
/// shown, and `icon_uri` is never fetched here.
///
/// [UF §3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.1
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDescription {
    resource_scopes: ScopeSet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icon_uri: Option<EndpointUrl>,
}

impl ResourceDescription {
    /// Parses a description; unknown members are ignored.
    ///
    /// # Errors
    /// [`ResourceError::Malformed`] for what is not JSON, a missing `resource_scopes`, a scope
    /// outside the grammar of OAuth, a text that is too long or has control characters, an
    /// `icon_uri` that is not https.
    pub fn parse(json: &[u8]) -> Result<Self, ResourceError> {
        let parsed: Self = serde_json::from_slice(json).map_err(ResourceError::Malformed)?;
        for (member, text) in [("name", &parsed.name), ("type", &parsed.kind)] {
            let text = text.as_deref().unwrap_or_default();
            if text.len() > MAX_NAME || text.chars().any(char::is_control) {
                return Err(ResourceError::Text(member));
            }
        }
        let text = parsed.description.as_deref().unwrap_or_default();
        let control = |c: char| c.is_control() && c != '\n' && c != '\t';
        if text.len() > MAX_DESCRIPTION || text.chars().any(control) {
            return Err(ResourceError::Text("description"));
        }
        Ok(parsed)
    }

    /// The scopes that are available at the resource.
    #[must_use]
    pub const fn resource_scopes(&self) -> &ScopeSet {
        &self.resource_scopes
    }

    /// The resource's name for people, and for policy rules.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The `type` member.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The `description` member, for people.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The response to a read: the description and its `_id`. [UF §3.2.2]
    ///
    /// [UF §3.2.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2.2
    #[must_use]
    pub fn respond(&self, id: &ResourceId) -> serde_json::Value {
        let mut members = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = members.as_object_mut() {
            members.insert("_id".to_owned(), id.as_str().into());
        }
        members
    }
}

/// The response to a registration or a replacement. [UF §3.2.1], [UF §3.2.3]
///
/// [UF §3.2.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2.1
/// [UF §3.2.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2.3
#[must_use]
pub fn registered(id: &ResourceId) -> serde_json::Value {
    serde_json::json!({ "_id": id.as_str() })
}

/// The same response with `user_access_policy_uri`: where the owner sets who may reach the
/// resource. [UF §3.2]
///
/// [UF §3.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2
#[must_use]
pub fn with_policy_page(mut response: serde_json::Value, page: &str) -> serde_json::Value {
    if let Some(members) = response.as_object_mut() {
        members.insert("user_access_policy_uri".to_owned(), page.into());
    }
    response
}

/// Why a request to the resource registration endpoint failed. [UF §3.2]
///
/// [UF §3.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.3.2
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// The body is not a resource description: `invalid_request`.
    #[error("not a resource description")]
    Malformed(#[source] serde_json::Error),
    /// A text is too long or has control characters: `invalid_request`.
    #[error("member {0} is too long or has control characters")]
    Text(&'static str),
    /// The resource server has registered as many resources as it may: `invalid_request`.
    #[error("the resource server holds {0} resources, which is the limit")]
    Limit(usize),
    /// There is no such resource of this owner at this resource server: `not_found`.
    #[error("no such resource")]
    NotFound,
    /// The endpoint does not know the method: `unsupported_method_type`.
    #[error("unsupported method")]
    Method,
}

impl WireError for ResourceError {
    fn wire(&self) -> Wire {
        let (code, status, description) = match self {
            Self::Malformed(_) => (
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "the body is not a resource description",
            ),
            Self::Text(_) => (
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "a text is too long or has control characters",
            ),
            Self::Limit(_) => (
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "no more resources may be registered",
            ),
            Self::NotFound => (ErrorCode::NOT_FOUND, StatusCode::NOT_FOUND, "no such resource"),
            Self::Method => (
                ErrorCode::UNSUPPORTED_METHOD_TYPE,
                StatusCode::METHOD_NOT_ALLOWED,
                "the method is not supported here",
            ),
        };
        Wire::new(code, status, description)
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::wire::is_description;

    use super::*;

    #[test]
    fn a_description_keeps_what_the_specification_names() {
        let json = br#"{"resource_scopes":["get"],"name":"RS API","type":"api",
            "description":"two\nlines","icon_uri":"https://rs.example/i.png","secret":"x"}"#;
        let parsed = ResourceDescription::parse(json).unwrap();
        assert_eq!(
            parsed.respond(&ResourceId::parse("r1").unwrap()),
            serde_json::json!({
                "_id": "r1", "resource_scopes": ["get"], "name": "RS API", "type": "api",
                "description": "two\nlines", "icon_uri": "https://rs.example/i.png",
            })
        );
    }

    #[test]
    fn malformed_descriptions_are_refused() {
        for bad in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"resource_scopes":"get"}"#,
            r#"{"resource_scopes":[1]}"#,
            r#"{"resource_scopes":["a b"]}"#,
            r#"{"resource_scopes":[""]}"#,
            r#"{"resource_scopes":["get"],"resource_scopes":["put"]}"#,
            r#"{"resource_scopes":["get"],"name":7}"#,
            r#"{"resource_scopes":["get"],"name":"a\u0000b"}"#,
            r#"{"resource_scopes":["get"],"name":"a\nb"}"#,
            r#"{"resource_scopes":["get"],"type":"a\u0000b"}"#,
            r#"{"resource_scopes":["get"],"icon_uri":"javascript:alert(1)"}"#,
            r#"{"resource_scopes":["get"],"icon_uri":"http://rs.example/i.png"}"#,
            r#"{"resource_scopes":["get"],"description":"\u001b[2J"}"#,
        ] {
            let error = ResourceDescription::parse(bad.as_bytes()).unwrap_err();
            assert_eq!(error.wire().code, ErrorCode::INVALID_REQUEST, "{bad}");
        }
    }

    /// In octets: each of these characters is two.
    #[test]
    fn texts_are_as_long_as_their_limits_and_no_longer() {
        let is_taken = |member: &str, text: String| {
            let json = serde_json::json!({ "resource_scopes": [], member: text });
            ResourceDescription::parse(json.to_string().as_bytes()).is_ok()
        };
        for (member, limit) in
            [("name", MAX_NAME), ("type", MAX_NAME), ("description", MAX_DESCRIPTION)]
        {
            assert!(is_taken(member, "ä".repeat(limit / 2)), "{member}");
            assert!(!is_taken(member, "ä".repeat(limit / 2) + "x"), "{member}");
        }
        assert!(is_taken("description", "two\nlines,\tand a tab".to_owned()));
    }

    #[test]
    fn an_identifier_is_one_that_could_have_been_given() {
        for good in ["x", "-", "_", "aZ09-_", &"x".repeat(MAX_IDENTIFIER)] {
            assert_eq!(ResourceId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a/b", "a.b", "..", "a b", "ä", "a\n", &"x".repeat(129)] {
            assert!(ResourceId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_error_table_is_the_specifications() {
        let json_error = serde_json::from_str::<u8>("x").unwrap_err();
        for (error, code, status) in [
            (ResourceError::Malformed(json_error), "invalid_request", 400),
            (ResourceError::Text("name"), "invalid_request", 400),
            (ResourceError::Limit(1), "invalid_request", 400),
            (ResourceError::NotFound, "not_found", 404),
            (ResourceError::Method, "unsupported_method_type", 405),
        ] {
            let wire = error.wire();
            assert_eq!((wire.code.as_str(), wire.status.as_u16()), (code, status));
            assert!(is_description(wire.description));
        }
    }
}
