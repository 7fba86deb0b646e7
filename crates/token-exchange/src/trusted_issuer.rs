//! Other issuers whose tokens may be exchanged here, and how far each is believed.

use std::collections::{BTreeMap, BTreeSet};

use countersign_claims_token::claims::RESERVED;
use countersign_types::digest::Digest;
use countersign_types::{ClientId, Issuer, Lifetime, ScopeSet};
use serde_json::{Map, Value, json};

/// What the subjects that people of other issuers have here begin with: no account and no client of
/// this server may have one of these.
pub const SUBJECT_PREFIX: &str = "foreign-";

/// The claim that roles are issued in. [RFC 9068 §2.2.3.1]
///
/// [RFC 9068 §2.2.3.1]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1
pub const ROLES: &str = "roles";

/// Claims of an access token that say something else than who the person is, beside [`RESERVED`].
const NOT_ABOUT_A_PERSON: &[&str] = &[
    "acr",
    "active",
    "auth_time",
    "c_hash",
    "entitlements",
    "events",
    "groups",
    "origin_jti",
    "permissions",
    "realm_access",
    "resource_access",
    ROLES,
    "sid",
    "token_type",
    "typ",
];

/// Another issuer whose tokens may be exchanged here, and how far it is believed. Nothing is, but
/// what stands here.
///
/// ```
/// use countersign_token_exchange::TrustedIssuer;
/// use countersign_token_exchange::trusted_issuer::Accepted;
/// use countersign_types::{ClientId, Issuer};
///
/// let ours = Accepted {
///     audiences: ["https://api.alice.example".to_owned()].into(),
///     ..Accepted::default()
/// };
/// let university = TrustedIssuer {
///     exchanges: [(ClientId::parse("api")?, ours)].into(),
///     claims: ["name".to_owned()].into(),
///     ..TrustedIssuer::new("university", Issuer::parse("https://idp.university.example")?)
/// };
/// # assert!(university.email_domains.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// What `subject_issuer` calls it.
    pub alias: String,
    /// Its `iss`.
    pub issuer: Issuer,
    /// How its access tokens say that they are some.
    pub access_tokens: AccessTokenForm,
    /// Who its people are here.
    pub subjects: Subjects,
    /// The clients of this server that may exchange its tokens, and which of its tokens each may.
    pub exchanges: BTreeMap<ClientId, Accepted>,
    /// Claims that have to be there, each with one of these values.
    pub required: BTreeMap<String, Vec<Value>>,
    /// The domains whose e-mail addresses it speaks for, in canonical form.
    pub email_domains: BTreeSet<String>,
    /// The claims about a person that it is believed, by name; see [`may_be_released`].
    pub claims: BTreeSet<String>,
    /// Which of its roles are which of ours.
    pub roles: Vec<RoleMapping>,
    /// What a person of this issuer may be given scope of ours for. The issuer's own scopes mean
    /// nothing here.
    pub scopes: ScopeSet,
}

impl TrustedIssuer {
    /// One of which nothing is taken yet: no client exchanges its tokens, and nothing that they say
    /// of a person is believed but who they are at that issuer.
    #[must_use]
    pub fn new(alias: impl Into<String>, issuer: Issuer) -> Self {
        Self {
            alias: alias.into(),
            issuer,
            access_tokens: AccessTokenForm::default(),
            subjects: Subjects::default(),
            exchanges: BTreeMap::new(),
            required: BTreeMap::new(),
            email_domains: BTreeSet::new(),
            claims: BTreeSet::new(),
            roles: Vec::new(),
            scopes: ScopeSet::empty(),
        }
    }
}

/// How the access tokens of an issuer say that they are no ID tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessTokenForm {
    /// By the type `at+jwt`. [RFC 9068 §2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)
    #[default]
    Rfc9068,
    /// By a claim `typ` of the value `Bearer` or `DPoP` under the type `JWT`, as Keycloak does.
    Keycloak,
}

/// Who the people of an issuer are here. Their `iss` and `sub` say it, and nothing else does: no
/// user name and no address makes anybody somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subjects {
    /// Each is a person of that issuer and nobody else: [`TrustedIssuer::subject`].
    #[default]
    Namespaced,
    /// Each is the account here that is linked to them, and whoever has none is refused. Nothing is
    /// refreshed: what was granted lasts no longer than the link was looked at for.
    Linked,
}

/// Which tokens of an issuer a client may exchange: those that were made for it. Whoever takes
/// another's lets a token that somebody got for one service speak at all others.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    /// What `aud` may name beside this server: the API that the client is.
    pub audiences: BTreeSet<String>,
    /// The clients, as that issuer knows them, that may have obtained the token.
    pub clients: BTreeSet<String>,
    /// For how long it may refresh what it exchanged for one of `audiences` and in the person's
    /// place; without it, it may not. See [`crate::renewal`].
    pub refresh: Option<Lifetime>,
}

/// Roles of ours that roles of an issuer stand for.
#[derive(Clone, Debug)]
pub struct RoleMapping {
    /// Where the issuer's tokens name them.
    pub source: RoleSource,
    /// What each is called here. Roles that are not here are not passed on.
    pub roles: BTreeMap<String, String>,
}

/// Where a token names roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleSource {
    /// A claim that is a string or an array of strings.
    Claim(String),
    /// Keycloak's `realm_access.roles`.
    Realm,
    /// Keycloak's `resource_access.<client>.roles`.
    Client(String),
}

/// A claim that names roles in a form that is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("roles are no strings")]
pub struct RolesError;

impl RoleSource {
    /// The roles that claims name here; none if they say nothing.
    ///
    /// # Errors
    /// [`RolesError`] for what is there and is no list of strings.
    pub fn read<'a>(&self, claims: &'a Map<String, Value>) -> Result<Vec<&'a str>, RolesError> {
        let object = |value: &'a Value| value.as_object().ok_or(RolesError);
        let found = match self {
            Self::Claim(name) => claims.get(name),
            Self::Realm => match claims.get("realm_access") {
                Some(access) => object(access)?.get(ROLES),
                None => None,
            },
            Self::Client(client) => match claims.get("resource_access") {
                Some(access) => match object(access)?.get(client) {
                    Some(access) => object(access)?.get(ROLES),
                    None => None,
                },
                None => None,
            },
        };
        match found {
            None => Ok(Vec::new()),
            Some(Value::String(role)) if matches!(self, Self::Claim(_)) => Ok(vec![role]),
            Some(Value::Array(roles)) => {
                roles.iter().map(|role| role.as_str().ok_or(RolesError)).collect()
            }
            Some(_) => Err(RolesError),
        }
    }
}

/// The roles of ours that claims of another issuer stand for, each once.
///
/// # Errors
/// [`RolesError`] for what is there and is no list of strings.
pub fn mapped_roles(
    mappings: &[RoleMapping],
    claims: &Map<String, Value>,
) -> Result<BTreeSet<String>, RolesError> {
    let mut ours = BTreeSet::new();
    for mapping in mappings {
        let theirs = mapping.source.read(claims)?;
        ours.extend(theirs.into_iter().filter_map(|role| mapping.roles.get(role)).cloned());
    }
    Ok(ours)
}

/// The name of the first claim that has to be there and is not, or has another value.
#[must_use]
pub fn missing<'a>(
    required: &'a BTreeMap<String, Vec<Value>>,
    claims: &Map<String, Value>,
) -> Option<&'a str> {
    let holds = |(name, values): &(&String, &Vec<Value>)| match claims.get(*name) {
        None => false,
        Some(Value::Array(found)) => found.iter().any(|value| values.contains(value)),
        Some(found) => values.contains(found),
    };
    required.iter().find(|rule| !holds(rule)).map(|(name, _)| name.as_str())
}

/// Whether a claim of this name may be taken over from another issuer: one that says something
/// about the person, and to nobody here anything else.
#[must_use]
pub fn may_be_released(name: &str) -> bool {
    !name.is_empty() && !RESERVED.contains(&name) && !NOT_ABOUT_A_PERSON.contains(&name)
}

impl TrustedIssuer {
    /// Who a person of this issuer is here: a name that no account of this server has, nor anybody
    /// of another issuer. It depends on the issuer and on its `sub` alone.
    #[must_use]
    pub fn subject(&self, sub: &str) -> String {
        let digest = Digest::of_parts(&[self.issuer.as_str().as_bytes(), sub.as_bytes()]);
        format!("{SUBJECT_PREFIX}{}", digest.to_base64url())
    }

    /// The roles of ours that claims of this issuer stand for, each once.
    pub(crate) fn roles(&self, claims: &Map<String, Value>) -> Result<Vec<String>, RolesError> {
        mapped_roles(&self.roles, claims).map(|ours| ours.into_iter().collect())
    }

    /// What of roles and claims that came through before would do so now.
    pub(crate) fn still_released(&self, before: &Map<String, Value>) -> Map<String, Value> {
        let is_ours = |role: &&Value| {
            let mut ours = self.roles.iter().flat_map(|mapping| mapping.roles.values());
            ours.any(|ours| role.as_str() == Some(ours))
        };
        let mut now = Map::new();
        for (name, value) in before {
            match value {
                Value::Array(roles) if name == ROLES => {
                    let kept: Vec<_> = roles.iter().filter(is_ours).cloned().collect();
                    if !kept.is_empty() {
                        now.insert(name.clone(), Value::Array(kept));
                    }
                }
                value if self.claims.contains(name) => {
                    now.insert(name.clone(), value.clone());
                }
                _ => {}
            }
        }
        now
    }

    /// A digest of what is required of claims, the same for the same rules.
    pub(crate) fn requirements(&self) -> String {
        Digest::of(json!(self.required).to_string().as_bytes()).to_base64url()
    }

    /// The name of the first claim that has to be there and is not, or has another value.
    pub(crate) fn missing(&self, claims: &Map<String, Value>) -> Option<&str> {
        missing(&self.required, claims)
    }
}

impl Accepted {
    /// Whether a token for these audiences, obtained by this client, is for whoever exchanges it.
    pub(crate) fn admits(&self, server: &Issuer, aud: &[String], client: Option<&str>) -> bool {
        let for_us = |audience: &String| {
            audience == server.as_str() || self.audiences.contains(audience.as_str())
        };
        aud.iter().any(for_us) || client.is_some_and(|client| self.clients.contains(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn issuer(url: &str) -> TrustedIssuer {
        TrustedIssuer::new("a", Issuer::parse(url).unwrap())
    }

    /// J28.
    #[test]
    fn a_subject_is_of_one_issuer_alone() {
        let (idp, other) = (issuer("https://idp.example"), issuer("https://idp.example/a"));
        let of_idp = idp.subject("alice");
        assert!(of_idp.starts_with(SUBJECT_PREFIX), "{of_idp}");
        assert_eq!(of_idp, TrustedIssuer { alias: "b".to_owned(), ..idp.clone() }.subject("alice"));
        for another in [idp.subject("Alice"), idp.subject("/aalice"), other.subject("alice")] {
            assert_ne!(of_idp, another);
        }
        // Neither does the boundary between the two move.
        assert_ne!(idp.subject("/a"), other.subject(""));
        // RFC 9068 §2.2 takes `sub` from RFC 7519 §4.1.2, and OpenID Core §2 ends it at 255 octets.
        assert!(idp.subject(&"x".repeat(10_000)).len() < 64);
    }

    #[test]
    fn roles_are_read_where_they_are_and_mapped() {
        let claims = map(json!({
            "realm_access": { "roles": ["admin", "offline_access"] },
            "resource_access": {
                "results": { "roles": ["reader", "admin"] },
                "account": { "roles": ["manage-account"] },
                "a.b": { "roles": ["dotted"] },
            },
            "groups": ["staff"], "role": "single",
        }));
        for (source, expected) in [
            (RoleSource::Realm, &["admin", "offline_access"][..]),
            (RoleSource::Client("results".into()), &["reader", "admin"]),
            (RoleSource::Client("a.b".into()), &["dotted"]),
            (RoleSource::Client("nobody".into()), &[]),
            (RoleSource::Claim("groups".into()), &["staff"]),
            (RoleSource::Claim("role".into()), &["single"]),
            (RoleSource::Claim("roles".into()), &[]),
        ] {
            assert_eq!(source.read(&claims).unwrap(), expected, "{source:?}");
            assert_eq!(source.read(&Map::new()).unwrap(), Vec::<&str>::new(), "{source:?}");
        }
        let mapping = |source, pairs: &[(&str, &str)]| RoleMapping {
            source,
            roles: pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        let mut issuer = issuer("https://idp.example");
        issuer.roles = vec![
            mapping(RoleSource::Client("results".into()), &[("reader", "read"), ("x", "y")]),
            mapping(RoleSource::Claim("groups".into()), &[("staff", "read"), ("admin", "root")]),
        ];
        assert_eq!(issuer.roles(&claims).unwrap(), ["read"], "once, and none that is not listed");
    }

    /// J26.
    #[test]
    fn roles_of_another_shape_are_refused() {
        for (source, claims) in [
            (RoleSource::Realm, json!({ "realm_access": ["admin"] })),
            (RoleSource::Realm, json!({ "realm_access": { "roles": "admin" } })),
            (RoleSource::Realm, json!({ "realm_access": null })),
            (RoleSource::Realm, json!({ "realm_access": { "roles": ["a", 1] } })),
            (RoleSource::Client("c".into()), json!({ "resource_access": { "c": ["a"] } })),
            (RoleSource::Client("c".into()), json!({ "resource_access": "c" })),
            (RoleSource::Claim("r".into()), json!({ "r": { "roles": ["a"] } })),
            (RoleSource::Claim("r".into()), json!({ "r": 1 })),
            (RoleSource::Claim("r".into()), json!({ "r": null })),
        ] {
            assert_eq!(source.read(&map(claims.clone())), Err(RolesError), "{claims}");
        }
    }

    #[test]
    fn what_is_required_is_there_with_a_listed_value() {
        let mut issuer = issuer("https://idp.example");
        issuer.required = [
            ("hd".to_owned(), vec![json!("a.example")]),
            ("acr".to_owned(), vec![json!("silver"), json!("gold")]),
            ("staff".to_owned(), vec![json!(true)]),
        ]
        .into();
        let good = json!({ "hd": "a.example", "acr": ["bronze", "gold"], "staff": true });
        assert_eq!(issuer.missing(&map(good.clone())), None);
        for (name, value) in [
            ("hd", json!("A.example")),
            ("hd", json!(null)),
            ("hd", json!({ "a.example": 1 })),
            ("acr", json!("bronze")),
            ("acr", json!([])),
            ("acr", json!([["gold"]])),
            ("staff", json!("true")),
            ("staff", json!(1)),
        ] {
            let mut claims = map(good.clone());
            claims.insert(name.to_owned(), value);
            assert_eq!(issuer.missing(&claims), Some(name), "{claims:?}");
            claims.remove(name);
            assert_eq!(issuer.missing(&claims), Some(name), "{claims:?}");
        }
    }

    #[test]
    fn a_claim_with_a_meaning_of_its_own_is_not_taken_over() {
        for name in ["", "iss", "email", "act", "cnf", "scope", "roles", "groups", "acr", "typ"] {
            assert!(!may_be_released(name), "{name}");
        }
        for name in ["name", "given_name", "department", "https://claims.example/x"] {
            assert!(may_be_released(name), "{name}");
        }
    }
}
