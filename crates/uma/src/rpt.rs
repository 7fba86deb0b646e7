//! What a requesting party token (RPT) stands for, and what introspection says of it. [UF §5.1.1]
//!
//! [UF §5.1.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.5.1.1

use countersign_types::{ClientId, Issuer, Lifetime, ResourceIdentifier, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::permission::{Permission, Registered};
use crate::protection::Protection;

/// How long an RPT lives unless configured otherwise.
pub const LIFETIME: Lifetime = Lifetime::from_secs(300);

/// What an opaque RPT stands for, kept under the digest of the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rpt {
    /// The resource server it is for, and the owner of its resources.
    pub protection: Protection,
    /// The resource identifier that the client named: the RPT's audience.
    pub audience: ResourceIdentifier,
    /// The client it was issued to.
    pub client: ClientId,
    /// The requesting party's identity provider and subject, where claims were needed.
    pub person: Option<(Issuer, String)>,
    /// What it permits.
    pub permissions: Vec<Permission>,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// The answer about a token that is expired, unknown, another resource server's or garbage: always
/// the same octets. [RFC 7662 §2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)
#[must_use]
pub fn inactive() -> Value {
    json!({ "active": false })
}

impl Rpt {
    /// The introspection answer for the resource server that `asker`'s PAT speaks for. [UF §5.1.1]
    ///
    /// `registered` is what is registered now: a permission outlives neither its resource nor the
    /// registration of its scope. There is no `scope` member, and nothing about the person.
    ///
    /// [UF §5.1.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.5.1.1
    #[must_use]
    pub fn introspect(
        &self,
        asker: &Protection,
        registered: &Registered,
        issuer: &Issuer,
        now: Timestamp,
    ) -> Value {
        if self.protection != *asker || now >= self.expires {
            return inactive();
        }
        let permissions: Vec<Permission> = self
            .permissions
            .iter()
            .filter_map(|permission| still_registered(permission, registered))
            .collect();
        if permissions.is_empty() {
            return inactive();
        }
        json!({
            "active": true,
            "permissions": permissions,
            "token_type": "Bearer",
            "client_id": self.client,
            "aud": self.audience,
            "iss": issuer,
            "iat": self.issued,
            "exp": self.expires,
        })
    }
}

fn still_registered(permission: &Permission, registered: &Registered) -> Option<Permission> {
    let description = registered.get(&permission.resource_id)?;
    let resource_scopes = permission.resource_scopes.intersection(description.resource_scopes());
    let resource_id = permission.resource_id.clone();
    (!resource_scopes.is_empty()).then_some(Permission { resource_id, resource_scopes })
}

#[cfg(test)]
mod tests {
    use countersign_types::ScopeSet;

    use super::*;
    use crate::protection::OwnerId;
    use crate::resource::{ResourceDescription, ResourceId};

    fn protection(owner: &str, resource_server: &str) -> Protection {
        let owner = OwnerId::parse(owner).unwrap();
        Protection::new(owner, ClientId::parse(resource_server).unwrap())
    }

    fn rpt() -> Rpt {
        Rpt {
            protection: protection("bob", "rs"),
            audience: ResourceIdentifier::parse("https://rs.example").unwrap(),
            client: ClientId::parse("app").unwrap(),
            person: None,
            permissions: vec![Permission {
                resource_id: ResourceId::parse("r1").unwrap(),
                resource_scopes: ScopeSet::parse("get put").unwrap(),
            }],
            issued: Timestamp::from_unix(1000),
            expires: Timestamp::from_unix(1300),
        }
    }

    fn registered(scopes: &str) -> Registered {
        let json = format!(r#"{{"resource_scopes":{scopes}}}"#);
        let description = ResourceDescription::parse(json.as_bytes()).unwrap();
        Registered::from([(ResourceId::parse("r1").unwrap(), description)])
    }

    #[track_caller]
    fn check(asker: &Protection, registered: &Registered, now: i64) -> Value {
        let issuer = Issuer::parse("https://uma.example").unwrap();
        rpt().introspect(asker, registered, &issuer, Timestamp::from_unix(now))
    }

    #[test]
    fn a_live_rpt_has_permissions_and_no_scope() {
        let own = protection("bob", "rs");
        let answer = check(&own, &registered(r#"["get","put"]"#), 1299);
        assert_eq!(
            answer,
            json!({
                "active": true, "token_type": "Bearer", "client_id": "app",
                "aud": "https://rs.example", "iss": "https://uma.example",
                "iat": 1000, "exp": 1300,
                "permissions": [{"resource_id": "r1", "resource_scopes": ["get", "put"]}],
            })
        );
    }

    #[test]
    fn every_other_one_is_inactive_and_no_more() {
        let own = protection("bob", "rs");
        let all = registered(r#"["get","put"]"#);
        for (name, answer) in [
            ("expired", check(&own, &all, 1300)),
            ("another resource server", check(&protection("bob", "rs2"), &all, 1000)),
            ("another owner", check(&protection("eve", "rs"), &all, 1000)),
            ("resource deleted", check(&own, &Registered::new(), 1000)),
            ("scopes withdrawn", check(&own, &registered("[]"), 1000)),
        ] {
            assert_eq!(answer, inactive(), "{name}");
        }
    }

    #[test]
    fn a_scope_that_is_withdrawn_is_gone_at_once() {
        let answer = check(&protection("bob", "rs"), &registered(r#"["get"]"#), 1000);
        assert_eq!(answer["permissions"][0]["resource_scopes"], json!(["get"]));
    }
}
