//! Permission requests, from which a ticket is made. [UF §4]
//!
//! [UF §4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4

use std::collections::BTreeMap;

use countersign_types::wire::ErrorCode;
use countersign_types::{Lifetime, ScopeSet, Timestamp, Wire, WireError};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::process::Process;
use crate::protection::Protection;
use crate::resource::{ResourceDescription, ResourceId};

/// More permissions than this in one request are refused.
pub const MAX_PERMISSIONS: usize = 32;

/// A resource, and scopes at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The resource.
    pub resource_id: ResourceId,
    /// The scopes, each registered for the resource.
    pub resource_scopes: ScopeSet,
}

/// The resources of one owner at one resource server, as far as a request names them.
pub type Registered = BTreeMap<ResourceId, ResourceDescription>;

/// A permission request. Nothing about it has been compared with what is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionRequest(Vec<Permission>);

/// A member as it stands on the wire: an identifier that could not be one is an unknown one.
#[derive(Deserialize)]
struct WirePermission {
    resource_id: String,
    resource_scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(WirePermission),
    Many(Vec<WirePermission>),
}

/// Parses a permission request: one object, or an array of them. [UF §4.1]
///
/// Two members that name the same resource are joined.
///
/// # Errors
/// [`PermissionError::Malformed`] for what is neither, an empty array, or more than
/// [`MAX_PERMISSIONS`]; [`PermissionError::Scope`] and [`PermissionError::ResourceId`] for what
/// cannot have been registered.
///
/// [UF §4.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4.1
pub fn parse(json: &[u8]) -> Result<PermissionRequest, PermissionError> {
    let members = match serde_json::from_slice(json).map_err(PermissionError::Malformed)? {
        OneOrMany::One(member) => vec![member],
        OneOrMany::Many(members) => members,
    };
    if members.is_empty() || members.len() > MAX_PERMISSIONS {
        return Err(PermissionError::Count(members.len()));
    }
    let mut permissions: Vec<Permission> = Vec::with_capacity(members.len());
    for member in members {
        let resource_id = ResourceId::parse(&member.resource_id)
            .map_err(|_| PermissionError::ResourceId(member.resource_id))?;
        let resource_scopes = ScopeSet::from_tokens(&member.resource_scopes)
            .map_err(|_| PermissionError::Scope(resource_id.clone()))?;
        match permissions.iter_mut().find(|known| known.resource_id == resource_id) {
            Some(known) => known.resource_scopes = known.resource_scopes.union(&resource_scopes),
            None => permissions.push(Permission { resource_id, resource_scopes }),
        }
    }
    Ok(PermissionRequest(permissions))
}

impl PermissionRequest {
    /// What it asks for, each resource once.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.0
    }

    /// Compares every permission with what this owner has registered at this resource server: one
    /// that is not there refuses the whole request.
    ///
    /// # Errors
    /// [`PermissionError::ResourceId`] for a resource that is not in `registered`,
    /// [`PermissionError::Scope`] for a scope that is not available at it.
    pub fn check(&self, registered: &Registered) -> Result<(), PermissionError> {
        for permission in &self.0 {
            let id = &permission.resource_id;
            let description = registered
                .get(id)
                .ok_or_else(|| PermissionError::ResourceId(id.as_str().to_owned()))?;
            if !permission.resource_scopes.is_subset(description.resource_scopes()) {
                return Err(PermissionError::Scope(id.clone()));
            }
        }
        Ok(())
    }

    /// Opens an authorization process for the permissions. [UF §4.2]
    ///
    /// `protection` is whom the PAT speaks for, `registered` what is registered under it, `id`
    /// names the process in the audit trail.
    ///
    /// # Errors
    /// As [`PermissionRequest::check`].
    ///
    /// [UF §4.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4.2
    pub fn open(
        self,
        registered: &Registered,
        protection: Protection,
        id: String,
        now: Timestamp,
        lifetime: Lifetime,
    ) -> Result<Process, PermissionError> {
        self.check(registered)?;
        Ok(Process::open(id, protection, self.0, now.after(lifetime)))
    }
}

/// The response to a permission request. [UF §4.2]
///
/// [UF §4.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4.2
#[must_use]
pub fn respond(ticket: &countersign_types::secret::TicketHandle) -> serde_json::Value {
    serde_json::json!({ "ticket": ticket.expose() })
}

/// Why a permission request failed. [UF §4.3]
///
/// [UF §4.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.4.3
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionError {
    /// The body is not a permission request: `invalid_request`.
    #[error("not a permission request")]
    Malformed(#[source] serde_json::Error),
    /// An empty array, or too many permissions: `invalid_request`.
    #[error("{0} permissions in one request")]
    Count(usize),
    /// A resource is not registered by this owner at this resource server: `invalid_resource_id`.
    #[error("resource {0:?} is not registered here")]
    ResourceId(String),
    /// A scope is not available at the resource: `invalid_scope`.
    #[error("a scope is not registered for resource {0}")]
    Scope(ResourceId),
}

impl WireError for PermissionError {
    fn wire(&self) -> Wire {
        let (code, description) = match self {
            Self::Malformed(_) => {
                (ErrorCode::INVALID_REQUEST, "the body is not a permission request")
            }
            Self::Count(_) => (ErrorCode::INVALID_REQUEST, "no permission, or too many"),
            Self::ResourceId(_) => (ErrorCode::INVALID_RESOURCE_ID, "a resource is not registered"),
            Self::Scope(_) => {
                (ErrorCode::INVALID_SCOPE, "a scope is not registered for the resource")
            }
        };
        Wire::new(code, StatusCode::BAD_REQUEST, description)
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::ClientId;
    use countersign_types::wire::is_description;

    use super::*;
    use crate::protection::OwnerId;

    fn registered() -> Registered {
        [("r1", r#"["get","put"]"#), ("r2", r#"["get"]"#)]
            .into_iter()
            .map(|(id, scopes)| {
                let json = format!(r#"{{"resource_scopes":{scopes}}}"#);
                let description = ResourceDescription::parse(json.as_bytes()).unwrap();
                (ResourceId::parse(id).unwrap(), description)
            })
            .collect()
    }

    #[track_caller]
    fn check(json: &str) -> Result<Process, PermissionError> {
        let bob = Protection::new(OwnerId::parse("bob").unwrap(), ClientId::parse("rs").unwrap());
        let now = Timestamp::from_unix(0);
        parse(json.as_bytes())?.open(
            &registered(),
            bob,
            "p".to_owned(),
            now,
            Lifetime::from_secs(300),
        )
    }

    #[test]
    fn one_object_and_an_array_open_one_process() {
        let one = check(r#"{"resource_id":"r1","resource_scopes":["get"],"x":1}"#).unwrap();
        assert_eq!(one.permissions().len(), 1);
        let many = check(
            r#"[{"resource_id":"r1","resource_scopes":["get"]},
                {"resource_id":"r2","resource_scopes":[]},
                {"resource_id":"r1","resource_scopes":["put"]}]"#,
        )
        .unwrap();
        assert_eq!(many.permissions().len(), 2);
        assert_eq!(many.permissions()[0].resource_scopes.to_string(), "get put");
    }

    #[test]
    fn what_is_refused_and_how() {
        let many = vec![r#"{"resource_id":"r1","resource_scopes":["get"]}"#; MAX_PERMISSIONS + 1];
        let many = format!("[{}]", many.join(","));
        let table = [
            ("not json", "x", "invalid_request"),
            ("empty array", "[]", "invalid_request"),
            ("no resource_scopes", r#"{"resource_id":"r1"}"#, "invalid_request"),
            ("no resource_id", r#"{"resource_scopes":["get"]}"#, "invalid_request"),
            ("too many", &many, "invalid_request"),
            ("unknown", r#"{"resource_id":"r9","resource_scopes":["get"]}"#, "invalid_resource_id"),
            ("odd id", r#"{"resource_id":"../r1","resource_scopes":[]}"#, "invalid_resource_id"),
            (
                "own first, then unknown",
                r#"[{"resource_id":"r1","resource_scopes":["get"]},{"resource_id":"r9","resource_scopes":["get"]}]"#,
                "invalid_resource_id",
            ),
            ("scope", r#"{"resource_id":"r2","resource_scopes":["get","put"]}"#, "invalid_scope"),
            ("scope's case", r#"{"resource_id":"r2","resource_scopes":["GET"]}"#, "invalid_scope"),
            (
                "scope's grammar",
                r#"{"resource_id":"r2","resource_scopes":["a b"]}"#,
                "invalid_scope",
            ),
        ];
        for (name, json, code) in table {
            let wire = check(json).unwrap_err().wire();
            assert_eq!((wire.code.as_str(), wire.status.as_u16()), (code, 400), "{name}");
            assert!(is_description(wire.description), "{name}");
        }
    }
}
