//! Decides whether a token suffices for a request. Pure: same arguments, same answer.

use countersign_types::{Issuer, Lifetime, ResourceIdentifier, ScopeSet, Timestamp};

use crate::introspect::{Introspection, Permission, Rpt};

/// How far the clocks of the authorization server and of this server may be apart.
pub const LEEWAY: Lifetime = Lifetime::from_secs(60);

/// What a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredPermission {
    /// The identifier that the authorization server gave the resource.
    pub resource_id: String,
    /// All of these.
    pub scopes: ScopeSet,
}

/// Who this server is, and for whom it takes tokens.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The issuer of the authorization server that was asked.
    pub issuer: &'a Issuer,
    /// This server's resource identifier: the token's `aud` must name it.
    pub audience: &'a ResourceIdentifier,
}

/// A caller whose requesting party token suffices for the request at hand. Only [`decide`] makes
/// one; the layer hands it to the inner service as a request extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    subject: Option<String>,
    client_id: Option<String>,
    scopes: ScopeSet,
    permissions: Vec<Permission>,
    expires: Option<Timestamp>,
}

impl Caller {
    /// The requesting party, as the authorization server names it.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The client that acts for them.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Every scope the token grants at the resource called, which may be more than was needed.
    #[must_use]
    pub const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// Every permission of the token that holds now, for whichever of this server's resources.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// When the token expires, where the authorization server says so.
    #[must_use]
    pub const fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// Why a token does not suffice. The caller is not told: every case is the same challenge, with a
/// new ticket. [UMA 2.0 Grant §3.5]
///
/// [UMA 2.0 Grant §3.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#check-rpt
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Insufficient {
    /// The authorization server does not stand by it.
    #[error("the token is not active")]
    Inactive,
    /// It is for another resource server, or for none that it names.
    #[error("the token is for another resource server")]
    Audience,
    /// Another authorization server issued it.
    #[error("the token is of another authorization server")]
    Issuer,
    /// Its own times exclude now.
    #[error("the token is outside its time")]
    Time,
    /// It is bound to a key, of which nothing here asks for a proof.
    #[error("the token is bound to a key")]
    Bound,
    /// It lacks the resource or one of the scopes.
    #[error("the token lacks the permission")]
    Permission,
}

/// Decides. Any permission counts that names the resource and holds now; together they must give
/// every scope that is required.
///
/// # Errors
/// Every [`Insufficient`].
pub fn decide(
    introspection: &Introspection,
    required: &RequiredPermission,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Caller, Insufficient> {
    let Introspection::Active(rpt) = introspection else { return Err(Insufficient::Inactive) };
    if !rpt.audience.iter().any(|audience| audience == expected.audience.as_str()) {
        return Err(Insufficient::Audience);
    }
    if rpt.issuer.as_ref().is_some_and(|issuer| issuer != expected.issuer.as_str()) {
        return Err(Insufficient::Issuer);
    }
    if rpt.bound {
        return Err(Insufficient::Bound);
    }
    if !holds(rpt.not_before, rpt.expires, now) {
        return Err(Insufficient::Time);
    }
    let scopes = granted(rpt, &required.resource_id, now)
        .filter(|scopes| required.scopes.is_subset(scopes))
        .ok_or(Insufficient::Permission)?;
    Ok(Caller {
        subject: rpt.subject.clone(),
        client_id: rpt.client_id.clone(),
        scopes,
        permissions: live(rpt, now).cloned().collect(),
        expires: rpt.expires,
    })
}

/// The scopes granted at a resource now; none if no permission names it.
fn granted(rpt: &Rpt, resource_id: &str, now: Timestamp) -> Option<ScopeSet> {
    live(rpt, now)
        .filter(|permission| permission.resource_id == resource_id)
        .map(|permission| permission.resource_scopes.clone())
        .reduce(|all, more| all.union(&more))
}

/// The permissions that hold now.
fn live(rpt: &Rpt, now: Timestamp) -> impl Iterator<Item = &Permission> {
    rpt.permissions
        .iter()
        .filter(move |permission| holds(permission.not_before, permission.expires, now))
}

fn holds(not_before: Option<Timestamp>, expires: Option<Timestamp>, now: Timestamp) -> bool {
    not_before.is_none_or(|not_before| not_before.before(LEEWAY) <= now)
        && expires.is_none_or(|expires| now < expires.after(LEEWAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::Permission;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn rpt() -> Rpt {
        Rpt {
            issuer: Some("https://uma.bob.example".to_owned()),
            audience: vec!["https://rs.bob.example".to_owned()],
            subject: Some("alice".to_owned()),
            client_id: Some("rqp-client".to_owned()),
            expires: Some(NOW.after(Lifetime::from_secs(300))),
            not_before: None,
            bound: false,
            permissions: vec![permission("r1", "get"), permission("r2", "get put")],
        }
    }

    fn permission(resource_id: &str, scopes: &str) -> Permission {
        Permission {
            resource_id: resource_id.to_owned(),
            resource_scopes: ScopeSet::parse(scopes).unwrap(),
            expires: None,
            not_before: None,
        }
    }

    #[track_caller]
    fn check(rpt: Rpt, resource_id: &str, scopes: &str) -> Result<Caller, Insufficient> {
        let required = RequiredPermission {
            resource_id: resource_id.to_owned(),
            scopes: ScopeSet::parse(scopes).unwrap(),
        };
        let issuer = Issuer::parse("https://uma.bob.example").unwrap();
        let audience = ResourceIdentifier::parse("https://rs.bob.example").unwrap();
        let expected = Expected { issuer: &issuer, audience: &audience };
        decide(&Introspection::Active(rpt), &required, expected, NOW)
    }

    #[test]
    fn a_sufficient_token_names_its_caller() {
        let caller = check(rpt(), "r2", "get").unwrap();
        assert_eq!((caller.subject(), caller.client_id()), (Some("alice"), Some("rqp-client")));
        assert_eq!(caller.scopes().to_string(), "get put");
    }

    #[test]
    fn rs_2_rs_4_what_does_not_suffice() {
        type Change = fn(&mut Rpt);
        let rows: [(&str, Change, Insufficient); 10] = [
            (
                "another resource server's",
                |r| r.audience = vec!["https://rs.eve.example".into()],
                Insufficient::Audience,
            ),
            (
                "almost our name",
                |r| r.audience = vec!["https://rs.bob.example/".into()],
                Insufficient::Audience,
            ),
            ("no audience", |r| r.audience.clear(), Insufficient::Audience),
            (
                "another server's",
                |r| r.issuer = Some("https://uma.eve.example".into()),
                Insufficient::Issuer,
            ),
            ("expired", |r| r.expires = Some(NOW.before(LEEWAY)), Insufficient::Time),
            (
                "not yet valid",
                |r| r.not_before = Some(NOW.after(Lifetime::from_secs(61))),
                Insufficient::Time,
            ),
            ("bound to a key", |r| r.bound = true, Insufficient::Bound),
            ("no permissions", |r| r.permissions.clear(), Insufficient::Permission),
            (
                "other resource",
                |r| {
                    r.permissions.remove(0);
                },
                Insufficient::Permission,
            ),
            (
                "permission expired",
                |r| r.permissions[0].expires = Some(NOW.before(LEEWAY)),
                Insufficient::Permission,
            ),
        ];
        for (name, change, expected) in rows {
            let mut rpt = rpt();
            change(&mut rpt);
            assert_eq!(check(rpt, "r1", "get"), Err(expected), "{name}");
        }
        assert_eq!(check(rpt(), "r1", "put"), Err(Insufficient::Permission));
        assert_eq!(check(rpt(), "r1", "GET"), Err(Insufficient::Permission));
        assert_eq!(
            check(rpt(), "r3", ""),
            Err(Insufficient::Permission),
            "no scope is no free pass"
        );
    }

    #[test]
    fn the_caller_has_the_permissions_that_hold() {
        let mut rpt = rpt();
        rpt.permissions.push(permission("r3", "get"));
        rpt.permissions[2].expires = Some(NOW.before(LEEWAY));
        let live = rpt.permissions[..2].to_vec();
        let expires = rpt.expires;
        let caller = check(rpt, "r1", "get").unwrap();
        assert_eq!((caller.permissions(), caller.expires()), (live.as_slice(), expires));
    }

    #[test]
    fn permissions_for_one_resource_add_up() {
        let mut rpt = rpt();
        rpt.permissions.push(permission("r1", "put"));
        assert!(check(rpt, "r1", "get put").is_ok());
    }

    #[test]
    fn x_5_clocks_may_differ_by_the_leeway() {
        let mut rpt = rpt();
        rpt.expires = Some(NOW.before(Lifetime::from_secs(59)));
        rpt.not_before = Some(NOW.after(LEEWAY));
        assert!(check(rpt, "r1", "get").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn what_is_admitted_was_granted(granted in "[a-d]( [a-d]){0,3}", asked in "[a-d]( [a-d]){0,3}") {
            let mut rpt = rpt();
            rpt.permissions = vec![permission("r1", &granted), permission("r2", "a b c d")];
            let subset = ScopeSet::parse(&asked).unwrap().is_subset(&ScopeSet::parse(&granted).unwrap());
            proptest::prop_assert_eq!(check(rpt, "r1", &asked).is_ok(), subset);
        }
    }
}
