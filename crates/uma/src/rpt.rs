//! What a requesting party token (RPT) stands for, and what introspection says of it. [UF §5.1.1]
//!
//! [UF §5.1.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.5.1.1

mod held;

use std::borrow::Cow;
use std::collections::BTreeSet;

use countersign_types::digest::Digest;
use countersign_types::{ClientId, Lifetime, ResourceIdentifier, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::assessment::Settings;
use crate::case::Case;
use crate::permission::{Permission, Registered};
use crate::person::Person;
use crate::policy::{Policy, Revision};
use crate::protection::Protection;
use crate::refresh::GrantId;
use crate::resource::ResourceDescription;

pub use self::held::Held;

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
    /// The requesting party, where claims were needed: as much of them as policy goes by.
    pub person: Option<Person>,
    /// The names of the claims that policy went by then: of these it is known whether the person
    /// has them, and of no other.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub known_claims: BTreeSet<String>,
    /// What the assessment rested on.
    pub basis: Basis,
    /// What it permits.
    pub permissions: Vec<Permission>,
    /// Whether it rests on what the owner said when asked: then they are looked up at every use, so
    /// that what they take back is gone at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// What it came of together with a refresh token, or by one: it ends with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The last time that everything of its person was revoked before it was issued, as its owner's
    /// revocations are counted: one that it does not know of ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_revocation: Option<Timestamp>,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// What an assessment rested on besides the person: the policy's revision, and the descriptions of
/// the resources as they were then, since a rule may go by a resource's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Basis(String);

impl Basis {
    /// The basis of these permissions.
    #[must_use]
    pub fn of(revision: Revision, permissions: &[Permission], registered: &Registered) -> Self {
        let described = |Permission { resource_id, .. }: &Permission| {
            let description = registered.get(resource_id);
            // INVARIANT: a description is made of text, so there is always JSON for it.
            Cow::Owned(serde_json::to_vec(&(resource_id, description)).unwrap_or_default())
        };
        let revision = [Cow::Borrowed(revision.as_bytes())];
        let parts = revision.into_iter().chain(permissions.iter().map(described));
        Self(Digest::of_each(parts).to_base64url())
    }
}

/// What holds when an RPT is introspected.
#[derive(Clone, Copy)]
pub struct Current<'a> {
    /// Those resources of the RPT that are registered now.
    pub registered: &'a Registered,
    /// What the owner said about the person, if it [rests](Rpt::asked) on that.
    pub case: Option<&'a Case>,
    /// Who may reach what, now.
    pub policy: &'a dyn Policy,
    /// What this server decided for all assessments.
    pub settings: &'a Settings,
    /// The time of the request.
    pub now: Timestamp,
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
    /// A permission outlives neither its resource, nor the registration of its scope, nor the
    /// policy or the owner's word that granted it; no permission outlives the refusal of the issuer
    /// that vouched for the person. There is no `scope` member, and nothing about the person.
    ///
    /// [UF §5.1.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.5.1.1
    #[must_use]
    pub fn introspect(&self, asker: &Protection, current: Current<'_>) -> Value {
        if self.protection != *asker || current.now >= self.expires {
            return inactive();
        }
        let permissions = self.permissions_now(current);
        if permissions.is_empty() {
            return inactive();
        }
        json!({
            "active": true,
            "permissions": permissions,
            "token_type": "Bearer",
            "client_id": self.client,
            "aud": self.audience,
            "iss": current.settings.issuer,
            "iat": self.issued,
            "exp": self.expires,
        })
    }

    /// What of the permissions still holds.
    fn permissions_now(&self, current: Current<'_>) -> Vec<Permission> {
        let Some(stands) = self.stands(current) else { return Vec::new() };
        let still = |permission: &Permission| {
            let resource = current.registered.get(&permission.resource_id)?;
            let mut scopes = permission.resource_scopes.intersection(resource.resource_scopes());
            if !stands || self.asked {
                scopes = self.assess_anew(permission, resource, &scopes, current);
            }
            let resource_id = permission.resource_id.clone();
            let resource_scopes = scopes;
            (!resource_scopes.is_empty()).then_some(Permission { resource_id, resource_scopes })
        };
        self.permissions.iter().filter_map(still).collect()
    }

    /// Whether what the assessment rested on is what there is now; `None` if nothing of it counts
    /// any more.
    fn stands(&self, current: Current<'_>) -> Option<bool> {
        let settings = current.settings;
        if self.person.as_ref().is_some_and(|person| !settings.hears(&person.iss, &person.email)) {
            return None;
        }
        let revision = current.policy.revision(&self.protection, current.now);
        let revision = settings.revision(revision);
        let stands = self.basis == Basis::of(revision, &self.permissions, current.registered)
            && !current.policy.is_timed(&self.protection);
        // A claim that was not kept is no claim that the person does not have: whoever has it may
        // be forbidden by it. The client comes back, with all that policy goes by now.
        let counts =
            stands || current.policy.claims(&self.protection).is_subset(&self.known_claims);
        counts.then_some(stands)
    }

    /// Whether the owner, whom policy would have asked, permits it.
    fn is_approved(
        &self,
        permission: &Permission,
        scope: &str,
        Current { case, .. }: Current<'_>,
    ) -> bool {
        let (Some(case), Some(person)) = (case, &self.person) else { return false };
        case.person().is_same(person)
            && case.approves(&self.client, person.present, &permission.resource_id, scope)
    }

    /// Those of the scopes that policy permits now, or the owner where policy asks them.
    fn assess_anew(
        &self,
        permission: &Permission,
        resource: &ResourceDescription,
        scopes: &ScopeSet,
        current: Current<'_>,
    ) -> ScopeSet {
        let person = self.heard(current);
        let permitted = scopes.iter().filter(|scope| {
            self.grounds(permission, resource, scope, person.as_ref(), current).is_some()
        });
        // Tokens of a set are a set again.
        ScopeSet::from_tokens(permitted).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use countersign_types::{EmailAddress, Issuer};

    use super::*;
    use crate::policy::{Decision, PolicyRequest, Reason, Ruling};
    use crate::protection::OwnerId;
    use crate::resource::ResourceId;

    fn protection(owner: &str, resource_server: &str) -> Protection {
        let owner = OwnerId::parse(owner).unwrap();
        Protection::new(owner, ClientId::parse(resource_server).unwrap())
    }

    /// Permits these scopes at resources of this name to those who are in the department; counts
    /// how often it was asked.
    struct Department {
        scopes: &'static str,
        resource: Option<&'static str>,
        asked: AtomicUsize,
    }

    const fn department(scopes: &'static str) -> Department {
        Department { scopes, resource: None, asked: AtomicUsize::new(0) }
    }

    impl Policy for Department {
        fn assess(&self, request: &PolicyRequest<'_>) -> Ruling {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let person = request.person.unwrap();
            let permitted = ScopeSet::parse(self.scopes).unwrap().contains(request.scope)
                && self.resource == request.resource.name()
                && person.claims.get("department") == Some(&json!("research"));
            if permitted { Decision::Permit.into() } else { Decision::Deny.into() }
        }

        fn revision(&self, _: &Protection, _: Timestamp) -> Revision {
            Revision::of(self.scopes)
        }

        fn claims(&self, _: &Protection) -> BTreeSet<String> {
            let more = self.scopes.contains("by-team").then_some("team");
            ["department"].into_iter().chain(more).map(str::to_owned).collect()
        }
    }

    fn rpt() -> Rpt {
        let permissions = vec![Permission {
            resource_id: ResourceId::parse("r1").unwrap(),
            resource_scopes: ScopeSet::parse("get put").unwrap(),
        }];
        let revision =
            department("get put").revision(&protection("bob", "rs"), Timestamp::from_unix(1000));
        Rpt {
            protection: protection("bob", "rs"),
            audience: ResourceIdentifier::parse("https://rs.example").unwrap(),
            client: ClientId::parse("app").unwrap(),
            person: Some(Person {
                iss: Issuer::parse("https://sts.a.example").unwrap(),
                sub: "1".to_owned(),
                email: EmailAddress::parse("alice@a.example").unwrap(),
                present: true,
                claims: [("department".to_owned(), json!("research"))].into_iter().collect(),
                unheard: serde_json::Map::new(),
                vouching: crate::person::Vouching::default(),
            }),
            known_claims: BTreeSet::from(["department".to_owned()]),
            basis: Basis::of(revision, &permissions, &registered(r#"["get","put"]"#)),
            permissions,
            asked: false,
            grant: None,
            since_revocation: None,
            issued: Timestamp::from_unix(1000),
            expires: Timestamp::from_unix(1300),
        }
    }

    fn registered(scopes: &str) -> Registered {
        described(&format!(r#"{{"resource_scopes":{scopes}}}"#))
    }

    fn described(json: &str) -> Registered {
        let description = ResourceDescription::parse(json.as_bytes()).unwrap();
        Registered::from([(ResourceId::parse("r1").unwrap(), description)])
    }

    fn settings() -> Settings {
        Settings::new(Issuer::parse("https://uma.example").unwrap())
    }

    #[track_caller]
    fn check(asker: &Protection, registered: &Registered, now: i64) -> Value {
        check_under(&department("get put"), &settings(), asker, registered, now)
    }

    #[track_caller]
    fn check_under(
        policy: &Department,
        settings: &Settings,
        asker: &Protection,
        registered: &Registered,
        now: i64,
    ) -> Value {
        let now = Timestamp::from_unix(now);
        rpt().introspect(asker, Current { registered, case: None, policy, settings, now })
    }

    /// The scopes at the one resource under this policy, while everything else is as it was.
    #[track_caller]
    fn scopes_under(policy: &Department) -> Value {
        let all = registered(r#"["get","put"]"#);
        let answer = check_under(policy, &settings(), &protection("bob", "rs"), &all, 1000);
        answer["permissions"][0]["resource_scopes"].clone()
    }

    /// RPTs are kept with it. Digested are, each after its length in 8 octets, the digest of
    /// `rules`, `["r1",{"resource_scopes":["get","put"],"name":"inbox"}]` and, not being
    /// registered, `["r2",null]`.
    #[test]
    fn a_basis_is_what_it_was_in_every_version() {
        let permissions = ["r1", "r2"].map(|id| Permission {
            resource_id: ResourceId::parse(id).unwrap(),
            resource_scopes: ScopeSet::parse("get").unwrap(),
        });
        let registered = described(r#"{"name":"inbox","resource_scopes":["put","get"]}"#);
        let basis = Basis::of(Revision::of("rules"), &permissions, &registered);
        assert_eq!(basis, Basis("s9NEfQElRVCnBP6O8v4pIfJFLuurM9v4TV-FOOOYyZ8".to_owned()));
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
    #[test]
    fn a_policy_that_stands_is_not_asked_again() {
        let policy = department("get put");
        assert_eq!(scopes_under(&policy), json!(["get", "put"]));
        assert_eq!(policy.asked.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_changed_policy_bites_at_once() {
        assert_eq!(scopes_under(&department("get")), json!(["get"]));
        assert_eq!(scopes_under(&department("other")), Value::Null);
        assert_eq!(scopes_under(&department("get put more")), json!(["get", "put"]));
        let answer = check_under(
            &department("other"),
            &settings(),
            &protection("bob", "rs"),
            &registered(r#"["get","put"]"#),
            1000,
        );
        assert_eq!(answer, inactive());
    }

    /// Whether the person has a claim that no policy went by when the token was issued is not
    /// known, and it may be one that forbids.
    #[test]
    fn a_policy_that_goes_by_more_claims_permits_nothing_before_they_are_known() {
        assert_eq!(scopes_under(&department("get put by-team")), Value::Null);
    }

    #[test]
    fn a_resource_that_became_another_is_assessed_anew() {
        let own = protection("bob", "rs");
        let renamed = described(r#"{"resource_scopes":["get","put"],"name":"secret"}"#);
        assert_eq!(check(&own, &renamed, 1000), inactive());
        let secret = Department { resource: Some("secret"), ..department("get put") };
        assert_eq!(check_under(&secret, &settings(), &own, &renamed, 1000)["active"], true);
    }

    #[test]
    fn an_issuer_that_is_heard_less_takes_permissions_along() {
        let (own, all) = (protection("bob", "rs"), registered(r#"["get","put"]"#));
        let policy = department("get put");
        for (rule, stands) in [
            (json!({"domains": ["a.example"]}), true),
            (json!({"claims": ["department"]}), true),
            (json!({"claims": ["team"]}), false),
            (json!({"domains": ["b.example"]}), false),
        ] {
            let mut settings = settings();
            let mut rule = rule;
            rule["issuer"] = json!("https://sts.a.example");
            let rules = vec![serde_json::from_value(rule.clone()).unwrap()];
            settings.issuers = crate::Issuers::new(rules, false).unwrap();
            let answer = check_under(&policy, &settings, &own, &all, 1000);
            assert_eq!(answer["active"], stands, "{rule}");
        }
    }

    #[test]
    fn an_issuer_that_is_refused_now_takes_its_rpts_along() {
        let mut settings = settings();
        settings.refused_issuers.insert(Issuer::parse("https://sts.a.example").unwrap());
        let (own, all) = (protection("bob", "rs"), registered(r#"["get","put"]"#));
        assert_eq!(check_under(&department("get put"), &settings, &own, &all, 1000), inactive());
    }

    /// Permits `get` by a rule, and leaves the rest to the owner.
    struct ByRule;

    impl Policy for ByRule {
        fn assess(&self, request: &PolicyRequest<'_>) -> Ruling {
            let permits = request.scope == "get";
            let decision = if permits { Decision::Permit } else { Decision::AskOwner };
            Ruling { decision, why: vec![Reason::Policy("rule 1".to_owned())] }
        }

        fn revision(&self, _: &Protection, _: Timestamp) -> Revision {
            Revision::of("by rule")
        }
    }

    #[test]
    fn its_owner_is_shown_what_introspection_says_and_why() {
        let (own, all) = (protection("bob", "rs"), registered(r#"["get","put"]"#));
        let (settings, now) = (settings(), Timestamp::from_unix(1000));
        let shown = |policy: &dyn Policy, registered: &Registered, settings: &Settings| {
            let current = Current { registered, case: None, policy, settings, now };
            let held = rpt().held(current);
            let scopes: Vec<_> = held.iter().map(|held| held.scope.clone()).collect();
            let said = rpt().introspect(&own, current);
            let said = said["permissions"][0]["resource_scopes"].clone();
            assert_eq!(said, if scopes.is_empty() { Value::Null } else { json!(scopes) });
            held
        };
        for scopes in ["get put", "get", "other"] {
            shown(&department(scopes), &all, &settings);
        }
        shown(&department("get put"), &registered(r#"["put"]"#), &settings);
        shown(&department("get put"), &Registered::new(), &settings);
        let mut refusing = settings.clone();
        refusing.refused_issuers.insert(Issuer::parse("https://sts.a.example").unwrap());
        assert!(shown(&department("get put"), &all, &refusing).is_empty());
        // The owner is asked about `put`, and has not said anything.
        let why = vec![Reason::Policy("rule 1".to_owned())];
        let resource_id = ResourceId::parse("r1").unwrap();
        let get = Held { resource_id, scope: "get".to_owned(), why, approved: false };
        assert_eq!(shown(&ByRule, &all, &settings), [get]);
    }
}
